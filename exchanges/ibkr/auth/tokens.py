"""A bearer token with the times it is good for. The token itself is shown nowhere."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

import msgspec

from horizon.clock import NANOSECONDS

HEADER: Final = "Authorization"
# A request is on its way for a while, and clocks differ a little.
_LONGEST_GUARD: Final = 5 * NANOSECONDS
_LONGEST_MARGIN: Final = 300 * NANOSECONDS
# The last second of the year 9999: what is later is no time.
_LAST_SECOND: Final = 253_402_300_799


class Token:
    """One bearer token, taken at `made`. `expires` is None when that is not known; all times are integer nanoseconds.

    Until `renew_at` it is simply used; from then on a newer one is asked for while this one still serves; from
    `good_until` on it is not sent any more.
    """

    __slots__ = ("expires", "good_until", "made", "renew_at", "text")

    def __init__(self, text: str, made: int, expires: int | None) -> None:
        self.text = text
        self.made = made
        self.expires = expires
        self.good_until: int | None = None
        self.renew_at: int | None = None
        if expires is not None:
            tenth = max(expires - made, 0) // 10
            self.good_until = expires - min(_LONGEST_GUARD, tenth)
            self.renew_at = expires - min(_LONGEST_MARGIN, tenth)

    def __repr__(self) -> str:
        return f"Token([redacted], made={self.made}, expires={self.expires})"

    def __reduce__(self) -> str:
        raise TypeError("a token is not pickled")

    def is_good(self, now: int) -> bool:
        """Whether it may be sent."""
        return self.good_until is None or now < self.good_until

    def headers(self) -> Mapping[str, str]:
        """The Authorization header."""
        return {HEADER: f"Bearer {self.text}"}

    def is_in(self, headers: Mapping[str, str]) -> bool:
        """Whether a request with these headers was sent with it."""
        return headers.get(HEADER) == self.headers()[HEADER]


class TokenTimes(msgspec.Struct, frozen=True):
    """When a JWT says it was made and ends, in seconds since 1970; None where it does not say."""

    iat: float | None = None
    exp: float | None = None


def can_be_token(text: str) -> bool:
    """Whether a text can stand in a header as a token: printable ASCII without spaces."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def times_of_jwt(text: str) -> TokenTimes:
    """What a token says of its times, if it is a JWT. Nothing is verified: it only tells when to renew."""
    parts = text.split(".")
    if len(parts) != 3:
        return TokenTimes()
    try:
        claims = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        times = msgspec.json.decode(claims, type=TokenTimes)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        return TokenTimes()
    return TokenTimes(iat=_plausible(times.iat), exp=_plausible(times.exp))


def _plausible(seconds: float | None) -> float | None:
    return seconds if seconds is not None and 0 < seconds <= _LAST_SECOND else None
