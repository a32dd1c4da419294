"""Faults between the real stack and the embedded gateway: no order doubled or lost, every fill booked once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.simulator import Simulator
from horizon.engine.run import RunResult, run_async
from horizon.errors import HorizonError, OutcomeUnknown, RateLimited, RecordingError, SessionError
from horizon.guards import Guard, KillSwitch, MaxPosition, OrdersPerMinute
from horizon.model import (
    CoreEvent,
    Fill,
    Market,
    MarketKind,
    MarketQuery,
    Notice,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    SessionState,
    Side,
    TimerFired,
    instrument,
)
from horizon.ports import FeedHealth, PutMarketEvent
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Context, Strategy

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
SPY = 756733
LONGEST_SETTLING = 180.0
"""Clock seconds after which nothing may be in doubt any more, whatever a single fault did."""


class Desk:
    """A broker on a gateway of its own, and the comparison of the two."""

    def __init__(self, gateway: Simulator, ib: InteractiveBrokers, clock: ScriptedClock) -> None:
        self.gateway = gateway
        self.ib = ib
        self.clock = clock
        self.account = gateway.accounts[0]
        self.events: list[CoreEvent] = []

    async def spy(self, *, at: float | None = None, size: int = 3, **rest: Any) -> OrderRequest:
        """A purchase of SPY: at the market, or at a limit that is `at` times the ask."""
        market = await self.ib.market("SPY")
        quote = await self.ib.quote(market)
        assert quote.ask is not None
        price = None if at is None else market.price_grid.floor(Decimal(str(quote.ask * at)))
        kind = OrderType.MARKET if at is None else OrderType.LIMIT
        return OrderRequest(
            market_id=market.market_id,
            order_side=OrderSide.BUY,
            size=Decimal(size),
            price=price,
            order_type=kind,
            **rest,
        )

    def break_with(self, *faults: Fault) -> None:
        for fault in faults:
            self.gateway.faults.add(fault)

    async def run(self, strategy: Strategy, seconds: float, **options: Any) -> RunResult:
        return await run_async(
            strategy, self.ib, duration=timedelta(seconds=seconds), on_event=self.events.append, **options
        )

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    @property
    def at_the_gateway(self) -> list[tuple[str | None, OrderStatus, Decimal]]:
        """(client order id, status, filled) of every order, oldest first."""
        desk = self.gateway.state.desk
        rows = [(order.ticket.coid, desk.progress(order)) for order in desk.orders(self.account)]
        return [(coid, progress.status, progress.filled) for coid, progress in reversed(rows)]

    async def agrees_about(self, *orders: OrderRequest | Order) -> None:
        """Each order is at the gateway at most once, and both sides say the same about it and about what is held."""
        told = {coid: (status, filled) for coid, status, filled in self.at_the_gateway}
        assert len(told) == len(self.at_the_gateway)
        for each in orders:
            order = await self.ib.order(each.client_order_id)
            assert isinstance(order, Order)
            if each.client_order_id in told:
                assert (order.status, order.filled) == told[each.client_order_id]
            else:
                assert order.status in (OrderStatus.REJECTED, OrderStatus.CANCELED)
            assert order.booked == order.filled
        held = {int(position.market_id): position.size for position in await self.ib.positions()}
        assert held == self.gateway.book(self.account).positions
        assert self.gateway.rate_limited == 0


@asynccontextmanager
async def desk_on_a_gateway(*, guards: Sequence[Guard] | None = None, **options: Any) -> AsyncIterator[Desk]:
    """Everything in one loop; when it ends, no task is left behind."""
    before = asyncio.all_tasks()
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, **options))
        journal = Path(kept.enter_context(TemporaryDirectory())) / "journal.sqlite"
        ib = InteractiveBrokers(
            api_url=gateway.base_url, account_id=gateway.accounts[0], journal=journal, guards=guards, clock=clock
        )
        yield Desk(gateway, await kept.enter_async_context(ib), clock)
    left: set[asyncio.Task[Any]] = set()
    for _ in range(100):
        left = {task for task in asyncio.all_tasks() - before if task is not asyncio.current_task()}
        if not left:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"left behind: {left}")


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with desk_on_a_gateway() as made:
        yield made


HARM: Sequence[dict[str, Any]] = [
    {"action": "drop"},
    {"action": "drop", "when": "after"},
    {"action": "drop", "when": "during"},
    {"action": "status"},
    {"action": "status", "when": "after"},
    {"action": "html"},
    {"action": "html", "when": "after", "status": 502},
    {"action": "empty", "when": "after"},
    {"action": "silence"},
    {"action": "silence", "when": "after"},
    {"action": "truncate", "when": "after"},
    {"action": "duplicate", "when": "after"},
    {"action": "delay", "seconds": 90.0},
    {"action": "delay", "when": "after", "seconds": 90.0},
]
every_harm = pytest.mark.parametrize("harm", HARM, ids=[" ".join(map(str, each.values())) for each in HARM])


def recorded_ids(desk: Desk) -> list[str]:
    return [record.client_order_id for record in desk.ib.journal.records() if record.kind == "intent"]


@every_harm
@pytest.mark.parametrize("path", ["POST */orders", "POST */reply/*"])
async def test_an_order_is_never_doubled_lost_or_left_in_doubt(desk: Desk, path: str, harm: dict[str, Any]) -> None:
    request = await desk.spy(at=None if "reply" in path else 1.001)
    desk.break_with(Fault(match=path, **harm))
    with pytest.raises(OutcomeUnknown):
        await desk.ib.submit(request)
    (key,) = recorded_ids(desk)
    await desk.clock.sleep(LONGEST_SETTLING)
    assert len(desk.gateway.faults.applied) == 1
    order = await desk.ib.order(key)
    assert isinstance(order, Order)
    await desk.agrees_about(order)


@every_harm
async def test_a_cancel_is_followed_until_the_order_is_dead(desk: Desk, harm: dict[str, Any]) -> None:
    order = await desk.ib.submit(await desk.spy(at=0.99))
    desk.break_with(Fault(match="DELETE */order/*", **harm))
    with suppress(OutcomeUnknown):
        await desk.ib.cancel(order)
    dead = await desk.ib.wait(order, lambda latest: latest.is_done, timeout=LONGEST_SETTLING)
    assert dead.status is OrderStatus.CANCELED
    await desk.agrees_about(order)


# a read that reaches the gateway twice is over the venue's limit, and not by our doing
@pytest.mark.parametrize("harm", [each for each in HARM if each["action"] != "duplicate"])
@pytest.mark.parametrize("path", ["GET */account/orders", "GET */account/trades"])
async def test_a_broken_read_loses_no_fill(desk: Desk, path: str, harm: dict[str, Any]) -> None:
    order = await desk.ib.submit(await desk.spy(at=1.001))
    desk.break_with(Fault(match=path, times=2, **harm))
    done = await desk.ib.wait(order, lambda latest: latest.booked == 3, timeout=2 * LONGEST_SETTLING)
    assert done.status is OrderStatus.FILLED
    await desk.clock.sleep(5)
    await desk.agrees_about(order)


async def test_a_cancel_asked_while_the_order_is_in_doubt_leaves_once_the_order_is_found(desk: Desk) -> None:
    request = await desk.spy(at=0.99)
    desk.break_with(
        Fault(match="POST */orders", action="drop", when="after"),
        Fault(match="GET */account/orders", action="html", times=3),
    )
    with pytest.raises(OutcomeUnknown):
        await desk.ib.submit(request)
    order = await desk.ib.order(recorded_ids(desk)[0])
    assert isinstance(order, Order)
    await desk.ib.cancel(order, wait=0.1)
    dead = await desk.ib.wait(order, lambda latest: latest.is_done, timeout=LONGEST_SETTLING)
    assert dead.status is OrderStatus.CANCELED
    await desk.agrees_about(order)


async def test_a_fill_that_is_faster_than_the_cancel_is_booked(desk: Desk) -> None:
    order = await desk.ib.submit(await desk.spy(at=1.001))
    await desk.ib.cancel(order)
    done = await desk.ib.wait(order, lambda latest: latest.booked == latest.filled, timeout=60)
    assert done.status in (OrderStatus.FILLED, OrderStatus.CANCELED)
    await desk.agrees_about(order)


@pytest.mark.parametrize(
    ("status", "error"), [(401, SessionError), (429, RateLimited)], ids=["signed out", "too many requests"]
)
async def test_an_order_that_is_turned_away_at_the_door_was_surely_not_taken(
    desk: Desk, status: int, error: type[HorizonError]
) -> None:
    request = await desk.spy(at=1.001)
    desk.break_with(Fault(match="POST */orders", action="status", status=status))
    with pytest.raises(error):
        await desk.ib.submit(request)
    order = await desk.ib.order(recorded_ids(desk)[0])
    assert isinstance(order, Order)
    assert order.status is OrderStatus.REJECTED
    assert desk.at_the_gateway == []


async def test_an_order_in_doubt_under_a_penalty_is_looked_up_once_the_penalty_is_over(desk: Desk) -> None:
    request = await desk.spy()
    desk.break_with(Fault(match="POST */reply/*", action="status", status=429))
    with pytest.raises(OutcomeUnknown):
        await desk.ib.submit(request)
    order = await desk.ib.order(recorded_ids(desk)[0])
    assert isinstance(order, Order)
    known = await desk.ib.wait(order, lambda latest: not latest.is_in_doubt, timeout=1_200)
    assert known.status is OrderStatus.REJECTED
    await desk.agrees_about(order)


@pytest.mark.parametrize("path", ["POST */orders", "POST */reply/*"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_order_whose_sender_is_interrupted_is_looked_up(desk: Desk, path: str, when: Any) -> None:
    request = await desk.spy(at=None if "reply" in path else 1.001)
    desk.break_with(Fault(match=path, action="silence", when=when))
    sending = asyncio.create_task(desk.ib.submit(request))
    await desk.gateway.faults.wait_until_applied()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await desk.clock.sleep(LONGEST_SETTLING)
    order = await desk.ib.order(recorded_ids(desk)[0])
    assert isinstance(order, Order)
    assert order.status is (OrderStatus.FILLED if when == "after" else OrderStatus.REJECTED)
    await desk.agrees_about(order)


async def test_fills_of_exits_that_come_before_their_names_are_booked() -> None:
    async with desk_on_a_gateway(prompts=False, guards=[]) as desk:
        entry = await desk.spy(at=1.001, client_order_id="entry")
        assert entry.price is not None
        exit_price = entry.price - Decimal("1.50")
        target = await desk.spy(at=1, client_order_id="target", parent="entry")
        target = structs.replace(target, order_side=OrderSide.SELL, price=exit_price)
        orders = await desk.ib.submit_group([entry, target])
        await desk.clock.sleep(LONGEST_SETTLING)
        ends = [await desk.ib.order(order.client_order_id) for order in orders]
        assert [(end.status, end.booked) for end in ends if isinstance(end, Order)] == [
            (OrderStatus.FILLED, Decimal(3))
        ] * 2
        assert desk.gateway.book(desk.account).positions == {}


async def test_two_orders_at_once_do_not_void_each_others_questions(desk: Desk) -> None:
    first, second = await asyncio.gather(*[desk.ib.submit(await desk.spy(size=size)) for size in (1, 2)])
    await desk.clock.sleep(30)
    assert {(await desk.ib.order(order.client_order_id)).status for order in (first, second)} == {OrderStatus.FILLED}
    await desk.agrees_about(first, second)


async def test_a_limit_holds_for_orders_that_are_submitted_at_the_same_time() -> None:
    async with desk_on_a_gateway(guards=[MaxPosition(10)]) as desk:
        requests = [await desk.spy(at=0.99, size=8) for _ in range(2)]
        ends = await asyncio.gather(*map(desk.ib.submit, requests), return_exceptions=True)
        assert sorted(type(end).__name__ for end in ends) == ["InvalidOrder", "Order"]
        assert len(desk.at_the_gateway) == 1


async def test_a_journal_that_cannot_be_written_lets_nothing_leave(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    request = await desk.spy(at=0.99)
    commit = desk.ib.journal.commit

    def full(records: object) -> None:
        raise RecordingError("no space left on the device", file="journal")

    monkeypatch.setattr(desk.ib.journal, "commit", full)
    with pytest.raises(RecordingError, match="no space left"):
        await desk.ib.submit(request)
    assert desk.at_the_gateway == []
    monkeypatch.setattr(desk.ib.journal, "commit", commit)
    await desk.clock.sleep(1)
    order = await desk.ib.submit(request)
    assert [coid for coid, _, _ in desk.at_the_gateway] == [order.client_order_id]
    (given_up,) = [record for record in desk.ib.journal.records() if b"no space left" in record.payload]
    assert given_up.kind == "report"


# -- strategies ---------------------------------------------------------------------------------------------------


class OnFirstQuote(Strategy):
    """Does `act` once, and notes what happens to the orders."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.acted = False
        self.ends: dict[str, OrderStatus] = {}

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if not self.acted and quote.ask is not None:
            self.acted = True
            self.act(ctx, ctx.market("spy"), quote.ask)

    def act(self, ctx: Context, spy: Market, ask: float) -> None: ...

    def on_order(self, ctx: Context, order: Order) -> None:
        self.ends[order.client_order_id] = order.status


class TwentyAtOnce(OnFirstQuote):
    def act(self, ctx: Context, spy: Market, ask: float) -> None:
        for number in range(20):
            ctx.buy(spy, 1, price=None if number % 2 else ask * 1.001)


class Rests(OnFirstQuote):
    def act(self, ctx: Context, spy: Market, ask: float) -> None:
        for _ in range(3):
            ctx.buy(spy, 1, price=ask * 0.99)


def held(desk: Desk) -> dict[str, Decimal]:
    return {
        instrument("ibkr", str(conid), "LONG"): size
        for conid, size in desk.gateway.book(desk.account).positions.items()
    }


async def test_twenty_orders_at_once_all_fill_and_no_limit_of_the_venue_is_passed(desk: Desk) -> None:
    result = await desk.run(TwentyAtOnce(), 90, guards=[])
    assert result.positions == held(desk) == {instrument("ibkr", str(SPY), "LONG"): Decimal(20)}
    assert len(result.fills) == len({fill.execution_id for fill in result.fills}) == 20
    assert desk.gateway.rate_limited == 0


async def test_orders_per_minute_refuses_what_is_too_many(desk: Desk) -> None:
    strategy = TwentyAtOnce()
    result = await desk.run(strategy, 30, guards=[OrdersPerMinute(5)])
    assert (result.requests, result.positions) == (5, held(desk))


async def test_a_group_is_held_to_a_limit_as_a_whole(desk: Desk) -> None:
    class Group(OnFirstQuote):
        def act(self, ctx: Context, spy: Market, ask: float) -> None:
            price = spy.price_grid.floor(Decimal(str(ask * 0.99)))
            self.orders = ctx.submit_group(
                [
                    OrderRequest(
                        market_id=spy.market_id, exchange="ibkr", order_side=OrderSide.BUY, size=Decimal(4), price=price
                    )
                    for _ in range(3)
                ]
            )

    strategy = Group()
    await desk.run(strategy, 20, guards=[MaxPosition(10)])
    assert [order.status for order in strategy.orders] == [OrderStatus.REJECTED] * 3
    assert "12" in strategy.orders[0].reason
    assert desk.at_the_gateway == []


async def test_the_kill_switch_stops_what_comes_after_it(desk: Desk) -> None:
    switch = KillSwitch()

    class Pulls(Rests):
        def act(self, ctx: Context, spy: Market, ask: float) -> None:
            ctx.buy(spy, 1, price=ask * 0.99)
            switch.pull("a test")
            self.refused = ctx.buy(spy, 1, price=ask * 0.99)

    strategy = Pulls()
    result = await desk.run(strategy, 20, guards=[switch])
    assert strategy.refused.status is OrderStatus.REJECTED
    assert [status for _, status, _ in desk.at_the_gateway] == [OrderStatus.CANCELED]
    assert result.working == ()


async def test_an_order_from_on_stop_is_refused(desk: Desk) -> None:
    class Parting(OnFirstQuote):
        def on_stop(self, ctx: Context, reason: str) -> None:
            self.parting = ctx.buy(ctx.market("spy"), 1)

    strategy = Parting()
    await desk.run(strategy, 20)
    assert strategy.parting.status is OrderStatus.REJECTED
    assert "the run is over" in strategy.parting.reason
    assert desk.at_the_gateway == []


@pytest.mark.parametrize("where", ["on_start", "on_session", "on_quote", "on_order", "on_fill", "on_timer", "on_stop"])
async def test_a_strategy_that_raises_leaves_no_entry_order_behind(desk: Desk, where: str) -> None:
    def raise_here(self: Strategy, ctx: Context, *event: object) -> None:
        if where == "on_quote":
            TwentyAtOnce.act(self, ctx, ctx.market("spy"), 600.0)  # type: ignore[arg-type]
        raise ZeroDivisionError(where)

    class Both(Rests):
        def on_start(self, ctx: Context) -> None:
            ctx.set_timer("t", every=7.0)

        def act(self, ctx: Context, spy: Market, ask: float) -> None:
            super().act(ctx, spy, ask)
            ctx.buy(spy, 1, price=ask * 1.001)

    strategy = type("Raises", (Both,), {where: raise_here})()
    with pytest.raises(ZeroDivisionError, match=where):
        await desk.run(strategy, 30)
    assert [status for _, status, _ in desk.at_the_gateway if status.is_open] == []
    booked = [event for event in desk.events if isinstance(event, Fill)]
    assert len(booked) == len(desk.gateway.book(desk.account).executions)
    # what was queued when it raised never left
    assert len(desk.at_the_gateway) <= 4


async def test_cancels_that_get_lost_at_the_end_of_a_run_are_sent_again(desk: Desk) -> None:
    desk.break_with(
        Fault(match="DELETE */order/*", action="drop"), Fault(match="DELETE */order/*", action="silence", seconds=5)
    )
    result = await desk.run(Rests(), 20, guards=[])
    assert result.working == ()
    assert [status for _, status, _ in desk.at_the_gateway] == [OrderStatus.CANCELED] * 3


async def test_an_order_that_was_held_up_on_its_way_is_taken_up_when_it_arrives(desk: Desk) -> None:
    class Rest(OnFirstQuote):
        def act(self, ctx: Context, spy: Market, ask: float) -> None:
            ctx.buy(spy, 1, price=ask * 1.001)

    strategy = Rest()
    desk.break_with(Fault(match="POST */orders", action="delay", seconds=90))
    result = await desk.run(strategy, 240)
    assert list(strategy.ends.values()) == [OrderStatus.FILLED]
    assert result.positions == held(desk) != {}
    assert any("has arrived at the venue after all" in text for text in desk.notices)


class Bracket(OnFirstQuote):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def act(self, ctx: Context, spy: Market, ask: float) -> None:
        orders = ctx.bracket(spy, self.size, price=ask * 1.001, take_profit=ask * 1.0005, stop_loss=ask * 0.9995)
        self.keys = [order.client_order_id for order in orders]


async def test_a_bracket_ends_flat_with_one_exit_filled_and_the_other_gone(desk: Desk) -> None:
    strategy = Bracket(5)
    result = await desk.run(strategy, 900)
    entry, *exits = (strategy.ends[key] for key in strategy.keys)
    assert entry is OrderStatus.FILLED
    assert sorted(exits) == [OrderStatus.CANCELED, OrderStatus.FILLED]
    assert result.positions == held(desk) == {}
    assert len(result.fills) == len(desk.gateway.book(desk.account).executions)


async def test_a_bracket_whose_entry_is_refused_has_no_exits(desk: Desk) -> None:
    strategy = Bracket(100_000)
    await desk.run(strategy, 30, guards=[])
    assert set(strategy.ends.values()) == {OrderStatus.REJECTED}
    assert desk.at_the_gateway == []


@pytest.mark.parametrize("harm", [{"action": "drop", "when": "after"}, {"action": "truncate", "when": "after"}])
async def test_a_bracket_whose_answer_is_lost_is_found_with_its_exits(harm: dict[str, Any]) -> None:
    async with desk_on_a_gateway(prompts=False) as desk:
        desk.break_with(Fault(match="POST */orders", **harm))
        strategy = Bracket(5)
        result = await desk.run(strategy, 900)
        assert result.positions == held(desk)
        assert len(desk.at_the_gateway) == 3
    assert {status for status in strategy.ends.values() if status.is_in_doubt} == set()


async def test_a_large_order_fills_in_parts_and_every_part_is_booked() -> None:
    class Large(Strategy):
        markets = {
            "event": MarketQuery(symbol="SPXC", kind=MarketKind.EVENT, side=Side.YES, nearest_threshold=Decimal(6000))
        }
        bought = False

        def on_quote(self, ctx: Context, quote: Quote) -> None:
            if not self.bought and quote.ask is not None:
                self.bought = True
                ctx.buy(ctx.market("event"), 3_000, price=quote.ask)

    async with desk_on_a_gateway(prompts=False) as desk:
        result = await desk.run(Large(), 300, guards=[])
        executions = desk.gateway.book(desk.account).executions
        assert len(result.fills) == len(executions) > 1
        ((name, size),) = result.positions.items()
        assert size == sum(execution.size for execution in executions)
        assert list(desk.gateway.book(desk.account).positions.items()) == [(int(name.split(":")[1]), size)]


class EveryTenSeconds(OnFirstQuote):
    """Buys one share at a time, and notes how the session stood."""

    def __init__(self, started: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self.started = started
        self.ready: list[bool] = []
        self.bought = 0

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer("buy", every=10.0)
        self.started()

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        spy = ctx.market("spy")
        quote = ctx.quote(spy.instrument())
        if quote is not None and quote.ask is not None and not ctx.unresolved(spy.instrument()):
            ctx.buy(spy, 1, price=quote.ask * 1.001)

    def on_session(self, ctx: Context, session: SessionState) -> None:
        self.ready.append(session.ready)


@pytest.mark.parametrize("how", ["dropped", "signed out and in"])
async def test_a_session_that_is_lost_and_comes_back_loses_nothing(desk: Desk, how: str) -> None:
    async def disturb() -> None:
        await desk.clock.sleep(33)
        if how == "dropped":
            desk.gateway.drop_session()
        else:
            desk.gateway.log_out()
            await desk.clock.sleep(70)
            desk.gateway.log_in()

    strategy = EveryTenSeconds()
    disturbing = asyncio.create_task(disturb())
    result = await desk.run(strategy, 240)
    await disturbing
    assert False in strategy.ready
    assert strategy.ready[-1]
    assert result.positions == held(desk) != {}
    assert result.working == ()


async def test_a_competing_session_is_told_once_and_no_order_leaves_under_it(desk: Desk) -> None:
    async def disturb() -> None:
        await desk.clock.sleep(33)
        desk.gateway.compete()

    strategy = EveryTenSeconds()
    disturbing = asyncio.create_task(disturb())
    result = await desk.run(strategy, 240)
    await disturbing
    assert strategy.ready[-1] is False
    assert len(strategy.ready) <= 4
    assert result.positions == held(desk)


class Odd(OnFirstQuote):
    """Asks for orders whatever the quote looks like."""

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        ctx.buy(ctx.market("spy"), 1, price=600)
        ctx.buy(ctx.market("spy"), 1)


class Written:
    """A feed of quotes that a test wrote down."""

    def __init__(self, clock: ScriptedClock, quotes: Sequence[Quote]) -> None:
        self.clock, self.quotes = clock, quotes

    async def run(self, put: PutMarketEvent) -> None:
        for quote in self.quotes:
            put(quote)
            await self.clock.sleep(1)

    async def subscribe(self, instruments: Sequence[object]) -> None: ...
    def health(self) -> Sequence[FeedHealth]:
        return []


@pytest.mark.parametrize(
    ("bid", "ask"),
    [(float("nan"), float("nan")), (None, None), (float("nan"), None), (float("inf"), float("-inf"))],
)
async def test_a_quote_without_a_price_lets_no_order_pass_the_guards(
    desk: Desk, bid: float | None, ask: float | None
) -> None:
    name = instrument("ibkr", str(SPY), "LONG")
    strategy = Odd()
    await desk.run(strategy, 30, feeds=[Written(desk.clock, [Quote(name, START, bid, ask, None, None)])])
    assert desk.at_the_gateway == []


# -- schedules of faults -------------------------------------------------------------------------------------------

_MATCHES = ["POST */orders", "POST */reply/*", "DELETE */order/*", "GET */account/orders", "GET */account/trades"]
_faults = st.builds(
    lambda match, harm, skip, times: Fault(match=match, skip=skip, times=times, **harm),
    st.sampled_from([*_MATCHES, "POST */tickle", "GET */snapshot", "POST */auth/status", "* *"]),
    st.sampled_from([each for each in HARM if each["action"] != "delay"]),
    st.integers(0, 4),
    st.integers(1, 2),
)


class Busy(EveryTenSeconds):
    """Buys now at the market, now at a limit that rests, and cancels what rests."""

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        spy = ctx.market("spy")
        quote = ctx.quote(spy.instrument())
        if quote is None or quote.ask is None:
            return
        self.bought += 1
        if self.bought % 3 == 0:
            ctx.cancel_all()
        else:
            ctx.buy(spy, 1, price=None if self.bought % 2 else quote.ask * 0.995)


async def _disturbed_run(faults: Sequence[Fault], guards: Sequence[Guard]) -> None:
    async with desk_on_a_gateway() as desk:
        # a run that can't read where the account stands does not begin
        result = await desk.run(Busy(lambda: desk.break_with(*faults)), 100, guards=guards)
        sent = [event for event in desk.ib.journal.records() if event.kind == "intent"]
        names = [coid for coid, _, _ in desk.at_the_gateway]
        assert len(names) == len(set(names))
        assert set(names) <= {record.client_order_id for record in sent}
        if not any(fault.action == "duplicate" for fault in faults):
            assert desk.gateway.rate_limited == 0
        left = {order.client_order_id for order in result.working}
        # what is still in doubt at the end is named; about everything else both sides agree
        assert {coid for coid, status, _ in desk.at_the_gateway if status.is_open} <= left
        if not left:
            assert result.positions == held(desk)
            assert len(result.fills) == len(desk.gateway.book(desk.account).executions)


@given(st.lists(_faults, min_size=1, max_size=5))
@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_whatever_goes_wrong_nothing_is_doubled_lost_or_unsaid(faults: list[Fault]) -> None:
    asyncio.run(_disturbed_run(faults, []))
