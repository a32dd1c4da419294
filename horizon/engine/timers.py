"""A strategy's timers. Pure: the shell looks at `next_due`, waits as it sees fit, and hands over a TimerFired."""

import msgspec

from horizon.model import TimerFired

_SECOND = 1_000_000_000


class _Timer(msgspec.Struct):
    due: int
    every: int | None


class Timers:
    """Named timers; setting a name again replaces it."""

    def __init__(self) -> None:
        self._timers: dict[str, _Timer] = {}
        self.next_due: int | None = None
        """When the earliest timer is due (ns); None when there is none."""

    def set(self, name: str, *, now: int, at: int | None, every: float | None) -> None:
        """Once `at` (ns), or `every` so many seconds, first after that time. Raises ValueError unless one is given."""
        if (at is None) == (every is None):
            raise ValueError(
                f"timer {name!r}: expected `at` or `every`, found {'both' if at is not None else 'neither'}"
            )
        if every is not None and not every > 0:
            raise ValueError(f"timer {name!r}: expected `every` above 0 seconds, found {every}")
        period = None if every is None else max(int(every * _SECOND), 1)
        self._timers[name] = _Timer(due=at if at is not None else now + (period or 0), every=period)
        self._refresh()

    def cancel(self, name: str) -> None:
        self._timers.pop(name, None)
        self._refresh()

    def due(self, now: int) -> TimerFired | None:
        """The earliest timer that is due at `now`."""
        if self.next_due is None or self.next_due > now:
            return None
        name, timer = min(self._timers.items(), key=lambda item: (item[1].due, item[0]))
        return TimerFired(name=name, time=timer.due)

    def fired(self, event: TimerFired) -> bool:
        """Whether this timer was set for this moment; a repeating one is set anew."""
        timer = self._timers.get(event.name)
        if timer is None or timer.due != event.time:
            return False
        if timer.every is None:
            del self._timers[event.name]
        else:
            timer.due += timer.every
        self._refresh()
        return True

    def _refresh(self) -> None:
        self.next_due = min((timer.due for timer in self._timers.values()), default=None)
