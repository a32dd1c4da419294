"""Request rates: rules as data, a pure state machine that applies them, and a thin asynchronous door.

    limiter = RateLimiter(rules, clock, penalty=900)
    async with limiter.slot("GET /iserver/accounts", Priority.POLLING):
        ...                                   # send, and read the answer

A rule is "at most `limit` calls in any `seconds`", counted at the server. When a call arrives there is not known
here, only that it is between its departure and its answer, and not later than `LATENCY` after its departure. So a call
occupies its place from its departure until `seconds` plus a margin after the latest moment at which it can have
arrived: whatever the latency, a server that counts in sliding windows at its own clock never sees one too many.

Waiters go by priority, then by order of asking. A waiter moves up one priority for every `PATIENCE` that it has
waited, so nothing starves. `reserved` places of a rule are left free by everything less urgent than keep-alive, so an
order finds one at once.
"""

import asyncio
import re
from collections import deque
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import IntEnum
from functools import lru_cache
from math import inf

import msgspec

from horizon.clock import Clock
from horizon.errors import RateLimited

LATENCY = 2.0
"""Seconds within which a request is taken to arrive at the server, when no answer tells earlier."""
PATIENCE = 10.0
"""Seconds of waiting that lift a call by one priority."""
_MARGIN_SHARE = 0.01
_MARGIN_FLOOR = 0.02
_SHORTEST_WAIT = 0.001


class Priority(IntEnum):
    """Who goes first when it is tight."""

    ORDER = 0
    """Orders, changes, cancels, replies to prompts."""
    KEEPALIVE = 1
    RECOVERY = 2
    """Finding out what became of an order; reconciliation."""
    POLLING = 3


class RateRule(msgspec.Struct, frozen=True, kw_only=True):
    """At most `limit` calls in any `seconds`, or at most `concurrent` calls at once, or both.

    `endpoints` are `"GET /path/{}/more"` or `"/path"` (any method); `{}` stands for one segment and a final `*` for
    the rest. None at all means every call.
    """

    name: str
    limit: int | None = None
    seconds: float = 1.0
    concurrent: int | None = None
    reserved: int = 0
    endpoints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.limit, self.concurrent) if bound is not None]
        if not bounds or min(bounds) < 1:
            raise ValueError(f"rate rule {self.name!r}: expected a limit or concurrent of at least 1")
        if self.seconds <= 0 or not 0 <= self.reserved < (self.limit or 1):
            raise ValueError(f"rate rule {self.name!r}: expected seconds > 0 and 0 <= reserved < limit")

    @property
    def occupancy(self) -> float:
        """Seconds for which a call occupies its place after it has arrived: the window and a margin."""
        return self.seconds + max(_MARGIN_FLOOR, _MARGIN_SHARE * self.seconds)


class Grant:
    """One admitted call."""

    __slots__ = ("arrived_by", "open", "states")

    def __init__(self, states: "tuple[_RuleState, ...]", now: float) -> None:
        self.states = states
        self.arrived_by = now + LATENCY
        self.open = True


class _RuleState:
    """What one rule has admitted and may still have to count."""

    __slots__ = ("concurrent", "grants", "limit", "occupancy", "open", "reserved")

    def __init__(self, rule: RateRule) -> None:
        self.limit = rule.limit
        self.reserved = rule.reserved
        self.concurrent = rule.concurrent
        self.occupancy = rule.occupancy
        self.grants: deque[Grant] = deque()
        self.open = 0

    def ready_at(self, now: float, priority: int) -> float:
        """The earliest time at which this rule admits a call: `now`, later, or infinity while only an answer helps."""
        if self.concurrent is not None and self.open >= self.concurrent:
            return inf
        if self.limit is None:
            return now
        grants, occupancy = self.grants, self.occupancy
        while grants and grants[0].arrived_by + occupancy <= now:
            grants.popleft()
        places = self.limit if priority <= Priority.KEEPALIVE else self.limit - self.reserved
        if len(grants) < places:
            return now
        # A later call that was answered sooner may have left before the first one.
        ends = sorted(end for grant in grants if (end := grant.arrived_by + occupancy) > now)
        return ends[len(ends) - places] if len(ends) >= places else now


class RateState:
    """The rules applied to a sequence of calls: no clock, no waiting, no network. Times are in seconds."""

    def __init__(self, rules: Sequence[RateRule]) -> None:
        self._rules = tuple((tuple(_pattern(text) for text in rule.endpoints), _RuleState(rule)) for rule in rules)
        self._match = lru_cache(maxsize=1024)(self._find)
        self.closed_until = -inf
        """Until then nothing is admitted: the server has answered 429."""

    def states(self, endpoint: str) -> tuple[_RuleState, ...]:
        """The rules that bind a call of `endpoint`."""
        return self._match(endpoint)

    def ready_at(self, states: tuple[_RuleState, ...], priority: int, now: float) -> float:
        """The earliest time at which such a call is admitted, as far as is known now."""
        ready = max(now, self.closed_until)
        for state in states:
            at = state.ready_at(now, priority)
            if at > ready:
                ready = at
        return ready

    def admit(self, states: tuple[_RuleState, ...], now: float) -> Grant:
        """Take the places of a call that departs now. The caller has asked `ready_at`."""
        grant = Grant(states, now)
        for state in states:
            state.open += 1
            if state.limit is not None:
                state.grants.append(grant)
        return grant

    def answered(self, grant: Grant, now: float) -> None:
        """The call is over: it arrived at the server before now."""
        if grant.open:
            grant.open = False
            grant.arrived_by = min(grant.arrived_by, now)
            for state in grant.states:
                state.open -= 1

    def withdraw(self, grant: Grant) -> None:
        """The call was admitted but never sent: its places are free again."""
        if grant.open:
            grant.open = False
            for state in grant.states:
                state.open -= 1
                if grant in state.grants:
                    state.grants.remove(grant)

    def _find(self, endpoint: str) -> tuple[_RuleState, ...]:
        return tuple(
            state
            for patterns, state in self._rules
            if not patterns or any(pattern.fullmatch(endpoint) for pattern in patterns)
        )


class _Waiter:
    """One call in the queue."""

    __slots__ = ("asked", "granted", "order", "priority", "states")

    def __init__(self, states: tuple[_RuleState, ...], priority: int, asked: float, order: int) -> None:
        self.states = states
        self.priority = priority
        self.asked = asked
        self.order = order
        self.granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()

    def urgency(self, now: float) -> int:
        return max(self.priority - int((now - self.asked) / PATIENCE), Priority.ORDER)


class RateLimiter:
    """Admits calls by the rules, the most urgent first. One per venue and login."""

    def __init__(self, rules: Sequence[RateRule], clock: Clock, *, penalty: float = 900.0) -> None:
        self._clock = clock
        self._state = RateState(rules)
        self._penalty = penalty
        self._waiters: list[_Waiter] = []
        self._asked = 0
        self.last_wait = 0.0
        """Seconds that the most recently admitted call had waited."""

    @property
    def waiting(self) -> int:
        """How many calls wait now."""
        return len(self._waiters)

    @property
    def closed_for(self) -> float:
        """Seconds until the penalty of a 429 ends; 0.0 when there is none."""
        return max(self._state.closed_until - self._clock.monotonic(), 0.0)

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
        now = self._clock.monotonic()
        self._state.closed_until = max(self._state.closed_until, now + seconds)
        for waiter in self._waiters:
            if waiter.priority == Priority.ORDER and not waiter.granted.done():
                waiter.granted.set_exception(self._closed(seconds))
        return seconds

    async def _enter(self, endpoint: str, priority: Priority, max_wait: float) -> Grant:
        state, clock = self._state, self._clock
        states, now = state.states(endpoint), clock.monotonic()
        if priority == Priority.ORDER and now < state.closed_until:
            raise self._closed(state.closed_until - now)
        if not self._waiters and state.ready_at(states, priority, now) <= now:
            self.last_wait = 0.0
            return state.admit(states, now)
        self._asked += 1
        waiter = _Waiter(states, priority, now, self._asked)
        self._waiters.append(waiter)
        try:
            return await self._wait(waiter, endpoint, now + max_wait)
        except BaseException:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                state.withdraw(waiter.granted.result())
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._admit_waiters()

    async def _wait(self, waiter: _Waiter, endpoint: str, until: float) -> Grant:
        while True:
            self._admit_waiters()
            if waiter.granted.done():
                return waiter.granted.result()
            now = self._clock.monotonic()
            ready = self._state.ready_at(waiter.states, waiter.urgency(now), now)
            if now >= until or (ready > until and ready != inf):
                raise self._full(endpoint, max(ready - now, 0.0) if ready != inf else LATENCY)
            wake = min(ready, until, now + PATIENCE) if ready > now else min(until, now + PATIENCE)
            try:
                async with self._clock.deadline(max(wake - now, _SHORTEST_WAIT)):
                    await asyncio.shield(waiter.granted)
            except TimeoutError:
                continue
            return waiter.granted.result()

    def _admit_waiters(self) -> None:
        """Admit every waiter that can go now, the most urgent first."""
        if not self._waiters:
            return
        state, now = self._state, self._clock.monotonic()
        if now < state.closed_until:
            return
        for waiter in sorted(self._waiters, key=lambda each: (each.urgency(now), each.order)):
            if not waiter.granted.done() and state.ready_at(waiter.states, waiter.urgency(now), now) <= now:
                self.last_wait = now - waiter.asked
                waiter.granted.set_result(state.admit(waiter.states, now))
                self._waiters.remove(waiter)

    def _leave(self, grant: Grant) -> None:
        self._state.answered(grant, self._clock.monotonic())
        self._admit_waiters()

    @staticmethod
    def _closed(seconds: float) -> RateLimited:
        return RateLimited(
            f"the venue answered 429 and refuses every request for {seconds:.0f} s more: wait, then ask less often",
            retry_after=seconds,
        )

    @staticmethod
    def _full(endpoint: str, seconds: float) -> RateLimited:
        return RateLimited(
            f"{endpoint} is over its request rate for {seconds:.1f} s more: ask less often", retry_after=seconds
        )


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

    async def __aexit__(self, *exc: object) -> None:
        if self._grant is not None:
            self._limiter._leave(self._grant)
            self._grant = None


def _pattern(endpoint: str) -> re.Pattern[str]:
    """`GET /a/{}/b` or `/a*` as a pattern over `METHOD /path`."""
    method, _, path = endpoint.rpartition(" ")
    body = re.escape(path).replace(r"\{\}", "[^/]+")
    if body.endswith(r"\*"):
        body = body[:-2] + ".*"
    return re.compile(f"{re.escape(method) if method else '[A-Z]+'} {body}")
