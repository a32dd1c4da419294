"""Every kind of order against the embedded gateway: taken, echoed, found again, filled or cancelled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from exchanges import InteractiveBrokers
from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import OptIn, Policy
from exchanges.ibkr.session import Session
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.venue import IbkrVenue
from horizon.errors import ConfirmationRefused, InvalidOrder, Refused
from horizon.guards.prices import with_size
from horizon.model import (
    ZERO,
    AccountId,
    Algo,
    ClientOrderId,
    Market,
    MarketKind,
    MarketQuery,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    TimeInForce,
    Trailing,
)
from horizon.orders.lifecycle import is_settled
from horizon.ports import Prompt
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session
DAY_BEFORE = 1_766_084_400_000_000_000  # 2025-12-18 19:00 UTC: the contract of December is traded for one more day
FAR = {"max_size": Decimal(1_000)}
PROGRAM = {"manual_indicator": False, "ext_operator": "desk 4"}


class Desk:
    """A venue that is signed in to a gateway of its own."""

    def __init__(self, venue: IbkrVenue, clock: ScriptedClock, client: Client) -> None:
        self.venue = venue
        self.clock = clock
        self.client = client
        self.events: list[Any] = []
        self.prompts: list[Prompt] = []
        self._made = 0

    @property
    def account_id(self) -> AccountId:
        return self.venue.session.accounts[0].account_id

    async def confirm(self, prompt: Prompt) -> bool:
        self.prompts.append(prompt)
        return prompt.advised

    async def quote(self, market: Market) -> Quote:
        (quote,) = await self.venue.quotes([market.instrument()])
        return quote

    async def price(self, market: Market, factor: str) -> Decimal:
        """A price on the market's grid, at a multiple of the bid."""
        bid = (await self.quote(market)).bid
        assert bid is not None
        return market.price_grid.nearest(Decimal(str(bid)) * Decimal(factor))

    def request(self, market: Market, **changes: Any) -> OrderRequest:
        self._made += 1
        fields: dict[str, Any] = {
            "market_id": market.market_id,
            "side": market.side,
            "order_side": OrderSide.BUY,
            "size": 1 if "cash_quantity" not in changes else 0,
            "exchange": "ibkr",
            "account_id": self.account_id,
            "client_order_id": ClientOrderId(f"kind-{self._made}"),
        }
        return OrderRequest(**{**fields, **changes})

    async def send(self, *requests: OrderRequest) -> list[OrderReport]:
        for request in requests:
            market = self.venue.markets.known(request.market_id)
            assert market is not None
            self.venue.profile.check(request, market)
        return list(await self.venue.place(requests, self.confirm))

    async def found(self, request: OrderRequest) -> OrderReport:
        report = await self.venue.find_order(request.account_id, request.client_order_id, request=request)
        assert report is not None
        return report

    async def cancelled(self, request: OrderRequest, report: OrderReport) -> OrderReport:
        order = Order(request=request, status=report.status, venue_order_id=report.venue_order_id)
        await self.venue.withdraw(order)
        await self.clock.sleep(6)
        return await self.found(request)


Start = Callable[..., Awaitable[Desk]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    async with AsyncExitStack() as kept:

        async def begin(at: int = START, **options: Any) -> Desk:
            clock = ScriptedClock(at)
            await kept.enter_async_context(clock.running())
            gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True))
            client = Client(gateway.base_url, clock=clock)
            own = {"o163": OptIn(**FAR), "o403": OptIn(**FAR), "o451": OptIn(**FAR)}
            policy = Policy(own, **options)
            venue = IbkrVenue(client, Session(client, clock), clock, policy=policy)
            desk = Desk(venue, clock, client)
            await venue.open(desk.events.append)
            kept.push_async_callback(venue.close)
            return desk

        yield begin


RESTING: list[tuple[OrderType, dict[str, str]]] = [
    (OrderType.LIMIT, {"price": "0.98"}),
    (OrderType.STOP, {"stop_price": "1.03"}),
    (OrderType.STOP_LIMIT, {"stop_price": "1.03", "price": "1.04"}),
    (OrderType.MARKET_IF_TOUCHED, {"stop_price": "0.97"}),
    (OrderType.LIMIT_IF_TOUCHED, {"stop_price": "0.97", "price": "0.98"}),
    (OrderType.LIMIT_ON_CLOSE, {"price": "0.98"}),
    (OrderType.MARKET_ON_CLOSE, {}),
    (OrderType.MIDPRICE, {"price": "0.97"}),
    (OrderType.RELATIVE, {"price": "0.97"}),
    (OrderType.TRAILING_STOP, {"stop_price": "1.03"}),
    (OrderType.TRAILING_STOP_LIMIT, {"stop_price": "1.03", "price": "1.04"}),
]


@pytest.mark.parametrize(("kind", "factors"), RESTING, ids=lambda value: str(value) if isinstance(value, str) else "")
async def test_each_kind_is_taken_read_back_as_it_was_asked_for_and_cancelled(
    start: Start, kind: OrderType, factors: dict[str, str]
):
    desk = await start()
    spy = await desk.venue.market("SPY")
    prices: dict[str, Any] = {name: await desk.price(spy, factor) for name, factor in factors.items()}
    if kind.trails:
        prices["trailing"] = Trailing(amount=Decimal("2.50"))
    if kind is OrderType.RELATIVE:
        prices["limit_offset"] = Decimal("0.01")
    request = desk.request(spy, order_type=kind, **prices)
    (report,) = await desk.send(request)
    assert report.status is OrderStatus.WORKING, report.reason
    await desk.clock.sleep(6)
    found = await desk.found(request)
    assert found.venue_order_id == report.venue_order_id
    assert found.status is OrderStatus.WORKING
    assert found.request == request
    done = await desk.cancelled(request, report)
    assert done.status is OrderStatus.CANCELED


async def test_every_order_type_is_either_resting_here_or_a_market_order():
    assert {kind for kind, _ in RESTING} | {OrderType.MARKET} == set(OrderType)


@pytest.mark.parametrize(
    ("time", "changes"),
    [
        (TimeInForce.GTC, {}),
        (TimeInForce.OPG, {}),
        (TimeInForce.OVERNIGHT, {}),
        (TimeInForce.OVERNIGHT_AND_DAY, {}),
        (TimeInForce.DAY, {"outside_rth": True}),
        (TimeInForce.DAY, {"all_or_none": True}),
        (TimeInForce.DAY, {"algo": Algo(name="Vwap", parameters={"maxPctVol": "0.1"})}),
        (TimeInForce.DAY, {"route": "ARCA"}),
    ],
    ids=str,
)
async def test_each_time_in_force_and_attribute_is_taken(start: Start, time: TimeInForce, changes: dict[str, Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    request = desk.request(spy, time_in_force=time, price=await desk.price(spy, "0.98"), **changes)
    (report,) = await desk.send(request)
    assert report.status is OrderStatus.WORKING, report.reason
    await desk.clock.sleep(6)
    assert (await desk.found(request)).request == request


async def test_an_ioc_order_that_does_not_cross_is_over_at_once(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    request = desk.request(spy, time_in_force=TimeInForce.IOC, price=await desk.price(spy, "0.98"))
    await desk.send(request)
    await desk.clock.sleep(6)
    assert (await desk.found(request)).status is OrderStatus.CANCELED


async def test_a_change_is_read_back_with_the_size_that_includes_fills(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    request = desk.request(spy, size=4, price=await desk.price(spy, "0.98"))
    (report,) = await desk.send(request)
    order = Order(request=request, status=report.status, venue_order_id=report.venue_order_id)
    changed = desk.request(spy, size=7, price=await desk.price(spy, "0.97"), client_order_id=request.client_order_id)
    await desk.venue.replace(order, changed, desk.confirm)
    await desk.clock.sleep(6)
    found = await desk.found(changed)
    assert (found.size, found.request) == (7, changed)
    assert found.venue_order_id == report.venue_order_id


async def test_a_change_and_a_cancel_of_a_filled_order_are_refused_in_one_sentence(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    request = desk.request(spy, order_type=OrderType.MARKET)
    (report,) = await desk.send(request)
    await desk.clock.sleep(10)
    assert (await desk.found(request)).status is OrderStatus.FILLED
    order = Order(request=request, status=report.status, venue_order_id=report.venue_order_id)
    with pytest.raises(Refused, match=r"order \d+ is over at the venue|knows no order"):
        await desk.venue.withdraw(order)
    changed = desk.request(spy, price=await desk.price(spy, "0.98"), client_order_id=request.client_order_id)
    with pytest.raises(Refused, match="change"):
        await desk.venue.replace(order, changed, desk.confirm)
    assert (await desk.found(request)).status is OrderStatus.FILLED


async def test_a_future_says_who_entered_the_order_its_change_and_its_cancel(start: Start):
    desk = await start()
    (future, *_) = await desk.venue.find_markets(MarketQuery(symbol="ES", kind=MarketKind.FUTURE))
    price = await desk.price(future, "0.999")
    with pytest.raises(InvalidOrder, match="ext_operator"):
        await desk.send(desk.request(future, price=price))
    request = desk.request(future, price=price, **PROGRAM)
    (report,) = await desk.send(request)
    order = Order(request=request, status=report.status, venue_order_id=report.venue_order_id)
    changed = desk.request(future, price=price - 10, client_order_id=request.client_order_id, **PROGRAM)
    await desk.venue.replace(order, changed, desk.confirm)
    done = await desk.cancelled(changed, report)
    assert done.status is OrderStatus.CANCELED


@pytest.mark.parametrize("convert", [False, True])
async def test_money_buys_currency_and_the_fills_say_how_much(start: Start, convert: bool):
    desk = await start()
    pair = await desk.venue.market(MarketQuery(symbol="EUR.USD", kind=MarketKind.FOREX))
    request = desk.request(pair, order_type=OrderType.MARKET, cash_quantity="1200.50", convert_currency=convert)
    with pytest.raises(InvalidOrder, match="not estimated yet"):
        await desk.send(request)
    request = with_size(request, await desk.quote(pair), pair)
    assert request.size_is_estimated
    (report,) = await desk.send(request)
    assert report.status.is_open or report.status is OrderStatus.FILLED
    await desk.clock.sleep(10)
    found = await desk.found(request)
    assert found.status is OrderStatus.FILLED
    fills = [
        fill for fill in await desk.venue.fills(desk.account_id) if fill.client_order_id == request.client_order_id
    ]
    spent = sum(fill.size * fill.price for fill in fills)
    assert abs(spent - Decimal("1200.50")) < Decimal("1.5")
    assert sum(fill.size for fill in fills) == found.filled


async def test_a_bracket_with_a_trailing_stop_is_found_leg_by_leg(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    entry = desk.request(spy, price=await desk.price(spy, "0.98"), time_in_force=TimeInForce.GTC)
    exits = {"parent": entry.client_order_id, "order_side": OrderSide.SELL, "time_in_force": TimeInForce.GTC}
    profit = desk.request(spy, price=await desk.price(spy, "1.02"), **exits)
    stop = desk.request(
        spy,
        order_type=OrderType.TRAILING_STOP,
        stop_price=await desk.price(spy, "0.96"),
        trailing=Trailing(percent=Decimal(2)),
        **exits,
    )
    await desk.send(entry, profit, stop)
    await desk.clock.sleep(6)
    found = [await desk.found(request) for request in (entry, profit, stop)]
    assert len({report.venue_order_id for report in found}) == 3
    assert [report.request for report in found] == [entry, profit, stop]


async def test_a_preview_is_in_numbers_and_leaves_nothing_behind(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    price = await desk.price(spy, "1.01")
    request = desk.request(spy, size=10, price=price)
    preview = await desk.venue.preview([request])
    assert preview.currency == "USD"
    assert preview.account_currency == "USD"
    assert preview.amount is not None
    assert preview.commission is not None
    assert preview.total is not None
    assert preview.amount > 1_000
    assert preview.total > preview.amount
    change = preview.initial_margin
    assert change.before is not None
    assert change.change is not None
    assert change.after == change.before + change.change
    assert await desk.venue.open_orders(desk.account_id) == []
    assert await desk.venue.find_order(desk.account_id, request.client_order_id) is None
    assert desk.prompts == []


async def test_a_preview_of_a_bracket_does_not_use_up_its_ids(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    entry = desk.request(spy, price=await desk.price(spy, "0.98"))
    exits = {"parent": entry.client_order_id, "order_side": OrderSide.SELL}
    profit = desk.request(spy, price=await desk.price(spy, "1.02"), **exits)
    preview = await desk.venue.preview([entry, profit])
    assert preview.commission is not None
    reports = await desk.send(entry, profit)
    assert reports[0].status is OrderStatus.WORKING


async def test_the_end_of_gtc_orders_is_announced_once(start: Start):
    desk = await start()
    spy = await desk.venue.market("SPY")
    for _ in range(2):
        await desk.send(desk.request(spy, price=await desk.price(spy, "0.98"), time_in_force=TimeInForce.GTC))
    told = [event for event in desk.events if isinstance(event, Notice) and "GTC" in event.text]
    assert [(notice.level, "2026-03-31" in notice.text) for notice in told] == [(NoticeLevel.INFO, True)]


async def test_an_expired_contract_is_refused_before_anything_is_sent(start: Start):
    desk = await start(DAY_BEFORE)
    futures = await desk.venue.find_markets(MarketQuery(symbol="ES", kind=MarketKind.FUTURE))
    (future,) = [market for market in futures if market.last_trade_date == "20251219"]
    request = desk.request(future, price=await desk.price(future, "0.999"), **PROGRAM)
    await desk.clock.sleep(42 * 3600)
    with pytest.raises(InvalidOrder, match="expired on 2025-12-19"):
        await desk.venue.place([request], desk.confirm)
    assert await desk.venue.find_order(desk.account_id, request.client_order_id) is None


async def test_an_order_for_money_goes_through_every_check_and_is_settled(tmp_path: Path):
    clock = ScriptedClock(START)
    async with clock.running(), Simulator(clock=clock, plain_http=True) as gateway:
        connect: dict[str, Any] = {"api_url": gateway.base_url, "account_id": gateway.accounts[0], "clock": clock}
        async with InteractiveBrokers(**connect, journal=tmp_path / "orders.sqlite") as ib:
            pair = await ib.market(MarketQuery(symbol="EUR.USD", kind=MarketKind.FOREX))
            request = OrderRequest(
                market_id=pair.market_id,
                order_side=OrderSide.BUY,
                cash_quantity=Decimal("1200.50"),
                order_type=OrderType.MARKET,
            )
            preview = await ib.preview(request)
            assert preview.commission is not None
            order = await ib.wait(await ib.submit(request), is_settled, timeout=60)
            assert order.status is OrderStatus.FILLED
            assert order.request.size_is_estimated
            assert ZERO < order.booked == order.filled <= order.request.size


async def test_pulling_the_kill_switch_answers_the_open_question_no_and_cancels_at_once(tmp_path: Path):
    clock = ScriptedClock(START)
    asked = asyncio.Event()

    async def decide(prompt: Prompt) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    async with clock.running(), Simulator(clock=clock, plain_http=True) as gateway:
        connect: dict[str, Any] = {"api_url": gateway.base_url, "account_id": gateway.accounts[0], "clock": clock}
        async with InteractiveBrokers(**connect, decide=decide, journal=tmp_path / "orders.sqlite") as ib:
            spy = await ib.market("SPY")
            bid = (await ib.quote(spy)).bid
            assert bid is not None
            price = spy.price_grid.nearest(Decimal(str(bid)) * Decimal("0.98"))
            entry: dict[str, Any] = {"market_id": spy.market_id, "order_side": OrderSide.BUY, "size": 1}
            resting = await ib.submit(OrderRequest(**entry, price=price))
            asking = asyncio.create_task(ib.submit(OrderRequest(**{**entry, "size": 2}, order_type=OrderType.MARKET)))
            await asked.wait()
            before = clock.monotonic()
            result = await ib.kill("enough")
            assert clock.monotonic() - before < 15
            with pytest.raises(ConfirmationRefused, match="trading was stopped"):
                await asking
            assert [order.client_order_id for order in result.orders if order.status is OrderStatus.CANCELED] == [
                resting.client_order_id
            ]
