"""How often something that failed is tried again: ever longer pauses, with jitter, and a limit to their length."""

from random import Random

from horizon.clock import Clock

_JITTER = 0.25


class Attempts:
    """Pauses of `first` seconds, then twice as long each time, `most` at the longest, each a quarter longer or shorter
    by chance. After `calm` seconds without an attempt they begin anew.
    """

    def __init__(self, clock: Clock, chance: Random, *, first: float, most: float, calm: float) -> None:
        self._clock = clock
        self._chance = chance
        self._first = first
        self._most = most
        self._calm = calm
        self._made = 0
        self._last = 0.0
        self._due = 0.0

    @property
    def wait(self) -> float:
        """Seconds until the next attempt may be made; 0.0 when it may be made now."""
        return max(self._due - self._clock.monotonic(), 0.0) if self._made else 0.0

    @property
    def is_due(self) -> bool:
        return self.wait == 0.0

    @property
    def is_recent(self) -> bool:
        """Whether the last attempt was made less than `calm` seconds ago."""
        return self._made > 0 and self._clock.monotonic() - self._last < self._calm

    def make(self) -> None:
        """An attempt is made now."""
        now = self._clock.monotonic()
        if not self.is_recent:
            self._made = 0
        pause = min(self._first * 2.0 ** min(self._made, 30), self._most)
        self._made += 1
        self._last = now
        self._due = now + pause * self._chance.uniform(1 - _JITTER, 1 + _JITTER)
