"""What may be sent to which account: real money needs consent and limits, and read-only sends nothing at all."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from exchanges import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.cli.consent import Limits, agreed_account
from horizon.cli.market_day import OPENING
from horizon.engine.run import run_async
from horizon.errors import ConfigurationError, InvalidOrder
from horizon.exchange import Exchange
from horizon.guards import Guard, MaxSize, default_guards, live_guards
from horizon.model import AccountId, Market, OrderRequest, OrderSide, OrderStatus, Quote
from horizon.ports import PutMarketEvent
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

Opened = Callable[..., Exchange]


def limits(**changes: object) -> tuple[Guard, ...]:
    wanted: dict[str, Any] = {"max_size": 10, "max_notional": 2_000, "max_position": 20, "max_daily_loss": 100}
    return live_guards(**(wanted | changes))


@pytest.fixture
def opened(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> Opened:
    def make(*, is_live: bool | None = True, **options: Any) -> Exchange:
        scripted_venue.is_live = is_live
        return Exchange(scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock, **options)

    return make


def one(market: Market, **changes: Any) -> OrderRequest:
    return replace(
        OrderRequest(market_id=market.market_id, order_side=OrderSide.BUY, size=Decimal(1), price=Decimal(100)),
        **changes,
    )


@pytest.mark.parametrize("is_live", [True, None])
async def test_nothing_is_sent_to_an_account_that_may_be_live_without_consent(
    opened: Opened, scripted_venue: Any, spy: Market, is_live: bool | None
) -> None:
    async with opened(is_live=is_live, guards=limits()) as exchange:
        assert len(await exchange.accounts()) == 1, "reading works"
        for verb in (exchange.submit(one(spy)), exchange.cancel_all()):
            with pytest.raises(ConfigurationError, match=r"no order is sent without consent, which is live=True"):
                await verb
    assert scripted_venue.calls == []


@pytest.mark.parametrize(
    ("guards", "missing"),
    [
        (None, "max_size, max_notional, max_position, daily_loss"),
        ([MaxSize(1)], "max_notional, max_position, daily_loss"),
        (default_guards(), "daily_loss"),
    ],
)
async def test_an_order_with_real_money_needs_every_limit_and_a_cancel_needs_none(
    opened: Opened, scripted_venue: Any, spy: Market, guards: Any, missing: str
) -> None:
    async with opened(live=True, guards=guards) as exchange:
        with pytest.raises(ConfigurationError, match=f"these limits are not set: {missing};"):
            await exchange.submit(one(spy))
        assert await exchange.cancel_all() == []
    assert scripted_venue.calls == []


async def test_with_consent_and_limits_an_order_leaves_and_the_limits_hold(
    opened: Opened, scripted_venue: Any, spy: Market
) -> None:
    async with opened(live=True, guards=limits()) as exchange:
        assert (await exchange.submit(one(spy))).status is OrderStatus.WORKING
        with pytest.raises(InvalidOrder, match="size 11 is above the limit of 10"):
            await exchange.submit(one(spy, size=Decimal(11)))
    assert [verb for verb, _ in scripted_venue.calls] == ["place"]


async def test_a_live_account_demands_a_fresh_live_quote_even_of_guards_that_forgot_it(
    opened: Opened, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgetful = [guard for guard in limits() if guard.name != "reference_price"]

    async def old(instruments: Any) -> list[Quote]:
        return [Quote(name, scripted_clock.now() - 60 * 10**9, 100.0, 100.0) for name in instruments]

    monkeypatch.setattr(scripted_venue, "quotes", old)
    async with opened(live=True, guards=forgetful) as exchange:
        with pytest.raises(InvalidOrder, match=r"reference_price: the quote of .* is 60.0 s old"):
            await exchange.submit(one(spy))


async def test_read_only_sends_nothing_that_changes_anything(
    opened: Opened, scripted_venue: Any, spy: Market, tmp_path: Path
) -> None:
    async with opened(is_live=False, read_only=True) as exchange:
        assert await exchange.positions() == []
        order = await exchange.market("SPY")
        for verb in (exchange.submit(one(order)), exchange.cancel_all()):
            with pytest.raises(ConfigurationError, match="opened with read_only=True"):
                await verb
    assert scripted_venue.calls == []
    assert not (tmp_path / "journal.sqlite").exists(), "who can't trade keeps no journal"


async def test_an_account_can_be_read_while_another_program_trades_it(
    opened: Opened, scripted_venue: Any, spy: Market
) -> None:
    async with opened(is_live=False) as trading, opened(is_live=False, read_only=True) as reading:
        assert (await trading.submit(one(spy))).status is OrderStatus.WORKING
        assert await reading.positions() == []
        with pytest.raises(ConfigurationError, match="read_only=True"):
            await reading.kill("drill", everywhere=True)
    assert [verb for verb, _ in scripted_venue.calls] == ["place"]


def test_live_and_read_only_contradict_each_other(opened: Opened) -> None:
    with pytest.raises(ConfigurationError, match="found both"):
        opened(live=True, read_only=True)


async def test_an_order_for_another_account_is_not_sent_to_this_one(
    opened: Opened, scripted_venue: Any, spy: Market
) -> None:
    async with opened(is_live=False) as exchange:
        with pytest.raises(InvalidOrder, match="is for account DU2, and this exchange trades on DU1"):
            await exchange.submit(one(spy, account_id=AccountId("DU2")))
    assert scripted_venue.calls == []


# -- runs ------------------------------------------------------------------------------------------------------------


class BuyOnce(Strategy):
    """Buys one share at the first quote, for whatever account it was told to."""

    markets = {"spy": "SPY"}

    def __init__(self, account: str = "") -> None:
        self.account = account
        self.reason = ""

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        order = ctx.submit(replace(one(ctx.market("spy")), exchange="scripted", account_id=AccountId(self.account)))
        self.reason = order.reason
        ctx.stop("sent")


class OneQuote:
    """A feed of one quote."""

    def __init__(self, market: Market, clock: ScriptedClock) -> None:
        self.market, self.clock = market, clock

    async def run(self, put: PutMarketEvent) -> None:
        put(Quote(self.market.instrument(), self.clock.now(), 99.99, 100.01))

    async def subscribe(self, instruments: Any) -> None: ...
    def health(self) -> list[Any]:
        return []


async def test_a_run_takes_the_guards_of_its_exchange_and_limits_of_its_own_do_too(
    opened: Opened, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    async with opened(live=True, guards=limits(max_notional=50)) as exchange:
        strategy = BuyOnce()
        await run_async(strategy, exchange, feeds=[OneQuote(spy, scripted_clock)])
        assert "notional 100 USD" in strategy.reason
        strategy = BuyOnce()
        await run_async(strategy, exchange, feeds=[OneQuote(spy, scripted_clock)], guards=limits())
        assert strategy.reason == ""


async def test_a_run_on_a_live_account_without_limits_does_not_begin(
    opened: Opened, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    async with opened(live=True) as exchange:
        with pytest.raises(ConfigurationError, match="these limits are not set"):
            await run_async(BuyOnce(), exchange, feeds=[OneQuote(spy, scripted_clock)])
    assert scripted_venue.calls == []


async def test_a_strategys_order_for_another_account_is_refused(
    opened: Opened, scripted_venue: Any, scripted_clock: ScriptedClock, spy: Market
) -> None:
    strategy = BuyOnce("DU2")
    async with opened(is_live=False) as exchange:
        await run_async(strategy, exchange, feeds=[OneQuote(spy, scripted_clock)])
    assert strategy.reason == "account: the order is for account DU2, and this run trades on DU1"
    assert scripted_venue.calls == []


# -- the command line --------------------------------------------------------------------------------------------------


def test_an_account_id_is_typed_by_a_person_or_said_for_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    assert agreed_account(False, None, "U1") is None
    assert agreed_account(False, "U1", None) == "U1"
    with pytest.raises(ConfigurationError, match="expected the account id U1 to be typed for real money, found 'U2'"):
        agreed_account(False, "U2", "U1")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigurationError, match="nobody can type here: use --yes-live ACCOUNT"):
        agreed_account(True, None, "U1")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.prompt", lambda *_, **__: " U1 ")
    assert agreed_account(True, None, "U1") == "U1"


def test_limits_on_the_command_line_replace_the_default_and_real_money_needs_all_of_them() -> None:
    assert Limits().guards(live=False) is None
    paper = Limits(max_size="5").guards(live=False)
    assert paper is not None
    assert [guard.limit for guard in paper if isinstance(guard, MaxSize)] == [Decimal(5)]
    with pytest.raises(ConfigurationError, match="add --max-notional, --max-position, --max-daily-loss"):
        Limits(max_size="5").guards(live=True)
    everything = Limits(max_size="5", max_notional="6", max_position="7", max_daily_loss="8").guards(live=True)
    assert everything is not None
    assert {guard.name for guard in everything} >= {"max_size", "max_notional", "max_position", "daily_loss"}


# -- at a gateway ------------------------------------------------------------------------------------------------------


async def test_a_live_login_at_the_gateway_trades_with_consent_and_says_what_is_missing_without(tmp_path: Path) -> None:
    async with (
        ScriptedClock(OPENING).running() as clock,
        Simulator(clock=clock, is_paper=False, pacing=False) as gateway,
    ):
        place: dict[str, Any] = {
            "api_url": gateway.base_url,
            "account_id": gateway.accounts[0],
            "certificate": gateway.certificate,
            "clock": clock,
        }
        async with InteractiveBrokers(**place, journal=tmp_path / "a.sqlite") as ib:
            spy = await ib.market("SPY")
            with pytest.raises(ConfigurationError, match="is a live account: no order is sent without consent"):
                await ib.submit(one(spy))
        async with InteractiveBrokers(**place, journal=tmp_path / "b.sqlite", live=True) as ib:
            with pytest.raises(ConfigurationError, match="max_size, max_notional, max_position, daily_loss"):
                await ib.submit(one(spy))
        assert not [each for each in gateway.requests if each.method == "POST" and each.path.endswith("/orders")]
        guards = limits(max_daily_loss=1_000)
        async with InteractiveBrokers(**place, journal=tmp_path / "c.sqlite", live=True, guards=guards) as ib:
            ask = (await ib.quote(spy)).ask
            assert ask is not None
            order = await ib.submit(one(spy, price=spy.price_grid.ceil(Decimal(str(ask)))))
            assert (await ib.wait(order, lambda each: each.is_done, timeout=60)).status is OrderStatus.FILLED
