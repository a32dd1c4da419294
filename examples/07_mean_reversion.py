"""Mean reversion with bracket exits: buy a dip, sell at the mean, stop below.

    horizon run examples/07_mean_reversion.py --embedded --fast --for 3600

The run ends with the position and its two exits at the venue: what protects a position is not cancelled.

Prints:

    BUY 20 at 638.86, holding 20
    SELL 20 at 639.46, holding 0
    BUY 20 at 638.86, holding 20
    stopped    1:00:00 have passed
    orders     6 sent, 3 fills, 2 prompts answered
    position   ibkr:756733:LONG  20
    cash       87,231.80 USD (fees 3.00)
    working    protective order h36477d7167de-5 is still WORKING at the venue
    working    protective order h36477d7167de-6 is still WORKING at the venue
"""

from horizon import Context, Fill, Quote, Strategy


class MeanReversion(Strategy):
    """Buys 20 SPY when the mid is `WIDTH` below its moving average. One bracket at a time."""

    markets = {"spy": "SPY"}
    WIDTH = 0.60

    def __init__(self) -> None:
        self.mean: float | None = None

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if quote.mid is None or quote.ask is None:
            return
        self.mean = quote.mid if self.mean is None else self.mean + 0.01 * (quote.mid - self.mean)
        idle = ctx.position(quote.instrument) == 0 and not ctx.orders(quote.instrument)
        if idle and quote.mid < self.mean - self.WIDTH:
            ctx.bracket(
                ctx.market("spy"), 20, price=quote.ask, take_profit=self.mean, stop_loss=quote.mid - 2 * self.WIDTH
            )

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        ctx.log(f"{fill.order_side} {fill.size} at {fill.price}, holding {ctx.position(fill.instrument)}")
