"""The hedge strategy on a hand-driven context: every order it sends, and every one it does not."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError
from horizon.hedging import DigitalDelta
from horizon.model import (
    AccountId,
    Availability,
    ClientOrderId,
    EventTerms,
    ExecutionId,
    Fill,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    PriceGrid,
    Quote,
    Side,
    TimeInForce,
)
from horizon.strategies import HedgeStrategy

D = Decimal
SECOND = 1_000_000_000
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
YES = Market(
    exchange="x",
    market_id=MarketId("10"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01", lowest="0.02", highest="0.99"),
    side=Side.YES,
    event=EventTerms(question="?", payout=D(1), threshold=D(6000)),
)
NO = replace(YES, market_id=MarketId("11"), side=Side.NO)
S, Y, N = SPY.instrument(), YES.instrument(), NO.instrument()


class FixedRatio:
    """So many shares per contract, set by the test."""

    def __init__(self, ratio: str = "-0.05") -> None:
        self.ratio: Decimal | None = D(ratio)

    def prepare(self, event, side, stock):
        self.prepared = event, side, stock

    def shares(self, contracts, event_quote, stock_quote, now):
        return None if self.ratio is None else contracts * self.ratio


class FakeContext:
    """Orders, positions and quotes as the test sets them; it tells the strategy what a core would."""

    def __init__(self, strategy: HedgeStrategy, event: Market = YES) -> None:
        self.strategy = strategy
        self.now = 0
        self.markets = {"event": event, "stock": SPY}
        self.quotes: dict[str, Quote] = {}
        self.positions: dict[str, Decimal] = {}
        self.known: dict[ClientOrderId, Order] = {}
        self.sent: list[Order] = []
        self.cancelled: list[ClientOrderId] = []
        self.logged: list[str] = []
        self.refuse = ""

    # what a strategy asks

    def market(self, name):
        return self.markets[name]

    def quote(self, instrument):
        return self.quotes.get(instrument)

    def position(self, instrument):
        return self.positions.get(instrument, D(0))

    def orders(self, instrument=None):
        return [o for o in self.known.values() if o.is_open and instrument in (None, o.instrument)]

    def exposure(self, instrument):
        working = sum((o.remaining * o.request.order_side.sign for o in self.orders(instrument)), D(0))
        return self.position(instrument) + working

    def unresolved(self, instrument):
        return bool(self.orders(instrument))

    def buy(self, market, size, *, price=None, side=None, time_in_force=TimeInForce.DAY):
        return self._submit(market, OrderSide.BUY, size, price, side)

    def sell(self, market, size, *, price=None, side=None, time_in_force=TimeInForce.DAY):
        return self._submit(market, OrderSide.SELL, size, price, side)

    def cancel(self, order):
        self.cancelled.append(order.client_order_id)
        self.known[order.client_order_id] = replace(order, status=OrderStatus.CANCEL_PENDING)

    def log(self, text):
        self.logged.append(text)

    def _submit(self, market, direction, size, price, side):
        request = OrderRequest(
            exchange="x",
            market_id=market.market_id,
            side=side or market.side,
            order_side=direction,
            size=size,
            price=price,
            order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
            client_order_id=ClientOrderId(f"o{len(self.sent)}"),
        )
        assert price is None or market.price_grid.contains(request.price)
        order = Order(request=request, status=OrderStatus.REJECTED if self.refuse else OrderStatus.PENDING)
        order = replace(order, reason=self.refuse)
        self.sent.append(order)
        if not self.refuse:
            self.known[order.client_order_id] = order
        return order

    # what a test does

    def start(self):
        self.strategy.on_start(self)
        return self

    def see(self, instrument, bid, ask):
        self.now += SECOND
        self.quotes[instrument] = Quote(instrument, self.now, bid, ask)
        self.strategy.on_quote(self, self.quotes[instrument])

    def report(self, order, status, reason=""):
        changed = replace(self.known[order.client_order_id], status=status, reason=reason)
        self.known[order.client_order_id] = changed
        self.strategy.on_order(self, changed)

    def fill(self, order, size=None):
        known = self.known[order.client_order_id]
        size = known.remaining if size is None else D(size)
        filled = known.filled + size
        status = OrderStatus.FILLED if filled == known.request.size else OrderStatus.PARTIALLY_FILLED
        self.known[order.client_order_id] = replace(known, status=status, filled=filled, booked=filled)
        change = size * known.request.order_side.sign
        self.positions[order.instrument] = self.position(order.instrument) + change
        request = known.request
        self.strategy.on_fill(
            self,
            Fill(
                exchange="x",
                account_id=AccountId("A"),
                execution_id=ExecutionId(f"e{len(self.sent)}-{filled}"),
                market_id=request.market_id,
                side=request.side,
                order_side=request.order_side,
                size=size,
                price=request.price or D(1),
                trade_time=self.now,
                receive_time=self.now,
            ),
        )
        self.strategy.on_order(self, self.known[order.client_order_id])


def made(model=None, event=YES, **options):
    options = {"contracts": 1000, "side": event.side, **options}
    strategy = HedgeStrategy(event="EVT", stock="SPY", model=model or FixedRatio(), **options)
    return strategy, FakeContext(strategy, event).start()


def holding(event=YES, model=None, **options):
    """A strategy that holds its contracts already, with nothing sent yet."""
    strategy, ctx = made(model, event, **options)
    ctx.positions[event.instrument()] = D(1000)
    return strategy, ctx


def asked(order):
    return order.instrument, str(order.request.order_side), order.request.size, order.request.price


# -- the event side --------------------------------------------------------------------------------------------------


def test_it_buys_the_contracts_at_the_ask_once():
    _, ctx = made()
    ctx.see(Y, 0.50, 0.52)
    ctx.see(Y, 0.50, 0.52)
    assert [asked(o) for o in ctx.sent] == [(Y, "BUY", 1000, D("0.52"))]
    ctx.fill(ctx.sent[0])
    ctx.see(Y, 0.50, 0.52)
    assert [o.instrument for o in ctx.sent].count(Y) == 1


def test_what_is_held_at_the_start_counts():
    _, ctx = made()
    ctx.positions[Y] = D(400)
    ctx.see(Y, 0.50, 0.52)
    assert ctx.sent[0].request.size == 600


def test_the_entry_is_cancelled_when_the_ask_moves_away_and_sent_anew_only_once_the_cancel_is_confirmed():
    _, ctx = made()
    ctx.see(Y, 0.50, 0.52)
    entry = ctx.sent[0]
    ctx.see(Y, 0.52, 0.54)
    assert ctx.cancelled == [], "it may not have arrived yet"
    ctx.report(entry, OrderStatus.WORKING)
    ctx.see(Y, 0.51, 0.52)
    assert ctx.cancelled == []
    ctx.see(Y, 0.52, 0.54)
    ctx.see(Y, 0.52, 0.54)
    assert ctx.cancelled == [entry.client_order_id]
    assert len(ctx.sent) == 1
    ctx.fill(entry, 300)
    ctx.report(entry, OrderStatus.CANCELED)
    ctx.see(Y, 0.52, 0.54)
    assert [asked(o) for o in ctx.sent if o.instrument == Y][1:] == [(Y, "BUY", 700, D("0.54"))]


def test_an_entry_whose_outcome_is_unknown_is_neither_cancelled_nor_doubled():
    _, ctx = made()
    ctx.see(Y, 0.50, 0.52)
    ctx.report(ctx.sent[0], OrderStatus.UNKNOWN)
    ctx.see(Y, 0.58, 0.60)
    assert len(ctx.sent) == 1
    assert ctx.cancelled == []


def test_an_ask_outside_the_price_grid_does_not_make_it_cancel_its_own_order():
    _, ctx = made()
    ctx.see(Y, 0.50, 0.5100000000000001)
    assert ctx.sent[0].request.price == D("0.51")
    ctx.report(ctx.sent[0], OrderStatus.WORKING)
    ctx.see(Y, 0.50, 0.5100000000000001)
    assert ctx.cancelled == []
    _, ctx = made()
    ctx.see(Y, 0.98, 1.0)
    assert ctx.sent[0].request.price == D("0.99")
    ctx.report(ctx.sent[0], OrderStatus.WORKING)
    ctx.see(Y, 0.98, 1.0)
    assert ctx.cancelled == []


def test_quotes_without_the_side_it_needs_are_waited_out():
    strategy, ctx = holding()
    ctx.see(Y, None, None)
    ctx.see(S, None, 600.02)
    ctx.see(S, None, None)
    assert ctx.sent == []
    assert strategy.target == -50
    ctx.see(S, 600.00, None)
    assert [asked(o) for o in ctx.sent] == [(S, "SELL", 50, D("599.99"))]


# -- the stock side --------------------------------------------------------------------------------------------------


def test_yes_contracts_are_hedged_by_selling_shares_through_the_bid():
    strategy, ctx = holding(cross=2)
    ctx.see(S, 600.00, 600.02)
    assert [asked(o) for o in ctx.sent] == [(S, "SELL", 50, D("599.98"))]
    assert (strategy.target, strategy.hedge_error) == (-50, -50)


def test_no_contracts_are_hedged_by_buying_shares_through_the_ask():
    strategy, ctx = holding(NO)
    ctx.see(N, 0.47, 0.49)
    ctx.see(S, 600.00, 600.02)
    assert [asked(o) for o in ctx.sent] == [(S, "BUY", 50, D("600.03"))]
    assert strategy.model.prepared == (NO, Side.NO, SPY)


def test_hedges_can_be_market_orders():
    _, ctx = holding(order_type=OrderType.MARKET)
    ctx.see(S, 600.00, 600.02)
    assert [asked(o) for o in ctx.sent] == [(S, "SELL", 50, None)]


def test_a_fill_of_the_event_is_hedged_without_waiting_for_a_quote():
    _, ctx = made()
    ctx.see(S, 600.00, 600.02)
    ctx.see(Y, 0.50, 0.52)
    ctx.fill(ctx.sent[0], 400)
    assert asked(ctx.sent[1]) == (S, "SELL", 20, D("599.99"))


def test_nothing_is_sent_on_a_quote_that_is_too_old():
    strategy, ctx = holding(max_quote_age=10)
    ctx.see(S, 600.00, 600.02)
    ctx.fill(ctx.sent[0], 50)
    strategy.model.ratio = D("-0.2")
    ctx.now += 11 * SECOND
    ctx.see(Y, 0.50, 0.52)  # the event is fresh, the shares' quote is not
    assert len(ctx.sent) == 1
    ctx.see(S, 600.00, 600.02)
    assert len(ctx.sent) == 2


def test_delayed_quotes_are_acted_on_only_when_asked_for():
    for live_only, orders in ((True, 0), (False, 1)):
        strategy, ctx = holding(live_only=live_only)
        ctx.now += SECOND
        ctx.quotes[S] = Quote(S, ctx.now, 600.00, 600.02, availability=Availability.DELAYED)
        strategy.on_quote(ctx, ctx.quotes[S])
        strategy.on_quote(ctx, ctx.quotes[S])
        assert len(ctx.sent) == orders
        assert len([line for line in ctx.logged if "DELAYED, not LIVE" in line]) == (1 if live_only else 0)


def test_while_a_hedge_is_unresolved_the_next_one_waits():
    strategy, ctx = holding()
    ctx.see(S, 600.00, 600.02)
    strategy.model.ratio = D("-0.1")
    for status in (OrderStatus.PENDING, OrderStatus.UNKNOWN, OrderStatus.WORKING, OrderStatus.CANCEL_PENDING):
        ctx.report(ctx.sent[0], status)
        ctx.see(S, 600.00, 600.02)
        assert len(ctx.sent) == 1, status
    assert strategy.target == -100
    ctx.fill(ctx.sent[0])
    assert asked(ctx.sent[1]) == (S, "SELL", 50, D("599.99"))


def test_a_hedge_that_the_market_left_behind_is_cancelled_and_sent_anew():
    _, ctx = holding()
    ctx.see(S, 600.00, 600.02)
    ctx.report(ctx.sent[0], OrderStatus.WORKING)
    ctx.see(S, 599.99, 600.01)
    assert ctx.cancelled == []
    ctx.see(S, 599.90, 599.92)
    assert ctx.cancelled == [ctx.sent[0].client_order_id]
    ctx.report(ctx.sent[0], OrderStatus.CANCELED)
    assert [asked(o) for o in ctx.sent[1:]] == [(S, "SELL", 50, D("599.89"))]


def test_inside_the_band_nothing_is_traded():
    strategy, ctx = holding(band=10)
    ctx.positions[S] = D(-41)
    ctx.see(S, 600.00, 600.02)
    assert ctx.sent == []
    assert strategy.hedge_error == -9
    ctx.positions[S] = D(-40)
    ctx.see(S, 600.00, 600.02)
    assert [o.request.size for o in ctx.sent] == [10]


def test_what_is_on_its_way_counts_as_held():
    _, ctx = holding()
    ctx.exposure = lambda instrument: D(-20)
    ctx.see(S, 600.00, 600.02)
    assert asked(ctx.sent[0]) == (S, "SELL", 30, D("599.99"))


def test_the_target_is_in_whole_lots():
    strategy, ctx = holding(model=FixedRatio("-0.0574"), lot=10)
    ctx.see(S, 600.00, 600.02)
    assert strategy.target == -60
    assert ctx.sent[0].request.size == 60


def test_the_cap_bounds_the_shares_on_both_sides_in_whole_lots():
    strategy, ctx = holding(cap=35, lot=10)
    ctx.see(S, 600.00, 600.02)
    assert strategy.target == -30
    strategy.model.ratio = D("9")
    ctx.see(S, 600.00, 600.02)
    assert strategy.target == 30


def test_shares_are_given_back_when_the_contracts_are_gone():
    _, ctx = holding()
    ctx.positions[S] = D(-50)
    ctx.see(S, 600.00, 600.02)
    assert ctx.sent == []
    ctx.positions[Y] = D(0)
    ctx.see(S, 600.00, 600.02)
    assert asked(ctx.sent[0]) == (S, "BUY", 50, D("600.03"))


def test_without_an_answer_of_the_model_the_shares_stay_as_they_are():
    strategy, ctx = holding()
    strategy.model.ratio = None
    ctx.see(S, 600.00, 600.02)
    assert (strategy.target, strategy.hedge_error, ctx.sent) == (None, None, [])
    strategy.model.ratio = D("-0.05")
    ctx.see(S, 600.00, 600.02)
    strategy.model.ratio = None
    ctx.see(S, 600.00, 600.02)
    assert strategy.target == -50


def test_quotes_of_other_markets_are_left_alone():
    _, ctx = holding()
    ctx.see("x:99:LONG", 1.0, 2.0)
    assert ctx.sent == []


# -- the error -------------------------------------------------------------------------------------------------------


def test_the_largest_error_is_counted_from_the_first_time_inside_the_band():
    strategy, ctx = holding(band=5)
    ctx.see(S, 600.00, 600.02)
    assert strategy.max_hedge_error == 0, "not hedged yet"
    ctx.fill(ctx.sent[0])
    ctx.see(S, 600.00, 600.02)
    assert (strategy.hedge_error, strategy.max_hedge_error) == (0, 0)
    strategy.model.ratio = D("-0.08")
    ctx.see(S, 600.00, 600.02)
    assert (strategy.hedge_error, strategy.max_hedge_error) == (-30, 30)
    ctx.fill(ctx.sent[1])
    ctx.see(S, 600.00, 600.02)
    assert (strategy.hedge_error, strategy.max_hedge_error) == (0, 30)


def test_holding_nothing_is_not_being_hedged():
    strategy, ctx = made()
    ctx.see(S, 600.00, 600.02)
    assert strategy.hedge_error == 0
    ctx.see(Y, 0.50, 0.52)
    ctx.fill(ctx.sent[0])
    ctx.see(S, 600.00, 600.02)
    assert strategy.hedge_error == -50
    assert strategy.max_hedge_error == 0


# -- refusals --------------------------------------------------------------------------------------------------------


def test_after_a_refusal_by_a_guard_it_rests_ever_longer():
    _, ctx = holding(retry_after=5)
    ctx.refuse = "max_size: too large"
    for _ in range(17):
        ctx.see(S, 600.00, 600.02)
    # sent at 1, rests 5 s; sent at 6, rests 10 s; sent at 16
    assert len(ctx.sent) == 3
    assert "is REJECTED: max_size: too large; the next is sent in 5 s" in ctx.logged[0]
    assert "in 20 s" in ctx.logged[2]


def test_an_order_that_is_accepted_ends_the_growing_of_the_rests():
    _, ctx = holding(retry_after=5)
    ctx.see(S, 600.00, 600.02)
    ctx.report(ctx.sent[0], OrderStatus.REJECTED, "no")
    assert len(ctx.sent) == 1
    for _ in range(5):
        ctx.see(S, 600.00, 600.02)
    assert len(ctx.sent) == 2
    ctx.report(ctx.sent[1], OrderStatus.WORKING)
    ctx.report(ctx.sent[1], OrderStatus.EXPIRED, "end of day")
    assert "EXPIRED: end of day; the next is sent in 5 s" in ctx.logged[-1]


def test_a_refused_entry_leaves_the_hedge_alone():
    _, ctx = holding()
    ctx.positions[Y] = D(500)
    ctx.see(S, 600.00, 600.02)
    ctx.fill(ctx.sent[0])
    ctx.see(Y, 0.50, 0.52)
    entry = ctx.sent[1]
    assert entry.instrument == Y
    ctx.report(entry, OrderStatus.REJECTED, "no")
    ctx.see(Y, 0.50, 0.52)
    ctx.positions[Y] = D(600)
    ctx.see(S, 600.00, 600.02)
    assert [o.instrument for o in ctx.sent] == [S, Y, S]


# -- what is refused at the start ------------------------------------------------------------------------------------


def test_an_event_without_a_threshold_is_refused_at_the_start():
    event = replace(YES, event=EventTerms(question="?", payout=D(1), strike=D(3), strike_label="JB Pritzker"))
    with pytest.raises(ConfigurationError, match="threshold"):
        made(DigitalDelta(volatility=0.2), event)


def test_a_market_of_the_other_side_is_refused_at_the_start():
    strategy = HedgeStrategy(event="EVT", stock="SPY", model=FixedRatio(), contracts=1, side=Side.NO)
    with pytest.raises(ConfigurationError, match="is YES, not NO"):
        FakeContext(strategy, YES).start()


def test_a_lot_or_size_that_the_markets_do_not_trade_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="lot"):
        made(lot="0.5")
    with pytest.raises(ConfigurationError, match="contracts in multiples of 1"):
        made(contracts="10.5")


@pytest.mark.parametrize(
    "options",
    [
        {"contracts": 0},
        {"contracts": "many"},
        {"band": 0},
        {"lot": -1},
        {"cap": 0},
        {"side": Side.LONG},
        {"order_type": OrderType.STOP},
        {"cross": -1},
        {"retry_after": -1},
        {"max_quote_age": 0},
        {"retry_after": float("nan")},
    ],
)
def test_options_that_make_no_sense_are_refused_when_the_strategy_is_made(options):
    with pytest.raises(ConfigurationError, match="expected"):
        HedgeStrategy(**{"event": "EVT", "stock": "SPY", "model": FixedRatio(), "contracts": 1, **options})
