"""Market data as it reaches a strategy.

Prices and sizes are floats; what the venue did not send is None, never 0. Times are integer nanoseconds UTC.
These are made by the million in a backtest, so they are positional, frozen and left alone by the garbage collector.
"""

import msgspec

from horizon.model.enums import Availability
from horizon.model.identifiers import Instrument


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The top of the book of one instrument."""

    instrument: Instrument
    receive_time: int
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    exchange_time: int | None = None
    availability: Availability = Availability.LIVE

    @property
    def mid(self) -> float | None:
        """Half way between bid and ask, when both are there."""
        if self.bid is None or self.ask is None:
            return None
        return (self.bid + self.ask) * 0.5


class Trade(msgspec.Struct, frozen=True, gc=False):
    """A trade on the tape, by whomever."""

    instrument: Instrument
    receive_time: int
    price: float
    size: float | None = None
    exchange_time: int | None = None
    availability: Availability = Availability.LIVE


class Bar(msgspec.Struct, frozen=True, gc=False):
    """Open, high, low, close and volume of the interval that starts at `exchange_time` and lasts `length` ns.

    `receive_time` is the moment at which the bar was complete and known.
    """

    instrument: Instrument
    receive_time: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    length: int
    exchange_time: int
    availability: Availability = Availability.LIVE


class Book(msgspec.Struct, frozen=True):
    """Several levels, best first, as (price, size)."""

    instrument: Instrument
    receive_time: int
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    exchange_time: int | None = None
    availability: Availability = Availability.LIVE


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue's snapshot holds beside the top of the book."""

    instrument: Instrument
    receive_time: int
    exchange_time: int | None = None
    availability: Availability = Availability.UNKNOWN
    last: float | None = None
    last_is_prior_close: bool = False
    """The venue showed the prior close in place of a last price."""
    halted: bool = False
    last_size: float | None = None
    volume: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    prior_close: float | None = None
    change: float | None = None
    change_percent: float | None = None
    fields: dict[str, str] = {}
    """Every other field by the venue's own id, as text."""


MarketEvent = Quote | Trade | Bar | Book
