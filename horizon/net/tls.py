"""Whom to trust at the other end of a TLS connection. Verification is never off.

    SystemTrust()                     the machine's certificate authorities, host name checked
    CertificateFile("gateway.pem")    that certificate or authority only, host name checked
    PinnedCertificate("13:DA:...")    the certificate with that SHA-256 fingerprint and no other
    TrustOnFirstUse()                 loopback only: the first certificate seen is written down and pinned from then on

A pin replaces host name and expiry: the certificate that Interactive Brokers ships with its gateway expired in 2019
and names no host. It also proves little, because its private key is in every copy of the gateway: good enough on this
machine, not across a network.

How a pin is enforced: the server's certificate is fetched over a connection on which nothing is ever sent, its
fingerprint is compared with the pin, and it becomes the only certificate authority of the context that requests use.
There OpenSSL verifies that the server holds its private key, and the fingerprint is compared once more when the
handshake ends, before a byte of a request can leave.
"""

import asyncio
import hashlib
import ipaddress
import os
import ssl
from pathlib import Path

import msgspec

from horizon.clock import Clock
from horizon.directories import configuration_directory
from horizon.errors import ConfigurationError, VenueUnavailable

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1.0 and later, which the ssl module does not name.
_NO_CHECK_TIME = 0x200000
_HANDSHAKE_SECONDS = 10.0


class SystemTrust(msgspec.Struct, frozen=True):
    """The machine's certificate authorities."""


class CertificateFile(msgspec.Struct, frozen=True):
    """A PEM file with the server's own certificate or with the authority that signed it."""

    path: str


class PinnedCertificate(msgspec.Struct, frozen=True):
    """The SHA-256 fingerprint of the server's certificate, as hex digits with or without colons."""

    sha256: str

    def __post_init__(self) -> None:
        digits = normalized(self.sha256)
        if len(digits) != 64 or any(digit not in "0123456789abcdef" for digit in digits):
            raise ConfigurationError(
                f"expected a SHA-256 fingerprint of 64 hex digits, found {self.sha256!r}: "
                "print it with `openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE`"
            )


class TrustOnFirstUse(msgspec.Struct, frozen=True):
    """Pin what a gateway on this machine shows first. `known_gateways` is a file of `host:port fingerprint` lines;
    by default one in the user's configuration directory."""

    known_gateways: str | None = None


Trust = SystemTrust | CertificateFile | PinnedCertificate | TrustOnFirstUse


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate as upper-case hex pairs with colons, as openssl prints it."""
    digest = hashlib.sha256(certificate).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


def normalized(sha256: str) -> str:
    """A fingerprint as 64 lower-case hex digits, however it was written."""
    return sha256.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by name or number."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def fetch_certificate(host: str, port: int, clock: Clock) -> bytes:
    """The certificate that a server shows, as DER. Nothing is sent over this connection, so nothing is trusted.

    Raises VenueUnavailable when no TLS server answers.
    """
    looking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    looking.check_hostname = False
    looking.verify_mode = ssl.CERT_NONE
    try:
        async with clock.deadline(_HANDSHAKE_SECONDS), clock.in_flight():
            _, writer = await asyncio.open_connection(host, port, ssl=looking)
    except TimeoutError:
        raise VenueUnavailable(
            f"no TLS handshake with {host}:{port} in {_HANDSHAKE_SECONDS:.0f} s: is a gateway running there?"
        ) from None
    except ssl.SSLError as error:
        raise VenueUnavailable(
            f"expected TLS at {host}:{port}, found something else ({error.reason or 'no handshake'}): "
            "use http:// for a gateway without TLS"
        ) from error
    except OSError as error:
        raise VenueUnavailable(
            f"no gateway answers at https://{host}:{port}: start it, or correct the address ({_reason(error)})"
        ) from error
    try:
        certificate: bytes | None = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.transport.abort()
    if not certificate:
        raise VenueUnavailable(f"the server at {host}:{port} showed no certificate: is it a gateway?")
    return certificate


async def fetch_fingerprint(host: str, port: int, clock: Clock) -> str:
    """The SHA-256 fingerprint of the certificate that a server shows, for a person to compare and to pin."""
    return fingerprint(await fetch_certificate(host, port, clock))


async def trusted_context(trust: Trust, host: str, port: int, clock: Clock) -> ssl.SSLContext:
    """A client context that accepts exactly what `trust` names.

    Raises ConfigurationError for a certificate that is not the pinned one, naming both fingerprints.
    """
    match trust:
        case SystemTrust():
            return ssl.create_default_context()
        case CertificateFile(path):
            return _context_of_file(path)
        case PinnedCertificate(sha256):
            return _pinned(await fetch_certificate(host, port, clock), normalized(sha256), host, port)
        case TrustOnFirstUse(known_gateways):
            return await _first_use(known_gateways, host, port, clock)


def _context_of_file(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ConfigurationError(
            f"expected a PEM certificate in {path!r}, found none ({_reason(error)}): correct the path"
        ) from error


async def _first_use(known_gateways: str | None, host: str, port: int, clock: Clock) -> ssl.SSLContext:
    if not is_loopback(host):
        raise ConfigurationError(
            f"a certificate is trusted on first use only on this machine, not at {host}: give its fingerprint, which "
            f"is read on the gateway's machine, or a certificate file"
        )
    file = Path(known_gateways) if known_gateways else configuration_directory() / "known_gateways"
    certificate = await fetch_certificate(host, port, clock)
    known = _read_pins(file).get(_where(host, port))
    if known is None:
        _write_pin(file, _where(host, port), fingerprint(certificate))
        known = normalized(fingerprint(certificate))
    return _pinned(certificate, known, host, port, remembered_in=file)


def _pinned(
    certificate: bytes, expected: str, host: str, port: int, *, remembered_in: Path | None = None
) -> ssl.SSLContext:
    _compare(certificate, expected, host, port, remembered_in)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # The pin says which certificate it must be, so neither its name nor its dates matter.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VerifyFlags(_NO_CHECK_TIME | ssl.VERIFY_X509_PARTIAL_CHAIN)
    context.load_verify_locations(cadata=certificate)

    class Pinned(ssl.SSLObject):
        """Compares the fingerprint when the handshake ends."""

        def do_handshake(self) -> None:
            super().do_handshake()
            if normalized(fingerprint(self.getpeercert(binary_form=True) or b"")) != expected:
                raise ssl.SSLCertVerificationError("the certificate is not the pinned one")

    context.sslobject_class = Pinned
    return context


def _compare(certificate: bytes, expected: str, host: str, port: int, remembered_in: Path | None) -> None:
    found = fingerprint(certificate)
    if normalized(found) == expected:
        return
    wanted = ":".join(expected[at : at + 2] for at in range(0, 64, 2)).upper()
    remedy = (
        f"if you changed the gateway's certificate, remove the line {_where(host, port)} from {remembered_in}"
        if remembered_in
        else "if you changed the gateway's certificate, pin the new fingerprint"
    )
    raise ConfigurationError(
        f"expected the certificate {wanted} at {host}:{port}, found {found}: nothing was sent; {remedy}, "
        f"otherwise something else answers there"
    )


def _where(host: str, port: int) -> str:
    return f"{host.lower()}:{port}"


def _read_pins(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"expected to read pinned gateways from {file}: {_reason(error)}") from error
    pins = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 2:
            raise ConfigurationError(f"{file}, line {number}: expected `host:port fingerprint`, found {line!r}")
        pins[words[0]] = normalized(PinnedCertificate(words[1]).sha256)
    return pins


def _write_pin(file: Path, where: str, sha256: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, f"{where} {sha256}\n".encode())
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigurationError(
            f"expected to write the gateway's fingerprint to {file}: {_reason(error)}; give its fingerprint instead"
        ) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
