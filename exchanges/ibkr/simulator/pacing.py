"""How often each endpoint may be asked: the simulator's own table, from the published limits."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase

import msgspec

from horizon.clock import Clock

GRACE = 0.05
"""Windows are shorter by this share: a client that keeps a limit to the dot must not fail by the network's jitter."""
IN_FLIGHT = 1.0
"""Seconds after a 429 in which requests were under way already, and are not held against the client."""
PENALTY = 15 * 60.0
PER_SECOND = 10
CONCURRENT_HISTORIES = 5
HISTORY = "/iserver/marketdata/history"


class Limit(msgspec.Struct, frozen=True):
    """At most `count` requests in `seconds` for the paths that match; each limit counts on its own."""

    pattern: str
    count: int
    seconds: float


LIMITS = (
    Limit("*", PER_SECOND, 1),
    Limit("/iserver/account/orders", 1, 5),
    Limit("/iserver/account/pnl/partitioned", 1, 5),
    Limit("/iserver/account/trades", 1, 5),
    Limit("/portfolio/accounts", 1, 5),
    Limit("/portfolio/subaccounts", 1, 5),
    Limit("/iserver/marketdata/snapshot", 10, 1),
    Limit("/iserver/scanner/params", 1, 15 * 60),
    Limit("/iserver/scanner/run", 1, 1),
    Limit("/pa/performance", 1, 15 * 60),
    Limit("/pa/summary", 1, 15 * 60),
    Limit("/pa/transactions", 1, 15 * 60),
    Limit("/tickle", 1, 1),
    Limit("/sso/validate", 1, 60),
    Limit("/fyi/*", 1, 1),
)


def limits(per_second: int = PER_SECOND) -> tuple[Limit, ...]:
    """The table with another global limit: 50 a second are published for OAuth."""
    return (Limit("*", per_second, 1), *LIMITS[1:])


class Pacing:
    """Counts the requests of one user, by whichever host or program they come; says no to what comes too fast.

    A refused request does not count against later ones. With a `penalty` (seconds) everything is refused for that long
    after a refusal. Without limits nothing is refused until `punish`.
    """

    def __init__(self, clock: Clock, limits: tuple[Limit, ...] = LIMITS, *, penalty: float | None = None) -> None:
        self._clock = clock
        self._seen: dict[Limit, deque[float]] = {limit: deque(maxlen=limit.count) for limit in limits}
        self._penalty = penalty
        self._box: tuple[float, float] | None = None
        self._sentence: float | None = None
        self._histories = 0
        self.refused = 0
        """For coming too fast: the client's own fault."""
        self.sent_in_box = 0
        """Sent while the user was shut out and could know it."""

    @property
    def is_shut_out(self) -> bool:
        return self._box is not None and self._clock.monotonic() < self._box[1]

    def punish(self, seconds: float = PENALTY) -> None:
        """The next request is answered 429, whatever it is, and the user is shut out from then on."""
        self._sentence = seconds

    def admits(self, path: str) -> bool:
        """Whether a request for `path` (below `/v1/api`) is served now."""
        now = self._clock.monotonic()
        if self._box is not None and now < self._box[1]:
            self.sent_in_box += now - self._box[0] > IN_FLIGHT
            return False
        if self._sentence is not None:
            self._shut_out(now, self._sentence)
            self._sentence = None
            return False
        concerned = [(limit, seen) for limit, seen in self._seen.items() if fnmatchcase(path, limit.pattern)]
        for limit, seen in concerned:
            if len(seen) == limit.count and now - seen[0] < limit.seconds * (1 - GRACE):
                self._refuse(now)
                return False
        if path == HISTORY and self._seen and self._histories >= CONCURRENT_HISTORIES:
            self._refuse(now)
            return False
        for _, seen in concerned:
            seen.append(now)
        return True

    @contextmanager
    def one_more_history(self) -> Iterator[None]:
        """A block in which one request for history is being answered."""
        self._histories += 1
        try:
            yield
        finally:
            self._histories -= 1

    def _refuse(self, now: float) -> None:
        self.refused += 1
        if self._penalty is not None:
            self._shut_out(now, self._penalty)

    def _shut_out(self, now: float, seconds: float) -> None:
        self._box = (now, now + seconds)
