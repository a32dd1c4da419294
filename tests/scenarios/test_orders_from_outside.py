"""Another program's orders, cancels and the kill switch, over the control socket of whoever owns the account."""

import asyncio
import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from horizon.clock import SystemClock
from horizon.engine.core import Core
from horizon.engine.parity import replay_verdict
from horizon.engine.run import RunResult, run_async
from horizon.errors import ConfigurationError, InvalidOrder, OutcomeUnknown, Refused, VenueUnavailable
from horizon.exchange import Exchange
from horizon.guards import MaxSize, default_guards
from horizon.model import Market, MarketQuery, Order, OrderRequest, OrderSide, OrderStatus, OrderType, Quote
from horizon.orders.control.client import OwnerGone, ask_owner
from horizon.orders.control.messages import (
    Cancel,
    CancelAll,
    Command,
    Kill,
    ListOrders,
    ListPositions,
    OrdersAnswer,
    PositionsAnswer,
    Replace,
    ReportsAnswer,
    ResetKill,
    Status,
    StatusAnswer,
    Submit,
)
from horizon.orders.control.server import ControlServer
from horizon.orders.kill_file import KillFile
from horizon.orders.owner import Owner, Ownership, owner_of
from horizon.ports import RecordKind
from horizon.recording.reader import RecordingReader
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory for each test: a kill switch that one pulls is not pulled for the next."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path / "state" / "horizon"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path) -> AsyncIterator[Exchange]:
    guards = [MaxSize(10)]
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock, guards=guards) as opened:
        yield opened


def buy(size: int = 2, **rest: Any) -> Submit:
    return Submit(
        query=MarketQuery(symbol="SPY"),
        order_side=OrderSide.BUY,
        size=Decimal(size),
        price=Decimal("99.50"),
        order_type=OrderType.LIMIT,
        **rest,
    )


@pytest.fixture
def ask(journal: Path, scripted_clock: ScriptedClock) -> Any:
    """Asks the owner as another program would: over its socket."""

    async def ask(command: Command) -> Any:
        return (await ask_owner(journal, command, scripted_clock))[1]

    return ask


# -- without a strategy ------------------------------------------------------------------------------------------------


async def test_the_owner_says_who_it_is_and_how_it_stands(exchange: Exchange, ask: Any) -> None:
    answer = await ask(Status())
    assert isinstance(answer, StatusAnswer)
    assert (answer.owner.pid, answer.owner.account_id) == (os.getpid(), "DU1")
    assert (answer.ready, answer.strategy, answer.killed, answer.open_orders) == (True, "", "", 0)


async def test_an_order_goes_through_the_owners_guards_and_journal(
    exchange: Exchange, scripted_venue: Any, ask: Any
) -> None:
    answer = await ask(buy())
    (order,) = answer.orders
    assert (order.status, order.request.size) == (OrderStatus.WORKING, 2)
    assert [kind for kind, _ in scripted_venue.calls] == ["place"]
    assert RecordKind.INTENT in [record.kind for record in exchange.journal.records()]
    with pytest.raises(InvalidOrder, match="11") as refused:
        await ask(buy(11))
    assert refused.value.rule == "max_size"
    assert len(scripted_venue.calls) == 1


async def test_the_venues_refusal_is_raised_where_it_was_asked(
    exchange: Exchange, scripted_venue: Any, ask: Any
) -> None:
    scripted_venue.error = Refused("No trading permissions.", code="201")
    with pytest.raises(Refused, match="No trading permissions") as refused:
        await ask(buy())
    assert refused.value.code == "201"
    scripted_venue.error = OutcomeUnknown("no answer", client_order_id="x")
    with pytest.raises(OutcomeUnknown, match="no answer"):
        await ask(buy())


async def test_an_order_is_changed_and_cancelled_by_either_of_its_ids(exchange: Exchange, ask: Any) -> None:
    (order,) = (await ask(buy())).orders
    changed = await ask(Replace(order_id=order.venue_order_id, price=Decimal("99.40")))
    assert changed.orders[0].request.price == Decimal("99.40")
    (over,) = (await ask(Cancel(order_id=order.client_order_id))).orders
    assert over.status is OrderStatus.CANCELED
    with pytest.raises(ConfigurationError, match="has no open order 'nowhere'"):
        await ask(Cancel(order_id="nowhere"))


async def test_orders_and_positions_are_read_through_the_owner(exchange: Exchange, ask: Any) -> None:
    await ask(buy())
    listed = await ask(ListOrders())
    assert isinstance(listed, ReportsAnswer)
    assert [report.status for report in listed.reports] == [OrderStatus.WORKING]
    assert await ask(ListPositions()) == PositionsAnswer(positions=())


async def test_cancelling_all_leaves_protective_orders_unless_asked(exchange: Exchange, spy: Market, ask: Any) -> None:
    await ask(buy())
    stop = OrderRequest(
        market_id=spy.market_id,
        order_side=OrderSide.SELL,
        size=Decimal(1),
        stop_price=Decimal(90),
        order_type=OrderType.STOP,
        protective=True,
    )
    await exchange.submit(stop)
    answer = await ask(CancelAll())
    assert [order.status for order in answer.orders] == [OrderStatus.CANCELED]
    assert [order.request.protective for order in answer.kept] == [True]
    answer = await ask(CancelAll(protective=True))
    assert [order.status for order in answer.orders] == [OrderStatus.CANCELED]
    assert answer.kept == ()


def placed_elsewhere(venue: Any, spy: Market, key: str = "somebodys") -> OrderRequest:
    request = OrderRequest(
        market_id=spy.market_id,
        order_side=OrderSide.BUY,
        size=Decimal(5),
        price=Decimal(90),
        client_order_id=key,  # type: ignore[arg-type]
    )
    venue.orders[key] = msgspec.structs.replace(venue.accept(request), request=request)
    return request


async def test_orders_of_other_programs_are_cancelled_only_when_asked(
    exchange: Exchange, scripted_venue: Any, spy: Market, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed_elsewhere(scripted_venue, spy)
    withdraw = scripted_venue.withdraw

    async def gone(order: Order) -> Any:
        report = await withdraw(order)
        scripted_venue.orders[order.client_order_id] = report
        return report

    monkeypatch.setattr(scripted_venue, "withdraw", gone)
    answer = await ask(CancelAll())
    assert (answer.orders, [order.client_order_id for order in answer.kept]) == ((), ["somebodys"])
    answer = await ask(CancelAll(everywhere=True))
    assert [(order.client_order_id, order.status) for order in answer.orders] == [("somebodys", OrderStatus.CANCELED)]
    kinds = [record.kind for record in exchange.journal.records()]
    assert kinds == [RecordKind.OWNER, RecordKind.CANCEL_INTENT]


async def test_an_order_of_an_earlier_run_of_ours_is_cancelled_with_all(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path, spy: Market
) -> None:
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as first:
        order = await first.submit(
            OrderRequest(market_id=spy.market_id, order_side=OrderSide.BUY, size=Decimal(1), price=Decimal("99.50"))
        )
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as second:
        scripted_venue.confirms_cancels = False
        result = await second.outside.cancel_all()
    assert [(each.client_order_id, each.status) for each in result.orders] == [
        (order.client_order_id, OrderStatus.CANCEL_PENDING)
    ]
    assert [kind for kind, _ in scripted_venue.calls if kind != "find"] == ["place", "cancel"]


# -- the kill switch ---------------------------------------------------------------------------------------------------


async def test_the_kill_switch_cancels_refuses_and_stays_off_over_a_restart_until_it_is_reset(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path, ask: Any
) -> None:
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock):
        await ask(buy())
        answer = await ask(Kill(reason="enough"))
        assert answer.killed == "enough"
        assert [order.status for order in answer.orders] == [OrderStatus.CANCELED]
        with pytest.raises(InvalidOrder, match="enough"):
            await ask(buy())
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as again:
        assert again.killed == "enough"
        with pytest.raises(InvalidOrder, match="enough") as refused:
            await ask(buy())
        assert refused.value.rule == "kill_switch"
        assert (await ask(ResetKill())) == OrdersAnswer()
        assert again.killed is None
        assert (await ask(buy())).orders[0].status is OrderStatus.WORKING
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel", "place"]


@pytest.mark.parametrize("name", ["all", "scripted-DU1"])
async def test_a_file_that_a_person_makes_stops_and_cancels_within_seconds(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, state: Path, ask: Any, name: str
) -> None:
    (order,) = (await ask(buy())).orders
    (state / "kill").mkdir(parents=True)
    (state / "kill" / name).touch()
    over = await exchange.wait(order, lambda latest: latest.is_done, timeout=5)
    assert over.status is OrderStatus.CANCELED
    with pytest.raises(InvalidOrder, match=f"kill/{name} is there"):
        await ask(buy())
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]


async def test_the_switch_is_looked_at_once_more_when_an_order_is_about_to_leave(
    exchange: Exchange, scripted_venue: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = exchange.journal.commit

    def pulled_meanwhile(records: Any) -> None:
        commit(records)
        if records[0].kind is RecordKind.INTENT:
            KillFile("scripted", "DU1").pull("at the last moment", now=0)

    monkeypatch.setattr(exchange.journal, "commit", pulled_meanwhile)
    with pytest.raises(InvalidOrder, match="at the last moment"):
        await ask(buy())
    assert scripted_venue.calls == []


async def test_one_accounts_switch_does_not_stop_another(exchange: Exchange, ask: Any) -> None:
    KillFile("scripted", "DU2").pull("the other one", now=0)
    assert (await ask(buy())).orders[0].status is OrderStatus.WORKING


async def test_a_reset_of_one_account_says_that_all_are_stopped(exchange: Exchange, ask: Any) -> None:
    KillFile().pull("everything", now=0)
    with pytest.raises(ConfigurationError, match="for all accounts is pulled"):
        await ask(ResetKill())
    assert exchange.killed == "everything"


async def test_the_first_reason_is_kept(exchange: Exchange) -> None:
    exchange.pull_kill_switch("first")
    exchange.pull_kill_switch("second")
    assert exchange.killed == "first"


def spoil(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("a file where a folder is expected")


async def test_a_switch_whose_file_can_not_be_made_still_stops_this_program(
    exchange: Exchange, scripted_venue: Any, state: Path, ask: Any
) -> None:
    await ask(buy())
    spoil(state / "kill")
    answer = await ask(Kill(reason="enough"))
    assert [order.status for order in answer.orders] == [OrderStatus.CANCELED]
    assert "could not be pulled" in answer.problems[0]
    with pytest.raises(InvalidOrder, match="enough"):
        await ask(buy())


# -- while a strategy runs ---------------------------------------------------------------------------------------------


class Ticks:
    """One quote a second; at some of them somebody outside does something."""

    def __init__(self, clock: ScriptedClock, spy: Market, count: int, asks: dict[int, Any]) -> None:
        self.clock, self.spy, self.count, self.asks = clock, spy, count, asks
        self.answers: list[Any] = []

    async def run(self, put: Any) -> None:
        for number in range(self.count):
            put(Quote(self.spy.instrument(), self.clock.now(), 99.98, 100.0, 50.0, 50.0))
            await self.clock.sleep(1)
            if number in self.asks:
                try:
                    self.answers.append(await self.asks[number]())
                except Exception as error:
                    self.answers.append(error)

    async def subscribe(self, instruments: Any) -> None: ...
    def health(self) -> list[Any]:
        return []


class Quiet(Strategy):
    """Buys one share at once, and hears what becomes of orders."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.bought = False

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if not self.bought:
            self.bought = True
            ctx.buy(ctx.market("spy"), 1, price=99)

    def on_order(self, ctx: Context, order: Order) -> None:
        self.seen.append(f"{order.request.size} {order.status}")


async def run_with(exchange: Exchange, spy: Market, asks: dict[int, Any], **rest: Any) -> tuple[RunResult, Quiet, Any]:
    clock = exchange.clock
    assert isinstance(clock, ScriptedClock)
    strategy, feed = Quiet(), Ticks(clock, spy, 10, asks)
    result = await run_async(strategy, exchange, feeds=[feed], **rest)
    return result, strategy, feed.answers


async def test_a_running_strategys_desk_takes_an_order_and_the_replay_has_it_too(
    exchange: Exchange, scripted_venue: Any, spy: Market, ask: Any, tmp_path: Path
) -> None:
    asks = {2: lambda: ask(buy(7)), 3: lambda: ask(Status())}
    result, strategy, (answer, status) = await run_with(exchange, spy, asks, record=tmp_path / "run")
    assert (answer.orders[0].status, answer.orders[0].request.size) == (OrderStatus.WORKING, 7)
    assert (status.strategy, status.open_orders) == ("Quiet", 2)
    assert "7 WORKING" in strategy.seen
    assert result.requests == 2
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "place", "cancel", "cancel"]
    recording = RecordingReader(tmp_path / "run")
    fresh = Core(Quiet(), profiles={"scripted": exchange.profile}, guards=[MaxSize(10), *default_guards()])
    verdict = replay_verdict(fresh, recording, list(recording.requests()))
    assert (verdict.matches, verdict.recorded, verdict.replayed) == (True, 2, 2)


async def test_a_running_strategys_guards_hold_for_orders_from_outside(
    exchange: Exchange, spy: Market, ask: Any
) -> None:
    _, _, (answer,) = await run_with(exchange, spy, {2: lambda: ask(buy(11))})
    assert answer.orders[0].status is OrderStatus.REJECTED
    assert answer.orders[0].reason.startswith("max_size:")


async def test_orders_of_a_running_strategy_are_cancelled_from_outside(
    exchange: Exchange, spy: Market, ask: Any
) -> None:
    _, strategy, (answer,) = await run_with(exchange, spy, {2: lambda: ask(CancelAll())})
    assert [order.status for order in answer.orders] == [OrderStatus.CANCELED]
    assert strategy.seen[-1] == "1 CANCELED"


async def test_a_change_is_refused_while_a_strategy_runs_with_what_to_do(
    exchange: Exchange, spy: Market, ask: Any
) -> None:
    _, _, (answer,) = await run_with(exchange, spy, {2: lambda: ask(Replace(order_id="x", price=Decimal(1)))})
    assert isinstance(answer, ConfigurationError)
    assert "cancel the order and send another" in str(answer)


async def test_the_kill_switch_stops_a_running_strategy_and_is_in_its_recording(
    exchange: Exchange, spy: Market, ask: Any, tmp_path: Path
) -> None:
    asks = {2: lambda: ask(Kill(reason="enough")), 3: lambda: ask(buy()), 4: lambda: ask(ResetKill())}
    asks[5] = lambda: ask(buy())
    result, _, (killed, refused, _, passed) = await run_with(exchange, spy, asks, record=tmp_path / "run")
    assert [order.status for order in killed.orders] == [OrderStatus.CANCELED]
    assert refused.orders[0].status is OrderStatus.REJECTED
    assert refused.orders[0].reason.startswith("kill_switch:")
    assert passed.orders[0].status is OrderStatus.WORKING
    assert (result.requests, result.rejected) == (2, 1)
    recording = RecordingReader(tmp_path / "run")
    fresh = Core(Quiet(), profiles={"scripted": exchange.profile}, guards=[MaxSize(10)])
    assert replay_verdict(fresh, recording, list(recording.requests())).matches


async def test_a_signal_pulls_the_kill_switch_of_a_run(exchange: Exchange, scripted_venue: Any, spy: Market) -> None:
    async def send() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        async with SystemClock().deadline(5):
            while exchange.killed is None:
                await SystemClock().sleep(0)

    result, strategy, _ = await run_with(exchange, spy, {2: send})
    assert exchange.killed == "SIGUSR1"
    assert "1 CANCELED" in strategy.seen
    assert result.reason == "every feed has ended"


async def test_a_run_that_starts_with_the_switch_pulled_sends_nothing(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    exchange.pull_kill_switch("yesterday")
    result, _, _ = await run_with(exchange, spy, {})
    assert (result.requests, result.rejected) == (0, 1)
    assert "yesterday" in result.last_rejection
    assert scripted_venue.calls == []


# -- the socket --------------------------------------------------------------------------------------------------------


def mode(path: Path) -> int | None:
    return stat.S_IMODE(path.stat().st_mode) if path.exists() else None


def leave_a_dead_socket(owner: Owner) -> None:
    Path(owner.control).touch()


async def test_the_socket_is_for_this_user_alone_and_gone_with_its_owner(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path
) -> None:
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as exchange:
        path = Path(exchange.owner.control)
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert mode(path) is None
    with pytest.raises(OwnerGone):
        await ask_owner(journal, Status(), scripted_clock)


async def test_what_a_killed_owner_left_is_no_owner_and_its_socket_is_taken_over(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path
) -> None:
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as exchange:
        owner = exchange.owner
    Ownership(journal, owner).note(owner)  # never released, as after a kill; its socket is a dead file
    leave_a_dead_socket(owner)
    assert owner_of(journal) == owner
    with pytest.raises(OwnerGone):
        await ask_owner(journal, Status(), scripted_clock)


async def test_a_folder_that_others_may_read_is_not_used(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path, tmp_path: Path
) -> None:
    (tmp_path / "horizon").mkdir(mode=0o755)
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as exchange:
        assert Path(exchange.owner.control).parent != tmp_path / "horizon"


async def test_a_path_that_is_too_long_for_a_socket_moves_to_a_shorter_folder(
    scripted_venue: Any, scripted_clock: ScriptedClock, journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / ("long" * 30)))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / ("longer" * 20)))
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as exchange:
        assert len(exchange.owner.control) < 100
        assert isinstance((await ask_owner(journal, Status(), scripted_clock))[1], StatusAnswer)


async def raw(exchange: Exchange, *lines: bytes) -> list[dict[str, Any]]:
    """What the socket says to bytes as they are."""
    reader, writer = await asyncio.open_unix_connection(exchange.owner.control)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(json.loads(await reader.readline())["answer"])
    writer.close()
    return answers


async def test_another_version_and_nonsense_are_answered_with_a_sentence(exchange: Exchange) -> None:
    newer, nonsense, unknown, fine = await raw(
        exchange,
        b'{"version":2,"command":{"type":"fly"}}',
        b"\x00\xff not json",
        b'{"version":1,"command":{"type":"fly"}}',
        b'{"version":1,"command":{"type":"status"}}',
    )
    assert "version 2" in newer["message"]
    assert newer["error"] == "ConfigurationError"
    assert "expected a command of version 1" in nonsense["message"]
    assert "fly" in unknown["message"]
    assert fine["type"] == "status"


@pytest.mark.parametrize(("command", "error"), [(buy(), OutcomeUnknown), (Status(), VenueUnavailable)])
async def test_an_owner_that_goes_away_leaves_the_outcome_of_a_change_open(
    journal: Path, scripted_clock: ScriptedClock, command: Command, error: type[Exception]
) -> None:
    async def goes_away(command: Command) -> Any:
        raise asyncio.CancelledError

    server = ControlServer(goes_away)
    owner = Owner(pid=1, since=0, run_id="h1", version="1", exchange="x", account_id="A")
    held = Ownership(journal, owner)
    held.note(msgspec.structs.replace(owner, control=await server.open(journal)))
    with pytest.raises(error, match="went away before it answered"):
        await ask_owner(journal, command, scripted_clock)
    await server.close()
    held.release()


async def test_a_defect_behind_a_command_is_no_end_of_the_owner(
    exchange: Exchange, scripted_venue: Any, ask: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(account_id: Any) -> Any:
        raise KeyError("a defect")

    monkeypatch.setattr(scripted_venue, "positions", broken)
    with pytest.raises(Exception, match="KeyError: a defect; see the owner's log"):
        await ask(ListPositions())
    assert isinstance(await ask(Status()), StatusAnswer)
