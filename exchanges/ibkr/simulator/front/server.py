"""The front as a server: one task for each connection, which ends when its client leaves."""

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Coroutine

import msgspec

from exchanges.ibkr.simulator.front.http1 import (
    HEAD_LIMIT,
    Answer,
    BadMessage,
    Head,
    head_bytes,
    in_chunks,
    read_body,
    read_head,
)
from exchanges.ibkr.simulator.front.quirks import Quirk
from exchanges.ibkr.simulator.front.rules import (
    ACCESS_DENIED,
    BAD_GATEWAY,
    BAD_REQUEST,
    CookieJar,
    UnauthorizedForms,
    headers_upstream,
    is_admitted,
    own_answer,
    target_upstream,
)
from exchanges.ibkr.simulator.front.settings import Front
from exchanges.ibkr.simulator.front.tunnel import Refused, Tunnel
from exchanges.ibkr.simulator.front.upstream import CONNECTIONS, Upstream, UpstreamLost
from horizon.clock import Clock
from horizon.simulation.certificate import Certificate
from horizon.simulation.listening import listening_socket
from horizon.simulation.waiting import parked

_EVERYWHERE, _HERE = "", "127.0.0.1"
_LOGIN_SUCCEEDED = b"Client login succeeds"
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STRAY_CHUNK = b"0\r\n\r\n"
_KEPT_REQUESTS = 100_000
# `authDelay` of conf.yaml. What the gateway says about competing was not seen: nobody is put out by it.
_AUTH_DELAY = 3.0
_INIT = msgspec.json.encode({"publish": True, "compete": False})


class FrontServer:
    """Listens before the server at `upstream_port`. Without a certificate it speaks plain HTTP."""

    def __init__(
        self, front: Front, upstream_port: int, *, clock: Clock, port: int = 0, certificate: Certificate | None = None
    ) -> None:
        self.front = front
        self._clock = clock
        self._wanted_port = port
        self._tls = _context(certificate, front.quirks) if certificate is not None else None
        self.upstream = Upstream(
            upstream_port, clock, limit=CONNECTIONS if Quirk.FIVE_CONNECTIONS in front.quirks else None
        )
        self._jar = CookieJar()
        self._forms = UnauthorizedForms()
        self._login_seen = False
        self.asked: deque[tuple[str, str]] = deque(maxlen=_KEPT_REQUESTS)
        """Method and target of every request, those that the gateway answers by itself too; oldest first."""
        self._port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port it has, from the start on."""
        return self._port

    async def start(self) -> None:
        """Take the port, and listen once the gateway has started. Raises ConfigurationError when it can't be had."""
        everywhere, late = self.front.all_interfaces, self.front.starts_after > 0
        listener = listening_socket(self._wanted_port, _EVERYWHERE if everywhere else _HERE, listens=not late)
        self._port = int(listener.getsockname()[1])
        loop = asyncio.get_running_loop()
        # The server listens by itself when it is told to serve; until then the port refuses.
        self._server = await loop.create_server(self._inbound, sock=listener, ssl=self._tls, start_serving=not late)
        if late:
            self._spawn(self._listen_later(self._server))

    async def close(self) -> None:
        """Stop listening, and cut every connection on both sides."""
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self.upstream.go_down()
        # What was cut is closed one round later. `wait_closed` would also wait for handshakes that nobody finishes.
        await self._clock.sleep(0)
        self._server = None

    async def __aenter__(self) -> "FrontServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()

    def lose_upstream(self) -> None:
        """The venue is gone: its connections are cut, and no other can be made."""
        self.upstream.go_down()

    def regain_upstream(self) -> None:
        self.upstream.come_back()

    async def _listen_later(self, server: asyncio.Server) -> None:
        await self._clock.sleep(self.front.starts_after)
        await server.start_serving()

    def _inbound(self) -> asyncio.StreamReaderProtocol:
        reader = asyncio.StreamReader(limit=HEAD_LIMIT)
        return _Inbound(reader, self)

    def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> "asyncio.Task[None]":
        """Serve one client; the task is to be cancelled when the client leaves."""
        task = self._spawn(self._serve(reader, writer))
        # A task that is cancelled before its first step never gets to close anything by itself.
        task.add_done_callback(lambda done: writer.transport.abort() if done.cancelled() else None)
        return task

    def _spawn(self, work: Coroutine[object, object, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work, name="gateway front")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._turn(reader, writer):
                continue
            writer.close()
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; whether the connection can take another."""
        try:
            head = await read_head(reader)
            if head is None:
                return False
            if (head.get("upgrade") or "").lower() == "websocket":
                await self._tunnel(head, reader, writer)
                return False
            if head.get("expect"):
                writer.write(_CONTINUE)
            body = await read_body(reader, head)
        except BadMessage:
            await self._write(writer, BAD_REQUEST, "")
            return False
        answer = await self._answer(head, body, writer)
        await self._write(writer, answer, head.first[0])
        self._watch_login(head.first[1], answer)
        stays = answer.whole and head.first[2] == "HTTP/1.1"
        return stays and (head.get("connection") or "").lower() != "close"

    async def _answer(self, head: Head, body: bytes, writer: asyncio.StreamWriter) -> Answer:
        self.asked.append(head.first[:2])
        if not is_admitted(_address(writer), self.front):
            return ACCESS_DENIED
        own = own_answer(head, self.front)
        if own is not None:
            return own
        target = target_upstream(head.first[1], self.front)
        headers = headers_upstream(head.end_to_end(), self._jar, self.front, f"localhost:{self.upstream.port}")
        try:
            answer = await self.upstream.ask(head.first[0], target, headers, body)
        except UpstreamLost:
            return await self._no_answer()
        if Quirk.HEADERS in self.front.quirks:
            answer = self._jar.keep(answer)
        if Quirk.UNAUTHORIZED in self.front.quirks:
            answer = self._forms.of(target.partition("?")[0], answer)
        return answer

    async def _no_answer(self) -> Answer:
        """A polite proxy's 502; with the quirk nothing at all, until the client leaves and this is cancelled."""
        if Quirk.SILENT_WHEN_DOWN in self.front.quirks:
            async with parked(self._clock):
                await asyncio.Event().wait()
        return BAD_GATEWAY

    async def _write(self, writer: asyncio.StreamWriter, answer: Answer, method: str) -> None:
        quirks, headers = self.front.quirks, answer.headers
        chunked = Quirk.CHUNKED in quirks
        if answer.status == 204:
            stray = Quirk.STRAY_204 in quirks
            framing = (("transfer-encoding", "chunked"),) if stray else ()
            body = [_STRAY_CHUNK] if stray else []
        elif chunked:
            framing = (("transfer-encoding", "chunked"),)
            body = [*in_chunks(answer.body), _STRAY_CHUNK] if answer.whole else [*in_chunks(answer.body)]
        else:
            # A length that is never reached is how a broken body looks without chunks.
            framing = (("content-length", str(len(answer.body) + (not answer.whole))),)
            body = [answer.body]
        writer.write(head_bytes(f"HTTP/1.1 {answer.status} {answer.reason}", (*headers, *framing)))
        if method != "HEAD":
            for part in body:
                writer.write(part)
        await writer.drain()

    async def _tunnel(self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = own_answer(head, self.front) if is_admitted(_address(writer), self.front) else ACCESS_DENIED
        if own is not None:
            await self._write(writer, own, "")
            return
        headers = headers_upstream(head.end_to_end(), self._jar, self.front, f"localhost:{self.upstream.port}")
        tunnel = Tunnel(head, (reader, writer), self.front, self.upstream, self._clock)
        try:
            await tunnel.serve(target_upstream(head.first[1], self.front), headers)
        except Refused:
            await self._write(writer, BAD_GATEWAY, "")
        except UpstreamLost:
            await self._write(writer, await self._no_answer(), "")

    def _watch_login(self, target: str, answer: Answer) -> None:
        """Once a person has signed in, the gateway asks three things by itself."""
        seen = _LOGIN_SUCCEEDED in answer.body if target.startswith("/sso/") else self._login_seen
        is_news = seen and not self._login_seen
        self._login_seen = seen and answer.status != 401
        if is_news and Quirk.LOGIN in self.front.quirks:
            self._spawn(self._log_in_upstream())

    async def _log_in_upstream(self) -> None:
        await self._clock.sleep(_AUTH_DELAY)
        headers = (("Host", f"localhost:{self.upstream.port}"), *self._jar.header())
        with contextlib.suppress(UpstreamLost):
            async with self._clock.in_flight():
                await self.upstream.ask("GET", "/v1/api/sso/validate?gw=1", headers, b"")
                await self.upstream.ask("GET", "/v1/api/one/user", headers, b"")
                await self.upstream.ask("POST", "/v1/api/iserver/auth/ssodh/init", headers, _INIT)


class _Inbound(asyncio.StreamReaderProtocol):
    """A client's connection: its task is cancelled when the client leaves, whatever it is waiting for then."""

    def __init__(self, reader: asyncio.StreamReader, server: FrontServer) -> None:
        super().__init__(reader, self._connected)
        self._front = server
        self._serving: asyncio.Task[None] | None = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving = self._front.connected(reader, writer)

    def eof_received(self) -> bool | None:
        self._leave()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        if self._serving is not None:
            self._serving.cancel()


def _address(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return str(peer[0]) if peer else ""


def _context(certificate: Certificate, quirks: frozenset[Quirk]) -> ssl.SSLContext:
    # No ALPN is offered in either case.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.path, certificate.key_path)
    if Quirk.TLS_1_2 in quirks:
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context
