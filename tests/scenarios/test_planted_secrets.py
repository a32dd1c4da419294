"""Secrets that are planted everywhere a venue can put them, and looked for everywhere a program can leave them."""

import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import httpx
import polars
import pytest

from exchanges.ibkr.auth.bearer import Bearer
from exchanges.ibkr.client import Client
from exchanges.ibkr.session import Session
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.venue import IbkrVenue
from feeds import IbkrPollingFeed
from horizon.engine.run import run_async
from horizon.errors import HorizonError, WireError
from horizon.exchange import Exchange
from horizon.model import CoreEvent, Market, Order, Quote
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

START = 1_763_478_000_000_000_000
TOKEN = "planted-bearer-0123456789abcdef"
SESSION = "planted-session-fedcba9876543210"
HOLDER = "Planted Q Holder"
USER = "planteduser77"
PLANTED = (TOKEN, SESSION, HOLDER, USER)
ECHO = (
    f'{{"error": 5, "Authorization": "Bearer {TOKEN}", "session": "{SESSION}", "accountTitle": "{HOLDER}", '
    f'"USER_NAME": "{USER}"}}'
)
PAGE = f"<html>GET / HTTP/1.1\nAuthorization: Bearer {TOKEN}\nCookie: x-sess-uuid={SESSION}\n</html>"


class Planting(httpx.AsyncBaseTransport):
    """The way to a simulator, on which a person's names and tokens are put into every answer."""

    def __init__(self) -> None:
        self._way = httpx.AsyncHTTPTransport()
        self.tokens: set[str] = set()
        self.broken: dict[str, httpx.Response] = {}
        self.answers: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tokens.add(request.headers.get("authorization", ""))
        path = request.url.path.removeprefix("/v1/api")
        broken = self.broken.get(path)
        if broken is not None:
            return httpx.Response(broken.status_code, content=broken.content)
        answer = await self._way.handle_async_request(request)
        text = (await answer.aread()).decode()
        text = text.replace('"Horizon Simulation"', f'"{HOLDER}"').replace('"horizon"', f'"{USER}"')
        if path == "/tickle":
            text = text.replace('"session":"', f'"session":"{SESSION}')
        if path == "/iserver/accounts":
            # the venue is then asked for the type of the sign-in, whose answer names the user
            text = text.replace('"isPaper":true', '"isPaper":null')
        self.answers.append(text)
        return httpx.Response(answer.status_code, content=text.encode())

    async def aclose(self) -> None:
        await self._way.aclose()


class Buys(Strategy):
    markets = {"spy": "SPY"}
    bought: Order | None = None

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if self.bought is None and quote.ask is not None:
            spy: Market = ctx.market("spy")
            self.bought = ctx.buy(spy, 1, price=quote.ask * 1.001)
            ctx.buy(spy, 1)
            ctx.log(f"{ctx.account} {quote}")


class Planted:
    def __init__(self, way: Planting, client: Client, session: Session, venue: IbkrVenue, exchange: Exchange) -> None:
        self.way, self.client, self.session, self.venue, self.exchange = way, client, session, venue, exchange


@pytest.fixture
async def planted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Planted]:
    caplog.set_level(logging.DEBUG)
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True))
        way = Planting()
        client = Client(gateway.base_url, clock=clock, auth=Bearer(TOKEN), transport=way)
        session = Session(client, clock)
        venue = IbkrVenue(client, session, clock)
        exchange = Exchange(
            venue,
            account_id=gateway.accounts[0],
            journal=tmp_path / "journal.sqlite",
            clock=clock,
        )
        yield Planted(way, client, session, venue, await kept.enter_async_context(exchange))


def found_in(text: str) -> list[str]:
    return [secret for secret in PLANTED if secret in text]


def everything_in(directory: Path) -> str:
    """The text of every file; Parquet is unpacked, everything else is read as it lies there."""
    parts = []
    for path in sorted(directory.rglob("*")):
        if path.suffix == ".parquet":
            parts += [str(row) for row in polars.read_parquet(path).rows()]
        elif path.is_file():
            parts.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(parts)


async def test_a_run_leaves_no_secret_in_log_recording_journal_or_repr(
    planted: Planted, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = planted.exchange
    seen: list[CoreEvent] = []
    spy = await exchange.market("SPY")
    feed = IbkrPollingFeed(planted.venue.market_data, instruments=[spy.instrument()], clock=exchange.clock)
    result = await run_async(
        Buys(),
        exchange,
        feeds=[feed],
        record=tmp_path / "recording",
        duration=timedelta(seconds=150),
        on_event=seen.append,
    )
    assert planted.way.tokens == {f"Bearer {TOKEN}"}
    assert {SESSION, HOLDER, USER} <= {secret for text in planted.way.answers for secret in found_in(text)}
    assert planted.session.session_token.startswith(SESSION)
    assert len(result.fills) == 2

    shown: list[object] = [
        exchange,
        planted.client,
        planted.client.auth,
        planted.session,
        planted.session.portfolio_accounts,
    ]
    shown += [*seen, result, await exchange.accounts(), await exchange.account()]
    text = "\n".join(f"{each!r} {each}" for each in shown)
    assert found_in(text) == []
    assert found_in(everything_in(tmp_path)) == []
    assert "756733" in everything_in(tmp_path)
    assert "-> 200" in caplog.text
    assert found_in(caplog.text) == []


@pytest.mark.parametrize(
    "broken",
    [
        httpx.Response(200, content=ECHO.encode()),
        httpx.Response(200, content=ECHO.replace('"error": 5, ', "").encode()),
        httpx.Response(400, content=ECHO.encode()),
        httpx.Response(500, content=ECHO.replace("5,", f'"session={SESSION}; token={TOKEN}",').encode()),
        httpx.Response(200, content=PAGE.encode()),
        httpx.Response(503, content=PAGE.encode()),
        httpx.Response(401, content=PAGE.encode()),
        httpx.Response(200, content=ECHO[: len(ECHO) // 2].encode()),
    ],
)
async def test_an_answer_that_repeats_secrets_makes_an_error_without_them(
    planted: Planted, caplog: pytest.LogCaptureFixture, tmp_path: Path, broken: httpx.Response
) -> None:
    account = planted.exchange.account_id
    spy = await planted.exchange.market("SPY")
    for path in (f"/portfolio/{account}/positions/0", "/iserver/marketdata/snapshot"):
        planted.way.broken[path] = broken
    for read in (planted.exchange.positions(), planted.exchange.quote(spy)):
        with pytest.raises(HorizonError) as caught:
            await read
        told = f"{caught.value!r} {caught.value} " + "".join(traceback.format_exception(caught.value))
        if isinstance(caught.value, WireError):
            told += caught.value.found
        assert found_in(told) == []
    assert found_in(caplog.text) == []
    assert found_in(everything_in(tmp_path)) == []
