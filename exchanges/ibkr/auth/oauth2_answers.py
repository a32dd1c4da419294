"""The answers of both steps of an OAuth 2.0 sign-in: a token with its lifetime, or the error that the answer is.

| answer                                  | error                                                      |
|-----------------------------------------|------------------------------------------------------------|
| 2xx with an access token                | none                                                       |
| 2xx with an error text, most of 4xx     | CredentialRefused: not asked again with the same           |
| 429                                     | RateLimited                                                |
| 408, 410, 423, 425, 3xx, 5xx, a web page with 2xx | VenueUnavailable: nobody was signed in           |

Source: reference, sections 1.2 and 8.2.
"""

from http import HTTPStatus
from typing import Final

import msgspec

from exchanges.ibkr.auth.oauth2_refusals import Asked, Step, refusal, said, skew_seconds
from exchanges.ibkr.auth.tokens import Token, can_be_token, times_of_jwt
from horizon.clock import NANOSECONDS
from horizon.errors import HorizonError, RateLimited, VenueUnavailable
from horizon.net.answer import Response

BEARER_SECONDS: Final = 3000.0
"""How long a token is good that does not say so: 50 minutes (section 1.2)."""
LONGEST_SECONDS: Final = 86_400.0
"""No session lasts longer (section 1.6)."""
PENALTY_SECONDS: Final = 900.0
"""How long an address is refused after a 429 (section 8.1)."""
_NO_REFUSAL: Final = frozenset({408, 423, 425})


class _Granted(msgspec.Struct, frozen=True):
    """The answer of both steps, as far as it matters."""

    access_token: str
    expires_in: float | str | None = None

    def __repr__(self) -> str:
        return "_Granted([redacted])"


def granted(step: Step, response: Response, asked: Asked, *, asked_at: int, now: int) -> Token:
    """The token in an answer, good from `asked_at` on. Both times are integer nanoseconds."""
    if not 200 <= response.status < 300:
        raise _problem(step, response, asked, now)
    try:
        answer = msgspec.json.decode(response.content, type=_Granted)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        answer = _Granted("")
    if not can_be_token(answer.access_token):
        if b'"error"' in response.content:
            raise refusal(step, response, asked, skew_seconds(response.headers, now))
        raise VenueUnavailable(
            f"expected an access token from {asked.base_url}{step.value}, found status {response.status} with "
            f"{said(response, asked.username)!r}: check that the address is the venue's own; it is tried again"
        )
    seconds = _lifetime(answer, asked_at)
    return Token(answer.access_token, asked_at, asked_at + round(seconds * NANOSECONDS))


def _problem(step: Step, response: Response, asked: Asked, now: int) -> HorizonError:
    status, words = response.status, said(response, asked.username)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        text = response.headers.get("retry-after", "")
        seconds = float(text) if text.isdecimal() else PENALTY_SECONDS
        return RateLimited(
            f"{step.value} answered 429 ({words}): nobody is signed in for the next {seconds:.0f} s",
            retry_after=seconds,
            penalty=True,
        )
    if status == HTTPStatus.GONE:
        return VenueUnavailable(
            f"{asked.base_url} is not the host for this user ({step.value} answered 410): use another one, "
            f"1.api.ibkr.com to 7.api.ibkr.com"
        )
    if 400 <= status < 500 and status not in _NO_REFUSAL:
        return refusal(step, response, asked, skew_seconds(response.headers, now))
    return VenueUnavailable(f"{step.value} answered {status} ({words}), so nobody was signed in: it is tried again")


def _lifetime(answer: _Granted, asked_at: int) -> float:
    """Seconds: as the answer says, else as the token says, else as the documentation says."""
    times = times_of_jwt(answer.access_token)
    ends = times.exp - asked_at / NANOSECONDS if times.exp is not None else None
    # By its own two times a clock that is wrong here does no harm.
    whole = times.exp - times.iat if times.exp is not None and times.iat is not None else None
    for seconds in (_number(answer.expires_in), whole, ends):
        if seconds is not None and seconds > 0:
            return min(seconds, LONGEST_SECONDS)
    return BEARER_SECONDS


def _number(value: float | str | None) -> float | None:
    if isinstance(value, str):
        return float(value) if value.isdecimal() else None
    return value
