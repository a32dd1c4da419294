"""The client against a real TLS server on this machine that behaves as badly as a gateway can."""

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exchanges.ibkr.client import Client
from exchanges.ibkr.wire.orders import PlaceRow
from exchanges.ibkr.wire.portfolio import PositionRow
from exchanges.ibkr.wire.session import Message
from horizon.clock import Clock, SystemClock
from horizon.errors import (
    ConfigurationError,
    NeedsLogin,
    OutcomeUnknown,
    RateLimited,
    Refused,
    VenueUnavailable,
    WireError,
)
from horizon.net.rates import RateLimiter
from horizon.net.tls import (
    CertificateFile,
    PinnedCertificate,
    SystemTrust,
    Trust,
    TrustOnFirstUse,
    fetch_fingerprint,
    fingerprint,
    trusted_context,
)
from horizon.simulation.scripted_clock import ScriptedClock

Writer = asyncio.StreamWriter
Answering = Callable[[str, Writer], Awaitable[None]]
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime.now(datetime.UTC)


class Identity(msgspec.Struct, frozen=True):
    """A certificate with its key, as a server presents it."""

    pem: Path
    sha256: str


def make_identity(folder: Path, name: str, *, days: int, localhost: bool) -> Identity:
    """A self-signed certificate; like the gateway's own one, without a host name and expired, if wanted."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 2000 * DAY)
        .not_valid_after(NOW + days * DAY)
    )
    if localhost:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    path = folder / f"{name.replace(' ', '-')}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return Identity(path, fingerprint(certificate.public_bytes(serialization.Encoding.DER)))


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """As the gateway ships it: expired, no host name, no basic constraints."""
    return make_identity(tmp_path_factory.mktemp("tls"), "Client Portal Web API", days=-1000, localhost=False)


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    """As a careful person makes one: valid, for localhost."""
    return make_identity(tmp_path_factory.mktemp("tls"), "own", days=100, localhost=True)


class Gateway:
    """A server of raw answers. Like the real one it speaks TLS 1.2 only."""

    def __init__(self, answering: Answering) -> None:
        self.answering = answering
        self.requests: list[str] = []
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[Writer] = set()
        self.port = 0

    async def start(self, identity: Identity | None, port: int = 0) -> None:
        context = None
        if identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(identity.pem)
            context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: Writer) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                text = head.decode()
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in text.split("\r\n")
                        if line.lower().startswith("content-length")
                    ),
                    0,
                )
                await reader.readexactly(length)
                self.requests.append(text)
                await self.answering(text, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


def answer(content: bytes, status: str = "200 OK", *headers: str) -> Answering:
    """As the gateway does it: chunked, never with a length."""

    async def answering(request: str, writer: Writer) -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", "Transfer-Encoding: chunked", *headers]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
        if content:
            writer.write(f"{len(content):x}\r\n".encode() + content + b"\r\n")
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    return answering


ROWS = b'[{"conid":756733,"position":3.0}]'
Start = Callable[..., Awaitable[Gateway]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    started: list[Gateway] = []

    async def starting(answering: Answering, identity: Identity | None, port: int = 0) -> Gateway:
        gateway = Gateway(answering)
        await gateway.start(identity, port)
        started.append(gateway)
        return gateway

    yield starting
    for gateway in started:
        await gateway.stop()


Connect = Callable[..., Client]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    made: list[Client] = []

    def connecting(
        port: int, trust: Trust | None = None, *, clock: Clock | None = None, scheme: str = "https"
    ) -> Client:
        chosen = clock or SystemClock()
        made.append(Client(f"{scheme}://localhost:{port}", clock=chosen, trust=trust, limiter=RateLimiter((), chosen)))
        return made[-1]

    yield connecting
    for client in made:
        await client.close()


async def read(client: Client) -> list[PositionRow]:
    return await client.get("/portfolio/DU1/positions/0", list[PositionRow])


async def place(client: Client) -> list[PlaceRow]:
    return await client.post(
        "/iserver/account/DU1/orders", list[PlaceRow], body={"orders": []}, changes=True, client_order_id="mine-1"
    )


# --- whom to trust ------------------------------------------------------------------------------------------------


async def test_the_stock_certificate_works_when_it_is_pinned(start: Start, connect: Connect, stock: Identity) -> None:
    gateway = await start(answer(ROWS), stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    assert (await read(client))[0].position == 3.0
    assert await fetch_fingerprint("localhost", gateway.port, SystemClock()) == stock.sha256


async def test_a_pin_may_be_written_in_any_usual_way(start: Start, connect: Connect, stock: Identity) -> None:
    gateway = await start(answer(ROWS), stock)
    written = f"sha256:{stock.sha256.replace(':', '').lower()}"
    assert await read(connect(gateway.port, PinnedCertificate(written)))


async def test_another_certificate_than_the_pinned_one_gets_no_request(
    start: Start, connect: Connect, stock: Identity, own: Identity
) -> None:
    gateway = await start(answer(ROWS), own)
    with pytest.raises(ConfigurationError, match="nothing was sent") as error:
        await place(connect(gateway.port, PinnedCertificate(stock.sha256)))
    assert stock.sha256 in str(error.value)
    assert own.sha256 in str(error.value)
    assert gateway.requests == []


async def test_a_certificate_that_changes_later_gets_no_request(
    start: Start, connect: Connect, stock: Identity, own: Identity
) -> None:
    first = await start(answer(ROWS), stock)
    client = connect(first.port, PinnedCertificate(stock.sha256))
    await read(client)
    await first.stop()
    second = await start(answer(ROWS), own, first.port)
    with pytest.raises(ConfigurationError) as error:
        await place(client)
    assert own.sha256 in str(error.value)
    assert second.requests == []


async def test_the_handshake_itself_refuses_a_certificate_that_is_not_the_pinned_one(
    start: Start, stock: Identity, own: Identity
) -> None:
    first = await start(answer(ROWS), stock)
    context = await trusted_context(PinnedCertificate(stock.sha256), "localhost", first.port, SystemClock())
    second = await start(answer(ROWS), own)
    assert context.verify_mode is ssl.CERT_REQUIRED
    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.open_connection("localhost", second.port, ssl=context)
    assert second.requests == []


async def test_the_first_certificate_on_this_machine_is_remembered_and_a_changed_one_refused(
    start: Start, connect: Connect, stock: Identity, own: Identity, tmp_path: Path
) -> None:
    known = tmp_path / "folder" / "known_gateways"
    trust = TrustOnFirstUse(str(known))
    first = await start(answer(ROWS), stock)
    assert await read(connect(first.port, trust))
    assert known.read_text() == f"localhost:{first.port} {stock.sha256}\n"
    assert await read(connect(first.port, trust))
    assert known.read_text().count("\n") == 1
    await first.stop()
    second = await start(answer(ROWS), own, first.port)
    with pytest.raises(ConfigurationError, match=f"remove the line localhost:{first.port} from") as error:
        await read(connect(first.port, trust))
    assert stock.sha256 in str(error.value)
    assert own.sha256 in str(error.value)
    assert second.requests == []


async def test_without_a_word_a_gateway_on_this_machine_is_trusted_on_first_use(
    start: Start, connect: Connect, stock: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", str(tmp_path))
    gateway = await start(answer(ROWS), stock)
    assert await read(connect(gateway.port))
    assert stock.sha256 in (tmp_path / "horizon" / "known_gateways").read_text()


async def test_a_damaged_file_of_known_gateways_is_told_with_its_line(
    start: Start, connect: Connect, stock: Identity, tmp_path: Path
) -> None:
    known = tmp_path / "known_gateways"
    known.write_text("# gateways\nlocalhost:5000\n")
    gateway = await start(answer(ROWS), stock)
    with pytest.raises(ConfigurationError, match="line 2"):
        await read(connect(gateway.port, TrustOnFirstUse(str(known))))


async def test_first_use_is_for_this_machine_only() -> None:
    with pytest.raises(ConfigurationError, match="only on this machine"):
        await trusted_context(TrustOnFirstUse(), "gateway.example", 5000, SystemClock())


async def test_an_own_certificate_file_verifies_in_the_ordinary_way(
    start: Start, connect: Connect, own: Identity
) -> None:
    gateway = await start(answer(ROWS), own)
    assert await read(connect(gateway.port, CertificateFile(str(own.pem))))


@pytest.mark.parametrize("trust", ["file", "system"])
async def test_a_certificate_that_does_not_verify_is_named_and_gets_no_request(
    start: Start, connect: Connect, stock: Identity, own: Identity, trust: str
) -> None:
    gateway = await start(answer(ROWS), stock)
    chosen = CertificateFile(str(own.pem)) if trust == "file" else SystemTrust()
    with pytest.raises(ConfigurationError, match="nothing was sent") as error:
        await place(connect(gateway.port, chosen))
    assert stock.sha256 in str(error.value)
    assert gateway.requests == []


async def test_a_certificate_file_for_another_host_is_refused(
    start: Start, connect: Connect, own: Identity, tmp_path: Path
) -> None:
    gateway = await start(answer(ROWS), own)
    client = Client(f"https://127.0.0.1:{gateway.port}", clock=SystemClock(), trust=CertificateFile(str(own.pem)))
    with pytest.raises(ConfigurationError):
        await read(client)
    await client.close()
    assert gateway.requests == []


async def test_a_certificate_file_that_is_none_is_told() -> None:
    with pytest.raises(ConfigurationError, match="correct the path"):
        await trusted_context(CertificateFile("/nowhere/gateway.pem"), "localhost", 1, SystemClock())


@pytest.mark.parametrize("pin", ["", "13:DA", "zz" * 32])
def test_a_pin_that_is_no_fingerprint_is_refused(pin: str) -> None:
    with pytest.raises(ConfigurationError, match="64 hex digits"):
        PinnedCertificate(pin)


async def test_a_server_without_tls_is_told(connect: Connect) -> None:
    async def plain(reader: asyncio.StreamReader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(plain, "127.0.0.1", 0)
    async with server:
        with pytest.raises(VenueUnavailable, match="use http://"):
            await read(connect(server.sockets[0].getsockname()[1], PinnedCertificate("ab" * 32)))


async def test_a_gateway_without_tls_is_asked_over_http(start: Start, connect: Connect) -> None:
    gateway = await start(answer(ROWS), None)
    assert await read(connect(gateway.port, scheme="http"))


# --- what it answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answering", "error"),
    [
        pytest.param(answer(b"<html><body>Login</body></html>"), WireError, id="HTML"),
        pytest.param(answer(b""), WireError, id="nothing"),
        pytest.param(answer(ROWS[:-8]), WireError, id="truncated JSON"),
        pytest.param(answer(b'{"error":"No trading permissions."}'), Refused, id="200 with an error"),
        pytest.param(answer(b'{"error":"not authenticated","statusCode":401}', "401 X"), NeedsLogin, id="401"),
        pytest.param(answer(b"", "302 X", "Location: /sso/Login?forwardTo=22"), NeedsLogin, id="login page"),
        pytest.param(answer(b"slow down", "429 X"), RateLimited, id="429"),
        pytest.param(answer(b'{"error":"unknown"}', "500 X"), VenueUnavailable, id="500"),
        pytest.param(answer(b"", "503 X"), VenueUnavailable, id="503"),
    ],
)
async def test_a_bad_answer_is_a_true_error(
    start: Start, connect: Connect, stock: Identity, answering: Answering, error: type[Exception]
) -> None:
    gateway = await start(answering, stock)
    with pytest.raises(error):
        await read(connect(gateway.port, PinnedCertificate(stock.sha256)))
    assert len(gateway.requests) == 1


async def test_nobody_at_the_port_changes_nothing(start: Start, connect: Connect, stock: Identity) -> None:
    gateway = await start(answer(ROWS), stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    await client.open()
    await gateway.stop()
    with pytest.raises(VenueUnavailable, match="no gateway answers at https://localhost"):
        await place(client)
    with pytest.raises(VenueUnavailable, match="no gateway answers"):
        await read(connect(gateway.port, PinnedCertificate(stock.sha256)))


@pytest.mark.parametrize(("call", "error"), [(read, VenueUnavailable), (place, OutcomeUnknown)])
async def test_silence_for_thirty_seconds_ends_the_call(
    start: Start,
    connect: Connect,
    stock: Identity,
    call: Callable[[Client], Awaitable[object]],
    error: type[Exception],
) -> None:
    clock, over = ScriptedClock(1_700_000_000_000_000_000), asyncio.Event()

    async def silent(request: str, writer: Writer) -> None:
        async with clock.parked():
            await over.wait()

    gateway = await start(silent, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256), clock=clock)
    async with clock.running():
        with pytest.raises(error, match="no answer in 30 s"):
            await call(client)
    assert clock.monotonic() == pytest.approx(30)
    assert len(gateway.requests) == 1
    over.set()


async def reset(request: str, writer: Writer) -> None:
    writer.transport.abort()


async def cut(request: str, writer: Writer) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + ROWS[:10])
    await writer.drain()
    writer.transport.close()


async def not_http(request: str, writer: Writer) -> None:
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


@pytest.mark.parametrize("answering", [reset, cut, not_http])
async def test_a_connection_that_breaks_after_the_request_leaves_the_outcome_open(
    start: Start, connect: Connect, stock: Identity, answering: Answering
) -> None:
    gateway = await start(answering, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    with pytest.raises(VenueUnavailable):
        await read(client)
    with pytest.raises(OutcomeUnknown) as error:
        await place(client)
    assert error.value.client_order_id == "mine-1"
    assert len(gateway.requests) == 2


async def test_a_cancel_on_a_kept_connection_that_breaks_is_sent_once(
    start: Start, connect: Connect, stock: Identity
) -> None:
    async def breaks_on_delete(request: str, writer: Writer) -> None:
        await (reset if request.startswith("DELETE") else answer(ROWS))(request, writer)

    gateway = await start(breaks_on_delete, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    await read(client)
    with pytest.raises(OutcomeUnknown):
        await client.delete("/iserver/account/DU1/order/1", Message, client_order_id="mine-1")
    assert [request.split(" ", 1)[0] for request in gateway.requests] == ["GET", "DELETE"]
    assert gateway.connections == 2  # one of them only looked at the certificate


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_stray_chunk_after_204_does_not_spoil_the_next_call(
    start: Start, connect: Connect, stock: Identity, at_once: bool
) -> None:
    """Measured on the gateway: a 204 comes with a chunked header and a `0` chunk that should not be there."""

    async def stray(request: str, writer: Writer) -> None:
        if len(gateway.requests) > 1:
            return await answer(ROWS)(request, writer)
        writer.write(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n")
        if not at_once:
            await writer.drain()
            await asyncio.sleep(0.01)
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    gateway = await start(stray, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    with pytest.raises(WireError, match=r"nothing \(status 204\)"):
        await read(client)
    assert await read(client)


# --- how it asks --------------------------------------------------------------------------------------------------


async def test_calls_share_a_connection_send_no_cookies_and_ask_no_proxy(
    start: Start, connect: Connect, stock: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    gateway = await start(answer(ROWS, "200 OK", "Set-Cookie: x-sess-uuid=0.abc; secure; HttpOnly"), stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    for _ in range(5):
        await read(client)
    assert gateway.connections == 2
    for request in gateway.requests:
        assert "\r\nuser-agent: horizon-trading\r\n" in request.lower()
        assert "cookie" not in request.lower()


async def test_ten_calls_go_at_once(start: Start, connect: Connect, stock: Identity) -> None:
    together = asyncio.Barrier(10)

    async def all_there(request: str, writer: Writer) -> None:
        await together.wait()
        await answer(ROWS)(request, writer)

    gateway = await start(all_there, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    async with asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(read(client))
    assert len(gateway.requests) == 10


async def test_a_call_that_is_given_up_does_not_spoil_its_connection(
    start: Start, connect: Connect, stock: Identity
) -> None:
    arrived = asyncio.Event()

    async def late(request: str, writer: Writer) -> None:
        if len(gateway.requests) == 1:
            arrived.set()
            return
        await answer(ROWS)(request, writer)

    gateway = await start(late, stock)
    client = connect(gateway.port, PinnedCertificate(stock.sha256))
    waiting = asyncio.create_task(read(client))
    await arrived.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await read(client)
