"""The way from the front to the embedded gateway: few connections, kept open, and none while it is down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

from exchanges.ibkr.simulator.front.http1 import (
    HEAD_LIMIT,
    Answer,
    BadMessage,
    Head,
    Headers,
    head_bytes,
    read_body,
    read_head,
)
from horizon.clock import Clock
from horizon.simulation.waiting import parked

CONNECTIONS = 5

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class UpstreamLost(Exception):
    """No answer came, because upstream is down or cut the connection."""


class Upstream:
    """Requests to one port of this machine. `limit` is how many are on their way at once; None for any number."""

    def __init__(self, port: int, clock: Clock, *, limit: int | None) -> None:
        self.port = port
        self._down = False
        self._clock = clock
        self._slots = asyncio.Semaphore(limit) if limit is not None else None
        self._idle: list[Connection] = []
        self._lent: set[asyncio.StreamWriter] = set()
        self._asking = 0
        self.most_at_once = 0
        """The largest number of requests that were on their way together."""

    async def ask(self, method: str, target: str, headers: Headers, body: bytes) -> Answer:
        """Send one request and read its answer. Raises UpstreamLost."""
        async with self._slot():
            connection = await self.borrow()
            reader, writer = connection
            reusable = False
            try:
                length = (("Content-Length", str(len(body))),) if body or method not in ("GET", "HEAD") else ()
                writer.write(head_bytes(f"{method} {target} HTTP/1.1", (*headers, *length)) + body)
                await writer.drain()
                answer, reusable = await _answer(reader, method)
            except (OSError, BadMessage, asyncio.IncompleteReadError) as error:
                raise UpstreamLost from error
            finally:
                self.give_back(connection, reusable=reusable)
            return answer

    async def borrow(self) -> Connection:
        """A connection, kept or new, to be given back. Raises UpstreamLost."""
        if self._down:
            raise UpstreamLost
        connection = self._kept()
        if connection is None:
            try:
                connection = await asyncio.open_connection("127.0.0.1", self.port, limit=HEAD_LIMIT)
            except OSError as error:
                raise UpstreamLost from error
        self._lent.add(connection[1])
        return connection

    def give_back(self, connection: Connection, *, reusable: bool = False) -> None:
        """End the use of a connection; it is cut unless it can be used again."""
        self._lent.discard(connection[1])
        if reusable and not self._down:
            self._idle.append(connection)
        else:
            connection[1].transport.abort()

    def go_down(self) -> None:
        """Be gone: every connection is cut, and there is no other."""
        self._down = True
        for writer in (*(writer for _, writer in self._idle), *self._lent):
            writer.transport.abort()
        self._idle.clear()

    def come_back(self) -> None:
        self._down = False

    def _kept(self) -> Connection | None:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof() and not writer.transport.is_closing():
                return reader, writer
            writer.transport.abort()
        return None

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._slots is not None:
            # Those ahead may wait for the clock, so whoever waits for them waits for the clock too.
            async with parked(self._clock) if self._slots.locked() else nullcontext():
                await self._slots.acquire()
        self._asking += 1
        self.most_at_once = max(self.most_at_once, self._asking)
        try:
            yield
        finally:
            self._asking -= 1
            if self._slots is not None:
                self._slots.release()


async def _answer(reader: asyncio.StreamReader, method: str) -> tuple[Answer, bool]:
    """An answer, and whether its connection can be used again."""
    head = await read_head(reader)
    if head is None:
        raise UpstreamLost
    version, status, reason = head.first
    if not status.isdigit():
        raise BadMessage("an answer without a status")
    bodiless = method == "HEAD" or status in ("204", "304")
    try:
        body = b"" if bodiless else await read_body(reader, head, until_closed=True)
    except asyncio.IncompleteReadError as error:
        return _made(status, reason, head, error.partial, whole=False), False
    framed = bodiless or head.is_chunked or head.get("content-length") is not None
    kept = framed and version == "HTTP/1.1" and (head.get("connection") or "").lower() != "close"
    return _made(status, reason, head, body, whole=True), kept


def _made(status: str, reason: str, head: Head, body: bytes, *, whole: bool) -> Answer:
    return Answer(status=int(status), reason=reason, headers=head.end_to_end(), body=body, whole=whole)
