"""Guarded orders, filled in any order, any of them in doubt: no position and no order ends beyond its limit."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from msgspec.structs import replace

from horizon.accounting import day_around
from horizon.guards import DailyLoss, MaxNotional, MaxPosition, SettledCash, check_all
from horizon.model import (
    ZERO,
    Account,
    AccountId,
    Balance,
    ClientOrderId,
    ExecutionId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Position,
    PriceGrid,
    Quote,
    Side,
    VenueOrderId,
)
from horizon.orders.desk import Desk
from horizon.orders.moment import Books, Moment

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
START = 20_000 * DAY + 15 * 3600 * SECOND
ACCOUNT = AccountId("U1")
SPY = Market(exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("1"))
NAME = SPY.instrument()
MOST = Decimal(20)
MOST_MONEY = Decimal(100)
SETTLED = Decimal(300)


class AtTheVenue(msgspec.Struct):
    """The truth about one order."""

    request: OrderRequest
    filled: Decimal = ZERO
    dead: bool = False
    fills: list[Fill] = []

    @property
    def left(self) -> Decimal:
        return ZERO if self.dead else self.request.size - self.filled


class GuardedOrders(RuleBasedStateMachine):
    """A venue that does what it likes with what it was sent, and tells it late, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk("x", ACCOUNT, "run")
        cash = Balance(currency="USD", cash=SETTLED, settled_cash=SETTLED)
        self.books = Books(Account(exchange="x", account_id=ACCOUNT, balances=(cash,)), (), (), START)
        self.guards = [MaxPosition(MOST), MaxNotional(MOST_MONEY), SettledCash()]
        self.quotes = {NAME: Quote(NAME, START, 5.0, 5.0)}
        self.truth: dict[ClientOrderId, AtTheVenue] = {}
        self.position = ZERO
        self.spent = ZERO
        self.time = START
        self.changing: set[ClientOrderId] = set()

    # -- what is asked for ---------------------------------------------------------------------------------------

    def moment(self, leaving: list[OrderRequest], replaces: ClientOrderId | None = None) -> Moment:
        order = None if replaces is None else self.desk.order(replaces)
        return Moment(
            self.desk, self.books, {SPY.market_id: SPY}, self.quotes, now=self.time, leaving=leaving, replaces=order
        )

    def request(self, side: OrderSide, size: int, price: int, parent: ClientOrderId | None = None) -> OrderRequest:
        wanted = OrderRequest(
            market_id=SPY.market_id, order_side=side, size=Decimal(size), price=Decimal(price), parent=parent
        )
        return self.desk.complete(wanted)

    def send(self, requests: list[OrderRequest]) -> None:
        passed: list[OrderRequest] = []
        for request in requests:
            if check_all(self.guards, request, self.moment(passed)) is not None:
                return
            passed.append(request)
        for order in self.desk.submit(passed, self.time):
            self.truth[order.client_order_id] = AtTheVenue(request=order.request)

    @rule(side=st.sampled_from(OrderSide), size=st.integers(1, 12), price=st.integers(1, 12))
    def order(self, side: OrderSide, size: int, price: int) -> None:
        self.send([self.request(side, size, price)])

    @rule(side=st.sampled_from(OrderSide), size=st.integers(1, 12), exits=st.integers(1, 30), price=st.integers(1, 9))
    def bracket(self, side: OrderSide, size: int, exits: int, price: int) -> None:
        entry = self.request(side, size, price)
        out = [self.request(side.opposite, exits, price, entry.client_order_id) for _ in range(2)]
        self.send([entry, *out])

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), size=st.integers(1, 20), price=st.integers(1, 12), arrives=st.booleans())
    def change(self, data: st.DataObject, size: int, price: int, arrives: bool) -> None:
        """A change that the venue makes, or never hears of; nobody is told which."""
        key = data.draw(st.sampled_from(sorted(self.truth)))
        order, venue = self.desk.order(key), self.truth[key]
        # a second change waits for the answer to the first
        if order is None or order.is_done or order.is_in_doubt or key in self.changing or venue.request.parent:
            return
        wanted = replace(order.request, size=Decimal(size), price=Decimal(price))
        if check_all(self.guards, wanted, self.moment([], key)) is not None:
            return
        asked = self.desk.change(key, wanted, self.time)
        if asked is not None:
            self.changing.add(key)
        if asked is not None and arrives and not venue.dead and wanted.size >= venue.filled:
            venue.request = wanted

    # -- what the venue does -------------------------------------------------------------------------------------

    def works(self, key: ClientOrderId) -> bool:
        """An exit works once its entry has filled, and until another exit of that entry has filled."""
        venue = self.truth[key]
        parent = venue.request.parent
        if parent is None:
            return True
        siblings = [each for other, each in self.truth.items() if each.request.parent == parent and other != key]
        return not self.truth[parent].left and not self.truth[parent].dead and not any(s.filled for s in siblings)

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), size=st.integers(1, 12))
    def fill(self, data: st.DataObject, size: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.truth)))
        venue = self.truth[key]
        done = min(Decimal(size), venue.left)
        if done > 0 and self.works(key):
            self.trade(key, done)

    def trade(self, key: ClientOrderId, size: Decimal) -> None:
        venue = self.truth[key]
        price = venue.request.price
        assert price is not None
        venue.filled += size
        self.position += size * venue.request.order_side.sign
        if venue.request.order_side is OrderSide.BUY:
            self.spent += size * price
        venue.fills.append(
            Fill(
                exchange="x",
                account_id=ACCOUNT,
                execution_id=ExecutionId(f"{key}/{len(venue.fills)}"),
                market_id=SPY.market_id,
                side=Side.LONG,
                order_side=venue.request.order_side,
                size=size,
                price=price,
                trade_time=self.time,
                receive_time=self.time,
                client_order_id=key,
            )
        )

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        self.truth[data.draw(st.sampled_from(sorted(self.truth)))].dead = True

    # -- what is told --------------------------------------------------------------------------------------------

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), lost=st.booleans())
    def tell_the_order(self, data: st.DataObject, lost: bool) -> None:
        key = data.draw(st.sampled_from(sorted(self.truth)))
        venue = self.truth[key]
        status = OrderStatus.UNKNOWN if lost else OrderStatus.WORKING
        if not lost and not venue.left:
            status = OrderStatus.CANCELED if venue.dead else OrderStatus.FILLED
        if not lost:
            self.changing.discard(key)
        self.desk.apply(
            OrderReport(
                exchange="x",
                account_id=ACCOUNT,
                time=self.time,
                status=status,
                client_order_id=key,
                venue_order_id=None if lost else VenueOrderId(f"v{key}"),
                filled=None if lost else venue.filled,
                size=None if lost else venue.request.size,
                request=None if lost else venue.request,
            )
        )

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def tell_a_fill(self, data: st.DataObject) -> None:
        for fill in self.truth[data.draw(st.sampled_from(sorted(self.truth)))].fills:
            booked = self.books.ledger.book(fill)
            if booked is not None and booked.new:
                self.desk.book(fill)
                return

    # -- what holds ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_can_end_beyond_the_largest_position(self) -> None:
        assert abs(self.position) <= MOST
        assert self.position + self.plain_left(OrderSide.BUY) <= MOST
        assert self.position - self.plain_left(OrderSide.SELL) >= -MOST

    def plain_left(self, side: OrderSide) -> Decimal:
        return sum(
            (v.left for v in self.truth.values() if v.request.order_side is side and v.request.parent is None), ZERO
        )

    @invariant()
    def no_order_moves_more_money_than_its_limit(self) -> None:
        for venue in self.truth.values():
            traded = sum((fill.size * fill.price for fill in venue.fills), ZERO)
            assert traded <= MOST_MONEY

    @invariant()
    def nothing_is_spent_that_has_not_settled(self) -> None:
        open_buys = [v for v in self.truth.values() if v.request.order_side is OrderSide.BUY and not v.request.parent]
        exits = [f for v in self.truth.values() if v.request.parent for f in v.fills if f.order_side is OrderSide.BUY]
        owed = sum((v.left * (v.request.price or ZERO) for v in open_buys), ZERO)
        covered = sum((fill.size * fill.price for fill in exits), ZERO)
        assert self.spent - covered + owed <= SETTLED


TestGuardedOrders = GuardedOrders.TestCase
TestGuardedOrders.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(1, 4 * 3600), st.integers(1, 200), st.booleans()), max_size=30),
)
def test_a_day_that_was_closed_by_its_loss_stays_closed_whatever_prices_and_fills_do(
    moves: list[tuple[int, int, bool]],
) -> None:
    held = Position(
        exchange="x", account_id=ACCOUNT, market_id=SPY.market_id, size=Decimal(10), market_price=Decimal(100)
    )
    books = Books(Account(exchange="x", account_id=ACCOUNT), [held], (), START)
    desk, guard = Desk("x", ACCOUNT, "run"), DailyLoss(300)
    quotes: dict[Instrument, Quote] = {}
    now, closed_until = START, 0
    for number, (seconds, price, trades) in enumerate(moves):
        now += seconds * SECOND
        quotes[NAME] = Quote(NAME, now, float(price), float(price))
        if trades:
            books.ledger.book(
                Fill(
                    exchange="x",
                    account_id=ACCOUNT,
                    execution_id=ExecutionId(str(number)),
                    market_id=SPY.market_id,
                    side=Side.LONG,
                    order_side=OrderSide.BUY if number % 2 else OrderSide.SELL,
                    size=Decimal(3),
                    price=Decimal(price),
                    trade_time=now,
                    receive_time=now,
                )
            )
        moment = Moment(desk, books, {SPY.market_id: SPY}, quotes, now=now)
        wanted = OrderRequest(market_id=SPY.market_id, order_side=OrderSide.BUY, size=Decimal(1), price=Decimal(price))
        lost = -moment.day_profit().by_currency["USD"]
        refusal = guard.check(desk.complete(wanted), moment)
        if books.ledger.position(NAME) < 0:
            continue  # a purchase would be an exit
        if now < closed_until or lost >= 300:
            assert refusal is not None
            closed_until = max(closed_until, moment.day_profit().ends)
        else:
            assert refusal is None


@pytest.mark.parametrize(("day", "hours"), [(19_900, 24), (20_030, 25), (20_156, 23)])
def test_days_turn_at_midnight_in_new_york_also_when_clocks_change(day: int, hours: int) -> None:
    began, ends = day_around(day * DAY + 12 * 3600 * SECOND)
    assert ends - began == hours * 3600 * SECOND
    assert day_around(ends - 1) == (began, ends)
    assert day_around(ends)[0] == ends
