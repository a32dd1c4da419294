"""What can be traded, and the rules of trading it."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

import msgspec

from horizon.model.enums import MarketKind, OptionRight, OrderType, Side, TimeInForce
from horizon.model.identifiers import Instrument, MarketId, instrument
from horizon.model.money import ZERO


class PriceStep(msgspec.Struct, frozen=True, kw_only=True):
    """From `lower_edge` on (price units), prices move by `increment`."""

    lower_edge: Decimal
    increment: Decimal

    def __post_init__(self) -> None:
        if not self.increment > 0:
            raise ValueError(f"expected a price increment above 0, found {self.increment}")


class PriceGrid(msgspec.Struct, frozen=True, kw_only=True):
    """The prices a venue accepts: increments by price range, and bounds where the venue has them."""

    steps: tuple[PriceStep, ...]
    lowest: Decimal | None = None
    highest: Decimal | None = None

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError("expected at least one price step, found none")
        edges = [step.lower_edge for step in self.steps]
        if edges != sorted(edges):
            raise ValueError(f"expected price steps by rising lower edge, found {edges}")

    @classmethod
    def of(
        cls, increment: Decimal | str, *, lowest: Decimal | str | None = None, highest: Decimal | str | None = None
    ) -> "PriceGrid":
        """A grid with one increment everywhere."""
        return cls(
            steps=(PriceStep(lower_edge=ZERO, increment=Decimal(increment)),),
            lowest=None if lowest is None else Decimal(lowest),
            highest=None if highest is None else Decimal(highest),
        )

    def increment_at(self, price: Decimal) -> Decimal:
        """The increment in force at a price; negative prices (combos, some futures) use their magnitude."""
        index = bisect_right(self.steps, abs(price), key=lambda step: step.lower_edge) - 1
        return self.steps[max(index, 0)].increment

    def contains(self, price: Decimal) -> bool:
        """Whether the venue accepts this price."""
        if self.lowest is not None and price < self.lowest:
            return False
        if self.highest is not None and price > self.highest:
            return False
        return price % self.increment_at(price) == 0

    def floor(self, price: Decimal) -> Decimal:
        """The highest accepted price that is not above `price` (the lowest accepted one if there is none)."""
        increment = self.increment_at(price)
        return self._bounded((price / increment).to_integral_value(ROUND_FLOOR) * increment)

    def ceil(self, price: Decimal) -> Decimal:
        """The lowest accepted price that is not below `price` (the highest accepted one if there is none)."""
        increment = self.increment_at(price)
        return self._bounded((price / increment).to_integral_value(ROUND_CEILING) * increment)

    def nearest(self, price: Decimal) -> Decimal:
        """The accepted price closest to `price`; a tie goes down."""
        below, above = self.floor(price), self.ceil(price)
        return below if abs(price - below) <= abs(above - price) else above

    def _bounded(self, price: Decimal) -> Decimal:
        if self.lowest is not None and price < self.lowest:
            return self.lowest
        if self.highest is not None and price > self.highest:
            return self.highest
        return price


class EventTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an event contract pays, on what, and when."""

    question: str
    payout: Decimal
    """Paid per contract to the side that is right, in the market's currency."""
    twin: MarketId | None = None
    """The market that holds the other side, at venues with one id per side."""
    threshold: Decimal | None = None
    """The number the event is about ("above 6000"); None where the strike is only an ordinal or a name."""
    strike: Decimal | None = None
    """The venue's own strike, which may be an ordinal."""
    strike_label: str = ""
    underlying_id: MarketId | None = None
    measured_period: str = ""
    last_trade_time: datetime | None = None
    release_time: datetime | None = None
    """When the outcome is expected to be known: time to expiry is counted to this moment."""
    payout_time: datetime | None = None
    rules_url: str = ""


class OptionTerms(msgspec.Struct, frozen=True, kw_only=True):
    right: OptionRight
    strike: Decimal
    expiry: str
    """`YYYYMMDD` as the venue gives it."""
    underlying_id: MarketId | None = None


class TradingSession(msgspec.Struct, frozen=True, kw_only=True):
    """One stretch of trading, in integer nanoseconds UTC; `regular` is False before and after the main hours."""

    opens: int
    closes: int
    regular: bool = True


class TradingHours(msgspec.Struct, frozen=True, kw_only=True):
    """The sessions known at the moment, in the zone the venue keeps."""

    timezone: str
    sessions: tuple[TradingSession, ...]

    def session_at(self, now: int) -> TradingSession | None:
        """The session that holds `now` (ns); a regular one is preferred where several do."""
        found = None
        for session in self.sessions:
            if session.opens <= now < session.closes:
                if session.regular:
                    return session
                found = session
        return found

    def covers(self, now: int) -> bool:
        """Whether `now` (ns) lies between the first opening and the last closing that are known."""
        return bool(self.sessions) and (
            min(s.opens for s in self.sessions) <= now < max(s.closes for s in self.sessions)
        )


class MarketRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue lists for one market beyond its prices. What is empty or None it did not say."""

    order_types: tuple[OrderType, ...] = ()
    outside_order_types: tuple[OrderType, ...] = ()
    """Taken outside the regular session."""
    fractional_order_types: tuple[OrderType, ...] = ()
    """Taken in fractions of a lot."""
    cash_order_types: tuple[OrderType, ...] = ()
    """Taken with a cash quantity."""
    times_in_force: tuple[TimeInForce, ...] = ()
    algos: bool | None = None
    all_or_none: bool | None = None
    overnight: bool | None = None


class Market(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be traded at one venue.

    `multiplier` is the money one point of price is worth per unit of size: 1 for a share, 100 for a US equity
    option, 1 for a ForecastEx contract (payout $1).
    """

    exchange: str
    market_id: MarketId
    kind: MarketKind
    symbol: str
    name: str = ""
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)
    price_grid: PriceGrid
    lot: Decimal = Decimal(1)
    """Sizes are whole multiples of this."""
    side: Side | None = Side.LONG
    """The side the id stands for; None where one id carries both sides."""
    listing_exchange: str = ""
    hours: TradingHours | None = None
    event: EventTerms | None = None
    option: OptionTerms | None = None
    last_trade_date: str = ""
    """`YYYYMMDD` as the venue gives it; empty for what does not expire."""
    rules: MarketRules = MarketRules()

    def instrument(self, side: Side | None = None) -> Instrument:
        """The instrument of one side; the side may be left out where the id fixes it.

        Raises ValueError for a side that contradicts the id, naming the twin.
        """
        chosen = side or self.side
        if chosen is None:
            raise ValueError(f"{self.symbol} ({self.market_id}) has two sides: say Side.YES or Side.NO")
        if self.side is not None and chosen is not self.side:
            other = Side.NO if self.side is Side.YES else Side.YES
            twin = f"; {other} is market {self.event.twin}" if self.event and self.event.twin else ""
            raise ValueError(f"market {self.market_id} ({self.symbol}) is {self.side}, not {chosen}{twin}")
        return instrument(self.exchange, self.market_id, chosen)


class MarketQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for. Every field that is given must hold for a market that is returned."""

    symbol: str = ""
    """The venue's symbol, or for an event its product code."""
    text: str = ""
    """Words of a name or question."""
    market_id: MarketId | None = None
    kind: MarketKind | None = None
    exchange: str | None = None
    """Which connected venue to ask; may be left out when there is one."""
    listing_exchange: str | None = None
    currency: str | None = None
    side: Side | None = None
    threshold: Decimal | None = None
    """An event's number. Leave out for all thresholds."""
    nearest_threshold: Decimal | None = None
    """Instead of an exact threshold: only the markets whose threshold is closest to this."""
    expiry: str | None = None
    """`YYYYMMDD`, or `YYYYMM` for a month."""
    strike: Decimal | None = None
    right: OptionRight | None = None

    def __post_init__(self) -> None:
        if not (self.symbol or self.text or self.market_id):
            raise ValueError("expected a symbol, a text or a market_id to look for, found none of them")

    def describe(self) -> str:
        """The query in words for an error message."""
        parts: Sequence[str] = [
            f"{name}={value}" for name in self.__struct_fields__ if (value := getattr(self, name)) not in ("", None)
        ]
        return ", ".join(parts)
