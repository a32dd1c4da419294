"""The market data of a recording, played again."""

from collections.abc import Iterator, Sequence

from horizon.clock import NANOSECONDS, Clock, SystemClock
from horizon.errors import ConfigurationError
from horizon.model import Bar, Book, Instrument, MarketEvent, Quote, Trade
from horizon.ports import FeedHealth, PutMarketEvent, Recording

_YIELD_EVERY = 1024
"""So many events at most between two turns of whoever consumes them."""


class RecordedFeed:
    """A `horizon.ports.Feed` over a recording: as fast as it is consumed, or with a `clock` at the recorded pace times
    `speed`.

    Events keep their recorded times. Other events of the recording (fills, reports, timers) are not market data and
    are left out. Everything is played until `subscribe` is called, and from then on what was subscribed to.
    """

    def __init__(self, recording: Recording, *, clock: Clock | None = None, speed: float | None = None) -> None:
        if speed is not None and (clock is None or not speed > 0):
            raise ConfigurationError(f"expected a speed above 0 together with a clock, found {speed} and {clock}")
        self._recording = recording
        self._clock: Clock = clock or SystemClock()
        self._speed = (speed or 1.0) if clock is not None else None
        self._subscribed: set[Instrument] | None = None
        self._received: dict[Instrument, int] = {}
        self._ended = False

    async def run(self, put: PutMarketEvent) -> None:
        """Play to the end. Raises RecordingError where the recording is damaged."""
        began: int | None = None
        first = 0
        since_turn = 0
        for event in self._market_events():
            if self._speed is not None:
                if began is None:
                    began, first = self._clock.now(), event.receive_time
                due = began + round((event.receive_time - first) / self._speed)
                ahead = due - self._clock.now()
                if ahead > 0:
                    await self._clock.sleep(ahead / NANOSECONDS)
                    since_turn = 0
            put(event)
            self._received[event.instrument] = event.receive_time
            since_turn += 1
            if since_turn >= _YIELD_EVERY:
                await self._clock.sleep(0)
                since_turn = 0
        self._ended = True

    async def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Play these as well."""
        self._subscribed = (self._subscribed or set()) | set(instruments)

    def health(self) -> Sequence[FeedHealth]:
        names = self._received.keys() | (self._subscribed or set())
        cause = "the recording has ended" if self._ended else ""
        return [
            FeedHealth(instrument=name, last_received=self._received.get(name), cause=cause) for name in sorted(names)
        ]

    def _market_events(self) -> Iterator[MarketEvent]:
        for batch in self._recording.batches():
            for event in batch:
                if isinstance(event, Quote | Trade | Bar | Book) and (
                    self._subscribed is None or event.instrument in self._subscribed
                ):
                    yield event
