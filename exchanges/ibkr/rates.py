"""The request limits of Interactive Brokers: the only table of them on the client's side.

Source: reference, section 8.1 (Campus documentation of the Client Portal Web API, version 1). Where sources disagree
the stricter one is taken: 10 requests a second unless an OAuth user asks for the 50 that a newer page promises, and 15
minutes of penalty although one page says 10.
"""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from horizon.clock import Clock
from horizon.directories import state_directory
from horizon.errors import ConfigurationError
from horizon.net.rates import RateLimiter, RateRule, SharedRates
from horizon.net.shared_rates import SUFFIX, remove_idle
from horizon.net.tls import is_loopback

PENALTY_SECONDS: Final = 900.0
"""How long an address is refused after a 429."""
REQUESTS_PER_SECOND: Final = 10
OAUTH_REQUESTS_PER_SECOND: Final = 50
"""Per user name, with OAuth only; the gateway stays at 10."""
SNAPSHOT_CONIDS: Final = 100
SNAPSHOT_FIELDS: Final = 50
SECDEF_CONIDS: Final = 200
"""Of one call of `/trsrv/secdef`."""
DATA_LINES: Final = 100
"""Market-data streams that are open at once, per user name."""

_STANDARD_PORTS: Final = (None, 80, 443)
# Places that are kept free, so that an order or the keep-alive never waits behind polling.
_RESERVED: Final = {REQUESTS_PER_SECOND: 2, OAUTH_REQUESTS_PER_SECOND: 5}

_ENDPOINTS: Final = (
    RateRule(name="orders", limit=1, seconds=5.0, endpoints=("/iserver/account/orders",)),
    RateRule(name="trades", limit=1, seconds=5.0, endpoints=("/iserver/account/trades",)),
    RateRule(name="profit and loss", limit=1, seconds=5.0, endpoints=("/iserver/account/pnl/partitioned",)),
    RateRule(name="portfolio accounts", limit=1, seconds=5.0, endpoints=("/portfolio/accounts",)),
    RateRule(name="portfolio subaccounts", limit=1, seconds=5.0, endpoints=("/portfolio/subaccounts",)),
    RateRule(name="snapshot", limit=10, seconds=1.0, endpoints=("/iserver/marketdata/snapshot",)),
    RateRule(name="history", concurrent=5, endpoints=("/iserver/marketdata/history",)),
    RateRule(name="scanner parameters", limit=1, seconds=900.0, endpoints=("/iserver/scanner/params",)),
    RateRule(name="scanner", limit=1, seconds=1.0, endpoints=("/iserver/scanner/run",)),
    RateRule(name="performance", limit=1, seconds=900.0, endpoints=("/pa/performance",)),
    RateRule(name="performance summary", limit=1, seconds=900.0, endpoints=("/pa/summary",)),
    RateRule(name="transactions", limit=1, seconds=900.0, endpoints=("/pa/transactions",)),
    RateRule(name="keep-alive", limit=1, seconds=1.0, endpoints=("/tickle",)),
    RateRule(name="sign-in check", limit=1, seconds=60.0, endpoints=("/sso/validate",)),
    RateRule(name="notifications", limit=1, seconds=1.0, endpoints=("/fyi/*",)),
    # No limit is published for these. How often a user is signed in is counted by `auth`; this only keeps apart what
    # several tasks ask for at once.
    RateRule(name="token", limit=1, seconds=1.0, endpoints=("/oauth2/*",)),
    RateRule(name="sign-in", limit=1, seconds=1.0, endpoints=("/gw/*",)),
    RateRule(name="live session token", limit=1, seconds=1.0, endpoints=("/oauth/*",)),
)


def rules(requests_per_second: int = REQUESTS_PER_SECOND) -> tuple[RateRule, ...]:
    """The table for 10 or 50 requests a second. Any other number raises ConfigurationError."""
    if isinstance(requests_per_second, bool) or requests_per_second not in _RESERVED:
        raise ConfigurationError(
            f"expected requests_per_second to be {REQUESTS_PER_SECOND}, or {OAUTH_REQUESTS_PER_SECOND} with OAuth, "
            f"found {requests_per_second!r}"
        )
    every = RateRule(name="everything", limit=requests_per_second, seconds=1.0, reserved=_RESERVED[requests_per_second])
    return (every, *_ENDPOINTS)


RULES: Final = rules()


def limiter(
    base_url: str,
    clock: Clock,
    *,
    shared: bool,
    requests_per_second: int = REQUESTS_PER_SECOND,
    gateway: bool | None = None,
) -> RateLimiter:
    """The limiter of one client. With `shared`, all processes of this user keep the limits of the host together.

    `gateway` says whether a gateway stands in front of the venue: by default, whether the host is this machine. Raises
    ConfigurationError for a number of requests a second that is not allowed there.
    """
    table = rules(requests_per_second)
    if requests_per_second == OAUTH_REQUESTS_PER_SECOND and (_is_local(base_url) if gateway is None else gateway):
        raise ConfigurationError(
            f"expected requests_per_second to be {REQUESTS_PER_SECOND} through a gateway, found {requests_per_second}: "
            f"IBKR allows {OAUTH_REQUESTS_PER_SECOND} with OAuth only"
        )
    store = None
    if shared:
        file = rates_file(base_url)
        remove_idle(file.parent, clock.now())
        store = SharedRates(file)
    return RateLimiter(table, clock, penalty=PENALTY_SECONDS, shared=store)


def rates_file(base_url: str) -> Path:
    """Where the programs of this user keep the limits of a host together."""
    return state_directory() / "rates" / f"{limits_key(base_url)}{SUFFIX}"


def _is_local(base_url: str) -> bool:
    return is_loopback(urlsplit(base_url).hostname or "")


def limits_key(base_url: str) -> str:
    """Whose limits they are: the numbered hosts of a venue are one, the gateways of this machine are told by port."""
    address = urlsplit(base_url.strip())
    host = (address.hostname or "").lower()
    if is_loopback(host):
        host = "localhost"
    elif not re.fullmatch(r"[\d.]+", host):
        host = re.sub(r"^\d+\.", "", host)
    name = re.sub(r"[^a-z0-9.-]", "_", host)
    return name if address.port in _STANDARD_PORTS and host != "localhost" else f"{name}-{address.port or 443}"
