"""A scripted Interactive Brokers host: the real client and session on answers that a test writes down."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import datetime
from random import Random
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx
import pytest

from exchanges.ibkr.client import PREFIX, Client
from exchanges.ibkr.session import LoginAccount, Session
from exchanges.ibkr.session_accounts import Login
from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.model import AccountId, Notice, SessionState
from horizon.net.rates import RateLimiter
from horizon.simulation.scripted_clock import ScriptedClock

UP = {"authenticated": True, "established": True, "competing": False, "connected": True, "message": ""}


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


class SessionVenue:
    """Answers by path; what is put in `answers` comes first, one at a time."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.hosts: list[str] = []
        self.bodies: list[bytes] = []
        self.authorizations: list[str] = []
        self.answers: dict[str, list[Any]] = {}
        self.usual: dict[str, Any] = {
            "/iserver/auth/status": UP,
            "/iserver/auth/ssodh/init": UP,
            "/iserver/accounts": {"accounts": ["DU1", "DU2"], "isPaper": True, "selectedAccount": "DU1"},
            "/portfolio/accounts": [{"accountId": "DU1"}, {"accountId": "DU2"}],
            "/sso/validate": {"LOGIN_TYPE": 2, "USER_NAME": "somebody"},
            "/tickle": {"session": "secret-session", "iserver": {"authStatus": UP}},
            "/logout": {"status": True},
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/api")
        self.paths.append(path)
        self.hosts.append(request.url.host)
        self.bodies.append(request.content)
        self.authorizations.append(request.headers.get("authorization", ""))
        queued = self.answers.get(path)
        answer = queued.pop(0) if queued else self.usual[path]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        return httpx.Response(status, content=json.dumps(content).encode())

    def count(self, path: str) -> int:
        return self.paths.count(path)

    def bodies_of(self, path: str) -> list[Any]:
        return [json.loads(body) for asked, body in zip(self.paths, self.bodies, strict=True) if asked == path]


class SessionSetup:
    """One session on one scripted clock, and what it told."""

    def __init__(
        self, clock: ScriptedClock, venue: SessionVenue, *, auth: Any = None, hosts: Sequence[str] = (), **options: Any
    ) -> None:
        self.venue = venue
        self.clock = clock
        self.states: list[SessionState] = []
        self.notices: list[Notice] = []
        self.client = Client(
            "https://localhost:5000" if auth is None else "https://api.example.com",
            clock=clock,
            auth=auth,
            hosts=hosts,
            limiter=RateLimiter((), clock),
            transport=httpx.MockTransport(venue),
        )
        self.session = Session(self.client, clock, chance=Random(7), **options)

    async def open(self) -> None:
        await self.session.open(self.take)

    def take(self, event: SessionState | Notice) -> None:
        (self.states if isinstance(event, SessionState) else self.notices).append(event)  # type: ignore[arg-type]

    async def until(self, moment: str, zone: str = "America/New_York") -> None:
        """Let time pass until the wall clock of a zone shows `moment`."""
        there = to_nanoseconds(datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone)))
        await self.clock.sleep((there - self.clock.now()) / NANOSECONDS)

    @property
    def ready(self) -> list[bool]:
        return [state.ready for state in self.states]


MakeSession = Callable[..., SessionSetup]


@pytest.fixture
async def make_session() -> AsyncIterator[MakeSession]:
    clock, made = ScriptedClock(1_700_000_000_000_000_000), []

    def setup(venue: SessionVenue | None = None, **options: Any) -> SessionSetup:
        made.append(SessionSetup(clock, venue or SessionVenue(), **options))
        return made[-1]

    async with clock.running():
        yield setup
        for each in made:
            await each.session.close()
            await each.client.close()
