"""What a strategy keeps in `ctx.state` is there after a restart, together with the orders it belongs to."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from horizon.engine.core import Core
from horizon.engine.parity import replay_verdict
from horizon.engine.run import RunResult, run_async
from horizon.errors import ConfigurationError, RecordingError
from horizon.exchange import Exchange
from horizon.guards import default_guards
from horizon.model import Market, Quote, Start, TimerFired
from horizon.ports import JournalRecord, RecordKind
from horizon.recording.reader import RecordingReader
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy


class Ticks:
    """One quote a second."""

    def __init__(self, clock: ScriptedClock, spy: Market, count: int) -> None:
        self.clock, self.spy, self.count = clock, spy, count

    async def run(self, put: Any) -> None:
        for number in range(self.count):
            put(Quote(self.spy.instrument(), self.clock.now(), 100 + number / 100, 100.02 + number / 100, 50.0, 50.0))
            await self.clock.sleep(1)

    async def subscribe(self, instruments: Any) -> None: ...
    def health(self) -> list[Any]:
        return []


class Ladder(Strategy):
    """Buys one share on each of the first quotes that it ever sees, over all its runs, and counts."""

    class State(msgspec.Struct):
        bought: int = 0
        prices: list[float] = msgspec.field(default_factory=list)

    name = "ladder"
    markets = {"spy": "SPY"}
    wanted = 3

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        state: Ladder.State = ctx.state
        if state.bought < self.wanted and quote.ask is not None:
            state.bought += 1
            state.prices.append(quote.ask)
            ctx.buy(ctx.market("spy"), 1, price=quote.ask)


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> AsyncIterator[Exchange]:
    scripted_venue.fills_at_once = True
    async with Exchange(scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock) as opened:
        yield opened


async def run_ticks(strategy: Strategy, exchange: Exchange, spy: Market, count: int = 5, **rest: Any) -> RunResult:
    clock = exchange.clock
    assert isinstance(clock, ScriptedClock)
    return await run_async(strategy, exchange, feeds=[Ticks(clock, spy, count)], **rest)


def states(exchange: Exchange) -> list[Any]:
    return [json.loads(r.payload)["state"] for r in exchange.journal.records() if r.kind is RecordKind.STATE]


async def test_a_restarted_strategy_goes_on_where_it_was(exchange: Exchange, spy: Market) -> None:
    first = await run_ticks(Ladder(), exchange, spy, count=2)
    again = await run_ticks(Ladder(), exchange, spy)
    done = await run_ticks(Ladder(), exchange, spy)
    assert [first.requests, again.requests, done.requests] == [2, 1, 0]
    assert [state["bought"] for state in states(exchange)] == [1, 2, 3]


async def test_the_state_is_saved_in_the_same_commit_as_the_order_it_caused(
    exchange: Exchange, spy: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    commits: list[list[RecordKind]] = []
    commit = exchange.journal.commit

    def watched(records: list[JournalRecord]) -> None:
        commits.append([record.kind for record in records])
        commit(records)

    monkeypatch.setattr(exchange.journal, "commit", watched)
    await run_ticks(Ladder(), exchange, spy, count=1)
    assert [kinds for kinds in commits if RecordKind.INTENT in kinds] == [[RecordKind.INTENT, RecordKind.STATE]]


async def test_a_state_whose_commit_fails_takes_its_order_with_it(
    exchange: Exchange, scripted_venue: Any, spy: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(records: Any) -> None:
        raise RecordingError("no space left", file="journal")

    monkeypatch.setattr(exchange.journal, "commit", full)
    with pytest.raises(RecordingError, match="no space left"):
        await run_ticks(Ladder(), exchange, spy)
    assert scripted_venue.calls == []


async def test_what_did_not_change_is_not_written_again(exchange: Exchange, spy: Market) -> None:
    class Looks(Ladder):
        wanted = 1

    await run_ticks(Looks(), exchange, spy, count=50)
    assert len(states(exchange)) == 1


async def test_a_change_without_an_order_is_saved_too(exchange: Exchange, spy: Market) -> None:
    class Counts(Ladder):
        wanted = 0

        def on_start(self, ctx: Context) -> None:
            self.kept = ctx.state
            ctx.set_timer("soon", every=1)

        def on_timer(self, ctx: Context, timer: TimerFired) -> None:
            self.kept.bought += 1

    await run_ticks(Counts(), exchange, spy, count=3)
    assert states(exchange)[-1]["bought"] >= 2


async def test_another_strategy_on_the_same_account_has_a_state_of_its_own(exchange: Exchange, spy: Market) -> None:
    class Other(Ladder):
        name = "other"

    await run_ticks(Ladder(), exchange, spy)
    assert (await run_ticks(Other(), exchange, spy)).requests == 3


async def test_a_type_that_changed_is_refused_before_anything_starts(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    class Changed(Ladder):
        class State(msgspec.Struct):
            bought: list[int] = []

    await run_ticks(Ladder(), exchange, spy)
    sent = len(scripted_venue.calls)
    with pytest.raises(ConfigurationError, match=r"ladder saved does not fit .*bought.*--fresh-state"):
        await run_ticks(Changed(), exchange, spy)
    assert len(scripted_venue.calls) == sent


async def test_beginning_anew_is_remembered_over_the_old_state(exchange: Exchange, spy: Market) -> None:
    await run_ticks(Ladder(), exchange, spy, count=1)
    assert (await run_ticks(Ladder(), exchange, spy, fresh_state=True)).requests == 3
    assert (await run_ticks(Ladder(), exchange, spy)).requests == 0
    await run_ticks(Ladder(), exchange, spy, count=0, fresh_state=True)
    assert (await run_ticks(Ladder(), exchange, spy)).requests == 3


async def test_a_field_that_is_new_begins_with_its_default(exchange: Exchange, spy: Market) -> None:
    class Grown(Ladder):
        class State(msgspec.Struct):
            bought: int = 0
            prices: list[float] = []
            note: str = "new"

    await run_ticks(Ladder(), exchange, spy, count=2)
    assert (await run_ticks(Grown(), exchange, spy)).requests == 1
    assert states(exchange)[-1]["note"] == "new"


async def test_a_state_that_grows_too_large_stops_the_run_before_its_order_leaves_unsaved(
    exchange: Exchange, scripted_venue: Any, spy: Market
) -> None:
    class Hoards(Ladder):
        def on_quote(self, ctx: Context, quote: Quote) -> None:
            ctx.state.prices = [0.5] * 20_000

    with pytest.raises(ConfigurationError, match=r"grown to 8.,... bytes, expected at most 65,536"):
        await run_ticks(Hoards(), exchange, spy)
    assert states(exchange) == []


class Plain:
    pass


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (Plain, "to be a msgspec.Struct class"),
        (msgspec.defstruct("Bare", [("count", int)]), "to have a default, found none for count"),
    ],
)
async def test_a_state_that_can_not_be_used_is_refused_at_once(
    exchange: Exchange, spy: Market, state: Any, text: str
) -> None:
    class Wrong(Ladder):
        State = state

    with pytest.raises(ConfigurationError, match=text):
        await run_ticks(Wrong(), exchange, spy)


async def test_a_strategy_that_declares_no_state_is_told_what_to_declare(exchange: Exchange, spy: Market) -> None:
    class Without(Ladder):
        State = None

    with pytest.raises(ConfigurationError, match=r"declare a msgspec\.Struct with defaults as its `State`"):
        await run_ticks(Without(), exchange, spy)


async def test_a_replay_starts_with_the_state_that_the_run_started_with(
    exchange: Exchange, spy: Market, tmp_path: Path
) -> None:
    await run_ticks(Ladder(), exchange, spy, count=1)
    await run_ticks(Ladder(), exchange, spy, record=tmp_path / "run")
    recording = RecordingReader(tmp_path / "run")
    start = next(event for batch in recording.batches() for event in batch)
    assert isinstance(start, Start)
    assert json.loads(start.state)["bought"] == 1
    verdict = replay_verdict(
        Core(Ladder(), profiles={"scripted": exchange.profile}, guards=default_guards()),
        recording,
        list(recording.requests()),
    )
    assert (verdict.matches, verdict.recorded, verdict.replayed) == (True, 2, 2)


# -- metrics -----------------------------------------------------------------------------------------------------------


class Measures(Ladder):
    def on_quote(self, ctx: Context, quote: Quote) -> None:
        assert quote.ask is not None
        ctx.metric("ask", quote.ask)
        if quote.ask > 100.025:
            ctx.metric("fair value", Decimal("0.10"))


async def test_metrics_are_in_the_recording_with_the_event_they_belong_to(
    exchange: Exchange, spy: Market, tmp_path: Path
) -> None:
    await run_ticks(Measures(), exchange, spy, count=2, record=tmp_path / "run")
    recording = RecordingReader(tmp_path / "run")
    events = [event for batch in recording.batches() for event in batch]
    metrics = list(recording.metrics())
    assert [(each.name, str(each.value)) for each in metrics] == [
        ("ask", "100.02"),
        ("ask", "100.03"),
        ("fair value", "0.10"),
    ]
    for each in metrics:
        quote = events[each.seq]
        assert isinstance(quote, Quote)
        assert quote.receive_time == each.time
    assert metrics[0].value == events[metrics[0].seq].ask


async def test_without_a_recording_a_metric_goes_nowhere(exchange: Exchange, spy: Market) -> None:
    assert (await run_ticks(Measures(), exchange, spy)).requests == 0


async def test_a_metric_that_is_no_number_is_the_strategys_error(exchange: Exchange, spy: Market) -> None:
    class Wrong(Ladder):
        def on_quote(self, ctx: Context, quote: Quote) -> None:
            ctx.metric("mood", "good")  # type: ignore[arg-type]

    with pytest.raises(ValueError, match="expected metric 'mood' as a number, found 'good'"):
        await run_ticks(Wrong(), exchange, spy)
