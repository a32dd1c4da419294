"""The request limits of Interactive Brokers: the only table of them on the client's side.

Source: reference, section 8.1 (Campus documentation of the Client Portal Web API, version 1). Where sources disagree
the stricter one is taken: 10 requests a second although OAuth users are promised 50, and 15 minutes of penalty
although one page says 10.
"""

from horizon.net.rates import RateRule

PENALTY_SECONDS = 900.0
"""How long an address is refused after a 429."""

RULES = (
    # Two places are kept free, so that an order or the keep-alive never waits behind polling.
    RateRule(name="everything", limit=10, seconds=1.0, reserved=2),
    RateRule(name="orders", limit=1, seconds=5.0, endpoints=("GET /iserver/account/orders",)),
    RateRule(name="trades", limit=1, seconds=5.0, endpoints=("GET /iserver/account/trades",)),
    RateRule(name="profit and loss", limit=1, seconds=5.0, endpoints=("GET /iserver/account/pnl/partitioned",)),
    RateRule(name="portfolio accounts", limit=1, seconds=5.0, endpoints=("GET /portfolio/accounts",)),
    RateRule(name="portfolio subaccounts", limit=1, seconds=5.0, endpoints=("GET /portfolio/subaccounts",)),
    RateRule(name="snapshot", limit=10, seconds=1.0, endpoints=("GET /iserver/marketdata/snapshot",)),
    RateRule(name="history", concurrent=5, endpoints=("GET /iserver/marketdata/history",)),
    RateRule(name="scanner parameters", limit=1, seconds=900.0, endpoints=("GET /iserver/scanner/params",)),
    RateRule(name="scanner", limit=1, seconds=1.0, endpoints=("POST /iserver/scanner/run",)),
    RateRule(name="performance", limit=1, seconds=900.0, endpoints=("/pa/performance",)),
    RateRule(name="performance summary", limit=1, seconds=900.0, endpoints=("/pa/summary",)),
    RateRule(name="transactions", limit=1, seconds=900.0, endpoints=("/pa/transactions",)),
    RateRule(name="keep-alive", limit=1, seconds=1.0, endpoints=("/tickle",)),
    RateRule(name="sign-in check", limit=1, seconds=60.0, endpoints=("GET /sso/validate",)),
    RateRule(name="notifications", limit=1, seconds=1.0, endpoints=("/fyi/*",)),
)
