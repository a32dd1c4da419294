"""A limit on how often orders leave."""

from collections import deque

from horizon.guards.guard import GuardView
from horizon.guards.limits import whole
from horizon.model import OrderRequest

MINUTE = 60 * 1_000_000_000


class OrdersPerMinute:
    """Refuses an order when `limit` orders have left within the last sixty seconds. Cancels are not counted."""

    name = "orders_per_minute"
    counts_orders = True

    def __init__(self, limit: int) -> None:
        self.limit = whole(limit, "orders per minute")
        self._left: deque[int] = deque(maxlen=limit)

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if len(self._left) < self.limit or self._left[0] <= view.now - MINUTE:
            return None
        wait = (self._left[0] + MINUTE - view.now) / 1e9
        return (
            f"{self.limit} orders left within the last minute, which is the limit; the next may leave in {wait:.1f} s"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Count the order; the oldest beyond the limit is forgotten, because it can no longer decide anything."""
        self._left.append(now)
