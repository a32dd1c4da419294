"""The one place that asks for the time.

Everything that waits or stamps takes a `Clock`, so that a test or the demo can let a day pass in seconds.
Wall time is integer nanoseconds since the epoch (UTC); `monotonic` is in seconds and only good for differences.
"""

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Protocol

NANOSECONDS = 1_000_000_000


class Clock(Protocol):
    """Time as the shells see it."""

    def now(self) -> int:
        """Wall time: integer nanoseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait. A wait of zero or less still lets other tasks run."""
        ...

    def deadline(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """A block that is cancelled with `TimeoutError` after `seconds`; `None` waits without end."""
        ...

    def in_flight(self) -> AbstractAsyncContextManager[object]:
        """A block during which real input or output is awaited: a scripted clock must not jump meanwhile."""
        ...


class _Nothing(AbstractAsyncContextManager[None]):
    async def __aexit__(self, *exc: object) -> None:
        return None


_NOTHING = _Nothing()


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0.0))

    def deadline(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        return asyncio.timeout(seconds)

    def in_flight(self) -> AbstractAsyncContextManager[object]:
        return _NOTHING


def to_datetime(nanoseconds: int) -> datetime:
    """An aware UTC datetime (microsecond precision) from integer nanoseconds."""
    return datetime.fromtimestamp(nanoseconds // NANOSECONDS, UTC).replace(
        microsecond=nanoseconds % NANOSECONDS // 1000
    )


def to_nanoseconds(moment: datetime) -> int:
    """Integer nanoseconds from an aware datetime; a naive one is refused, because its zone is a guess."""
    if moment.tzinfo is None:
        raise ValueError(f"expected a datetime with a time zone, found {moment!r}: add tzinfo")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * NANOSECONDS + delta.microseconds * 1000
