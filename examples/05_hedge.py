"""Hedge an event contract with shares: hold 500 YES and keep them hedged by the digital option's delta.

    horizon run examples/05_hedge.py --embedded --fast --for 3600

Prints:

    BUY 179 SPXC at 0.51, holding 179
    SELL 11 SPY at 639.74, holding -11
    BUY 321 SPXC at 0.51, holding 500
    SELL 20 SPY at 639.75, holding -31
    stopped    1:00:00 have passed
    orders     3 sent, 4 fills, 2 prompts answered
    position   ibkr:860100050:YES  500
    position   ibkr:756733:LONG  -31
    cash       119,575.14 USD (fees 2.00)
"""

from decimal import Decimal

from horizon import Context, Fill, MarketKind, MarketQuery, OrderType, Side
from horizon.hedging import DigitalDelta
from horizon.strategies import HedgeStrategy


class HedgedEvent(HedgeStrategy):
    """YES on the embedded gateway's "S&P 500 above K at the close", with K nearest to 6400."""

    def __init__(self) -> None:
        super().__init__(
            event=MarketQuery(symbol="SPXC", kind=MarketKind.EVENT, side=Side.YES, nearest_threshold=Decimal(6400)),
            stock="SPY",
            contracts=500,
            # The event is about the index, the hedge trades the fund: ten points of one are a dollar of the other.
            # The formula counts calendar time: 0.16 a year of trading sessions is 0.37 a year of these few hours.
            model=DigitalDelta(volatility=0.37, ratio=10),
            band=3,
            cap=150,
            order_type=OrderType.MARKET,
        )

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        ctx.log(f"{fill.order_side} {fill.size} {fill.symbol} at {fill.price}, holding {ctx.position(fill.instrument)}")
        super().on_fill(ctx, fill)
