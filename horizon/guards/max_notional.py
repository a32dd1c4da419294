"""A limit on the money one order can move."""

from decimal import Decimal

from horizon.guards.guard import GuardView
from horizon.guards.limits import positive
from horizon.guards.prices import dearest
from horizon.model import Number, OrderRequest, plain


class MaxNotional:
    """Refuses an order whose price x size x multiplier is above `limit`, in the market's own currency.

    A purchase costs at most its limit price. A sale can trade above its limit price, and other order types have none,
    so these are valued at the highest of their own prices and the quote's; without any price they are refused. An
    event contract is never valued above its payout, and needs no price at all for that. A cash quantity is what it is.
    """

    name = "max_notional"

    def __init__(self, limit: Number) -> None:
        self.limit = positive(limit, "the largest notional of an order")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        market = view.market(request.instrument)
        if market is None:
            return f"market {request.market_id} is not known, so its multiplier is not: resolve the market first"
        if request.cash_quantity is not None:
            return self._compared(request.cash_quantity, market.currency, f"a cash quantity of {market.symbol}")
        price = dearest(request, view.quote(request.instrument), market)
        if price is None:
            return (
                f"the notional of a {request.order_type} order in {market.symbol} can't be compared with the limit of "
                f"{plain(self.limit)}: there is no price and no quote; subscribe to quotes, or use a limit order"
            )
        what = f"{plain(request.size)} {market.symbol} at {plain(price)}"
        return self._compared(price * request.size * market.multiplier, market.currency, what)

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""

    def _compared(self, notional: Decimal, currency: str, what: str) -> str | None:
        if notional <= self.limit:
            return None
        return f"notional {plain(notional)} {currency} ({what}) is above the limit of {plain(self.limit)}"
