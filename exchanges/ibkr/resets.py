"""When Interactive Brokers resets its servers, per region, as data.

| source                                                                              | rows                         |
|-------------------------------------------------------------------------------------|------------------------------|
| IBKR, "Current System Status" (interactivebrokers.com/en/software/systemStatus.php) | server resets, weekend night |
| IBKR Campus, Web API: sessions end at midnight, the IServer is reset at about 01:00 | the daily end of the sign-in |
| IBKR Campus, Web API: a longer maintenance in the evening of Saturday               | Saturday maintenance         |

The last is given no hours: 20:00 to midnight of the region is taken. A reset lasts for seconds or minutes somewhere in
its window, and a session may end at any moment of one.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Final, Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from horizon.clock import to_datetime, to_nanoseconds
from horizon.errors import ConfigurationError

Region = Literal["US", "Europe", "Asia"]
REGIONS: Final[tuple[Region, ...]] = get_args(Region)

MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = range(7)
_EVERY_DAY: Final = frozenset(range(7))
_BUT_SATURDAY: Final = _EVERY_DAY - {SATURDAY}


class ResetKind(StrEnum):
    """What happens in a window. The text names it to the user."""

    SIGN_IN_ENDS = "the daily end of every sign-in"
    SERVER_RESET = "the nightly server reset"
    MAINTENANCE = "the weekend maintenance"

    @property
    def ends_sign_in(self) -> bool:
        """Whether a person has to sign in to a gateway again."""
        return self is ResetKind.SIGN_IN_ENDS


class ResetRule(msgspec.Struct, frozen=True, kw_only=True):
    """One row: from `start` to `end` of the zone's wall clock, on each day of `days` (Monday is 0) on which it starts.

    An `end` that is not after `start` is of the next day.
    """

    kind: ResetKind
    zone: str
    start: time
    end: time
    days: frozenset[int] = _EVERY_DAY


class ResetWindow(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One night's window: integer nanoseconds, `end` excluded."""

    start: int
    end: int
    kind: ResetKind
    zone: str

    def __str__(self) -> str:
        """`the nightly server reset (00:15 to 01:45, America/New_York)`"""
        zone = ZoneInfo(self.zone)
        start, end = (f"{to_datetime(at).astimezone(zone):%H:%M}" for at in (self.start, self.end))
        return f"{self.kind} ({start} to {end}, {self.zone})"


_NEW_YORK, _ZURICH, _HONG_KONG = "America/New_York", "Europe/Zurich", "Asia/Hong_Kong"


def _sign_in_ends(zone: str) -> ResetRule:
    return ResetRule(kind=ResetKind.SIGN_IN_ENDS, zone=zone, start=time(0, 0), end=time(1, 15))


def _reset(zone: str, start: time, end: time) -> ResetRule:
    return ResetRule(kind=ResetKind.SERVER_RESET, zone=zone, start=start, end=end, days=_BUT_SATURDAY)


def _saturday(zone: str) -> ResetRule:
    return ResetRule(
        kind=ResetKind.MAINTENANCE, zone=zone, start=time(20, 0), end=time(0, 0), days=frozenset({SATURDAY})
    )


_WEEKEND_NIGHT: Final = ResetRule(
    kind=ResetKind.MAINTENANCE, zone=_NEW_YORK, start=time(23, 0), end=time(3, 0), days=frozenset({FRIDAY})
)

RULES: Final[Mapping[Region, tuple[ResetRule, ...]]] = {
    "US": (
        _sign_in_ends(_NEW_YORK),
        _reset(_NEW_YORK, time(0, 15), time(1, 45)),
        _saturday(_NEW_YORK),
        _WEEKEND_NIGHT,
    ),
    "Europe": (
        _sign_in_ends(_ZURICH),
        _reset(_ZURICH, time(6, 25), time(7, 45)),
        _saturday(_ZURICH),
        _WEEKEND_NIGHT,
    ),
    "Asia": (
        _sign_in_ends(_HONG_KONG),
        _reset(_HONG_KONG, time(4, 45), time(6, 5)),
        _reset(_HONG_KONG, time(20, 15), time(21, 15)),
        _saturday(_HONG_KONG),
        _WEEKEND_NIGHT,
    ),
}


def region_of(text: str) -> Region:
    """A region by its name. ConfigurationError for anything else."""
    for region in REGIONS:
        if text == region:
            return region
    raise ConfigurationError(f"expected region to be one of {', '.join(REGIONS)}, found {text!r}")


def window_at(now: int, region: Region) -> ResetWindow | None:
    """The window that `now` (ns) is in; of several the one that ends last, None outside all."""
    inside = [window for window in windows_around(now, region) if window.start <= now < window.end]
    return max(inside, key=lambda window: window.end, default=None)


def next_reset(now: int, region: Region) -> ResetWindow:
    """The first window that starts after `now` (ns)."""
    return min(window for window in windows_around(now, region) if window.start > now)


def windows_around(now: int, region: Region) -> list[ResetWindow]:
    """Every window of the day of `now` (ns), of the day before and of two days after it, by their starts."""
    moment = to_datetime(now)
    found = []
    for rule in RULES[region]:
        zone = ZoneInfo(rule.zone)
        today = moment.astimezone(zone).date()
        for offset in range(-1, 3):
            day = today + timedelta(days=offset)
            if day.weekday() not in rule.days:
                continue
            last = day if rule.end > rule.start else day + timedelta(days=1)
            found.append(
                ResetWindow(
                    start=to_nanoseconds(datetime.combine(day, rule.start, zone)),
                    end=to_nanoseconds(datetime.combine(last, rule.end, zone)),
                    kind=rule.kind,
                    zone=rule.zone,
                )
            )
    return sorted(found)
