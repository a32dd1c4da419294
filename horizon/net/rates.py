"""The door in front of a venue: each call waits here until the venue's request limits allow it.

    limiter = RateLimiter(rules, clock, penalty=900)
    async with limiter.slot("GET /iserver/accounts", Priority.POLLING):
        ...                                   # send, and read the answer

Waiters go by priority, then by order of asking. A waiter moves up one priority for every `PATIENCE` that it has
waited, so nothing starves. `reserved` places of a rule are left free by everything less urgent than keep-alive, so an
order finds one at once. With `shared`, all processes that name the same file keep the rules together, and the 429 of
one closes the door of all; priorities hold within each process, and the reserved places among them.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from math import inf
from typing import Protocol

import msgspec

from horizon.clock import NANOSECONDS, Clock
from horizon.errors import RateLimited
from horizon.net.rate_state import LATENCY, Grant, Places, Priority, RateRule, RateState, RuleUse
from horizon.net.shared_rates import SharedRates

__all__ = [
    "LATENCY",
    "PATIENCE",
    "Budget",
    "Priority",
    "RateLimiter",
    "RateRule",
    "RateState",
    "RuleUse",
    "SharedRates",
]

PATIENCE = 10.0
"""Seconds of waiting that lift a call by one priority."""
_SHORTEST_WAIT = 0.001


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the request limits is used now, by all who share them. Times are in seconds."""

    closed_for: float
    """How long the penalty of a 429 lasts on; 0.0 when there is none."""
    waiting: int
    """Calls of this process that wait."""
    last_wait: float
    shared: bool
    rules: tuple[RuleUse, ...]


class Store(Protocol):
    """Where the state is kept between two decisions."""

    @property
    def pause(self) -> float:
        """Seconds between two looks while only an answer helps that is given to somebody else."""
        ...

    @property
    def owner(self) -> str: ...
    def begin(self, state: RateState, now: float) -> bool: ...
    def end(self, state: RateState, now: float) -> None: ...
    def close(self) -> None: ...


class _Private:
    """The state is this process's own."""

    pause = inf
    owner = ""

    def begin(self, state: RateState, now: float) -> bool:
        return True

    def end(self, state: RateState, now: float) -> None:
        if state.changed:
            state.saved()

    def close(self) -> None:
        """Nothing is open."""


class _Waiter:
    """One call in the queue."""

    __slots__ = ("asked", "granted", "order", "places", "priority")

    def __init__(self, places: tuple[Places, ...], priority: int, asked: float, order: int) -> None:
        self.places = places
        self.priority = priority
        self.asked = asked
        self.order = order
        self.granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()

    def urgency(self, now: float) -> int:
        return max(self.priority - int((now - self.asked) / PATIENCE), Priority.ORDER)


class RateLimiter:
    """Admits calls by the rules, the most urgent first. One per venue and login.

    `penalty` is in seconds: for how long nothing leaves after a 429 that does not say it itself.
    """

    def __init__(
        self,
        rules: Sequence[RateRule],
        clock: Clock,
        *,
        penalty: float = 900.0,
        shared: SharedRates | None = None,
    ) -> None:
        self._clock = clock
        self._store: Store = _Private() if shared is None else shared
        # only wall time means the same in every process
        self._seconds = clock.monotonic if shared is None else lambda: clock.now() / NANOSECONDS
        self._state = RateState(rules, self._store.owner)
        self._penalty = penalty
        self._waiters: list[_Waiter] = []
        self._asked = 0
        self._known_penalty = -inf
        self.on_penalty: Callable[[float], None] | None = None
        """Called with the seconds of a penalty when it is first known here, whichever process was answered 429."""
        self.last_wait = 0.0
        """Seconds that the most recently admitted call had waited."""

    @property
    def waiting(self) -> int:
        """How many calls wait now."""
        return len(self._waiters)

    @property
    def closed_for(self) -> float:
        """Seconds until the penalty of a 429 ends, as far as it is known; 0.0 when there is none."""
        return max(self._state.closed_until - self._seconds(), 0.0)

    def budget(self) -> Budget:
        """How much of every rule is used at this moment."""
        with self._deciding():
            now = self._seconds()
            rules = self._state.use(now)
        return Budget(
            closed_for=self.closed_for,
            waiting=self.waiting,
            last_wait=self.last_wait,
            shared=not isinstance(self._store, _Private),
            rules=rules,
        )

    def slot(
        self, endpoint: str, priority: Priority = Priority.POLLING, *, max_wait: float = inf
    ) -> AbstractAsyncContextManager[None]:
        """A block in which one call of `endpoint` may be made.

        Raises RateLimited instead of waiting when the wait is already known to exceed `max_wait` seconds, when it has
        lasted that long, and for every order while a penalty lasts.
        """
        return _Slot(self, endpoint, priority, max_wait)

    def penalize(self, retry_after: float | None = None) -> float:
        """The server said 429: nothing leaves until the penalty ends. Returns its seconds."""
        seconds = self._penalty if retry_after is None else retry_after
        with self._deciding():
            self._state.close(self._seconds(), seconds)
            self._admit_waiters()
        return seconds

    def close(self) -> None:
        """Let go of what is shared with other processes. A later call takes it up again."""
        self._store.close()

    # -- inside --------------------------------------------------------------------------------------------------

    @contextmanager
    def _deciding(self) -> Iterator[bool]:
        """A block with the state as all who share it know it. False: it can't be decided just now, ask again soon."""
        decided = self._store.begin(self._state, self._seconds())
        try:
            yield decided
        finally:
            self._store.end(self._state, self._seconds())
            self._tell_penalty()

    def _tell_penalty(self) -> None:
        until = self._state.closed_until
        if until > self._known_penalty:
            is_news = self._known_penalty <= (now := self._seconds()) < until
            self._known_penalty = until
            if is_news and self.on_penalty is not None:
                self.on_penalty(until - now)

    async def _enter(self, endpoint: str, priority: Priority, max_wait: float) -> Grant:
        state = self._state
        places = state.places(endpoint)
        with self._deciding() as decided:
            now = self._seconds()
            if priority == Priority.ORDER and now < state.closed_until:
                raise _closed(state.closed_until - now)
            if decided and not self._waiters and state.ready_at(places, priority, now) <= now:
                self.last_wait = 0.0
                return state.admit(places, now)
        self._asked += 1
        waiter = _Waiter(places, priority, now, self._asked)
        self._waiters.append(waiter)
        try:
            return await self._wait(waiter, endpoint, now + max_wait)
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                with self._deciding():
                    state.withdraw(waiter.granted.result())
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._look()

    async def _wait(self, waiter: _Waiter, endpoint: str, until: float) -> Grant:
        while True:
            self._look()
            if waiter.granted.done():
                return waiter.granted.result()
            now = self._seconds()
            ready = self._state.ready_at(waiter.places, waiter.urgency(now), now)
            if now >= until or (ready > until and ready != inf):
                if now < self._state.closed_until:
                    raise _closed(self._state.closed_until - now)
                raise _full(endpoint, max(ready - now, 0.0) if ready != inf else LATENCY)
            # who shares the state may free a place, or may take the one that was seen to become free
            wake = min(now + self._store.pause if ready == inf else ready, until, now + PATIENCE)
            try:
                async with self._clock.deadline(max(wake - now, _SHORTEST_WAIT)):
                    await asyncio.shield(waiter.granted)
            except TimeoutError:
                continue
            return waiter.granted.result()

    def _look(self) -> None:
        """Admit every waiter that can go now."""
        if self._waiters:
            with self._deciding() as decided:
                if decided:
                    self._admit_waiters()

    def _admit_waiters(self) -> None:
        """Admit, within a decision, every waiter that can go now, the most urgent first."""
        if not self._waiters:
            return
        state, now = self._state, self._seconds()
        if now < state.closed_until:
            for waiter in self._waiters:
                if waiter.priority == Priority.ORDER and not waiter.granted.done():
                    waiter.granted.set_exception(_closed(state.closed_until - now))
            return
        for waiter in sorted(self._waiters, key=lambda each: (each.urgency(now), each.order)):
            if not waiter.granted.done() and state.ready_at(waiter.places, waiter.urgency(now), now) <= now:
                self.last_wait = now - waiter.asked
                waiter.granted.set_result(state.admit(waiter.places, now))
                self._waiters.remove(waiter)

    def _leave(self, grant: Grant, *, answered: bool) -> None:
        with self._deciding() as decided:
            if answered:
                self._state.answered(grant, self._seconds())
            else:
                self._state.given_up(grant)
            if decided:
                self._admit_waiters()


class _Slot(AbstractAsyncContextManager[None]):
    __slots__ = ("_endpoint", "_grant", "_limiter", "_max_wait", "_priority")

    def __init__(self, limiter: RateLimiter, endpoint: str, priority: Priority, max_wait: float) -> None:
        self._limiter = limiter
        self._endpoint = endpoint
        self._priority = priority
        self._max_wait = max_wait
        self._grant: Grant | None = None

    async def __aenter__(self) -> None:
        self._grant = await self._limiter._enter(self._endpoint, self._priority, self._max_wait)

    async def __aexit__(self, kind: object, *_: object) -> None:
        if self._grant is not None:
            self._limiter._leave(self._grant, answered=kind is None)
            self._grant = None


def _closed(seconds: float) -> RateLimited:
    return RateLimited(
        f"the venue answered 429 and refuses every request for {seconds:.0f} s more: wait, then ask less often",
        retry_after=seconds,
        penalty=True,
    )


def _full(endpoint: str, seconds: float) -> RateLimited:
    return RateLimited(
        f"{endpoint} is over its request rate for {seconds:.1f} s more: ask less often", retry_after=seconds
    )
