"""Quotes of Interactive Brokers by polling its snapshots.

    feed = IbkrPollingFeed(venue.market_data, interval=1.0, clock=clock, instruments=[spy])
    await feed.run(put)                       # until cancelled

One call brings up to a hundred conids; more are asked in turn. A quote is put when anything but its time has changed,
and again unchanged once it is `heartbeat` seconds old, so that whoever judges the age of a quote can tell a quiet
market from a dead feed.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Protocol

from exchanges.ibkr.market_data import Reading
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, HorizonError, RateLimited
from horizon.model import Instrument, Quote, Side, Snapshot, instrument
from horizon.ports import FeedHealth, PutMarketEvent

_logger = logging.getLogger(__name__)

FASTEST: Final = 0.25
"""Seconds: the venue refreshes a snapshot every half second, so more calls bring nothing but the rate limit."""


class Snapshots(Protocol):
    """What the feed asks of a venue's market data."""

    async def read(self, instruments: Sequence[Instrument]) -> Reading: ...
    async def snapshots(self, instruments: Sequence[Instrument], fields: Sequence[str]) -> Sequence[Snapshot]: ...
    async def unsubscribe(self, instruments: Sequence[Instrument]) -> None: ...


class HasMarketData(Protocol):
    """What the feed needs of an exchange."""

    @property
    def market_data(self) -> Snapshots: ...
    @property
    def clock(self) -> Clock: ...


class IbkrPollingFeed:
    """A `horizon.ports.Feed` over the venue's snapshots. `interval` and `heartbeat` are in seconds of the clock.

    `instruments` are what is polled; a conid stands for its LONG side. With `fields` (names or ids of the venue), every
    round also asks for them, and `snapshot` has the latest: quotes stay what they are.
    """

    def __init__(
        self,
        venue_market_data: Snapshots,
        *,
        interval: float = 1.0,
        clock: Clock,
        instruments: Sequence[Instrument | int] = (),
        fields: Sequence[str] = (),
        heartbeat: float | None = 2.0,
    ) -> None:
        if not interval >= FASTEST:
            raise ConfigurationError(f"expected a polling interval of at least {FASTEST} s, found {interval}")
        self._market_data = venue_market_data
        self._interval = interval
        self._clock = clock
        self._heartbeat = None if heartbeat is None else round(heartbeat * NANOSECONDS)
        self._instruments = list(dict.fromkeys(map(_instrument, instruments)))
        self._fields = tuple(fields)
        self._snapshots: dict[Instrument, Snapshot] = {}
        self._wanted = asyncio.Event()
        if self._instruments:
            self._wanted.set()
        self._put_last: dict[Instrument, Quote] = {}
        self._received: dict[Instrument, int] = {}
        self._causes: dict[Instrument, str] = {}
        self._asked: int | None = None

    @classmethod
    def of(cls, exchange: HasMarketData, instruments: Sequence[Instrument], *, interval: float) -> "IbkrPollingFeed":
        """The feed of an `InteractiveBrokers`, on its clock."""
        return cls(
            exchange.market_data,
            interval=interval,
            clock=exchange.clock,
            instruments=instruments,
            heartbeat=max(2.0, interval),
        )

    async def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Poll these too, from the next round on."""
        self._instruments = list(dict.fromkeys([*self._instruments, *instruments]))
        if self._instruments:
            self._wanted.set()

    def snapshot(self, name: Instrument) -> Snapshot | None:
        """The latest answer to `fields`; None before the first, and when none were asked for."""
        return self._snapshots.get(name)

    def health(self) -> Sequence[FeedHealth]:
        """For each instrument when the venue last sent a price, and why it does not."""
        return [
            FeedHealth(
                instrument=name,
                last_received=self._received.get(name),
                cause=self._causes.get(name, "" if name in self._received else "not asked yet"),
                last_asked=self._asked,
            )
            for name in self._instruments
        ]

    async def run(self, put: PutMarketEvent) -> None:
        """Poll until cancelled, then close the venue's streams. A failed round is a cause in `health`, not the end."""
        try:
            while True:
                await self._wanted.wait()
                await self._clock.sleep(await self._round(put))
        finally:
            await self._close()

    async def _round(self, put: PutMarketEvent) -> float:
        """Seconds until the next round: longer than the interval when the venue wants fewer requests."""
        names = tuple(self._instruments)
        self._asked = self._clock.now()
        try:
            reading = await self._market_data.read(names)
        except HorizonError as error:
            self._causes.update(dict.fromkeys(names, f"{type(error).__name__}: {error}"))
            return max(self._interval, error.retry_after) if isinstance(error, RateLimited) else self._interval
        for name in names:
            self._causes[name] = reading.causes.get(name, "")
        for quote in reading.quotes:
            if quote.bid is not None or quote.ask is not None:
                self._received[quote.instrument] = quote.receive_time
            if self._is_news(quote):
                self._put_last[quote.instrument] = quote
                put(quote)
        if self._fields:
            await self._read_fields(names)
        return self._interval

    async def _read_fields(self, names: tuple[Instrument, ...]) -> None:
        """After the quotes, which must not wait for or be lost with what is only looked at."""
        try:
            snapshots = await self._market_data.snapshots(names, self._fields)
        except ConfigurationError:
            raise  # a field that does not exist will not do so in the next round either
        except HorizonError as error:
            _logger.info("the extra fields of %d instruments were not read: %s", len(names), error)
            return
        self._snapshots.update((snapshot.instrument, snapshot) for snapshot in snapshots)

    def _is_news(self, quote: Quote) -> bool:
        last = self._put_last.get(quote.instrument)
        if last is None:
            return quote.bid is not None or quote.ask is not None
        if _content(quote) != _content(last):
            return True
        return self._heartbeat is not None and quote.receive_time - last.receive_time >= self._heartbeat

    async def _close(self) -> None:
        try:
            await self._market_data.unsubscribe(self._instruments)
        except HorizonError as error:
            self._causes.update(dict.fromkeys(self._instruments, f"not unsubscribed: {error}"))


def _instrument(name: Instrument | int) -> Instrument:
    return instrument("ibkr", str(name), Side.LONG) if isinstance(name, int) else name


def _content(quote: Quote) -> tuple[object, ...]:
    return quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.availability
