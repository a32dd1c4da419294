"""Whether a gateway is signed in, asked as the adapter asks, and waiting until it is."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from exchanges.ibkr.auth.gateway_trust import gateway_trust
from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.client import Client
from exchanges.ibkr.rates import limiter as request_limiter
from exchanges.ibkr.wire.session import AuthStatus
from horizon.clock import NANOSECONDS, Clock, SystemClock
from horizon.errors import BrokerageSessionDown, NeedsLogin, VenueError, VenueUnavailable
from horizon.net.rates import Priority
from horizon.net.tls import Trust

BETWEEN_QUESTIONS: Final = 2.0
_TIMEOUT: Final = 10.0


class SignInState(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway says about its sign-in."""

    signed_in: bool | None
    """None when it did not say."""
    text: str = ""
    """What is missing, as one clause."""


def gateway_client(
    base_url: str, clock: Clock, *, trust: Trust | None = None, known_gateways: Path | None = None
) -> Client:
    """A client for a gateway on this machine, which keeps the request limits with the programs that trade there."""
    pins = None if known_gateways is None else str(known_gateways)
    chosen = trust if trust is not None else gateway_trust(base_url, known_gateways=pins)
    limiter = request_limiter(base_url, clock, shared=isinstance(clock, SystemClock), gateway=True)
    return Client(base_url, clock=clock, auth=LocalGateway(), trust=chosen, limiter=limiter, timeout=_TIMEOUT)


async def sign_in_state(client: Client) -> SignInState:
    """Ask once. ConfigurationError for a certificate that is not the trusted one passes through."""
    try:
        status = await client.post("/iserver/auth/status", AuthStatus, priority=Priority.KEEPALIVE)
    except NeedsLogin as error:
        return SignInState(signed_in=False, text=str(error))
    except BrokerageSessionDown as error:
        return SignInState(signed_in=True, text=str(error))
    except (VenueUnavailable, VenueError) as error:
        return SignInState(signed_in=None, text=str(error))
    if status.authenticated:
        held = "another program of the same user holds the brokerage session" if status.competing else ""
        return SignInState(signed_in=True, text=held)
    if status.connected:
        return SignInState(signed_in=False, text="the brokerage session is not open yet")
    return SignInState(signed_in=False, text=f"nobody is signed in at {client.base_url}")


async def wait_for_sign_in(client: Client, clock: Clock, until: int, told: Callable[[str], None]) -> bool:
    """Ask until the gateway is signed in or the moment `until` (integer nanoseconds) has come; whether it is.

    `told` is called with each new answer that is not yes.
    """
    last = ""
    while True:
        state = await sign_in_state(client)
        if state.signed_in:
            return True
        left = (until - clock.now()) / NANOSECONDS
        if left <= 0:
            return False
        if state.text != last:
            last = state.text
            told(last)
        await clock.sleep(min(BETWEEN_QUESTIONS, left))
