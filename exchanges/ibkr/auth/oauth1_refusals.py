"""What a refused live session token means: one sentence with the venue's own words and what to do.

Source: reference, sections 1.3 (39687), 1.5 and 1.6. The exact texts are recorded nowhere else, so the words are looked
for.
"""

import re
from http import HTTPStatus
from typing import Final

from exchanges.ibkr.auth.oauth2_answers import PENALTY_SECONDS
from exchanges.ibkr.auth.oauth2_refusals import TOLERATED_SKEW, said
from exchanges.ibkr.auth.renewal import CredentialRefused
from horizon.errors import HorizonError, RateLimited, VenueUnavailable
from horizon.net.answer import Response

PATH: Final = "/v1/api/oauth/live_session_token"
_REFUSALS: Final = frozenset({400, 401, 403})
_THEN: Final = ", then start again"
_NOT_ACTIVE: Final = re.compile(r"\b39687\b")
_CONSUMER: Final = re.compile(r"consumer", re.IGNORECASE)
_TIME: Final = re.compile(r"timestamp|\bclock\b|too old|in the future", re.IGNORECASE)
_SIGNATURE: Final = re.compile(r"signature", re.IGNORECASE)
_TOKEN: Final = re.compile(r"token|access secret", re.IGNORECASE)
# Every reason that the venue gives in its own words begins with a number.
_REASON: Final = re.compile(r"\bid: ?\d+", re.IGNORECASE)
_SET_CLOCK: Final = "set the clock by the network (`timedatectl set-ntp true` on Linux)"
_KEYS: Final = (
    "check that encryption_key= and signature_key= are not swapped, and that both, access_token_secret=, dh= and "
    "consumer_key= all belong to the same registration in IBKR's portal"
)


def problem(response: Response, base_url: str, skew: float | None) -> HorizonError | None:
    """The error of an answer without a live session token; None when it may hold one.

    `skew` is by how many seconds our clock is ahead of the venue's, if that is known.
    """
    status = response.status
    if status in _REFUSALS or (status == HTTPStatus.OK and b'"error"' in response.content):
        return refusal(response, skew)
    if status == HTTPStatus.OK:
        return None
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        text = response.headers.get("retry-after", "")
        seconds = float(text) if text.isdecimal() else PENALTY_SECONDS
        return RateLimited(
            f"POST {PATH} answered 429 ({said(response)}): nobody is signed in for the next {seconds:.0f} s",
            retry_after=seconds,
        )
    if status == HTTPStatus.NOT_FOUND:
        return CredentialRefused(
            f"expected OAuth to be served at {base_url}, found that POST {PATH} answers 404: use https://api.ibkr.com, "
            f"because a gateway on one's own machine is signed in to by a person"
        )
    if status == HTTPStatus.GONE:
        return VenueUnavailable(
            f"{base_url} is not the host for this user (POST {PATH} answered 410): use another one, 1.api.ibkr.com to "
            f"7.api.ibkr.com"
        )
    return VenueUnavailable(
        f"POST {PATH} answered {status} ({said(response)}), so nobody was signed in: it is tried again"
    )


def refusal(response: Response, skew: float | None) -> CredentialRefused:
    """The error of a request that was refused."""
    words = said(response)
    what = f"the venue refused a live session token (POST {PATH} answered {response.status}: {words})"
    if _NOT_ACTIVE.search(words):
        return CredentialRefused(
            f"{what}, because this consumer key is not active yet: a new one becomes usable after a nightly reset, "
            f"mostly within a day and at most two weeks, so wait for the next reset{_THEN}"
        )
    if skew is not None and abs(skew) > TOLERATED_SKEW:
        return CredentialRefused(f"{what}, and {_said_of(skew)}: {_SET_CLOCK}{_THEN}", clock_is_wrong=True)
    if _TIME.search(words):
        return CredentialRefused(
            f"{what}, and by these words this machine's clock is wrong: {_SET_CLOCK}{_THEN}", clock_is_wrong=True
        )
    if _CONSUMER.search(words):
        return CredentialRefused(f"{what}: check consumer_key= against IBKR's portal{_THEN}")
    if _SIGNATURE.search(words):
        return CredentialRefused(f"{what}: {_KEYS}{_THEN}")
    if _TOKEN.search(words):
        return CredentialRefused(f"{what}: make a new access token in IBKR's portal, give it with its secret{_THEN}")
    return CredentialRefused(
        f"{what}: check access_token= and consumer_key= against IBKR's portal, and {_KEYS}{_THEN}",
        is_bare=response.status == HTTPStatus.UNAUTHORIZED and not _REASON.search(words),
    )


def mismatch() -> CredentialRefused:
    """The venue granted a token, and it is another one than ours."""
    return CredentialRefused(
        f"the venue's live session token is another one than the one computed here (its signature does not match), so "
        f"the encryption key, the access token secret, the Diffie-Hellman parameters or the consumer key is not the "
        f"one that is registered: {_KEYS}{_THEN}"
    )


def already_over(seconds: float, skew: float | None) -> CredentialRefused:
    """The venue granted a token whose time was over `seconds` ago."""
    clock = f", and {_said_of(skew)}" if skew is not None and abs(skew) > TOLERATED_SKEW else ""
    return CredentialRefused(
        f"expected a live session token for about a day, found one that ended {seconds:.0f} s ago by this machine's "
        f"clock{clock}: {_SET_CLOCK}{_THEN}",
        clock_is_wrong=True,
    )


def _said_of(skew: float) -> str:
    return f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the venue's"
