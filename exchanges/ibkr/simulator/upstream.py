"""What is wrong behind the gateway at the moment, apart from the session."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import cycle

from exchanges.ibkr.simulator.calls import Refusal, bad_request

_ORDERS = (
    "POST /iserver/account/*/orders",
    "POST /iserver/account/*/orders/whatif",
    "POST /iserver/account/*/order/*",
    "DELETE /iserver/account/*/order/*",
    "POST /iserver/reply/*",
)
_GONE = Refusal(410, {"error": "Gone", "statusCode": 410})
_UNAVAILABLE = Refusal(503, {"error": "Service Unavailable", "statusCode": 503})
_SESSION = "/iserver/auth/*"


@dataclass
class Upstream:
    """Troubles that stay until they are taken away again."""

    bridge: bool = True
    """Without it `/iserver` says "no bridge" though the status looks well, until `ssodh/init`."""
    bridge_can_return: bool = True
    orders: bool = True
    """Without them nothing that changes orders is served, while everything else is."""
    gone: set[int] = field(default_factory=set)
    """Numbered hosts that serve nobody any more."""
    _answering: asyncio.Event = field(default_factory=asyncio.Event)
    _farewells: Iterator[Refusal] = field(default_factory=lambda: cycle((_GONE, _UNAVAILABLE)))

    def __post_init__(self) -> None:
        self._answering.set()

    @property
    def is_silent(self) -> bool:
        """Whether the upstream is away: the gateway then answers nothing at all."""
        return not self._answering.is_set()

    def fall_silent(self) -> None:
        self._answering.clear()

    def answer_again(self) -> None:
        self._answering.set()

    async def answers(self) -> None:
        """Wait until the upstream is back."""
        await self._answering.wait()

    def after_logout(self) -> Refusal:
        """What `ssodh/init` gets after `/logout`, until somebody signs in: 410 and 503 in turn."""
        return next(self._farewells)

    def initialised(self) -> None:
        """`ssodh/init` was answered with a session."""
        self.bridge = self.bridge or self.bridge_can_return

    def check(self, method: str, path: str) -> None:
        """Refuse what can't be served. `path` is below `/v1/api`."""
        if not self.bridge and path.startswith("/iserver/") and not fnmatchcase(path, _SESSION):
            raise bad_request("no bridge")
        if not self.orders and any(fnmatchcase(f"{method} {path}", pattern) for pattern in _ORDERS):
            raise _UNAVAILABLE
