"""No trade with oneself."""

from horizon.guards.guard import GuardView
from horizon.guards.limits import at_least_zero
from horizon.guards.prices import highest_event_price, twin_of
from horizon.model import ClientOrderId, Instrument, Number, Order, OrderRequest, OrderSide, OrderType, plain

_RESTS_UNSEEN = frozenset(
    {
        OrderType.STOP,
        OrderType.STOP_LIMIT,
        OrderType.TRAILING_STOP,
        OrderType.TRAILING_STOP_LIMIT,
        OrderType.MARKET_IF_TOUCHED,
        OrderType.LIMIT_IF_TOUCHED,
        OrderType.MARKET_ON_CLOSE,
        OrderType.LIMIT_ON_CLOSE,
    }
)
"""Not in the book when they are sent: whom they meet is not known yet."""


class Wash:
    """Refuses an order that would trade with an own one: a purchase at or above an own sale, or the reverse.

    At a venue that pairs buyers of YES with buyers of NO (ForecastEx), two own bids meet when their prices sum to the
    payout and `pair_fee` (in price units); for a venue without such a fee it is 0. Orders of one bracket or group do
    not meet.
    """

    name = "wash"

    def __init__(self, *, pair_fee: Number = "0.01") -> None:
        self.pair_fee = at_least_zero(pair_fee, "the fee of a pair")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if request.order_type in _RESTS_UNSEEN:
            return None
        for order in view.unsettled(request.exchange, request.instrument):
            own = order.request
            if _can_meet(order, request) and own.order_side is not request.order_side and _crosses(own, request):
                return self._met(request, order)
        return self._pairs(request, view)

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view holds the order from here on."""

    def _pairs(self, request: OrderRequest, view: GuardView) -> str | None:
        market = view.market(request.instrument)
        other: Instrument | None = None if market is None else twin_of(market, request.instrument)
        if market is None or other is None:
            return None
        meets_at = highest_event_price(market) + self.pair_fee
        for order in view.unsettled(request.exchange, other):
            own = order.request
            if not _can_meet(order, request) or own.order_side is not request.order_side:
                continue
            total = None if own.limit is None or request.limit is None else own.limit + request.limit
            buys = request.order_side is OrderSide.BUY
            if total is None or (total >= meets_at if buys else total <= highest_event_price(market)):
                return self._met(request, order)
        return None

    def _met(self, request: OrderRequest, order: Order) -> str:
        return (
            f"{_in_words(request)} would trade with the own order {order.client_order_id}, {_in_words(order.request)}: "
            "cancel that one first"
        )


def _can_meet(order: Order, request: OrderRequest) -> bool:
    own = order.request
    if not order.is_open or own.order_type in _RESTS_UNSEEN:
        return False
    return not (own.group and own.group == request.group) and _family(own).isdisjoint(_family(request))


def _family(request: OrderRequest) -> set[ClientOrderId]:
    return {key for key in (request.client_order_id, request.parent) if key}


def _crosses(one: OrderRequest, other: OrderRequest) -> bool:
    buy, sell = (one, other) if one.order_side is OrderSide.BUY else (other, one)
    return buy.limit is None or sell.limit is None or buy.limit >= sell.limit


def _in_words(request: OrderRequest) -> str:
    at = "at any price" if request.limit is None else f"at {plain(request.limit)}"
    return f"{request.order_side} {plain(request.size)} of {request.instrument} {at}"
