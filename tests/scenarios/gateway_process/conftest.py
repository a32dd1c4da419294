"""A folder like the one IBKR's download unpacks to, whose gateway is a small Python program; Java is a shell script.

Whatever a test starts is ended after it, whatever became of the test.
"""

import asyncio
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent
IBKR_CONFIGURATION = """\
    ip2loc: "US"
    proxyRemoteSsl: true
    proxyRemoteHost: "https://api.ibkr.com"
    listenPort: 5000
    listenSsl: true
    ccp: false
    svcEnvironment: "v1"
    sslCert: "vertx.jks"
    sslPwd: "mywebapi"
    authDelay: 3000
    portalBaseURL: ""
    serverOptions:
        blockedThreadCheckInterval: 1000000
        eventLoopPoolSize: 20
    webApps:
    - name: "demo"
      index: "index.html"
    # who may call
    cors:
        origin.allowed: "*"
        allowCredentials: false
    ips:
        allow:
        - 192.*
        - 127.0.0.1
        deny:
        - 212.90.324.10
"""


class FakeGateway:
    """A folder with a gateway, and the knobs of that gateway."""

    def __init__(self, path: Path, port: int, programs: Path) -> None:
        self.path = path
        self.port = port
        self.programs = programs
        """The only folder on the PATH."""

    def behaves(self, behaviour: str) -> None:
        (self.path / "behaviour").write_text(behaviour)

    def sign_in(self, signed_in: bool = True) -> None:
        (self.path / "signed_in").touch() if signed_in else (self.path / "signed_in").unlink()

    def pids(self) -> list[int]:
        """The programs that it was, in the order of starting."""
        file = self.path / "pids"
        return [int(line) for line in file.read_text().split()] if file.exists() else []

    def java_says(self, text: str) -> None:
        self.add_program("java", f"#!/bin/sh\ncat >&2 <<'END'\n{text}\nEND\n")

    def add_program(self, name: str, text: str) -> Path:
        path = self.programs / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o755)
        return path

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that another process does; the test's own time limit ends it."""
        while not condition():  # noqa: ASYNC110 - no event tells of another process
            await asyncio.sleep(0.02)

    def runs(self) -> bool:
        """Whether any of its programs does."""
        return any(is_alive(pid) for pid in self.pids())


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not collected does not."""
    status = Path(f"/proc/{pid}/stat")
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.fixture(scope="session")
def stock_pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate that says of itself what the one that IBKR ships says."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Client Portal Web API")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime(2019, 2, 10, tzinfo=UTC))
        .not_valid_after(datetime(2019, 5, 11, tzinfo=UTC))
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("stock") / "stock.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture
def gateway(tmp_path: Path, stock_pem: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGateway]:
    """A gateway that answers and is not signed in, with Java 17 and without keytool."""
    if sys.platform == "win32":
        pytest.skip("the gateway is started for nobody on Windows")
    folder, programs = tmp_path / "clientportal.gw", tmp_path / "programs"
    for part in (folder / "bin", folder / "root", folder / "dist", programs):
        part.mkdir(parents=True)
    (folder / "bin" / "run.sh").write_text(f'#!/bin/bash\n"{sys.executable}" "{HERE / "fake_gateway.py"}" "$1"\n')
    (folder / "root" / "conf.yaml").write_text(IBKR_CONFIGURATION)
    (folder / "dist" / "gateway.jar").touch()
    for name in ("bash", "cat"):
        (programs / name).symlink_to(shutil.which(name) or "")
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("FAKE_STOCK_PEM", str(stock_pem))
    for name in ("JAVA_HOME", "DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        fake = FakeGateway(folder, free.getsockname()[1], programs)
    fake.behaves("answers")
    fake.java_says('openjdk version "17.0.15" 2025-04-15')
    yield fake
    for pid in fake.pids():
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)
