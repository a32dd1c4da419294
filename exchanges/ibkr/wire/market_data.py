"""Snapshots and price history."""

from typing import Any

import msgspec

from exchanges.ibkr.wire.types import Conid, Number

COMMON_FIELDS = {
    "last": "31",
    "symbol": "55",
    "high": "70",
    "low": "71",
    "change": "82",
    "change_percent": "83",
    "bid": "84",
    "ask_size": "85",
    "ask": "86",
    "volume": "87",
    "bid_size": "88",
    "request_marker": "6119",
    "availability": "6509",
    "last_size": "7059",
    "implied_volatility": "7633",
    "open": "7295",
    "close": "7296",
    "delta": "7308",
    "gamma": "7309",
    "theta": "7310",
    "vega": "7311",
    "mark": "7635",
    "prior_close": "7741",
    "volume_long": "7762",
}
"""The names of the snapshot fields that `SnapshotRow` decodes."""


class SnapshotRow(
    msgspec.Struct, frozen=True, gc=False, rename={**COMMON_FIELDS, "conid_exchange": "conidEx", "updated": "_updated"}
):
    """A row of `GET /iserver/marketdata/snapshot`, with the fields of `COMMON_FIELDS` by name.

    Nearly everything is a text. `last` may begin with `C` (the prior close) or `H` (halted), `volume` may end in K or
    M. The first answer for a conid holds no prices at all. For other fields ask for `SnapshotFields`.
    """

    conid: Conid
    conid_exchange: str | None = None
    updated: int | None = None
    """Milliseconds."""
    server_id: Conid | None = None
    request_marker: str | None = None
    availability: str | None = None
    last: Number = None
    bid: Number = None
    ask_size: Number = None
    ask: Number = None
    bid_size: Number = None
    last_size: Number = None
    high: Number = None
    low: Number = None
    volume: Number = None
    open: Number = None
    close: Number = None
    change: Number = None
    change_percent: Number = None
    mark: Number = None
    prior_close: Number = None
    volume_long: Number = None
    implied_volatility: Number = None
    delta: Number = None
    gamma: Number = None
    theta: Number = None
    vega: Number = None
    symbol: str | None = None


SnapshotFields = dict[str, Any]
"""The same row by field id, for fields that `SnapshotRow` does not know."""


class HistoryBar(msgspec.Struct, frozen=True, gc=False):
    """One bar, at its opening time in milliseconds. Volume is `v` times the answer's volumeFactor."""

    t: int
    o: float | None = None
    h: float | None = None
    l: float | None = None  # noqa: E741  the venue's key
    c: float | None = None
    v: float | None = None


class History(msgspec.Struct, frozen=True):
    """`GET /iserver/marketdata/history`. `points` is one less than the number of bars."""

    data: list[HistoryBar] = []
    symbol: str | None = None
    text: str | None = None
    serverId: Conid | None = None
    startTime: str | None = None
    timePeriod: str | None = None
    barLength: int | None = None
    """Seconds."""
    priceFactor: Number = None
    """Applies to the texts `high` and `low` only; the bars hold real prices."""
    high: str | None = None
    low: str | None = None
    volumeFactor: Number = None
    mdAvailability: str | None = None
    mktDataDelay: Number = None
    outsideRth: bool | None = None
    tradingDayDuration: Number = None
    points: int | None = None
    priceDisplayRule: int | None = None
    priceDisplayValue: str | None = None
    negativeCapable: bool | None = None
    messageVersion: int | None = None
    travelTime: int | None = None
    error: str | None = None
