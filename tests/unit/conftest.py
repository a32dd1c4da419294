"""A scripted Interactive Brokers host: the real client and session on answers that a test writes down."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from exchanges.ibkr.client import PREFIX, Client
from exchanges.ibkr.session import LoginAccount, Session
from exchanges.ibkr.session_accounts import Login
from horizon.model import AccountId
from horizon.net.rates import RateLimiter
from horizon.simulation.scripted_clock import ScriptedClock


class Call:
    """One request as it came."""

    def __init__(self, request: httpx.Request) -> None:
        self.method = request.method
        self.path = request.url.path.removeprefix(PREFIX)
        self.params = dict(parse_qsl(request.url.query.decode()))
        self.body: Any = json.loads(request.content) if request.content else None

    def __repr__(self) -> str:
        return f"{self.method} {self.path} {self.params} {self.body}"


class Host:
    """Answers by `"METHOD /path"`, in order; the last answer of a path stays. A path without answers fails the test."""

    def __init__(self, clock: ScriptedClock, accounts: tuple[str, ...]) -> None:
        self.clock = clock
        self.calls: list[Call] = []
        self.answers: dict[str, list[Any]] = {}
        self.client = Client(
            "https://localhost:5000",
            clock=clock,
            limiter=RateLimiter((), clock),
            transport=httpx.MockTransport(self._handle),
        )
        self.session = Session(self.client, clock)
        known = tuple(LoginAccount(AccountId(name), False) for name in accounts)
        self.session._repair.login = Login(accounts=known)
        self.session.selected_account = AccountId(accounts[0])

    def on(self, endpoint: str, *answers: Any) -> "Host":
        """Answer `endpoint` with JSON values, httpx.Responses, exceptions, or functions of the Call."""
        self.answers[endpoint] = list(answers)
        return self

    def seen(self, endpoint: str) -> list[Call]:
        """The calls of one endpoint."""
        return [call for call in self.calls if f"{call.method} {call.path}" == endpoint]

    @property
    def paths(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        call = Call(request)
        self.calls.append(call)
        waiting = self.answers.get(f"{call.method} {call.path}")
        if not waiting:
            pytest.fail(f"no answer written for {call!r}")
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if callable(answer):
            answer = answer(call)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, content=json.dumps(answer).encode())


MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(scripted_clock: ScriptedClock) -> Iterator[MakeHost]:
    """Makes a scripted host for a login with the given accounts."""

    def make(*accounts: str) -> Host:
        return Host(scripted_clock, accounts or ("DU1234567",))

    return make


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    """A scripted host for a login with one account."""
    return make_host()
