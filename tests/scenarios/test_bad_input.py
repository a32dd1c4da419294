"""Everything a user can get wrong, and every bad answer of a gateway: one true error, one clear sentence, nothing sent.

The numbers are those of the table; a case is named by its number in the test's name.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.cli.app import run as run_command_line
from horizon.errors import (
    ConfigurationError,
    HorizonError,
    InvalidOrder,
    NeedsLogin,
    OutcomeUnknown,
    RecordingError,
    Refused,
    VenueUnavailable,
    WireError,
)
from horizon.model import Market, MarketId, MarketKind, MarketQuery, Order, OrderRequest, OrderSide, OrderType, Side
from horizon.recording.importers import read_bars
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
SIGN_IN = frozenset({"/v1/api/iserver/auth/status", "/v1/api/tickle", "/v1/api/iserver/auth/ssodh/init"})
HEADER = "Datetime,Open,High,Low,Close,Volume\n"
BAD_BARS = {
    "a missing column": (
        "Datetime,Open,High,Low,Volume\n2025-05-09 13:30:00+00:00,1,1,1,1\n",
        r"row 1: expected the column close .* found Datetime, Open, High, Low, Volume",
    ),
    "a bad number": (
        f"{HEADER}2025-05-09 13:30:00+00:00,1,1,1,x,1\n",
        r"row 2: expected a number in column Close, found 'x'",
    ),
    "a date out of order": (
        f"{HEADER}2025-05-09 13:31:00+00:00,1,1,1,1,1\n2025-05-09 13:30:00+00:00,1,1,1,1,1\n",
        r"row 3: expected rows by rising time, found 2025-05-09 13:30.* sort the file",
    ),
}


class Bench:
    """An open broker on its gateway, and the two markets that the cases are about."""

    def __init__(self, gateway: Simulator, ib: InteractiveBrokers, clock: ScriptedClock) -> None:
        self.gateway, self.ib, self.clock = gateway, ib, clock
        self.spy: Market
        self.event: Market

    async def submit(self, market: Market, **changes: Any) -> Order:
        quote = await self.ib.quote(market)
        fields: dict[str, Any] = {
            "market_id": market.market_id,
            "side": market.side,
            "order_side": OrderSide.BUY,
            "size": 1,
            "price": market.price_grid.floor(Decimal(str(quote.ask))),
        }
        return await self.ib.submit(OrderRequest(**{**fields, **changes}))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True))
        ib = InteractiveBrokers(
            api_url=gateway.base_url, account_id=gateway.accounts[0], journal=tmp_path / "j.sqlite", clock=clock
        )
        made = Bench(gateway, await kept.enter_async_context(ib), clock)
        made.spy = await ib.market("SPY")
        made.event = await ib.market(
            MarketQuery(symbol="SPXC", kind=MarketKind.EVENT, side=Side.YES, nearest_threshold=Decimal(6000))
        )
        yield made


class Case(NamedTuple):
    number: int
    what: str
    error: type[HorizonError]
    sentence: str
    """What the one sentence must say, as a pattern."""
    do: Callable[[Bench], Awaitable[object]]


CASES = [
    Case(1, "unknown symbol", ConfigurationError, "no market matches symbol=NOSUCH: check the symbol",
         lambda b: b.ib.market("NOSUCH")),
    Case(2, "no symbol", ConfigurationError, "expected a symbol.* found none",
         lambda b: b.ib.market("")),
    Case(3, "ambiguous market", ConfigurationError, r"matches 22 markets: add .* 860100000 SPXC .* 860100003 SPXC",
         lambda b: b.ib.market(MarketQuery(symbol="SPXC", kind=MarketKind.EVENT))),
    Case(4, "text for a conid", ConfigurationError, r"expected a conid .* found 'SPY': give it as symbol",
         lambda b: b.ib.market(MarketQuery(market_id=MarketId("SPY")))),
    Case(5, "text for a conid in an order", ConfigurationError, r"expected a conid \(digits only\).* found 'SPY'",
         lambda b: b.submit(b.spy, market_id="SPY")),
    Case(6, "number for a conid in an order", InvalidOrder, "expected a market_id as text, found 756733",
         lambda b: b.submit(b.spy, market_id=756733)),
    Case(7, "size NaN", InvalidOrder, "expected size as a finite number, found nan",
         lambda b: b.submit(b.spy, size=float("nan"))),
    Case(8, "negative size", InvalidOrder, "expected a size above 0, found -1: the direction goes into order_side",
         lambda b: b.submit(b.spy, size=-1)),
    Case(9, "size 0", InvalidOrder, "expected a size above 0, found 0",
         lambda b: b.submit(b.spy, size=0)),
    Case(10, "no size", InvalidOrder, "expected a size above 0, found none",
         lambda b: b.submit(b.spy, size=None)),
    Case(11, "words for a size", InvalidOrder, "expected size as a number, found 'many'",
         lambda b: b.submit(b.spy, size="many")),
    Case(12, "price NaN", InvalidOrder, "expected price as a finite number, found nan",
         lambda b: b.submit(b.spy, price=float("nan"))),
    Case(13, "off-tick price", InvalidOrder, r"600\.123 .* tick of 0\.01: the nearest prices are 600\.12 and 600\.13",
         lambda b: b.submit(b.spy, price="600.123")),
    Case(14, "off-tick event price", InvalidOrder, r"0\.505 .* tick of 0\.01: the nearest prices are 0\.5 and 0\.51",
         lambda b: b.submit(b.event, price="0.505")),
    Case(15, "fraction of a share", InvalidOrder, r"expected a size in multiples of 1 for SPY, found 1\.5",
         lambda b: b.submit(b.spy, size="1.5")),
    Case(16, "SELL on ForecastEx", InvalidOrder, r"cannot be sold .* buy the twin conid \d+ at",
         lambda b: b.submit(b.event, order_side=OrderSide.SELL)),
    Case(17, "market order on ForecastEx", InvalidOrder, "limit orders only, found MKT: use LMT",
         lambda b: b.submit(b.event, order_type=OrderType.MARKET, price=None)),
    Case(18, "wrong side of an event", InvalidOrder, "is YES, not NO",
         lambda b: b.submit(b.event, side=Side.NO)),
    Case(19, "wrong account", ConfigurationError, "expected account_id .*DU1234567, DU7654321.* found 'DU9'",
         lambda b: opened(b, account_id="DU9")),
    Case(20, "every account", ConfigurationError, "expected account_id .*DU1234567, DU7654321.* found 'All'",
         lambda b: opened(b, account_id="All")),
    Case(21, "no account among several", ConfigurationError, "several accounts .*DU1234567, DU7654321.* account_id=",
         lambda b: opened(b, account_id=None)),
    Case(22, "a foreign account in a read", ConfigurationError, "'DU9' is not one of this login: use one of DU1234567",
         lambda b: b.ib.positions(account_id="DU9")),
    Case(23, "gateway not running", VenueUnavailable, "no gateway answers at http://localhost:9.* start it, or correct",
         lambda b: opened(b, api_url="http://localhost:9/v1/api")),
    Case(24, "address without https", ConfigurationError, "expected an address such as .* found 'localhost:5000'",
         lambda b: opened(b, api_url="localhost:5000")),
    Case(25, "a port that is none", ConfigurationError, "expected an address such as https://",
         lambda b: opened(b, api_url="https://localhost:99999/v1/api")),
    Case(26, "gateway not logged in", NeedsLogin, "not signed in .*: sign in at http://localhost",
         lambda b: signed_out(b)),
    Case(27, "certificate that is not the pinned one", ConfigurationError, "the certificate AA:.* nothing was sent",
         lambda b: wrong_certificate(b)),
    Case(28, "certificate file that is not there", ConfigurationError, "expected a PEM file .* found nothing at",
         lambda b: opened(b, certificate=Path("no-such.pem"))),
    Case(29, "fingerprint that is none", ConfigurationError, "a SHA-256 fingerprint of 64 hex digits, found 'zz'",
         lambda b: opened(b, certificate="zz")),
    Case(30, "port in use", ConfigurationError, r"port \d+ is in use.*: stop that program, choose another port",
         lambda b: port_in_use(b)),
    Case(31, "too many days", ConfigurationError, "fills of 1 to 7 days, found days=30",
         lambda b: b.ib.fills(days=30)),
    Case(32, "instrument of another exchange", ConfigurationError, "an instrument of ibkr, found 'kalshi:X:YES'",
         lambda b: b.ib.quotes(["kalshi:X:YES"])),  # type: ignore[list-item]
]  # fmt: skip


async def opened(bench: Bench, **options: Any) -> None:
    # the accounts may be asked for once in five seconds, and the sign-in once a minute
    await bench.clock.sleep(61)
    chosen: dict[str, Any] = {"api_url": bench.gateway.base_url, "account_id": bench.gateway.accounts[0]}
    async with InteractiveBrokers(clock=bench.clock, **(chosen | options)):
        pass


async def signed_out(bench: Bench) -> None:
    async with Simulator(clock=bench.clock, plain_http=True, logged_in=False, established=False) as gateway:
        await opened(bench, api_url=gateway.base_url)


async def wrong_certificate(bench: Bench) -> None:
    async with Simulator(clock=bench.clock) as gateway:
        try:
            await opened(bench, api_url=gateway.base_url, certificate=":".join(["AA"] * 32))
        finally:
            assert list(gateway.requests) == []


async def port_in_use(bench: Bench) -> None:
    port = int(bench.gateway.base_url.rsplit(":", maxsplit=1)[1].partition("/")[0])
    async with Simulator(clock=bench.clock, plain_http=True, port=port):
        pass


def check_is_one_sentence(text: str) -> None:
    assert "\n" not in text
    assert "Traceback" not in text
    assert 20 < len(text) < 2_500


@pytest.mark.parametrize("case", CASES, ids=[f"{case.number} {case.what}" for case in CASES])
async def test_a_mistake_is_one_sentence_and_nothing_is_sent(bench: Bench, case: Case) -> None:
    with pytest.raises(case.error, match=case.sentence) as caught:
        await case.do(bench)
    check_is_one_sentence(str(caught.value))
    changing = [r.path for r in bench.gateway.requests if r.method != "GET" and r.path not in SIGN_IN]
    assert changing == []
    assert bench.gateway.book(bench.gateway.accounts[0]).orders == []
    assert bench.gateway.rate_limited == 0


@pytest.mark.parametrize("what", BAD_BARS)
def test_a_bad_bars_file_is_told_with_file_and_row(tmp_path: Path, what: str) -> None:
    text, sentence = BAD_BARS[what]
    path = tmp_path / "spy.csv"
    path.write_text(text)
    with pytest.raises(RecordingError, match=f"spy.csv, {sentence}") as caught:
        read_bars(path)
    assert caught.value.file == str(path)
    check_is_one_sentence(str(caught.value))


# what a gateway answers | the error of a read | what it says
ANSWERS: list[tuple[int, dict[str, Any], type[HorizonError], str]] = [
    (40, {"action": "html"}, WireError, "found a page of HTML: .*Service temporarily unavailable.* check that"),
    (41, {"action": "html", "status": 502}, VenueUnavailable, "answered 502 .* nothing was changed, ask again"),
    (42, {"action": "empty"}, WireError, r"found nothing \(status 200\): check that the address"),
    (43, {"action": "truncate", "when": "after"}, WireError, "found broken JSON .* check that the address"),
    (44, {"action": "status", "status": 200}, Refused, "the venue refused .*: OK"),
    (45, {"action": "silence"}, VenueUnavailable, r"no answer in 30 s\): nothing was changed, ask again"),
    (46, {"action": "drop"}, VenueUnavailable, r"connection was lost before the answer\): nothing was changed"),
]


@pytest.mark.parametrize(("number", "harm", "error", "sentence"), ANSWERS)
async def test_a_bad_answer_to_a_read_is_a_true_error(
    bench: Bench, number: int, harm: dict[str, Any], error: type[HorizonError], sentence: str
) -> None:
    bench.gateway.faults.add(Fault(match="GET */positions/*", **harm))
    before = bench.clock.monotonic()
    with pytest.raises(error, match=sentence) as caught:
        await bench.ib.positions()
    assert "/portfolio/DU1234567/positions/0" in str(caught.value)
    check_is_one_sentence(str(caught.value))
    assert bench.clock.monotonic() - before <= 31


@pytest.mark.parametrize(("number", "harm", "error", "sentence"), ANSWERS)
async def test_the_same_answer_to_an_order_leaves_its_outcome_open(
    bench: Bench, number: int, harm: dict[str, Any], error: type[HorizonError], sentence: str
) -> None:
    bench.gateway.faults.add(Fault(match="POST */orders", **harm))
    expected: type[HorizonError] = Refused if error is Refused else OutcomeUnknown
    with pytest.raises(expected) as caught:
        await bench.submit(bench.spy)
    check_is_one_sentence(str(caught.value))
    if isinstance(caught.value, OutcomeUnknown):
        assert "look for the order before sending it again" in str(caught.value)
        assert caught.value.client_order_id


# -- the same through the `horizon` command ------------------------------------------------------------------------

STRATEGY = """
from decimal import Decimal
from horizon import MarketKind, MarketQuery, Strategy

class Mine(Strategy):
    markets = {"m": %s}
"""


@pytest.fixture(scope="module")
def gateways() -> Iterator[dict[str, Simulator]]:
    """A gateway that is signed in, one that is not, and one that answers HTML, in a thread of their own."""
    started, loop = threading.Event(), asyncio.new_event_loop()
    made: dict[str, Simulator] = {}
    end = asyncio.Event()

    async def serve() -> None:
        async with AsyncExitStack() as kept:
            for name, options in {
                "good": {"plain_http": True},
                "secure": {},
                "signed out": {"plain_http": True, "logged_in": False, "established": False},
                "html": {"plain_http": True},
            }.items():
                gateway = Simulator(pacing=False, **options)  # type: ignore[arg-type]
                made[name] = await kept.enter_async_context(gateway)
            made["html"].faults.add(Fault(match="* *", action="html", times=1_000))
            started.set()
            await end.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    assert started.wait(20)
    yield made
    loop.call_soon_threadsafe(end.set)
    thread.join(20)
    loop.close()


COMMANDS = [
    (50, "good", '"NOSUCH"', [], "no market matches symbol=NOSUCH"),
    (51, "good", 'MarketQuery(symbol="SPXC", kind=MarketKind.EVENT)', [], "matches 22 markets"),
    (52, "good", 'MarketQuery(market_id="SPY")', [], "expected a conid"),
    (53, "good", '"SPY"', ["--account", "DU9"], "DU1234567, DU7654321"),
    (54, "signed out", '"SPY"', [], "sign in at http://localhost"),
    (55, "secure", '"SPY"', ["--certificate", ":".join(["AA"] * 32)], "expected the certificate AA:"),
    (56, "html", '"SPY"', [], "found a page of HTML"),
    (57, "", '"SPY"', [], "no gateway answers at http://localhost:9"),
]


def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What `horizon` prints on stderr; it must exit with 2 and print nothing on stdout."""
    monkeypatch.setattr(sys, "argv", ["horizon", *arguments])
    with pytest.raises(SystemExit) as ended:
        run_command_line()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (2, "")
    text = said.err.strip()
    assert text.startswith("horizon: ")
    check_is_one_sentence(text)
    return text


@pytest.mark.parametrize(("number", "where", "market", "options", "words"), COMMANDS)
def test_the_command_says_the_same_sentence_and_exits_with_2(
    gateways: dict[str, Simulator],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    number: int,
    where: str,
    market: str,
    options: list[str],
    words: str,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / f"strategy_{number}.py"
    file.write_text(STRATEGY % market)
    url = gateways[where].base_url if where else "http://localhost:9/v1/api"
    account = [] if "--account" in options else ["--account", "DU1234567"]
    said = say(monkeypatch, capsys, "run", str(file), "--api-url", url, *account, *options, "--for", "1")
    assert words in said


@pytest.mark.parametrize("command", [["demo"], ["sim", "ibkr"]], ids=["58 demo", "59 sim"])
@pytest.mark.parametrize("what", BAD_BARS)
def test_the_command_tells_file_and_row_of_a_bad_bars_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, what: str, command: list[str]
) -> None:
    path = tmp_path / "spy.csv"
    path.write_text(BAD_BARS[what][0])
    assert "spy.csv, row " in say(monkeypatch, capsys, *command, "--bars", str(path), "--json")


def test_60_the_command_says_that_a_port_is_in_use(
    gateways: dict[str, Simulator], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = gateways["good"].base_url.rsplit(":", maxsplit=1)[1].partition("/")[0]
    assert "is in use by another program" in say(monkeypatch, capsys, "sim", "ibkr", "--port", port)


async def test_plain_http_to_a_gateway_that_speaks_tls_is_told_the_right_address() -> None:
    async with Simulator() as gateway:
        broker = InteractiveBrokers(api_url=gateway.base_url.replace("https", "http"), account_id=gateway.accounts[0])
        with pytest.raises(VenueUnavailable, match=f"TLS is reached at {gateway.base_url.removesuffix('/v1/api')}"):
            await broker.open()
        await broker.close()
