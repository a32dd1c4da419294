"""What is going to happen at a known moment, and when it is looked after."""

import asyncio
import contextlib
import heapq
from collections.abc import Callable

from horizon.clock import NANOSECONDS, Clock


class Entry:
    """One thing to do at one moment. `withdraw` makes nothing of it."""

    __slots__ = ("do", "order", "when")

    def __init__(self, when: int, order: int, do: Callable[[], None]) -> None:
        self.when = when
        self.order = order
        self.do: Callable[[], None] | None = do

    def __lt__(self, other: "Entry") -> bool:
        return (self.when, self.order) < (other.when, other.order)

    def withdraw(self) -> None:
        self.do = None


class Agenda:
    """Does what is due in the order of its moments, however late it is asked.

    Whoever serves a request calls `catch_up` first, so nothing depends on a task that wakes in time; `run` is for what
    must happen although nobody asks.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: list[Entry] = []
        self._asked = 0
        self._moment: int | None = None
        self._changed = asyncio.Event()

    def now(self) -> int:
        """The moment that is being lived through: that of the entry in work, else the clock's."""
        return self._clock.now() if self._moment is None else self._moment

    def at(self, when: int, do: Callable[[], None]) -> Entry:
        """Do something at a moment (ns); one in the past counts as now."""
        self._asked += 1
        entry = Entry(max(when, self.now()), self._asked, do)
        heapq.heappush(self._entries, entry)
        self._changed.set()
        return entry

    def after(self, seconds: float, do: Callable[[], None]) -> Entry:
        return self.at(self.now() + round(seconds * NANOSECONDS), do)

    def catch_up(self) -> None:
        """Do everything that is due by now, each at its own moment."""
        if self._moment is not None:
            return
        now = self._clock.now()
        try:
            while (entry := self._next()) is not None and entry.when <= now:
                heapq.heappop(self._entries)
                self._moment = entry.when
                if entry.do is not None:
                    entry.do()
        finally:
            self._moment = None

    async def run(self) -> None:
        """Look after the agenda until cancelled."""
        while True:
            self._changed.clear()
            entry = self._next()
            wait = None if entry is None else (entry.when - self._clock.now()) / NANOSECONDS
            with contextlib.suppress(TimeoutError):
                async with self._clock.deadline(wait):
                    await self._changed.wait()
            self.catch_up()

    def _next(self) -> Entry | None:
        while self._entries and self._entries[0].do is None:
            heapq.heappop(self._entries)
        return self._entries[0] if self._entries else None
