"""A mean-reverting strategy on seeded quotes: through the replay shell and the matching engine, or as a bare loop.

usage: core_throughput.py replay|loop QUOTES [CPU]

Both make the same decisions on the same quotes: on a mid far below its moving average they bid, far above they offer,
one order at a time for each of two instruments, cancelled when it has waited long enough. The loop is the least that
Python can do for that: one function call a quote, orders are three fields of an object. Prints one JSON object; the
counts show that both did the same work. Making the prices is not timed, making the Quotes is, in both.
"""

import gc
import json
import random
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import islice

from machine import pin

from horizon.engine.core import Core
from horizon.engine.replay import simulate
from horizon.matching import MatchingEngine, NoFees
from horizon.model import (
    Account,
    AccountId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderStatus,
    PriceGrid,
    Quote,
    Start,
)
from horizon.ports import Capabilities
from horizon.strategy import Context, Strategy

SMOOTHING = 0.02
MOST_HELD = 50
PATIENCE = 150
"""Quotes of its instrument that an order waits before it is cancelled."""
BATCH = 65_536
VENUE = "bench"
MARKETS = {
    name: Market(
        exchange=VENUE, market_id=MarketId(name), kind=MarketKind.STOCK, symbol=name, price_grid=PriceGrid.of("0.01")
    )
    for name in ("CALM", "WILD")
}
THRESHOLDS = {"CALM": 0.075, "WILD": 0.3}
_MILLISECOND = 1_000_000

Columns = tuple[list[Instrument], list[int], list[float], list[float], list[float], list[float]]


def made_up_columns(count: int) -> Columns:
    """Two random walks on a grid of a cent, their quotes in random order, a millisecond apart."""
    chance = random.Random(7)
    instruments = {name: market.instrument() for name, market in MARKETS.items()}
    steps = {"CALM": 1, "WILD": 4}
    cents = dict.fromkeys(MARKETS, 60_000)
    columns: Columns = ([], [], [], [], [], [])
    names, times, bids, asks, bid_sizes, ask_sizes = columns
    for number in range(count):
        name = "CALM" if chance.random() < 0.6 else "WILD"
        cents[name] += chance.choice((-1, 0, 0, 1)) * steps[name]
        names.append(instruments[name])
        times.append((number + 1) * _MILLISECOND)
        bids.append(cents[name] / 100)
        asks.append((cents[name] + 1) / 100)
        bid_sizes.append(100.0)
        ask_sizes.append(100.0)
    return columns


def quotes(columns: Columns) -> Iterator[Quote]:
    """The Quotes of the columns, made a batch at a time."""
    rows = map(Quote, *columns)
    while batch := list(islice(rows, BATCH)):
        yield from batch


class Leg:
    """One instrument in the bare loop: its moving average, its resting order and what is held."""

    __slots__ = ("age", "average", "cancelled", "filled", "held", "price", "side", "threshold")

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.average = 0.0
        self.held = 0
        self.side = 0
        self.price = 0.0
        self.age = 0
        self.filled = False
        self.cancelled = False


def bare_loop(columns: Columns) -> dict[str, int]:
    """Orders, cancels and fills of the strategy without an engine."""
    legs = {market.instrument(): Leg(THRESHOLDS[name]) for name, market in MARKETS.items()}
    orders = cancels = fills = 0

    def on_quote(leg: Leg, bid: float, ask: float) -> None:
        nonlocal orders, cancels, fills
        side = leg.side
        if leg.filled or leg.cancelled:
            if leg.filled:
                leg.held += side
                fills += 1
            leg.side = side = 0
            leg.filled = leg.cancelled = False
        # as in the replay, a strategy hears of a fill after the quote that caused it
        leg.filled = (ask <= leg.price if side > 0 else bid >= leg.price) if side else False
        mid = (bid + ask) * 0.5
        average = leg.average = leg.average + SMOOTHING * (mid - leg.average) if leg.average else mid
        if side:
            leg.age += 1
            if leg.age == PATIENCE:
                cancels += 1
                leg.cancelled = True
        elif mid - average < -leg.threshold and leg.held < MOST_HELD:
            orders += 1
            leg.side, leg.price, leg.age = 1, bid, 0
        elif mid - average > leg.threshold and leg.held > -MOST_HELD:
            orders += 1
            leg.side, leg.price, leg.age = -1, ask, 0

    for quote in quotes(columns):
        assert quote.bid is not None
        assert quote.ask is not None
        on_quote(legs[quote.instrument], quote.bid, quote.ask)
    return {"orders": orders, "cancels": cancels, "fills": fills}


class MeanReversion(Strategy):
    """The same strategy as an author writes it."""

    def __init__(self) -> None:
        self.orders = self.cancels = self.fills = 0
        self._market = {market.instrument(): market for market in MARKETS.values()}
        self._threshold = {market.instrument(): THRESHOLDS[name] for name, market in MARKETS.items()}
        self._average: dict[Instrument, float] = {}
        self._held = dict.fromkeys(self._market, 0)
        self._resting: dict[Instrument, Order] = {}
        self._age = dict.fromkeys(self._market, 0)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        bid, ask, name = quote.bid, quote.ask, quote.instrument
        assert bid is not None
        assert ask is not None
        mid = (bid + ask) * 0.5
        average = self._average.get(name)
        average = self._average[name] = mid if average is None else average + SMOOTHING * (mid - average)
        resting = self._resting.get(name)
        if resting is not None:
            self._age[name] += 1
            if self._age[name] == PATIENCE:
                self.cancels += 1
                ctx.cancel(resting)
        elif mid - average < -self._threshold[name] and self._held[name] < MOST_HELD:
            self._sent(ctx.buy(self._market[name], 1, price=bid))
        elif mid - average > self._threshold[name] and self._held[name] > -MOST_HELD:
            self._sent(ctx.sell(self._market[name], 1, price=ask))

    def _sent(self, order: Order) -> None:
        assert order.status is OrderStatus.PENDING, order
        self.orders += 1
        self._resting[order.instrument] = order
        self._age[order.instrument] = 0

    def on_order(self, ctx: Context, order: Order) -> None:
        if order.is_done:
            self._resting.pop(order.instrument, None)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        self.fills += 1
        self._held[fill.instrument] += fill.order_side.sign


class AnyOrder:
    """A venue's profile that refuses nothing."""

    name = VENUE
    capabilities = Capabilities(order_types=frozenset(), times_in_force=frozenset())

    def check(self, request: object, market: Market) -> None:
        """Everything goes."""


def replay(columns: Columns) -> dict[str, int]:
    """Orders, cancels and fills of the strategy through core, desk, ledger and matching engine."""
    strategy = MeanReversion()
    core = Core(strategy, profiles={VENUE: AnyOrder()}, guards=[])
    matching = MatchingEngine(VENUE, fees=NoFees())
    for market in MARKETS.values():
        matching.add_market(market)
    account = Account(exchange=VENUE, account_id=AccountId("A"), cash=Decimal(1_000_000))
    simulate(core, Start(time=0, run_id="r", markets=MARKETS, accounts=(account,)), quotes(columns), matching)
    if core.failure is not None:
        raise core.failure
    return {"orders": strategy.orders, "cancels": strategy.cancels, "fills": strategy.fills}


def main() -> None:
    how, count, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    run: Callable[[Columns], dict[str, int]] = {"replay": replay, "loop": bare_loop}[how]
    columns = made_up_columns(int(count))
    # A recording is read in batches; lists of a million rows would be walked by the garbage collector again and again.
    gc.freeze()
    began = time.perf_counter()
    counts = run(columns)
    print(json.dumps({"seconds": time.perf_counter() - began, "counts": counts}))


if __name__ == "__main__":
    main()
