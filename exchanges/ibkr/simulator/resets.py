"""When the gateway's upstream is down every night, and how that looks: the simulator's own table.

Times are those of the region. The published figures disagree (midnight in one place, about one o'clock in another), so
a night's reset begins at midnight and lasts for a drawn part of the hour; the maintenance fills most of its evening.
"""

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from enum import Enum
from random import Random
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.errors import ConfigurationError

Region = Literal["US", "Europe", "Asia"]
ZONES: dict[Region, str] = {"US": "US/Eastern", "Europe": "Europe/Zurich", "Asia": "Asia/Hong_Kong"}
_SATURDAY = 5
_PHASE = 5 * 60
_LOOKS_AHEAD = 9
"""Days: a window that comes once a week is found from any day."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Hours in which the upstream may be down. `days` count from Monday, 0; `begins` is local time."""

    name: str
    begins: time
    minutes: float
    days: frozenset[int] = frozenset(range(7))
    ends_sign_in: bool = False
    """A person who has signed in at a gateway must do so again."""
    shortest: float = 0.4
    """The outage lasts a drawn share of the window, from this one to 0.95."""


NIGHTLY = Window(name="nightly reset", begins=time(0), minutes=60, ends_sign_in=True)
MAINTENANCE = Window(
    name="Saturday maintenance", begins=time(20), minutes=240, days=frozenset({_SATURDAY}), shortest=0.8
)
WINDOWS = (NIGHTLY, MAINTENANCE)


class Outage(msgspec.Struct, frozen=True, kw_only=True):
    """One night's downtime, in ns."""

    window: Window
    begins: int
    ends: int


class Manner(Enum):
    """What a request gets while the upstream is down."""

    UNAUTHORISED = 401
    FAILING = 500
    UNAVAILABLE = 503
    DISCONNECTED = 200
    """Answers, and says that nothing is connected."""


class Resets:
    """The downtimes of one region, the same for the same seed. No windows, no downtime."""

    def __init__(self, windows: Sequence[Window] = (), *, region: Region = "US", seed: int = 0) -> None:
        if region not in get_args(Region):
            raise ConfigurationError(f"expected a region among {', '.join(get_args(Region))}, found {region!r}")
        self.windows = tuple(windows)
        self._zone = ZoneInfo(ZONES[region])
        self._seed = seed

    def next_after(self, moment: int) -> Outage | None:
        """The first downtime that begins after a moment."""
        today = to_datetime(moment).astimezone(self._zone).date()
        days = [today + timedelta(days=ahead) for ahead in range(-1, _LOOKS_AHEAD)]
        found = [self._outage(window, day) for window in self.windows for day in days if day.weekday() in window.days]
        return min((o for o in found if o.begins > moment), key=lambda outage: outage.begins, default=None)

    def at(self, moment: int) -> Outage | None:
        """The downtime that a moment falls in."""
        today = to_datetime(moment).astimezone(self._zone).date()
        for window in self.windows:
            for day in (today - timedelta(days=1), today):
                outage = self._outage(window, day)
                if day.weekday() in window.days and outage.begins <= moment < outage.ends:
                    return outage
        return None

    def manner(self, outage: Outage, moment: int) -> Manner:
        """How the downtime shows at a moment; it changes every five minutes."""
        phase = (moment - outage.begins) // (_PHASE * NANOSECONDS)
        return Random(f"{self._seed}:{outage.begins}:{phase}").choice(list(Manner))

    def is_told(self, outage: Outage) -> bool:
        """Whether an open socket gets a status frame when this downtime begins, or only heartbeats."""
        return Random(f"{self._seed}:{outage.begins}:socket").random() < 0.5

    def _outage(self, window: Window, day: date) -> Outage:
        begins = to_nanoseconds(datetime.combine(day, window.begins, self._zone))
        share = Random(f"{self._seed}:{begins}:length").uniform(window.shortest, 0.95)
        return Outage(window=window, begins=begins, ends=begins + round(window.minutes * 60 * share * NANOSECONDS))
