"""A limit on what is held of one instrument."""

from horizon.guards.guard import GuardView, reach, unsized
from horizon.guards.limits import positive
from horizon.model import Number, OrderRequest, plain


class MaxPosition:
    """Refuses an order after which more than `limit` could be held, long or short, of its instrument.

    The worst case counts everything that is open or in doubt. An order that only reduces always passes: only the side
    towards which it moves the position is compared. An exit works only once its entry has filled, and the exits of one
    entry cancel each other.
    """

    name = "max_position"

    def __init__(self, limit: Number) -> None:
        self.limit = positive(limit, "the largest position")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if (refusal := unsized(request)) is not None:
            return refusal
        after = reach(request, view)
        if after * request.order_side.sign <= self.limit:
            return None
        return (
            f"position could become {plain(after)} (now {plain(view.position(request.instrument))}, "
            f"open orders counted), beyond the limit of {plain(self.limit)}"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view's worst case holds the order from here on."""
