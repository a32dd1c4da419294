"""Whatever is quoted, ordered, cancelled and replaced: nothing fills twice, too much, too dear, or after its end."""

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from horizon.matching import MatchingEngine, PerShare, VenueOutput
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    Fill,
    Market,
    MarketId,
    MarketKind,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    PriceGrid,
    Quote,
    TimeInForce,
    TradingHours,
    TradingSession,
    exact,
)

S = OrderStatus
LEGAL = {
    None: {S.WORKING, S.REJECTED},
    S.WORKING: {S.WORKING, S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED},
    S.PARTIALLY_FILLED: {S.PARTIALLY_FILLED, S.FILLED, S.CANCELED, S.EXPIRED},
}
HOURS = TradingHours(
    timezone="UTC",
    sessions=tuple(TradingSession(opens=n * 100, closes=n * 100 + 60, regular=n % 3 != 2) for n in range(60)),
)
MARKETS = [
    Market(
        exchange="sim",
        market_id=MarketId(str(number)),
        kind=MarketKind.STOCK,
        symbol=f"S{number}",
        price_grid=PriceGrid.of("0.01"),
        multiplier=multiplier,
        hours=hours,
    )
    for number, (multiplier, hours) in enumerate([(Decimal(1), HOURS), (Decimal(100), None)])
]
prices = st.integers(90, 110).map(float)
decimal_prices = st.integers(90, 110).map(Decimal)
sizes = st.integers(1, 12).map(Decimal)
shown_sizes = st.sampled_from([0.0, 1.0, 3.0, 5.0, 10.0])
markets = st.sampled_from(MARKETS)


class Matching(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.engine = MatchingEngine("sim", fees=PerShare())
        for market in MARKETS:
            self.engine.add_market(market)
        self.now = 0
        self.requests: dict[ClientOrderId, OrderRequest] = {}
        self.status: dict[ClientOrderId, OrderStatus | None] = defaultdict(lambda: None)
        self.filled: dict[ClientOrderId, Decimal] = defaultdict(lambda: ZERO)
        self.commission: dict[ClientOrderId, Decimal] = defaultdict(lambda: ZERO)
        self.notional: dict[ClientOrderId, Decimal] = defaultdict(lambda: ZERO)
        self.shown: dict[str, Quote] = {}
        self.taken: dict[tuple[str, OrderSide], Decimal] = defaultdict(lambda: ZERO)
        self.executions: set[str] = set()
        self.cash = ZERO
        self.held: dict[str, Decimal] = defaultdict(lambda: ZERO)

    def take_in(self, out: Sequence[VenueOutput]) -> None:
        for item in out:
            if isinstance(item, Fill):
                self._fill(item)
            else:
                self._report(item)

    def _fill(self, fill: Fill) -> None:
        name = fill.client_order_id
        assert name is not None
        request, market = self.requests[name], MARKETS[int(fill.market_id)]
        assert self.status[name] in (S.WORKING, S.PARTIALLY_FILLED)
        assert fill.size > 0
        assert fill.execution_id not in self.executions
        self.executions.add(fill.execution_id)
        if request.order_type.needs_price and request.price is not None:
            if fill.order_side is OrderSide.BUY:
                assert fill.price <= request.price
            else:
                assert fill.price >= request.price
        quote = self.shown[fill.instrument]
        buys = fill.order_side is OrderSide.BUY
        price, size = (quote.ask, quote.ask_size) if buys else (quote.bid, quote.bid_size)
        assert price is not None
        assert size is not None
        assert (fill.price >= exact(price)) if buys else (fill.price <= exact(price))  # never better than shown
        key = (fill.instrument, fill.order_side)
        self.taken[key] += fill.size
        assert self.taken[key] <= exact(size)
        if market.hours is not None and market.hours.covers(self.now):
            session = market.hours.session_at(self.now)
            assert session is not None
            assert session.regular or request.outside_rth
        assert fill.multiplier == market.multiplier
        assert fill.commission is not None
        assert fill.commission >= 0
        self.filled[name] += fill.size
        self.notional[name] += fill.size * fill.price
        self.commission[name] += fill.commission
        self.cash += fill.money - fill.commission
        self.held[fill.instrument] += fill.signed_size

    def _report(self, report: OrderReport) -> None:
        name = report.client_order_id
        assert name is not None
        if report.refused_change:
            assert report.status in (self.status[name], S.PENDING)
            return
        assert report.status in LEGAL[self.status[name]], (self.status[name], report.status)
        self.status[name] = report.status
        assert report.filled == self.filled[name]
        assert report.size is not None
        assert report.filled <= report.size
        assert (report.status is S.FILLED) == (report.filled == report.size)

    @rule(
        market=markets,
        bid=prices,
        spread=st.integers(0, 4),
        bid_size=shown_sizes,
        ask_size=shown_sizes,
        missing=st.sampled_from(["", "", "", "bid", "ask"]),
        later=st.integers(0, 30),
    )
    def quote(
        self, market: Market, bid: float, spread: int, bid_size: float, ask_size: float, missing: str, later: int
    ) -> None:
        self.now += later
        quote = Quote(
            market.instrument(),
            self.now,
            None if missing == "bid" else bid,
            None if missing == "ask" else bid + spread,
            bid_size,
            ask_size,
        )
        before = self.shown.get(quote.instrument)
        if before is None or (before.ask, before.ask_size) != (quote.ask, quote.ask_size):
            self.taken[(quote.instrument, OrderSide.BUY)] = ZERO
        if before is None or (before.bid, before.bid_size) != (quote.bid, quote.bid_size):
            self.taken[(quote.instrument, OrderSide.SELL)] = ZERO
        self.shown[quote.instrument] = quote
        self.take_in(self.engine.on_quote(quote, self.now))

    def request(self, name: str, market: Market, side: OrderSide, size: Decimal, data: Any) -> OrderRequest:
        kind = data.draw(st.sampled_from([OrderType.LIMIT, OrderType.LIMIT, OrderType.MARKET, OrderType.STOP]))
        if data.draw(st.integers(0, 5)) == 0:
            kind = OrderType.STOP_LIMIT
        return OrderRequest(
            exchange="sim",
            market_id=market.market_id,
            order_side=side,
            size=size,
            order_type=kind,
            price=data.draw(decimal_prices) if kind.needs_price else None,
            stop_price=data.draw(decimal_prices) if kind.needs_stop_price else None,
            time_in_force=data.draw(st.sampled_from([TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC])),
            outside_rth=data.draw(st.booleans()),
            client_order_id=ClientOrderId(name),
            account_id=AccountId(data.draw(st.sampled_from("AB"))),
        )

    def place(self, group: list[OrderRequest]) -> None:
        for request in group:
            self.requests[request.client_order_id] = request
        out = self.engine.place(group, self.now)
        for request, report in zip(group, out, strict=False):
            assert isinstance(report, OrderReport)
            assert report.client_order_id == request.client_order_id
        self.take_in(out)

    @rule(market=markets, side=st.sampled_from(OrderSide), size=sizes, data=st.data())
    def place_one(self, market: Market, side: OrderSide, size: Decimal, data: Any) -> None:
        self.place([self.request(f"o{len(self.requests)}", market, side, size, data)])

    @rule(market=markets, side=st.sampled_from(OrderSide), size=sizes, stop=decimal_prices, profit=decimal_prices)
    def place_bracket(self, market: Market, side: OrderSide, size: Decimal, stop: Decimal, profit: Decimal) -> None:
        entry = ClientOrderId(f"o{len(self.requests)}")

        def leg(name: str, **more: Any) -> OrderRequest:
            return OrderRequest(
                exchange="sim",
                market_id=market.market_id,
                size=size,
                account_id=AccountId("A"),
                client_order_id=ClientOrderId(name),
                time_in_force=TimeInForce.GTC,
                **more,
            )

        exits = side.opposite
        self.place(
            [
                leg(entry, order_side=side, price=Decimal(100)),
                leg(f"{entry}-profit", order_side=exits, price=profit, parent=entry),
                leg(f"{entry}-stop", order_side=exits, order_type=OrderType.STOP, stop_price=stop, parent=entry),
            ]
        )

    @rule(market=markets, side=st.sampled_from(OrderSide), legs=st.lists(st.tuples(sizes, decimal_prices), min_size=2))
    def place_group(self, market: Market, side: OrderSide, legs: list[tuple[Decimal, Decimal]]) -> None:
        first = len(self.requests)
        group = [
            OrderRequest(
                exchange="sim",
                market_id=market.market_id,
                order_side=side,
                size=size,
                price=price,
                account_id=AccountId("A"),
                client_order_id=ClientOrderId(f"o{first + number}"),
                time_in_force=TimeInForce.GTC,
                group=f"g{first}",
            )
            for number, (size, price) in enumerate(legs)
        ]
        self.place(group)

    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        if self.requests:
            self.take_in(self.engine.cancel(data.draw(st.sampled_from(sorted(self.requests))), self.now))

    @rule(data=st.data(), size=sizes, price=decimal_prices)
    def replace(self, data: Any, size: Decimal, price: Decimal) -> None:
        linked = {request.parent for request in self.requests.values()}
        still_open = [
            order
            for order in self.engine.open_orders()
            if not (order.request.group or order.request.parent or order.client_order_id in linked)
        ]
        if not still_open:
            return
        old = data.draw(st.sampled_from(still_open)).request
        wanted = OrderRequest(
            exchange="sim",
            market_id=old.market_id,
            order_side=old.order_side,
            size=size,
            price=price,
            account_id=old.account_id,
            time_in_force=old.time_in_force,
            outside_rth=old.outside_rth,
        )
        before = self.requests[old.client_order_id]
        if size > self.filled[old.client_order_id]:
            self.requests[old.client_order_id] = wanted
        out = self.engine.replace(old.client_order_id, wanted, self.now)
        if isinstance(out[0], OrderReport) and out[0].refused_change:
            self.requests[old.client_order_id] = before
        self.take_in(out)

    @rule(later=st.integers(0, 120))
    def expire(self, later: int) -> None:
        self.now += later
        self.take_in(self.engine.expire(self.now))
        for order in self.engine.open_orders():
            assert order.request.time_in_force is not TimeInForce.IOC

    @invariant()
    def books_agree(self) -> None:
        still_open = {order.client_order_id for order in self.engine.open_orders()}
        for name in self.requests:
            order = self.engine.order(name)
            if order is not None:
                assert order.filled == self.filled[name] <= order.request.size
                assert order.status is self.status[name]
                assert order.is_open == (name in still_open)

    @invariant()
    def exits_never_trade_more_than_their_entry(self) -> None:
        exits: dict[ClientOrderId, Decimal] = defaultdict(lambda: ZERO)
        for name, request in self.requests.items():
            if request.parent is not None:
                exits[request.parent] += self.filled[name]
        for entry, size in exits.items():
            assert size <= self.filled[entry]

    @invariant()
    def a_group_never_trades_more_than_its_largest_order(self) -> None:
        traded: dict[str, Decimal] = defaultdict(lambda: ZERO)
        largest: dict[str, Decimal] = defaultdict(lambda: ZERO)
        for name, request in self.requests.items():
            if request.group:
                traded[request.group] += self.filled[name]
                largest[request.group] = max(largest[request.group], request.size)
        for group, size in traded.items():
            assert size <= largest[group]

    @invariant()
    def commissions_are_those_of_whole_orders(self) -> None:
        for name, request in self.requests.items():
            if self.filled[name]:
                market = MARKETS[int(request.market_id)]
                whole = PerShare().total(
                    market, request.order_side, self.filled[name], self.notional[name] * market.multiplier
                )
                assert self.commission[name] == whole

    @invariant()
    def cash_and_positions_are_the_sum_of_the_fills(self) -> None:
        held: dict[str, Decimal] = defaultdict(lambda: ZERO)
        cash = ZERO
        for name, request in self.requests.items():
            market = MARKETS[int(request.market_id)]
            held[market.instrument()] += self.filled[name] * request.order_side.sign
            cash -= self.notional[name] * request.order_side.sign * market.multiplier + self.commission[name]
        assert cash == self.cash
        assert {name: size for name, size in held.items() if size} == {n: s for n, s in self.held.items() if s}


Matching.TestCase.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestMatching = Matching.TestCase
