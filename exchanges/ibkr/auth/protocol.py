"""The one thing that the client asks of a way of signing in."""

from collections.abc import Mapping
from typing import Protocol


class Auth(Protocol):
    """Headers that prove who asks. A way that signs each request uses the method and the address."""

    @property
    def person_signs_in(self) -> bool:
        """Whether a lost sign-in needs a person at a browser; otherwise a new token does."""
        ...

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Headers for one request. May fetch or renew a token first; raises TokenExpired when it can't."""
        ...
