"""The ways of signing in to a simulated gateway, by name."""

from collections.abc import Sequence
from typing import Literal, get_args

from exchanges.ibkr.simulator.access import Access, GatewayAccess
from exchanges.ibkr.simulator.credentials import OAuth1Consumer, OAuth2Client
from exchanges.ibkr.simulator.oauth1_routes import SignedAccess
from exchanges.ibkr.simulator.oauth2_routes import BearerAccess
from exchanges.ibkr.simulator.sso_sessions import SignInRules
from exchanges.ibkr.simulator.state import State
from horizon.errors import ConfigurationError

SignIn = Literal["gateway", "oauth2", "oauth1"]


def check_sign_in(sign_in: SignIn, clients: Sequence[OAuth2Client], consumers: Sequence[OAuth1Consumer]) -> None:
    """Raises ConfigurationError for a way that does not exist, or that nobody is registered for."""
    if sign_in not in get_args(SignIn):
        raise ConfigurationError(f"expected sign_in among {', '.join(get_args(SignIn))}, found {sign_in!r}")
    for mode, registered, option in (("oauth2", clients, "oauth2_clients"), ("oauth1", consumers, "oauth1_consumers")):
        if sign_in == mode and not registered:
            raise ConfigurationError(f"sign_in={mode!r} needs at least one credential in {option}, found none")
        if sign_in != mode and registered:
            raise ConfigurationError(f"{option} belong to sign_in={mode!r}, found sign_in={sign_in!r}")


def access_for(
    sign_in: SignIn,
    state: State,
    *,
    clients: Sequence[OAuth2Client],
    consumers: Sequence[OAuth1Consumer],
    rules: SignInRules,
) -> Access:
    """Who is let in, and how he shows that he is the one."""
    check_sign_in(sign_in, clients, consumers)
    if sign_in == "oauth2":
        return BearerAccess(state, clients, rules)
    if sign_in == "oauth1":
        return SignedAccess(state, consumers, rules)
    return GatewayAccess(state)
