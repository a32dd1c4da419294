"""An account is compared with its venue by itself and on demand, and what differs is journaled, told and resolved."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.clock import NANOSECONDS
from horizon.engine.run import run_async
from horizon.errors import ConfigurationError, RecordingError
from horizon.exchange import Exchange
from horizon.model import (
    AccountId,
    ExecutionId,
    Fill,
    MarketId,
    MarketQuery,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Position,
    SessionState,
    Side,
    VenueOrderId,
)
from horizon.orders.control.messages import Reconcile, ReconciledAnswer
from horizon.orders.journal import SqliteJournal
from horizon.orders.reconcile import FillElsewhere, FillMissed, OrderElsewhere, OrderGone, PositionDiffers
from horizon.orders.reconciler import EVERY
from horizon.ports import JournalRecord, RecordKind
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
SPY = 756733
FIRST_ROUND = 60
"""Seconds by which an account has been compared for the first time."""


@asynccontextmanager
async def broker_on_a_gateway(journal: Path) -> AsyncIterator[tuple[Simulator, Callable[[], InteractiveBrokers]]]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True))

        def broker() -> InteractiveBrokers:
            return InteractiveBrokers(
                reconciles=True, api_url=gateway.base_url, account_id=gateway.accounts[0], journal=journal, clock=clock
            )

        yield gateway, broker


async def test_an_order_and_a_fill_from_elsewhere_are_told_once_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker_on_a_gateway(tmp_path / "journal.sqlite") as (gateway, broker), broker() as ib:
        account = gateway.accounts[0]
        await ib.clock.sleep(FIRST_ROUND)
        first = await ib.reconcile()
        assert (first.agrees, first.remark, first.orders) == (True, "", 0)
        gateway.order_elsewhere(account, conid=SPY, side="SELL", quantity=3, order_type="LMT", price="900")
        gateway.trade_elsewhere(account, SPY, 5, 600)
        found = await ib.reconcile()
        assert [type(each) for each in found.differences] == [OrderElsewhere, FillElsewhere]
        assert found.positions == 1
        told = [record for record in ib.journal.records() if record.subject == "reconciled, warn"]
        assert len(told) == 2
        await ib.clock.sleep(EVERY + 30)
        again = await ib.reconcile()
        assert [type(each) for each in again.known] == [OrderElsewhere]
        assert again.differences == ()
        assert sum("was placed elsewhere" in message for message in caplog.messages) == 1
        assert gateway.rate_limited == 0


async def test_what_was_traded_while_nobody_was_here_is_found_at_the_next_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with broker_on_a_gateway(tmp_path / "journal.sqlite") as (gateway, broker):
        async with broker() as ib:
            await ib.reconcile()
        gateway.trade_elsewhere(gateway.accounts[0], SPY, 5, 600)
        gateway.liquidate(gateway.accounts[0], SPY, 5, 590)
        async with broker() as ib:
            await ib.clock.sleep(60)
            assert any("BUY 5 SPY at 600" in text and "not traded from here" in text for text in caplog.messages)
            assert any("the venue has liquidated: SELL 5 SPY at 590" in text for text in caplog.messages)
            assert (await ib.reconcile()).agrees


async def test_a_thousand_open_orders_cost_one_read_of_the_order_list(tmp_path: Path) -> None:
    async with broker_on_a_gateway(tmp_path / "journal.sqlite") as (gateway, broker), broker() as ib:
        await ib.clock.sleep(FIRST_ROUND)
        for number in range(999):
            gateway.order_elsewhere(
                gateway.accounts[0], conid=SPY, side="SELL", quantity=1, order_type="LMT", price=str(900 + number)
            )
        before, began = len(gateway.requests), ib.clock.now()
        found = await ib.reconcile()
        assert found.orders == len(found.differences) == 999
        asked = [request.path.rpartition("/v1/api")[2] for request in list(gateway.requests)[before:]]
        assert asked.count("/iserver/account/orders") == 1
        assert ib.clock.now() - began < 10 * NANOSECONDS
        assert gateway.rate_limited == 0


async def test_a_read_only_session_has_nothing_to_compare(scripted_venue: Any, scripted_clock: ScriptedClock) -> None:
    async with Exchange(scripted_venue, clock=scripted_clock, read_only=True) as exchange:
        with pytest.raises(ConfigurationError, match="read_only"):
            await exchange.reconcile()


# -- with a venue whose answers are written down -----------------------------------------------------------------------


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with Exchange(
        scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock, reconciles=True
    ) as opened:
        await scripted_clock.sleep(FIRST_ROUND)
        yield opened


def held(size: int) -> Position:
    return Position(
        exchange="scripted", account_id=AccountId("DU1"), market_id=MarketId("756733"), size=Decimal(size), symbol="SPY"
    )


def elsewhere(venue: Any, size: int) -> Fill:
    return Fill(
        exchange="scripted",
        account_id=AccountId("DU1"),
        execution_id=ExecutionId(f"x{len(venue.executions)}"),
        market_id=MarketId("756733"),
        side=Side.LONG,
        order_side=OrderSide.BUY,
        size=Decimal(size),
        price=Decimal(100),
        commission=Decimal(1),
        trade_time=venue.clock.now(),
        receive_time=venue.clock.now(),
        venue_order_id=VenueOrderId("tws-1"),
    )


def a_buy(size: int = 2) -> OrderRequest:
    return OrderRequest(
        market_id=MarketId("756733"), order_side=OrderSide.BUY, size=Decimal(size), price=Decimal("100.02")
    )


async def test_a_position_counts_as_different_after_three_reads_of_fresh_figures_over_two_minutes(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    refreshed: list[int] = []

    async def refresh_positions(account_id: AccountId) -> None:
        refreshed.append(scripted_clock.now())

    scripted_venue.refresh_positions = refresh_positions
    scripted_venue.held = [held(7)]
    found = await exchange.reconcile()
    (difference,) = found.differences
    assert isinstance(difference, PositionDiffers)
    assert (difference.here, difference.there, difference.confirmed) == (Decimal(0), Decimal(7), True)
    assert [(later - refreshed[0]) // NANOSECONDS for later in refreshed] == [0, 60, 120]
    again = await exchange.reconcile()
    assert again.differences == ()
    assert len(again.known) == 1, "it is told once, and stays until somebody has looked"
    await exchange.accept_positions("a transfer from another broker")
    assert (await exchange.reconcile()).agrees
    accepted = list(exchange.journal.records())[-1]
    assert msgspec.json.decode(accepted.payload)["reason"] == "a transfer from another broker"


async def test_an_old_figure_that_mends_itself_is_told_to_nobody(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, caplog: pytest.LogCaptureFixture
) -> None:
    scripted_venue.held = [held(7)]
    answer = await exchange.obey(Reconcile())
    assert isinstance(answer, ReconciledAnswer)
    (difference,) = answer.result.differences
    assert isinstance(difference, PositionDiffers)
    assert not difference.confirmed
    scripted_venue.held = []
    await scripted_clock.sleep(200)
    assert (await exchange.reconcile()).agrees
    assert not [text for text in caplog.messages if "position of" in text]


async def test_agreed_positions_that_cannot_be_read_are_one_sentence(
    scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path
) -> None:
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        line = JournalRecord(
            time=1,
            exchange="scripted",
            account_id=AccountId("DU1"),
            kind=RecordKind.DECISION,
            subject="positions agreed",
            payload=b'{"time":"late"}',
        )
        journal.commit([line])
        with pytest.raises(RecordingError, match="positions that were agreed on last can't be read"):
            await Exchange(scripted_venue, journal=journal, clock=scripted_clock, reconciles=True).open()


async def test_positions_wait_while_an_order_is_in_doubt(
    exchange: Exchange, scripted_venue: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = await exchange.submit(a_buy())
    scripted_venue.put(msgspec.structs.replace(scripted_venue.orders[order.client_order_id], status="UNKNOWN"))
    doubtful = Order(request=order.request, status=OrderStatus.UNKNOWN)
    monkeypatch.setattr(exchange.outside, "open_orders", lambda: [doubtful])
    found = await exchange.reconcile()
    assert found.positions is None
    assert "in doubt" in found.remark


async def test_an_order_that_ended_unseen_is_looked_up(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    order = await exchange.submit(a_buy())
    await scripted_clock.sleep(90)
    key = order.client_order_id
    scripted_venue.orders[key] = msgspec.structs.replace(scripted_venue.orders[key], status=OrderStatus.CANCELED)
    found = await exchange.reconcile()
    assert [type(each) for each in found.differences] == [OrderGone]
    ended = await exchange.wait(order, lambda latest: latest.is_done, timeout=30)
    assert ended.status is OrderStatus.CANCELED
    assert (await exchange.reconcile()).agrees


async def test_a_fill_that_was_never_reported_is_booked_by_the_round_of_every_five_minutes(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    order = await exchange.submit(a_buy())
    put, scripted_venue.put = scripted_venue.put, lambda event: None
    scripted_venue.fill(order.client_order_id, Decimal(2), Decimal(100), order.request)
    scripted_venue.held = [held(2)]
    scripted_venue.put = put
    await scripted_clock.sleep(EVERY + 10)
    known = await exchange.order(order.client_order_id)
    assert isinstance(known, Order)
    assert (known.status, known.booked) == (OrderStatus.FILLED, Decimal(2))
    rules = [record.subject for record in exchange.journal.records() if record.subject.startswith("reconciled")]
    assert sorted(rules) == ["reconciled, adopt", "reconciled, book"]


async def test_a_session_that_comes_back_is_compared_at_once(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    for ready in (False, True):
        scripted_venue.put(SessionState(exchange="scripted", time=scripted_clock.now(), ready=ready))
    scripted_venue.executions.append(elsewhere(scripted_venue, 1))
    scripted_venue.held = [held(1)]
    await scripted_clock.sleep(40)
    assert [r.subject for r in exchange.journal.records() if r.subject.startswith("reconciled")] == ["reconciled, warn"]


async def test_a_round_that_fails_is_tried_again_five_minutes_later(
    exchange: Exchange,
    scripted_venue: Any,
    scripted_clock: ScriptedClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []

    async def broken(account_id: AccountId) -> list[OrderReport]:
        calls.append(scripted_clock.now())
        raise [ConfigurationError("no list"), ValueError("a defect")][len(calls) % 2]

    monkeypatch.setattr(scripted_venue, "open_orders", broken)
    with caplog.at_level(logging.WARNING):
        await scripted_clock.sleep(2 * EVERY)
    assert len(calls) == 2
    assert sum("could not be reconciled" in text for text in caplog.messages) == 2


class Watches(Strategy):
    """Hears of fills and notices."""

    markets = {"spy": MarketQuery(market_id=MarketId("756733"))}

    def __init__(self) -> None:
        self.fills: list[Fill] = []

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        self.fills.append(fill)


class Silent:
    """A feed without data, until it is cancelled."""

    def __init__(self, clock: ScriptedClock) -> None:
        self._clock = clock

    async def run(self, put: Any) -> None:
        await self._clock.sleep(2 * EVERY)

    async def subscribe(self, instruments: Any) -> None: ...

    def health(self) -> list[Any]:
        return []


async def test_a_strategy_that_runs_hears_of_a_fill_from_elsewhere_and_counts_it(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    strategy, heard = Watches(), list[str]()

    async def trade() -> None:
        await scripted_clock.sleep(60)
        scripted_venue.executions.append(elsewhere(scripted_venue, 5))
        scripted_venue.held = [held(5)]

    def on_event(event: Any) -> None:
        heard.append(getattr(event, "text", ""))

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(trade())
        result = await run_async(strategy, exchange, feeds=[Silent(scripted_clock)], on_event=on_event)
    assert [fill.size for fill in strategy.fills] == [Decimal(5)]
    assert list(result.positions.values()) == [Decimal(5)]
    assert any("was not traded from here" in text for text in heard)
    assert [r.kind for r in exchange.journal.records() if r.subject == "reconciled, book"] == [RecordKind.DECISION]
    assert FillMissed(fill=strategy.fills[0], ours=False).text in heard
