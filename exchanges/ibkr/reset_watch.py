"""Which of the venue's resets is near, goes on, or has taken too long, as one session has met it."""

from typing import Final

from exchanges.ibkr.resets import Region, ResetWindow, next_reset, window_at, windows_around
from horizon.clock import NANOSECONDS, Clock

LEAD: Final = 5 * 60
"""Seconds before a reset from which no new order is begun: its answer could fall into it."""
OVERRUN: Final = 10 * 60
"""Seconds after the end of a window for which a session that is not back is still no alarm."""


class ResetWatch:
    """The windows of one region. `returned` says that the session came back, so its reset is behind it.

    A server that keeps no resets (`keeps_resets = False`) has no windows.
    """

    def __init__(self, clock: Clock, region: Region) -> None:
        self.region: Region = region
        self.keeps_resets = True
        self._clock = clock
        self._passed: set[ResetWindow] = set()

    def current(self) -> ResetWindow | None:
        """The window that goes on now."""
        return window_at(self._clock.now(), self.region) if self.keeps_resets else None

    def coming(self) -> ResetWindow:
        return next_reset(self._clock.now(), self.region)

    def refusing(self) -> ResetWindow | None:
        """The window for which new orders are refused: it is near, or goes on and the session was not lost yet."""
        now = self._clock.now()
        return max(
            (
                window
                for window in self._windows()
                if window.start - LEAD * NANOSECONDS <= now < window.end and window not in self._passed
            ),
            key=lambda window: window.end,
            default=None,
        )

    def hushing(self, *, grace: bool) -> ResetWindow | None:
        """The window by which a lost session is explained; with `grace`, for some minutes after its end too."""
        now, more = self._clock.now(), OVERRUN * NANOSECONDS if grace else 0
        inside = (window for window in self._windows() if window.start <= now < window.end + more)
        return max(inside, key=lambda window: window.end, default=None)

    def ends_sign_in(self) -> bool:
        """Whether a sign-in that is gone now is gone for good, and not by the noise of a server that restarts."""
        now = self._clock.now()
        return any(window.kind.ends_sign_in and window.start <= now < window.end for window in self._windows())

    def returned(self) -> None:
        """The session was lost and is back."""
        now = self._clock.now()
        self._passed = {window for window in self._windows() if window.start <= now < window.end}

    def until_change(self) -> float:
        """Seconds until one of the answers may be another one."""
        now = self._clock.now()
        moments = (
            moment
            for window in self._windows()
            for moment in (
                window.start - LEAD * NANOSECONDS,
                window.start,
                window.end,
                window.end + OVERRUN * NANOSECONDS,
            )
            if moment > now
        )
        return (min(moments, default=now + 3600 * NANOSECONDS) - now) / NANOSECONDS

    def _windows(self) -> list[ResetWindow]:
        return windows_around(self._clock.now(), self.region) if self.keeps_resets else []
