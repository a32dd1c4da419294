"""One order at a time."""

from horizon.guards.guard import GuardView, entry_of
from horizon.model import Instrument, OrderRequest


class OneAtATime:
    """Refuses an order while another of the same instrument is open, in doubt, or has fills that are not booked.

    For `instruments`, or for all when none is named: what a hedge wants, because the size of its next order is a guess
    until the last is resolved. The exits of a bracket belong to their entry.
    """

    name = "one_at_a_time"

    def __init__(self, *instruments: Instrument) -> None:
        self.instruments = frozenset(instruments)

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if entry_of(request, view) is not None or (self.instruments and request.instrument not in self.instruments):
            return None
        for order in view.unsettled(request.exchange, request.instrument):
            same_group = request.group and order.request.group == request.group
            if order.request.parent is None and not same_group:
                return (
                    f"order {order.client_order_id} of {request.instrument} is {order.status} and not resolved yet: "
                    "the next one waits until it is"
                )
        return None

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view holds the order from here on."""
