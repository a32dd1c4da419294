"""How often each endpoint may be asked: the simulator's own table, from the published limits."""

from collections import deque
from fnmatch import fnmatchcase

import msgspec

from horizon.clock import Clock

GRACE = 0.05
"""Windows are shorter by this share: a client that keeps a limit to the dot must not fail by the network's jitter."""


class Limit(msgspec.Struct, frozen=True):
    """At most `count` requests in `seconds` for the paths that match; each limit counts on its own."""

    pattern: str
    count: int
    seconds: float


LIMITS = (
    Limit("*", 10, 1),
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


class Pacing:
    """Counts requests; says no to what comes too fast. A refused request does not count against later ones."""

    def __init__(self, clock: Clock, limits: tuple[Limit, ...] = LIMITS) -> None:
        self._clock = clock
        self._seen: dict[Limit, deque[float]] = {limit: deque(maxlen=limit.count) for limit in limits}
        self.refused = 0

    def admits(self, path: str) -> bool:
        """Whether a request for `path` (below `/v1/api`) is served now."""
        now = self._clock.monotonic()
        concerned = [(limit, seen) for limit, seen in self._seen.items() if fnmatchcase(path, limit.pattern)]
        for limit, seen in concerned:
            if len(seen) == limit.count and now - seen[0] < limit.seconds * (1 - GRACE):
                self.refused += 1
                return False
        for _, seen in concerned:
            seen.append(now)
        return True
