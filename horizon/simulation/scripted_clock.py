"""A clock whose time passes only when the program has nothing left to do.

    clock = ScriptedClock(start_ns)
    async with clock.running():
        await strategy_for_a_week(clock)        # takes well under a second

Nothing here sleeps in real time. When every task waits for the clock, and no block of `in_flight()` is open, time
jumps to the earliest waiter. All users of one clock share one event loop.
"""

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType

from horizon.clock import NANOSECONDS

QUIET_ROUNDS = 10
"""How often the event loop must come round with nothing in flight before time may jump: the longest chain of
tasks that wake each other (future, task group, queue) without touching the clock or the network."""
_COMPACT_FROM = 64


class _Waiter:
    """One thing to do at one instant, in the order of asking."""

    __slots__ = ("fire", "order", "when")

    def __init__(self, when: int, order: int, fire: Callable[[], None]) -> None:
        self.when = when
        self.order = order
        self.fire: Callable[[], None] | None = fire

    def __lt__(self, other: "_Waiter") -> bool:
        return (self.when, self.order) < (other.when, other.order)


class ScriptedClock:
    """A `horizon.clock.Clock` that starts at `start_ns` (integer nanoseconds UTC) and is driven by `running()`,
    by a `run()` task, or by hand with `advance`."""

    def __init__(self, start_ns: int) -> None:
        self._start = start_ns
        self._now = start_ns
        self._waiters: list[_Waiter] = []
        self._withdrawn = 0
        self._asked = 0
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._wanted = asyncio.Event()
        self._driven = False

    def now(self) -> int:
        """Scripted wall time: integer nanoseconds UTC."""
        return self._now

    def monotonic(self) -> float:
        """Scripted seconds since the clock was made."""
        return (self._now - self._start) / NANOSECONDS

    async def sleep(self, seconds: float) -> None:
        """Wait in scripted time. A wait of zero or less lets other tasks run once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiter = self._call_after(seconds, lambda: _wake(woken))
        try:
            await woken
        finally:
            self._withdraw(waiter)

    def deadline(self, seconds: float | None) -> AbstractAsyncContextManager[object]:
        """A block that is cancelled with `TimeoutError` after so many scripted seconds; None waits without end."""
        return _Deadline(self, seconds)

    def in_flight(self) -> AbstractAsyncContextManager[object]:
        """A block during which real input or output is awaited: time stands still."""
        return _Counted(self, 1)

    def parked(self) -> AbstractAsyncContextManager[object]:
        """A block in which the server's side of a request that is in flight waits for the clock on purpose.

        The client's `in_flight()` is set off meanwhile, so that time can jump. Only for a handler whose client counts
        its request on this same clock.
        """
        return _Counted(self, -1)

    async def run(self) -> None:
        """Let time pass until cancelled: whenever everything waits, jump to the next waiter."""
        self._take_over()
        try:
            while True:
                await self._settle()
                if self._next() is None:
                    self._wanted.clear()
                    await self._wanted.wait()
                else:
                    self._jump()
        finally:
            self._driven = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator["ScriptedClock"]:
        """A block during which time passes by itself."""
        driver = asyncio.create_task(self.run(), name="scripted clock")
        try:
            yield self
        finally:
            driver.cancel()
            await asyncio.wait([driver])
            if not driver.cancelled():
                driver.result()

    async def advance(self, seconds: float) -> None:
        """Let so many seconds pass by hand: every waiter on the way is woken at its own instant, and what it sets
        off runs to its end before time goes on. Raises RuntimeError while the clock is running by itself."""
        self._take_over()
        try:
            target = self._now + round(seconds * NANOSECONDS)
            await self._settle()
            while (waiter := self._next()) is not None and waiter.when <= target:
                self._jump()
                await self._settle()
            self._now = max(self._now, target)
        finally:
            self._driven = False

    def _take_over(self) -> None:
        if self._driven:
            raise RuntimeError("the scripted clock is already being driven: use running() or advance(), not both")
        self._driven = True

    def _call_after(self, seconds: float, fire: Callable[[], None]) -> _Waiter:
        self._asked += 1
        waiter = _Waiter(self._now + max(round(seconds * NANOSECONDS), 1), self._asked, fire)
        heapq.heappush(self._waiters, waiter)
        self._wanted.set()
        return waiter

    def _withdraw(self, waiter: _Waiter) -> None:
        """Forget a waiter. Request timeouts are withdrawn by the thousand between two jumps, so the heap is swept."""
        if waiter.fire is None:
            return
        waiter.fire = None
        self._withdrawn += 1
        if self._withdrawn > _COMPACT_FROM and self._withdrawn * 2 > len(self._waiters):
            self._waiters = [kept for kept in self._waiters if kept.fire is not None]
            heapq.heapify(self._waiters)
            self._withdrawn = 0

    def _next(self) -> _Waiter | None:
        while self._waiters and self._waiters[0].fire is None:
            heapq.heappop(self._waiters)
            self._withdrawn -= 1
        return self._waiters[0] if self._waiters else None

    def _jump(self) -> None:
        """Move to the earliest waiter and wake everything that is due at that instant, in the order of asking."""
        first = self._next()
        if first is None:
            return
        self._now = max(self._now, first.when)
        while (waiter := self._next()) is not None and waiter.when <= self._now:
            heapq.heappop(self._waiters)
            fire, waiter.fire = waiter.fire, None
            if fire is not None:
                fire()

    async def _settle(self) -> None:
        """Return once nothing is in flight and every task that could run has run."""
        quiet = 0
        while quiet < QUIET_ROUNDS:
            if self._in_flight > 0:
                await self._idle.wait()
                quiet = 0
            await asyncio.sleep(0)
            quiet = quiet + 1 if self._in_flight <= 0 else 0

    def _count(self, change: int) -> None:
        self._in_flight += change
        if self._in_flight > 0:
            self._idle.clear()
        else:
            self._idle.set()


def _wake(woken: "asyncio.Future[None]") -> None:
    if not woken.done():
        woken.set_result(None)


class _Counted(AbstractAsyncContextManager[None]):
    """A block that counts as in flight (+1), or that sets one such block off (-1)."""

    __slots__ = ("_change", "_clock")

    def __init__(self, clock: ScriptedClock, change: int) -> None:
        self._clock = clock
        self._change = change

    async def __aenter__(self) -> None:
        self._clock._count(self._change)

    async def __aexit__(self, *exc: object) -> None:
        self._clock._count(-self._change)


class _Deadline(AbstractAsyncContextManager[None]):
    """`asyncio.timeout` on the scripted clock, with the same rules for a cancel that comes from elsewhere."""

    __slots__ = ("_cancelling", "_clock", "_expired", "_seconds", "_soon", "_task", "_waiter")

    def __init__(self, clock: ScriptedClock, seconds: float | None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._task: asyncio.Task[object] | None = None
        self._waiter: _Waiter | None = None
        self._soon: asyncio.Handle | None = None
        self._cancelling = 0
        self._expired = False

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel: use it inside a coroutine that runs as a task")
        self._task = task
        self._cancelling = task.cancelling()
        if self._seconds is None:
            return
        if self._seconds <= 0:
            self._soon = asyncio.get_running_loop().call_soon(self._expire)
        else:
            self._waiter = self._clock._call_after(self._seconds, self._expire)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._waiter is not None:
            self._clock._withdraw(self._waiter)
        if self._soon is not None:
            self._soon.cancel()
        if (
            self._expired
            and self._task is not None
            and self._task.uncancel() <= self._cancelling
            and kind is not None
            and issubclass(kind, asyncio.CancelledError)
        ):
            raise TimeoutError from error

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()
