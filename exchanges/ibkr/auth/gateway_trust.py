"""Whom to trust at a gateway's address, and what a person is shown before saying so."""

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from exchanges.ibkr.auth.stock_certificate import doubt, is_stock, is_stock_fingerprint
from horizon.clock import Clock
from horizon.errors import ConfigurationError
from horizon.net.certificates import CertificateFacts, certificate_facts
from horizon.net.known_gateways import known_fingerprint, normalized, remember, spelled
from horizon.net.tls import (
    CertificateFile,
    KnownServer,
    PinnedCertificate,
    Trust,
    TrustOnFirstUse,
    fetch_certificate,
    is_loopback,
    verifies,
)

_IBKR_HOSTS = (".ibkr.com", ".interactivebrokers.com")


def gateway_trust(
    api_url: str,
    certificate: str | Path | None = None,
    *,
    accept_stock_certificate: bool = False,
    known_gateways: str | None = None,
) -> Trust | None:
    """How to verify the server at `api_url`; None for the usual way of the HTTP client.

    `certificate` is a PEM file or a SHA-256 fingerprint. Raises ConfigurationError for a file that is not there, and
    for plain http to another host.
    """
    refuse_plain_http_elsewhere(api_url)
    host = gateway_address(api_url)[1]
    if certificate is None:
        if is_loopback(host):
            return TrustOnFirstUse(known_gateways)
        if host.endswith(_IBKR_HOSTS):
            return None
        return KnownServer(known_gateways, doubt, accept_stock_certificate)
    text = str(certificate)
    if isinstance(certificate, Path) or "/" in text or text.endswith((".pem", ".crt", ".cer")):
        if not Path(text).is_file():
            raise ConfigurationError(f"expected a PEM file with the gateway's certificate, found nothing at {text}")
        return CertificateFile(text)
    return PinnedCertificate(text, None if accept_stock_certificate else doubt)


def refuse_plain_http_elsewhere(url: str) -> None:
    """Raise ConfigurationError for an address without TLS that is not this machine, or for one that is none."""
    scheme, host, _ = gateway_address(url)
    if scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"expected https:// for a gateway on another host, found {url}: over plain http anybody on the way "
            f"reads the account and trades; use https://, or tunnel its port to this machine"
        )


def gateway_address(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address. Raises ConfigurationError for one that has none."""
    try:
        address = urlsplit(url.strip())
        port = address.port
    except ValueError:
        address, port = urlsplit(""), None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise ConfigurationError(f"expected an address such as https://localhost:5000, found {url!r}")
    return address.scheme, address.hostname, port or (443 if address.scheme == "https" else 80)


class ShownCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate that a gateway shows now, beside what is known of it."""

    host: str
    port: int
    facts: CertificateFacts
    is_stock: bool
    """The one that IBKR ships with every gateway: its private key is public."""
    verifies: bool
    """It passes the ordinary check of this machine, so it needs no pin."""
    pinned: str | None
    """The fingerprint in the file of known gateways, as `AB:CD:...`."""

    @property
    def is_pinned(self) -> bool:
        """Whether it is the one that was trusted before."""
        return self.pinned is not None and normalized(self.pinned) == normalized(self.facts.fingerprint)

    @property
    def is_changed(self) -> bool:
        """Whether another one was trusted before."""
        return self.pinned is not None and not self.is_pinned

    @property
    def pinned_is_stock(self) -> bool:
        """Whether the one that was trusted before is the one that IBKR ships."""
        return self.pinned is not None and is_stock_fingerprint(self.pinned)


async def shown_certificate(url: str, clock: Clock, known_gateways: Path | None = None) -> ShownCertificate:
    """Look at a gateway's certificate; nothing is sent, nothing is trusted, nothing is written.

    Raises VenueUnavailable when no TLS server answers, ConfigurationError for an address without TLS.
    """
    scheme, host, port = gateway_address(url)
    if scheme == "http":
        refuse_plain_http_elsewhere(url)
        raise ConfigurationError(f"expected an https:// address, found {url}: without TLS there is nothing to trust")
    der = await fetch_certificate(host, port, clock)
    pin = known_fingerprint(host, port, known_gateways)
    return ShownCertificate(
        host=host,
        port=port,
        facts=certificate_facts(der),
        is_stock=is_stock(der),
        verifies=await verifies(host, port, clock),
        pinned=None if pin is None else spelled(pin),
    )


def trust_shown(
    shown: ShownCertificate, *, accept_stock_certificate: bool = False, known_gateways: Path | None = None
) -> None:
    """Pin the certificate that a person has looked at, in place of an older pin.

    Raises ConfigurationError for the stock certificate on another host, unless it is accepted.
    """
    refuse_stock_elsewhere(shown, accept_stock_certificate=accept_stock_certificate)
    remember(shown.host, shown.port, shown.facts.fingerprint, known_gateways)


def refuse_stock_elsewhere(shown: ShownCertificate, *, accept_stock_certificate: bool) -> None:
    """Raise ConfigurationError for the stock certificate on another host, unless the user accepts it."""
    if shown.is_stock and not is_loopback(shown.host) and not accept_stock_certificate:
        raise ConfigurationError(
            f"{shown.host} is another host, and its gateway shows the certificate that IBKR ships with every gateway, "
            f"whose private key is public, so that a pin proves nothing: make one for it (sslCert in conf.yaml), or "
            f"tunnel its port to this machine, or accept the risk with --accept-stock-certificate"
        )
