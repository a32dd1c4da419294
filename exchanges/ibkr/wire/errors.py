"""What an answer means when it is not the one that was asked for. There is no single error envelope.

Source: reference, sections 8.2 (shapes by status), 3.1, 5.1 and 10. The venue's text is looked at first, because the
same refusal comes with several statuses, 200 among them; the status decides otherwise.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec


class Problem(StrEnum):
    """The kinds of answers that are not answers. The client makes one error of each."""

    SIGNED_OUT = "signed out"
    NO_BRIDGE = "no brokerage session"
    NOT_PRIMED = "the accounts were not asked for first"
    PACING = "too many requests"
    BUSY = "too many at once"
    WRONG_HOST = "another numbered host is meant"
    NOT_ADMITTED = "the gateway serves other addresses"
    DOWN = "the venue can't answer"
    REFUSED = "refused"
    UNREADABLE = "not the documented shape"


class Finding(msgspec.Struct, frozen=True):
    """A problem with the venue's own text, as it came."""

    problem: Problem
    text: str


BY_TEXT: tuple[tuple[str, Problem], ...] = (
    ("query /accounts first", Problem.NOT_PRIMED),
    ("no bridge", Problem.NO_BRIDGE),
    ("not authenticated", Problem.SIGNED_OUT),
    ("not logged in", Problem.SIGNED_OUT),
    ("no session", Problem.SIGNED_OUT),
    # Five charts at once are too many; this 429 is not the one that blocks the address.
    ("too many history charts", Problem.BUSY),
)

BY_STATUS: Mapping[int, Problem] = {
    401: Problem.SIGNED_OUT,
    410: Problem.WRONG_HOST,
    # A cold notification counter says "waiting for reply".
    423: Problem.DOWN,
    429: Problem.PACING,
}


NOT_ADMITTED_TEXT = "access denied"
"""All that the gateway says to an address which its conf.yaml does not let in."""


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The keys that may hold a refusal at the top level of an answer, whatever its status."""

    error: object = None
    """The venue's text; `null` where an answer has the key as data (what-if, contract rules)."""
    message: object = None
    detail: object = None
    """`application/problem+json` of the outer endpoints."""


_ENVELOPE = msgspec.json.Decoder(ErrorEnvelope)


def find_problem(status: int, location: str, content: bytes) -> Finding | None:
    """What is wrong with an answer; None when it can be decoded. `location` is the header of a redirection.

    Only a top-level `error` counts: a healthy keep-alive answer holds `"hmds": {"error": "no bridge"}`.
    """
    if 200 <= status < 300:
        if content[:1] == b"[" or (content[:1] == b"{" and b'"error"' not in content):
            return None
        text = _envelope_text(content, ("error",))
        return Finding(_by_text(text) or Problem.REFUSED, text) if text else None
    if 300 <= status < 400:
        signed_out = "/sso/" in location or "login" in location.lower()
        return Finding(Problem.SIGNED_OUT if signed_out else Problem.UNREADABLE, f"a redirection to {location}")
    html = content.lstrip()[:1] == b"<"
    text = _envelope_text(content, ("error", "detail", "message")) or (
        "" if html else content.decode("utf-8", "replace")
    )
    problem = _by_text(text) or BY_STATUS.get(status)
    if status == 403 and text.strip().lower() == NOT_ADMITTED_TEXT:
        problem = Problem.NOT_ADMITTED
    if problem is None and status >= 500:
        problem = Problem.DOWN
    if problem is None:
        problem = Problem.UNREADABLE if html else Problem.REFUSED
    return Finding(problem, text.strip())


def _by_text(text: str) -> Problem | None:
    lowered = text.lower()
    return next((problem for part, problem in BY_TEXT if part in lowered), None)


def _envelope_text(content: bytes, keys: tuple[str, ...]) -> str:
    """The first non-empty of the keys as text; empty when the content is no such object."""
    try:
        envelope = _ENVELOPE.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    for key in keys:
        value: object = getattr(envelope, key)
        if value not in (None, "", False):
            return value.strip() if isinstance(value, str) else msgspec.json.encode(value).decode()
    return ""
