"""A venue whose answers a test writes down: for the shells and the order service, without any wire."""

from collections.abc import Awaitable, Callable, Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.errors import HorizonError
from horizon.model import (
    ZERO,
    Account,
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    MarketQuery,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    OrderType,
    Position,
    PriceGrid,
    Quote,
    TimeInForce,
    VenueOrderId,
)
from horizon.ports import Capabilities, Confirm, Prompt, PutVenueEvent
from horizon.simulation.scripted_clock import ScriptedClock

ACCOUNT = AccountId("DU1")
SPY = Market(
    exchange="scripted",
    market_id=MarketId("756733"),
    kind=MarketKind.STOCK,
    symbol="SPY",
    price_grid=PriceGrid.of("0.01"),
)


class ScriptedProfile:
    name = "scripted"
    capabilities = Capabilities(order_types=frozenset(OrderType), times_in_force=frozenset(TimeInForce))

    def check(self, request: OrderRequest, market: Market) -> None:
        """Everything goes."""


class ScriptedVenue:
    """Takes every order; what happens to it then is up to the test."""

    name = "scripted"
    profile = ScriptedProfile()
    capabilities = profile.capabilities

    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.calls: list[tuple[str, ClientOrderId]] = []
        self.orders: dict[ClientOrderId, OrderReport] = {}
        self.executions: list[Fill] = []
        self.held: list[Position] = []
        self.is_live: bool | None = False
        self.bid, self.ask = 100.0, 100.02
        self.before_placing: Callable[[], Awaitable[None]] | None = None
        self.error: HorizonError | None = None
        self.loses_answers = False
        self.cancel_error: HorizonError | None = None
        self.confirms_cancels = True
        self.prompts: list[Prompt] = []
        self.fills_at_once = False
        self.put: PutVenueEvent = lambda event: None

    async def open(self, put: PutVenueEvent) -> None:
        self.put = put

    async def close(self) -> None: ...

    async def accounts(self) -> Sequence[Account]:
        return [
            Account(exchange=self.name, account_id=ACCOUNT, is_live=self.is_live, cash=Decimal(100_000)),
        ]

    async def balances(self, account_id: AccountId) -> Account:
        return (await self.accounts())[0]

    async def find_markets(self, query: MarketQuery) -> Sequence[Market]:
        return [SPY]

    async def market(self, query: MarketQuery) -> Market:
        return SPY

    async def quotes(self, instruments: Sequence[Instrument]) -> Sequence[Quote]:
        return [Quote(name, self.clock.now(), self.bid, self.ask, 100.0, 100.0) for name in instruments]

    async def place(self, group: Sequence[OrderRequest], confirm: Confirm) -> Sequence[OrderReport]:
        for request in group:
            self.calls.append(("place", request.client_order_id))
        for prompt in self.prompts:
            if not await confirm(replace(prompt, client_order_id=group[0].client_order_id)):
                break
        if self.before_placing is not None:
            await self.before_placing()
        if self.error is not None:
            if self.loses_answers:
                for request in group:
                    self.accept(request)
            raise self.error
        reports = [self.accept(request) for request in group]
        if self.fills_at_once:
            for request in group:
                self.fill(request.client_order_id, request.size, request.price or Decimal(str(self.ask)), request)
        return reports

    def accept(self, request: OrderRequest) -> OrderReport:
        report = OrderReport(
            exchange=self.name,
            account_id=ACCOUNT,
            time=self.clock.now(),
            status=OrderStatus.WORKING,
            client_order_id=request.client_order_id,
            venue_order_id=VenueOrderId(f"v-{request.client_order_id}"),
        )
        self.orders[request.client_order_id] = report
        return report

    def fill(self, key: ClientOrderId, size: Decimal, price: Decimal, request: OrderRequest) -> None:
        report = replace(self.orders[key], filled=(self.orders[key].filled or ZERO) + size)
        done = report.filled is not None and report.filled >= request.size
        self.orders[key] = replace(report, status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED)
        execution = Fill(
            exchange=self.name,
            account_id=ACCOUNT,
            execution_id=ExecutionId(f"e{len(self.executions)}"),
            market_id=request.market_id,
            side=request.side,
            order_side=request.order_side,
            size=size,
            price=price,
            commission=Decimal("1.00"),
            trade_time=self.clock.now(),
            receive_time=self.clock.now(),
            client_order_id=key,
        )
        self.executions.append(execution)
        self.put(self.orders[key])
        self.put(execution)

    async def replace(self, order: Order, request: OrderRequest, confirm: Confirm) -> OrderReport:
        self.calls.append(("replace", order.client_order_id))
        return self.accept(request)

    async def withdraw(self, order: Order) -> OrderReport | None:
        self.calls.append(("cancel", order.client_order_id))
        if self.cancel_error is not None:
            raise self.cancel_error
        status = OrderStatus.CANCELED if self.confirms_cancels else OrderStatus.CANCEL_PENDING
        return replace(self.orders[order.client_order_id], status=status)

    async def find_order(
        self,
        account_id: AccountId,
        client_order_id: ClientOrderId,
        *,
        request: OrderRequest | None = None,
        venue_order_id: VenueOrderId | None = None,
        sent: int | None = None,
    ) -> OrderReport | None:
        self.calls.append(("find", client_order_id))
        return self.orders.get(client_order_id)

    async def open_orders(self, account_id: AccountId) -> Sequence[OrderReport]:
        return [report for report in self.orders.values() if report.status.is_open]

    async def fills(self, account_id: AccountId, days: int = 1) -> Sequence[Fill]:
        return list(self.executions)

    async def positions(self, account_id: AccountId) -> Sequence[Position]:
        return self.held

    def watch(self, account_id: AccountId, *, orders: bool, fills: bool) -> None: ...


@pytest.fixture
def scripted_venue(scripted_clock: ScriptedClock) -> ScriptedVenue:
    return ScriptedVenue(scripted_clock)


@pytest.fixture
def spy() -> Market:
    return SPY


@pytest.fixture
def prompt() -> Prompt:
    return Prompt(
        exchange="scripted",
        account_id=ACCOUNT,
        client_order_id=ClientOrderId(""),
        prompt_id="p1",
        message_ids=("o163",),
        messages=("further than 3%",),
        hop=1,
        advised=True,
        advice="opted in",
    )
