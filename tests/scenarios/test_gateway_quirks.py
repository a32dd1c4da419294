"""The adapter behind a gateway with the real one's manners: every row of the reference's table, and what survives it.

`ROWS` says which test stands for which row; a row that the reference gains without a test here is a failure. Where the
adapter has no such part yet (it opens no websocket), a plain client shows what there is to survive.
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import aiohttp
import msgspec
import pytest

from exchanges.ibkr.auth.stock_certificate import is_stock
from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import OptIn
from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.front import ALL_QUIRKS, Front, FrontServer, Quirk, stock_certificate_in
from exchanges.ibkr.wire.accounts import BrokerageAccounts, PortfolioAccount
from exchanges.ibkr.wire.orders import PlaceRow
from exchanges.ibkr.wire.portfolio import PositionRow
from exchanges.ibkr.wire.session import AuthStatus, Message, Tickle
from horizon.errors import (
    ConfigurationError,
    NeedsLogin,
    OutcomeUnknown,
    RateLimited,
    Refused,
    VenueUnavailable,
    WireError,
)
from horizon.model import Order, OrderRequest, OrderSide, OrderStatus, OrderType
from horizon.net.http import HttpClient
from horizon.net.rates import RateLimiter
from horizon.net.tls import CertificateFile, PinnedCertificate, SystemTrust, Trust
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.simulation.server import LoopbackServer

ROWS = {
    "TLS": "test_tls_1_2_is_enough_for_an_order_with_its_questions",
    "stock certificate": "test_the_expired_stock_certificate_is_pinned_on_first_use_and_no_other_is_taken_for_it",
    "own certificate": "test_an_own_certificate_verifies_in_the_ordinary_way",
    "paths": "test_a_redirection_to_the_remote_host_is_not_followed_and_nothing_leaks_there",
    "`/v1/api/iserver/reauthenticate`": "test_the_gateways_own_answer_to_reauthenticate_is_not_taken_for_a_success",
    "headers": "test_the_adapter_needs_no_cookie_and_no_compression",
    "answers": "test_answers_without_a_length_are_read_whole_and_keep_their_status",
    "204 from upstream": "test_a_204_does_not_spoil_the_next_call",
    "concurrency": "test_twenty_calls_at_once_wait_their_turn_and_each_keeps_its_own_timeout",
    "upstream down": "test_no_answer_at_all_ends_each_call_in_its_own_time_and_an_order_stays_in_doubt",
    "websocket open": "test_a_websocket_is_subscribed_after_the_first_frame_only",
    "websocket frames": "test_frames_of_the_websocket_are_binary_json",
    "websocket refusal": "test_a_websocket_that_is_refused_is_silent",
    "websocket close": "test_a_websocket_ends_with_1000_whatever_happened",
    "websocket size": "test_a_large_message_kills_the_websocket_and_http_goes_on",
    "login": "test_a_login_in_the_browser_opens_everything",
    "start": "test_a_gateway_that_starts_or_denies_access_says_what_to_do",
}
"""The rows of the reference's table of the gateway, by their first column."""

REFERENCE = Path(__file__).resolve().parents[3] / "shared" / "reference" / "gateway.md"
START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
ONE = "DU1234567"
POSITIONS = f"/portfolio/{ONE}/positions/0"
ORDERS = f"/iserver/account/{ONE}/orders"
SPY = 756733


def test_every_row_of_the_reference_has_a_test() -> None:
    assert all(callable(globals().get(name)) for name in ROWS.values())
    if not REFERENCE.exists():
        pytest.skip(f"no reference at {REFERENCE}: it is not part of the repository")
    lines = REFERENCE.read_text("utf-8").splitlines()
    table = [line for line in lines if line.startswith("|")][2:]
    assert [re.split(r"\s*\|\s*", line)[1] for line in table] == list(ROWS)


class Behind:
    """A simulated gateway behind its front, and those who ask it."""

    def __init__(self, gateway: Simulator, clock: ScriptedClock, kept: AsyncExitStack, home: Path) -> None:
        self.gateway = gateway
        self.clock = clock
        self.home = home
        self._kept = kept

    async def broker(self, **options: Any) -> InteractiveBrokers:
        """Signed in, with nothing said about the certificate."""
        return await self._kept.enter_async_context(self.unopened(**options))

    def unopened(self, **options: Any) -> InteractiveBrokers:
        return InteractiveBrokers(
            api_url=self.gateway.base_url,
            account_id=ONE,
            journal=self.home / "journal.sqlite",
            clock=self.clock,
            **options,
        )

    def client(self, trust: Trust | None = None, url: str | None = None) -> Client:
        """Calls without a session, and without request rates of our own."""
        made = Client(url or self.gateway.base_url, clock=self.clock, trust=trust, limiter=RateLimiter((), self.clock))
        self._kept.push_async_callback(made.close)
        return made

    def socket(self) -> Any:
        """Somebody's websocket: the adapter has none of its own yet."""
        return websocket(self.gateway.ws_url)


Start = Callable[..., Any]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the adapter writes what it remembers."""
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "APPDATA", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


@pytest.fixture
async def start(home: Path, certificates: Path) -> AsyncIterator[Start]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())

        async def starting(*, without: Sequence[Quirk] = (), **options: Any) -> Behind:
            front = {name: options.pop(name) for name in list(options) if name in Front.__struct_fields__}
            chosen = Front(quirks=ALL_QUIRKS - set(without), **front)
            options.setdefault("pacing", False)
            made = Simulator(clock=clock, directory=certificates, front=chosen, **options)
            return Behind(await kept.enter_async_context(made), clock, kept, home)

        yield starting
    # What the front waits for on purpose is given back to the clock whenever a client leaves.
    assert clock._in_flight == 0


async def limit_order(ib: InteractiveBrokers, *, at: float) -> OrderRequest:
    """One share of SPY at a limit of `at` times the ask."""
    market = await ib.market("SPY")
    quote = await ib.quote(market)
    assert quote.ask is not None
    price = market.price_grid.floor(Decimal(str(quote.ask * at)))
    return OrderRequest(market_id=market.market_id, order_side=OrderSide.BUY, size=Decimal(1), price=price)


# --- TLS --------------------------------------------------------------------------------------------------------------


async def test_tls_1_2_is_enough_for_an_order_with_its_questions(start: Start) -> None:
    behind = await start(pacing=True)
    ib = await behind.broker(accept={"o163": OptIn(max_size=Decimal(1))})
    market = await ib.market("SPY")
    asked = OrderRequest(
        market_id=market.market_id, order_side=OrderSide.BUY, size=Decimal(2), order_type=OrderType.MARKET
    )
    filled = await ib.wait(await ib.submit(asked), lambda order: order.status is OrderStatus.FILLED, timeout=60)
    assert filled.status is OrderStatus.FILLED
    resting = await ib.submit(await limit_order(ib, at=0.9))
    assert (await ib.cancel(resting)).status is OrderStatus.CANCELED
    assert behind.gateway.book(ONE).positions == {SPY: 2}
    replies = [target for _, target in behind.gateway.front.asked if "/iserver/reply/" in target]
    assert len(replies) >= 2
    assert behind.gateway.rate_limited == 0


async def test_the_expired_stock_certificate_is_pinned_on_first_use_and_no_other_is_taken_for_it(
    start: Start, tmp_path: Path
) -> None:
    behind = await start()
    assert is_stock(ssl.PEM_cert_to_DER_cert(behind.gateway.certificate.read_text()))
    await (await behind.broker()).accounts()
    port = behind.gateway.front.port
    assert f"localhost:{port} {behind.gateway.fingerprint}" in (behind.home / "horizon" / "known_gateways").read_text()
    with pytest.raises(ConfigurationError, match="nothing was sent") as ordinary:
        await behind.client(SystemTrust()).get(POSITIONS, list[PositionRow])
    assert behind.gateway.fingerprint in str(ordinary.value)
    other = stock_certificate_in(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="nothing was sent") as changed:
        await behind.client(PinnedCertificate(other.fingerprint)).get(POSITIONS, list[PositionRow])
    assert other.fingerprint in str(changed.value)
    assert behind.gateway.fingerprint in str(changed.value)


async def test_an_own_certificate_verifies_in_the_ordinary_way(start: Start) -> None:
    behind = await start(without=[Quirk.STOCK_CERTIFICATE])
    ib = await behind.broker(certificate=behind.gateway.certificate)
    assert (await ib.account()).account_id == ONE
    assert not (behind.home / "horizon" / "known_gateways").exists()
    client = behind.client(CertificateFile(str(behind.gateway.certificate)))
    assert (await client.post("/iserver/auth/status", AuthStatus)).authenticated


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_redirection_to_the_remote_host_is_not_followed_and_nothing_leaks_there(start: Start) -> None:
    reached: list[bytes] = []

    async def trap(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.append(await reader.read(100))
        writer.close()

    async with await asyncio.start_server(trap, "127.0.0.1", 0) as remote:
        behind = await start(plain_http=True, remote=f"http://127.0.0.1:{remote.sockets[0].getsockname()[1]}")
        secret = {"Authorization": "Bearer planted", "Cookie": "api=planted"}
        http = HttpClient(behind.gateway.base_url.removesuffix("/v1/api"), clock=behind.clock, headers=secret)
        for method, path in (("GET", "/nowhere"), ("POST", "/oauth2/api/v1/token"), ("DELETE", "/gw/api/v1/x")):
            answer = await http.request(method, path, content=b"{}" if method == "POST" else None)
            assert answer.status == 302
            assert answer.headers["location"].endswith(f"{remote.sockets[0].getsockname()[1]}{path}")
        await http.close()
        assert reached == []
        # A client that does follow gets there: the trap is one.
        async with aiohttp.ClientSession() as follower:
            with contextlib.suppress(aiohttp.ClientError):
                await follower.get(behind.gateway.base_url.removesuffix("/v1/api") + "/nowhere")
    assert reached
    client = behind.client()
    with pytest.raises(WireError, match="Resource not found"):
        await client.get("/nowhere", Message)
    with pytest.raises(NeedsLogin, match="sign in at"):
        await client.get("/../../", Message)
    paths = {target for _, target in behind.gateway.front.asked}
    assert "/v1/portal" not in "".join(paths)


async def test_the_gateways_own_answer_to_reauthenticate_is_not_taken_for_a_success(start: Start) -> None:
    behind = await start(plain_http=True)
    with pytest.raises(NeedsLogin, match="not logged in"):
        await behind.client().post("/iserver/reauthenticate", Message)
    await behind.broker()
    assert [target for _, target in behind.gateway.front.asked if "reauthenticate" in target] == [
        "/v1/api/iserver/reauthenticate"
    ]


async def test_the_adapter_needs_no_cookie_and_no_compression(venue: "Echoes") -> None:
    http = HttpClient(venue.url, clock=venue.clock, headers={"User-Agent": "horizon-trading"})
    sent = {"Authorization": "Bearer mine", "Cookie": "api=mine", "Accept-Encoding": "gzip"}
    for _ in range(2):
        answer = await http.request("POST", "/v1/api/echo?x=1", content=b'{"price":1.10}', headers=sent)
    await http.close()
    found = msgspec.json.decode(answer.content)
    assert found["body"] == '{"price":1.10}'
    assert found["headers"]["authorization"] == "Bearer mine"
    assert found["headers"]["user-agent"] == "horizon-trading"
    assert re.fullmatch(r"gateway=own; x-sess-uuid=0\.\w+", found["headers"]["cookie"])
    assert "accept-encoding" not in found["headers"]


async def test_a_call_without_a_body_has_a_length_all_the_same(start: Start) -> None:
    """Reference, section 2: a POST without one is refused with 411 by the edge."""
    behind = await start(plain_http=True)
    client = behind.client()
    assert (await client.post("/tickle", Tickle)).session
    http = HttpClient(behind.gateway.base_url.removesuffix("/v1/api"), clock=behind.clock)
    assert (await http.request("POST", "/v1/api/tickle")).status == 200
    await http.close()
    reader, writer = await asyncio.open_connection("localhost", behind.gateway.front.port)
    writer.write(b"POST /v1/api/tickle HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"411" in await reader.readline()
    writer.close()


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_answers_without_a_length_are_read_whole_and_keep_their_status(venue: "Echoes") -> None:
    client = venue.client()
    rows = await client.get("/large", list[PositionRow])
    assert len(rows) == LARGE_ROWS
    assert venue.largest > 3_000_000
    with pytest.raises(RateLimited) as limited:
        await client.get("/429", Message)
    assert limited.value.retry_after == 17
    with pytest.raises(Refused, match="Bad Request: no"):
        await venue.client().get("/400", Message)


async def test_each_form_of_not_logged_in_asks_for_a_login(start: Start) -> None:
    """Reference, section 2: an empty body, text, or JSON."""
    behind = await start(plain_http=True, logged_in=False)
    said = []
    for _ in range(3):
        with pytest.raises(NeedsLogin, match="sign in at") as needed:
            await behind.client().get(POSITIONS, list[PositionRow])
        said.append(str(needed.value))
    assert [("Unauthorized" in text, "not authenticated" in text) for text in said] == [
        (False, False),
        (True, False),
        (False, True),
    ]


async def test_a_204_does_not_spoil_the_next_call(start: Start) -> None:
    behind = await start(plain_http=True, faults=[Fault(match="POST */logout", action="empty", status=204)])
    client = behind.client()
    assert (await client.post("/tickle", Tickle)).session
    with pytest.raises(WireError, match=r"nothing .status 204."):
        await client.post("/logout", Message)
    for _ in range(3):
        assert (await client.post("/tickle", Tickle)).session


async def test_twenty_calls_at_once_wait_their_turn_and_each_keeps_its_own_timeout(start: Start) -> None:
    slow = Fault(match="GET */positions/*", action="delay", seconds=1.0, times=40)
    behind = await start(plain_http=True, faults=[slow])
    client = behind.client()
    await client.get("/portfolio/accounts", list[PortfolioAccount])
    began = behind.clock.monotonic()
    found = await asyncio.gather(*(client.get(POSITIONS, list[PositionRow]) for _ in range(20)))
    assert len(found) == 20
    assert behind.clock.monotonic() - began == pytest.approx(4.0)
    assert behind.gateway.front.upstream.most_at_once == 5
    began = behind.clock.monotonic()
    hasty = await asyncio.gather(
        *(client.get(POSITIONS, list[PositionRow], timeout=2.5) for _ in range(20)), return_exceptions=True
    )
    assert sum(isinstance(each, list) for each in hasty) == 10
    assert all(isinstance(each, list | VenueUnavailable) for each in hasty)
    assert behind.clock.monotonic() - began == pytest.approx(2.5)
    assert (await client.post("/tickle", Tickle)).session


@pytest.mark.parametrize("how", ["upstream down", "silence of the venue", "cut"])
async def test_no_answer_at_all_ends_each_call_in_its_own_time_and_an_order_stays_in_doubt(
    start: Start, how: str
) -> None:
    behind = await start(plain_http=True)
    client = behind.client()
    await client.post("/tickle", Tickle)
    if how == "cut":
        behind.gateway.faults.add(Fault(match="* *", action="drop", times=5))
    elif how == "upstream down":
        behind.gateway.front.lose_upstream()
    else:
        behind.gateway.stop_answering()
    began = behind.clock.monotonic()
    with pytest.raises(VenueUnavailable, match="no answer in 12 s"):
        await client.get(POSITIONS, list[PositionRow], timeout=12)
    with pytest.raises(OutcomeUnknown, match="no answer in 12 s") as unknown:
        await client.post(
            ORDERS, list[PlaceRow], body={"orders": []}, changes=True, timeout=12, client_order_id="mine-1"
        )
    assert unknown.value.client_order_id == "mine-1"
    with pytest.raises(OutcomeUnknown):
        await client.delete(f"/iserver/account/{ONE}/order/1", Message, timeout=12, client_order_id="mine-1")
    assert behind.clock.monotonic() - began == pytest.approx(36)
    assert len([target for _, target in behind.gateway.front.asked]) == 4
    if how == "upstream down":
        behind.gateway.front.regain_upstream()
    elif how == "cut":
        return
    else:
        behind.gateway.resume()
    assert (await client.post("/tickle", Tickle)).session


@pytest.mark.parametrize(("when", "arrived"), [("before", 0), ("after", 1)])
async def test_an_order_that_met_the_silence_is_looked_up_and_there_at_most_once(
    start: Start, when: Literal["before", "after"], arrived: int
) -> None:
    behind = await start(plain_http=True)
    ib = await behind.broker()
    first = await ib.submit(await limit_order(ib, at=0.98))
    # The venue cuts the connection; the gateway then answers nothing at all.
    behind.gateway.faults.add(Fault(match="POST */orders", action="drop", when=when))
    began = behind.clock.monotonic()
    with pytest.raises(OutcomeUnknown, match="no answer in 30 s") as unknown:
        await ib.submit(await limit_order(ib, at=0.975))
    assert behind.clock.monotonic() - began == pytest.approx(30, abs=5)
    order = await ib.order(unknown.value.client_order_id)
    assert isinstance(order, Order)
    order = await ib.wait(order, lambda each: not each.status.is_in_doubt, timeout=240)
    assert not order.status.is_in_doubt
    assert len(behind.gateway.book(ONE).orders) == (2 if order.status.is_open else 1)
    assert order.status.is_open or not arrived
    assert first.status.is_open


# --- websockets: the adapter has none yet, so a plain client stands in ------------------------------------------------


async def test_a_websocket_is_subscribed_after_the_first_frame_only(start: Start) -> None:
    behind = await start(plain_http=True)
    await behind.client().get("/iserver/accounts", BrokerageAccounts)
    async with behind.socket() as opened:
        for _ in range(4):
            await opened.send_str("spl+{}")
        frames = await until(opened, "sts")
        assert not [frame for frame in frames if frame.get("topic") == "spl"]
        await opened.send_str("spl+{}")
        await until(opened, "spl")


async def test_frames_of_the_websocket_are_binary_json(start: Start) -> None:
    behind = await start(plain_http=True)
    await behind.client().post("/tickle", Tickle)
    async with behind.socket() as opened:
        frame = await opened.receive(10)
        assert frame.type is aiohttp.WSMsgType.BINARY
        assert msgspec.json.decode(frame.data)


async def test_a_websocket_that_is_refused_is_silent(venue: "Echoes") -> None:
    async with websocket(f"{venue.url}/v1/api/refused") as opened:
        with pytest.raises(TimeoutError):
            await opened.receive(0.3)
        assert not opened.closed


@pytest.mark.parametrize("how", ["closed", "cut"])
async def test_a_websocket_ends_with_1000_whatever_happened(venue: "Echoes", how: str) -> None:
    async with websocket(f"{venue.url}/v1/api/ws") as opened:
        await opened.receive(10)
        if how == "cut":
            venue.front.lose_upstream()
        else:
            await opened.send_str("close")
        assert (await opened.receive(10)).data == 1000
        assert opened.close_code == 1000


@pytest.mark.parametrize("said", ["large", "z" * 100_000])
async def test_a_large_message_kills_the_websocket_and_http_goes_on(venue: "Echoes", said: str) -> None:
    async with websocket(f"{venue.url}/v1/api/ws") as opened:
        await opened.receive(10)
        await opened.send_str(said)
        await opened.receive(10)
        assert (opened.closed, opened.close_code) == (True, 1006)
    assert len(await venue.client().get("/large", list[PositionRow])) == LARGE_ROWS


# --- its life ---------------------------------------------------------------------------------------------------------


async def test_a_login_in_the_browser_opens_everything(start: Start) -> None:
    behind = await start(plain_http=True, logged_in=False)
    ib = behind.unopened()
    with pytest.raises(NeedsLogin, match="sign in at") as needed:
        await ib.open()
    assert behind.gateway.base_url.removesuffix("/v1/api") in str(needed.value)
    async with aiohttp.ClientSession() as browser:
        root = behind.gateway.base_url.removesuffix("/v1/api")
        async with browser.get(root + "/") as page:
            assert page.url.path == "/sso/Login"
        form = {"username": "horizon", "password": "simulated"}
        async with browser.post(root + "/sso/Dispatcher", data=form) as page:
            assert "Client login succeeds" in await page.text()
    await behind.clock.sleep(4)
    served = {request.path for request in behind.gateway.requests}
    own = {"/v1/api/sso/validate", "/v1/api/one/user", "/v1/api/iserver/auth/ssodh/init"}
    assert own <= served
    assert not own & {target.partition("?")[0] for _, target in behind.gateway.front.asked}
    async with ib:
        assert (await ib.account()).account_id == ONE


async def test_a_gateway_that_starts_or_denies_access_says_what_to_do(start: Start) -> None:
    behind = await start(starts_after=3.0)
    client = behind.client()
    with pytest.raises(VenueUnavailable, match="start it, or correct the address"):
        await client.get(POSITIONS, list[PositionRow])
    await behind.clock.sleep(3.1)
    assert (await client.post("/tickle", Tickle)).session
    address = behind.gateway.base_url
    await behind.gateway.restart()
    with pytest.raises(VenueUnavailable):
        await client.get(POSITIONS, list[PositionRow])
    await behind.clock.sleep(3.1)
    with pytest.raises(NeedsLogin):
        await client.post("/tickle", Tickle)
    assert behind.gateway.base_url == address
    closed = await start(plain_http=True, ips_allow=("192.168.7.*",))
    for call in (closed.client().get(POSITIONS, list[PositionRow]), closed.unopened().open()):
        with pytest.raises(Refused, match=r"add that address to ips.allow in the gateway's conf.yaml") as denied:
            await call
        assert (denied.value.code, denied.value.text) == ("403", "Access Denied")
    with pytest.raises(Refused, match=r"ips.allow"):
        await closed.client().post(ORDERS, list[PlaceRow], body={"orders": []}, changes=True)
    assert not closed.gateway.requests


# --- a venue that says back what it hears, behind the same front ------------------------------------------------------

LARGE_ROWS = 64_000
_ROWS = msgspec.json.encode([{"conid": number, "position": 3.0, "assetClass": "STK"} for number in range(LARGE_ROWS)])


class Echoes:
    """Behind all quirks, without TLS: what the simulated venue would not send."""

    def __init__(self, front: FrontServer, clock: ScriptedClock, kept: AsyncExitStack) -> None:
        self.front = front
        self.clock = clock
        self.url = f"http://localhost:{front.port}"
        self.largest = len(_ROWS)
        self._kept = kept

    def client(self) -> Client:
        made = Client(self.url, clock=self.clock, limiter=RateLimiter((), self.clock, penalty=900.0))
        self._kept.push_async_callback(made.close)
        return made


@pytest.fixture
async def venue() -> AsyncIterator[Echoes]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        upstream = await kept.enter_async_context(LoopbackServer(echo, clock=clock, websockets=True))
        front = await kept.enter_async_context(FrontServer(Front(), upstream.port, clock=clock))
        yield Echoes(front, clock, kept)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    path = scope["path"]
    if scope["type"] == "websocket":
        await receive()
        if path.endswith("/refused"):
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "first"})
        while (message := await receive())["type"] == "websocket.receive":
            if message["text"] == "close":
                await send({"type": "websocket.close", "code": 4001})
                return
            await send({"type": "websocket.send", "text": "y" * 200_000})
        return
    body = (await receive()).get("body", b"")
    headers = {name.decode(): value.decode() for name, value in scope["headers"]}
    status, extra, content = 200, [], msgspec.json.encode({"headers": headers, "body": body.decode()})
    if path.endswith("/large"):
        content = _ROWS
    elif path.endswith("/429"):
        status, extra, content = 429, [(b"retry-after", b"17")], b'{"error":"Too Many Requests","statusCode":429}'
    elif path.endswith("/400"):
        status, content = 400, b'{"error":"Bad Request: no","statusCode":400}'
    kept = [(b"set-cookie", b"gateway=own"), (b"content-length", str(len(content)).encode()), *extra]
    await send({"type": "http.response.start", "status": status, "headers": kept})
    await send({"type": "http.response.body", "body": content})


@contextlib.asynccontextmanager
async def websocket(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Somebody's websocket."""
    soon = aiohttp.ClientWSTimeout(ws_close=0.1)
    async with aiohttp.ClientSession() as session, session.ws_connect(url, timeout=soon) as opened:
        yield opened


async def until(opened: aiohttp.ClientWebSocketResponse, topic: str) -> list[dict[str, Any]]:
    """Every frame up to the first of a topic."""
    frames: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not frames or frames[-1].get("topic") != topic:
            frames.append(msgspec.json.decode(await opened.receive_bytes()))
    return frames
