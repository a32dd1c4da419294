"""HTTP/1.1 as it travels: requests and answers read from and written to a stream, framing in our own hands.

A server library would not let us send what the gateway sends: a chunk after a 204, or nothing at all.
"""

import asyncio
from collections.abc import Iterable

import msgspec

HEAD_LIMIT = 65_536
_CHUNK = 8_192
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "content-length", "expect"}
)

Headers = tuple[tuple[str, str], ...]


class BadMessage(Exception):
    """What came is not HTTP/1.1, or is too large."""


class Head(msgspec.Struct, frozen=True):
    """The first line, in its three parts, and the headers in their order. `raw` is the whole as it came."""

    first: tuple[str, str, str]
    headers: Headers
    raw: bytes = b""

    def get(self, name: str) -> str | None:
        """The first header of this name (lower case)."""
        return next((value for found, value in self.headers if found.lower() == name), None)

    def end_to_end(self) -> Headers:
        """The headers that are not about one connection only."""
        named = {name.strip().lower() for name in (self.get("connection") or "").split(",")}
        return tuple((name, value) for name, value in self.headers if name.lower() not in _HOP_BY_HOP | named)

    @property
    def is_chunked(self) -> bool:
        return "chunked" in (self.get("transfer-encoding") or "").lower()


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer read to its end. `whole` is false when the connection broke within the body."""

    status: int
    reason: str
    headers: Headers = ()
    body: bytes = b""
    whole: bool = True


async def read_head(reader: asyncio.StreamReader) -> Head | None:
    """The next head; None when the other side has left. Raises BadMessage."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    except asyncio.LimitOverrunError:
        raise BadMessage(f"a head of more than {HEAD_LIMIT} bytes") from None
    first, *lines = raw.decode("latin-1").rstrip("\r\n").lstrip("\r\n").split("\r\n")
    words = first.split(" ", 2)
    if len(words) < 2:
        raise BadMessage(f"a first line of {len(words)} words")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadMessage("a header without a name")
        headers.append((name, value.strip()))
    return Head((words[0], words[1], words[2] if len(words) > 2 else ""), tuple(headers), raw)


async def read_body(reader: asyncio.StreamReader, head: Head, *, until_closed: bool = False) -> bytes:
    """The body that belongs to a head. Raises BadMessage, or `asyncio.IncompleteReadError` with what came of it."""
    if head.is_chunked:
        return await _read_chunks(reader)
    text = head.get("content-length")
    if text is None:
        return await reader.read() if until_closed else b""
    if not text.isdigit():
        raise BadMessage("a Content-Length that is no number")
    return await reader.readexactly(int(text))


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    try:
        while size := _size(await reader.readuntil(b"\r\n")):
            body += (await reader.readexactly(size + 2))[:-2]
        while await reader.readuntil(b"\r\n") != b"\r\n":
            continue
    except asyncio.IncompleteReadError as error:
        raise asyncio.IncompleteReadError(bytes(body + error.partial), None) from None
    return bytes(body)


def _size(line: bytes) -> int:
    try:
        return int(line.split(b";", 1)[0], 16)
    except ValueError:
        raise BadMessage("a chunk without a size") from None


def head_bytes(first: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A head as it is sent."""
    lines = [first, *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def in_chunks(body: bytes) -> Iterable[bytes]:
    """A body as chunks, without the last, empty one."""
    for at in range(0, len(body), _CHUNK):
        part = body[at : at + _CHUNK]
        yield f"{len(part):x}\r\n".encode() + part + b"\r\n"
