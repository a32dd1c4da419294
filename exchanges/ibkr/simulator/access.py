"""Who a request comes from: whoever reaches a local gateway's port, or an OAuth client that shows it each time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.state import State

Endpoint = Callable[[Ask], object]
"""Answers one request of a sign-in; what it returns is sent as JSON."""


class Access(Protocol):
    """One way of signing in."""

    has_pages: bool
    """Whether a person can sign in with a browser here."""
    needs_cookie: bool
    """Whether a socket must show its session in a cookie, whatever else it says."""
    hidden: frozenset[str]
    """Paths below `/v1/api` that do not exist for those who sign in like this."""

    @property
    def refusals(self) -> Sequence[str]:
        """Why requests were refused, oldest first; the answers say less."""
        ...

    def endpoint(self, method: str, path: str) -> Endpoint | None:
        """The sign-in endpoint at a whole path, if there is one."""
        ...

    def admit(self, ask: Ask) -> Session:
        """The session a request belongs to. Raises Refusal."""
        ...

    def admit_socket(self, ask: Ask) -> Session:
        """The session a socket belongs to. Raises Refusal."""
        ...

    def settle(self) -> None:
        """Called after each request, in the name of its session."""
        ...


class GatewayAccess:
    """A local gateway: whoever reaches its port speaks for the person who has signed in."""

    has_pages = True
    needs_cookie = False
    hidden: frozenset[str] = frozenset()
    refusals: Sequence[str] = ()

    def __init__(self, state: State) -> None:
        self._state = state

    def endpoint(self, method: str, path: str) -> Endpoint | None:
        return None

    def admit(self, ask: Ask) -> Session:
        return self._state.session

    def admit_socket(self, ask: Ask) -> Session:
        return self._state.session

    def settle(self) -> None:
        """There is one session only."""


@contextmanager
def speaking_for(state: State, session: Session) -> Iterator[None]:
    """A block in which `state.session` is the session of the caller. It must not await anything."""
    newest, state.session = state.session, session
    try:
        yield
    finally:
        state.session = newest


def require_user_agent(headers: Mapping[str, str]) -> None:
    """IBKR's edge serves nobody who does not say what he is."""
    if not headers.get("user-agent", "").strip():
        raise Refusal(403, "Access Denied")


def not_authenticated() -> Refusal:
    return Refusal(401, {"error": "not authenticated", "statusCode": 401})
