"""What a refused OAuth 2.0 sign-in means: one sentence with the venue's own words and what to do.

Source: reference, sections 1.2 (errors of both steps), 1.3 (39687) and 8.2 (problem+json). The exact texts of the two
endpoints are recorded nowhere (section 12), so the words are looked for wherever the venue may put them.
"""

import re
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from http import HTTPStatus
from typing import Final

import msgspec

from exchanges.ibkr.auth.renewal import CredentialRefused
from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.net.answer import Response
from horizon.net.redaction import MASK, extract

TOKEN_PATH: Final = "/oauth2/api/v1/token"  # noqa: S105 - a path
SESSIONS_PATH: Final = "/gw/api/v1/sso-sessions"
SHORT_AUDIENCE: Final = "/token"
TOLERATED_SKEW: Final = 30.0
"""Seconds by which this machine's clock may differ from the venue's before that is named as the cause."""

_THEN: Final = ", then start again"


class Step(Enum):
    """The two requests of a sign-in."""

    TOKEN = TOKEN_PATH
    SESSION = SESSIONS_PATH


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue was told, as far as a sentence about it needs it."""

    base_url: str
    audience: str
    ip: str
    username: str

    def __repr__(self) -> str:
        return f"Asked(base_url={self.base_url!r})"

    @property
    def other_audience(self) -> str:
        """The other of the two forms that are in use."""
        return SHORT_AUDIENCE if self.audience != SHORT_AUDIENCE else f"{self.base_url}{TOKEN_PATH}"


class _Argument(msgspec.Struct, frozen=True):
    field: str | None = None
    description: str | None = None


class _Problem(msgspec.Struct, frozen=True):
    """`application/problem+json`, the error of RFC 6749, and the brokerage's own envelope: whichever it is."""

    type: str | None = None
    title: str | None = None
    detail: str | None = None
    error: str | None = None
    error_description: str | None = None
    errorDescription: str | None = None
    message: str | None = None
    invalidArguments: list[_Argument] | None = None


_NOT_ACTIVE = re.compile(r"39687|invalid consumer", re.IGNORECASE)
_SCOPE = re.compile(r"scope", re.IGNORECASE)
_AUDIENCE = re.compile(r"\baud\b|audience", re.IGNORECASE)
_TIME = re.compile(
    r"\b(exp|iat|nbf)\b|expired|expiration|not yet valid|in the future|issued at|too old|clock|\btime", re.IGNORECASE
)
_IP = re.compile(r"\bip\b|\bips\b|ip ?address", re.IGNORECASE)
_USER = re.compile(r"credential\b|user ?name|\buser\b", re.IGNORECASE)
_CLIENT = re.compile(r"client|\bkid\b|\biss\b|\bsub\b|issuer|subject|signature|key", re.IGNORECASE)


def said(response: Response, username: str = "") -> str:
    """The venue's words in an answer, as one short clause without secrets; the user name is one."""
    content = response.content.strip()
    if content[:1] == b"<":
        return "a web page instead of an answer"
    try:
        text = _words(msgspec.json.decode(content, type=_Problem))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        text = content.decode("utf-8", "replace")
    if username:
        # Before the text is cut short, so that no half of it is left.
        text = re.sub(re.escape(username), MASK, text, flags=re.IGNORECASE)
    return extract(text) or "no text"


def skew_seconds(headers: Mapping[str, str], now: int) -> float | None:
    """By how many seconds this machine's clock (`now`, nanoseconds) is ahead of an answer's Date, if it has one."""
    try:
        date = parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return (now - to_nanoseconds(date if date.tzinfo else date.replace(tzinfo=UTC))) / NANOSECONDS


def refusal(step: Step, response: Response, asked: Asked, skew: float | None) -> CredentialRefused:
    """The error of a sign-in that was answered with a refusal (4xx)."""
    words = said(response, asked.username)
    where = f"the venue refused to sign in ({step.value} answered {response.status}: {words})"
    if skew is not None and abs(skew) > TOLERATED_SKEW:
        way = "ahead of" if skew > 0 else "behind"
        return CredentialRefused(
            f"{where}, and this machine's clock is {abs(skew):.0f} s {way} the venue's: set the clock by the network "
            f"(`timedatectl set-ntp true` on Linux){_THEN}",
            clock_is_wrong=True,
        )
    clock = ", that this machine's clock is right" if skew is None else ""
    return CredentialRefused(
        f"{where}: {_remedy(step, response, words, asked, clock)}{_THEN}", is_bare=_is_bare(response, words)
    )


def _is_bare(response: Response, words: str) -> bool:
    """A 401 that neither is a problem document nor says what is wrong: it can come from the venue's reset (1.6)."""
    if response.status != HTTPStatus.UNAUTHORIZED or "problem" in response.headers.get("content-type", ""):
        return False
    try:
        problem = msgspec.json.decode(response.content, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = _Problem()
    if problem.type or problem.title or problem.detail:
        return False
    return not any(each.search(words) for each in (_NOT_ACTIVE, _SCOPE, _AUDIENCE, _TIME, _IP, _USER, _CLIENT))


def _remedy(step: Step, response: Response, words: str, asked: Asked, clock: str) -> str:
    page = response.content.lstrip()[:1] == b"<"
    if page:
        return f"check that {asked.base_url} is the venue's own address and that no proxy or firewall answers for it"
    if _NOT_ACTIVE.search(words):
        return (
            "the user and the registered client are not active together yet, which takes until after a nightly reset "
            "and up to two weeks, so wait a day"
        )
    if response.status == 403 or _SCOPE.search(words):
        return (
            "the client lacks the scope sso-sessions.write or the right to trade for this user, so have it granted or "
            "correct scope="
        )
    if _AUDIENCE.search(words):
        return f"set audience={asked.other_audience!r}, the other form that is in use"
    if _TIME.search(words):
        return "compare this machine's clock with a correct one and set it by the network"
    if step is Step.SESSION and _IP.search(words):
        return f"set ip= to the public address from which this machine reaches the venue, found {asked.ip!r}"
    if step is Step.SESSION and _USER.search(words):
        return "correct the username, the name the user signs in with, and have it linked to the client"
    if step is Step.SESSION:
        return f"check the username and ip={asked.ip!r}{clock}, and that the user is linked to the client"
    if _CLIENT.search(words):
        return "check client_id= and key_id=, and that the public half of this key is registered under them"
    return (
        f"check client_id=, key_id={clock} and that the public half of this key is registered under them, or try "
        f"audience={asked.other_audience!r}"
    )


def _words(problem: _Problem) -> str:
    arguments = [", ".join(filter(None, (each.field, each.description))) for each in problem.invalidArguments or ()]
    kind = problem.type if problem.type not in (None, "", "about:blank", "/simple") else None
    told = (
        problem.title,
        problem.detail,
        problem.error,
        problem.error_description,
        problem.errorDescription,
        problem.message,
        kind,
        *arguments,
    )
    return "; ".join(dict.fromkeys(each for each in told if each))
