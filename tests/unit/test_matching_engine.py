"""The simulated venue, rule by rule."""

from decimal import Decimal
from typing import Any

import pytest

from horizon.matching import MatchingEngine, NoFees, VenueOutput
from horizon.model import (
    AccountId,
    Algo,
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
    Side,
    TimeInForce,
    TradingHours,
    TradingSession,
    plain,
)

HOUR = 3_600_000_000_000
SPY = Market(
    exchange="sim", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
DAY_HOURS = TradingHours(
    timezone="UTC",
    sessions=(
        TradingSession(opens=4 * HOUR, closes=9 * HOUR, regular=False),
        TradingSession(opens=9 * HOUR, closes=16 * HOUR),
        TradingSession(opens=16 * HOUR, closes=20 * HOUR, regular=False),
        TradingSession(opens=33 * HOUR, closes=40 * HOUR),
    ),
)


def make_engine(market: Market = SPY) -> MatchingEngine:
    engine = MatchingEngine("sim", fees=NoFees())
    engine.add_market(market)
    return engine


@pytest.fixture
def engine() -> MatchingEngine:
    return make_engine()


def order(name: str, order_side: OrderSide = OrderSide.BUY, size: float = 10, **more: Any) -> OrderRequest:
    if "order_type" not in more and "price" not in more:
        more["order_type"] = OrderType.MARKET
    return OrderRequest(
        exchange=more.pop("exchange", "sim"),
        account_id=AccountId(more.pop("account_id", "A")),
        market_id=MarketId(more.pop("market_id", "1")),
        client_order_id=ClientOrderId(name),
        order_side=order_side,
        size=Decimal(str(size)),
        **more,
    )


def quote(
    bid: float | None, ask: float | None, bid_size: float | None = 100, ask_size: float | None = 100, *, now: int = 0
) -> Quote:
    return Quote(SPY.instrument(), now, bid, ask, bid_size, ask_size)


def fills(out: list[VenueOutput]) -> list[tuple[str, str, str]]:
    return [(str(f.client_order_id), plain(f.size), str(f.price)) for f in out if isinstance(f, Fill)]


def statuses(out: list[VenueOutput]) -> list[tuple[str, OrderStatus]]:
    return [(str(r.client_order_id), r.status) for r in out if isinstance(r, OrderReport)]


def status(engine: MatchingEngine, name: str) -> OrderStatus:
    found = engine.order(ClientOrderId(name))
    assert found is not None
    return found.status


def reason(out: list[VenueOutput]) -> str:
    assert isinstance(out[0], OrderReport)
    return out[0].reason


class TestTakingWhatIsShown:
    def test_a_market_order_takes_at_the_shown_price(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99.98, 100.02), 1)
        out = engine.place([order("a")], 2)
        assert fills(out) == [("a", "10", "100.02")]
        assert statuses(out) == [("a", OrderStatus.WORKING), ("a", OrderStatus.FILLED)]
        fill = out[1]
        assert isinstance(fill, Fill)
        assert (fill.trade_time, fill.currency, fill.symbol) == (2, "USD", "SPY")
        assert fill.multiplier == Decimal(1)
        assert fill.venue_order_id == "M1"
        assert fill.execution_id == "MX1"

    def test_a_sell_takes_the_bid(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99.98, 100.02), 1)
        assert fills(engine.place([order("a", OrderSide.SELL)], 2)) == [("a", "10", "99.98")]

    def test_a_crossing_limit_order_gets_the_better_shown_price(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99.98, 100.02), 1)
        assert fills(engine.place([order("a", price=101)], 2)) == [("a", "10", "100.02")]

    def test_a_market_order_without_a_quote_waits_for_one(self, engine: MatchingEngine) -> None:
        assert fills(engine.place([order("a")], 1)) == []
        assert fills(engine.on_quote(quote(None, None), 2)) == []
        assert fills(engine.on_quote(quote(99, 100), 3)) == [("a", "10", "100")]

    def test_only_the_shown_size_is_taken_and_the_rest_of_a_limit_order_rests(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=4), 1)
        out = engine.place([order("a", price="100.50")], 2)
        assert fills(out) == [("a", "4", "100")]
        assert statuses(out)[-1] == ("a", OrderStatus.PARTIALLY_FILLED)
        assert fills(engine.on_quote(quote(99, 100.2, ask_size=50), 3)) == [("a", "6", "100.50")]

    def test_the_rest_of_a_market_order_waits_for_the_next_quote(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=4), 1)
        assert fills(engine.place([order("a")], 2)) == [("a", "4", "100")]
        assert fills(engine.on_quote(quote(99, 101, ask_size=5), 3)) == [("a", "5", "101")]
        assert fills(engine.on_quote(quote(99, 101, ask_size=6), 4)) == [("a", "1", "101")]

    def test_size_taken_is_gone_until_that_side_is_shown_anew(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=10), 1)
        assert fills(engine.place([order("a")], 2)) == [("a", "10", "100")]
        assert fills(engine.place([order("b", price=100)], 3)) == []
        assert fills(engine.on_quote(quote(98, 100, ask_size=10), 4)) == []  # only the bid moved
        assert fills(engine.on_quote(quote(98, 100, ask_size=7), 5)) == [("b", "7", "100")]

    def test_a_quote_that_comes_back_to_the_old_price_is_new(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=10), 1)
        engine.place([order("a")], 2)
        engine.on_quote(quote(99, 100.5, ask_size=10), 3)
        engine.on_quote(quote(99, 100, ask_size=10), 4)
        assert fills(engine.place([order("b")], 5)) == [("b", "10", "100")]

    def test_a_size_that_was_not_sent_bounds_nothing(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=None), 1)
        assert fills(engine.place([order("a", size=5000)], 2)) == [("a", "5000", "100")]

    def test_a_shown_size_of_nothing_fills_nothing(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=0), 1)
        assert fills(engine.place([order("a")], 2)) == []

    def test_only_whole_lots_are_taken(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=3.7), 1)
        assert fills(engine.place([order("a")], 2)) == [("a", "3", "100")]

    def test_a_float_price_becomes_its_shortest_decimal(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(0.1, 0.1 + 0.2), 1)
        assert fills(engine.place([order("a", OrderSide.SELL)], 2)) == [("a", "10", "0.1")]


class TestResting:
    def test_a_resting_order_fills_at_its_own_price_when_the_other_side_reaches_it(
        self, engine: MatchingEngine
    ) -> None:
        engine.on_quote(quote(99, 101), 1)
        engine.place([order("a", price=100)], 2)
        assert fills(engine.on_quote(quote(99, 100.01), 3)) == []
        assert fills(engine.on_quote(quote(98, 99.5), 4)) == [("a", "10", "100")]

    def test_price_comes_before_time(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(90, 110), 1)
        for name, price in (("low", 99), ("first", 100), ("second", 100), ("high", 101)):
            engine.place([order(name, price=price)], 2)
        assert fills(engine.on_quote(quote(90, 98, ask_size=35), 3)) == [
            ("high", "10", "101"),
            ("first", "10", "100"),
            ("second", "10", "100"),
            ("low", "5", "99"),
        ]

    def test_both_sides_rest_apart_and_do_not_trade_with_each_other(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(90, 110), 1)
        engine.place([order("buy", price=101)], 2)
        assert fills(engine.place([order("sell", OrderSide.SELL, price=100)], 3)) == []
        assert fills(engine.on_quote(quote(100, 110), 4)) == [("sell", "10", "100")]

    def test_two_accounts_share_what_is_shown(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=15), 1)
        engine.place([order("a", account_id="A")], 2)
        assert fills(engine.place([order("b", account_id="B")], 3)) == [("b", "5", "100")]
        assert [o.client_order_id for o in engine.open_orders(AccountId("B"))] == ["b"]
        assert engine.open_orders(AccountId("A")) == []


class TestStops:
    def test_a_sell_stop_is_set_off_by_the_bid_and_sells_at_it(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        engine.place([order("a", OrderSide.SELL, order_type=OrderType.STOP, stop_price=95)], 2)
        assert engine.is_waiting(ClientOrderId("a"))
        assert fills(engine.on_quote(quote(95.01, 96), 3)) == []
        assert fills(engine.on_quote(quote(94.5, 95), 4)) == [("a", "10", "94.5")]

    def test_a_buy_stop_is_set_off_by_the_ask(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        engine.place([order("a", order_type=OrderType.STOP, stop_price=105)], 2)
        assert fills(engine.on_quote(quote(104, 104.99), 3)) == []
        assert fills(engine.on_quote(quote(105, 106), 4)) == [("a", "10", "106")]

    def test_a_stop_placed_beyond_the_quote_is_set_off_at_once(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        assert fills(engine.place([order("a", order_type=OrderType.STOP, stop_price=100)], 2)) == [("a", "10", "100")]

    def test_a_stop_limit_order_set_off_beyond_its_limit_rests(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        engine.place([order("a", order_type=OrderType.STOP_LIMIT, stop_price=105, price=106)], 2)
        out = engine.on_quote(quote(106, 107), 3)
        assert fills(out) == []
        assert reason(out) == "its stop price was reached"
        assert not engine.is_waiting(ClientOrderId("a"))
        assert fills(engine.on_quote(quote(104, 104.5), 4)) == [("a", "10", "106")]

    def test_a_stop_stays_set_off_when_the_price_goes_back(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        engine.place([order("a", size=20, order_type=OrderType.STOP, stop_price=105)], 2)
        engine.on_quote(quote(104, 105, ask_size=5), 3)
        assert fills(engine.on_quote(quote(99, 100, ask_size=50), 4)) == [("a", "15", "100")]


class TestTimeInForce:
    def test_an_ioc_order_never_rests(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100, ask_size=4), 1)
        out = engine.place([order("a", price=100, time_in_force=TimeInForce.IOC)], 2)
        assert fills(out) == [("a", "4", "100")]
        assert statuses(out)[-1] == ("a", OrderStatus.CANCELED)
        assert statuses(engine.place([order("b", price=1, time_in_force=TimeInForce.IOC)], 2))[-1] == (
            "b",
            OrderStatus.CANCELED,
        )
        assert engine.open_orders() == []

    def test_a_day_order_ends_at_the_close_and_a_gtc_order_does_not(self) -> None:
        engine = make_engine(_with_hours())
        engine.place([order("day", price=1), order("gtc", price=1, time_in_force=TimeInForce.GTC)], 10 * HOUR)
        assert engine.next_expiry == 16 * HOUR
        assert engine.expire(16 * HOUR - 1) == []
        assert statuses(engine.expire(16 * HOUR)) == [("day", OrderStatus.EXPIRED)]
        assert [o.client_order_id for o in engine.open_orders()] == ["gtc"]
        assert engine.next_expiry is None

    def test_a_quote_after_the_close_ends_a_day_order_before_it_can_fill(self) -> None:
        engine = make_engine(_with_hours())
        engine.place([order("day", price=100)], 10 * HOUR)
        out = engine.on_quote(quote(98, 99), 34 * HOUR)
        assert (fills(out), statuses(out)) == ([], [("day", OrderStatus.EXPIRED)])

    def test_a_day_order_for_all_hours_ends_with_the_last_session_of_the_day(self) -> None:
        engine = make_engine(_with_hours())
        engine.place([order("all", price=1, outside_rth=True)], 5 * HOUR)
        assert engine.next_expiry == 20 * HOUR

    def test_a_day_order_placed_after_the_close_is_for_the_next_day(self) -> None:
        engine = make_engine(_with_hours())
        engine.place([order("late", price=100)], 17 * HOUR)
        assert engine.next_expiry == 40 * HOUR
        assert fills(engine.on_quote(quote(98, 99), 18 * HOUR)) == []
        assert fills(engine.on_quote(quote(98, 99), 34 * HOUR)) == [("late", "10", "99")]

    def test_orders_trade_in_regular_hours_unless_asked_for_all(self) -> None:
        engine = make_engine(_with_hours())
        engine.on_quote(quote(99, 100), 5 * HOUR)
        assert fills(engine.place([order("regular", time_in_force=TimeInForce.GTC)], 5 * HOUR)) == []
        assert fills(engine.place([order("all", outside_rth=True)], 5 * HOUR)) == [("all", "10", "100")]
        assert fills(engine.on_quote(quote(99, 101), 9 * HOUR)) == [("regular", "10", "101")]

    def test_nothing_trades_between_the_sessions(self) -> None:
        engine = make_engine(_with_hours())
        engine.place([order("a", outside_rth=True, time_in_force=TimeInForce.GTC)], 17 * HOUR)
        assert fills(engine.on_quote(quote(99, 100), 21 * HOUR)) == []

    def test_hours_that_do_not_reach_the_present_count_as_open(self) -> None:
        engine = make_engine(_with_hours())
        engine.on_quote(quote(99, 100), 100 * HOUR)
        assert fills(engine.place([order("a")], 100 * HOUR)) == [("a", "10", "100")]

    def test_an_order_for_the_opening_fills_at_the_first_quote_of_the_next_session_or_ends(self) -> None:
        engine = make_engine(_with_hours())
        engine.on_quote(quote(99, 100), 10 * HOUR)
        for name, price in (("hit", 105), ("miss", 90)):
            out = engine.place([order(name, price=price, time_in_force=TimeInForce.OPG)], 10 * HOUR)
            assert statuses(out) == [(name, OrderStatus.WORKING)]
            assert engine.is_waiting(ClientOrderId(name))
        assert engine.on_quote(quote(99, 99.5), 11 * HOUR) == []
        out = engine.on_quote(quote(101, 102), 33 * HOUR)
        assert fills(out) == [("hit", "10", "102")]
        assert status(engine, "miss") is OrderStatus.EXPIRED


def _with_hours() -> Market:
    return Market(
        exchange="sim",
        market_id=MarketId("1"),
        kind=MarketKind.STOCK,
        symbol="SPY",
        price_grid=PriceGrid.of("0.01"),
        hours=DAY_HOURS,
    )


class TestBracketsAndGroups:
    @staticmethod
    def bracket(size: int = 10) -> list[OrderRequest]:
        sell = OrderSide.SELL
        return [
            order("entry", size=size, price=100),
            order("profit", sell, size=size, price=110, parent="entry"),
            order("loss", sell, size=size, order_type=OrderType.STOP, stop_price=95, parent="entry"),
        ]

    def test_exits_wait_for_the_entry(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(111, 112), 1)
        out = engine.place(self.bracket(), 2)
        assert [s for _, s in statuses(out)] == [OrderStatus.WORKING] * 3
        assert fills(out) == []
        assert engine.is_waiting(ClientOrderId("profit"))
        assert fills(engine.on_quote(quote(94, 101), 3)) == []

    def test_an_exit_that_fills_cancels_the_other(self, engine: MatchingEngine) -> None:
        engine.place(self.bracket(), 1)
        assert fills(engine.on_quote(quote(99, 100), 2)) == [("entry", "10", "100")]
        assert not engine.is_waiting(ClientOrderId("profit"))
        out = engine.on_quote(quote(110, 111), 3)
        assert fills(out) == [("profit", "10", "110")]
        assert status(engine, "loss") is OrderStatus.CANCELED
        assert engine.open_orders() == []

    def test_an_exit_that_fills_in_part_takes_its_size_off_the_other(self, engine: MatchingEngine) -> None:
        engine.place(self.bracket(), 1)
        engine.on_quote(quote(99, 100), 2)
        assert fills(engine.on_quote(quote(110, 111, bid_size=4), 3)) == [("profit", "4", "110")]
        loss = engine.order(ClientOrderId("loss"))
        assert loss is not None
        assert loss.request.size == 6
        assert fills(engine.on_quote(quote(94, 95), 4)) == [("loss", "6", "94")]
        assert status(engine, "profit") is OrderStatus.CANCELED

    def test_exits_are_cancelled_with_an_entry_that_has_not_filled(self, engine: MatchingEngine) -> None:
        engine.place(self.bracket(), 1)
        out = engine.cancel(ClientOrderId("entry"), 2)
        assert statuses(out) == [(name, OrderStatus.CANCELED) for name in ("entry", "profit", "loss")]

    def test_exits_of_an_entry_that_filled_in_part_work_for_that_part(self, engine: MatchingEngine) -> None:
        engine.place(self.bracket(), 1)
        engine.on_quote(quote(99, 100, ask_size=3), 2)
        out = engine.cancel(ClientOrderId("entry"), 3)
        assert statuses(out)[0] == ("entry", OrderStatus.CANCELED)
        assert {str(o.client_order_id): o.request.size for o in engine.open_orders()} == {"profit": 3, "loss": 3}
        assert fills(engine.on_quote(quote(94, 95), 4)) == [("loss", "3", "94")]

    def test_an_entry_named_in_the_group_of_its_exits_does_not_cancel_them(self, engine: MatchingEngine) -> None:
        group = [
            order("entry", price=100, group="g"),
            order("profit", OrderSide.SELL, price=110, parent="entry", group="g"),
            order("loss", OrderSide.SELL, order_type=OrderType.STOP, stop_price=95, parent="entry", group="g"),
        ]
        engine.place(group, 1)
        engine.on_quote(quote(99, 100), 2)
        assert {str(o.client_order_id) for o in engine.open_orders()} == {"profit", "loss"}

    def test_of_a_group_the_first_to_fill_cancels_the_rest(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 101), 1)
        engine.place([order("a", price=100, group="g"), order("b", price=99, group="g")], 2)
        out = engine.on_quote(quote(97, 98), 3)
        assert fills(out) == [("a", "10", "100")]
        assert status(engine, "b") is OrderStatus.CANCELED

    def test_a_group_of_one_account_leaves_the_other_account_alone(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 101), 1)
        engine.place([order("a", price=100, group="g"), order("b", price=99, group="g", account_id="B")], 2)
        assert len(fills(engine.on_quote(quote(97, 98), 3))) == 2

    def test_a_child_of_a_filled_entry_works_at_once(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 100), 1)
        engine.place([order("entry")], 2)
        out = engine.place([order("exit", OrderSide.SELL, price=99, parent="entry")], 3)
        assert fills(out) == [("exit", "10", "99")]

    def test_children_of_an_order_that_was_refused_are_refused(self, engine: MatchingEngine) -> None:
        out = engine.place([order("entry", price="100.001"), order("exit", OrderSide.SELL, parent="entry")], 1)
        assert [s for _, s in statuses(out)] == [OrderStatus.REJECTED] * 2


class TestChangingAnOrder:
    def test_a_cancelled_order_does_not_fill(self, engine: MatchingEngine) -> None:
        engine.place([order("a", price=100)], 1)
        assert statuses(engine.cancel(ClientOrderId("a"), 2)) == [("a", OrderStatus.CANCELED)]
        assert engine.on_quote(quote(98, 99), 3) == []

    def test_cancelling_what_is_done_or_unknown_is_refused(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(98, 99), 1)
        engine.place([order("a")], 1)
        for name, state in (("a", OrderStatus.FILLED), ("nobody", OrderStatus.PENDING)):
            (report,) = engine.cancel(ClientOrderId(name), 2)
            assert isinstance(report, OrderReport)
            assert (report.refused_change, report.status) == (True, state)

    def test_a_replaced_order_that_crosses_takes_at_the_shown_price(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(99, 101), 1)
        engine.place([order("a", price=100)], 2)
        out = engine.replace(ClientOrderId("a"), order("a", price=102, size=4), 3)
        assert fills(out) == [("a", "4", "101")]

    def test_less_size_keeps_the_place_in_time_and_more_size_loses_it(self, engine: MatchingEngine) -> None:
        engine.on_quote(quote(90, 110), 1)
        for name in ("a", "b", "c"):
            engine.place([order(name, price=100)], 2)
        engine.replace(ClientOrderId("a"), order("a", price=100, size=8), 3)
        engine.replace(ClientOrderId("b"), order("b", price=100, size=12), 4)
        assert fills(engine.on_quote(quote(90, 99, ask_size=30), 5)) == [
            ("a", "8", "100"),
            ("c", "10", "100"),
            ("b", "12", "100"),
        ]

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (order("a", OrderSide.SELL, price=100), "keeps its order_side"),
            (order("a", price=100, account_id="B"), "keeps its account_id"),
            (order("a", price="100.005"), "on the market's grid"),
            (order("a", price=100, size=4), "above the 4 already filled"),
        ],
    )
    def test_a_refused_change_leaves_the_order_as_it_was(
        self, engine: MatchingEngine, change: OrderRequest, says: str
    ) -> None:
        engine.on_quote(quote(99, 100, ask_size=4), 1)
        engine.place([order("a", price=100)], 2)
        (report,) = engine.replace(ClientOrderId("a"), change, 3)
        assert isinstance(report, OrderReport)
        assert report.refused_change
        assert says in report.reason
        assert fills(engine.on_quote(quote(99, 100), 4)) == [("a", "6", "100")]


class TestRefusals:
    @pytest.mark.parametrize(
        ("request_", "says"),
        [
            (order("a", exchange="other"), "expected an order for sim"),
            (order("a", market_id="7"), "expected a market of this venue, found 7"),
            (order("a", side=Side.YES), "expected side LONG for market 1, found YES"),
            (order("a", price="100.005"), "(100 or 100.01), found 100.005"),
            (order("a", size=1.5), "multiples of 1, found 1.5"),
            (order("a", time_in_force=TimeInForce.FOK), "GTC, IOC, OND, OPG, OVT, PAX, found FOK"),
            (order("a", order_type=OrderType.MARKET_ON_CLOSE, time_in_force=TimeInForce.GTC), "DAY for an order at"),
            (order("a", order_type=OrderType.MIDPRICE, time_in_force=TimeInForce.OPG), "expected MKT or LMT"),
            (order("a", order_type=OrderType.STOP, stop_price=5, time_in_force=TimeInForce.OPG), "at the opening"),
            (order("a", parent="nobody"), "expected the parent nobody before its children"),
            (order(""), "expected a client order id"),
        ],
    )
    def test_a_refused_order_is_rejected_with_its_reason(
        self, engine: MatchingEngine, request_: OrderRequest, says: str
    ) -> None:
        out = engine.place([request_], 1)
        assert [s for _, s in statuses(out)] == [OrderStatus.REJECTED]
        assert says in reason(out)
        assert engine.open_orders() == []

    def test_an_id_in_use_does_not_harm_the_order_that_has_it(self, engine: MatchingEngine) -> None:
        engine.place([order("a", price=100)], 1)
        (report,) = engine.place([order("a", price=50)], 2)
        assert isinstance(report, OrderReport)
        assert (report.refused_change, report.status) == (True, OrderStatus.WORKING)
        assert fills(engine.on_quote(quote(98, 99), 3)) == [("a", "10", "99")]


def test_only_the_last_done_orders_stay_known() -> None:
    engine = MatchingEngine("sim", fees=NoFees(), keep_done=2)
    engine.add_market(SPY)
    engine.on_quote(quote(98, 99), 1)
    for number in range(4):
        engine.place([order(str(number), size=1)], 2)
    assert [engine.order(ClientOrderId(str(n))) is not None for n in range(4)] == [False, False, True, True]


def test_the_sides_of_an_event_are_quoted_and_filled_apart() -> None:
    event = Market(
        exchange="sim",
        market_id=MarketId("E"),
        kind=MarketKind.EVENT,
        symbol="ABOVE",
        price_grid=PriceGrid.of("0.01", lowest="0.01", highest="0.99"),
        side=None,
    )
    engine = make_engine(event)
    engine.on_quote(Quote(event.instrument(Side.YES), 1, 0.40, 0.44, 10, 10), 1)
    engine.on_quote(Quote(event.instrument(Side.NO), 1, 0.57, 0.61, 10, 10), 1)
    out = engine.place([order_of(Side.YES), order_of(Side.NO)], 2)
    assert fills(out) == [("YES", "5", "0.44"), ("NO", "5", "0.61")]


def order_of(side: Side) -> OrderRequest:
    return OrderRequest(
        exchange="sim",
        account_id=AccountId("A"),
        market_id=MarketId("E"),
        side=side,
        client_order_id=ClientOrderId(side),
        order_side=OrderSide.BUY,
        size=Decimal(5),
        price=Decimal("0.99"),
    )


def test_what_is_not_simulated_is_refused_by_name_and_never_taken_for_something_else(engine: MatchingEngine):
    engine.on_quote(quote(99.9, 100.0), 0)
    cash = order("cash", size=0, cash_quantity="1000").with_estimated_size(Decimal(100))
    algo = order("algo", algo=Algo(name="Vwap"))
    for request, said in ((cash, "a cash quantity of 1000"), (algo, "found Vwap")):
        (report,) = engine.place([request], 1)
        assert isinstance(report, OrderReport)
        assert report.status is OrderStatus.REJECTED
        assert said in report.reason
