"""Orders that are taken while the session is away, and what becomes of them when it is back."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from horizon.engine.core import Core
from horizon.engine.parity import replay_verdict
from horizon.engine.run import RunResult, run_async
from horizon.errors import BrokerageSessionDown, ConfigurationError
from horizon.exchange import Exchange
from horizon.guards import Guard, MaxPosition, OrdersPerMinute, PriceBand
from horizon.model import (
    Instrument,
    Market,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Quote,
    SessionState,
    Side,
)
from horizon.ports import FeedHealth, PutMarketEvent
from horizon.recording import RecordingReader
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

AWAY, BACK, END = 2, 30, 40
"""Seconds of the run at which the session goes, comes back, and the feed ends."""


def session(clock: ScriptedClock, *, ready: bool, holding: bool = False) -> SessionState:
    return SessionState(
        exchange="scripted", time=clock.now(), ready=ready, holding=holding, reason="" if ready else "nightly reset"
    )


class Day:
    """A feed of one instrument, and a session that goes and comes back meanwhile."""

    def __init__(self, venue: Any, clock: ScriptedClock, name: Instrument, *, holding: bool = True) -> None:
        self.venue, self.clock, self.name, self.holding = venue, clock, name, holding
        self.after = 100.0
        """The bid from the moment at which the session is back."""
        self.returns = True

    async def run(self, put: PutMarketEvent) -> None:
        for second in range(END):
            if second == AWAY:
                self.venue.put(session(self.clock, ready=False, holding=self.holding))
            bid = self.after if second >= BACK else 100.0
            if not AWAY < second < BACK:
                put(Quote(self.name, self.clock.now(), bid, bid + 0.02, 50.0, 50.0))
            if second == BACK and self.returns:
                self.venue.put(session(self.clock, ready=True))
            await self.clock.sleep(1)

    async def subscribe(self, instruments: Sequence[Instrument]) -> None: ...
    def health(self) -> Sequence[FeedHealth]:
        return []


class Wants(Strategy):
    """Buys `count` times while the session is away; `then` is done at a timer some seconds later."""

    markets = {"spy": "SPY"}

    def __init__(self, count: int = 1, then: Callable[[Context, list[Order]], None] | None = None) -> None:
        self.count = count
        self.then = then
        self.orders: list[Order] = []
        self.statuses: list[tuple[OrderStatus, str]] = []

    def on_session(self, ctx: Context, session: SessionState) -> None:
        if not session.ready and not self.orders:
            spy = ctx.market("spy")
            self.orders = [ctx.buy(spy, 5, price=Decimal("100.02")) for _ in range(self.count)]
            ctx.set_timer("then", at=ctx.now + 5_000_000_000)

    def on_timer(self, ctx: Context, timer: Any) -> None:
        if self.then is not None:
            self.then(ctx, self.orders)

    def on_order(self, ctx: Context, order: Order) -> None:
        self.statuses.append((order.status, order.reason))


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with Exchange(scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock) as opened:
        yield opened


@pytest.fixture
def day(scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market) -> Day:
    return Day(scripted_venue, scripted_clock, spy.instrument())


async def play(strategy: Strategy, exchange: Exchange, day: Day, *guards: Guard, **options: Any) -> RunResult:
    return await run_async(strategy, exchange, feeds=[day], guards=guards, **options)


def placed(venue: Any) -> int:
    return sum(1 for kind, _ in venue.calls if kind == "place")


async def test_by_default_nothing_is_held(exchange: Exchange, scripted_venue: Any, day: Day) -> None:
    day.holding = False
    strategy = Wants()
    await play(strategy, exchange, day)
    assert placed(scripted_venue) == 0
    assert strategy.orders[0].status is OrderStatus.REJECTED
    assert "nightly reset" in strategy.orders[0].reason


async def test_a_held_order_leaves_when_the_session_is_back_and_not_before(
    exchange: Exchange, scripted_venue: Any, day: Day, scripted_clock: ScriptedClock
) -> None:
    left: list[int] = []

    async def note() -> None:
        left.append(scripted_clock.now())

    scripted_venue.before_placing = note
    began = scripted_clock.now()
    strategy = Wants(count=3)
    await play(strategy, exchange, day)
    assert [status for status, _ in strategy.statuses[:3]] == [OrderStatus.WORKING] * 3
    assert {round((moment - began) / 1e9) for moment in left} == {BACK}
    assert [key for kind, key in scripted_venue.calls if kind == "place"] == [
        order.client_order_id for order in strategy.orders
    ]


async def test_an_order_that_is_cancelled_while_it_is_held_never_leaves(
    exchange: Exchange, scripted_venue: Any, day: Day
) -> None:
    when: list[int] = []

    def cancel_the_first(ctx: Context, orders: list[Order]) -> None:
        when.append(ctx.now)
        ctx.cancel(orders[0])

    strategy = Wants(count=2, then=cancel_the_first)
    await play(strategy, exchange, day)
    first, second = strategy.orders
    assert [key for kind, key in scripted_venue.calls if kind == "place"] == [second.client_order_id]
    assert strategy.statuses[0] == (OrderStatus.CANCELED, "cancelled before it left")
    assert first.client_order_id not in scripted_venue.orders


async def test_the_market_has_moved_meanwhile_so_the_guards_are_asked_again(
    exchange: Exchange, scripted_venue: Any, day: Day
) -> None:
    day.after = 50.0
    strategy = Wants()
    result = await play(strategy, exchange, day, PriceBand("0.05"))
    assert placed(scripted_venue) == 0
    (status, reason), *_ = strategy.statuses
    assert status is OrderStatus.REJECTED
    assert reason.startswith("price_band: held over a reset, and now price 100.02 is 50.01 away")
    assert result.rejected == 1


async def test_a_held_order_does_not_stand_in_its_own_way(exchange: Exchange, scripted_venue: Any, day: Day) -> None:
    await play(Wants(count=2), exchange, day, MaxPosition(10), OrdersPerMinute(2))
    assert placed(scripted_venue) == 2


async def test_held_orders_count_for_those_that_follow(exchange: Exchange, scripted_venue: Any, day: Day) -> None:
    strategy = Wants(count=3)
    await play(strategy, exchange, day, MaxPosition(10))
    assert [order.status for order in strategy.orders] == [
        OrderStatus.PENDING,
        OrderStatus.PENDING,
        OrderStatus.REJECTED,
    ]
    assert placed(scripted_venue) == 2


async def test_orders_that_are_still_held_when_the_run_ends_are_over(
    exchange: Exchange, scripted_venue: Any, day: Day, scripted_clock: ScriptedClock
) -> None:
    day.returns = False
    began = scripted_clock.now()
    result = await play(Wants(), exchange, day)
    assert placed(scripted_venue) == 0
    assert result.working == ()
    assert (scripted_clock.now() - began) / 1e9 < END + 5


async def test_a_replay_sends_what_was_sent_live(
    exchange: Exchange, scripted_venue: Any, day: Day, tmp_path: Path
) -> None:
    def cancel_the_first(ctx: Context, orders: list[Order]) -> None:
        ctx.cancel(orders[0])

    await play(Wants(count=3, then=cancel_the_first), exchange, day, record=tmp_path / "run")
    reader = RecordingReader(tmp_path / "run")
    again = Wants(count=3, then=cancel_the_first)
    core = Core(again, profiles={"scripted": exchange.profile}, guards=[])
    verdict = replay_verdict(core, reader, list(reader.requests()))
    assert verdict.matches, verdict.first_difference
    assert verdict.recorded == 3
    assert again.statuses[0] == (OrderStatus.CANCELED, "cancelled before it left")


# -- straight from a person ------------------------------------------------------------------------------------------


def a_buy(spy: Market) -> OrderRequest:
    return OrderRequest(
        exchange="scripted",
        market_id=spy.market_id,
        side=Side.LONG,
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=Decimal("100.02"),
    )


async def test_a_direct_order_waits_and_is_checked_against_the_market_that_it_meets(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    scripted_venue.put(session(scripted_clock, ready=False, holding=True))
    waiting = asyncio.create_task(exchange.submit(a_buy(spy)))
    await scripted_clock.sleep(60)
    assert scripted_venue.calls == []
    assert [record.kind for record in exchange.journal.records()] == ["owner"]
    scripted_venue.bid, scripted_venue.ask = 50.0, 50.02
    scripted_venue.put(session(scripted_clock, ready=True))
    with pytest.raises(ValueError, match="price_band"):
        await waiting
    assert placed(scripted_venue) == 0


async def test_a_direct_order_leaves_once_the_session_is_back(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    scripted_venue.put(session(scripted_clock, ready=False, holding=True))
    waiting = asyncio.create_task(exchange.submit(a_buy(spy)))
    await scripted_clock.sleep(60)
    scripted_venue.put(session(scripted_clock, ready=True))
    assert (await waiting).status is OrderStatus.WORKING


async def test_a_direct_order_is_refused_shortly_before_a_reset_and_nothing_is_journaled(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    scripted_venue.put(session(scripted_clock, ready=False))
    with pytest.raises(BrokerageSessionDown, match="can't take orders now: nightly reset"):
        await exchange.submit(a_buy(spy))
    assert scripted_venue.calls == []
    assert [record.kind for record in exchange.journal.records()] == ["owner"]
    scripted_venue.put(session(scripted_clock, ready=True))
    assert (await exchange.submit(a_buy(spy))).status is OrderStatus.WORKING


async def test_giving_up_the_wait_for_a_direct_order_leaves_nothing_behind(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    scripted_venue.put(session(scripted_clock, ready=False, holding=True))
    with pytest.raises(TimeoutError):
        async with scripted_clock.deadline(60):
            await exchange.submit(a_buy(spy))
    scripted_venue.put(session(scripted_clock, ready=True))
    await scripted_clock.sleep(60)
    assert scripted_venue.calls == []
    assert not [record for record in exchange.journal.records() if record.client_order_id]


async def test_closing_ends_the_wait_of_a_direct_order(
    scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market, tmp_path: Path
) -> None:
    async with Exchange(scripted_venue, journal=tmp_path / "j.sqlite", clock=scripted_clock) as exchange:
        scripted_venue.put(session(scripted_clock, ready=False, holding=True))
        waiting = asyncio.create_task(exchange.submit(a_buy(spy)))
        await scripted_clock.sleep(1)
    with pytest.raises(ConfigurationError, match="not open"):
        await waiting
