"""A session that is lost and comes back: what happened meanwhile is reported, whoever expects it or not."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exchanges import InteractiveBrokers
from exchanges.ibkr.session import KEEP_ALIVE_SECONDS
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.engine.run import run_async
from horizon.errors import NeedsLogin
from horizon.model import (
    Fill,
    Market,
    Notice,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    SessionState,
    SessionTier,
    TimeInForce,
)
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
SUPPRESS, INIT = "/iserver/questions/suppress", "/iserver/auth/ssodh/init"


class Desk:
    """An exchange on a gateway of its own, and everything that its venue reported."""

    def __init__(self, gateway: Simulator, ib: InteractiveBrokers, clock: ScriptedClock) -> None:
        self.gateway, self.ib, self.clock = gateway, ib, clock
        self.events: list[Any] = []

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def ready(self) -> list[bool]:
        return [state.ready for state in self.of(SessionState)]

    def asked(self, path: str) -> int:
        return sum(request.path == f"/v1/api{path}" for request in self.gateway.requests)

    async def buy(self, market: Market, size: int) -> None:
        ask = (await self.ib.quote(market)).ask
        assert ask is not None
        price = market.price_grid.ceil(Decimal(str(ask)) * Decimal("1.002"))
        request = OrderRequest(
            market_id=market.market_id, order_side=OrderSide.BUY, size=Decimal(size), price=price, outside_rth=True
        )
        order = await self.ib.submit(request)
        await self.ib.wait(order, lambda each: each.status is OrderStatus.FILLED, timeout=60)


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as kept:

        async def begin(*, at: int = START, options: dict[str, Any] | None = None, **simulated: Any) -> Desk:
            clock = ScriptedClock(at)
            await kept.enter_async_context(clock.running())
            gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, **simulated))
            ib = InteractiveBrokers(
                api_url=gateway.base_url,
                account_id=gateway.accounts[0],
                journal=tmp_path / "journal.sqlite",
                clock=clock,
                **(options or {}),
            )
            desk = Desk(gateway, ib, clock)
            take = ib._take

            def heard(event: Any) -> None:
                desk.events.append(event)
                take(event)

            ib._take = heard  # type: ignore[method-assign]
            await kept.enter_async_context(ib)
            return desk

        yield begin


def buy_on_the_venues_own_screen(desk: Desk, market: Market, size: int) -> None:
    """A market order of the same account that this program knows nothing of."""
    ticket = Ticket(
        conid=int(market.market_id),
        order_type="MKT",
        side="BUY",
        quantity=Decimal(size),
        price=None,
        stop=None,
        tif="DAY",
        outside_rth=False,
        coid=None,
        parent=None,
        in_group=False,
    )
    desk.gateway.state.desk.place(desk.gateway.accounts[0], [ticket], desk.clock.now())


def is_about_positions(notice: Notice) -> bool:
    return "changed while the session was away" in notice.text


async def test_orders_and_fills_of_the_time_away_are_reported_before_the_session_is_ready(
    start: Callable[..., Any],
) -> None:
    desk = await start()
    spy = await desk.ib.market("SPY")
    await desk.buy(spy, 3)
    await desk.ib.positions()
    desk.gateway.drop_session()
    buy_on_the_venues_own_screen(desk, spy, 2)
    desk.events.clear()
    await desk.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert desk.ready == [False, True]
    ready_at = next(at for at, event in enumerate(desk.events) if isinstance(event, SessionState) and event.ready)
    before = desk.events[:ready_at]
    assert sum(fill.size for fill in before if isinstance(fill, Fill) and fill.client_order_id is None) == 2
    assert any(isinstance(event, OrderReport) and event.client_order_id is None for event in before)
    assert not any(map(is_about_positions, desk.of(Notice)))


async def test_a_position_that_changed_without_a_fill_is_told_once(start: Callable[..., Any]) -> None:
    desk = await start()
    spy = await desk.ib.market("SPY")
    await desk.buy(spy, 100)
    await desk.ib.positions()
    desk.gateway.drop_session()
    ledger = desk.gateway.state.accounts[desk.gateway.accounts[0]].ledger
    ledger.trade(int(spy.market_id), Decimal(20), Decimal(600))
    await desk.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    [notice] = [each for each in desk.of(Notice) if is_about_positions(each)]
    assert "SPY 100 -> 120" in notice.text
    desk.gateway.drop_session()
    await desk.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert [each for each in desk.of(Notice) if is_about_positions(each)] == [notice]


async def test_orders_are_refused_before_a_reset_and_cancels_pass(start: Callable[..., Any]) -> None:
    midnight = to_nanoseconds(datetime(2025, 11, 19, tzinfo=ZoneInfo("America/New_York")))
    desk = await start(at=midnight - 1800 * NANOSECONDS, resets=True)
    spy = await desk.ib.market("SPY")
    bid = (await desk.ib.quote(spy)).bid
    assert bid is not None
    price = spy.price_grid.floor(Decimal(str(bid)) * Decimal("0.98"))
    request = OrderRequest(
        market_id=spy.market_id,
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=price,
        time_in_force=TimeInForce.GTC,
        outside_rth=True,
    )
    order = await desk.ib.submit(request)
    await desk.clock.sleep((midnight - desk.clock.now()) / NANOSECONDS - 120)
    assert desk.ib.session is not None
    assert not desk.ib.session.ready
    assert "new orders are refused" in desk.ib.session.reason
    done = await desk.ib.cancel(order)
    assert done.status is OrderStatus.CANCELED


async def test_everything_is_sent_and_read_again_after_each_loss(start: Callable[..., Any]) -> None:
    desk = await start(options={"suppress": ["o10151"]})
    spy = await desk.ib.market("SPY")
    await desk.ib.quote(spy)
    counts = []
    for _ in range(3):
        counts.append((desk.asked(SUPPRESS), desk.asked(INIT)))
        desk.gateway.drop_session()
        snapshots, orders = desk.asked("/iserver/marketdata/snapshot"), desk.asked("/iserver/account/orders")
        await desk.clock.sleep(2 * KEEP_ALIVE_SECONDS)
        assert desk.ib.session is not None
        assert desk.ib.session.ready
        assert desk.asked("/iserver/marketdata/snapshot") > snapshots
        assert desk.asked("/iserver/account/orders") > orders
    assert counts == [(1, 0), (2, 1), (3, 2)]
    assert desk.gateway.rate_limited == 0


class Watcher(Strategy):
    """Remembers what it is told of the session."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.states: list[SessionState] = []

    def on_session(self, ctx: Context, session: SessionState) -> None:
        self.states.append(session)


@pytest.mark.parametrize("falls_silent", [False, True])
async def test_calls_that_meet_a_401_together_share_the_question_why(
    start: Callable[..., Any], falls_silent: bool
) -> None:
    desk = await start()
    spy = await desk.ib.market("SPY")
    desk.gateway.log_out()
    if falls_silent:
        desk.gateway.faults.add(Fault(match="POST /v1/api/iserver/auth/status", action="silence", times=99))
    asked, began = desk.asked("/iserver/auth/status"), desk.clock.monotonic()
    calls = (desk.ib.market_data.read([spy.instrument()]) for _ in range(20))
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(error) for error in errors} == {NeedsLogin}
    # They are admitted over two seconds, so a few questions are asked anew.
    assert desk.asked("/iserver/auth/status") - asked <= 10
    assert desk.clock.monotonic() - began < 30


async def test_a_sign_in_that_is_due_reaches_the_strategy_with_what_to_do(start: Callable[..., Any]) -> None:
    desk = await start()
    strategy = Watcher()

    async def disturb() -> None:
        await desk.clock.sleep(30)
        desk.gateway.log_out()
        await desk.clock.sleep(300)
        desk.gateway.log_in()

    disturbing = asyncio.create_task(disturb())
    await run_async(strategy, desk.ib, duration=timedelta(seconds=600))
    await disturbing
    assert [state.ready for state in strategy.states] == [True, False, True]
    gateway = next(each for each in strategy.states[1].tiers if each.tier is SessionTier.GATEWAY)
    assert not gateway.up
    assert "sign in at" in gateway.action
