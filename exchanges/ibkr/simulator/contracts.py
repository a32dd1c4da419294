"""What can be asked for at the simulated gateway: US stocks, foreign listings of their tickers, SPY options.
Futures, currencies and events are kept beside."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from decimal import Decimal

import msgspec

SPY, AAPL, QQQ, IBM = 756733, 265598, 320227571, 8314
CENT = Decimal("0.01")
_US_EXCHANGES = "SMART,AMEX,NYSE,CBOE,PHLX,ISE,CHX,ARCA,NASDAQ,IEX,MEMX"


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One conid and what the gateway says about it."""

    conid: int
    symbol: str
    sec_type: str = "STK"
    name: str
    listing_exchange: str
    currency: str = "USD"
    is_us: bool = True
    type: str = "COMMON"
    trading_class: str = ""
    valid_exchanges: str = _US_EXCHANGES
    has_options: bool = False
    right: str = ""
    """`C` (call, YES), `P` (put, NO) or empty."""
    strike: float = 0.0
    expiry: str = ""
    """`YYYYMMDD`"""
    underlying: int = 0
    multiplier: str | None = None
    is_event: bool = False
    twin: int = 0
    """The conid of the other side of an event."""
    increments: tuple[tuple[float, Decimal], ...] = ((0.0, CENT),)
    """Price steps, each from its lower edge on."""
    lot: Decimal = Decimal(1)
    digits: int = 2
    """Of a price as text."""

    @property
    def factor(self) -> int:
        """What one point of price is worth per unit of size."""
        return int(self.multiplier or 1)

    @property
    def is_derivative(self) -> bool:
        return self.sec_type in ("OPT", "FOP", "FUT")

    @property
    def is_us_future(self) -> bool:
        """Whether orders must say who gave them (CME rule 536-B)."""
        return self.sec_type in ("FUT", "FOP")

    @property
    def never_closes(self) -> bool:
        return self.is_event or self.sec_type in ("CASH", "CRYPTO")

    def increment(self, price: Decimal) -> Decimal:
        """The price step at a price."""
        return [step for edge, step in self.increments if price >= Decimal(str(edge))][-1]

    @property
    def main_exchange(self) -> str:
        return self.listing_exchange.split(".", maxsplit=1)[0]


def _foreign(conid: int, symbol: str, name: str, exchange: str, currency: str) -> Contract:
    return Contract(
        conid=conid,
        symbol=symbol,
        name=name,
        listing_exchange=exchange,
        currency=currency,
        is_us=False,
        valid_exchanges=exchange,
    )


STOCKS = (
    Contract(
        conid=SPY,
        symbol="SPY",
        name="SS SPDR S&P 500 ETF TRUST-US",
        listing_exchange="ARCA",
        type="ETF",
        has_options=True,
    ),
    Contract(conid=AAPL, symbol="AAPL", name="APPLE INC", listing_exchange="NASDAQ.NMS", trading_class="NMS"),
    Contract(
        conid=QQQ,
        symbol="QQQ",
        name="INVESCO QQQ TRUST SERIES 1",
        listing_exchange="NASDAQ",
        type="ETF",
        trading_class="NMS",
    ),
    Contract(conid=IBM, symbol="IBM", name="INTL BUSINESS MACHINES CORP", listing_exchange="NYSE"),
    Contract(conid=4815, symbol="BBVA", name="BANCO BILBAO VIZCAYA-SP ADR", listing_exchange="NYSE", type="ADR"),
    _foreign(38709152, "SPY", "SPDR S&P 500 ETF TRUST", "MEXI", "MXN"),
    _foreign(38708077, "AAPL", "APPLE INC", "MEXI", "MXN"),
    _foreign(273982664, "AAPL", "APPLE INC", "EBS", "CHF"),
    _foreign(30314149, "BBVA", "BANCO BILBAO VIZCAYA ARGENTA", "BM", "EUR"),
    _foreign(38708792, "BBVA", "BANCO BILBAO VIZCAYA ARGENTA", "MEXI", "MXN"),
)


_OPTION_INCREMENTS = ((0.0, CENT), (3.0, Decimal("0.05")))


def month_code(day: date) -> str:
    """`JAN27`, as the gateway names the month of a derivative."""
    return day.strftime("%b%y").upper()


def expiry_text(expiry: str) -> str:
    """`Dec18'26` for `20261218`."""
    return date(int(expiry[:4]), int(expiry[4:6]), int(expiry[6:])).strftime("%b%d'%y")


def occ_symbol(contract: Contract) -> str:
    """The 21 characters of the options industry: `SPY   270115C00440000`."""
    return f"{contract.symbol:<6}{contract.expiry[2:]}{contract.right}{round(contract.strike * 1000):08d}"


def monthly_options(underlying: Contract, today: date, price: float) -> list[Contract]:
    """Calls and puts on the third Fridays of the next three months, strikes every 5 within 10 % of `price`."""
    centre = round(price / 5) * 5
    reach = max(round(price * 0.1 / 5), 1)
    options = []
    for number, expiry in enumerate(_third_fridays(today, 3)):
        for step in range(-reach, reach + 1):
            for offset, right in enumerate("CP"):
                options.append(
                    Contract(
                        conid=800_000_000 + number * 10_000 + (step + reach) * 10 + offset,
                        symbol=underlying.symbol,
                        sec_type="OPT",
                        name=underlying.name,
                        listing_exchange="CBOE",
                        trading_class=underlying.symbol,
                        valid_exchanges="SMART,AMEX,CBOE",
                        right=right,
                        strike=float(centre + 5 * step),
                        expiry=expiry.strftime("%Y%m%d"),
                        underlying=underlying.conid,
                        multiplier="100",
                        increments=_OPTION_INCREMENTS,
                    )
                )
    return options


def _third_fridays(today: date, count: int) -> Iterable[date]:
    first = today.replace(day=1)
    while count:
        friday = first + timedelta(days=(4 - first.weekday()) % 7 + 14)
        if friday > today:
            count -= 1
            yield friday
        first = (first + timedelta(days=32)).replace(day=1)


class Catalogue:
    """Every contract by conid and by symbol."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._by_conid: Mapping[int, Contract] = {contract.conid: contract for contract in contracts}

    def get(self, conid: int) -> Contract | None:
        return self._by_conid.get(conid)

    def __getitem__(self, conid: int) -> Contract:
        return self._by_conid[conid]

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._by_conid.values())

    def listings(self, symbol: str) -> list[Contract]:
        """Stocks and index rows of a ticker, the primary listing first."""
        wanted = symbol.upper()
        return [c for c in self._by_conid.values() if c.symbol == wanted and c.sec_type in ("STK", "IND")]

    def named(self, words: str) -> list[Contract]:
        """Stocks and index rows whose company name holds these words."""
        wanted = words.upper()
        return [c for c in self._by_conid.values() if wanted in c.name.upper() and c.sec_type in ("STK", "IND")]

    def derivatives(self, underlying: int) -> list[Contract]:
        return [c for c in self._by_conid.values() if c.underlying == underlying and c.is_derivative]
