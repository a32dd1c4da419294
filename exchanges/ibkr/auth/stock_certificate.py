"""The certificate that IBKR ships in every copy of its gateway, and why it is worth nothing beyond this machine.

Its private key lies in the same download (keystore `vertx.jks`, password `mywebapi`), so whoever shows it may be
anybody. Measured on a gateway of 2023: reference, gateway.md.
"""

from datetime import date
from typing import Final

from horizon.errors import ConfigurationError
from horizon.net.certificates import certificate_facts
from horizon.net.known_gateways import normalized
from horizon.net.tls import fingerprint

FINGERPRINT_START: Final = "13:DA:F8:9A:07:12:B9:62"
_COMMON_NAME: Final = "Client Portal Web API"
_LAST_DAY: Final = date(2019, 5, 11)


def is_stock(certificate: bytes) -> bool:
    """Whether a DER certificate is the one that every gateway ships with, by its fingerprint or by what it says."""
    if normalized(fingerprint(certificate)).startswith(normalized(FINGERPRINT_START)):
        return True
    try:
        facts = certificate_facts(certificate)
    except ConfigurationError:
        return False
    return (
        facts.common_name == _COMMON_NAME
        and facts.self_signed
        and facts.not_after.date() == _LAST_DAY
        and not facts.names
    )


def is_stock_fingerprint(sha256: str) -> bool:
    """Whether a fingerprint is that of the certificate which every gateway ships with."""
    return normalized(sha256).startswith(normalized(FINGERPRINT_START))


def doubt(certificate: bytes) -> str:
    """Why the stock certificate proves nothing across a network, and what to do; empty for any other certificate."""
    if not is_stock(certificate):
        return ""
    return (
        "expected a certificate of the gateway's own, found the one that IBKR ships with every gateway, whose private "
        "key is public, so that anybody on the way can pose as the gateway: make one for it (sslCert in conf.yaml), "
        "or tunnel its port to this machine, or accept the risk with accept_stock_certificate=True "
        "(--accept-stock-certificate)"
    )
