"""A client of one login, from what a user says about it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from exchanges.ibkr.auth.bearer import VARIABLE as TOKEN_VARIABLE
from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.auth.gateway_trust import gateway_trust
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.protocol import Auth
from exchanges.ibkr.client import Client
from exchanges.ibkr.rates import REQUESTS_PER_SECOND
from exchanges.ibkr.rates import limiter as request_limiter
from horizon.clock import Clock
from horizon.errors import ConfigurationError
from horizon.net.tls import is_loopback

GATEWAY_URL: Final = "https://localhost:5000/v1/api"
API_URL: Final = "https://api.ibkr.com/v1/api"
API_HOSTS: Final = tuple(f"{number}.api.ibkr.com" for number in range(1, 8))
"""Where the direct API also answers, for when it says that another host is meant."""


def usual_url(auth: Auth | None) -> str:
    """The address for a way of signing in when none is named: the gateway of this machine, or IBKR's own."""
    return GATEWAY_URL if auth is None or auth.person_signs_in else API_URL


def connection(
    api_url: str | None,
    clock: Clock,
    *,
    shared: bool,
    auth: Auth | None = None,
    access_token: str | None = None,
    hosts: Sequence[str] = (),
    certificate: str | Path | None = None,
    accept_stock_certificate: bool = False,
    requests_per_second: int = REQUESTS_PER_SECOND,
    timeout: float = 30.0,
) -> Client:
    """A client that has sent nothing yet. With `shared`, it keeps the request limits with other programs of this user.

    Raises ConfigurationError for what can't work.
    """
    if auth is not None and not hasattr(auth, "person_signs_in"):
        raise ConfigurationError(
            f"expected auth= to be OAuth2(...), OAuth1(...), Bearer(...) or LocalGateway(), found "
            f"{type(auth).__name__}: a token that is there already is given as Bearer(token)"
        )
    if isinstance(hosts, str):
        raise ConfigurationError(f"expected hosts= to be several addresses, found {hosts!r}: write hosts=[{hosts!r}]")
    url = usual_url(auth) if api_url is None else api_url
    chosen = _auth(url, auth, access_token)
    return Client(
        url,
        clock=clock,
        auth=chosen,
        trust=gateway_trust(url, certificate, accept_stock_certificate=accept_stock_certificate),
        hosts=tuple(hosts) or _usual_hosts(url),
        limiter=request_limiter(
            url, clock, shared=shared, requests_per_second=requests_per_second, gateway=chosen.person_signs_in
        ),
        timeout=timeout,
    )


def _usual_hosts(api_url: str) -> Sequence[str]:
    return API_HOSTS if urlsplit(api_url).hostname == urlsplit(API_URL).hostname else ()


def _auth(api_url: str, auth: Auth | None, access_token: str | None) -> Auth:
    address = urlsplit(api_url)
    host = address.hostname or ""
    if address.scheme not in ("http", "https") or not host:
        raise ConfigurationError(f"expected an address such as {GATEWAY_URL}, found {api_url!r}")
    if auth is not None:
        if access_token is not None:
            raise ConfigurationError("expected auth= or access_token=, found both: leave one out")
        return auth
    if is_loopback(host):
        # the gateway has signed in itself; a token given for it is a placeholder
        return LocalGateway(access_token or "")
    if access_token is None and not os.environ.get(TOKEN_VARIABLE):
        raise ConfigurationError(
            f"{host or api_url} needs an access token: give auth=, access_token= or set {TOKEN_VARIABLE}, "
            f"or use the gateway on this machine ({GATEWAY_URL})"
        )
    return Bearer(access_token)
