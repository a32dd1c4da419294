"""A self-signed certificate for a server on this machine."""

import os
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from horizon.clock import SystemClock, to_datetime

_VALID_FOR = timedelta(days=825)
_RENEW_BEFORE = timedelta(days=30)


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """Where the two PEM files lie, and what a client pins."""

    path: Path
    key_path: Path
    fingerprint: str
    """SHA-256 of the certificate as `AA:BB:...`."""


def certificate_in(directory: Path, *, name: str) -> Certificate:
    """The certificate kept in `directory`, made anew when there is none or it runs out within 30 days.

    It stands for localhost, 127.0.0.1 and ::1. A client that is given the PEM as its only authority verifies it in
    the ordinary way: it is self-signed and no authority for anything else. Validity is real time, because that is
    what a client compares it with.
    """
    path, key_path = directory / "gateway.pem", directory / "gateway-key.pem"
    found = _read(path) if key_path.exists() else None
    if found is None:
        directory.mkdir(parents=True, exist_ok=True)
        found = _make(path, key_path, name)
    return Certificate(path=path, key_path=key_path, fingerprint=found.fingerprint(hashes.SHA256()).hex(":").upper())


def _read(path: Path) -> x509.Certificate | None:
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    now = to_datetime(SystemClock().now())
    return certificate if now < certificate.not_valid_after_utc - _RENEW_BEFORE else None


def _make(path: Path, key_path: Path, name: str) -> x509.Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = to_datetime(SystemClock().now())
    names = [
        x509.DNSName("localhost"),
        x509.IPAddress(ip_address("127.0.0.1")),
        x509.IPAddress(ip_address("::1")),
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # Not an authority: some TLS libraries refuse an authority's certificate as a server's own.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_path.unlink(missing_ok=True)
    with os.fdopen(os.open(key_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate
