"""A strategy in the live shell, on a venue that a test scripts."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from horizon.clock import NANOSECONDS
from horizon.engine.core import Core
from horizon.engine.parity import replay_verdict
from horizon.engine.run import RunResult, run_async
from horizon.errors import ConfigurationError, OutcomeUnknown, RecordingError, Refused
from horizon.exchange import Exchange
from horizon.guards import MaxSize, default_guards
from horizon.model import (
    Fill,
    Instrument,
    Market,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderStatus,
    Quote,
    SessionState,
    TimerFired,
)
from horizon.orders.journal import SqliteJournal
from horizon.ports import FeedHealth, Prompt, PutMarketEvent, RecordKind
from horizon.recording.reader import RecordingReader
from horizon.recording.writer import Recorder
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

Run = Callable[..., Any]


class Ticks:
    """A feed of one quote a second, bid rising by a cent."""

    def __init__(self, clock: ScriptedClock, instrument: Instrument, count: int) -> None:
        self.clock, self.instrument, self.count = clock, instrument, count

    async def run(self, put: PutMarketEvent) -> None:
        for number in range(self.count):
            put(Quote(self.instrument, self.clock.now(), 100 + number / 100, 100.02 + number / 100, 50.0, 50.0))
            await self.clock.sleep(1)

    async def subscribe(self, instruments: Sequence[Instrument]) -> None: ...
    def health(self) -> Sequence[FeedHealth]:
        return []


class BuyOnce(Strategy):
    """Buys `size` on the first quote."""

    markets = {"spy": "SPY"}

    def __init__(self, size: int = 3) -> None:
        self.size = size
        self.seen: list[str] = []
        self.order: Order | None = None

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.seen.append("quote")
        if self.order is None:
            self.order = ctx.buy(ctx.market("spy"), self.size, price=quote.ask)

    def on_order(self, ctx: Context, order: Order) -> None:
        self.seen.append(str(order.status))

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        self.seen.append(f"fill {fill.size} position {ctx.position(fill.instrument)}")

    def on_stop(self, ctx: Context, reason: str) -> None:
        self.seen.append(f"stop: {reason}")


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> AsyncIterator[Exchange]:
    async with Exchange(scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock) as opened:
        yield opened


async def run_ticks(strategy: Strategy, exchange: Exchange, spy: Market, count: int = 5, **options: Any) -> RunResult:
    clock = exchange.clock
    assert isinstance(clock, ScriptedClock)
    return await run_async(strategy, exchange, feeds=[Ticks(clock, spy.instrument(), count)], **options)


async def test_an_order_goes_out_and_its_fill_comes_back_before_the_strategy_is_told(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    scripted_venue.fills_at_once = True
    strategy = BuyOnce()
    result = await run_ticks(strategy, exchange, spy)
    assert [kind for kind, _ in scripted_venue.calls] == ["place"]
    assert "fill 3 position 3" in strategy.seen
    assert strategy.seen[-1] == "stop: every feed has ended"
    assert result.positions == {spy.instrument(): Decimal(3)}
    assert result.cash["USD"] == Decimal(100_000) - 3 * Decimal("100.02") - 1
    assert result.fees == {"USD": 1}


async def test_the_intent_is_in_the_journal_before_the_venue_is_called(
    exchange: Exchange, scripted_venue: Any, spy: Market, tmp_path: Path
) -> None:
    seen: list[RecordKind] = []

    async def look() -> None:
        with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
            seen.extend(record.kind for record in journal.records())

    scripted_venue.before_placing = look
    await run_ticks(BuyOnce(), exchange, spy)
    assert seen == [RecordKind.OWNER, RecordKind.INTENT]


async def test_an_answered_prompt_is_in_the_journal_before_the_answer_leaves(
    exchange: Exchange, scripted_venue: Any, spy: Market, prompt: Prompt, tmp_path: Path
) -> None:
    seen: list[RecordKind] = []

    async def look() -> None:
        with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
            seen.extend(record.kind for record in journal.records())

    scripted_venue.prompts = [prompt]
    scripted_venue.before_placing = look
    result = await run_ticks(BuyOnce(), exchange, spy)
    assert seen == [RecordKind.OWNER, RecordKind.INTENT, RecordKind.PROMPT, RecordKind.ANSWER]
    assert [answered.accepted for answered in result.prompts] == [True]


async def test_working_entry_orders_are_cancelled_at_the_end(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    result = await run_ticks(BuyOnce(), exchange, spy)
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]
    assert result.working == ()


class ChangesItsMind(BuyOnce):
    """Cancels the order in the same callback that sent it, and asks again at every quote."""

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        super().on_quote(ctx, quote)
        assert self.order is not None
        ctx.cancel(self.order)


async def test_an_order_that_is_cancelled_before_it_left_never_leaves(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    strategy = ChangesItsMind()
    await run_ticks(strategy, exchange, spy)
    assert scripted_venue.calls == []
    assert "CANCELED" in strategy.seen


async def test_a_cancel_that_is_asked_while_the_order_is_on_its_way_goes_out_once_and_with_the_venues_id(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    class Waits(BuyOnce):
        def on_timer(self, ctx: Context, timer: TimerFired) -> None:
            assert self.order is not None
            ctx.cancel(self.order)
            ctx.cancel(self.order)

        def on_start(self, ctx: Context) -> None:
            ctx.set_timer("soon", at=ctx.now + 2 * NANOSECONDS)

    async def take_long() -> None:
        await scripted_clock.sleep(3)

    scripted_venue.before_placing = take_long
    cancelled = []
    withdraw = scripted_venue.withdraw

    async def note(order: Order) -> Any:
        cancelled.append(order.venue_order_id)
        return await withdraw(order)

    scripted_venue.withdraw = note
    strategy = Waits()
    await run_ticks(strategy, exchange, spy)
    assert strategy.order is not None
    assert cancelled == [f"v-{strategy.order.client_order_id}"]
    assert "CANCELED" in strategy.seen


async def test_the_strategy_hears_how_the_session_stands(exchange: Exchange, scripted_venue: Any, spy: Market) -> None:
    class Listens(BuyOnce):
        def on_session(self, ctx: Context, session: SessionState) -> None:
            self.seen.append(f"ready {session.ready}")

    exchange.session = SessionState(exchange="scripted", time=0, ready=False, reason="maintenance")
    strategy = Listens()
    await run_ticks(strategy, exchange, spy)
    assert strategy.seen[0] == "ready False"
    assert strategy.order is not None
    assert strategy.order.status is OrderStatus.REJECTED
    assert "maintenance" in strategy.order.reason


async def test_a_cancel_that_the_venue_does_not_confirm_is_said_aloud(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    scripted_venue.confirms_cancels = False
    notices = []
    result = await run_ticks(BuyOnce(), exchange, spy, on_event=notices.append)
    assert [order.status for order in result.working] == [OrderStatus.CANCEL_PENDING]
    assert any(getattr(n, "level", None) is NoticeLevel.WARNING and "still CANCEL_PENDING" in n.text for n in notices)


async def test_a_guards_refusal_is_a_rejected_order_and_nothing_leaves(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    strategy = BuyOnce(size=30)
    await run_ticks(strategy, exchange, spy, guards=[MaxSize(10)])
    assert strategy.order is not None
    assert strategy.order.status is OrderStatus.REJECTED
    assert "30" in strategy.order.reason
    assert "10" in strategy.order.reason
    assert scripted_venue.calls == []


async def test_the_venues_refusal_reaches_the_strategy_with_its_words(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    scripted_venue.error = Refused("no trading permissions")
    strategy = BuyOnce()
    await run_ticks(strategy, exchange, spy)
    assert "REJECTED" in strategy.seen


async def test_a_lost_answer_is_looked_up_and_the_order_adopted_not_sent_again(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    scripted_venue.error = OutcomeUnknown("the connection was reset")
    scripted_venue.loses_answers = True
    strategy = BuyOnce()
    await run_ticks(strategy, exchange, spy, count=20)
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "find", "cancel"]
    assert strategy.seen.index("UNKNOWN") < strategy.seen.index("WORKING")


async def test_a_lost_order_that_the_venue_surely_does_not_have_is_rejected(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    scripted_venue.error = OutcomeUnknown("no answer within 30 s")
    strategy = BuyOnce()
    await run_ticks(strategy, exchange, spy, count=20)
    # once more within 30 s, under the same id, and then no more
    assert scripted_venue.calls[:4] == [(kind, scripted_venue.calls[0][1]) for kind in ("place", "find") * 2]
    assert strategy.seen.count("REJECTED") == 1


class Fails(BuyOnce):
    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        raise ZeroDivisionError("a bug in the strategy")

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer("soon", every=2.5)


async def test_a_strategys_exception_cancels_its_orders_and_is_raised_with_its_traceback(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    strategy = Fails()
    with pytest.raises(ZeroDivisionError, match="a bug in the strategy") as caught:
        await run_ticks(strategy, exchange, spy, count=10)
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]
    assert any("on_timer" in str(entry) for entry in caught.traceback)
    assert strategy.seen.count("quote") == 3  # none after the failure at 2.5 s


async def test_a_duration_ends_the_run(exchange: Exchange, spy: Market) -> None:
    result = await run_ticks(BuyOnce(), exchange, spy, count=100, duration=timedelta(seconds=4.5))
    assert "0:00:04.5" in result.reason


async def test_a_live_account_is_refused_before_anything_is_sent(
    scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market, tmp_path: Path
) -> None:
    scripted_venue.is_live = True
    async with Exchange(scripted_venue, journal=tmp_path / "j.sqlite", clock=scripted_clock) as exchange:
        with pytest.raises(ConfigurationError, match="live account"):
            await run_ticks(BuyOnce(), exchange, spy)
    assert scripted_venue.calls == []


async def test_an_account_of_unknown_kind_counts_as_live(
    scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market, tmp_path: Path
) -> None:
    scripted_venue.is_live = None
    async with Exchange(scripted_venue, journal=tmp_path / "j.sqlite", clock=scripted_clock) as exchange:
        with pytest.raises(ConfigurationError, match="not known to be a paper account"):
            await run_ticks(BuyOnce(), exchange, spy)


async def test_a_journal_that_fails_stops_the_run_with_one_error_that_names_what_is_left(
    exchange: Exchange, scripted_venue: Any, spy: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = exchange.journal
    commit = journal.commit

    def full_after_the_intent(records: Any) -> None:
        if any(record.kind is not RecordKind.INTENT for record in records):
            raise RecordingError("no space left", file="journal")
        commit(records)

    monkeypatch.setattr(journal, "commit", full_after_the_intent)
    with pytest.raises(RecordingError, match="no space left") as caught:
        await run_ticks(BuyOnce(), exchange, spy)
    key = scripted_venue.calls[0][1]
    assert caught.value.__notes__ == [f"orders that may still be at the venue: {key}"]


class Bracketed(Strategy):
    """One entry with two exits, none of which the venue fills."""

    markets = {"spy": "SPY"}
    sent = False

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if not self.sent:
            self.sent = True
            ctx.bracket(ctx.market("spy"), 1, price=quote.ask, take_profit=110, stop_loss=90)


@pytest.mark.parametrize(("cancel_protective", "left"), [(False, 2), (True, 0)])
async def test_protective_orders_stay_at_the_end_unless_asked(
    exchange: Exchange, spy: Market, cancel_protective: bool, left: int
) -> None:
    result = await run_ticks(Bracketed(), exchange, spy, cancel_protective=cancel_protective)
    assert len(result.working) == left


class Silent(Ticks):
    """Delivers nothing for the first minute, and says why."""

    async def run(self, put: PutMarketEvent) -> None:
        self.cause = "the venue answers 500"
        await self.clock.sleep(60)
        self.cause = ""
        await super().run(put)

    def health(self) -> Sequence[FeedHealth]:
        return [FeedHealth(instrument=self.instrument, last_received=None, cause=self.cause)]


async def test_a_feed_that_delivers_nothing_is_told_once_and_so_is_its_return(
    exchange: Exchange, spy: Market, scripted_clock: ScriptedClock
) -> None:
    seen: list[Any] = []
    feed = Silent(scripted_clock, spy.instrument(), 20)
    await run_async(BuyOnce(), exchange, feeds=[feed], on_event=seen.append)
    texts = [(event.level, event.text) for event in seen if isinstance(event, Notice)]
    assert texts == [
        (NoticeLevel.WARNING, f"no quotes of {spy.instrument()}: the venue answers 500"),
        (NoticeLevel.INFO, f"quotes of {spy.instrument()} arrive again"),
    ]


class AsksRarely(Silent):
    """Has asked once in that minute."""

    def health(self) -> Sequence[FeedHealth]:
        return [FeedHealth(instrument=self.instrument, last_received=None, cause=self.cause, last_asked=1)]


async def test_one_lost_round_of_a_feed_that_asks_rarely_is_no_news(
    exchange: Exchange, spy: Market, scripted_clock: ScriptedClock
) -> None:
    seen: list[Any] = []
    feed = AsksRarely(scripted_clock, spy.instrument(), 20)
    await run_async(BuyOnce(), exchange, feeds=[feed], on_event=seen.append)
    assert not [event for event in seen if isinstance(event, Notice)]


class BrokenFeed(Ticks):
    """Fails with a defect of its own after three quotes."""

    async def run(self, put: PutMarketEvent) -> None:
        await super().run(put)
        raise KeyError("a defect in the feed")


async def test_a_feed_with_a_defect_ends_the_run_after_its_orders_are_cancelled(
    exchange: Exchange, scripted_venue: Any, spy: Market, scripted_clock: ScriptedClock
) -> None:
    feed = BrokenFeed(scripted_clock, spy.instrument(), 3)
    with pytest.raises(KeyError, match="a defect in the feed"):
        await run_async(BuyOnce(), exchange, feeds=[feed])
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]


async def test_a_recording_that_can_not_be_written_ends_the_run_after_its_orders_are_cancelled(
    exchange: Exchange, scripted_venue: Any, spy: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = Recorder.record

    def full(self: Recorder, event: Any) -> None:
        if isinstance(event, OrderReport):
            raise RecordingError("no space left", file="events-00000.parquet")
        record(self, event)

    monkeypatch.setattr(Recorder, "record", full)
    with pytest.raises(RecordingError, match="no space left"):
        await run_ticks(BuyOnce(), exchange, spy, record=tmp_path / "run")
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]


async def test_who_watches_a_run_can_not_end_it_without_its_orders_being_cancelled(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    def watch(event: Any) -> None:
        if isinstance(event, OrderReport):
            raise ValueError("a defect in the display")

    with pytest.raises(ValueError, match="a defect in the display"):
        await run_ticks(BuyOnce(), exchange, spy, on_event=watch)
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "cancel"]


async def record_a_run(exchange: Exchange, venue: Any, spy: Market, directory: Path) -> RecordingReader:
    venue.fills_at_once = True
    await run_ticks(BuyOnce(), exchange, spy, record=directory)
    return RecordingReader(directory)


async def test_a_fresh_core_that_is_handed_the_recording_sends_the_same_orders(
    exchange: Exchange, scripted_venue: Any, spy: Market, tmp_path: Path
) -> None:
    recording = await record_a_run(exchange, scripted_venue, spy, tmp_path / "run")
    fresh = Core(BuyOnce(), profiles={"scripted": exchange.profile}, guards=default_guards())
    verdict = replay_verdict(fresh, recording, list(recording.requests()))
    assert (verdict.matches, verdict.recorded, verdict.replayed) == (True, 1, 1)


async def test_a_changed_strategy_gives_false_and_shows_the_first_difference(
    exchange: Exchange, scripted_venue: Any, spy: Market, tmp_path: Path
) -> None:
    recording = await record_a_run(exchange, scripted_venue, spy, tmp_path / "run")
    changed = Core(BuyOnce(size=4), profiles={"scripted": exchange.profile}, guards=default_guards())
    verdict = replay_verdict(changed, recording, list(recording.requests()))
    assert not verdict.matches
    assert "request 1" in verdict.first_difference
    assert "size was 3, is 4" in verdict.first_difference
