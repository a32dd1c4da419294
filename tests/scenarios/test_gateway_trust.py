"""Whom to trust at a gateway's address, against real TLS servers on this machine."""

import asyncio
import datetime
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from exchanges.ibkr.auth import gateway_trust as trusting
from exchanges.ibkr.auth.gateway_trust import gateway_trust, shown_certificate, trust_shown
from exchanges.ibkr.auth.stock_certificate import FINGERPRINT_START, doubt, is_stock
from horizon.cli.output import print_line
from horizon.clock import SystemClock
from horizon.errors import ConfigurationError
from horizon.net import tls
from horizon.net.http import HttpClient
from horizon.net.known_gateways import known_fingerprint, normalized, remember
from horizon.net.tls import CertificateFile, KnownServer, PinnedCertificate, TrustOnFirstUse, fingerprint

HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
ELSEWHERE = "gateway.example"


def make_certificate(folder: Path, name: str, last_day: datetime.date, *names: str) -> Path:
    """A self-signed certificate with its key as PEM, valid until the end of a day."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    end = datetime.datetime.combine(last_day, datetime.time(12), datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2019, 2, 10, tzinfo=datetime.UTC))
        .not_valid_after(end)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(alternatives, critical=False)
    path = folder / f"{name.replace(' ', '-')}-{last_day}.pem"
    path.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def der(pem: Path) -> bytes:
    return x509.load_pem_x509_certificate(pem.read_bytes()).public_bytes(serialization.Encoding.DER)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that says of itself what the shipped one says."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "Client Portal Web API", datetime.date(2019, 5, 11))


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    return make_certificate(folder, "own", datetime.date(2100, 1, 1), "localhost", ELSEWHERE)


Serve = Callable[[Path], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a TLS server with a certificate and gives its port; every request is answered with `[]`."""
    servers: list[asyncio.Server] = []
    open_ones: dict[asyncio.StreamWriter, asyncio.Task[object] | None] = {}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones[writer] = asyncio.current_task()
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return
        finally:
            writer.transport.abort()

    async def serving(pem: Path) -> int:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield serving
    for server in servers:
        server.close()
    for writer in open_ones:
        writer.transport.abort()
    await asyncio.gather(*(task for task in open_ones.values() if task is not None))
    for server in servers:
        await server.wait_closed()


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> str:
    """`localhost`, taken for another host: no name of another machine is looked up in a test."""
    monkeypatch.setattr(tls, "is_loopback", lambda host: False)
    monkeypatch.setattr(trusting, "is_loopback", lambda host: False)
    return "localhost"


async def ask(url: str, *, known: Path, certificate: str | Path | None = None, accept: bool = False) -> bytes:
    trust = gateway_trust(url, certificate, accept_stock_certificate=accept, known_gateways=str(known))
    client = HttpClient(url, clock=SystemClock(), trust=trust)
    try:
        return (await client.request("GET", "/")).content
    finally:
        await client.close()


def test_the_stock_certificate_is_known_by_its_fingerprint_and_by_what_it_says(
    stock: Path, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert is_stock(der(stock))
    assert not is_stock(der(own))
    later = make_certificate(tmp_path, "Client Portal Web API", datetime.date(2030, 5, 11))
    named = make_certificate(tmp_path, "Client Portal Web API", datetime.date(2019, 5, 11), "gw.lan")
    assert not is_stock(der(later))
    assert not is_stock(der(named))
    assert doubt(der(own)) == ""
    monkeypatch.setattr(
        "exchanges.ibkr.auth.stock_certificate.fingerprint", lambda certificate: f"{FINGERPRINT_START}:00:11"
    )
    assert is_stock(b"anything")


async def test_on_this_machine_the_stock_certificate_is_trusted_on_first_use(
    serve: Serve, stock: Path, tmp_path: Path
) -> None:
    port = await serve(stock)
    assert await ask(f"https://localhost:{port}", known=tmp_path / "known") == b"[]"
    assert known_fingerprint("localhost", port, tmp_path / "known") == normalized(fingerprint(der(stock)))


async def test_on_another_host_the_stock_certificate_is_refused_pinned_or_not(
    serve: Serve, stock: Path, tmp_path: Path, elsewhere: str
) -> None:
    url = f"https://{elsewhere}:{await serve(stock)}"
    for certificate in (None, fingerprint(der(stock))):
        with pytest.raises(ConfigurationError, match="private key is public") as error:
            await ask(url, known=tmp_path / "known", certificate=certificate)
        assert "nothing was sent" in str(error.value)
        assert "accept_stock_certificate=True" in str(error.value)
    assert not (tmp_path / "known").exists()


async def test_on_another_host_the_stock_certificate_is_taken_and_pinned_when_the_user_says_so(
    serve: Serve, stock: Path, own: Path, tmp_path: Path, elsewhere: str
) -> None:
    known = tmp_path / "known"
    port = await serve(stock)
    url = f"https://{elsewhere}:{port}"
    assert await ask(url, known=known, accept=True) == b"[]"
    assert await ask(url, known=known) == b"[]"  # the pin says that the user said so
    assert await ask(url, known=tmp_path / "other", certificate=fingerprint(der(stock)), accept=True) == b"[]"
    remember(elsewhere, port, fingerprint(der(own)), known)
    with pytest.raises(ConfigurationError) as error:
        await ask(url, known=known, accept=True)
    assert fingerprint(der(own)) in str(error.value)
    assert fingerprint(der(stock)) in str(error.value)


async def test_on_another_host_a_certificate_nobody_pinned_must_verify(
    serve: Serve, own: Path, tmp_path: Path, elsewhere: str
) -> None:
    known = tmp_path / "known"
    port = await serve(own)
    url = f"https://{elsewhere}:{port}"
    for accept in (False, True):
        with pytest.raises(ConfigurationError, match="expected a certificate that verifies"):
            await ask(url, known=known, accept=accept)
    assert not known.exists()
    assert await ask(url, known=known, certificate=own) == b"[]"
    remember(elsewhere, port, fingerprint(der(own)), known)
    assert await ask(url, known=known) == b"[]"


def test_which_trust_an_address_gets(own: Path) -> None:
    assert gateway_trust("https://localhost:5000/v1/api") == TrustOnFirstUse()
    assert gateway_trust("https://api.ibkr.com/v1/api") is None
    assert gateway_trust("https://gw.lan:5000", accept_stock_certificate=True) == KnownServer(None, doubt, True)
    assert gateway_trust("https://gw.lan:5000", own) == CertificateFile(str(own))
    assert gateway_trust("https://gw.lan:5000", "ab" * 32) == PinnedCertificate("ab" * 32, doubt)
    with pytest.raises(ConfigurationError, match="found nothing at nowhere"):
        gateway_trust("https://gw.lan:5000", "nowhere.pem")


@pytest.mark.parametrize("url", ["http://gw.lan:5000", "http://192.0.2.7:5000/v1/api"])
async def test_plain_http_to_another_host_is_one_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected https:// for a gateway on another host"):
        gateway_trust(url)
    with pytest.raises(ConfigurationError, match="expected https:// for a gateway on another host"):
        await shown_certificate(url, SystemClock())


async def test_plain_http_on_this_machine_has_nothing_to_trust() -> None:
    assert gateway_trust("http://localhost:5000") == TrustOnFirstUse()
    with pytest.raises(ConfigurationError, match="without TLS there is nothing to trust"):
        await shown_certificate("http://localhost:5000", SystemClock())


@pytest.mark.parametrize("url", ["", "localhost:5000", "https://", "https://localhost:99999", "ftp://localhost"])
def test_what_is_no_address_is_one_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match="expected an address such as"):
        gateway_trust(url)


async def test_a_changed_certificate_is_shown_with_the_old_one_and_replaced_in_place(
    serve: Serve, stock: Path, own: Path, tmp_path: Path
) -> None:
    known = tmp_path / "known"
    port = await serve(own)
    known.write_text(f"# mine\nlocalhost:{port} {fingerprint(der(stock))}\nother:1 {'ab' * 32}\n")
    shown = await shown_certificate(f"https://localhost:{port}", SystemClock(), known)
    assert shown.is_changed
    assert shown.pinned == fingerprint(der(stock))
    assert shown.facts.fingerprint == fingerprint(der(own))
    assert not shown.verifies
    trust_shown(shown, known_gateways=known)
    assert known.read_text() == f"# mine\nother:1 {'ab' * 32}\nlocalhost:{port} {fingerprint(der(own))}\n"
    again = await shown_certificate(f"https://localhost:{port}", SystemClock(), known)
    assert again.is_pinned


async def test_a_stock_certificate_elsewhere_is_pinned_only_with_the_users_word(
    serve: Serve, stock: Path, tmp_path: Path, elsewhere: str
) -> None:
    known = tmp_path / "known"
    shown = await shown_certificate(f"https://{elsewhere}:{await serve(stock)}", SystemClock(), known)
    assert shown.is_stock
    with pytest.raises(ConfigurationError, match="--accept-stock-certificate"):
        trust_shown(shown, known_gateways=known)
    assert not known.exists()
    trust_shown(shown, accept_stock_certificate=True, known_gateways=known)
    assert known.exists()


async def trust_command(home: Path, url: str, *arguments: str, answer: str = "") -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        *HORIZON,
        "ibkr",
        "trust",
        url,
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"XDG_CONFIG_HOME": str(home), "APPDATA": str(home)},
    )
    out, err = await process.communicate(answer.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def test_the_command_shows_asks_writes_and_asks_again_when_it_changed(
    serve: Serve, stock: Path, own: Path, tmp_path: Path
) -> None:
    port = await serve(stock)
    url = f"https://localhost:{port}"
    known = tmp_path / "horizon" / "known_gateways"

    code, out, _ = await trust_command(tmp_path, url, answer="n\n")
    assert code == 1
    assert fingerprint(der(stock)) in out
    assert "2019-05-11" in out
    assert "its private key is public" in out
    assert not known.exists()

    code, out, _ = await trust_command(tmp_path, url, answer="y\n")
    assert code == 0
    assert known.read_text() == f"localhost:{port} {fingerprint(der(stock))}\n"

    known.write_text(f"localhost:{port} {fingerprint(der(own))}\n")
    code, out, _ = await trust_command(tmp_path, url, "--yes")
    assert code == 0
    assert f"until now    {fingerprint(der(own))}" in out
    assert known.read_text() == f"localhost:{port} {fingerprint(der(stock))}\n"

    code, out, _ = await trust_command(tmp_path, url)
    assert code == 0
    assert "trusted already" in out


def test_a_fingerprint_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_line("fingerprint  A9:AB:F7:ID:01")  # AB and ID are names of emoji
    assert capsys.readouterr().out == "fingerprint  A9:AB:F7:ID:01\n"


async def test_the_command_tells_a_silent_address_in_one_sentence(tmp_path: Path) -> None:
    code, _, err = await trust_command(tmp_path, "https://localhost:1")
    assert code == 2
    assert "no gateway answers at https://localhost:1" in err
    assert "Traceback" not in err
