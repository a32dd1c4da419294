"""A certificate of the gateway's own, made with the keytool of its Java.

The one that IBKR ships can't be verified and has a public private key. This one names localhost and 127.0.0.1, verifies
in the ordinary way when it is given as `certificate=`, and its key leaves this folder never.
"""

import asyncio
import os
import secrets
import stat
from datetime import timedelta
from pathlib import Path
from typing import Final

import msgspec

from exchanges.ibkr.gateway_process.directory import GatewayDirectory
from horizon.clock import Clock, to_datetime
from horizon.errors import ConfigurationError
from horizon.net.redaction import extract

_ALIAS: Final = "horizon"
_VALID_DAYS: Final = 825
_RENEW_BEFORE: Final = timedelta(days=30)
_SECONDS: Final = 60.0
_VARIABLE: Final = "HORIZON_KEYSTORE_PASSWORD"


class OwnCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A keystore in the gateway's folder, its password, and the certificate in it as PEM."""

    keystore: Path
    pem: Path
    fingerprint: str
    """SHA-256, as `AB:CD:...`."""
    password: str

    def __repr__(self) -> str:
        return f"OwnCertificate({self.pem}, {self.fingerprint})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("pem", str(self.pem)), ("fingerprint", self.fingerprint)]


async def own_certificate(directory: GatewayDirectory, keytool: Path, clock: Clock) -> OwnCertificate:
    """The certificate kept in the gateway's folder, made anew when there is none or it runs out within 30 days.

    Raises ConfigurationError when keytool fails.
    """
    found = _kept(directory.root, clock)
    return found if found is not None else await _make(directory.root, keytool, clock)


def _files(root: Path) -> tuple[Path, Path, Path]:
    return root / "horizon.jks", root / "horizon.pem", root / "horizon.password"


def _kept(root: Path, clock: Clock) -> OwnCertificate | None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    keystore, pem, password = _files(root)
    try:
        certificate = x509.load_pem_x509_certificate(pem.read_bytes())
        secret = password.read_text("ascii").strip()
        modes = [stat.S_IMODE(each.stat().st_mode) for each in (keystore, password)]
    except (FileNotFoundError, ValueError):
        return None
    readable_by_others = any(mode & 0o077 for mode in modes)
    runs_out = to_datetime(clock.now()) >= certificate.not_valid_after_utc - _RENEW_BEFORE
    if not secret or readable_by_others or runs_out:
        return None
    fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    return OwnCertificate(keystore=keystore, pem=pem, fingerprint=fingerprint, password=secret)


async def _make(root: Path, keytool: Path, clock: Clock) -> OwnCertificate:
    keystore, pem, password = _files(root)
    secret = secrets.token_urlsafe(24)
    store = ("-keystore", str(keystore), "-alias", _ALIAS, "-storepass:env", _VARIABLE)
    try:
        for old in (keystore, pem, password):
            old.unlink(missing_ok=True)
        with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secret + "\n")
        await _run(
            keytool, secret, clock, "-genkeypair", *store, "-keypass:env", _VARIABLE, "-storetype", "JKS",
            "-keyalg", "RSA", "-keysize", "2048", "-validity", str(_VALID_DAYS), "-dname", "CN=localhost",
            "-ext", "SAN=dns:localhost,ip:127.0.0.1",
        )  # fmt: skip
        keystore.chmod(0o600)
        pem.write_bytes(await _run(keytool, secret, clock, "-exportcert", "-rfc", *store))
    except OSError as error:
        raise ConfigurationError(
            f"expected to write the gateway's certificate to {root}: {error.strerror}; make the folder yours "
            f"(`chown -R $USER`)"
        ) from error
    made = _kept(root, clock)
    if made is None:
        raise ConfigurationError(
            f"expected {keytool} to make a certificate in {root}, found none that is valid: check this machine's clock"
        )
    return made


async def _run(keytool: Path, secret: str, clock: Clock, *arguments: str) -> bytes:
    """What keytool writes. The password travels in the environment of that one process."""
    async with clock.in_flight():
        process = await asyncio.create_subprocess_exec(
            str(keytool),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {_VARIABLE: secret},
        )
    try:
        async with clock.deadline(_SECONDS), clock.in_flight():
            output, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ConfigurationError(f"{keytool} made no certificate in {_SECONDS:.0f} s: try again") from None
    if process.returncode:
        said = extract((errors or output).replace(secret.encode(), b"[redacted]"))
        raise ConfigurationError(
            f"{keytool} made no certificate ({said}): correct that, or start with --stock-certificate"
        )
    return output
