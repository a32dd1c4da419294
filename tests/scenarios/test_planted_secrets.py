"""Secrets that are planted everywhere a venue can put them, and looked for everywhere a program can leave them."""

import base64
import json
import logging
import re
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import httpx
import polars
import pytest

from exchanges.ibkr.auth import Auth, Bearer, DiffieHellman, OAuth1, OAuth2, PrivateKey
from exchanges.ibkr.auth.live_session_token import LiveSessionToken
from exchanges.ibkr.auth.oauth1_refusals import PATH as LIVE_SESSION_TOKEN
from exchanges.ibkr.auth.oauth2_refusals import SESSIONS_PATH, TOKEN_PATH
from exchanges.ibkr.client import Client
from exchanges.ibkr.session import Session
from exchanges.ibkr.simulator import SignInRules, Simulator
from exchanges.ibkr.simulator.credentials import sample_oauth1_consumer, sample_oauth2_client
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
JWT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
PAGE = f"<html>GET / HTTP/1.1\nAuthorization: Bearer {TOKEN}\nCookie: x-sess-uuid={SESSION}\n</html>"


class Planting(httpx.AsyncBaseTransport):
    """The way to a simulator, on which a person's names and tokens are put into every answer."""

    def __init__(self) -> None:
        self._way = httpx.AsyncHTTPTransport()
        self.tokens: set[str] = set()
        self.broken: dict[str, httpx.Response] = {}
        self.parrots: dict[str, int] = {}
        """Paths that answer with this status and with everything that was asked."""
        self.answers: list[str] = []
        self.signed: set[str] = set()
        """What proves who asks: assertions, tokens, signatures and challenges, in whichever direction they went."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.tokens.add(request.headers.get("authorization", ""))
        path = request.url.path.removeprefix("/v1/api")
        self._keep_proofs(request)
        if request.url.path in self.parrots:
            return httpx.Response(self.parrots[request.url.path], content=repeated(request))
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
        self.signed |= set(re.findall(r'"(?:access_token|diffie_hellman_response)":"([^"]+)"', text))
        return httpx.Response(answer.status_code, content=text.encode())

    def _keep_proofs(self, request: httpx.Request) -> None:
        body, header = request.content.decode(), request.headers.get("authorization", "")
        self.signed |= set(JWT.findall(unquote(body)))
        proofs = re.findall(r'(?:oauth_signature|oauth_token|diffie_hellman_challenge)="([^"]+)"', header)
        self.signed |= {*proofs, *map(unquote, proofs), *re.findall(r"Bearer (\S+)", header)}

    async def aclose(self) -> None:
        await self._way.aclose()


def repeated(request: httpx.Request) -> bytes:
    """A refusal that quotes the whole request, as a careless proxy does."""
    header = request.headers.get("authorization", "")
    quoted = f"username={USER} sent Authorization: {header} and {unquote(request.content.decode())}"
    claims = [base64.urlsafe_b64decode(jwt.split(".")[1] + "==").decode() for jwt in JWT.findall(quoted)]
    return json.dumps({"title": "Refused", "detail": quoted, "error": " ".join(claims) or quoted}).encode()


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


class Program:
    """A program that signs in by itself, and all that must not be seen of it."""

    def __init__(
        self, gateway: Simulator, auth: Auth, clock: ScriptedClock, journal: Path, planted: tuple[str, ...]
    ) -> None:
        self.gateway, self.auth, self._planted = gateway, auth, planted
        self.way = Planting()
        client = Client(gateway.base_url, clock=clock, auth=auth, transport=self.way)
        self.session = Session(client, clock)
        self.venue = IbkrVenue(client, self.session, clock)
        self.exchange = Exchange(self.venue, account_id=gateway.accounts[0], journal=journal, clock=clock)
        self.events: list[object] = []

    @property
    def secrets(self) -> set[str]:
        """What was registered, what was made of it, and what was sent."""
        newest = getattr(self.auth, "_renewal").newest  # noqa: B009  a secret has no public name
        keys = (newest.key.hex(), base64.b64encode(newest.key).decode()) if isinstance(newest, LiveSessionToken) else ()
        return {*self._planted, *keys, *self.way.signed, HOLDER, USER, SESSION}

    def seen_in(self, *shown: object) -> list[str]:
        text = "\n".join(f"{each!r} {each}" for each in shown)
        return [secret for secret in self.secrets if secret in text]


def lines_of(*pems: str) -> tuple[str, ...]:
    """Each line of a key alone is a secret."""
    return tuple(line for pem in pems for line in pem.splitlines() if len(line) > 32 and "-----" not in line)


def oauth2() -> tuple[OAuth2, dict[str, object], tuple[str, ...]]:
    sample = sample_oauth2_client(username=USER)
    known = sample.registered
    key = PrivateKey.from_bytes(sample.private_key_pem)
    auth = OAuth2(client_id=known.client_id, key_id=known.key_id, key=key, username=USER, ip=known.ip)
    return auth, {"sign_in": "oauth2", "oauth2_clients": [known]}, lines_of(sample.private_key_pem)


def oauth1() -> tuple[OAuth1, dict[str, object], tuple[str, ...]]:
    sample = sample_oauth1_consumer(username=USER)
    known = sample.registered
    auth = OAuth1(
        consumer_key=known.consumer_key,
        access_token=known.access_token,
        access_token_secret=known.access_token_secret,
        signature_key=PrivateKey.from_bytes(sample.signature_key_pem),
        encryption_key=PrivateKey.from_bytes(sample.encryption_key_pem),
        dh=DiffieHellman.from_bytes(sample.dh_parameters_pem),
    )
    # renewed after three quarters of an hour, as a bearer of OAuth 2.0 is
    rules = SignInRules(live_session_lifetime=3600)
    simulated = {"sign_in": "oauth1", "oauth1_consumers": [known], "sign_in_rules": rules}
    planted = (known.access_token, known.access_token_secret, known.prepend.hex(), known.consumer_key)
    keys = lines_of(sample.signature_key_pem, sample.encryption_key_pem)
    return auth, simulated, (*planted, *keys)


@pytest.fixture(params=[oauth2, oauth1])
async def program(
    request: pytest.FixtureRequest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[Program]:
    caplog.set_level(logging.DEBUG)
    make: Callable[[], tuple[Auth, dict[str, object], tuple[str, ...]]] = request.param
    auth, simulated, planted = make()
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, **simulated))  # type: ignore[arg-type]
        made = Program(gateway, auth, clock, tmp_path / "journal.sqlite", planted)
        take = made.exchange._take

        def heard(event: object) -> None:
            made.events.append(event)
            take(event)  # type: ignore[arg-type]

        made.exchange._take = heard  # type: ignore[method-assign]
        kept.push_async_callback(made.exchange.close)
        yield made


async def test_a_run_that_signs_in_by_itself_leaves_no_secret_anywhere(
    program: Program, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    exchange = program.exchange
    async with exchange:
        spy = await exchange.market("SPY")
        feed = IbkrPollingFeed(program.venue.market_data, instruments=[spy.instrument()], clock=exchange.clock)
        result = await run_async(
            Buys(), exchange, feeds=[feed], record=tmp_path / "recording", duration=timedelta(seconds=60)
        )
        assert len(result.fills) == 2
        await exchange.clock.sleep(3600)
        assert program.gateway.sign_ins == 2
        assert program.session.state.ready
    assert len(program.way.signed) >= 6
    assert any(SESSION in text for text in program.way.answers)
    auth = program.auth
    shown = [auth, auth.token(), program.session.status(), program.session, result, *program.events]
    assert program.seen_in(*shown, caplog.text, everything_in(tmp_path)) == []
    assert "-> 200" in caplog.text


@pytest.mark.parametrize("status", [200, 400, 401, 403, 410, 429, 500])
@pytest.mark.parametrize(
    ("program", "path"),
    [(oauth2, TOKEN_PATH), (oauth2, SESSIONS_PATH), (oauth1, LIVE_SESSION_TOKEN)],
    indirect=["program"],
    ids=["token", "session", "live session token"],
)
async def test_a_sign_in_whose_refusal_repeats_the_request_is_told_without_secrets(
    program: Program, caplog: pytest.LogCaptureFixture, tmp_path: Path, path: str, status: int
) -> None:
    program.way.parrots = {path: status}
    with pytest.raises(HorizonError) as caught:
        await program.exchange.open()
    told = "".join(traceback.format_exception(caught.value))
    shown = [caught.value, told, program.auth.token(), program.session.status(), *program.events]
    assert program.way.signed
    assert program.seen_in(*shown, caplog.text, everything_in(tmp_path)) == []


async def test_a_token_that_is_refused_in_the_middle_is_replaced_without_a_word_of_it(
    program: Program, caplog: pytest.LogCaptureFixture
) -> None:
    async with program.exchange as exchange:
        await exchange.clock.sleep(300)
        program.way.parrots = {"/v1/api/tickle": 401, "/v1/api/iserver/auth/status": 401}
        await exchange.clock.sleep(300)
        assert not program.session.state.ready
        program.way.parrots |= {"/v1/api/iserver/account/orders": 401}
        with pytest.raises(HorizonError) as caught:
            await exchange.open_orders()
        told = "".join(traceback.format_exception(caught.value))
        assert program.seen_in(caught.value, told, program.session.status(), *program.events, caplog.text) == []
