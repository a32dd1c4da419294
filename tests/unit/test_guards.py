"""Each guard: what it lets pass, what it refuses, and what the refusal says."""

import math
from collections.abc import Sequence
from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError
from horizon.guards import (
    Guard,
    KillSwitch,
    MaxNotional,
    MaxPosition,
    MaxSize,
    OpenSession,
    OrdersPerMinute,
    PriceBand,
    check_all,
    default_guards,
)
from horizon.model import (
    Account,
    Availability,
    ClientOrderId,
    DayProfit,
    EventTerms,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderRequest,
    OrderSide,
    OrderType,
    PriceGrid,
    Quote,
    Side,
    TimeInForce,
    TradingHours,
    TradingSession,
)

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
OPTION = replace(SPY, market_id=MarketId("2"), kind=MarketKind.OPTION, symbol="SPY C600", multiplier=Decimal(100))
EVENT = Market(
    exchange="x",
    market_id=MarketId("3"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01", lowest="0.02", highest="0.99"),
    side=Side.YES,
    event=EventTerms(question="above?", payout=Decimal(1)),
)
HOURS = TradingHours(
    timezone="UTC",
    sessions=(
        TradingSession(opens=4 * HOUR, closes=9 * HOUR, regular=False),
        TradingSession(opens=9 * HOUR, closes=16 * HOUR),
        TradingSession(opens=33 * HOUR, closes=40 * HOUR),
    ),
)


class View:
    """A moment as a guard sees it."""

    def __init__(
        self,
        market: Market | None = SPY,
        *,
        quote: tuple[float | None, float | None] | None = None,
        position: str = "0",
        lowest: str | None = None,
        highest: str | None = None,
        now: int = 0,
        orders: Sequence[Order] = (),
        account: Account | None = None,
        cash: dict[str, Decimal] | None = None,
        day: DayProfit | None = None,
        availability: Availability = Availability.LIVE,
    ) -> None:
        self.now = now
        self._market = market
        self._quote = quote
        self._position = Decimal(position)
        self._worst = Decimal(lowest or position), Decimal(highest or position)
        self._orders = orders
        self._account = account
        self._cash = cash or {}
        self._day = day or DayProfit(ends=86_400 * SECOND, by_currency={})
        self._availability = availability

    def market(self, instrument: Instrument) -> Market | None:
        return self._market

    def quote(self, instrument: Instrument) -> Quote | None:
        if self._quote is None:
            return None
        return Quote(instrument, 0, *self._quote, availability=self._availability)

    def position(self, instrument: Instrument) -> Decimal:
        return self._position

    def worst_case(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        return self._worst

    def unsettled(self, exchange: str, instrument: Instrument | None = None) -> Sequence[Order]:
        return [order for order in self._orders if instrument in (None, order.instrument)]

    def account(self, exchange: str) -> Account | None:
        return self._account

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._cash.get(f"{currency} unsettled")

    def settled_cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._cash.get(currency)

    def day_profit(self) -> DayProfit:
        return self._day


def order(size: str = "1", price: str | None = "100", *, sell: bool = False, market: Market = SPY) -> OrderRequest:
    return OrderRequest(
        exchange=market.exchange,
        market_id=market.market_id,
        side=market.side or Side.LONG,
        order_side=OrderSide.SELL if sell else OrderSide.BUY,
        size=Decimal(size),
        price=None if price is None else Decimal(price),
        order_type=OrderType.MARKET if price is None else OrderType.LIMIT,
    )


def stop(size: str, trigger: str, *, sell: bool) -> OrderRequest:
    return replace(order(size, sell=sell), price=None, stop_price=Decimal(trigger), order_type=OrderType.STOP)


@pytest.mark.parametrize(
    "make",
    [
        lambda limit: MaxSize(limit),
        lambda limit: MaxNotional(limit),
        lambda limit: MaxPosition(limit),
        lambda limit: OrdersPerMinute(limit),
        lambda limit: PriceBand(limit),
        lambda limit: PriceBand("0.1", event_band=limit),
    ],
)
@pytest.mark.parametrize("limit", [0, -1, math.nan, math.inf, "many", True])
def test_a_limit_that_is_no_number_above_zero_is_refused_when_the_guard_is_made(make, limit):
    with pytest.raises(ConfigurationError, match="expected"):
        make(limit)


def test_orders_per_minute_wants_a_whole_number():
    with pytest.raises(ConfigurationError, match="whole number"):
        OrdersPerMinute(1.5)


# -- size and notional -----------------------------------------------------------------------------------------------


def test_max_size_passes_at_the_limit_and_names_the_size_above_it():
    guard = MaxSize(10)
    assert guard.check(order("10"), View()) is None
    assert guard.check(order("10.5"), View()) == "size 10.5 is above the limit of 10 per order"


def test_notional_is_price_times_size_times_the_markets_multiplier():
    guard = MaxNotional(10_000)
    assert guard.check(order("100"), View()) is None
    refusal = guard.check(order("2", "50.01", market=OPTION), View(OPTION))
    assert refusal is not None
    assert "notional 10002 USD" in refusal
    assert "limit of 10000" in refusal


def test_a_market_order_is_valued_at_the_quote():
    guard = MaxNotional(1000)
    assert guard.check(order("10", None), View(quote=(99.0, 100.0))) is None
    assert "1000.1 USD" in str(guard.check(order("10", None), View(quote=(99.0, 100.01))))
    assert "990.1 USD" in str(MaxNotional(990).check(order("10", None), View(quote=(99.01, None))))


@pytest.mark.parametrize("quote", [None, (None, None), (math.nan, math.inf)])
def test_an_order_without_any_price_is_refused_by_the_notional_limit(quote):
    assert "no price and no quote" in str(MaxNotional(1000).check(order("1", None), View(quote=quote)))


def test_a_sale_far_below_the_market_is_valued_at_the_market():
    assert "100000 USD" in str(MaxNotional(50_000).check(order("1000", "0.01", sell=True), View(quote=(99.0, 100.0))))


def test_a_stop_is_valued_at_its_trigger_or_the_quote_whichever_is_higher():
    guard = MaxNotional(1000)
    assert "1100 USD" in str(guard.check(stop("10", "110", sell=False), View(quote=(99.0, 100.0))))
    assert "1200 USD" in str(guard.check(stop("10", "110", sell=False), View(quote=(119.0, 120.0))))
    assert guard.check(stop("10", "90", sell=True), View()) is None


def test_the_notional_of_a_market_that_is_not_known_is_refused():
    assert "not known" in str(MaxNotional(1000).check(order(), View(None)))


# -- position --------------------------------------------------------------------------------------------------------


def test_the_position_limit_counts_what_is_open_on_the_bad_side():
    guard = MaxPosition(100)
    assert guard.check(order("40"), View(position="50", highest="60")) is None
    refusal = guard.check(order("41"), View(position="50", highest="60"))
    assert refusal == "position could become 101 (now 50, open orders counted), beyond the limit of 100"
    assert "-101" in str(guard.check(order("41", sell=True), View(position="-50", lowest="-60")))


def test_a_reducing_order_passes_even_beyond_the_limit():
    guard = MaxPosition(100)
    assert guard.check(order("10", sell=True), View(position="500")) is None
    assert guard.check(order("10"), View(position="-500")) is None


def test_an_order_that_flips_beyond_the_limit_is_refused():
    assert "-101" in str(MaxPosition(100).check(order("201", sell=True), View(position="100")))


def test_the_exits_of_a_bracket_are_counted_after_their_entry_and_not_on_top_of_each_other():
    guard = MaxPosition(100)
    entry = Order(request=replace(order("100"), client_order_id=ClientOrderId("entry")))
    target = replace(order("100", "110", sell=True), parent=ClientOrderId("entry"), protective=True)
    resting = Order(request=target)
    assert guard.check(target, View(highest="100", orders=[entry])) is None
    assert guard.check(target, View(lowest="-100", highest="100", orders=[entry, resting])) is None
    assert guard.check(replace(target, size=Decimal(200)), View(highest="100", orders=[entry])) is None
    assert "-101" in str(guard.check(replace(target, size=Decimal(201)), View(highest="100", orders=[entry])))


def test_an_exit_does_not_lean_on_orders_that_are_not_its_entry():
    guard = MaxPosition(100)
    entry = Order(request=replace(order("10"), client_order_id=ClientOrderId("entry")))
    other = Order(request=replace(order("90"), client_order_id=ClientOrderId("other")))
    exit_order = replace(order("150", "110", sell=True), parent=ClientOrderId("entry"))
    assert "-140" in str(guard.check(exit_order, View(highest="100", orders=[entry, other])))
    assert "-150" in str(guard.check(exit_order, View())), "without its entry it works at once"


# -- rate ------------------------------------------------------------------------------------------------------------


def test_the_order_after_the_limit_waits_until_the_oldest_is_a_minute_old():
    guard = OrdersPerMinute(2)
    for now in (0, 10 * SECOND):
        assert guard.check(order(), View(now=now)) is None
        guard.sent(order(), now)
    refusal = guard.check(order(), View(now=20 * SECOND))
    assert refusal == "2 orders left within the last minute, which is the limit; the next may leave in 40.0 s"
    assert guard.check(order(), View(now=60 * SECOND - 1)) is not None
    assert guard.check(order(), View(now=60 * SECOND)) is None


def test_orders_that_were_only_checked_are_not_counted():
    guard = OrdersPerMinute(1)
    assert [guard.check(order(), View()) for _ in range(3)] == [None, None, None]


# -- price band ------------------------------------------------------------------------------------------------------


def test_a_price_outside_the_band_around_the_mid_is_refused_on_both_sides():
    guard = PriceBand("0.05")
    view = View(quote=(99.0, 101.0))
    assert guard.check(order(price="105"), view) is None
    assert guard.check(order(price="95"), view) is None
    assert (
        guard.check(order(price="105.01"), view)
        == "price 105.01 is 5.01 away from the market at 100, beyond the band of 5"
    )
    assert guard.check(order(price="94.99"), view) is not None


def test_an_event_contract_has_a_band_in_price_units():
    guard = PriceBand("0.05", event_band="0.10")
    view = View(EVENT, quote=(0.19, 0.21))
    assert guard.check(order(price="0.30", market=EVENT), view) is None
    assert guard.check(order(price="0.31", market=EVENT), view) is not None
    assert PriceBand("0.05").check(order(price="0.22", market=EVENT), view) is not None


def test_an_entry_without_a_quote_is_refused_and_an_exit_is_not():
    guard = PriceBand("0.05")
    assert "no quote yet" in str(guard.check(order(), View()))
    assert "no quote yet" in str(guard.check(order(), View(quote=(None, None))))
    assert guard.check(order("5", sell=True), View(position="5")) is None
    assert "no quote yet" in str(guard.check(order("6", sell=True), View(position="5")))
    assert "no quote yet" in str(guard.check(order("5", sell=True), View(position="5", lowest="4")))


def test_an_exit_may_be_far_on_the_patient_side_but_not_on_the_costly_one():
    guard = PriceBand("0.05")
    view = View(quote=(99.0, 101.0), position="5")
    assert guard.check(order("5", "150", sell=True), view) is None
    assert guard.check(order("5", "90", sell=True), view) is not None


def test_one_side_of_a_quote_stands_in_for_the_mid():
    view = View(quote=(None, 100.0))
    assert PriceBand("0.05").check(order(price="105"), view) is None
    assert PriceBand("0.05").check(order(price="106"), view) is not None


def test_an_order_without_a_limit_price_has_no_band():
    assert PriceBand("0.05").check(order(price=None), View()) is None


# -- session ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        pytest.param(1 * HOUR, True, id="before the hours that are known"),
        pytest.param(8 * HOUR, False, id="before the regular session"),
        pytest.param(9 * HOUR, True, id="at the opening"),
        pytest.param(16 * HOUR - 1, True, id="just before the close"),
        pytest.param(16 * HOUR, False, id="at the close"),
        pytest.param(20 * HOUR, False, id="between two days"),
        pytest.param(41 * HOUR, True, id="after the hours that are known"),
    ],
)
def test_an_order_needs_an_open_regular_session(now, passes):
    refusal = OpenSession().check(order(), View(replace(SPY, hours=HOURS), now=now))
    assert (refusal is None) is passes


def test_a_closed_session_is_refused_with_the_next_opening():
    refusal = OpenSession().check(order(), View(replace(SPY, hours=HOURS), now=20 * HOUR))
    assert refusal is not None
    assert "SPY is closed at 1970-01-01 20:00:00 UTC and opens at 1970-01-02 09:00:00 UTC" in refusal
    assert "outside_rth=True" in refusal


@pytest.mark.parametrize(
    "asked",
    [
        {"outside_rth": True},
        {"outside_rth": True, "time_in_force": TimeInForce.GTC},
        {"time_in_force": TimeInForce.OPG},
        {"time_in_force": TimeInForce.OVERNIGHT},
    ],
)
def test_an_order_that_asks_for_a_closed_session_passes(asked):
    assert OpenSession().check(replace(order(), **asked), View(replace(SPY, hours=HOURS), now=20 * HOUR)) is None


def test_a_good_till_cancelled_order_alone_does_not_ask_for_a_closed_session():
    request = replace(order(), time_in_force=TimeInForce.GTC)
    assert OpenSession().check(request, View(replace(SPY, hours=HOURS), now=20 * HOUR)) is not None


@pytest.mark.parametrize("market", [None, SPY, replace(SPY, hours=TradingHours(timezone="UTC", sessions=()))])
def test_hours_that_are_not_known_pass(market):
    assert OpenSession().check(order(), View(market, now=20 * HOUR)) is None


# -- kill switch -----------------------------------------------------------------------------------------------------


def test_a_pulled_kill_switch_refuses_everything_new_until_it_is_reset():
    switch = KillSwitch()
    assert switch.check(order(), View()) is None
    switch.pull("drill")
    switch.pull("a second reason")
    assert switch.pulled
    assert switch.reason == "drill"
    reducing = order("5", sell=True)
    protective = replace(reducing, protective=True)
    for request in (order(), reducing, protective):
        assert "(drill)" in str(switch.check(request, View(position="5")))
    switch.reset()
    assert not switch.pulled
    assert switch.check(order(), View()) is None


def test_a_kill_switch_wants_a_reason():
    with pytest.raises(ConfigurationError, match="reason"):
        KillSwitch().pull("  ")


# -- several ---------------------------------------------------------------------------------------------------------


def test_the_first_guard_that_refuses_is_named():
    guards: list[Guard] = [MaxSize(10), MaxPosition(5)]
    assert check_all(guards, order("5"), View()) is None
    assert check_all(guards, order("6"), View()) == (
        "max_position",
        "position could become 6 (now 0, open orders counted), beyond the limit of 5",
    )
    assert (check_all(guards, order("11"), View()) or ("",))[0] == "max_size"


def test_the_default_guards_let_a_plain_order_pass_and_stop_slips():
    view = View(quote=(599.9, 600.1))
    assert check_all(default_guards(), order("100", "600"), view) is None
    slips = {
        "max_size": order("100000", "600"),
        "max_notional": order("1000", "600"),
        "price_band": order("100", "700"),
    }
    assert {name: (check_all(default_guards(), slip, view) or ("",))[0] for name, slip in slips.items()} == {
        name: name for name in slips
    }


def test_default_guards_are_a_fresh_set_that_shares_only_the_switch_it_was_given():
    switch = KillSwitch()
    one, other = default_guards(switch), default_guards(switch)
    assert one[0] is other[0] is switch
    assert not set(map(id, one[1:])) & set(map(id, other[1:]))
