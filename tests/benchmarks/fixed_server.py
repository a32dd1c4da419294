"""A server that answers fixed bytes over keep-alive TLS, so that what is measured is the client.

usage: fixed_server.py CERTIFICATE KEY [CPU]

It listens on a free port of 127.0.0.1, prints the port, and serves until its standard input ends. Of a request only
the path and the length are read. It is no gateway: `horizon sim ibkr` is.
"""

import asyncio
import ssl
import sys
from typing import cast

from fixed_answers import ORDERING, READS
from machine import pin

_PREFIX = b"/v1/api"
_ANSWERS = {**READS, **ORDERING}
_NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nnot fixed"


class FixedAnswers(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            whole = end + 4 + int(length or 0)
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            path = head.split(b" ", 2)[1].partition(b"?")[0].removeprefix(_PREFIX)
            self._transport.write(_ANSWERS.get(path, _NOT_FOUND))


async def _serve(certificate: str, key: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(FixedAnswers, "127.0.0.1", 0, ssl=context, backlog=64)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    certificate, key, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    try:
        import uvloop
    except ImportError:
        asyncio.run(_serve(certificate, key))
    else:
        uvloop.run(_serve(certificate, key))


if __name__ == "__main__":
    main()
