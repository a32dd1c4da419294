"""Whether the venue's order list of today can still tell of an order that was sent some time ago."""

from typing import Final
from zoneinfo import ZoneInfo

from exchanges.ibkr.resets import Region, ResetKind, windows_around
from horizon.clock import to_datetime

ZONE: Final = ZoneInfo("America/New_York")


def is_of_the_venues_day(sent: int, now: int, region: Region) -> bool:
    """Whether `sent` (ns) is of the same day as `now` in New York, with no reset of the servers in between.

    The list is documented as "the current day's" without saying whose: New York's is taken, where the venue is, and a
    reset is not trusted to keep the list either.
    """
    if to_datetime(sent).astimezone(ZONE).date() != to_datetime(now).astimezone(ZONE).date():
        return False
    return not any(
        window.kind is not ResetKind.SIGN_IN_ENDS and window.start <= now and window.end > sent
        for window in windows_around(now, region)
    )
