"""Snapshot rows to quotes and snapshots.

`quote` runs for every row of every poll, so it does the plain case in one `float()` a field.
"""

from typing import Any, Final

from exchanges.ibkr.mapping.numbers import last_price, number
from exchanges.ibkr.mapping.times import from_milliseconds
from exchanges.ibkr.wire.market_data import COMMON_FIELDS, SnapshotRow
from horizon.errors import WireError
from horizon.model import Availability, Instrument, Quote, Snapshot

PATH: Final = "/iserver/marketdata/snapshot"

_AVAILABILITY: Final = {
    "R": Availability.LIVE,
    "D": Availability.DELAYED,
    "Z": Availability.FROZEN,
    "Y": Availability.FROZEN,
    "N": Availability.UNAVAILABLE,
    "O": Availability.UNAVAILABLE,
}
"""By the first letter of field 6509: real-time, delayed, frozen, frozen-delayed, not subscribed, acknowledgement of the
market-data agreement missing. Other letters (`S`, `v`, `i`) do not say how fresh the data is."""

_IN_SNAPSHOT: Final = frozenset(
    COMMON_FIELDS[name]
    for name in (
        "last",
        "last_size",
        "volume",
        "volume_long",
        "open",
        "high",
        "low",
        "prior_close",
        "change",
        "change_percent",
        "availability",
    )
)
_NO_FIELDS: Final = frozenset({"conid", "conidEx", "_updated", "server_id", "topic"})


def availability(code: str | None) -> Availability:
    """How fresh the data is, by field 6509; UNKNOWN where the venue did not say."""
    return _AVAILABILITY.get(code[:1], Availability.UNKNOWN) if code else Availability.UNKNOWN


def quote(row: SnapshotRow, instrument: Instrument, now: int) -> Quote:
    """The top of the book; what the row lacks is None. Raises WireError for text that is no number."""
    try:
        return Quote(
            instrument,
            now,
            number(row.bid),
            number(row.ask),
            number(row.bid_size),
            number(row.ask_size),
            None if row.updated is None else row.updated * 1_000_000,
            availability(row.availability),
        )
    except ValueError as error:
        raise WireError(f"the snapshot of conid {row.conid}: {error}", path=PATH, found=repr(row)[:200]) from None


def has_top_of_book(row: SnapshotRow) -> bool:
    """Whether both sides are there: a first answer has none, the next ones may still lack some fields."""
    return bool(row.bid) and bool(row.ask)


def snapshot(fields: dict[str, Any], instrument: Instrument, now: int) -> Snapshot:
    """The rest of a snapshot, from a row by field id. Fields without a name of their own stay as text in `fields`."""

    def value(name: str) -> float | None:
        return number(fields.get(COMMON_FIELDS[name]))

    try:
        last = last_price(fields.get(COMMON_FIELDS["last"]))
        volume = value("volume_long")
        return Snapshot(
            instrument=instrument,
            receive_time=now,
            exchange_time=from_milliseconds(fields.get("_updated")),
            availability=availability(fields.get(COMMON_FIELDS["availability"])),
            last=last.value,
            last_is_prior_close=last.is_prior_close,
            halted=last.halted,
            last_size=value("last_size"),
            volume=value("volume") if volume is None else volume,
            open=value("open"),
            high=value("high"),
            low=value("low"),
            prior_close=value("prior_close"),
            change=value("change"),
            change_percent=value("change_percent"),
            fields={
                key: str(found)
                for key, found in fields.items()
                if key not in _IN_SNAPSHOT and key not in _NO_FIELDS and found is not None
            },
        )
    except ValueError as error:
        found = f"conid {fields.get('conid')}"
        raise WireError(f"the snapshot of {found}: {error}", path=PATH, found=repr(fields)[:200]) from None
