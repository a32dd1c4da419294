"""A websocket through the gateway: two connections, and what is lost or changed between them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from websockets.client import ClientProtocol
from websockets.exceptions import WebSocketException
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import Event, Protocol, State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from exchanges.ibkr.simulator.front.http1 import Head, Headers
from exchanges.ibkr.simulator.front.quirks import Quirk
from exchanges.ibkr.simulator.front.settings import Front
from exchanges.ibkr.simulator.front.upstream import Connection, Upstream, UpstreamLost
from horizon.clock import Clock

FRAME_LIMIT = 65_536
"""What the gateway's web server takes in one frame unless told otherwise: 200 KB down and 100 KB up were seen to kill
the connection; where exactly it begins was not measured."""
_READ = 65_536
_NORMAL, _REFUSED = 1000, 1008
_NO_CODE, _ABORTED = 1005, 1006


class Refused(Exception):
    """Upstream does not open the websocket."""


class _Killed(Exception):
    """The connection is cut without a word."""


class _End:
    """One end: the protocol's state, and the connection that its bytes travel on."""

    def __init__(self, protocol: Protocol, connection: Connection) -> None:
        self.protocol = protocol
        self.connection = connection
        self._reader, self._writer = connection
        self._unread: list[Event] = []

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self._writer.write(data)
        await self._writer.drain()

    async def next(self) -> Event | None:
        """The next handshake or frame; None at the end of the connection."""
        while not self._unread:
            data = await self._reader.read(_READ)
            if not data:
                return None
            self.protocol.receive_data(data)
            await self.flush()
            self._unread += self.protocol.events_received()
        return self._unread.pop(0)

    async def frames(self) -> AsyncIterator[Frame]:
        """Every frame until the end of the connection."""
        while (event := await self.next()) is not None:
            if isinstance(event, Frame):
                yield event

    async def say_goodbye(self, code: int) -> None:
        """Close with this code, if the other side can still hear it."""
        with contextlib.suppress(OSError, WebSocketException):
            if self.protocol.state is State.OPEN:
                self.protocol.send_close(code)
            await self.flush()

    def cut(self) -> None:
        self._writer.transport.abort()


class Tunnel:
    """One client's websocket, from its request on."""

    def __init__(self, head: Head, client: Connection, front: Front, upstream: Upstream, clock: Clock) -> None:
        self._head = head
        self._quirks = front.quirks
        self._delay = front.connects_socket_after
        self._upstream = upstream
        self._clock = clock
        self._client = _End(ServerProtocol(max_size=None), client)
        self._server: _End | None = None

    async def serve(self, target: str, headers: Headers) -> None:
        """Return when it is over; the caller closes the client's connection.

        Raises UpstreamLost or Refused where the client has had no answer yet.
        """
        try:
            if Quirk.EARLY_101 not in self._quirks:
                self._server = await self._connect(target, headers)
            await self._accept()
            await self._carry(target, headers)
        except (_Killed, OSError, WebSocketException):
            self._client.cut()
        finally:
            if self._server is not None:
                self._upstream.give_back(self._server.connection)

    async def _carry(self, target: str, headers: Headers) -> None:
        up = asyncio.create_task(self._from_client(), name="gateway front: to upstream")
        down = asyncio.create_task(self._from_server(target, headers), name="gateway front: to the client")
        both = {up, down}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if down.done() and down.exception() is None:
                # The client has been told that it is over, and says so too.
                await asyncio.wait({up})
        finally:
            for task in both:
                task.cancel()
            await asyncio.wait(both)
        for task in both:
            if not task.cancelled():
                task.result()

    async def _accept(self) -> None:
        protocol = self._client.protocol
        protocol.receive_data(self._head.raw)
        for event in protocol.events_received():
            if isinstance(event, Request) and isinstance(protocol, ServerProtocol):
                protocol.send_response(protocol.accept(event))
        await self._client.flush()

    async def _connect(self, target: str, headers: Headers) -> _End:
        connection = await self._upstream.borrow()
        protocol = ClientProtocol(parse_uri(f"ws://localhost:{self._upstream.port}{target}"), max_size=None)
        end = _End(protocol, connection)
        opened = False
        try:
            request = protocol.connect()
            del request.headers["Host"]
            for name, value in headers:
                if not name.lower().startswith("sec-websocket-"):
                    request.headers[name] = value
            protocol.send_request(request)
            await end.flush()
            event = await end.next()
            opened = isinstance(event, Response) and event.status_code == 101
        except OSError as error:
            raise UpstreamLost from error
        finally:
            if not opened:
                self._upstream.give_back(connection)
        if not opened:
            raise Refused
        return end

    async def _from_client(self) -> None:
        """Pass on what the client says; lost is what comes before upstream is there."""
        said = 0
        async for frame in self._client.frames():
            said = len(frame.data) + (said if frame.opcode is Opcode.CONT else 0)
            self._check(said)
            if frame.opcode is Opcode.CLOSE:
                await self._tell_server(_code(frame))
                return
            if self._server is not None:
                await _pass_on(frame, self._server, binary=False)
        await self._tell_server(_NORMAL)

    async def _from_server(self, target: str, headers: Headers) -> None:
        """Pass on what upstream says, until it ends; then tell the client."""
        if self._server is None:
            await self._clock.sleep(self._delay)
            try:
                self._server = await self._connect(target, headers)
            except (UpstreamLost, Refused):
                return await self._stay_refused()
        code = _ABORTED
        with contextlib.suppress(OSError):
            async for frame in self._server.frames():
                self._check(len(frame.data))
                if frame.opcode is Opcode.CLOSE:
                    code = _code(frame)
                    break
                await _pass_on(frame, self._client, binary=Quirk.BINARY_FRAMES in self._quirks)
        if Quirk.CLOSE_1000 in self._quirks:
            code = _NORMAL
        if code == _ABORTED:
            raise _Killed
        await self._client.say_goodbye(_NORMAL if code == _NO_CODE else code)

    async def _stay_refused(self) -> None:
        if Quirk.SILENT_REFUSAL not in self._quirks:
            await self._client.say_goodbye(_REFUSED)
            return
        await asyncio.Event().wait()

    async def _tell_server(self, code: int) -> None:
        if self._server is not None:
            await self._server.say_goodbye(_NORMAL if code == _NO_CODE else code)

    def _check(self, size: int) -> None:
        if Quirk.FRAME_SIZE in self._quirks and size > FRAME_LIMIT:
            raise _Killed


def _code(frame: Frame) -> int:
    return int(Close.parse(frame.data).code)


async def _pass_on(frame: Frame, end: _End, *, binary: bool) -> None:
    """Say to one end what the other said. Each end answers pings by itself."""
    if frame.opcode is Opcode.TEXT and not binary:
        end.protocol.send_text(frame.data, frame.fin)
    elif frame.opcode in (Opcode.TEXT, Opcode.BINARY):
        end.protocol.send_binary(frame.data, frame.fin)
    elif frame.opcode is Opcode.CONT:
        end.protocol.send_continuation(frame.data, frame.fin)
    await end.flush()
