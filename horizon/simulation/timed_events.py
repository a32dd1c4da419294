"""What happens to a simulated venue at a known time, whoever asks it what.

    Event(after="2h", what="compete", seconds=600)
    Event(at=1_785_159_000 * 10**9, what="drop_session")

Which things can happen is for the simulator to say.
"""

import re
from datetime import datetime

import msgspec

from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.errors import ConfigurationError

_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[dhms])+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that happens once.

    Either `after` (from the simulator's start, as `"1d2h30m"`, or seconds) or `at` (ns, or a datetime with its zone).
    `seconds` is how long it lasts, where it lasts; `times` how often it comes back, and `host` which numbered host is
    meant, where there is such a thing. Raises ConfigurationError for what has no meaning.
    """

    what: str
    after: str | float | None = None
    at: int | datetime | None = None
    seconds: float | None = None
    times: int | None = None
    host: int | None = None

    def __post_init__(self) -> None:
        problem = self._problem()
        if problem:
            raise ConfigurationError(f"event {self.what!r}: {problem}")

    def _problem(self) -> str:
        if (self.after is None) == (self.at is None):
            return "expected one of the keys 'after' and 'at', found " + ("none" if self.at is None else "both")
        if self.after is not None and _seconds(self.after) is None:
            return f'key \'after\': expected a time such as "2h", "1d2h30m" or seconds from 0 up, found {self.after!r}'
        if isinstance(self.at, datetime) and self.at.tzinfo is None:
            return f"key 'at': expected a time with its zone (2026-03-01T00:00:00Z), found {self.at.isoformat()}"
        if self.seconds is not None and not self.seconds > 0:
            return f"key 'seconds': expected a number above 0, found {self.seconds}"
        if self.times is not None and self.times < 1:
            return f"key 'times': expected at least 1, found {self.times}"
        if self.host is not None and self.host < 0:
            return f"key 'host': expected a number from 0 up, found {self.host}"
        return ""

    def due(self, start: int) -> int:
        """When it happens (ns), for a simulator that was started at `start`."""
        if isinstance(self.at, datetime):
            return to_nanoseconds(self.at)
        if self.at is not None:
            return self.at
        return start + round((_seconds(self.after) or 0.0) * NANOSECONDS)


def _seconds(after: str | float | None) -> float | None:
    if isinstance(after, str):
        if not _DURATION.fullmatch(after):
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(after))
    return after if after is not None and after >= 0 else None
