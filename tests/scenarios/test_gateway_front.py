"""The front with the real gateway's manners, seen by other people's clients: each quirk on, and off."""

import asyncio
import contextlib
import datetime
import http.client
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
from cryptography import x509

from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.front import ALL_QUIRKS, Front, FrontServer, Quirk, stock_certificate_in
from horizon.clock import SystemClock
from horizon.errors import ConfigurationError
from horizon.simulation.certificate import Certificate, certificate_in
from horizon.simulation.server import LoopbackServer

LARGE = 3_000_000


class Venue:
    """A venue behind the gateway: says back what it was asked, or answers as the path wants it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.heard: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if scope["type"] == "websocket":
            await self._socket(path, receive, send)
            return
        self.asked.append(f"{scope['method']} {path}")
        body = (await receive()).get("body", b"")
        status, content, headers = 200, b"", [(b"set-cookie", b"x-sess-uuid=0.venue; secure; HttpOnly")]
        if path.endswith("/large"):
            content = b"x" * LARGE
        elif path.endswith("/429"):
            status, content = 429, b'{"error":"Too Many Requests","statusCode":429}'
            headers.append((b"retry-after", b"17"))
        elif path.endswith("/401"):
            status, content = 401, b'{"error":"not authenticated","statusCode":401}'
        elif path.endswith("/204"):
            status = 204
        else:
            found = {name.decode(): value.decode() for name, value in scope["headers"]}
            query = scope["query_string"].decode()
            content = json.dumps({"path": path, "query": query, "headers": found, "body": body.decode()}).encode()
        if status != 204:
            headers.append((b"content-length", str(len(content)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _socket(self, path: str, receive: Any, send: Any) -> None:
        await receive()
        if path.endswith("/refused"):
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "first"})
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            self.heard.append(text if text is not None else f"bytes {message['bytes']!r}")
            if text == "close":
                await send({"type": "websocket.close", "code": 4001})
                return
            await send({"type": "websocket.send", "text": "y" * 200_000 if text == "large" else str(text)})


class Standing(FrontServer):
    """A front with a venue behind it, and clients of other people."""

    venue: Venue
    certificate: Certificate

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @contextlib.contextmanager
    def _connection(self, context: ssl.SSLContext | None) -> Any:
        kept = (
            http.client.HTTPConnection("localhost", self.port, timeout=20)
            if context is None
            else http.client.HTTPSConnection("localhost", self.port, timeout=20, context=context)
        )
        try:
            yield kept
        finally:
            kept.close()

    async def ask(self, *requests: tuple[str, str], context: ssl.SSLContext | None = None, **rest: Any) -> list[Any]:
        """(status, headers, body) of requests on one connection; Python's own client, in a thread."""

        def asking() -> list[Any]:
            found = []
            with self._connection(context) as connection:
                for method, target in requests:
                    connection.request(method, target, **rest)
                    answer = connection.getresponse()
                    found.append((answer.status, dict(answer.getheaders()), answer.read()))
            return found

        return await asyncio.to_thread(asking)

    async def get(self, target: str, **headers: str) -> Any:
        ((status, _, body),) = await self.ask(
            ("GET", target), headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        assert status == 200
        return json.loads(body)


StartFront = Callable[..., Awaitable[Standing]]


@pytest.fixture
async def stand() -> AsyncIterator[StartFront]:
    async with AsyncExitStack() as kept:

        async def standing(*quirks: str, certificate: Certificate | None = None, **settings: Any) -> Standing:
            venue, clock = Venue(), SystemClock()
            upstream = await kept.enter_async_context(LoopbackServer(venue, clock=clock, websockets=True))
            front = Front(quirks=frozenset(Quirk(each) for each in quirks), connects_socket_after=0.02, **settings)
            made = Standing(front, upstream.port, clock=clock, certificate=certificate)
            made.venue = venue
            await kept.enter_async_context(made)
            return made

        yield standing


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return stock_certificate_in(tmp_path_factory.mktemp("front"))


# --- TLS --------------------------------------------------------------------------------------------------------------


def client_context(version: ssl.TLSVersion, cafile: Path | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(cafile) if cafile else None)
    if cafile is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


async def test_tls_1_2_is_all_it_speaks(stand: StartFront, stock: Certificate) -> None:
    front = await stand("tls-1.2", certificate=stock)
    with pytest.raises(OSError):  # noqa: PT011 - an alert or a cut connection, as the library likes
        await front.ask(("GET", "/v1/api/x"), context=client_context(ssl.TLSVersion.TLSv1_3))
    assert front.venue.asked == []
    offering = client_context(ssl.TLSVersion.TLSv1_2)
    offering.set_alpn_protocols(["h2", "http/1.1"])
    await front.ask(("GET", "/v1/api/x"), context=offering)
    _, writer = await asyncio.open_connection("localhost", front.port, ssl=offering)
    tls = writer.get_extra_info("ssl_object")
    assert (tls.version(), tls.selected_alpn_protocol()) == ("TLSv1.2", None)
    writer.close()
    modern = await stand(certificate=stock)
    await modern.ask(("GET", "/v1/api/x"), context=client_context(ssl.TLSVersion.TLSv1_3))


def test_the_stock_certificate_has_the_form_of_the_shipped_one_and_is_kept(stock: Certificate) -> None:
    certificate = x509.load_pem_x509_certificate(stock.path.read_bytes())
    assert certificate.subject.rfc4514_string() == certificate.issuer.rfc4514_string() == "CN=Client Portal Web API"
    assert (certificate.not_valid_before_utc.date(), certificate.not_valid_after_utc.date()) == (
        datetime.date(2019, 2, 10),
        datetime.date(2019, 5, 11),
    )
    assert certificate.public_key().key_size == 2048  # type: ignore[union-attr]
    assert certificate.signature_hash_algorithm is not None
    assert certificate.signature_hash_algorithm.name == "sha256"
    assert not certificate.extensions
    assert stock.key_path.stat().st_mode & 0o077 == 0
    assert not stock.fingerprint.startswith("13:DA:F8:9A")
    assert stock_certificate_in(stock.path.parent) == stock


async def test_ordinary_verification_fails_on_the_stock_certificate_and_passes_on_an_own_one(
    stand: StartFront, stock: Certificate, tmp_path: Path
) -> None:
    front = await stand("tls-1.2", certificate=stock)
    trusting = client_context(ssl.TLSVersion.TLSv1_2, stock.path)
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'localhost'"):
        await front.ask(("GET", "/v1/api/x"), context=trusting)
    trusting.check_hostname = False
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        await front.ask(("GET", "/v1/api/x"), context=trusting)
    own = certificate_in(tmp_path, name="Client Portal Web API")
    front = await stand("tls-1.2", certificate=own)
    await front.ask(("GET", "/v1/api/x"), context=client_context(ssl.TLSVersion.TLSv1_2, own.path))


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_path_and_query_pass_verbatim_and_the_old_prefix_is_rewritten(stand: StartFront) -> None:
    front = await stand("paths")
    found = await front.get("/v1/api/iserver/x?conids=1,2&a=%2Fb")
    assert (found["path"], found["query"]) == ("/v1/api/iserver/x", "conids=1,2&a=%2Fb")
    assert (await front.get("/v1/portal/iserver/x?y=1"))["path"] == "/v1/api/iserver/x"
    plain = await stand()
    assert (await plain.get("/v1/portal/iserver/x"))["path"] == "/v1/portal/iserver/x"


async def test_unknown_paths_are_redirected_to_the_remote_host_and_the_root_to_the_login(stand: StartFront) -> None:
    front = await stand("paths")
    (unknown, oauth, root) = await front.ask(("GET", "/foo?a=1"), ("GET", "/oauth2/api/v1/token"), ("GET", "/"))
    assert (unknown[0], unknown[1]["location"]) == (302, "https://api.ibkr.com/foo?a=1")
    assert (oauth[0], oauth[1]["location"]) == (302, "https://api.ibkr.com/oauth2/api/v1/token")
    assert (root[0], root[1]["location"]) == (302, "/sso/Login?forwardTo=22&RL=1&ip2loc=US")
    assert front.venue.asked == []
    assert [target for _, target in front.asked] == ["/foo?a=1", "/oauth2/api/v1/token", "/"]
    assert (await (await stand()).get("/foo"))["path"] == "/foo"


async def test_reauthenticate_is_answered_by_the_gateway_itself(stand: StartFront) -> None:
    front = await stand("reauthenticate")
    assert await front.get("/v1/api/iserver/reauthenticate") == {"error": "not logged in"}
    assert front.venue.asked == []
    assert (await (await stand()).get("/v1/api/iserver/reauthenticate"))["path"].endswith("reauthenticate")


async def test_the_clients_cookie_and_accept_encoding_do_not_arrive_and_the_rest_does(stand: StartFront) -> None:
    front = await stand("headers")
    sent = {
        "Authorization": "Bearer x",
        "User_Agent": "me",
        "X_Mine": "1",
        "Cookie": "api=mine",
        "Accept_Encoding": "gzip",
    }
    first = (await front.get("/v1/api/x", **sent))["headers"]
    assert (first["authorization"], first["user-agent"], first["x-mine"]) == ("Bearer x", "me", "1")
    assert not {"cookie", "accept-encoding"} & set(first)
    assert (await front.get("/v1/api/x", **sent))["headers"]["cookie"] == "x-sess-uuid=0.venue"
    polite = (await (await stand()).get("/v1/api/x", **sent))["headers"]
    assert (polite["cookie"], polite["accept-encoding"]) == ("api=mine", "gzip")


async def test_a_post_without_a_length_is_refused(stand: StartFront) -> None:
    front = await stand("length-required")
    head = f"POST /v1/api/x HTTP/1.1\r\nHost: localhost:{front.port}\r\nConnection: close\r\n"
    for framing, status in (
        ("\r\n", b"411"),
        ("Content-Length: 0\r\n\r\n", b"200"),
        ("Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"200"),
    ):
        reader, writer = await asyncio.open_connection("localhost", front.port)
        writer.write((head + framing).encode())
        assert (await reader.readline()).split()[1] == status
        writer.close()
    assert front.venue.asked == ["POST /v1/api/x"] * 2


async def test_whoever_is_not_in_the_list_is_denied(stand: StartFront) -> None:
    allowed = {"192.168.*": False, "127.0.0.*": True, "*": True}
    for pattern, let_in in allowed.items():
        front = await stand("ips", ips_allow=(pattern,))
        ((status, _, body),) = await front.ask(("GET", "/v1/api/x"))
        assert (status, body == b"Access Denied") == ((200, False) if let_in else (403, True))
    denied = await stand("ips", ips_allow=("*",), ips_deny=("127.*",))
    assert (await denied.ask(("GET", "/v1/api/x")))[0][0] == 403
    assert denied.venue.asked == []


async def test_it_listens_on_every_interface_only_when_told_to(stand: StartFront) -> None:
    address = own_address()
    here = await stand()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, here.port), timeout=1)
    everywhere = await stand("ips", all_interfaces=True, ips_allow=("127.0.0.1", address))

    def asking() -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(address, everywhere.port, timeout=20)
        connection.request("GET", "/v1/api/x")
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, content

    assert (await asyncio.to_thread(asking))[0] == 200
    everywhere.front = Front(all_interfaces=True)
    assert await asyncio.to_thread(asking) == (403, b"Access Denied")


def own_address() -> str:
    """An address of this machine that others can reach; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as looking:
        try:
            looking.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but the loopback")
        return str(looking.getsockname()[0])


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/api/x", "/v1/api/large", "/v1/api/429", "/v1/api/401", "/"])
async def test_every_answer_is_chunked_with_its_status_and_body_kept(stand: StartFront, path: str) -> None:
    polite = (await (await stand("paths")).ask(("GET", path)))[0]
    chunked = (await (await stand("paths", "chunked")).ask(("GET", path)))[0]
    assert "content-length" in polite[1]
    assert "content-length" not in chunked[1]
    assert chunked[1]["transfer-encoding"] == "chunked"
    assert chunked[0] == polite[0]
    if path != "/v1/api/x":
        assert chunked[2] == polite[2]
    assert chunked[1].get("retry-after") == ("17" if path.endswith("429") else None)


async def test_a_stray_chunk_after_204_is_taken_for_the_next_answer_by_a_strict_client(stand: StartFront) -> None:
    front, polite = await stand("stray-204"), await stand()
    reader, writer = await asyncio.open_connection("localhost", front.port)
    writer.write(b"GET /v1/api/204 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    head, _, rest = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert (head.split()[1], rest) == (b"204", b"0\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    async with httpx.AsyncClient(verify=plain, limits=httpx.Limits(max_connections=1)) as strict:
        for each in (polite, front):
            assert (await strict.get(f"{each.url}/v1/api/204")).status_code == 204
            with contextlib.nullcontext() if each is polite else pytest.raises(httpx.RemoteProtocolError):
                await strict.get(f"{each.url}/v1/api/x")


async def test_not_logged_in_is_said_in_three_forms_in_turn(stand: StartFront) -> None:
    front = await stand("unauthorized")
    bodies = [(await front.ask(("GET", "/v1/api/401")))[0] for _ in range(4)]
    assert [body for _, _, body in bodies] == [
        b"",
        b"Unauthorized",
        b'{"error":"not authenticated","statusCode":401}',
        b"",
    ]
    assert {status for status, *_ in bodies} == {401}


async def test_without_upstream_there_is_no_answer_and_a_client_that_left_is_forgotten(stand: StartFront) -> None:
    front = await stand("silent-when-down")
    front.lose_upstream()
    for method in ("GET", "POST"):
        reader, writer = await asyncio.open_connection("localhost", front.port)
        writer.write(f"{method} /v1/api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
        writer.close()
    async with asyncio.timeout(10):
        while front._tasks:
            await asyncio.wait(front._tasks)
    front.regain_upstream()
    await front.get("/v1/api/x")
    polite = await stand()
    polite.lose_upstream()
    assert (await polite.ask(("GET", "/v1/api/x")))[0][0] == 502


async def test_what_is_not_http_is_refused(stand: StartFront) -> None:
    front = await stand(*ALL_QUIRKS)
    for sent in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000):
        reader, writer = await asyncio.open_connection("localhost", front.port)
        writer.write(sent)
        assert (await reader.readline()).startswith(b"HTTP/1.1 400")
        writer.close()


async def test_a_body_that_breaks_upstream_breaks_for_the_client(stand: StartFront) -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        scope["horizon.transport"].close()

    async with LoopbackServer(broken, clock=SystemClock()) as upstream:
        for quirks in (ALL_QUIRKS, frozenset[Quirk]()):
            async with Standing(Front(quirks=quirks), upstream.port, clock=SystemClock()) as front:
                with pytest.raises(http.client.IncompleteRead):
                    await front.ask(("GET", "/v1/api/x"))


# --- websockets -------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def socket_to(front: Standing, path: str = "/v1/api/ws") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(front.url + path, timeout=CLOSE_SOON) as opened:
        yield opened


CLOSE_SOON = aiohttp.ClientWSTimeout(ws_close=0.1)


async def test_what_is_said_before_upstream_is_connected_is_lost_without_a_word(stand: StartFront) -> None:
    front = await stand("early-101")
    async with socket_to(front) as opened:
        for number in range(4):
            await opened.send_str(f"early {number}")
        assert (await opened.receive(10)).data == "first"
        await opened.send_str("after the first frame")
        assert (await opened.receive(10)).data == "after the first frame"
    assert front.venue.heard == ["after the first frame"]
    async with socket_to(polite := await stand()) as opened:
        await opened.send_str("early")
        await opened.receive(10)
        assert (await opened.receive(10)).data == "early"
    assert polite.venue.heard == ["early"]


@pytest.mark.parametrize("quirks", [{"binary-frames"}, set[str]()])
async def test_text_of_the_server_arrives_as_binary_and_text_of_the_client_as_text(
    stand: StartFront, quirks: set[str]
) -> None:
    front = await stand(*quirks)
    async with socket_to(front) as opened:
        await opened.send_str("text")
        kinds = [(await opened.receive(10)).type for _ in range(2)]
    assert kinds == [aiohttp.WSMsgType.BINARY if quirks else aiohttp.WSMsgType.TEXT] * 2
    assert front.venue.heard == ["text"]


async def test_a_refusal_of_upstream_is_an_open_silent_socket(stand: StartFront) -> None:
    async with socket_to(await stand("early-101", "silent-refusal"), "/v1/api/refused") as opened:
        with pytest.raises(TimeoutError):
            await opened.receive(0.2)
        await opened.send_str("anyone?")
        with pytest.raises(TimeoutError):
            await opened.receive(0.1)
    async with socket_to(await stand("early-101"), "/v1/api/refused") as opened:
        assert (await opened.receive(10)).data == 1008
    with pytest.raises(aiohttp.WSServerHandshakeError, match="502"):
        async with socket_to(await stand(), "/v1/api/refused"):
            pass


@pytest.mark.parametrize(("quirks", "code"), [({"close-1000"}, 1000), (set[str](), 4001)])
async def test_a_close_code_becomes_1000(stand: StartFront, quirks: set[str], code: int) -> None:
    async with socket_to(await stand(*quirks)) as opened:
        await opened.receive(10)
        await opened.send_str("close")
        assert (await opened.receive(10)).data == code


@pytest.mark.parametrize(("quirks", "code"), [({"close-1000"}, 1000), (set[str](), 1006)])
async def test_an_abort_of_upstream_becomes_1000_too(stand: StartFront, quirks: set[str], code: int) -> None:
    front = await stand(*quirks)
    async with socket_to(front) as opened:
        await opened.receive(10)
        front.lose_upstream()
        await opened.receive(10)
        assert opened.close_code == code


@pytest.mark.parametrize("said", ["large", "z" * 100_000])
async def test_a_large_frame_either_way_kills_the_connection(stand: StartFront, said: str) -> None:
    async with socket_to(await stand("frame-size", "close-1000")) as opened:
        await opened.receive(10)
        await opened.send_str(said)
        await opened.receive(10)
        assert (opened.closed, opened.close_code) == (True, 1006)
    async with socket_to(await stand()) as opened:
        await opened.receive(10)
        await opened.send_str(said)
        assert len((await opened.receive(10)).data) >= 100_000


# --- the simulator behind it ------------------------------------------------------------------------------------------


async def test_a_quirk_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"expected quirks among tls-1.2, .* found 'chunky'"):
        Simulator(quirks={"chunked", "chunky"})


async def test_quirks_are_chosen_by_name_and_the_certificate_with_them(tmp_path: Path) -> None:
    async with Simulator(quirks="all", directory=tmp_path) as gateway:
        assert gateway.front.front.quirks == ALL_QUIRKS
        assert gateway.base_url == f"https://localhost:{gateway.front.port}/v1/api"
        assert gateway.fingerprint == stock_certificate_in(tmp_path).fingerprint
    async with Simulator(quirks={"chunked"}, directory=tmp_path) as gateway:
        assert gateway.front.front.quirks == {Quirk.CHUNKED}
        assert gateway.fingerprint == certificate_in(tmp_path, name="Client Portal Web API").fingerprint
    async with Simulator(plain_http=True) as gateway:
        with pytest.raises(RuntimeError, match="quirks="):
            _ = gateway.front


def test_the_simulators_page_names_every_quirk() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "simulator.md").read_text("utf-8")
    assert re.findall(
        r"^\| `([a-z0-9.-]+)` \|", page.partition("own manners")[2].partition("starts_after")[0], re.M
    ) == list(Quirk)
