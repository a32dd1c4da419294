"""Reset windows: data per region, by the wall clock of the region, over the changes of the clock too."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from exchanges.ibkr.brokerage_status import WITHOUT_RESETS
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.resets import REGIONS, RULES, Region, ResetKind, next_reset, region_of, window_at, windows_around
from exchanges.ibkr.simulator.resets import WINDOWS, ZONES, Window
from exchanges.ibkr.simulator.session import WITHOUT_RESETS as SIMULATED_WITHOUT_RESETS
from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.errors import ConfigurationError
from horizon.simulation.scripted_clock import ScriptedClock

NEW_YORK, ZURICH, HONG_KONG = ZoneInfo("America/New_York"), ZoneInfo("Europe/Zurich"), ZoneInfo("Asia/Hong_Kong")


def at(zone: ZoneInfo, text: str) -> int:
    return to_nanoseconds(datetime.fromisoformat(text).replace(tzinfo=zone))


@pytest.mark.parametrize(
    ("region", "zone", "moment", "kind"),
    [
        # a Wednesday in November
        ("US", NEW_YORK, "2025-11-19 00:00", ResetKind.SIGN_IN_ENDS),
        ("US", NEW_YORK, "2025-11-19 00:15", ResetKind.SERVER_RESET),
        ("US", NEW_YORK, "2025-11-19 01:44:59", ResetKind.SERVER_RESET),
        ("US", NEW_YORK, "2025-11-19 01:45", None),
        ("US", NEW_YORK, "2025-11-18 23:59:59", None),
        ("Europe", ZURICH, "2025-11-19 00:30", ResetKind.SIGN_IN_ENDS),
        ("Europe", ZURICH, "2025-11-19 06:25", ResetKind.SERVER_RESET),
        ("Europe", ZURICH, "2025-11-19 07:45", None),
        ("Asia", HONG_KONG, "2025-11-19 05:00", ResetKind.SERVER_RESET),
        ("Asia", HONG_KONG, "2025-11-19 20:30", ResetKind.SERVER_RESET),
        ("Asia", HONG_KONG, "2025-11-19 21:15", None),
        # the night to Saturday is the same hours everywhere; Saturday has no other server reset
        ("US", NEW_YORK, "2025-11-21 23:00", ResetKind.MAINTENANCE),
        ("Europe", NEW_YORK, "2025-11-22 02:59", ResetKind.MAINTENANCE),
        ("Asia", NEW_YORK, "2025-11-22 02:59", ResetKind.MAINTENANCE),
        ("US", NEW_YORK, "2025-11-22 03:00", None),
        ("Asia", HONG_KONG, "2025-11-22 05:00", None),
        ("US", NEW_YORK, "2025-11-22 21:00", ResetKind.MAINTENANCE),
        ("US", NEW_YORK, "2025-11-23 00:30", ResetKind.SERVER_RESET),
        # summer time: the wall clock counts
        ("US", NEW_YORK, "2025-07-16 01:30", ResetKind.SERVER_RESET),
        ("Europe", ZURICH, "2025-07-16 07:30", ResetKind.SERVER_RESET),
        # the nights in which the clock changes
        ("US", NEW_YORK, "2025-03-09 01:30", ResetKind.SERVER_RESET),
        ("US", NEW_YORK, "2025-11-02 00:30", ResetKind.SERVER_RESET),
    ],
)
def test_a_moment_is_in_the_window_of_its_region(
    region: Region, zone: ZoneInfo, moment: str, kind: ResetKind | None
) -> None:
    window = window_at(at(zone, moment), region)
    assert (None if window is None else window.kind) is kind


def test_windows_follow_the_clock_of_the_region_when_it_changes() -> None:
    before = next_reset(at(NEW_YORK, "2025-03-08 12:00"), "US")
    assert to_datetime(before.start).hour == 1  # Saturday evening, UTC-5
    nights = [w for w in windows_around(at(NEW_YORK, "2025-03-09 12:00"), "US") if w.kind is ResetKind.SERVER_RESET]
    assert [(to_datetime(w.start).hour, to_datetime(w.start).minute) for w in nights] == [(5, 15), (4, 15), (4, 15)]


def test_the_next_reset_is_never_more_than_a_day_away() -> None:
    for region in REGIONS:
        for hour in range(0, 24 * 14, 5):
            now = at(NEW_YORK, "2025-10-27 00:00") + hour * 3600 * NANOSECONDS
            window = next_reset(now, region)
            assert now < window.start <= now + 25 * 3600 * NANOSECONDS
            assert window.start < window.end


def test_a_window_says_when_and_where() -> None:
    window = window_at(at(NEW_YORK, "2025-11-19 01:00"), "US")
    assert str(window) == "the nightly server reset (00:15 to 01:45, America/New_York)"


def test_every_region_has_its_daily_and_its_weekly_form() -> None:
    for region in REGIONS:
        assert {rule.kind for rule in RULES[region]} == set(ResetKind)
        assert region_of(region) == region
    with pytest.raises(ConfigurationError, match="US, Europe, Asia"):
        region_of("Mars")


def times_of_the_simulators(window: Window, region: Region) -> list[tuple[int, int]]:
    """Every time that a downtime of the simulator may take, over a year with both changes of the clock."""
    days = (date(2025, 7, 1) + timedelta(days=number) for number in range(366))
    begins = [
        to_nanoseconds(datetime.combine(day, window.begins, ZoneInfo(ZONES[region])))
        for day in days
        if day.weekday() in window.days
    ]
    return [(begin, begin + round(window.minutes * 60) * NANOSECONDS) for begin in begins]


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("window", WINDOWS, ids=lambda window: window.name)
def test_every_downtime_of_the_simulator_is_one_that_is_expected(window: Window, region: Region) -> None:
    for start, end in times_of_the_simulators(window, region):
        expected = [each for each in windows_around(start, region) if each.start <= start and end <= each.end]
        assert expected, f"{window.name} at {to_datetime(start)}"
        if window.ends_sign_in:
            assert any(each.kind.ends_sign_in for each in expected)


def test_a_server_without_downtimes_has_the_same_name_on_both_sides() -> None:
    assert WITHOUT_RESETS == SIMULATED_WITHOUT_RESETS
    watch = ResetWatch(ScriptedClock(at(NEW_YORK, "2025-11-19 00:30")), "US")
    assert watch.current() is not None
    watch.keeps_resets = False
    assert (watch.current(), watch.refusing(), watch.hushing(grace=True)) == (None, None, None)
