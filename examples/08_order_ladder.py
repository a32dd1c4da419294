"""A five-rung ladder of bids that re-quotes when the market has moved away.

horizon run examples/08_order_ladder.py --embedded --fast --for 1800
"""

from horizon import Context, Order, Quote, Strategy


class Ladder(Strategy):
    """Five bids of 2 SPY, `STEP` apart below the best bid; cancelled and placed anew after a move of two steps."""

    markets = {"spy": "SPY"}
    RUNGS, SIZE, STEP = 5, 2, 0.25

    def __init__(self) -> None:
        self.top: float | None = None

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if quote.bid is None:
            return
        if ctx.orders(quote.instrument):
            if self.top is not None and abs(quote.bid - self.top) >= 2 * self.STEP:
                ctx.cancel_all(quote.instrument)
                self.top = None
        elif ctx.position(quote.instrument) < self.RUNGS * self.SIZE:
            self.top = quote.bid
            for rung in range(1, self.RUNGS + 1):
                ctx.buy(ctx.market("spy"), self.SIZE, price=quote.bid - rung * self.STEP)

    def on_order(self, ctx: Context, order: Order) -> None:
        if order.is_done:
            ctx.log(f"{order.request.size} at {order.request.price}: {order.status}")
