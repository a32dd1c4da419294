"""What comes of a request: an answer, or how far it got without one. Loads no HTTP library."""

from collections.abc import Mapping
from typing import NamedTuple


class Response(NamedTuple):
    """An answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class TransportError(Exception):
    """No whole answer came. `cause` is one clause for an error's text."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class NotSent(TransportError):
    """The request surely did not leave."""


class NoAnswer(TransportError):
    """The request may have arrived; its answer did not, or not whole."""
