"""Looks at the kill switch by the clock and before each order, and tells once when it is pulled or reset."""

from collections.abc import Callable

from horizon.clock import Clock
from horizon.orders.kill_file import KillFile, Pulled

_PAUSE = 1.0
"""Seconds between two looks: how long working orders stay when the switch is pulled by its file alone."""


class Switch:
    """The kill switch of one account, as one process sees it."""

    def __init__(self, file: KillFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._on_change: Callable[[Pulled | None], None] = lambda pulled: None
        self._here: Pulled | None = None
        """Pulled for this process, where the file could not be made."""
        self._seen: Pulled | None = None

    def tell(self, on_change: Callable[[Pulled | None], None]) -> None:
        """Say who acts when the switch is pulled, or reset (None)."""
        self._on_change = on_change

    def look(self) -> str | None:
        """Why nothing may leave; None while it may. Who is to act on a change has been told when this returns."""
        pulled = self._file.pulled() or self._here
        before, self._seen = self._seen, pulled
        if (pulled is None) != (before is None):
            self._on_change(pulled)
        return None if pulled is None else pulled.reason

    def pull(self, reason: str) -> None:
        """Stop this account everywhere, and this process even when the file can't be made: that is raised."""
        self._here = Pulled(reason=reason, time=self._clock.now())
        try:
            self._file.pull(reason, now=self._clock.now())
            self._here = None
        finally:
            self.look()

    def reset(self) -> bool:
        """Let orders pass again; whether it was pulled. ConfigurationError when all accounts are stopped."""
        was = self._here is not None
        self._here = None
        try:
            return self._file.reset() or was
        finally:
            self.look()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self._clock.sleep(_PAUSE)
            self.look()
