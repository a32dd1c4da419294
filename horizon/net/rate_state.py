"""Request rules as data, and the state machine that applies them. Pure: no clock, no waiting, no network, no disk.

A rule is "at most `limit` calls in any `seconds`", counted at the server. When a call arrives there is not known
here, only that it is between its departure and its answer, and not later than `LATENCY` after its departure. So a call
occupies its place from its departure until `seconds` plus a margin after the latest moment at which it can have
arrived: whatever the latency, a server that counts in sliding windows at its own clock never sees one too many.

One state is that of one process, or what one process knows of a state that several share (`merge`, `stored`). Times are
in seconds, on one clock for all who share.
"""

import re
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache
from math import inf

import msgspec

LATENCY = 2.0
"""Seconds within which a request is taken to arrive at the server, when no answer tells earlier."""
LEASE = 600.0
"""Seconds after which another process's call is taken to be over, although nobody has said so."""
_MARGIN_SHARE = 0.01
_MARGIN_FLOOR = 0.02


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
    the rest. None at all means every call. `reserved` places are left free by what is less urgent than keep-alive.
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


class Grant(msgspec.Struct, array_like=True, eq=False, gc=False):
    """One admitted call: whose it is, which rules count it, and when it has arrived at the latest."""

    owner: str
    number: int
    rules: tuple[str, ...]
    arrived_by: float
    open: bool = True


class Stored(msgspec.Struct, array_like=True):
    """What processes tell each other: the calls that still count, and for how long a 429 closes the door."""

    closed_from: float
    closed_until: float
    grants: list[Grant]


class RuleUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one rule is used. `next_place` is in seconds: 0.0 now, infinity while only an answer helps."""

    name: str
    used: int
    limit: int | None
    open: int
    concurrent: int | None
    next_place: float
    """For a call without urgency, which leaves the reserved places alone."""


class Places:
    """What one rule has admitted and still has to count."""

    __slots__ = ("grants", "occupancy", "open", "rule")

    def __init__(self, rule: RateRule) -> None:
        self.rule = rule
        self.occupancy = rule.occupancy
        self.grants: deque[Grant] = deque()
        self.open = 0

    def ready_at(self, now: float, priority: int) -> float:
        """The earliest time at which this rule admits a call: `now`, later, or infinity while only an answer helps."""
        rule, grants, occupancy = self.rule, self.grants, self.occupancy
        if rule.concurrent is not None and self.open >= rule.concurrent:
            return inf
        while grants and not grants[0].open and grants[0].arrived_by + occupancy <= now:
            grants.popleft()
        if rule.limit is None:
            return now
        places = rule.limit if priority <= Priority.KEEPALIVE else rule.limit - rule.reserved
        if len(grants) < places:
            return now
        # A later call that was answered sooner may have left before the first one.
        ends = sorted(self._ends(now))
        return ends[len(ends) - places] if len(ends) >= places else now

    def still_counts(self, grant: Grant, now: float) -> bool:
        return grant.open or grant.arrived_by + self.occupancy > now

    def use(self, now: float) -> RuleUse:
        rule = self.rule
        return RuleUse(
            name=rule.name,
            used=len(self._ends(now)) if rule.limit is not None else 0,
            limit=rule.limit,
            open=self.open,
            concurrent=rule.concurrent,
            next_place=self.ready_at(now, Priority.POLLING) - now,
        )

    def _ends(self, now: float) -> list[float]:
        return [end for grant in self.grants if (end := grant.arrived_by + self.occupancy) > now]


class RateState:
    """The rules applied to a sequence of calls. `owner` names who admits them, among those who share the state."""

    def __init__(self, rules: Sequence[RateRule], owner: str = "") -> None:
        self.owner = owner
        self.closed_from = -inf
        self.closed_until = -inf
        """Until then nothing is admitted: the server has answered 429."""
        self.changed = False
        """Whether the others do not know yet what this state knows."""
        self._places = {rule.name: Places(rule) for rule in rules}
        self._patterns = [(tuple(map(_pattern, rule.endpoints)), self._places[rule.name]) for rule in rules]
        self._match = lru_cache(maxsize=1024)(self._find)
        self._own: dict[int, Grant] = {}
        """Calls of which this state knows best: on their way, or ended since the others were told."""
        self._ended: list[int] = []
        self._admitted = 0

    def places(self, endpoint: str) -> tuple[Places, ...]:
        """The rules that bind a call of `endpoint`, with what they have admitted."""
        return self._match(endpoint)

    def ready_at(self, places: tuple[Places, ...], priority: int, now: float) -> float:
        """The earliest time at which such a call is admitted, as far as is known now."""
        ready = max(now, self.closed_until)
        for each in places:
            at = each.ready_at(now, priority)
            if at > ready:
                ready = at
        return ready

    def admit(self, places: tuple[Places, ...], now: float) -> Grant:
        """Take the places of a call that departs now. The caller has asked `ready_at`."""
        self._admitted += 1
        grant = Grant(self.owner, self._admitted, tuple([each.rule.name for each in places]), now + LATENCY)
        self._own[grant.number] = grant
        for each in places:
            each.open += 1
            each.grants.append(grant)
        self.changed = True
        return grant

    def answered(self, grant: Grant, now: float) -> None:
        """The call is over: it arrived at the server before now."""
        self._end(grant, now)

    def given_up(self, grant: Grant) -> None:
        """Nobody waits for the answer any more; the call may still be on its way to the server."""
        self._end(grant, inf)

    def withdraw(self, grant: Grant) -> None:
        """The call was admitted but never sent: its places are free again."""
        self._end(grant, -inf)

    def close(self, now: float, seconds: float) -> None:
        """Admit nothing for so many seconds."""
        if now + seconds > self.closed_until:
            self.closed_from, self.closed_until = now, now + seconds
            self.changed = True

    def use(self, now: float) -> tuple[RuleUse, ...]:
        """How much of each rule is used, in the order of the rules."""
        return tuple(each.use(now) for each in self._places.values())

    # -- shared --------------------------------------------------------------------------------------------------

    def merge(self, stored: Stored, now: float, is_alive: Callable[[str], bool]) -> None:
        """Know what the others know. `is_alive` says of an owner whether it still runs."""
        for each in self._places.values():
            each.grants.clear()
            each.open = 0
        own = self._own
        for grant in stored.grants:
            if grant.owner == self.owner and grant.number in own:
                continue
            if grant.open and not self._is_open(grant, now, is_alive):
                grant.open = False
                self.changed = True
            self._count(grant, now)
        for grant in own.values():
            self._count(grant, now)
        if stored.closed_until > self.closed_until:
            self.closed_from, self.closed_until = stored.closed_from, stored.closed_until
        if self.closed_from > now:
            # the clock was set back: the penalty is not longer for that
            self.closed_from, self.closed_until = now, now + self.closed_until - self.closed_from
            self.changed = True

    def assume_full(self, now: float) -> None:
        """What the others have sent is not known: take every window for full."""
        for name, each in self._places.items():
            for _ in range(each.rule.limit or 0):
                self._count(Grant("", 0, (name,), now + LATENCY, False), now)
        self.changed = True

    def saved(self) -> None:
        """The others know what this state knows, or there are none."""
        for number in self._ended:
            del self._own[number]
        self._ended.clear()
        self.changed = False

    def stored(self, now: float) -> Stored:
        """What the others have to know."""
        kept = {
            id(grant): grant
            for each in self._places.values()
            for grant in each.grants
            if grant.open or each.still_counts(grant, now)
        }
        return Stored(self.closed_from, self.closed_until, list(kept.values()))

    # -- inside --------------------------------------------------------------------------------------------------

    def _end(self, grant: Grant, arrived_by: float) -> None:
        if grant.open:
            grant.open = False
            grant.arrived_by = min(grant.arrived_by, arrived_by)
            self._ended.append(grant.number)
            for name in grant.rules:
                self._places[name].open -= 1
            self.changed = True

    def _is_open(self, grant: Grant, now: float, is_alive: Callable[[str], bool]) -> bool:
        """Whether a call of somebody else is on its way, where that matters: how many are is bounded."""
        if grant.owner == self.owner or grant.arrived_by - LATENCY + LEASE <= now:
            return False
        bounded = any(name in self._places and self._places[name].rule.concurrent for name in grant.rules)
        return not bounded or is_alive(grant.owner)

    def _count(self, grant: Grant, now: float) -> None:
        if grant.arrived_by > now + LATENCY:
            # the clock was set back: nobody waits longer than a window for that
            grant.arrived_by = now + LATENCY
            self.changed = True
        for name in grant.rules:
            each = self._places.get(name)
            if each is not None:
                each.grants.append(grant)
                each.open += grant.open

    def _find(self, endpoint: str) -> tuple[Places, ...]:
        return tuple(
            places
            for patterns, places in self._patterns
            if not patterns or any(pattern.fullmatch(endpoint) for pattern in patterns)
        )


def _pattern(endpoint: str) -> re.Pattern[str]:
    """`GET /a/{}/b` or `/a*` as a pattern over `METHOD /path`."""
    method, _, path = endpoint.rpartition(" ")
    body = re.escape(path).replace(r"\{\}", "[^/]+")
    if body.endswith(r"\*"):
        body = body[:-2] + ".*"
    return re.compile(f"{re.escape(method) if method else '[A-Z]+'} {body}")
