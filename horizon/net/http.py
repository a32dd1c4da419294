"""One HTTP client for every venue, and the only importer of the HTTP library.

httpx is the interface (requests, headers, an injectable transport), aiohttp moves the bytes: plain httpx costs about
twice as much for each call. Requests go straight to the transport, so nothing here follows redirects, keeps cookies,
or asks the environment for proxies, netrc or certificates.

An exception says whether the request may have left: `NotSent` (surely not) or `NoAnswer` (perhaps). Loading this
module loads both libraries, which takes longer than the rest of an adapter: import it where a client is made.
"""

import asyncio
import ssl
from collections.abc import Mapping
from functools import lru_cache, partial
from http import HTTPStatus

import aiohttp
import httpx
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader
from httpx_aiohttp import AiohttpTransport

from horizon.clock import Clock
from horizon.errors import ConfigurationError
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.net.redaction import extract
from horizon.net.tls import (
    KnownServer,
    PinnedCertificate,
    SystemTrust,
    Trust,
    TrustOnFirstUse,
    fetch_fingerprint,
    is_loopback,
    trusted_context,
)

AsyncTransport = httpx.AsyncBaseTransport
"""What moves the bytes; tests hand in `httpx.MockTransport`."""

CONNECTIONS = 20
# Below the five seconds after which common servers close an idle connection: a request that is written to a
# connection which the server is just closing has no known outcome.
KEEP_ALIVE = 4.0
_SMALL = 64
_NO_CONTENT, _END_OF_HEAD = b"HTTP/1.1 204 ", b"\r\n\r\n"
_HIGHEST_PORT = 65_535


class HttpClient:
    """Requests to one host over kept connections. `headers` go with every request.

    Without `trust`, a host on this machine is trusted on first use and any other by the machine's authorities.

    `transport` takes the place of the network in tests. `timeout` is in seconds, for a whole request.
    """

    def __init__(
        self,
        base_url: str,
        *,
        clock: Clock,
        trust: Trust | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        transport: AsyncTransport | None = None,
    ) -> None:
        url = _address(base_url)
        self.base_url = f"{url.scheme}://{url.netloc.decode()}"
        self._host = url.host
        self._port = url.port or (443 if url.scheme == "https" else 80)
        self._secure = url.scheme == "https"
        self._clock = clock
        self._trust = trust if trust is not None else _usual_trust(url.host)
        self._headers = httpx.Headers(dict(headers or {}))
        self._timeout = timeout
        self._transport = self._given = transport
        self._opening = asyncio.Lock()
        self._made = lru_cache(maxsize=256)(self._make)

    async def open(self) -> None:
        """Settle whom to trust, before anything is sent. The first request does it otherwise.

        Raises ConfigurationError for a wrong certificate, VenueUnavailable when nothing answers.
        """
        await self._opened()

    async def close(self) -> None:
        """Close every connection. A later request opens anew, and settles again whom to trust."""
        transport, self._transport = self._transport, self._given
        if transport is not None:
            await transport.aclose()

    async def request(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """Send once and read the whole answer. `target` is path and query, already quoted; `content` is JSON unless
        `headers` name another content type.

        Raises NotSent or NoAnswer; ConfigurationError for a wrong certificate.
        """
        transport = self._transport or await self._opened()
        extra = tuple(headers.items()) if headers else ()
        # Polling asks the same again and again: building the request anew each time costs a fifth of the call.
        make = self._made if content is None or len(content) <= _SMALL else self._make
        request = make(method, target, content, extra)
        seconds = self._timeout if timeout is None else timeout
        try:
            async with self._clock.deadline(seconds), self._clock.in_flight():
                answer = await transport.handle_async_request(request)
                try:
                    return Response(answer.status_code, answer.headers, await _content(answer))
                finally:
                    await answer.aclose()
        except TimeoutError:
            raise NoAnswer(f"no answer in {seconds:g} s") from None
        except (httpx.HTTPError, aiohttp.ClientError, OSError) as error:
            # The transport's own classes call a lost connection a connect timeout; the cause tells them apart.
            cause = error.__cause__ if isinstance(error.__cause__, aiohttp.ClientError) else error
            if isinstance(cause, aiohttp.ClientSSLError | ssl.SSLCertVerificationError):
                await self._explain(cause)
            if isinstance(cause, aiohttp.ClientConnectorError | httpx.ConnectError):
                raise NotSent(_clause(cause)) from error
            raise NoAnswer(_clause(cause)) from error

    def _make(
        self, method: str, target: str, content: bytes | None, extra: tuple[tuple[str, str], ...]
    ) -> httpx.Request:
        headers = [*self._headers.raw, *((name.encode(), value.encode()) for name, value in extra)]
        if content is not None and not any(name.lower() == "content-type" for name, _ in extra):
            headers.append((b"Content-Type", b"application/json"))
        return httpx.Request(method, httpx.URL(self.base_url + target), headers=headers, content=content)

    async def _opened(self) -> AsyncTransport:
        async with self._opening:
            if self._transport is None:
                context = await self._context() if self._secure else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                self._transport = _network(context)
            return self._transport

    async def _context(self) -> ssl.SSLContext:
        return await trusted_context(self._trust, self._host, self._port, self._clock)

    async def _explain(self, cause: Exception) -> None:
        """Raise ConfigurationError for a certificate that is not trusted; return when the failure was another one."""
        if isinstance(self._trust, PinnedCertificate | TrustOnFirstUse | KnownServer):
            await self._context()
        if isinstance(cause, aiohttp.ClientConnectorCertificateError):
            found = await fetch_fingerprint(self._host, self._port, self._clock)
            raise ConfigurationError(
                f"expected a certificate that verifies at {self._host}:{self._port}, found {found} "
                f"({cause.certificate_error}): nothing was sent; pin that fingerprint once you have compared it with "
                f"the server's own"
            ) from cause


def _address(text: str) -> httpx.URL:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or not 0 < (url.port or 443) <= _HIGHEST_PORT:
        raise ConfigurationError(f"expected an address such as https://localhost:5000, found {text!r}")
    return url


def _usual_trust(host: str) -> Trust:
    return TrustOnFirstUse() if is_loopback(host) else SystemTrust()


async def _content(answer: httpx.Response) -> bytes:
    """The whole body. A plain one is read past the decoders, which cost as much as the reading."""
    if "content-encoding" in answer.headers or not isinstance(answer.stream, httpx.AsyncByteStream):
        return await answer.aread()
    return b"".join([chunk async for chunk in answer.stream])


class _Protocol(ResponseHandler):
    """Reads answers, and does not keep a connection after a 204: IBKR's gateway sends a stray chunk after it, which
    would be taken for the next answer, or spoil the 204 itself when both arrive together."""

    def data_received(self, data: bytes) -> None:
        if data.startswith(_NO_CONTENT) and (end := data.find(_END_OF_HEAD)) >= 0:
            data = data[: end + len(_END_OF_HEAD)]
        super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        if data[0].code == HTTPStatus.NO_CONTENT:
            self.force_close()
        super().feed_data(data, size)


def _protocol(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return _Protocol(loop)


def _network(context: ssl.SSLContext) -> AsyncTransport:
    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=context, limit=CONNECTIONS, keepalive_timeout=KEEP_ALIVE)
        # There is no public way to hand in a protocol.
        connector._factory = partial(_protocol, asyncio.get_running_loop())
        made = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        # aiohttp repeats a DELETE by itself when a kept connection turns out to be closed, and offers no switch: a
        # request that changes something is never repeated blindly.
        made._retry_connection = False
        return made

    return AiohttpTransport(verify=context, client=session)


def _clause(error: BaseException) -> str:
    """What happened, as one short clause."""
    inner = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
    if isinstance(inner, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(inner, aiohttp.ServerDisconnectedError | ConnectionResetError):
        return "the connection was lost before the answer"
    if isinstance(inner, aiohttp.ClientPayloadError):
        return "the connection was lost in the middle of the answer"
    return extract(str(inner)) or type(inner).__name__
