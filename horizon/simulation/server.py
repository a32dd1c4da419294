"""A simulator's web server, for this machine only.

    async with LoopbackServer(app, clock=clock, certificate=certificate) as server:
        server.port

`app` is any ASGI application. It runs in the caller's event loop: no thread, no signal handler. Around it stand a
check of who is asking, a log of what was asked, and a fault plan.
"""

import asyncio
import socket
from collections import deque
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from horizon.clock import Clock
from horizon.simulation.asgi import TRANSPORT, App, Message, Receive, Scope, Send
from horizon.simulation.certificate import Certificate
from horizon.simulation.faults import FaultPlan
from horizon.simulation.faulty import Faulty
from horizon.simulation.listening import listening_socket

_KEPT_REQUESTS = 100_000
_KEEP_ALIVE_SECONDS = 75
_CLOSE_SECONDS = 0.05
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


class Request(msgspec.Struct, frozen=True):
    """One request that was answered: clock time in ns, and the status (None when no answer left)."""

    time: int
    method: str
    path: str
    status: int | None


class LoopbackServer:
    """Serves `app` on 127.0.0.1. Port 0 takes a free one. Without a certificate it speaks plain HTTP."""

    def __init__(
        self,
        app: App,
        *,
        clock: Clock,
        port: int = 0,
        certificate: Certificate | None = None,
        faults: FaultPlan | None = None,
        websockets: bool = False,
    ) -> None:
        self._wanted_port = port
        self._closing = False
        self.requests: deque[Request] = deque(maxlen=_KEPT_REQUESTS)
        self.faults = faults or FaultPlan()
        self._clock = clock
        self._app = self._logged(Faulty(app, self.faults, clock))
        self._config = uvicorn.Config(
            self._guarded,
            loop="none",
            http=_Protocol,
            ws="websockets-sansio" if websockets else "none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            ssl_certfile=certificate.path if certificate else None,
            ssl_keyfile=certificate.key_path if certificate else None,
        )
        self._server = uvicorn.Server(self._config)
        self._socket: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port it listens on. Raises RuntimeError before the start."""
        if self._socket is None:
            raise RuntimeError("the server has no port before it is started: enter it with `async with`")
        return int(self._socket.getsockname()[1])

    async def start(self) -> None:
        """Listen. Raises ConfigurationError when the port can't be had."""
        self._socket = listening_socket(self._wanted_port)
        self._config.load()
        self._server.lifespan = self._config.lifespan_class(self._config)
        await self._server.startup(sockets=[self._socket])

    async def close(self) -> None:
        """Stop listening and cut what is still open; requests in work are cancelled."""
        if self._socket is None:
            return
        self._closing = True
        for server in self._server.servers:
            server.close()
        state = self._server.server_state
        tasks = list(state.tasks)
        for connection in list(state.connections):
            if connection.transport is not None:
                connection.transport.abort()
        if tasks:
            # Most end by themselves once their client is gone; what waits for something else is cancelled.
            _, waiting = await asyncio.wait(tasks, timeout=_CLOSE_SECONDS)
            for task in waiting:
                task.cancel()
            if waiting:
                await asyncio.wait(waiting)
        for server in self._server.servers:
            await server.wait_closed()
        self._socket = None

    async def __aenter__(self) -> "LoopbackServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = _refusal(scope)
        if not refusal:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refusal})
        else:
            await _plain_answer(send, 403, refusal)

    def _logged(self, app: App) -> App:
        async def logged(scope: Scope, receive: Receive, send: Send) -> None:
            status: int | None = None

            async def noting(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            started = self._clock.now()
            try:
                await app(scope, receive, noting)
            except asyncio.CancelledError:
                # The server would log a cancelled request as an error of the application.
                if not self._closing:
                    raise
            finally:
                method = scope.get("method", "WS")
                self.requests.append(Request(started, method, scope["path"], status))

        return logged


class _Protocol(HttpToolsProtocol):
    """Hands the connection to the application too, so that a fault can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast("dict[str, Any]", self.scope)[TRANSPORT] = self.transport


def _refusal(scope: Scope) -> str:
    """Why this caller is not served; empty when it is."""
    if scope["type"] not in ("http", "websocket"):
        return ""
    client = scope.get("client")
    if client is None or not ip_address(client[0]).is_loopback:
        return "Access Denied: only programs on this machine are served"
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    # A page of a foreign site that resolves its own name to 127.0.0.1 still sends that name.
    if _hostname("//" + headers.get(b"host", "")) not in _LOOPBACK_NAMES:
        return "Access Denied: expected localhost or 127.0.0.1 in the Host header"
    origin = headers.get(b"origin")
    if origin is not None and _hostname(origin) not in _LOOPBACK_NAMES:
        return "Access Denied: requests from pages of another site are refused"
    return ""


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


async def _plain_answer(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
