"""No order twice in a moment."""

from decimal import Decimal

from horizon.guards.guard import GuardView
from horizon.guards.limits import positive
from horizon.model import ClientOrderId, Instrument, Number, OrderRequest, OrderSide, OrderType, plain

_What = tuple[Instrument, OrderSide, OrderType, Decimal, Decimal | None, Decimal | None, Decimal | None]


class DuplicateWindow:
    """Refuses an order like one that left less than `seconds` ago: same market, side, type, size and prices.

    What became of the first one does not matter: a program that sends again because it heard nothing is the one to
    stop. The exits of a bracket are compared among exits only.
    """

    name = "duplicate_window"
    counts_orders = True

    def __init__(self, seconds: Number) -> None:
        self.seconds = positive(seconds, "the seconds in which an order may not leave twice")
        self._window = int(self.seconds * 1_000_000_000)
        self._left: dict[tuple[_What, bool], tuple[int, ClientOrderId]] = {}

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        found = self._left.get(_what(request))
        if found is None or found[1] == request.client_order_id:
            return None
        age = view.now - found[0]
        if age >= self._window:
            return None
        return (
            f"order {found[1]} is the same ({request.order_side} {plain(request.size)} of {request.instrument}) and "
            f"left {age / 1e9:.1f} s ago, less than {plain(self.seconds)} s: wait, or change the order"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Remember the order, and forget what is older than the window."""
        for old in [what for what, (left, _) in self._left.items() if now - left >= self._window]:
            del self._left[old]
        self._left[_what(request)] = now, request.client_order_id


def _what(request: OrderRequest) -> tuple[_What, bool]:
    prices = request.limit, request.stop_price, request.cash_quantity
    return (request.instrument, request.order_side, request.order_type, request.size, *prices), bool(request.parent)
