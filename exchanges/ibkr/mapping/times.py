"""Times as Interactive Brokers writes them, to integer nanoseconds UTC."""

from datetime import UTC, datetime
from typing import Final

from horizon.clock import NANOSECONDS, to_nanoseconds

_MILLISECONDS: Final = 1_000_000
_SECONDS_UNTIL_2286: Final = 10_000_000_000
"""A larger epoch number is in milliseconds: /summary sends seconds, its documentation shows milliseconds."""


def from_milliseconds(value: float | None) -> int | None:
    """Nanoseconds of epoch milliseconds (`_updated`, `trade_time_r`, `lastExecutionTime_r`)."""
    return None if not value else int(value) * _MILLISECONDS


def from_epoch(value: float | None) -> int | None:
    """Nanoseconds of an epoch number that may be seconds or milliseconds, told apart by its size."""
    if not value:
        return None
    whole = int(value)
    return whole * NANOSECONDS if whole < _SECONDS_UNTIL_2286 else whole * _MILLISECONDS


def from_text(text: str | None) -> int | None:
    """Nanoseconds of `YYYYMMDD-hh:mm:ss` (trades) or `YYMMDDhhmmss` (orders), both UTC.

    Raises ValueError for other text.
    """
    if not text:
        return None
    pattern = "%Y%m%d-%H:%M:%S" if "-" in text else "%y%m%d%H%M%S"
    return to_nanoseconds(datetime.strptime(text.strip(), pattern).replace(tzinfo=UTC))


def moment(value: float | None) -> datetime | None:
    """An aware datetime of an epoch number in seconds or milliseconds."""
    nanoseconds = from_epoch(value)
    return None if nanoseconds is None else datetime.fromtimestamp(nanoseconds // NANOSECONDS, UTC)
