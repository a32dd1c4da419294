"""A 429 in the middle of a run: everything stops for its whole time, orders fail at once, one person hears it once."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.clock import NANOSECONDS, Clock
from horizon.engine.run import run_async
from horizon.errors import RateLimited
from horizon.model import Notice, NoticeLevel, Order, OrderRequest, OrderSide, Quote, SessionState, Side, TimerFired
from horizon.observe.alerts import Alert
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

# a Tuesday, 15:00 in New York: no reset is near
START = 1_700_596_800 * NANOSECONDS
BOX = 900


class Hook:
    def __init__(self) -> None:
        self.told: list[Alert] = []

    async def tell(self, alert: Alert, clock: Clock) -> None:
        self.told.append(alert)


class Bench:
    """A gateway that counts, an exchange on it, and a person who is told."""

    def __init__(self, clock: ScriptedClock, gateway: Simulator, ib: InteractiveBrokers, hook: Hook) -> None:
        self.clock, self.gateway, self.ib, self.hook = clock, gateway, ib, hook

    def requests_between(self, begin: float, end: float) -> Counter[str]:
        """Requests that left so many seconds after the start."""
        return Counter(
            f"{request.method} {request.path.partition('/v1/api')[2]}"
            for request in self.gateway.requests
            if begin < (request.time - START) / NANOSECONDS < end
        )


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    clock, hook = ScriptedClock(START), Hook()
    async with AsyncExitStack() as kept:
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, prompts=False))
        ib = InteractiveBrokers(
            api_url=gateway.base_url,
            account_id=gateway.accounts[0],
            journal=tmp_path / "journal.sqlite",
            clock=clock,
            notify=hook,
        )
        await kept.enter_async_context(ib)
        yield Bench(clock, gateway, ib, hook)


class RestsAndAsksAgain(Strategy):
    """One order that rests, so that orders and fills are polled, and one more in the middle of the box."""

    markets = {"spy": "SPY"}

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.resting: Order | None = None
        self.quotes: list[int] = []
        self.states: list[SessionState] = []
        self.notices: list[Notice] = []
        self.closed: float | None = None
        self.late: list[Order] = []

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.quotes.append(ctx.now)
        if self.resting is None and quote.bid is not None:
            self.resting = ctx.buy(ctx.market("spy"), 1, price=Decimal(str(quote.bid)) - 5)
            ctx.set_timer("box", at=ctx.now + 60 * NANOSECONDS)
            ctx.set_timer("order", at=ctx.now + 300 * NANOSECONDS)

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        if timer.name == "box":
            self.bench.gateway.penalize(BOX)
        else:
            self.late.append(ctx.buy(ctx.market("spy"), 1, price=600))

    def on_session(self, ctx: Context, session: SessionState) -> None:
        self.states.append(session)

    def on_notice(self, ctx: Context, notice: Notice) -> None:
        self.notices.append(notice)


async def test_a_run_stands_still_in_the_box_and_goes_on_after_it(bench: Bench) -> None:
    strategy = RestsAndAsksAgain(bench)
    await run_async(strategy, bench.ib, guards=[], duration=timedelta(seconds=BOX + 300))
    (refusal,) = [request for request in bench.gateway.requests if request.status == 429]
    began = (refusal.time - START) / NANOSECONDS
    assert bench.gateway.sent_in_penalty_box == 0
    assert bench.gateway.rate_limited == 0
    assert not bench.requests_between(began, began + BOX)
    after = bench.requests_between(began + BOX, began + BOX + 120)
    assert after["POST /tickle"] >= 1
    assert after["GET /iserver/account/orders"] >= 10
    assert after["GET /iserver/marketdata/snapshot"] >= 60

    # a quarter of an hour without a keep-alive ends the brokerage session, which is then opened again
    reasons = [session.reason for session in strategy.states if not session.ready]
    assert [("429" in reason, "not established" in reason) for reason in reasons] == [(True, False), (False, True)]
    assert strategy.states[-1].ready
    assert [notice.text for notice in strategy.notices if notice.level is not NoticeLevel.INFO] == []
    assert [alert.kind for alert in bench.hook.told] == ["session", "restored"]
    assert "429" in bench.hook.told[0].text
    # an order that is asked for in the box is refused at once, with the reason
    (late,) = strategy.late
    assert "429" in late.reason


async def test_an_order_straight_from_a_person_fails_at_once_and_says_when_to_come_back(bench: Bench) -> None:
    spy = await bench.ib.market("SPY")
    quote = await bench.ib.quote(spy)
    assert quote.bid is not None
    order = OrderRequest(
        market_id=spy.market_id,
        side=Side.LONG,
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=Decimal(str(quote.bid)),
    )
    await bench.ib.submit(order)
    bench.gateway.penalize(BOX)
    with pytest.raises(RateLimited):
        await bench.ib.account()
    await bench.clock.sleep(100)
    began, asked = bench.clock.monotonic(), len(bench.gateway.requests)
    for attempt in (lambda: bench.ib.submit(order), bench.ib.account, lambda: bench.ib.quote(spy)):
        with pytest.raises(RateLimited) as error:
            await attempt()
        assert error.value.penalty
        assert error.value.retry_after == pytest.approx(BOX - 100, abs=1)
    assert bench.clock.monotonic() == began
    assert len(bench.gateway.requests) == asked
    await bench.clock.sleep(BOX)
    await bench.ib.submit(order)
    assert bench.gateway.sent_in_penalty_box == 0


async def test_the_wait_and_the_box_are_visible(bench: Bench) -> None:
    budget = bench.ib.status().budget
    assert budget.closed_for == 0
    assert {rule.name for rule in budget.rules} >= {"everything", "orders", "trades", "history"}
    bench.gateway.penalize(BOX)
    with pytest.raises(RateLimited):
        await bench.ib.account()
    assert bench.ib.status().budget.closed_for == pytest.approx(BOX, abs=1)
