"""A limit on the money one order can move."""

import math
from decimal import Decimal

from horizon.guards.guard import GuardView
from horizon.guards.limits import positive
from horizon.model import Number, OrderRequest, OrderSide, Quote, exact, plain


class MaxNotional:
    """Refuses an order whose price x size x multiplier is above `limit`, in the market's own currency.

    A purchase costs at most its limit price. A sale can trade above its limit price, and other order types have none,
    so these are valued at the highest of their own prices and the quote's; without any price they are refused.
    """

    name = "max_notional"

    def __init__(self, limit: Number) -> None:
        self.limit = positive(limit, "the largest notional of an order")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        market = view.market(request.instrument)
        if market is None:
            return f"market {request.market_id} is not known, so its multiplier is not: resolve the market first"
        price = _highest_price(request, view.quote(request.instrument))
        if price is None:
            return (
                f"the notional of a {request.order_type} order in {market.symbol} can't be compared with the limit of "
                f"{plain(self.limit)}: there is no price and no quote; subscribe to quotes, or use a limit order"
            )
        notional = price * request.size * market.multiplier
        if notional <= self.limit:
            return None
        return (
            f"notional {plain(notional)} {market.currency} ({plain(request.size)} {market.symbol} at {plain(price)}) "
            f"is above the limit of {plain(self.limit)}"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""


def _highest_price(request: OrderRequest, quote: Quote | None) -> Decimal | None:
    if request.price is not None and request.order_side is OrderSide.BUY:
        return abs(request.price)
    prices = [abs(price) for price in (request.price, request.stop_price) if price is not None]
    if quote is not None:
        prices += [abs(exact(side)) for side in (quote.bid, quote.ask) if side is not None and math.isfinite(side)]
    return max(prices, default=None)
