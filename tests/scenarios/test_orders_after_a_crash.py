"""A process that dies with orders on their way, and the next one on its journal: none is lost, and none is doubled."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.engine.run import RunResult, run_async
from horizon.errors import ConfigurationError, InvalidOrder, OutcomeUnknown
from horizon.model import (
    CoreEvent,
    Notice,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
)
from horizon.ports import RecordKind
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
HOUR = 3600.0


class Desk:
    """One gateway, and one process after the other that trades on it."""

    def __init__(self, gateway: Simulator, clock: ScriptedClock, folder: Path, kept: AsyncExitStack) -> None:
        self.gateway = gateway
        self.clock = clock
        self.folder = folder
        self.kept = kept
        self.account = gateway.accounts[0]
        self.processes = 0
        self.ib: InteractiveBrokers
        self.heard: list[Notice] = []

    async def start(self, **options: Any) -> float:
        """A process on the journal as it is. Returns how many seconds it took to be ready to trade."""
        if self.processes:
            # limits are not shared under a scripted clock: those of the process before must be over
            await self.clock.sleep(6)
        self.ib = InteractiveBrokers(
            api_url=self.gateway.base_url,
            account_id=self.account,
            journal=self.journal,
            guards=[],
            clock=self.clock,
            **options,
        )
        self.ib._hear = self.heard.append  # type: ignore[method-assign]
        began = self.clock.monotonic()
        await self.kept.enter_async_context(self.ib)
        return self.clock.monotonic() - began

    @property
    def journal(self) -> Path:
        return self.folder / f"{self.processes}.sqlite"

    async def crash(self) -> None:
        """The journal stays as it is at this moment; whatever the process still does is not in it."""
        before = self.journal
        self.processes += 1
        with closing(sqlite3.connect(before)) as old, closing(sqlite3.connect(self.journal)) as new:
            old.backup(new)
        await self.ib.close()

    async def spy(self, *, at: float | None = None, size: int = 3) -> OrderRequest:
        market = await self.ib.market("SPY")
        quote = await self.ib.quote(market)
        assert quote.ask is not None
        price = None if at is None else market.price_grid.floor(Decimal(str(quote.ask * at)))
        return OrderRequest(
            market_id=market.market_id,
            order_side=OrderSide.BUY,
            size=Decimal(size),
            price=price,
            order_type=OrderType.MARKET if at is None else OrderType.LIMIT,
        )

    async def crash_during(self, work: Any, match: str, when: Any) -> None:
        """Kill the process once a request of `work` has got to the gateway, before or after it was executed."""
        self.gateway.faults.add(Fault(match=match, action="silence", when=when))
        task = asyncio.create_task(work)
        applied = asyncio.create_task(self.gateway.faults.wait_until_applied())
        await asyncio.wait({task, applied}, return_when=asyncio.FIRST_COMPLETED)
        assert not task.done(), f"it ended before the request was made: {task}"
        crash = asyncio.create_task(self.crash())
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await crash

    @property
    def ids(self) -> list[str]:
        return [line.client_order_id for line in self.ib.journal.records() if line.kind is RecordKind.INTENT]

    @property
    def at_the_gateway(self) -> dict[str | None, tuple[OrderStatus, Decimal]]:
        desk = self.gateway.state.desk
        rows = [(order.ticket.coid, desk.progress(order)) for order in desk.orders(self.account)]
        assert len({coid for coid, _ in rows}) == len(rows)
        return {coid: (progress.status, progress.filled) for coid, progress in rows}

    async def settles(self) -> None:
        """In the end both sides say the same about every order of the journal, and every fill is booked once."""
        await self.clock.sleep(60)
        told = self.at_the_gateway
        assert set(told) <= set(self.ids)
        for key in self.ids:
            order = await self.ib.order(key)
            assert isinstance(order, Order)
            if key in told:
                assert (order.status, order.filled) == told[key]
            else:
                assert order.status is OrderStatus.REJECTED
            assert order.booked == order.filled
            lines = [line.payload for line in self.ib.journal.records() if line.client_order_id == key]
            assert all(b'"account_id":""' not in line for line in lines)
        booked = {line.payload for line in self.ib.journal.records() if line.kind is RecordKind.FILL}
        executions = [each.execution_id for each in self.gateway.book(self.account).executions]
        for name in executions:
            assert any(name.encode() in line for line in booked)
        assert self.gateway.rate_limited == 0


@asynccontextmanager
async def desk_on_a_gateway(folder: Path, **options: Any) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, **options))
        desk = Desk(gateway, clock, folder, kept)
        await desk.start()
        yield desk


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk_on_a_gateway(tmp_path) as made:
        yield made


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("path", ["POST */orders", "POST */reply/*"])
async def test_an_order_on_its_way_is_found_or_proven_absent_and_not_sent_again(
    desk: Desk, path: str, when: str
) -> None:
    request = await desk.spy(at=None if "reply" in path else 0.99)
    await desk.crash_during(desk.ib.submit(request), path, when)
    before = dict(desk.at_the_gateway)
    await desk.start()
    assert set(desk.at_the_gateway) == set(before)
    await desk.settles()


async def test_an_order_that_was_journaled_and_never_left_is_proven_absent(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = asyncio.Event()

    async def never(*_: object) -> None:
        left.set()
        await asyncio.Event().wait()

    request = await desk.spy(at=0.99)
    monkeypatch.setattr(desk.ib._venue, "place", never)
    task = asyncio.create_task(desk.ib.submit(request))
    await left.wait()
    await desk.crash()
    task.cancel()
    assert await desk.start() < 30
    order = await desk.ib.order(desk.ids[0])
    assert isinstance(order, Order)
    assert order.status is OrderStatus.REJECTED
    assert "never reached the venue" in order.reason
    assert "its sender is gone" in order.reason
    decisions = [line for line in desk.ib.journal.records() if line.kind is RecordKind.DECISION]
    assert [line.subject for line in decisions] == ["not sent again"]
    await desk.settles()


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_cancel_on_its_way_is_settled_by_reading_the_order_back_and_asked_again(desk: Desk, when: str) -> None:
    order = await desk.ib.submit(await desk.spy(at=0.99))
    await desk.crash_during(desk.ib.cancel(order), "DELETE */order/*", when)
    await desk.start()
    await desk.settles()
    assert desk.at_the_gateway[order.client_order_id][0] is OrderStatus.CANCELED


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_change_on_its_way_is_settled_by_reading_the_order_back(desk: Desk, when: str) -> None:
    order = await desk.ib.submit(await desk.spy(at=0.99))
    await desk.crash_during(desk.ib.replace(order, size=Decimal(5)), "POST */order/*", when)
    await desk.start()
    await desk.settles()
    assert len(desk.at_the_gateway) == 1
    found = await desk.ib.order(order.client_order_id)
    assert isinstance(found, Order)
    (at_the_venue,) = await desk.ib.open_orders()
    assert found.request.size == at_the_venue.size == (5 if when == "after" else 3)


async def test_a_working_order_of_an_earlier_run_is_changed_and_cancelled_by_the_next(desk: Desk) -> None:
    before = await desk.ib.submit(await desk.spy(at=0.99))
    await desk.crash()
    await desk.start()
    order = await desk.ib.order(before.client_order_id)
    assert isinstance(order, Order)
    assert (order.status, order.venue_order_id) == (OrderStatus.WORKING, before.venue_order_id)
    changed = await desk.ib.replace(order, size=Decimal(4))
    assert changed.request.size == 4
    assert (await desk.ib.cancel(changed)).status is OrderStatus.CANCELED
    await desk.settles()


async def test_what_filled_while_nobody_listened_is_booked_once_by_the_next(desk: Desk) -> None:
    order = await desk.ib.submit(await desk.spy(at=1.001))
    await desk.crash()
    await desk.clock.sleep(HOUR)
    await desk.start()
    done = await desk.ib.order(order.client_order_id)
    assert isinstance(done, Order)
    assert (done.status, done.booked) == (OrderStatus.FILLED, 3)
    await desk.settles()
    await desk.crash()
    await desk.start()
    fills = [line for line in desk.ib.journal.records() if line.kind is RecordKind.FILL]
    assert len({line.payload for line in fills}) == len(fills) == len(desk.gateway.book(desk.account).executions)


async def test_a_market_with_an_order_in_doubt_is_not_traded_and_the_others_are(desk: Desk) -> None:
    await desk.crash_during(desk.ib.submit(await desk.spy(at=0.99)), "POST */orders", "before")
    desk.gateway.faults.add(Fault(match="GET */account/orders", action="html", times=12))
    assert 40 < await desk.start() < 60
    assert any("nothing new is sent in its market" in notice.text for notice in desk.heard)
    with pytest.raises(InvalidOrder, match="is in doubt") as refused:
        await desk.ib.submit(await desk.spy(at=0.99))
    assert refused.value.rule == "in_doubt"
    market = await desk.ib.market("AAPL")
    quote = await desk.ib.quote(market)
    assert quote.ask is not None
    other = await desk.ib.submit(
        OrderRequest(
            market_id=market.market_id,
            order_side=OrderSide.BUY,
            size=Decimal(1),
            price=market.price_grid.floor(Decimal(str(quote.ask * 0.99))),
        )
    )
    assert other.status is OrderStatus.WORKING
    await desk.clock.sleep(180)
    assert (await desk.ib.submit(await desk.spy(at=0.99))).status is OrderStatus.WORKING
    await desk.settles()


async def test_an_order_of_yesterday_is_not_taken_for_absent_until_a_person_says_so(desk: Desk) -> None:
    await desk.crash_during(desk.ib.submit(await desk.spy(at=0.99)), "POST */orders", "before")
    await desk.clock.sleep(24 * HOUR)
    desk.gateway.log_in()
    await desk.start()
    order = await desk.ib.order(desk.ids[0])
    assert isinstance(order, Order)
    assert order.status is OrderStatus.UNKNOWN
    given_up = await desk.ib.give_up(order.client_order_id, "not on the screen of the venue")
    assert given_up.status is OrderStatus.CANCELED
    with pytest.raises(ConfigurationError, match="neither in doubt nor filled"):
        await desk.ib.give_up(order.client_order_id, "again")
    await desk.crash()
    await desk.start()
    assert isinstance(again := await desk.ib.order(order.client_order_id), Order)
    assert again.status is OrderStatus.CANCELED


async def test_many_orders_are_settled_by_few_reads(tmp_path: Path) -> None:
    async with desk_on_a_gateway(tmp_path, prompts=False) as desk:
        for _ in range(12):
            await desk.ib.submit(await desk.spy(at=0.99, size=1))
        await desk.crash()
        assert await desk.start() < 12
        assert len(await desk.ib.cancel_all()) == 12
        await desk.settles()


# -- the same process ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["POST */orders", "POST */reply/*"])
async def test_an_order_that_was_lost_on_its_way_is_sent_once_more_under_its_id(desk: Desk, path: str) -> None:
    request = await desk.spy(at=None if "reply" in path else 0.99)
    desk.gateway.faults.add(Fault(match=path, action="drop"))
    with pytest.raises(OutcomeUnknown):
        await desk.ib.submit(request)
    with pytest.raises(InvalidOrder, match="is in doubt"):
        await desk.ib.submit(request)
    await desk.clock.sleep(30)
    decisions = [line for line in desk.ib.journal.records() if line.kind is RecordKind.DECISION]
    assert [line.subject for line in decisions][:1] == ["sent again"]
    await desk.settles()


# -- strategies ------------------------------------------------------------------------------------------------------


class Rests(Strategy):
    """Leaves an order far from the market, once."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.found: list[Order] = []
        self.mine: Order | None = None

    def on_start(self, ctx: Context) -> None:
        self.found = list(ctx.orders())

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if self.mine is None and not self.found and quote.ask is not None:
            self.mine = ctx.buy(ctx.market("spy"), 1, price=quote.ask * 0.99)


async def run(desk: Desk, strategy: Strategy, seconds: float = 20) -> tuple[RunResult, list[CoreEvent]]:
    events: list[CoreEvent] = []
    result = await run_async(strategy, desk.ib, duration=timedelta(seconds=seconds), on_event=events.append, guards=[])
    return result, events


async def test_a_strategy_takes_up_what_its_killed_run_has_left_and_ends_it(desk: Desk) -> None:
    running = asyncio.create_task(run(desk, Rests(), 1_000))
    while not any(status is OrderStatus.WORKING for status, _ in desk.at_the_gateway.values()):
        await desk.clock.sleep(1)
    crash = asyncio.create_task(desk.crash())
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await crash
    await desk.start()
    strategy = Rests()
    result, _ = await run(desk, strategy)
    assert [order.status for order in strategy.found] == [OrderStatus.WORKING]
    assert strategy.mine is None
    assert result.working == ()
    assert [status for status, _ in desk.at_the_gateway.values()] == [OrderStatus.CANCELED]
    await desk.settles()


async def test_a_strategy_sees_a_persons_order_and_leaves_it_alone(desk: Desk) -> None:
    mine = await desk.ib.submit(await desk.spy(at=0.99))
    strategy = Rests()
    result, _ = await run(desk, strategy)
    assert [order.client_order_id for order in strategy.found] == [mine.client_order_id]
    assert [order.client_order_id for order in result.working] == [mine.client_order_id]
    assert desk.at_the_gateway[mine.client_order_id][0] is OrderStatus.WORKING
    assert (await desk.ib.cancel(mine)).status is OrderStatus.CANCELED
    await desk.settles()
