"""A limit on the size of one order."""

from horizon.guards.guard import GuardView, unsized
from horizon.guards.limits import positive
from horizon.model import Number, OrderRequest, plain


class MaxSize:
    """Refuses an order for more than `limit` shares or contracts."""

    name = "max_size"

    def __init__(self, limit: Number) -> None:
        self.limit = positive(limit, "the largest size of an order")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if (refusal := unsized(request)) is not None:
            return refusal
        if request.size <= self.limit:
            return None
        return f"size {plain(request.size)} is above the limit of {plain(self.limit)} per order"

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""
