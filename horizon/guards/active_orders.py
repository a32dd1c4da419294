"""A limit on how many orders rest in one market."""

from horizon.guards.guard import GuardView
from horizon.guards.limits import whole
from horizon.model import OrderRequest

AT_IBKR = 20
"""Active orders per contract, side and account that Interactive Brokers takes."""


class ActiveOrders:
    """Refuses an order when `limit` orders of its market and side can still fill, in doubt or not.

    Orders placed elsewhere count once the desk has adopted them.
    """

    name = "active_orders"

    def __init__(self, limit: int = AT_IBKR) -> None:
        self.limit = whole(limit, "active orders per market and side")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        active = sum(
            order.is_open and order.request.order_side is request.order_side
            for order in view.unsettled(request.exchange, request.instrument)
        )
        if active < self.limit:
            return None
        return (
            f"{active} {request.order_side} orders of {request.instrument} are active, and the limit is {self.limit}: "
            "cancel one first"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view holds the order from here on."""
