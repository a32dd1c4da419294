"""How the certificate of an address stands, for a person to read. Nothing is sent, nothing is pinned."""

from datetime import datetime
from enum import StrEnum
from pathlib import Path

import msgspec

from exchanges.ibkr.auth.gateway_trust import ShownCertificate, gateway_address, shown_certificate
from horizon.clock import Clock, to_datetime
from horizon.net.known_gateways import normalized
from horizon.net.tls import is_loopback


class Trusted(StrEnum):
    """Why the certificate is trusted, or why not."""

    PINNED = "pinned"
    VERIFIED = "verified by this machine"
    FIRST_USE = "not pinned yet"
    FILE = "by the given file"
    CHANGED = "changed"
    UNVERIFIED = "unverified"
    PLAIN = "no TLS"


class CertificateLook(msgspec.Struct, frozen=True, kw_only=True):
    """One address and the certificate it shows."""

    host: str
    port: int
    trusted: Trusted
    fingerprint: str = ""
    is_stock: bool = False
    """The one that IBKR ships with every gateway: its private key is public."""
    subject: str = ""
    expires: datetime | None = None
    pinned: str | None = None
    """The fingerprint that was pinned, when another one is shown."""

    @property
    def is_trusted(self) -> bool:
        return self.trusted not in (Trusted.CHANGED, Trusted.UNVERIFIED)

    def expires_in_days(self, now: int) -> float | None:
        """Days until it ends, negative when it has. A pin does not look at dates."""
        return None if self.expires is None else (self.expires - to_datetime(now)).total_seconds() / 86_400


async def look_at_certificate(
    url: str, clock: Clock, *, certificate: str | None = None, known_gateways: Path | None = None
) -> CertificateLook:
    """What is shown at `url`, beside what is trusted there. `certificate` is the user's own pin or PEM file.

    Raises VenueUnavailable when no TLS server answers.
    """
    scheme, host, port = gateway_address(url)
    if scheme == "http":
        return CertificateLook(host=host, port=port, trusted=Trusted.PLAIN)
    shown = await shown_certificate(url, clock, known_gateways)
    trusted = _trusted(shown, certificate)
    return CertificateLook(
        host=host,
        port=port,
        trusted=trusted,
        fingerprint=shown.facts.fingerprint,
        is_stock=shown.is_stock,
        subject=shown.facts.subject,
        expires=shown.facts.not_after,
        pinned=shown.pinned if trusted is Trusted.CHANGED else None,
    )


def _trusted(shown: ShownCertificate, certificate: str | None) -> Trusted:
    if certificate is not None:
        if len(digits := normalized(certificate)) == 64 and all(each in "0123456789abcdef" for each in digits):
            return Trusted.PINNED if digits == normalized(shown.facts.fingerprint) else Trusted.CHANGED
        return Trusted.FILE
    if shown.is_changed:
        return Trusted.CHANGED
    if shown.is_pinned:
        return Trusted.PINNED
    if is_loopback(shown.host):
        return Trusted.FIRST_USE
    return Trusted.VERIFIED if shown.verifies else Trusted.UNVERIFIED
