"""What a certificate says about itself, for a person to look at before trusting it."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from horizon.errors import ConfigurationError
from horizon.net.tls import fingerprint

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


class CertificateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One X.509 certificate. Nothing here is verified: anybody can write anything into one."""

    fingerprint: str
    """SHA-256, as `AB:CD:...`."""
    common_name: str
    subject: str
    self_signed: bool
    """Issued in its own name; the signature is not looked at."""
    not_before: datetime
    not_after: datetime
    names: tuple[str, ...]
    """Host names and addresses that it stands for (subject alternative names)."""


def certificate_facts(certificate: bytes) -> CertificateFacts:
    """What a DER certificate says. Raises ConfigurationError when it is none."""
    # takes longer to load than everything else here, and only commands for people need it
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        parsed = x509.load_der_x509_certificate(certificate)
        names = _names(parsed)
        common = parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return CertificateFacts(
            fingerprint=fingerprint(certificate),
            common_name=str(common[0].value) if common else "",
            subject=parsed.subject.rfc4514_string(),
            self_signed=parsed.subject == parsed.issuer,
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            names=names,
        )
    except ValueError as error:
        raise ConfigurationError(
            f"expected an X.509 certificate, found {len(certificate)} bytes that are none ({error}): is it a gateway?"
        ) from error


def _names(parsed: "Certificate") -> tuple[str, ...]:
    from cryptography import x509

    try:
        extension = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(str(name.value) for name in extension.value)
