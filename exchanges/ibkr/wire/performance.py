"""The portfolio analyst: performance and transactions (each once in 15 minutes)."""

from typing import Any

import msgspec

from exchanges.ibkr.wire.types import Conid, Number


class StartValue(msgspec.Struct, frozen=True):
    """The net asset value that a series starts from."""

    date: str | None = None
    val: Number = None


class PerformanceRow(msgspec.Struct, frozen=True):
    """One account's series: `returns` or `navs`, by the dates of its envelope."""

    id: str
    idType: str | None = None
    start: str | None = None
    end: str | None = None
    returns: list[float] | None = None
    navs: list[float] | None = None
    startNAV: StartValue | None = None
    baseCurrency: str | None = None


class PerformanceSeries(msgspec.Struct, frozen=True):
    """Dates as `YYYYMMDD` (months as `YYYYMM`) and a row for each account."""

    dates: list[str]
    data: list[PerformanceRow]
    freq: str | None = None


class Performance(msgspec.Struct, frozen=True):
    """`POST /pa/performance`."""

    cps: PerformanceSeries | None = None
    """Cumulative returns."""
    tpps: PerformanceSeries | None = None
    """Returns of each period."""
    nav: PerformanceSeries | None = None
    pm: str | None = None
    nd: int | None = None
    id: str | None = None
    included: list[str] = []
    currencyType: str | None = None


AllPeriods = dict[str, Any]
"""`POST /pa/allperiods`: accounts and envelope keys on one level."""


class PeriodPerformance(msgspec.Struct, frozen=True):
    """One period of one account in `AllPeriods`."""

    dates: list[str]
    nav: list[float]
    cps: list[float]
    freq: str | None = None
    startNAV: StartValue | None = None


class TransactionRow(msgspec.Struct, frozen=True):
    """One booking. A payment has neither price nor quantity."""

    type: str
    conid: Conid | None = None
    acctid: str | None = None
    date: str | None = None
    rawDate: str | None = None
    cur: str | None = None
    fxRate: Number = None
    pr: Number = None
    qty: Number = None
    amt: Number = None
    desc: str | None = None
    isRealTime: bool | None = None


class RealizedRow(msgspec.Struct, frozen=True):
    """Realized profit of one day; conid and amount are texts here."""

    conid: Conid
    amt: Number
    date: str | None = None
    cur: str | None = None
    fxRate: Number = None
    side: str | None = None
    positionSide: str | None = None
    acctid: str | None = None


class Realized(msgspec.Struct, frozen=True):
    """Realized profit over the whole time."""

    data: list[RealizedRow] = []
    amt: Number = None


class Transactions(msgspec.Struct, frozen=True, rename={"start": "from", "end": "to"}):
    """`POST /pa/transactions`; times in milliseconds."""

    transactions: list[TransactionRow] = []
    rpnl: Realized | None = None
    currency: str | None = None
    start: int | None = None
    end: int | None = None
    id: str | None = None
    nd: int | None = None
