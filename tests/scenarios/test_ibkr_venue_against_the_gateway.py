"""The adapter against the embedded gateway: found, quoted, placed, confirmed, filled, cancelled, read back."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest

from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import OptIn, Policy
from exchanges.ibkr.session import Session
from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.venue import IbkrVenue
from feeds.ibkr_polling import IbkrPollingFeed
from horizon.clock import SystemClock
from horizon.errors import ConfigurationError, ConfirmationRefused, InvalidOrder, Refused
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    Market,
    MarketKind,
    MarketQuery,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    Side,
)
from horizon.ports import Prompt
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_763_478_000_000_000_000  # 2025-11-18 15:00 UTC, a Tuesday during the New York session


class Desk:
    """A venue that is signed in to a gateway of its own, and what it reported."""

    def __init__(self, gateway: Simulator, venue: IbkrVenue, clock: ScriptedClock) -> None:
        self.gateway = gateway
        self.venue = venue
        self.clock = clock
        self.events: list[Any] = []
        self.prompts: list[Prompt] = []
        self._made = 0

    async def confirm(self, prompt: Prompt) -> bool:
        self.prompts.append(prompt)
        return prompt.advised

    @property
    def account_id(self) -> AccountId:
        return self.venue.session.accounts[0].account_id

    def request(self, market: Market, **changes: Any) -> OrderRequest:
        self._made += 1
        fields: dict[str, Any] = {
            "market_id": market.market_id,
            "side": market.side,
            "order_side": OrderSide.BUY,
            "size": 1,
            "exchange": "ibkr",
            "account_id": self.account_id,
            "client_order_id": ClientOrderId(f"desk-{self._made}"),
        }
        return OrderRequest(**{**fields, **changes})

    async def send(self, *requests: OrderRequest) -> list[OrderReport]:
        return list(await self.venue.place(requests, self.confirm))

    async def found(self, request: OrderRequest) -> OrderReport:
        report = await self.venue.find_order(request.account_id, request.client_order_id)
        assert report is not None
        return report


@pytest.fixture
async def start() -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as kept:

        async def begin(*, policy: Policy | None = None, **options: Any) -> Desk:
            clock = ScriptedClock(START)
            await kept.enter_async_context(clock.running())
            gateway = await kept.enter_async_context(Simulator(clock=clock, plain_http=True, **options))
            client = Client(gateway.base_url, clock=clock)
            venue = IbkrVenue(client, Session(client, clock), clock, policy=policy)
            desk = Desk(gateway, venue, clock)
            await venue.open(desk.events.append)
            kept.push_async_callback(venue.close)
            return desk

        yield begin


async def test_a_limit_order_fills_and_is_read_back(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    assert (spy.kind, spy.multiplier, spy.currency) == (MarketKind.STOCK, 1, "USD")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    assert quote.bid is not None
    assert quote.ask is not None
    request = desk.request(spy, price=spy.price_grid.ceil(Decimal(str(quote.ask)) + Decimal("0.05")))
    (report,) = await desk.send(request)
    assert report.client_order_id == request.client_order_id
    assert report.status.is_open or report.status is OrderStatus.FILLED
    await desk.clock.sleep(10)
    found = await desk.found(request)
    assert found.status is OrderStatus.FILLED
    assert found.filled == 1
    fills = [
        fill for fill in await desk.venue.fills(desk.account_id) if fill.client_order_id == request.client_order_id
    ]
    assert sum(fill.size for fill in fills) == 1
    assert all(fill.account_id == desk.account_id for fill in fills)
    held = {position.market_id: position for position in await desk.venue.positions(desk.account_id)}
    assert held[spy.market_id].size == 1
    account = await desk.venue.balances(desk.account_id)
    assert account.net_liquidation is not None
    assert account.base is not None


async def test_a_working_order_is_listed_cancelled_and_then_gone(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    request = desk.request(spy, price=spy.price_grid.floor(Decimal(str(quote.bid)) * Decimal("0.99")))
    (report,) = await desk.send(request)
    (listed,) = await desk.venue.open_orders(desk.account_id)
    assert listed.client_order_id == request.client_order_id
    assert listed.request is not None
    assert listed.request.price == request.price
    order = Order(request=request, venue_order_id=report.venue_order_id)
    assert (await desk.venue.withdraw(order)).status is OrderStatus.CANCEL_PENDING
    await desk.clock.sleep(10)
    assert (await desk.found(request)).status is OrderStatus.CANCELED
    assert await desk.venue.open_orders(desk.account_id) == []


async def test_an_order_that_was_never_sent_is_surely_absent(start: Callable[..., Any]):
    desk = await start()
    assert await desk.venue.find_order(desk.account_id, ClientOrderId("never-sent")) is None


async def test_a_market_order_is_confirmed_against_a_fresh_quote(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    request = desk.request(spy, order_type=OrderType.MARKET)
    (report,) = await desk.send(request)
    assert report.venue_order_id is not None
    assert all(prompt.advised for prompt in desk.prompts)


async def test_a_price_far_from_the_market_is_refused_by_the_policy(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    request = desk.request(spy, price=spy.price_grid.floor(Decimal(str(quote.ask)) * Decimal("1.10")))
    with pytest.raises(ConfirmationRefused, match="o163"):
        await desk.send(request)
    await desk.clock.sleep(10)
    report = await desk.venue.find_order(desk.account_id, request.client_order_id)
    assert report is None or report.status.is_done


async def test_an_opt_in_with_an_own_limit_lets_it_through(start: Callable[..., Any]):
    desk = await start(policy=Policy({"o163": OptIn(max_size=Decimal(1))}))
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    request = desk.request(spy, price=spy.price_grid.floor(Decimal(str(quote.ask)) * Decimal("1.10")))
    (report,) = await desk.send(request)
    assert report.venue_order_id is not None
    assert any("o163" in prompt.message_ids for prompt in desk.prompts)


async def test_two_accounts_do_not_see_each_others_orders_fills_and_positions(start: Callable[..., Any]):
    desk = await start()
    first, second = (account.account_id for account in desk.venue.session.accounts)
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    crossing = spy.price_grid.ceil(Decimal(str(quote.ask)) + Decimal("0.05"))
    bought = desk.request(spy, price=crossing, account_id=second)
    await desk.send(bought)
    resting = desk.request(spy, price=spy.price_grid.floor(Decimal(str(quote.bid)) * Decimal("0.99")))
    await desk.send(resting)
    await desk.clock.sleep(10)
    assert [report.client_order_id for report in await desk.venue.open_orders(first)] == [resting.client_order_id]
    elsewhere = await desk.venue.open_orders(second)
    assert resting.client_order_id not in {report.client_order_id for report in elsewhere}
    assert {report.account_id for report in elsewhere} <= {second}
    fills = await desk.venue.fills(second)
    assert bought.client_order_id in {fill.client_order_id for fill in fills}
    assert {fill.account_id for fill in fills} == {second}
    assert bought.client_order_id not in {fill.client_order_id for fill in await desk.venue.fills(first)}
    assert {position.account_id for position in await desk.venue.positions(second)} == {second}
    assert spy.market_id not in {position.market_id for position in await desk.venue.positions(first)}
    assert await desk.venue.find_order(second, resting.client_order_id) is None


async def test_a_bracket_goes_out_as_one_call_and_its_exits_are_found(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    entry_price = spy.price_grid.floor(Decimal(str(quote.bid)) * Decimal("0.99"))
    entry = desk.request(spy, price=entry_price)
    profit = desk.request(
        spy, order_side=OrderSide.SELL, price=entry_price + 10, parent=entry.client_order_id, protective=True
    )
    stop = desk.request(
        spy,
        order_side=OrderSide.SELL,
        order_type=OrderType.STOP,
        stop_price=entry_price - 10,
        parent=entry.client_order_id,
        protective=True,
    )
    reports = await desk.send(entry, profit, stop)
    assert [report.client_order_id for report in reports] == [
        entry.client_order_id,
        profit.client_order_id,
        stop.client_order_id,
    ]
    await desk.clock.sleep(6)
    for leg in (entry, profit, stop):
        assert (await desk.found(leg)).status.is_open
    listed = await desk.venue.open_orders(desk.account_id)
    assert {report.client_order_id for report in listed} == {leg.client_order_id for leg in (entry, profit, stop)}


async def test_an_event_pair_is_found_quoted_and_bought(start: Callable[..., Any]):
    desk = await start()
    products = await desk.venue.forecasts.products()
    assert products
    code = products[0].symbol or ""
    everything = await desk.venue.find_markets(MarketQuery(symbol=code, kind=MarketKind.EVENT, side=Side.YES))
    assert everything
    yes = everything[len(everything) // 2]
    assert yes.multiplier == 1
    assert yes.event is not None
    assert yes.event.payout == 1
    assert yes.event.twin is not None
    no = await desk.venue.market(MarketQuery(market_id=yes.event.twin))
    assert no.side is Side.NO
    assert no.event is not None
    assert no.event.twin == yes.market_id
    (quote,) = await desk.venue.quotes([yes.instrument()])
    assert quote.ask is not None
    request = desk.request(yes, price=Decimal(str(quote.ask)), size=5)
    desk.venue.profile.check(request, yes)
    await desk.send(request)
    await desk.clock.sleep(10)
    assert (await desk.found(request)).status is OrderStatus.FILLED
    (held,) = await desk.venue.positions(desk.account_id)
    assert (held.market_id, held.side, held.size, held.multiplier) == (yes.market_id, Side.YES, 5, 1)
    with pytest.raises(InvalidOrder, match=str(no.market_id)):
        desk.venue.profile.check(desk.request(yes, order_side=OrderSide.SELL, price="0.50"), yes)


async def test_buying_the_twin_nets_the_pair_and_the_netting_reports_are_no_trades(start: Callable[..., Any]):
    desk = await start()
    code = (await desk.venue.forecasts.products())[0].symbol or ""
    everything = await desk.venue.find_markets(MarketQuery(symbol=code, kind=MarketKind.EVENT, side=Side.YES))
    yes = everything[len(everything) // 2]
    assert yes.event is not None
    no = await desk.venue.market(MarketQuery(market_id=yes.event.twin))
    for market in (yes, no):
        (quote,) = await desk.venue.quotes([market.instrument()])
        await desk.send(desk.request(market, price=Decimal(str(quote.ask)), size=5))
        await desk.clock.sleep(10)
    assert await desk.venue.positions(desk.account_id) == []
    fills = await desk.venue.fills(desk.account_id)
    traded = [fill for fill in fills if fill.kind is FillKind.TRADE]
    netted = [fill for fill in fills if fill.kind is FillKind.NETTING]
    assert {fill.instrument for fill in traded} == {yes.instrument(), no.instrument()}
    assert {fill.instrument for fill in netted} == {yes.instrument(), no.instrument()}
    assert all(fill.order_side is OrderSide.BUY for fill in traded)
    assert [fill.trade_time for fill in fills] == sorted(fill.trade_time for fill in fills)


async def test_the_nearest_threshold_is_one_market_per_side(start: Callable[..., Any]):
    desk = await start()
    code = (await desk.venue.forecasts.products())[0].symbol or ""
    markets = await desk.venue.find_markets(MarketQuery(symbol=code, kind=MarketKind.EVENT))
    thresholds = sorted({market.event.threshold for market in markets if market.event and market.event.threshold})
    assert thresholds
    wanted = thresholds[len(thresholds) // 2]
    expiries = {market.event.release_time for market in markets if market.event}
    assert len(expiries) >= 1
    found = await desk.venue.find_markets(
        MarketQuery(symbol=code, kind=MarketKind.EVENT, nearest_threshold=wanted + Decimal("0.1"), side=Side.YES)
    )
    assert {market.event.threshold for market in found if market.event} == {wanted}


async def test_fills_and_order_changes_arrive_by_themselves_while_watched(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    (quote,) = await desk.venue.quotes([spy.instrument()])
    desk.venue.watch(desk.account_id, orders=True, fills=True)
    request = desk.request(spy, price=spy.price_grid.ceil(Decimal(str(quote.ask)) + Decimal("0.05")))
    await desk.send(request)
    await desk.clock.sleep(30)
    fills = [event for event in desk.events if isinstance(event, Fill)]
    assert {fill.client_order_id for fill in fills} == {request.client_order_id}
    assert any(fill.commission is not None for fill in fills)
    reports = [event for event in desk.events if isinstance(event, OrderReport)]
    assert reports[-1].status is OrderStatus.FILLED
    before = len(desk.events)
    await desk.clock.sleep(60)
    assert len(desk.events) == before


async def test_a_foreign_account_is_named_with_those_of_the_login(start: Callable[..., Any]):
    desk = await start()
    for call in (desk.venue.positions, desk.venue.fills, desk.venue.balances, desk.venue.open_orders):
        with pytest.raises(ConfigurationError, match=desk.account_id):
            await call(AccountId("U7654321"))
    with pytest.raises(ConfigurationError, match="several accounts"):
        await desk.venue.positions(AccountId("All"))


async def test_unknown_symbols_and_words_for_conids_are_clear_errors(start: Callable[..., Any]):
    desk = await start()
    with pytest.raises(ConfigurationError, match="NOSUCHTHING"):
        await desk.venue.market("NOSUCHTHING")
    with pytest.raises(ConfigurationError, match="digits only"):
        await desk.venue.market(MarketQuery(market_id="SPY"))  # type: ignore[arg-type]


async def test_the_polling_feed_brings_quotes_and_stops_cleanly(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    feed = IbkrPollingFeed(desk.venue.market_data, interval=1.0, clock=desk.clock, instruments=[spy.instrument()])
    quotes: list[Quote] = []
    with pytest.raises(TimeoutError):
        async with desk.clock.deadline(20):
            await feed.run(quotes.append)  # type: ignore[arg-type]
    assert len(quotes) > 5
    assert all(quote.bid is not None and quote.ask is not None for quote in quotes)
    (health,) = feed.health()
    assert health.last_received is not None
    assert health.cause == ""
    assert not desk.venue.market_data.is_streaming


async def test_the_polling_feed_takes_conids_and_keeps_the_fields_that_were_asked_for(start: Callable[..., Any]):
    desk = await start()
    spy = await desk.venue.market("SPY")
    feed = IbkrPollingFeed(desk.venue.market_data, clock=desk.clock, instruments=[756733], fields=["31", "7295"])
    quotes: list[Quote] = []
    with pytest.raises(TimeoutError):
        async with desk.clock.deadline(10):
            await feed.run(quotes.append)  # type: ignore[arg-type]
    assert {quote.instrument for quote in quotes} == {spy.instrument()}
    snapshot = feed.snapshot(spy.instrument())
    assert snapshot is not None
    assert snapshot.last is not None
    assert snapshot.open is not None
    assert desk.gateway.rate_limited == 0


async def test_quotes_are_delivered_although_the_extra_fields_are_not(start: Callable[..., Any]):
    desk = await start()
    await desk.venue.market("SPY")
    feed = IbkrPollingFeed(desk.venue.market_data, clock=desk.clock, instruments=[756733], fields=["7295"])

    async def refused(*_: object) -> None:
        raise Refused("not today")

    desk.venue.market_data.snapshots = refused
    quotes: list[Quote] = []
    with pytest.raises(TimeoutError):
        async with desk.clock.deadline(10):
            await feed.run(quotes.append)  # type: ignore[arg-type]
    assert len(quotes) > 2


def test_the_system_clock_serves_the_venue_too():
    client = Client("https://localhost:5000", clock=SystemClock())
    assert IbkrVenue(client, Session(client, SystemClock()), SystemClock()).name == "ibkr"
