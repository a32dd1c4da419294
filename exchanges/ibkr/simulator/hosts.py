"""The ports of one gateway: one for most, several where IBKR has numbered hosts."""

import contextlib
from collections import deque
from collections.abc import Callable

from exchanges.ibkr.simulator.front import Front, FrontServer
from horizon.clock import Clock
from horizon.simulation.asgi import App
from horizon.simulation.certificate import Certificate
from horizon.simulation.faults import FaultPlan
from horizon.simulation.server import LoopbackServer, Request

_KEPT_REQUESTS = 100_000


class Hosts:
    """Servers of one application, each on a port of its own that stays the same when they are started again.

    `app` makes the application of one host, by its number. The first host takes `port`, the others free ones. With
    `front`, each host stands behind one of its own, and only that is seen.
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
        front: Front | None = None,
    ) -> None:
        self._app = app
        self._clock = clock
        self._certificate = certificate
        self._faults = faults
        self._wanted = [port, *[0] * (count - 1)]
        self._front = front
        self._started: contextlib.AsyncExitStack | None = None
        self.fronts: list[FrontServer] = []
        """What stands before each host; none without a front."""
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        """Of all hosts, in the order of their answers."""

    @property
    def ports(self) -> list[int]:
        return self._wanted

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when a port can't be had."""
        async with contextlib.AsyncExitStack() as started:
            ports, self.fronts = [], []
            for number, port in enumerate(self._wanted):
                server = LoopbackServer(
                    self._app(number),
                    clock=self._clock,
                    port=port if self._front is None else 0,
                    certificate=self._certificate if self._front is None else None,
                    faults=self._faults,
                    websockets=True,
                )
                server.requests = self.requests
                shown: LoopbackServer | FrontServer = await started.enter_async_context(server)
                if self._front is not None:
                    front = FrontServer(
                        self._front, server.port, clock=self._clock, port=port, certificate=self._certificate
                    )
                    self.fronts.append(shown := await started.enter_async_context(front))
                ports.append(shown.port)
            self._started = started.pop_all()
        self._wanted = ports

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        started, self._started = self._started, None
        if started is not None:
            await started.aclose()
