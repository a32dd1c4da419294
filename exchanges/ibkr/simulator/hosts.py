"""The ports of one gateway: one for most, several where IBKR has numbered hosts."""

import contextlib
from collections import deque
from collections.abc import Callable

from horizon.clock import Clock
from horizon.simulation.asgi import App
from horizon.simulation.certificate import Certificate
from horizon.simulation.faults import FaultPlan
from horizon.simulation.server import LoopbackServer, Request

_KEPT_REQUESTS = 100_000


class Hosts:
    """Servers of one application, each on a port of its own that stays the same when they are started again.

    `app` makes the application of one host, by its number. The first host takes `port`, the others free ones.
    """

    def __init__(
        self,
        app: Callable[[int], App],
        count: int,
        *,
        clock: Clock,
        port: int,
        certificate: Certificate | None,
        faults: FaultPlan,
    ) -> None:
        self._app = app
        self._clock = clock
        self._certificate = certificate
        self._faults = faults
        self._wanted = [port, *[0] * (count - 1)]
        self._servers: list[LoopbackServer] = []
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        """Of all hosts, in the order of their answers."""

    @property
    def ports(self) -> list[int]:
        return self._wanted

    @property
    def is_running(self) -> bool:
        return bool(self._servers)

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when a port can't be had."""
        async with contextlib.AsyncExitStack() as started:
            servers = []
            for number, port in enumerate(self._wanted):
                server = LoopbackServer(
                    self._app(number),
                    clock=self._clock,
                    port=port,
                    certificate=self._certificate,
                    faults=self._faults,
                    websockets=True,
                )
                server.requests = self.requests
                servers.append(await started.enter_async_context(server))
            started.pop_all()
        self._servers = servers
        self._wanted = [server.port for server in servers]

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        servers, self._servers = self._servers, []
        for server in servers:
            await server.close()
