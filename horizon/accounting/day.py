"""What a trading day has brought, from an anchor at its start. Pure."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from horizon.accounting.ledger import Ledger
from horizon.model import ZERO, DayProfit, Fill, FillKind, Instrument, Position

PriceOf = Callable[[Instrument], Decimal | None]

_ZONE = ZoneInfo("America/New_York")
_SECOND = 1_000_000_000


def day_around(now: int) -> tuple[int, int]:
    """Start and end (ns) of the trading day that holds `now`: the calendar day of New York."""
    moment = datetime.fromtimestamp(now // _SECOND, _ZONE)
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return _nanoseconds(midnight), _nanoseconds(midnight + timedelta(days=1))


class Day:
    """Profit and loss of the trading day: cash that moved, and the value that what is held has gained.

    At the turn of a day, everything held is anchored at its latest price. On the day of the start, what was traded
    before it counts by the fills that are known; what was held overnight is anchored at the first of these fills, else
    at the venue's own price, else at the first price seen: the venue does not say what it was worth at midnight.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._cash: dict[str, Decimal] = {}
        self._sizes: dict[Instrument, Decimal] = {}
        self._prices: dict[Instrument, Decimal] = {}
        self._terms: dict[Instrument, tuple[str, Decimal]] = {}
        self.ends = 0
        """Integer nanoseconds UTC."""

    def start(self, now: int, positions: Iterable[Position] = (), known: Sequence[Fill] = ()) -> None:
        """Anchor the day that holds `now`, after the ledger was started with the same positions and fills."""
        began, self.ends = day_around(now)
        self._anchor()
        for position in positions:
            if position.market_price is not None:
                self._prices[position.instrument] = position.market_price
        first: dict[Instrument, Fill] = {}
        for fill in known:
            if fill.trade_time < began or fill.kind is FillKind.NETTING:
                continue
            name = fill.instrument
            self._sizes[name] = self._sizes.get(name, ZERO) - fill.signed_size
            self._terms[name] = fill.currency, fill.multiplier
            self._give_back(fill.currency, fill.money)
            self._give_back(fill.commission_currency, -(fill.commission or ZERO))
            if name not in first or fill.trade_time < first[name].trade_time:
                first[name] = fill
        self._prices |= {name: fill.price for name, fill in first.items()}

    def turn(self, now: int, price_of: PriceOf) -> None:
        """Begin the day that holds `now`, with everything at its latest price."""
        self.ends = day_around(now)[1]
        kept = self._prices
        self._anchor()
        for name in self._sizes:
            price = price_of(name)
            price = kept.get(name) if price is None else price
            if price is not None:
                self._prices[name] = price

    def profit(self, price_of: PriceOf) -> DayProfit:
        """What the day has brought so far."""
        amounts = {
            currency: cash - self._cash.get(currency, ZERO) for currency, cash in self._ledger.cash_balances().items()
        }
        unpriced = []
        held = self._ledger.positions()
        for name in sorted({*self._sizes, *held}):
            gained = self._gained(name, held.get(name, ZERO), price_of(name))
            if gained is None:
                unpriced.append(name)
                continue
            currency, multiplier = self._ledger.terms(name) or self._terms[name]
            amounts[currency] = amounts.get(currency, ZERO) + gained * multiplier
        return DayProfit(ends=self.ends, by_currency=amounts, unpriced=tuple(unpriced))

    def _gained(self, name: Instrument, size: Decimal, price: Decimal | None) -> Decimal | None:
        """Value now less value at the anchor, per unit of the multiplier; None without a price for what was traded."""
        anchored = self._sizes.get(name, ZERO)
        before = self._prices.get(name)
        if before is None and price is not None:
            before = self._prices[name] = price
        if price is None and size == anchored:
            # not traded and not quoted: as far as is known, it is worth what it was
            return ZERO
        if (anchored and before is None) or (size and price is None):
            return None
        return size * (price or ZERO) - anchored * (before or ZERO)

    def _anchor(self) -> None:
        self._cash = self._ledger.cash_balances()
        self._sizes = self._ledger.positions()
        self._prices = {}

    def _give_back(self, currency: str, money: Decimal) -> None:
        self._cash[currency] = self._cash.get(currency, ZERO) - money


def _nanoseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp()) * _SECOND
