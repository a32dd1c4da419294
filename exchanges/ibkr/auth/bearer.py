"""A bearer token that was made elsewhere."""

import os
from collections.abc import Callable, Mapping

from exchanges.ibkr.auth.protocol import Ask, TokenState
from horizon.clock import Clock
from horizon.errors import ConfigurationError

VARIABLE = "IBKR_ACCESS_TOKEN"


class Bearer:
    """A static access token, from the argument or from IBKR_ACCESS_TOKEN. It is shown nowhere."""

    __slots__ = ("_since", "_token")
    person_signs_in = False

    def __init__(self, access_token: str | None = None) -> None:
        token = (access_token if access_token is not None else os.environ.get(VARIABLE, "")).strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError(
                f"expected an access token without spaces, found {'none' if not token else 'something else'}: "
                f"give access_token= or set {VARIABLE}"
            )
        self._token = token
        self._since = 0

    def __repr__(self) -> str:
        return "Bearer([redacted])"

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """The token was given; nobody is asked for another."""
        self._since = clock.now()

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header."""
        return {"Authorization": f"Bearer {self._token}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """No newer one is known."""
        return False

    async def keep(self, renewed: Callable[[], None]) -> None:
        """When it expires is not known."""

    def token(self) -> TokenState:
        """Valid as far as is known here."""
        return TokenState(valid=True, since=self._since)

    def socket_query(self) -> Mapping[str, str]:
        """The token, as the websocket wants it."""
        return {"bearer_token": self._token}
