"""Purchases are paid with cash that is there."""

from decimal import Decimal

from horizon.guards.guard import GuardView, entry_of, unsized
from horizon.guards.limits import at_least_zero
from horizon.guards.prices import dearest
from horizon.model import ZERO, Market, MarketKind, Number, OrderRequest, OrderSide, plain

_ON_MARGIN = frozenset({MarketKind.FUTURE, MarketKind.FUTURE_OPTION, MarketKind.CFD})
"""Nothing is paid for these when they are traded; what they need is margin."""


class SettledCash:
    """Refuses an order that would need more cash than has settled in its currency, other open orders counted.

    No debit, and no currency is borrowed: each is counted alone. With `unsettled=True` the proceeds of sales count at
    once. The exits of an entry take nothing. Commission is not estimated: leave room with `reserve`, in each currency.
    Futures and CFDs are not paid for.
    """

    name = "settled_cash"
    counts_the_day = True

    def __init__(self, *, unsettled: bool = False, reserve: Number = 0) -> None:
        self.unsettled = unsettled
        self.reserve = at_least_zero(reserve, "the cash to leave untouched")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if (refusal := unsized(request)) is not None:
            return refusal
        market = view.market(request.instrument)
        if market is None:
            return f"market {request.market_id} is not known, so what it costs is not: resolve the market first"
        currency, cost = _payment(request, view, market)
        if not cost or entry_of(request, view) is not None:
            return None if cost is not None else f"what {market.symbol} costs is not known: there is no price"
        there = (view.cash if self.unsettled else view.settled_cash)(request.exchange, currency)
        if there is None:
            return f"the venue has not said how much {currency} is there{'' if self.unsettled else ' and has settled'}"
        promised = _promised(request.exchange, currency, view)
        if promised is None:
            return f"what the open orders will cost in {currency} is not known: one of them has no price"
        left = there - promised - self.reserve
        if cost <= left:
            return None
        return (
            f"{plain(cost)} {currency} are needed and {plain(left)} are left of {plain(there)}"
            f"{'' if self.unsettled else ' that have settled'}, open orders counted"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view holds the order from here on."""


def _promised(exchange: str, currency: str, view: GuardView) -> Decimal | None:
    """What orders that can still fill, or have fills that are not booked, will take out of one currency."""
    total = ZERO
    for order in view.unsettled(exchange):
        if order.request.parent is not None:
            continue
        market = view.market(order.instrument)
        if market is None:
            return None
        paid, cost = _payment(order.request, view, market)
        if paid != currency:
            continue
        if cost is None:
            return None
        # an order that is over still moves the fills that are reported and not booked
        size = order.request.size if order.is_open else order.filled
        total += cost * max(size - order.booked, ZERO) / order.request.size
    return total


def _payment(request: OrderRequest, view: GuardView, market: Market) -> tuple[str, Decimal | None]:
    """Which currency an order takes, and the most of it; None when that is not known. A sale takes 0.

    Whoever sells a currency pair pays with its base currency.
    """
    sells = request.order_side is OrderSide.SELL
    if market.kind is MarketKind.FOREX and sells:
        return market.symbol.partition(".")[0], request.size
    if sells or market.kind in _ON_MARGIN:
        return market.currency, ZERO
    if request.cash_quantity is not None:
        return market.currency, request.cash_quantity
    price = dearest(request, view.quote(request.instrument), market)
    return market.currency, None if price is None else price * request.size * market.multiplier
