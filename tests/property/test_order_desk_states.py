"""A desk under anything a venue can say, in any order: what is known only grows, and exposure is never understated."""

from decimal import Decimal

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    MarketId,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Side,
    VenueOrderId,
    instrument,
)
from horizon.orders.desk import Desk
from horizon.orders.effects import Cancel, Find, Send
from horizon.ports import RecordKind

ACCOUNT = AccountId("A")
SPY = instrument("x", "1", "LONG")


class VenueSide(msgspec.Struct):
    """The truth about one order, as the venue has it."""

    request: OrderRequest
    venue_id: VenueOrderId
    filled: Decimal = ZERO
    fills: list[Fill] = []
    status: OrderStatus = OrderStatus.WORKING


class DeskAgainstAVenue(RuleBasedStateMachine):
    orders: Bundle[ClientOrderId] = Bundle("orders")
    news: Bundle[OrderReport | Fill] = Bundle("news")

    @initialize()
    def begin(self) -> None:
        self.desk = Desk("x", ACCOUNT, "run")
        self.truth: dict[ClientOrderId, VenueSide] = {}
        self.booked: set[ExecutionId] = set()
        self.position = ZERO
        self.intents = 0
        self.time = 0
        self.most_filled: dict[ClientOrderId, Decimal] = {}
        self.wanted_dead: set[ClientOrderId] = set()

    def tick(self) -> int:
        self.time += 1
        return self.time

    @rule(target=orders, size=st.integers(1, 9), side=st.sampled_from(OrderSide))
    def submit(self, size: int, side: OrderSide) -> ClientOrderId:
        request = self.desk.complete(
            OrderRequest(market_id=MarketId("1"), order_side=side, size=Decimal(size), price=Decimal(1))
        )
        (order,) = self.desk.submit([request], self.tick())
        self.intents += 1
        assert isinstance(self.desk.effects[-1], Send)
        self.truth[order.client_order_id] = VenueSide(
            request=request, venue_id=VenueOrderId(f"v{order.client_order_id}")
        )
        return order.client_order_id

    @rule(target=news, key=orders, size=st.integers(1, 9))
    def venue_fills(self, key: ClientOrderId, size: int) -> Fill | OrderReport:
        venue = self.truth[key]
        size_filled = min(Decimal(size), venue.request.size - venue.filled)
        if venue.status is not OrderStatus.WORKING or not size_filled:
            return self.row(key)
        venue.filled += size_filled
        if venue.filled == venue.request.size:
            venue.status = OrderStatus.FILLED
        fill = Fill(
            exchange="x",
            account_id=ACCOUNT,
            execution_id=ExecutionId(f"{key}/{len(venue.fills)}"),
            market_id=MarketId("1"),
            side=Side.LONG,
            order_side=venue.request.order_side,
            size=size_filled,
            price=Decimal(1),
            trade_time=self.tick(),
            receive_time=self.time,
            venue_order_id=venue.venue_id,
        )
        venue.fills.append(fill)
        return fill

    @rule(key=orders)
    def ask_for_a_cancel(self, key: ClientOrderId) -> None:
        known = len(self.desk.effects)
        asked = self.desk.cancel(key, self.tick())
        if asked is not None:
            self.wanted_dead.add(key)
            # in doubt, there is nothing yet that could be cancelled
            assert [isinstance(effect, Cancel) for effect in self.desk.effects[known:]] == [True] * (
                not asked.is_in_doubt
            )

    @rule(key=orders)
    def venue_cancels(self, key: ClientOrderId) -> None:
        if self.truth[key].status is OrderStatus.WORKING:
            self.truth[key].status = OrderStatus.CANCELED

    @rule(key=orders)
    def the_answer_is_lost(self, key: ClientOrderId) -> None:
        lost = OrderReport(
            exchange="x", account_id=ACCOUNT, time=self.tick(), status=OrderStatus.UNKNOWN, client_order_id=key
        )
        before = self.desk.order(key)
        after = self.desk.apply(lost)
        if after is not None and before is not None and after.status is OrderStatus.UNKNOWN is not before.status:
            asked = [each.client_order_id for each in self.desk.effects if isinstance(each, Find)]
            assert key in asked

    @rule(target=news, key=orders)
    def row(self, key: ClientOrderId) -> OrderReport:
        venue = self.truth[key]
        return OrderReport(
            exchange="x",
            account_id=ACCOUNT,
            time=self.tick(),
            status=venue.status,
            client_order_id=key,
            venue_order_id=venue.venue_id,
            filled=venue.filled,
        )

    @rule(item=news)
    def news_arrives_and_may_arrive_again(self, item: OrderReport | Fill) -> None:
        self.deliver(item)

    @rule(item=consumes(news))
    def news_arrives_for_the_last_time(self, item: OrderReport | Fill) -> None:
        self.deliver(item)

    def deliver(self, item: OrderReport | Fill) -> None:
        if isinstance(item, OrderReport):
            self.desk.apply(item)
        elif item.execution_id not in self.booked:
            self.booked.add(item.execution_id)
            self.position += item.signed_size
            self.desk.book(item)

    @invariant()
    def no_order_is_lost_and_none_is_sent_twice(self) -> None:
        sent = [r.client_order_id for e in self.desk.effects if isinstance(e, Send) for r in e.requests]
        assert len(sent) == len(set(sent)) == self.intents
        intents = [r for r in self.desk.records if r.kind is RecordKind.INTENT]
        assert len(intents) == self.intents

    @invariant()
    def what_is_known_to_have_filled_only_grows_and_is_never_more_than_the_truth(self) -> None:
        for key, venue in self.truth.items():
            order = self.desk.order(key)
            assert order is not None
            assert self.most_filled.get(key, ZERO) <= order.filled <= venue.filled
            self.most_filled[key] = order.filled

    @invariant()
    def the_true_position_lies_within_the_extremes(self) -> None:
        low, high = self.desk.extremes(SPY)
        true = sum((v.filled * v.request.order_side.sign for v in self.truth.values()), ZERO)
        # fills that wait for an order's id are not in the booked orders yet, so the bounds hold for what is known
        assert self.position + low <= true <= self.position + high or self.desk_waits_for_ids()

    def desk_waits_for_ids(self) -> bool:
        return any(
            fill.execution_id in self.booked and self.desk.order(key).booked < venue.filled  # type: ignore[union-attr]
            for key, venue in self.truth.items()
            for fill in venue.fills
        )

    def teardown(self) -> None:
        """In the end the venue's last word and every fill arrive: desk and venue agree."""
        for key, venue in getattr(self, "truth", {}).items():
            self.deliver(self.row(key))
            for fill in venue.fills:
                self.deliver(fill)
            order = self.desk.order(key)
            assert order is not None
            assert order.filled == order.booked == venue.filled
            assert order.is_open == (venue.status is OrderStatus.WORKING)
            if key in self.wanted_dead and order.is_open:
                assert any(isinstance(e, Cancel) and e.order.client_order_id == key for e in self.desk.effects)


DeskAgainstAVenue.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestDeskAgainstAVenue = DeskAgainstAVenue.TestCase
