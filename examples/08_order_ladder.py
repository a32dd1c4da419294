"""A five-rung ladder of bids that re-quotes when the market has moved away.

    horizon run examples/08_order_ladder.py --embedded --fast --for 600

Prints:

    bought 2 at 639.60, holding 2
    cancelled 2 at 638.6
    cancelled 2 at 638.85
    cancelled 2 at 639.1
    cancelled 2 at 639.35
    cancelled 2 at 638.11
    cancelled 2 at 638.36
    cancelled 2 at 638.61
    cancelled 2 at 638.86
    cancelled 2 at 639.11
    bought 2 at 639.67, holding 4
    cancelled 2 at 638.67
    cancelled 2 at 638.92
    cancelled 2 at 639.17
    bought 2 at 639.42, holding 6
    cancelled 2 at 638.14
    cancelled 2 at 638.39
    cancelled 2 at 638.64
    cancelled 2 at 638.89
    cancelled 2 at 639.14
    stopped    0:10:00 have passed
    orders     25 sent, 3 fills, 0 prompts answered
    position   ibkr:756733:LONG  6
    cash       96,159.62 USD (fees 3.00)
"""

from horizon import Context, Fill, Order, OrderStatus, Quote, Strategy


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
        if order.status is OrderStatus.CANCELED:
            ctx.log(f"cancelled {order.request.size} at {order.request.price}")

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        ctx.log(f"bought {fill.size} at {fill.price}, holding {ctx.position(fill.instrument)}")
