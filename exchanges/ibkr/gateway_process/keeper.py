"""Keeps a gateway's sign-in alive for as long as it runs, and signs in again when it has ended.

| seen                                        | done                                                                   |
|---------------------------------------------|------------------------------------------------------------------------|
| tickle answered, authenticated              | nothing for a minute                                                   |
| tickle answered, not authenticated          | nothing: the adapter opens the brokerage session, which is not this    |
| 401, "not authenticated"                    | sign in again                                                          |
| no answer, 5xx (the venue's nightly reset)  | asked again in a minute; told once                                     |
| refused                                     | the end: the same credentials again would lock the user out            |
| not approved in time, failed                | once more, when two an hour allow it                                   |
| the gateway's process has ended             | the end                                                                |
"""

from collections.abc import Awaitable, Callable
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.gateway_process.ibeam_sign_in import Outcome, SignInResult
from exchanges.ibkr.wire.session import Tickle
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.errors import ConfigurationError, HorizonError, NeedsLogin, VenueUnavailable
from horizon.net.rates import Priority

TICKLE_SECONDS: Final = 60.0
"""The brokerage session ends after five to six minutes without a request."""


async def keep_signed_in(
    client: Client,
    clock: Clock,
    *,
    attempt: Callable[[], Awaitable[SignInResult]],
    next_allowed: Callable[[], int],
    alive: Callable[[], Awaitable[bool]],
    tell: Callable[[str], None],
    every: float = TICKLE_SECONDS,
) -> None:
    """Tickle every minute, and sign in again with `attempt` when the sign-in has ended, for as long as this runs.

    Raises ConfigurationError when the credentials were refused, VenueUnavailable when the gateway has ended.
    """
    silent = False
    while True:
        try:
            await client.post("/tickle", Tickle, priority=Priority.KEEPALIVE)
        except NeedsLogin as error:
            tell(f"signed out: {error}")
            await _sign_in_again(clock, attempt, next_allowed, tell)
            silent = False
        except HorizonError as error:
            if not await alive():
                raise VenueUnavailable("the gateway has ended: start it again") from error
            if not silent:
                tell(f"keep-alive failed, and is tried again every {every:.0f} s: {error}")
            silent = True
        else:
            if silent:
                tell("the gateway answers again")
            silent = False
        await clock.sleep(every)


async def _sign_in_again(
    clock: Clock,
    attempt: Callable[[], Awaitable[SignInResult]],
    next_allowed: Callable[[], int],
    tell: Callable[[str], None],
) -> None:
    while True:
        allowed = next_allowed()
        if allowed > clock.now():
            tell(f"two sign-ins an hour are the limit: the next one is made at {to_datetime(allowed):%H:%M:%S} UTC")
            await clock.sleep((allowed - clock.now()) / NANOSECONDS)
        result = await attempt()
        tell(result.text)
        if result.outcome is Outcome.VERIFIED:
            return
        if result.outcome is Outcome.REFUSED:
            raise ConfigurationError(
                f"{result.text}; it is not tried again, because that could lock the user out: sign in once in a "
                f"browser, and correct the credentials"
            )
