"""Finding contracts, their details, their trading rules and hours."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Number


class SearchSection(msgspec.Struct, frozen=True, gc=False):
    """One security type that a search result has."""

    secType: str | None = None
    months: str | None = None
    """`APR26;MAY26`."""
    exchange: str | None = None
    """`SMART;AMEX`, sometimes with a `;` at the end."""
    symbol: str | None = None
    conid: Conid | None = None
    legSecType: str | None = None
    showPrips: bool | None = None


class SearchRow(msgspec.Struct, frozen=True):
    """A row of `GET /iserver/secdef/search`. Its conid is a text."""

    conid: Conid
    companyHeader: str | None = None
    companyName: str | None = None
    symbol: str | None = None
    description: str | None = None
    """The listing exchange."""
    restricted: str | None = None
    secType: str | None = None
    opt: str | None = None
    """`20240917;20241107`: expiries of event options, when the venue sends them."""
    sections: list[SearchSection] = []


class Strikes(msgspec.Struct, frozen=True):
    """`GET /iserver/secdef/strikes`; both lists are empty when the search was not made first."""

    call: list[float] = []
    put: list[float] = []


class SecdefInfoRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `GET /iserver/secdef/info`."""

    conid: Conid
    symbol: str | None = None
    ticker: str | None = None
    secType: str | None = None
    exchange: str | None = None
    listingExchange: str | None = None
    right: str | None = None
    """`C`, `P`, or `?` for none."""
    strike: Number = None
    currency: str | None = None
    companyName: str | None = None
    desc1: str | None = None
    desc2: str | None = None
    maturityDate: str | None = None
    multiplier: Number = None
    tradingClass: str | None = None
    validExchanges: str | None = None


class IncrementRule(msgspec.Struct, frozen=True, gc=False):
    """From `lowerEdge` upwards, prices move by `increment`."""

    lowerEdge: Number = None
    increment: Number = None


class ContractRules(msgspec.Struct, frozen=True):
    """`POST /iserver/contract/rules`, and the `rules` of info-and-rules."""

    orderTypes: list[str] = []
    orderTypesOutside: list[str] = []
    tifTypes: list[str] = []
    """`DAY/o,a`: `o` is outside regular hours, `a` is algorithms."""
    defaultSize: Number = None
    sizeIncrement: Number = None
    """The step of the size field, not the lot of an order."""
    cashSize: Number = None
    cashCcy: str | None = None
    limitPrice: Number = None
    stopprice: Number = None
    increment: Number = None
    incrementDigits: int | None = None
    incrementRules: list[IncrementRule] | None = None
    priceMagnifier: Number = None
    negativeCapable: bool | None = None
    algoEligible: bool | None = None
    overnightEligible: bool | None = None
    allOrNoneEligible: bool | None = None
    costReport: bool | None = None
    hasSecondary: bool | None = None
    preview: bool | None = None
    forceOrderPreview: bool | None = None
    canTradeAcctIds: list[str] | None = None
    fraqTypes: list[str] | None = None
    """Order types that take fractions; `cqtTypes` take cash quantities."""
    cqtTypes: list[str] | None = None
    displaySize: Number = None
    error: str | None = None


class ContractInfo(msgspec.Struct, frozen=True):
    """`GET /iserver/contract/{conid}/info`; `/info-and-rules` adds `rules`."""

    con_id: Conid
    symbol: str | None = None
    local_symbol: str | None = None
    company_name: str | None = None
    instrument_type: str | None = None
    """STK, OPT, FUT, CASH, IND ... A ForecastEx contract is an OPT."""
    currency: str | None = None
    exchange: str | None = None
    valid_exchanges: str | None = None
    trading_class: str | None = None
    multiplier: Number = None
    strike: Number = None
    right: str | None = None
    """`CALL` or `PUT`."""
    maturity_date: str | None = None
    expiry_full: str | None = None
    contract_month: str | None = None
    underlying_con_id: Conid | None = None
    text: str | None = None
    r_t_h: bool | None = None
    smart_available: bool | None = None
    allow_sell_long: bool | None = None
    has_related_contracts: bool | None = None
    industry: str | None = None
    category: str | None = None
    cusip: str | None = None
    rules: ContractRules | None = None


class SecurityRow(msgspec.Struct, frozen=True):
    """A row of `GET /trsrv/secdef`."""

    conid: Conid
    currency: str | None = None
    name: str | None = None
    assetClass: str | None = None
    ticker: str | None = None
    fullName: str | None = None
    type: str | None = None
    listingExchange: str | None = None
    allExchanges: str | None = None
    countryCode: str | None = None
    expiry: str | None = None
    lastTradingDay: str | None = None
    putOrCall: str | None = None
    strike: Number = None
    """`"0"` for none."""
    multiplier: Number = None
    """0.0 for none."""
    undConid: Conid | None = None
    isEventContract: bool | None = None
    isUS: bool | None = None
    hasOptions: bool | None = None
    incrementRules: list[IncrementRule] | None = None


class Securities(msgspec.Struct, frozen=True):
    """`GET /trsrv/secdef`, at most 200 conids a call."""

    secdef: list[SecurityRow]


class StockContract(msgspec.Struct, frozen=True, gc=False):
    """One listing of a stock."""

    conid: Conid
    exchange: str | None = None
    isUS: bool | None = None


class StockRow(msgspec.Struct, frozen=True):
    """One company of `GET /trsrv/stocks`."""

    contracts: list[StockContract]
    name: str | None = None
    chineseName: str | None = None
    """With HTML entities."""
    assetClass: str | None = None


Stocks = dict[str, list[StockRow]]
"""`GET /trsrv/stocks`: by symbol."""


class FutureRow(msgspec.Struct, frozen=True, gc=False):
    """One contract of `GET /trsrv/futures`; not sorted. Dates are ints such as 20261218."""

    conid: Conid
    symbol: str | None = None
    underlyingConid: Conid | None = None
    expirationDate: int | None = None
    ltd: int | None = None
    shortFuturesCutOff: int | None = None
    longFuturesCutOff: int | None = None


Futures = dict[str, list[FutureRow]]
"""`GET /trsrv/futures`: by symbol."""


class ListedConid(msgspec.Struct, frozen=True, gc=False):
    """A row of `GET /trsrv/all-conids`."""

    conid: Conid
    ticker: str | None = None
    exchange: str | None = None


class TradingInterval(msgspec.Struct, frozen=True, gc=False):
    """One interval, in epoch seconds."""

    opening: int
    closing: int
    cancel_daily_orders: bool | None = None


class TradingDay(msgspec.Struct, frozen=True):
    """The intervals of one day."""

    liquid_hours: list[TradingInterval] = []
    extended_hours: list[TradingInterval] = []


class TradingSchedule(msgspec.Struct, frozen=True):
    """`GET /contract/trading-schedule`: by day, such as 20260402."""

    schedules: dict[str, TradingDay]
    exchange_time_zone: str | None = None


class CurrencyPair(msgspec.Struct, frozen=True, gc=False):
    """A pair of `GET /iserver/currency/pairs`."""

    conid: Conid
    symbol: str | None = None
    ccyPair: str | None = None


CurrencyPairs = dict[str, list[CurrencyPair]]


class ExchangeRate(msgspec.Struct, frozen=True, gc=False):
    """`GET /iserver/exchangerate`."""

    rate: Number


class AlgoParameter(msgspec.Struct, frozen=True):
    """One parameter of an order algorithm."""

    id: str
    name: str | None = None
    description: str | None = None
    defaultValue: object = None
    minValue: Number = None
    maxValue: Number = None
    guiRank: int | None = None
    legalStrings: list[str] = []
    required: bool | str | None = None
    valueClassName: str | None = None


class Algo(msgspec.Struct, frozen=True):
    """One order algorithm."""

    id: str
    name: str | None = None
    parameters: list[AlgoParameter] = []


class Algos(msgspec.Struct, frozen=True):
    """`GET /iserver/contract/{conid}/algos`."""

    algos: list[Algo] = []


class BondFilterOption(msgspec.Struct, frozen=True, gc=False):
    """One choice of a bond filter."""

    value: str
    text: str | None = None


class BondFilter(msgspec.Struct, frozen=True):
    """One bond filter."""

    displayText: str | None = None
    columnId: int | None = None
    options: list[BondFilterOption] = []


class BondFilters(msgspec.Struct, frozen=True):
    """`GET /iserver/secdef/bond-filters`."""

    bondFilters: list[BondFilter] = []
