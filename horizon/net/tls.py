"""Whom to trust at the other end of a TLS connection. Verification is never off.

    SystemTrust()                     the machine's certificate authorities, host name checked
    CertificateFile("gateway.pem")    that certificate or authority only, host name checked
    PinnedCertificate("13:DA:...")    the certificate with that SHA-256 fingerprint and no other
    TrustOnFirstUse()                 loopback only: the first certificate seen is written down and pinned from then on
    KnownServer()                     the certificate that a person pinned for that server, or else SystemTrust()

A pin replaces host name and expiry: the certificate that Interactive Brokers ships with its gateway expired in 2019
and names no host. It also proves little, because its private key is in every copy of the gateway: good enough on this
machine, not across a network. `Doubt` is how a venue says so of a certificate.

How a pin is enforced: the server's certificate is fetched over a connection on which nothing is ever sent, its
fingerprint is compared with the pin, and it becomes the only certificate authority of the context that requests use.
There OpenSSL verifies that the server holds its private key, and the fingerprint is compared once more when the
handshake ends, before a byte of a request can leave.
"""

import asyncio
import hashlib
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

import msgspec

from horizon.clock import Clock
from horizon.errors import ConfigurationError, VenueUnavailable
from horizon.net.known_gateways import (
    checked,
    known_fingerprint,
    known_gateways_file,
    normalized,
    reason,
    remember,
    spelled,
    where,
)

# X509_V_FLAG_NO_CHECK_TIME of OpenSSL 1.1.0 and later, which the ssl module does not name.
_NO_CHECK_TIME = 0x200000
_HANDSHAKE_SECONDS = 10.0

Doubt = Callable[[bytes], str]
"""Why a DER certificate proves nothing beyond this machine, as one clause with a remedy; empty when it does."""


class SystemTrust(msgspec.Struct, frozen=True):
    """The machine's certificate authorities."""


class CertificateFile(msgspec.Struct, frozen=True):
    """A PEM file with the server's own certificate or with the authority that signed it."""

    path: str


class PinnedCertificate(msgspec.Struct, frozen=True):
    """The SHA-256 fingerprint of the server's certificate, as hex digits with or without colons."""

    sha256: str
    doubt: Doubt | None = None

    def __post_init__(self) -> None:
        checked(self.sha256)


class TrustOnFirstUse(msgspec.Struct, frozen=True):
    """Pin what a gateway on this machine shows first. `known_gateways` is a file of `host:port fingerprint` lines;
    by default one in the user's configuration directory."""

    known_gateways: str | None = None


class KnownServer(msgspec.Struct, frozen=True):
    """What a person pinned for a server in `known_gateways`; the machine's authorities where there is no such line.

    Without a line, a certificate that `doubt` finds worthless is refused, or taken and pinned with `accept_doubtful`:
    the user has said so.
    """

    known_gateways: str | None = None
    doubt: Doubt | None = None
    accept_doubtful: bool = False


Trust = SystemTrust | CertificateFile | PinnedCertificate | TrustOnFirstUse | KnownServer


def fingerprint(certificate: bytes) -> str:
    """SHA-256 of a DER certificate as upper-case hex pairs with colons, as openssl prints it."""
    digest = hashlib.sha256(certificate).hexdigest().upper()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


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
            f"no gateway answers at https://{host}:{port}: start it, or correct the address ({reason(error)})"
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
        case PinnedCertificate(sha256, doubt):
            certificate = await fetch_certificate(host, port, clock)
            context = _pinned(certificate, normalized(sha256), host, port)
            _refuse_doubtful(certificate, host, doubt)
            return context
        case TrustOnFirstUse(known_gateways):
            return await _first_use(known_gateways, host, port, clock)
        case KnownServer():
            return await _known(trust, host, port, clock)


async def verifies(host: str, port: int, clock: Clock) -> bool:
    """Whether a server's certificate passes the ordinary check: authorities of this machine, host name and dates."""
    try:
        async with clock.deadline(_HANDSHAKE_SECONDS), clock.in_flight():
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except (ssl.SSLError, OSError, TimeoutError):
        return False
    writer.transport.abort()
    return True


def _context_of_file(path: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ConfigurationError(
            f"expected a PEM certificate in {path!r}, found none ({reason(error)}): correct the path"
        ) from error


async def _first_use(known_gateways: str | None, host: str, port: int, clock: Clock) -> ssl.SSLContext:
    if not is_loopback(host):
        raise ConfigurationError(
            f"a certificate is trusted on first use only on this machine, not at {host}: give its fingerprint, which "
            f"is read on the gateway's machine, or a certificate file"
        )
    file = Path(known_gateways) if known_gateways else known_gateways_file()
    certificate = await fetch_certificate(host, port, clock)
    known = known_fingerprint(host, port, file)
    if known is None:
        remember(host, port, fingerprint(certificate), file)
        known = normalized(fingerprint(certificate))
    return _pinned(certificate, known, host, port, remembered_in=file)


async def _known(trust: KnownServer, host: str, port: int, clock: Clock) -> ssl.SSLContext:
    file = Path(trust.known_gateways) if trust.known_gateways else known_gateways_file()
    certificate = await fetch_certificate(host, port, clock)
    known = known_fingerprint(host, port, file)
    if known is None:
        if not trust.accept_doubtful:
            _refuse_doubtful(certificate, host, trust.doubt)
        if trust.doubt is None or not trust.doubt(certificate):
            return ssl.create_default_context()
        remember(host, port, fingerprint(certificate), file)
        known = normalized(fingerprint(certificate))
    return _pinned(certificate, known, host, port, remembered_in=file)


def _refuse_doubtful(certificate: bytes, host: str, doubt: Doubt | None) -> None:
    why = doubt(certificate) if doubt is not None and not is_loopback(host) else ""
    if why:
        raise ConfigurationError(f"{host} is another host: {why}; nothing was sent")


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
    wanted = spelled(expected)
    remedy = (
        f"if you changed the gateway's certificate, remove the line {where(host, port)} from {remembered_in}"
        if remembered_in
        else "if you changed the gateway's certificate, pin the new fingerprint"
    )
    raise ConfigurationError(
        f"expected the certificate {wanted} at {host}:{port}, found {found}: nothing was sent; {remedy}, "
        f"otherwise something else answers there"
    )
