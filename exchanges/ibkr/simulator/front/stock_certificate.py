"""A certificate like the one that ships with every gateway."""

import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from horizon.simulation.certificate import Certificate

STOCK_NAME = "Client Portal Web API"
NOT_BEFORE = datetime(2019, 2, 10, tzinfo=UTC)
NOT_AFTER = datetime(2019, 5, 11, tzinfo=UTC)


def stock_certificate_in(directory: Path) -> Certificate:
    """The certificate kept in `directory`, made when there is none: of the stock one's form, with a key of our own.

    Self-signed by "Client Portal Web API", RSA of 2048 bits, SHA-256, no host names, no basic constraints, and expired
    since 2019-05-11. It is not IBKR's: that one's SHA-256 begins with 13:DA:F8:9A:07:12:B9:62.
    """
    path, key_path = directory / "stock-gateway.pem", directory / "stock-gateway-key.pem"
    if path.exists() and key_path.exists():
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    else:
        directory.mkdir(parents=True, exist_ok=True)
        certificate = _make(path, key_path)
    return Certificate(
        path=path, key_path=key_path, fingerprint=certificate.fingerprint(hashes.SHA256()).hex(":").upper()
    )


def _make(path: Path, key_path: Path) -> x509.Certificate:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, STOCK_NAME)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
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
