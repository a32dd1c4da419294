"""Positions, ledger, summary and profit and loss."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Number


class PositionRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `GET /portfolio/{id}/positions/{page}` and of `/portfolio/{id}/position/{conid}`.

    The first read of a session is sparse: no ticker, no name, multiplier null.
    """

    conid: Conid
    acctId: str | None = None
    contractDesc: str | None = None
    position: Number = None
    mktPrice: Number = None
    mktValue: Number = None
    currency: str | None = None
    avgCost: Number = None
    avgPrice: Number = None
    realizedPnl: Number = None
    unrealizedPnl: Number = None
    expiry: str | None = None
    putOrCall: str | None = None
    multiplier: Number = None
    strike: Number = None
    assetClass: str | None = None
    undConid: Conid | None = None
    model: str | None = None
    listingExchange: str | None = None
    name: str | None = None
    lastTradingDay: str | None = None
    ticker: str | None = None
    type: str | None = None
    undSym: str | None = None
    fullName: str | None = None
    isEventContract: bool | None = None
    pageSize: int | None = None


class FreshPositionRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `GET /portfolio2/{id}/positions`: not cached by the venue, with fewer columns and a text conid."""

    conid: Conid
    position: Number = None
    avgCost: Number = None
    avgPrice: Number = None
    currency: str | None = None
    description: str | None = None
    marketPrice: Number = None
    marketValue: Number = None
    realizedPnl: Number = None
    unrealizedPnl: Number = None
    secType: str | None = None
    assetClass: str | None = None
    isLastToLoq: bool | None = None
    timestamp: int | None = None
    """Seconds."""
    model: str | None = None


PositionsOfConid = dict[str, list[PositionRow]]
"""`GET /portfolio/positions/{conid}`: by account; a segment such as `U1234567C` repeats its account's rows."""


class LedgerRow(msgspec.Struct, frozen=True, gc=False):
    """One currency of `GET /portfolio/{id}/ledger`; the row `BASE` is the total in the account's currency."""

    currency: str | None = None
    secondkey: str | None = None
    acctcode: str | None = None
    cashbalance: Number = None
    settledcash: Number = None
    netliquidationvalue: Number = None
    stockmarketvalue: Number = None
    stockoptionmarketvalue: Number = None
    futuremarketvalue: Number = None
    futureoptionmarketvalue: Number = None
    futuresonlypnl: Number = None
    commoditymarketvalue: Number = None
    corporatebondsmarketvalue: Number = None
    tbondsmarketvalue: Number = None
    tbillsmarketvalue: Number = None
    warrantsmarketvalue: Number = None
    issueroptionsmarketvalue: Number = None
    cryptocurrencyvalue: Number = None
    moneyfunds: Number = None
    funds: Number = None
    dividends: Number = None
    interest: Number = None
    realizedpnl: Number = None
    unrealizedpnl: Number = None
    cashbalancefxsegment: Number = None
    exchangerate: Number = None
    timestamp: int | None = None
    """Seconds."""


Ledger = dict[str, LedgerRow]


class SummaryValue(msgspec.Struct, frozen=True, gc=False):
    """One value of `GET /portfolio/{id}/summary`. A text value has amount 0.0."""

    amount: Number = None
    currency: str | None = None
    isNull: bool | None = None
    timestamp: int | None = None
    """Seconds in recordings, milliseconds in the published examples."""
    value: Number = None
    severity: int | None = None


Summary = dict[str, SummaryValue]
"""By lower-case name: `netliquidation`, `buyingpower`, `availablefunds`, `initmarginreq`, ..."""


class PnlRow(msgspec.Struct, frozen=True, gc=False):
    """One account segment of the profit and loss."""

    rowType: int | None = None
    dpl: Number = None
    nl: Number = None
    upl: Number = None
    uel: Number = None
    el: Number = None
    mv: Number = None


class PnlPartitioned(msgspec.Struct, frozen=True):
    """`GET /iserver/account/pnl/partitioned`; empty on a session's first read."""

    upnl: dict[str, PnlRow]


class LongShort(msgspec.Struct, frozen=True):
    """Market values by name, long and short."""

    long: dict[str, float] = {}
    short: dict[str, float] = {}


class Allocation(msgspec.Struct, frozen=True):
    """`GET /portfolio/{id}/allocation` and `POST /portfolio/allocation`."""

    assetClass: LongShort | None = None
    sector: LongShort | None = None
    group: LongShort | None = None
