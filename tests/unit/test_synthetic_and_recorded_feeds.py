"""Two feeds that need no venue."""

import asyncio
from collections.abc import Iterable, Iterator, Sequence

import pytest

from feeds.recorded import RecordedFeed
from feeds.synthetic import SyntheticFeed
from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError
from horizon.model import CoreEvent, Instrument, Market, MarketEvent, Quote, TimerFired, Trade, TradingSession
from horizon.ports import Feed
from horizon.simulation.prices import SyntheticPath
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000 * NANOSECONDS
A, B = Instrument("sim:A:LONG"), Instrument("sim:B:LONG")


def path(symbol: str, *, seconds: int = 10, sessions: Sequence[TradingSession] = ()) -> SyntheticPath:
    return SyntheticPath(
        symbol, seed=1, start=START, end=START + seconds * NANOSECONDS, initial=100.0, sessions=sessions
    )


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock(START)


async def play(feed: Feed, clock: ScriptedClock) -> list[MarketEvent]:
    seen: list[MarketEvent] = []
    async with clock.running():
        await feed.run(seen.append)
    return seen


class TestSynthetic:
    async def test_every_path_is_quoted_at_each_interval_until_it_ends(self, clock: ScriptedClock) -> None:
        seen = await play(SyntheticFeed({A: path("A"), B: path("B")}, clock=clock, interval=2.5), clock)
        assert [(event.instrument, (event.receive_time - START) / NANOSECONDS) for event in seen] == [
            (name, moment) for moment in (0, 2.5, 5, 7.5) for name in (A, B)
        ]

    async def test_quotes_lie_around_the_price_on_the_tick(self, clock: ScriptedClock) -> None:
        source = path("A", seconds=200)
        seen = await play(SyntheticFeed({A: source}, clock=clock, spread=0.04, size=7.0), clock)
        assert len(seen) == 200
        for quote in seen:
            assert isinstance(quote, Quote)
            assert quote.bid is not None
            assert quote.ask is not None
            assert quote.ask - quote.bid == pytest.approx(0.04)
            assert quote.bid == round(quote.bid, 2)
            assert quote.bid - 1e-6 <= source.at(quote.receive_time).price <= quote.ask + 1e-6
            assert (quote.bid_size, quote.ask_size) == (7.0, 7.0)

    async def test_the_same_seed_gives_the_same_quotes(self, clock: ScriptedClock) -> None:
        first = await play(SyntheticFeed({A: path("A")}, clock=clock), clock)
        again = ScriptedClock(START)
        assert await play(SyntheticFeed({A: path("A")}, clock=again), again) == first

    async def test_nothing_is_quoted_outside_the_sessions(self, clock: ScriptedClock) -> None:
        second = NANOSECONDS
        sessions = (
            TradingSession(opens=START + 2 * second, closes=START + 4 * second),
            TradingSession(opens=START + 7 * second, closes=START + 8 * second),
        )
        feed = SyntheticFeed({A: path("A", sessions=sessions)}, clock=clock)
        assert feed.health()[0].cause == "outside its sessions"
        assert [(event.receive_time - START) // second for event in await play(feed, clock)] == [2, 3, 7]

    async def test_a_price_near_nothing_has_no_bid(self, clock: ScriptedClock) -> None:
        cheap = SyntheticPath("A", seed=1, start=START, end=START + NANOSECONDS, initial=0.004, volatility=0.0)
        seen = await play(SyntheticFeed({A: cheap}, clock=clock), clock)
        assert seen
        for quote in seen:
            assert isinstance(quote, Quote)
            assert (quote.bid, quote.bid_size) == (None, None)

    async def test_from_the_first_subscription_on_only_what_is_subscribed_to_is_quoted(
        self, clock: ScriptedClock
    ) -> None:
        feed = SyntheticFeed({A: path("A"), B: path("B")}, clock=clock)
        await feed.subscribe([B])
        assert {event.instrument for event in await play(feed, clock)} == {B}
        (health,) = feed.health()
        assert (health.instrument, health.last_received) == (B, START + 9 * NANOSECONDS)

    async def test_an_instrument_without_a_path_is_refused(self, clock: ScriptedClock) -> None:
        feed = SyntheticFeed({A: path("A")}, clock=clock)
        with pytest.raises(ConfigurationError, match=r"sim:A:LONG.*found sim:B:LONG"):
            await feed.subscribe([B])

    async def test_an_interval_of_nothing_is_refused(self, clock: ScriptedClock) -> None:
        with pytest.raises(ConfigurationError, match="interval and tick above 0"):
            SyntheticFeed({A: path("A")}, clock=clock, interval=0)


class _Recording:
    def __init__(self, *batches: list[CoreEvent]) -> None:
        self._batches = batches

    def markets(self) -> Sequence[Market]:
        return ()

    def batches(self) -> Iterator[Iterable[CoreEvent]]:
        return iter(self._batches)


def _at(seconds: float) -> int:
    return START + round(seconds * NANOSECONDS)


RECORDED = _Recording(
    [Quote(A, _at(0), 1.0), TimerFired(name="t", time=_at(1)), Trade(B, _at(2), 5.0)],
    [Quote(A, _at(2), 2.0), Quote(A, _at(7), 3.0)],
)


class TestRecorded:
    async def test_market_data_is_played_in_order_and_nothing_else(self) -> None:
        seen: list[MarketEvent] = []
        feed = RecordedFeed(RECORDED)
        await feed.run(seen.append)
        assert [(event.instrument, event.receive_time) for event in seen] == [
            (A, _at(0)),
            (B, _at(2)),
            (A, _at(2)),
            (A, _at(7)),
        ]
        assert [(row.instrument, row.last_received) for row in feed.health()] == [(A, _at(7)), (B, _at(2))]
        assert {row.cause for row in feed.health()} == {"the recording has ended"}

    @pytest.mark.parametrize(("speed", "moments"), [(None, [0, 2, 2, 7]), (2.0, [0, 1, 1, 3.5]), (0.5, [0, 4, 4, 14])])
    async def test_a_clock_sets_the_pace(self, clock: ScriptedClock, speed: float | None, moments: list[float]) -> None:
        later = ScriptedClock(START + 1_000_000 * NANOSECONDS)
        seen: list[float] = []
        async with later.running():
            await RecordedFeed(RECORDED, clock=later, speed=speed).run(lambda _: seen.append(later.monotonic()))
        assert seen == moments

    async def test_a_fast_recording_leaves_turns_to_its_consumer(self) -> None:
        batch: list[CoreEvent] = [Quote(A, number) for number in range(5000)]
        seen: list[MarketEvent] = []
        largest = 0

        async def consume() -> None:
            nonlocal largest
            while True:
                largest = max(largest, len(seen))
                seen.clear()
                await asyncio.sleep(0)

        consumer = asyncio.create_task(consume())
        await RecordedFeed(_Recording(batch)).run(seen.append)
        consumer.cancel()
        assert 0 < largest <= 1024

    async def test_only_what_is_subscribed_to_is_played(self) -> None:
        seen: list[MarketEvent] = []
        feed = RecordedFeed(RECORDED)
        await feed.subscribe([B])
        await feed.run(seen.append)
        assert [event.instrument for event in seen] == [B]

    @pytest.mark.parametrize("speed", [0.0, -1.0])
    async def test_a_speed_of_nothing_is_refused(self, clock: ScriptedClock, speed: float) -> None:
        with pytest.raises(ConfigurationError, match="speed above 0"):
            RecordedFeed(RECORDED, clock=clock, speed=speed)

    async def test_a_speed_without_a_clock_is_refused(self) -> None:
        with pytest.raises(ConfigurationError, match="together with a clock"):
            RecordedFeed(RECORDED, speed=2.0)
