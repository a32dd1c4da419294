"""Hedge an event contract with shares: hold 500 YES and keep them hedged by the digital option's delta.

horizon run examples/05_hedge.py --embedded --fast --for 3600
"""

from decimal import Decimal

from horizon import MarketKind, MarketQuery, OrderType, Side
from horizon.hedging import DigitalDelta
from horizon.strategies import HedgeStrategy


class HedgedEvent(HedgeStrategy):
    """YES on the embedded gateway's "S&P 500 above K at the close", with K nearest to 6400."""

    def __init__(self) -> None:
        super().__init__(
            event=MarketQuery(symbol="SPXC", kind=MarketKind.EVENT, side=Side.YES, nearest_threshold=Decimal(6400)),
            stock="SPY",
            contracts=500,
            # the event is about the index, the hedge trades the fund: ten points of one are a dollar of the other
            model=DigitalDelta(volatility=0.37, ratio=10),
            band=3,
            cap=150,
            order_type=OrderType.MARKET,
        )
