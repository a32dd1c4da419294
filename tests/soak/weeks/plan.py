"""What a simulated week brings, drawn from a seed."""

from datetime import date, datetime, time, timedelta
from random import Random
from typing import Literal, get_args
from zoneinfo import ZoneInfo

import msgspec

from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.simulation.timed_events import Event

Mode = Literal["oauth2", "oauth1", "gateway"]
MODES: tuple[Mode, ...] = get_args(Mode)
NEW_YORK = ZoneInfo("America/New_York")
DAY = 86_400.0
BOX = 900.0
SILENCE = 3600.0
_FIRST_SUNDAY = date(2026, 1, 4)
_WEEKS = 52
_FIRST, _LAST = 1800.0, 3 * 3600.0
"""Seconds at the beginning and at the end in which nothing is planned: the end is to be a good one."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One week of one way of signing in. Times are ns."""

    mode: Mode
    seed: int
    start: int
    days: float
    events: tuple[Event, ...]
    missed_requests: frozenset[int] = frozenset()
    """Which of the second-factor requests nobody answers, from 1."""

    @property
    def end(self) -> int:
        return self.start + round(self.days * DAY * NANOSECONDS)

    def of(self, what: str) -> list[tuple[int, int]]:
        """From when to when each event of a kind lasts; one without a length ends as it begins."""
        found = [(event.due(self.start), event.seconds or 0.0) for event in self.events if event.what == what]
        return [(begin, begin + round(seconds * NANOSECONDS)) for begin, seconds in found]


def week(mode: Mode, seed: int) -> Plan:
    """Seven days from a Sunday evening in New York, in any week of a year: clocks change in two of them."""
    chance = Random(f"week {mode} {seed}")
    sunday = _FIRST_SUNDAY + timedelta(weeks=chance.randrange(_WEEKS))
    begin = datetime.combine(sunday, time(17), NEW_YORK) + timedelta(minutes=chance.randrange(120))
    return _planned(mode, seed, to_nanoseconds(begin), 7.0, chance)


def short(mode: Mode, seed: int) -> Plan:
    """From a Saturday afternoon to Sunday morning: the maintenance and one night are in it."""
    chance = Random(f"short {mode} {seed}")
    begin = datetime.combine(_FIRST_SUNDAY - timedelta(days=1), time(15), NEW_YORK)
    return _planned(mode, seed, to_nanoseconds(begin), 0.75, chance)


def _planned(mode: Mode, seed: int, start: int, days: float, chance: Random) -> Plan:
    """Every event has a part of the week for itself, in a drawn order; nights and what follows may fall into it."""
    events = [dict(each) for each in _what_happens(mode)]
    chance.shuffle(events)
    part = (days * DAY - _FIRST - _LAST) / len(events)
    return Plan(
        mode=mode,
        seed=seed,
        start=start,
        days=days,
        events=tuple(
            Event(after=round(_FIRST + part * (number + chance.uniform(0.0, 0.5)), 3), **event)
            for number, event in enumerate(events)
        ),
        # The first request is that of the beginning.
        missed_requests=frozenset({chance.randint(2, max(2, min(6, round(days))))}),
    )


def _what_happens(mode: Mode) -> list[dict[str, object]]:
    everywhere: list[dict[str, object]] = [
        {"what": "compete", "seconds": 900.0},
        {"what": "compete", "seconds": 1500.0},
        {"what": "penalty", "seconds": BOX},
        {"what": "silence", "seconds": SILENCE},
        {"what": "drop_session"},
        {"what": "no_bridge"},
        {"what": "orders_unavailable", "seconds": 300.0},
    ]
    if mode == "gateway":
        return everywhere
    return [
        *everywhere,
        {"what": "expire_tokens"},
        {"what": "restart", "seconds": 40.0},
        {"what": "gone", "seconds": 1200.0, "host": 0},
    ]
