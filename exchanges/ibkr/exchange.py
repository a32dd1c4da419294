"""Interactive Brokers, as a user sees it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from exchanges.ibkr.auth.bearer import VARIABLE as TOKEN_VARIABLE
from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.protocol import Auth
from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import OptIn, Policy
from exchanges.ibkr.market_data import MarketData
from exchanges.ibkr.session import Session
from exchanges.ibkr.venue import IbkrVenue
from horizon.clock import Clock, SystemClock
from horizon.errors import ConfigurationError
from horizon.exchange import Exchange
from horizon.guards import Guard
from horizon.net.tls import CertificateFile, PinnedCertificate, Trust, is_loopback
from horizon.ports import Journal

GATEWAY_URL = "https://localhost:5000/v1/api"


class InteractiveBrokers(Exchange):
    """IBKR's Client Portal Web API, through a local gateway or with a bearer token.

    `account_id` (or IBKR_ACCOUNT_ID) may be left out when the login has one account. Whether it is a paper or a live
    account is read from the venue. A gateway on this machine needs no `access_token`; any other address takes it from
    the argument or from IBKR_ACCESS_TOKEN. `certificate` is a PEM file or a SHA-256 fingerprint; without it, a
    gateway on this machine is trusted on first use and any other host by the machine's authorities.

    `accept` opts in to confirmation prompts that are refused by default, by message id, each with a limit of the
    user's own. `compete` takes the brokerage session away from another program of the same user. `timeout` is in
    seconds, for each call.
    """

    feed_name: ClassVar[str] = "ibkr_polling"

    def __init__(
        self,
        *,
        account_id: str | None = None,
        access_token: str | None = None,
        api_url: str = GATEWAY_URL,
        certificate: str | Path | None = None,
        accept: Mapping[str, OptIn | str] | None = None,
        compete: bool = False,
        timeout: float = 30.0,
        journal: Journal | Path | None = None,
        guards: Sequence[Guard] | None = None,
        clock: Clock | None = None,
    ) -> None:
        clock = clock or SystemClock()
        client = Client(
            api_url, clock=clock, auth=_auth(api_url, access_token), trust=_trust(certificate), timeout=timeout
        )
        session = Session(client, clock, compete=compete)
        venue = IbkrVenue(client, session, policy=Policy(accept), clock=clock)
        super().__init__(
            venue,
            account_id=account_id or os.environ.get("IBKR_ACCOUNT_ID") or None,
            journal=journal,
            guards=guards,
            clock=clock,
        )
        self.market_data: MarketData = venue.market_data
        """Snapshots and their subscriptions."""


def _auth(api_url: str, access_token: str | None) -> Auth:
    address = urlsplit(api_url)
    host = address.hostname or ""
    if address.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"expected an address such as {GATEWAY_URL}, found {api_url!r}")
    if is_loopback(host):
        # the gateway has signed in itself; a token given for it is a placeholder
        return LocalGateway(access_token or "")
    if access_token is None and not os.environ.get(TOKEN_VARIABLE):
        raise ConfigurationError(
            f"{host or api_url} needs an access token: give access_token= or set {TOKEN_VARIABLE}, "
            f"or use the gateway on this machine ({GATEWAY_URL})"
        )
    return Bearer(access_token)


def _trust(certificate: str | Path | None) -> Trust | None:
    if certificate is None:
        return None
    text = str(certificate)
    if isinstance(certificate, Path) or "/" in text or text.endswith((".pem", ".crt", ".cer")):
        if not Path(text).is_file():
            raise ConfigurationError(f"expected a PEM file with the gateway's certificate, found nothing at {text}")
        return CertificateFile(text)
    return PinnedCertificate(text)
