"""Quotes from price paths: a market that needs no venue."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import floor

from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError
from horizon.model import Instrument, Quote
from horizon.ports import FeedHealth, PutMarketEvent
from horizon.simulation.prices import PricePath


class SyntheticFeed:
    """A `horizon.ports.Feed` that quotes each path every `interval` seconds, in its sessions, until the last path ends.

    Bid and ask lie `spread` apart around the path's price, on multiples of `tick`, with `size` on each side. All paths
    are quoted until `subscribe` is called, and from then on those that were subscribed to.
    """

    def __init__(
        self,
        paths: Mapping[Instrument, PricePath],
        *,
        clock: Clock,
        interval: float = 1.0,
        spread: float = 0.02,
        size: float = 100.0,
        tick: str = "0.01",
    ) -> None:
        if not (interval > 0 and spread >= 0 and Decimal(tick) > 0):
            raise ConfigurationError(
                f"expected interval and tick above 0 and spread not below 0, found {interval}, {tick} and {spread}"
            )
        self._paths = dict(paths)
        self._clock = clock
        self._interval = round(interval * NANOSECONDS)
        self._spread = spread
        self._size = size
        self._tick = float(tick)
        self._digits = max(-int(Decimal(tick).as_tuple().exponent), 0)
        self._subscribed: set[Instrument] | None = None
        self._received: dict[Instrument, int] = {}

    async def run(self, put: PutMarketEvent) -> None:
        """Quote until every path has ended."""
        due = self._clock.now()
        end = max((path.end for path in self._paths.values()), default=due)
        while (now := self._clock.now()) < end:
            for instrument, path in self._paths.items():
                if (self._subscribed is None or instrument in self._subscribed) and _trades(path, now):
                    put(self._quote(instrument, path, now))
                    self._received[instrument] = now
            due = max(due + self._interval, now)
            await self._clock.sleep((due - now) / NANOSECONDS)

    async def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """Quote these as well. Raises ConfigurationError for one that has no path."""
        unknown = [instrument for instrument in instruments if instrument not in self._paths]
        if unknown:
            raise ConfigurationError(
                f"expected instruments with a price path ({', '.join(self._paths)}), found {', '.join(unknown)}"
            )
        self._subscribed = (self._subscribed or set()) | set(instruments)

    def health(self) -> Sequence[FeedHealth]:
        now = self._clock.now()
        return [
            FeedHealth(
                instrument=instrument,
                last_received=self._received.get(instrument),
                cause="" if _trades(path, now) else "outside its sessions",
            )
            for instrument, path in self._paths.items()
            if self._subscribed is None or instrument in self._subscribed
        ]

    def _quote(self, instrument: Instrument, path: PricePath, now: int) -> Quote:
        bid_ticks = floor((path.at(now).price - self._spread / 2) / self._tick + 1e-9)
        ask_ticks = bid_ticks + max(round(self._spread / self._tick), 1)
        bid, ask = (round(ticks * self._tick, self._digits) for ticks in (bid_ticks, ask_ticks))
        if bid_ticks <= 0:
            return Quote(instrument, now, None, ask, None, self._size, now)
        return Quote(instrument, now, bid, ask, self._size, self._size, now)


def _trades(path: PricePath, now: int) -> bool:
    return any(session.opens <= now < session.closes for session in path.sessions)
