"""A bearer token that was made elsewhere."""

import os
from collections.abc import Mapping

from horizon.errors import ConfigurationError

VARIABLE = "IBKR_ACCESS_TOKEN"


class Bearer:
    """A static access token, from the argument or from IBKR_ACCESS_TOKEN. It is shown nowhere."""

    __slots__ = ("_headers",)
    person_signs_in = False

    def __init__(self, access_token: str | None = None) -> None:
        token = (access_token if access_token is not None else os.environ.get(VARIABLE, "")).strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ConfigurationError(
                f"expected an access token without spaces, found {'none' if not token else 'something else'}: "
                f"give access_token= or set {VARIABLE}"
            )
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"}

    def __repr__(self) -> str:
        return "Bearer([redacted])"

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header."""
        return self._headers
