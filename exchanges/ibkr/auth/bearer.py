"""A bearer token that was made elsewhere.

    Bearer("eyJ...")                        this one and no other
    Bearer()                                the one in IBKR_ACCESS_TOKEN, read again when the venue refuses it
    Bearer(variable="MY_TOKEN")             the same, under another name
    Bearer(ask=fetch)                       what an async function gives (a sidecar): at first use, and on a 401

When the token is a JWT, its own expiry tells when a newer one is due.
"""

import inspect
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from exchanges.ibkr.auth.protocol import Ask, TokenState
from exchanges.ibkr.auth.renewal import Renewal
from exchanges.ibkr.auth.tokens import Token, can_be_token, times_of_jwt
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, HorizonError, TokenExpired, VenueUnavailable

VARIABLE: Final = "IBKR_ACCESS_TOKEN"
ASK_SECONDS: Final = 30.0
"""How long a function may take to give a token."""


class Bearer:
    """An access token from `token`, from the environment, or from `ask`. It is shown nowhere.

    Raises ConfigurationError when there is none to begin with, or when two sources are named. `ask` is called by one
    task at a time; what it raises becomes VenueUnavailable, unless it is one of Horizon's own errors.
    """

    person_signs_in = False

    def __init__(
        self,
        token: str | None = None,
        *,
        variable: str | None = None,
        ask: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        named = [name for name, value in (("token", token), ("variable", variable), ("ask", ask)) if value is not None]
        if len(named) > 1:
            raise ConfigurationError(f"expected one source of the access token, found {' and '.join(named)}: leave one")
        self._variable = variable or VARIABLE
        self._fetch = ask
        self._given: str | None = None
        if token is not None:
            self._given = self._checked(token.strip())
        elif ask is None:
            self._checked(self._from_environment())
        self._renewal = Renewal(self._take, by_itself=ask is not None)

    def __repr__(self) -> str:
        return "Bearer([redacted])"

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """By which clock the token ends; the venue is never asked for one."""
        self._renewal.bind(clock)

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header."""
        return (await self._renewal.current()).headers()

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Whether the source gives another token than the refused one."""
        return await self._renewal.renew(refused)

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Take a newer token before this one ends, when it says when that is."""
        await self._renewal.keep(renewed)

    def token(self) -> TokenState:
        """How the token stands, as far as is known here."""
        return self._renewal.state()

    def socket_query(self) -> Mapping[str, str]:
        """The token, as the websocket wants it; nothing before the first one."""
        token = self._renewal.newest
        return {} if token is None else {"bearer_token": token.text}

    async def _take(self, old: Token | None) -> Token:
        if self._given is not None:
            text = self._given
        elif self._fetch is not None:
            text = await self._fetched(self._fetch)
        else:
            text = self._from_environment()
            if not can_be_token(text):
                raise TokenExpired(f"expected an access token in {self._variable}, found none any more: set it again")
        if old is not None and old.text == text:
            return old
        expires = times_of_jwt(text).exp
        return Token(text, self._renewal.clock.now(), None if expires is None else round(expires * NANOSECONDS))

    async def _fetched(self, fetch: Callable[[], Awaitable[str]]) -> str:
        """What the user's function gives. Its own words are not repeated: they can hold the token."""
        try:
            async with self._renewal.clock.deadline(ASK_SECONDS):
                coming = fetch()
                if not inspect.isawaitable(coming):
                    raise ConfigurationError(
                        f"expected ask= to be an async function that returns the access token, found one that returns "
                        f"{type(coming).__name__}: write it with `async def`"
                    )
                text: object = await coming
        except HorizonError:
            raise
        except TimeoutError:
            raise VenueUnavailable(
                f"the function of Bearer(ask=...) timed out (it has {ASK_SECONDS:.0f} s to give the access token): see "
                f"to what it waits for; it is asked again"
            ) from None
        except Exception as error:
            raise VenueUnavailable(
                f"the function of Bearer(ask=...) failed with {type(error).__name__} instead of giving the access "
                f"token: run it alone to see why; it is asked again"
            ) from None
        if not isinstance(text, str) or not can_be_token(text.strip()):
            found = "a text that is none" if isinstance(text, str) else type(text).__name__
            raise TokenExpired(
                f"expected an access token without spaces from the function of Bearer(ask=...), found {found}: correct "
                f"the function; it is asked again"
            )
        return text.strip()

    def _from_environment(self) -> str:
        return os.environ.get(self._variable, "").strip()

    def _checked(self, text: str) -> str:
        if not can_be_token(text):
            raise ConfigurationError(
                f"expected an access token without spaces, found {'something else' if text else 'none'}: give it to "
                f"Bearer(...) or set {self._variable}"
            )
        return text
