"""What a handler gets, and what it gives back."""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any

import msgspec


class Refusal(Exception):
    """An answer other than the normal one. `body` is sent as JSON, text as text, None as an empty body."""

    media_type = "application/json; charset=utf-8"
    """Of a body that is sent as JSON."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(f"{status}: {body}")
        self.status = status
        self.body = body


def bad_request(text: str, status: int = 400) -> Refusal:
    """The envelope of most refusals: the status is repeated in the body, whatever the body says it is."""
    return Refusal(status, {"error": f"Bad Request: {text}", "statusCode": status})


def unknown_failure() -> Refusal:
    """The gateway's way to say that a parameter made no sense to it."""
    return Refusal(500, {"error": "unknown", "statusCode": 500})


class Needs(Enum):
    """What must have happened in the session before a call is served. Each includes those above it."""

    NOTHING = auto()
    LOGIN = auto()
    PORTFOLIO = auto()
    """`/portfolio/accounts` or `/portfolio/subaccounts` was read."""
    BROKERAGE = auto()
    ACCOUNTS = auto()
    """`/iserver/accounts` was read."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request: what stood in the path, after the question mark, and in the body."""

    method: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None for an empty one. Refuses what is not JSON, as the gateway does."""
        if not self.body.strip():
            return None
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            raise Refusal(400, {"error": "Bad Request: Failed to parse body as JSON", "statusCode": 400}) from None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object; anything else counts as an empty one."""
        found = self.json()
        return found if isinstance(found, dict) else {}

    def number(self, name: str) -> int | None:
        """A whole number of the query; None when it is absent or not a number."""
        return whole(self.query.get(name))

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() == "true"


def whole(text: object) -> int | None:
    """A whole number written as a number or as digits."""
    if isinstance(text, bool) or not isinstance(text, int | float | str):
        return None
    try:
        return int(text)
    except (ValueError, OverflowError):
        return None


class Route(msgspec.Struct, frozen=True):
    """One endpoint below `/v1/api`; `{name}` stands for one part of the path."""

    methods: str
    path: str
    needs: Needs
    handle: Callable[[Any, Call], object]
    """Called with the gateway's state and the call; returns what is sent as JSON."""
