"""The keep-alive through a thousand random failures: it never stops while the session is open, and tells each change
once."""

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from random import Random
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchanges.ibkr.auth import Ask, LocalGateway, TokenState
from exchanges.ibkr.client import Client
from exchanges.ibkr.session import KEEP_ALIVE_SECONDS, Session
from horizon.clock import Clock
from horizon.errors import NeedsLogin, OutcomeUnknown, RateLimited, Refused, VenueUnavailable, WireError
from horizon.model import Notice, SessionState
from horizon.net.rates import RateLimiter
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_763_478_000_000_000_000  # a Tuesday, 15:00 UTC
FAILURES = 1_000
LONGEST_SILENCE = 900 + 300
"""A penalty, and the longest pause between two attempts."""

UP = {"authenticated": True, "established": True, "competing": False, "connected": True, "message": ""}
STATUSES = [
    UP,
    {**UP, "competing": True},
    {**UP, "established": False},
    {"authenticated": False, "competing": False, "connected": True},
    {"authenticated": False, "competing": False, "connected": False},
    {},
]
BODIES: list[bytes] = [
    b"",
    b"null",
    b"[]",
    b"17",
    b"<html>Resource not found</html>",
    b"\xff\xfe",
    b'{"session": 5',
    b'{"error": "no session"}',
    b'{"error": "Bad Request: no bridge", "statusCode": 400}',
    b'{"error": "failed to process request"}',
    b'{"error": "id: 39687, error: invalid consumer", "statusCode": 401}',
    b'{"accounts": []}',
    b"Access Denied",
]
CODES = [200, 204, 302, 400, 401, 403, 404, 410, 411, 423, 500, 502, 503]
LOST: list[Exception] = [
    httpx.ReadError("cut"),
    httpx.ConnectError("refused"),
    httpx.ReadTimeout("slow"),
    httpx.RemoteProtocolError("odd"),
    TimeoutError(),
    ConnectionResetError(),
    OSError("no route"),
]
DEFECTS: list[BaseException] = [
    ZeroDivisionError("a defect"),
    KeyError("x"),
    RuntimeError("a defect"),
    AssertionError(),
    RecursionError(),
    asyncio.CancelledError(),
    StopAsyncIteration(),
    UnicodeDecodeError("utf-8", b"x", 0, 1, "odd"),
    OutcomeUnknown("not known"),
    WireError("odd", path="/tickle"),
    Refused("no"),
    VenueUnavailable("gone"),
    NeedsLogin("sign in"),
    RateLimited("slow", retry_after=3.0),
]

failures = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(STATUSES)),
    st.tuples(st.just("body"), st.tuples(st.sampled_from(CODES), st.sampled_from(BODIES))),
    st.tuples(st.just("lost"), st.sampled_from(LOST)),
    st.tuples(st.just("defect"), st.sampled_from(DEFECTS)),
    st.tuples(st.just("hang"), st.none()),
    st.tuples(st.just("429"), st.none()),
    st.tuples(st.just("listener"), st.none()),
)


class Tokens(LocalGateway):
    """A token without a person, whose renewal fails as often as not."""

    person_signs_in = False

    def __init__(self, chance: Random) -> None:
        super().__init__()
        self.chance = chance

    async def renew(self, refused: Mapping[str, str]) -> bool:
        if self.chance.random() < 0.3:
            raise self.chance.choice([VenueUnavailable("gone"), ZeroDivisionError("a defect"), TimeoutError()])
        return self.chance.random() < 0.5

    async def keep(self, renewed: Callable[[], None]) -> None:
        while True:
            await self.clock.sleep(self.chance.uniform(100, 5_000))
            renewed()
            if self.chance.random() < 0.2:
                raise self.chance.choice([ZeroDivisionError("a defect"), VenueUnavailable("gone")])

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        super().bind(base_url, ask, clock)
        self.clock = clock

    def token(self) -> TokenState:
        return TokenState(valid=True, since=0)


class World:
    """A venue and a listener that fail as they are told, one failure for each request."""

    def __init__(self, clock: ScriptedClock, plan: list[tuple[str, Any]], chance: Random) -> None:
        self.clock = clock
        self.plan = plan
        self.chance = chance
        self.healthy = True
        self.told: list[SessionState] = []
        self.asked: list[float] = []
        self.done = 0
        self.closed_until = 0.0
        self.sent_while_closed = 0
        self.listener_fails = False

    async def handle(self, request: httpx.Request) -> httpx.Response:
        self.sent_while_closed += self.clock.monotonic() < self.closed_until
        self.asked.append(self.clock.monotonic())
        if self.healthy or self.done == len(self.plan):
            return self._healthy(request)
        kind, value = self.plan[self.done]
        self.done += 1
        match kind:
            case "status":
                return self._json({**value, "session": "s", "iserver": {"authStatus": value}})
            case "body":
                return httpx.Response(value[0], content=value[1])
            case "lost" | "defect":
                raise value
            case "hang":
                await asyncio.Event().wait()
            case "429":
                self.closed_until = self.clock.monotonic() + 900
                return httpx.Response(429, content=b'{"error": "too many"}')
        self.listener_fails = True
        return self._healthy(request)

    def _healthy(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1/api")
        if path == "/portfolio/accounts":
            return self._json([{"accountId": "DU1"}])
        return self._json(
            {**UP, "session": "s", "iserver": {"authStatus": UP}, "accounts": ["DU1"], "isPaper": True, "status": "ok"}
        )

    @staticmethod
    def _json(value: object) -> httpx.Response:
        return httpx.Response(200, content=json.dumps(value).encode())

    def put(self, event: SessionState | Notice) -> None:
        if isinstance(event, SessionState):
            self.told.append(event)
        if self.listener_fails:
            self.listener_fails = False
            raise self.chance.choice([ZeroDivisionError("a defect in who is told"), KeyError("x"), TimeoutError()])


class Moved(httpx.AsyncBaseTransport):
    """A request that hangs must not keep the scripted clock from moving."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        async with self.world.clock.parked():
            return await self.world.handle(request)


async def live_through(plan: list[tuple[str, Any]], seed: int, *, person: bool, compete: Any) -> World:
    before = asyncio.all_tasks()
    clock, chance = ScriptedClock(START), Random(seed)
    world = World(clock, plan, chance)
    client = Client(
        "https://localhost:5000",
        clock=clock,
        auth=LocalGateway() if person else Tokens(chance),
        limiter=RateLimiter((), clock),
        transport=Moved(world),
    )
    session = Session(client, clock, compete=compete, chance=chance)

    async def broken() -> None:
        if chance.random() < 0.2:
            raise chance.choice([ZeroDivisionError("a defect"), VenueUnavailable("gone"), TimeoutError()])

    session.on_established.append(broken)
    session.on_renewed.append(broken)
    async with clock.running():
        await session.open(world.put)
        world.healthy = False
        while world.done < len(plan):
            last = len(world.asked)
            await clock.sleep(LONGEST_SILENCE)
            assert len(world.asked) > last, "the keep-alive has stopped"
        for _ in range(60):
            # the longest pauses between attempts and one penalty more
            await clock.sleep(60 * KEEP_ALIVE_SECONDS / 10)
            if session.state.ready:
                break
        last = len(world.asked)
        await clock.sleep(10 * KEEP_ALIVE_SECONDS)
        assert session.keep_alive_age is not None
        assert session.keep_alive_age <= KEEP_ALIVE_SECONDS
        assert len(world.asked) - last >= 9
        assert session.state.ready
        await session.close()
    assert asyncio.all_tasks() == before
    return world


def each_once(told: list[SessionState]) -> bool:
    return all(
        (one.ready, one.holding, one.reason, one.tiers) != (two.ready, two.holding, two.reason, two.tiers)
        for one, two in pairwise(told)
    )


@pytest.mark.parametrize(("person", "compete"), [(True, "never"), (False, "always")])
async def test_a_thousand_failures_in_a_row(person: bool, compete: str) -> None:
    chance = Random(20_251_118)
    kinds: list[tuple[str, list[Any]]] = [
        ("status", STATUSES),
        ("body", [(code, body) for code in CODES for body in BODIES]),
        ("lost", LOST),
        ("defect", DEFECTS),
        ("hang", [None]),
        ("listener", [None]),
    ]
    plan: list[tuple[str, Any]] = []
    for number in range(FAILURES):
        kind, values = chance.choice(kinds)
        plan.append(("429", None) if number % 100 == 50 else (kind, chance.choice(values)))
    world = await live_through(plan, 7, person=person, compete=compete)
    assert world.done == FAILURES
    assert world.sent_while_closed == 0
    assert each_once(world.told)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    plan=st.lists(failures, min_size=1, max_size=25),
    seed=st.integers(0, 1_000),
    person=st.booleans(),
    compete=st.sampled_from(["never", "once", "always"]),
)
def test_the_keep_alive_outlives_every_failure(
    plan: list[tuple[str, Any]], seed: int, person: bool, compete: str
) -> None:
    world = asyncio.run(live_through(plan, seed, person=person, compete=compete))
    assert world.sent_while_closed == 0
    assert each_once(world.told)
