"""What works on the sessions of a week: a strategy with an order now and then, and somebody who looks around."""

import asyncio
from collections import Counter
from decimal import Decimal
from random import Random

from exchanges import InteractiveBrokers
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import HorizonError
from horizon.model import Market, Order, OrderRequest, OrderSide, OrderStatus, TimerFired
from horizon.strategy import Context, Strategy

_RESTS_EVERY, _TRADES_EVERY = 3500.0, 5300.0
_RESTS_FOR = 25 * NANOSECONDS
_AT_ONCE = 6
"""How often each thing is asked at the same moment: more than the limits allow."""


class Trader(Strategy):
    """Rests one order below the market for a while, and buys and sells one share by turns, also while it can't."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.statuses: Counter[OrderStatus] = Counter()

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer("rest", every=_RESTS_EVERY)
        ctx.set_timer("trade", every=_TRADES_EVERY)

    def on_order(self, ctx: Context, order: Order) -> None:
        if order.is_done:
            self.statuses[order.status] += 1

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        spy = ctx.market("spy")
        quote = ctx.quote(spy.instrument())
        if ctx.unresolved(spy.instrument()):
            # A cancel can have failed for the same reasons as everything else: it is asked for again.
            for order in ctx.orders(spy.instrument()):
                ctx.cancel(order)
        elif quote is None or quote.bid is None or quote.ask is None:
            return
        elif timer.name == "rest":
            ctx.submit(_order(spy, OrderSide.BUY, quote.bid * 0.98))
            ctx.set_timer("cancel", at=ctx.now + _RESTS_FOR)
        elif timer.name == "trade" and ctx.position(spy.instrument()):
            ctx.submit(_order(spy, OrderSide.SELL, quote.bid * 0.998))
        elif timer.name == "trade":
            ctx.submit(_order(spy, OrderSide.BUY, quote.ask * 1.002))


def _order(market: Market, side: OrderSide, price: float) -> OrderRequest:
    return OrderRequest(
        market_id=market.market_id, order_side=side, size=Decimal(1), price=Decimal(f"{price:.2f}"), outside_rth=True
    )


async def look_around(ib: InteractiveBrokers, clock: Clock, every: float, chance: Random) -> None:
    """Ask for everything at once, again and again. What fails must say so with one of Horizon's own errors."""
    spy = (await ib.market("SPY")).instrument()
    while True:
        await clock.sleep(every * chance.uniform(0.7, 1.3))
        asked = [
            *(ib.quotes([spy]) for _ in range(_AT_ONCE)),
            *(ib.account() for _ in range(_AT_ONCE)),
            ib.positions(),
            ib.fills(),
            ib.open_orders(),
        ]
        for found in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(found, BaseException) and not isinstance(found, HorizonError):
                raise found
