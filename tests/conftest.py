"""Fixtures for every kind of test."""

import itertools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchanges.ibkr.simulator import Simulator
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


_numbers = itertools.count()


@pytest.fixture(scope="session")
def _states(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("states")


@pytest.fixture(autouse=True)
def _state_of_its_own(_states: Path) -> Iterator[None]:
    """Request limits, sign-ins and journals of a test are not those of whoever runs it, nor of another test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(_states / str(next(_numbers))))
        yield


@pytest.fixture
async def scripted_clock() -> AsyncIterator[ScriptedClock]:
    """A clock that jumps whenever everything waits."""
    clock = ScriptedClock(START)
    async with clock.running():
        yield clock


class PlainClient:
    """Somebody's client of a simulated gateway: plain HTTP requests, on a clock that a test moves by hand."""

    def __init__(self, gateway: Simulator, clock: ScriptedClock, http: httpx.AsyncClient) -> None:
        self.gateway = gateway
        self.clock = clock
        self.http = http

    async def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        return await self.http.request(method, path, **rest)

    async def get(self, path: str, **params: object) -> Any:
        """The JSON of an answer that must be 200."""
        response = await self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def post(self, path: str, body: object = None) -> Any:
        response = await self.ask("POST", path, json={} if body is None else body)
        assert response.status_code == 200, response.text
        return response.json()

    async def prime(self) -> None:
        """What a client does first: both account lists, and the cold reads of orders and trades."""
        await self.get("/iserver/accounts")
        await self.get("/portfolio/accounts")
        await self.get("/iserver/account/orders")
        await self.get("/iserver/account/trades")

    async def watch(self, *conids: int) -> None:
        """Open market data and wait until it is there."""
        await self.get("/iserver/marketdata/snapshot", conids=",".join(map(str, conids)))
        await self.clock.advance(1)

    async def place(self, *tickets: dict[str, object], account: str = "DU1234567") -> Any:
        """Place, confirm every question, and return the last answer."""
        answer = await self.post(f"/iserver/account/{account}/orders", {"orders": list(tickets)})
        while isinstance(answer, list) and "messageIds" in answer[0]:
            answer = await self.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
        return answer


StartGateway = Callable[..., Awaitable[PlainClient]]


@pytest.fixture
async def start_gateway() -> AsyncIterator[StartGateway]:
    """Starts a simulated gateway with the given options, and a client of it."""
    async with AsyncExitStack() as kept:

        async def start(**options: Any) -> PlainClient:
            clock = ScriptedClock(START)
            chosen = {"clock": clock, "plain_http": True, "pacing": False} | options
            gateway = await kept.enter_async_context(Simulator(**chosen))
            # An empty context: reading the machine's authorities for every client would take most of the time.
            plain = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            http = await kept.enter_async_context(httpx.AsyncClient(base_url=gateway.base_url, verify=plain))
            return PlainClient(gateway, clock, http)

        yield start


@pytest.fixture
async def plain_client(start_gateway: StartGateway) -> PlainClient:
    """A client that has done its first reads, and no questions about orders."""
    client = await start_gateway(prompts=False)
    await client.prime()
    return client


@pytest.fixture
def shared_data() -> Path:
    """The recorded data that lies beside the repository in the workshop; skips where it does not."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded data at {SHARED_DATA}: it is not part of the repository")
    return SHARED_DATA
