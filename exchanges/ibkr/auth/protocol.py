"""What the client and the session ask of a way of signing in."""

from collections.abc import Callable, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from horizon.clock import Clock
from horizon.net.answer import Response


class Ask(Protocol):
    """Sends one request of a sign-in: counted against the request limits, sent once, read whole.

    `target` is path and query, already quoted, from the host's root (`/oauth2/api/v1/token`). Raises NotSent, NoAnswer
    or RateLimited. `headers` may replace the content type.
    """

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response: ...


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """How the token stands. It holds nothing secret."""

    valid: bool
    since: int
    """Integer nanoseconds; when it became so."""
    expires: int | None = None
    """Integer nanoseconds; None when that is not known."""
    cause: str = ""
    """Why it is not valid, as one clause."""
    action: str = ""
    """What a person has to do about it; empty when it is seen to by itself."""
    act_until: int | None = None
    """Integer nanoseconds; until when a person has to act, if there is such a moment (2FA on the phone)."""


class Auth(Protocol):
    """One way of signing in: the headers that prove who asks, and where newer ones come from.

    The client calls `bind` once. Everything else may be called at any time after it, by several tasks at once.
    """

    @property
    def person_signs_in(self) -> bool:
        """Whether a lost sign-in needs a person at a browser; otherwise a new token does."""
        ...

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """Whom to ask for tokens, and by which clock. `base_url` has no path."""
        ...

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Headers for one request to `url` (whole, with its query). Signs in first when that was not done yet.

        Raises TokenExpired when no valid token can be had, VenueUnavailable when nobody can be asked for one,
        ConfigurationError when what was configured can't work.
        """
        ...

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """The venue answered 401 to these headers: whether newer ones are at hand now, got anew if need be.

        False when the same ones would be sent again. Raises as `headers` does.
        """
        ...

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Renew before expiry, for as long as this runs; `renewed` is called after each. A failure is kept for
        `token` and tried again; this never ends with an error of the venue's."""
        ...

    def token(self) -> TokenState:
        """How the token stands, for the session's first tier."""
        ...

    def socket_query(self) -> Mapping[str, str]:
        """What the websocket's address carries, by name: secrets."""
        ...


@runtime_checkable
class ChecksIp(Protocol):
    """A way of signing in that names the address from which requests come."""

    def check_ip(self, found: str | None) -> None:
        """Raise ConfigurationError when the venue saw another address than the one that was configured."""
        ...


@runtime_checkable
class CountsSignIns(Protocol):
    """A way of signing in that the venue allows only so often."""

    @property
    def login(self) -> str:
        """A digest that tells this login from others; nothing secret."""
        ...

    def sign_ins_left(self) -> int:
        """How many sign-ins may be made in this hour, whichever program of this user makes them."""
        ...

    def next_sign_in(self) -> int:
        """Integer nanoseconds from which on the next one is allowed; not after now when it is allowed at once."""
        ...
