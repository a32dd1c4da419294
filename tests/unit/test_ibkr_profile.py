from decimal import Decimal

import msgspec
import pytest

from exchanges.ibkr.profile import FORECASTEX, FORECASTEX_GRID, PROFILE, is_forecastex
from horizon.errors import InvalidOrder
from horizon.model import (
    ClientOrderId,
    EventTerms,
    Market,
    MarketId,
    MarketKind,
    MarketRules,
    OrderRequest,
    OrderSide,
    OrderType,
    PriceGrid,
    Side,
    TimeInForce,
)
from horizon.ports import VenueProfile

SPY = Market(
    exchange="ibkr", market_id=MarketId("756733"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
YES = Market(
    exchange="ibkr",
    market_id=MarketId("900001"),
    kind=MarketKind.EVENT,
    symbol="FES",
    side=Side.YES,
    price_grid=FORECASTEX_GRID,
    listing_exchange=FORECASTEX,
    event=EventTerms(question="Above 6,000?", payout=Decimal(1), twin=MarketId("900002")),
)


def order(market: Market = SPY, **changes: object) -> OrderRequest:
    fields: dict[str, object] = {
        "market_id": market.market_id,
        "side": market.side,
        "order_side": OrderSide.BUY,
        "size": 1,
        "price": "0.50",
        "exchange": "ibkr",
    }
    return OrderRequest(**{**fields, **changes})  # type: ignore[arg-type]


def refusal(request: OrderRequest, market: Market) -> InvalidOrder:
    with pytest.raises(InvalidOrder) as caught:
        PROFILE.check(request, market)
    return caught.value


def test_the_profile_is_a_venue_profile():
    profile: VenueProfile = PROFILE
    assert profile.name == "ibkr"
    assert profile.capabilities.order_types == set(OrderType)
    assert profile.capabilities.times_in_force == set(TimeInForce) - {TimeInForce.FOK}


@pytest.mark.parametrize(
    "changes",
    [
        {"price": "600.01"},
        {"price": None, "order_type": OrderType.MARKET},
        {"price": None, "stop_price": "590", "order_type": OrderType.STOP},
        {"price": "589", "stop_price": "590", "order_type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTC},
        {"price": "600", "time_in_force": TimeInForce.OPG},
        {"order_side": OrderSide.SELL, "price": "600"},
    ],
)
def test_what_the_venue_takes_passes(changes: dict[str, object]):
    PROFILE.check(order(**changes), SPY)


def test_an_off_tick_price_names_the_tick_and_the_two_nearest_prices():
    error = refusal(order(price="600.005"), SPY)
    assert error.rule == "tick"
    assert "tick of 0.01" in str(error)
    assert "600 and 600.01" in str(error)


def test_an_off_tick_stop_price_is_refused_too():
    error = refusal(order(price=None, stop_price="590.001", order_type=OrderType.STOP), SPY)
    assert error.rule == "tick"
    assert "stop_price 590.001" in str(error)


def test_a_fraction_of_a_lot_is_refused():
    assert refusal(order(size="1.5", price="600"), SPY).rule == "lot"


@pytest.mark.parametrize("price", ["0", "-1"])
def test_a_stock_price_is_above_zero(price: str):
    assert refusal(order(price=price), SPY).rule == "price_range"


def test_fill_or_kill_is_refused_and_ioc_is_named():
    error = refusal(order(price="600", time_in_force=TimeInForce.FOK), SPY)
    assert error.rule == "time_in_force"
    assert "use IOC" in str(error)


def test_an_opening_order_is_market_or_limit():
    request = order(price=None, stop_price="590", order_type=OrderType.STOP, time_in_force=TimeInForce.OPG)
    assert refusal(request, SPY).rule == "time_in_force"


def test_an_order_type_that_the_venue_has_not_listed_for_a_market_is_refused():
    market = msgspec.structs.replace(SPY, rules=MarketRules(order_types=(OrderType.LIMIT, OrderType.MARKET)))
    error = refusal(order(price=None, order_type=OrderType.MARKET_ON_CLOSE), market)
    assert error.rule == "order_type"
    assert str(error) == "for SPY the venue takes LMT, MKT, found MOC"
    PROFILE.check(order(price="600"), market)


def test_a_long_client_order_id_is_refused():
    assert refusal(order(price="600", client_order_id=ClientOrderId("x" * 41)), SPY).rule == "client_order_id"
    PROFILE.check(order(price="600", client_order_id=ClientOrderId("x" * 40)), SPY)


def test_an_index_cannot_be_traded():
    index = Market(
        exchange="ibkr",
        market_id=MarketId("416904"),
        kind=MarketKind.INDEX,
        symbol="SPX",
        price_grid=PriceGrid.of("0.01"),
    )
    assert refusal(order(index, price="6000"), index).rule == "kind"


def test_an_order_for_another_market_is_refused():
    assert refusal(order(YES), SPY).rule == "market_id"


def test_selling_a_forecastex_contract_says_what_to_buy_instead():
    error = refusal(order(YES, order_side=OrderSide.SELL, price="0.57"), YES)
    assert error.rule == "forecastex_sell"
    assert "900002" in str(error)
    assert "at 0.43" in str(error)
    assert "leaves 0.57" in str(error)


def test_selling_a_forecastex_contract_at_market_says_it_without_a_number():
    error = refusal(order(YES, order_side=OrderSide.SELL, price=None, order_type=OrderType.MARKET), YES)
    assert "at 1 - p" in str(error)


def test_a_market_order_on_forecastex_is_refused():
    error = refusal(order(YES, price=None, order_type=OrderType.MARKET), YES)
    assert error.rule == "order_type"
    assert "limit orders only" in str(error)


def test_forecastex_has_no_opening_orders():
    assert refusal(order(YES, time_in_force=TimeInForce.OPG), YES).rule == "time_in_force"


@pytest.mark.parametrize(("price", "rule"), [("0.01", "price_range"), ("1", "price_range"), ("0.505", "tick")])
def test_forecastex_prices_lie_between_0_02_and_0_99_in_cents(price: str, rule: str):
    assert refusal(order(YES, price=price), YES).rule == rule


def test_the_wrong_side_of_a_conid_names_the_twin():
    error = refusal(order(YES, side=Side.NO), YES)
    assert error.rule == "side"
    assert "900002" in str(error)


def test_a_cme_event_contract_may_be_sold():
    cme = Market(
        exchange="ibkr",
        market_id=MarketId("724307144"),
        kind=MarketKind.EVENT,
        symbol="NQ",
        side=Side.NO,
        price_grid=PriceGrid.of("1"),
        listing_exchange="CME",
    )
    assert not is_forecastex(cme)
    assert refusal(order(cme, order_side=OrderSide.SELL, price="40"), cme).rule == "manual_indicator"
    PROFILE.check(order(cme, order_side=OrderSide.SELL, price="40", manual_indicator=False, ext_operator="hedger"), cme)
