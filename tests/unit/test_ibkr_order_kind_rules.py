"""Which kinds of order Interactive Brokers takes in which market: refused by name, with what to use instead."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from exchanges.ibkr.profile import PROFILE, IbkrProfile, check_group, check_not_expired, gtc_ends
from horizon.clock import to_nanoseconds
from horizon.errors import InvalidOrder
from horizon.model import (
    Algo,
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
    TimeInForce,
    Trailing,
)
from horizon.ports import Capabilities

PROGRAM = {"manual_indicator": False, "ext_operator": "desk 4"}


def market(kind: MarketKind = MarketKind.STOCK, **changes: Any) -> Market:
    fields: dict[str, Any] = {
        "exchange": "ibkr",
        "market_id": MarketId("1"),
        "kind": kind,
        "symbol": "XYZ",
        "price_grid": PriceGrid.of("0.01"),
    }
    return Market(**{**fields, **changes})


def order(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "market_id": MarketId("1"),
        "order_side": OrderSide.BUY,
        "size": 100,
        "order_type": OrderType.LIMIT,
        "exchange": "ibkr",
    }
    fields |= {"price": "50"} if "order_type" not in changes else {}
    return OrderRequest(**{**fields, **changes})


def refusal(request: OrderRequest, where: Market) -> InvalidOrder:
    with pytest.raises(InvalidOrder) as caught:
        PROFILE.check(request, where)
    return caught.value


KINDS: list[dict[str, Any]] = [
    {"order_type": OrderType.MARKET},
    {"order_type": OrderType.LIMIT, "price": "50"},
    {"order_type": OrderType.STOP, "stop_price": "49"},
    {"order_type": OrderType.STOP_LIMIT, "price": "48.9", "stop_price": "49"},
    {"order_type": OrderType.MIDPRICE},
    {"order_type": OrderType.MIDPRICE, "price": "50.5"},
    {"order_type": OrderType.TRAILING_STOP, "trailing": Trailing(amount=Decimal("0.5"))},
    {"order_type": OrderType.TRAILING_STOP, "trailing": Trailing(percent=Decimal("1.25")), "stop_price": "49"},
    {
        "order_type": OrderType.TRAILING_STOP_LIMIT,
        "trailing": Trailing(amount=Decimal("0.5")),
        "stop_price": "49",
        "limit_offset": "0.1",
    },
    {"order_type": OrderType.MARKET_ON_CLOSE},
    {"order_type": OrderType.LIMIT_ON_CLOSE, "price": "50"},
    {"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": "49"},
    {"order_type": OrderType.LIMIT_IF_TOUCHED, "price": "48.9", "stop_price": "49"},
    {"order_type": OrderType.RELATIVE, "price": "51", "limit_offset": "0.02"},
    {"order_type": OrderType.RELATIVE},
]


@pytest.mark.parametrize("changes", KINDS, ids=lambda changes: str(changes["order_type"]))
def test_every_kind_of_order_passes_in_a_stock(changes: dict[str, Any]):
    PROFILE.check(order(**changes), market())


def test_every_order_type_is_among_the_kinds_tested_here():
    assert {changes["order_type"] for changes in KINDS} == set(OrderType)


@pytest.mark.parametrize("kind", [OrderType.STOP, OrderType.MARKET_IF_TOUCHED, OrderType.MIDPRICE])
def test_an_order_for_the_opening_is_market_or_limit(kind: OrderType):
    changes = next(changes for changes in KINDS if changes["order_type"] is kind)
    error = refusal(order(**changes, time_in_force=TimeInForce.OPG), market())
    assert error.rule == "time_in_force"
    assert "LMT, MKT" in str(error)


@pytest.mark.parametrize("time", [TimeInForce.GTC, TimeInForce.IOC, TimeInForce.OPG])
def test_an_order_for_the_close_lives_for_the_day(time: TimeInForce):
    error = refusal(order(order_type=OrderType.MARKET_ON_CLOSE, time_in_force=time), market())
    assert error.rule == "time_in_force"


@pytest.mark.parametrize("time", [TimeInForce.OVERNIGHT, TimeInForce.OVERNIGHT_AND_DAY])
def test_overnight_takes_limit_orders_in_stocks_that_are_eligible(time: TimeInForce):
    PROFILE.check(order(time_in_force=time), market())
    eligible = market(rules=MarketRules(overnight=True, times_in_force=(TimeInForce.DAY,)))
    PROFILE.check(order(time_in_force=time), eligible)
    assert refusal(order(order_type=OrderType.MARKET, time_in_force=time), market()).rule == "time_in_force"
    assert refusal(order(time_in_force=time), market(MarketKind.OPTION)).rule == "time_in_force"
    assert "overnight" in str(refusal(order(time_in_force=time), market(rules=MarketRules(overnight=False))))


def test_pax_is_for_crypto_currencies_alone():
    PROFILE.check(order(time_in_force=TimeInForce.PAX, size="0.25"), market(MarketKind.CRYPTO))
    error = refusal(order(time_in_force=TimeInForce.PAX), market())
    assert "use DAY, GTC or IOC" in str(error)


def test_a_time_in_force_that_the_venue_has_not_listed_for_a_market_is_refused():
    where = market(rules=MarketRules(times_in_force=(TimeInForce.DAY, TimeInForce.GTC)))
    error = refusal(order(time_in_force=TimeInForce.IOC), where)
    assert str(error) == "for XYZ the venue takes a time in force of DAY, GTC, found IOC"


def test_what_the_venue_lists_for_outside_the_session_bounds_outside_rth():
    where = market(rules=MarketRules(outside_order_types=(OrderType.LIMIT,)))
    PROFILE.check(order(outside_rth=True), where)
    error = refusal(order(order_type=OrderType.MARKET, outside_rth=True), where)
    assert error.rule == "outside_rth"


@pytest.mark.parametrize(
    "changes",
    [
        {"time_in_force": TimeInForce.OPG},
        {"order_type": OrderType.MARKET_ON_CLOSE},
        {"order_type": OrderType.LIMIT_ON_CLOSE, "price": "50"},
    ],
)
def test_an_auction_is_not_outside_the_regular_session(changes: dict[str, Any]):
    assert refusal(order(**changes, outside_rth=True), market()).rule == "outside_rth"


@pytest.mark.parametrize("kind", [MarketKind.FUTURE, MarketKind.FUTURE_OPTION])
def test_futures_must_say_who_entered_the_order(kind: MarketKind):
    where = market(kind)
    error = refusal(order(), where)
    assert error.rule == "manual_indicator"
    assert "ext_operator" in str(error)
    assert refusal(order(manual_indicator=True), where).rule == "manual_indicator"
    assert refusal(order(ext_operator="desk 4"), where).rule == "manual_indicator"
    PROFILE.check(order(**PROGRAM), where)
    PROFILE.check(order(manual_indicator=True, ext_operator="jane"), where)


def test_fractions_pass_only_for_the_types_that_the_venue_takes_them_for():
    assert refusal(order(size="1.5"), market()).rule == "lot"
    where = market(rules=MarketRules(fractional_order_types=(OrderType.LIMIT,)))
    PROFILE.check(order(size="1.5"), where)
    assert refusal(order(size="1.5", order_type=OrderType.MARKET), where).rule == "lot"


def test_a_cash_quantity_is_for_currencies_and_needs_an_estimate():
    cash = order(size=0, cash_quantity="2400", order_type=OrderType.MARKET)
    assert refusal(cash, market()).rule == "cash_quantity"
    for kind in (MarketKind.CRYPTO, MarketKind.FOREX):
        error = refusal(cash, market(kind))
        assert error.rule == "cash_quantity"
        assert "with_estimated_size" in str(error)
        PROFILE.check(cash.with_estimated_size(Decimal("1.25")), market(kind))
    listed = market(rules=MarketRules(cash_order_types=(OrderType.MARKET,)))
    PROFILE.check(cash.with_estimated_size(Decimal("1.25")), listed)


def test_a_currency_conversion_is_for_a_currency_pair():
    request = order(size=0, cash_quantity="2400", order_type=OrderType.MARKET, convert_currency=True)
    request = request.with_estimated_size(Decimal("1.25"))
    PROFILE.check(request, market(MarketKind.FOREX))
    assert refusal(request, market(MarketKind.CRYPTO)).rule == "convert_currency"


def test_attributes_that_the_venue_does_not_offer_for_a_market_are_refused():
    plain = market(rules=MarketRules(algos=False, all_or_none=False))
    assert refusal(order(algo=Algo(name="Vwap")), plain).rule == "algo"
    assert refusal(order(all_or_none=True), plain).rule == "all_or_none"
    PROFILE.check(order(algo=Algo(name="Vwap"), all_or_none=True), market())


@pytest.mark.parametrize("route", ["nasdaq", "265598@NASDAQ", "NAS DAQ"])
def test_a_route_is_the_name_of_an_exchange(route: str):
    assert refusal(order(route=route), market()).rule == "route"
    PROFILE.check(order(route="NASDAQ"), market())


@pytest.mark.parametrize(
    "changes",
    [
        {"limit_offset": "0.015", "trailing": Trailing(amount=Decimal("0.5"))},
        {"limit_offset": "0.1", "trailing": Trailing(amount=Decimal("0.505"))},
        {"limit_offset": None, "price": "48.905", "trailing": Trailing(amount=Decimal("0.5"))},
    ],
)
def test_the_distances_of_a_trailing_order_lie_on_the_grid(changes: dict[str, Any]):
    request = order(order_type=OrderType.TRAILING_STOP_LIMIT, stop_price="49", **changes)
    assert refusal(request, market()).rule == "tick"


def test_the_limit_that_an_offset_makes_is_inside_the_bounds():
    request = order(
        order_type=OrderType.TRAILING_STOP_LIMIT,
        order_side=OrderSide.SELL,
        stop_price="0.05",
        limit_offset="0.05",
        trailing=Trailing(amount=Decimal("0.01")),
    )
    assert refusal(request, market()).rule == "price_range"


def test_a_venue_without_brackets_refuses_exits_and_groups():
    bare = IbkrProfile(
        capabilities=Capabilities(order_types=frozenset(OrderType), times_in_force=frozenset(TimeInForce))
    )
    for changes in ({"parent": ClientOrderId("entry")}, {"group": "pair"}):
        with pytest.raises(InvalidOrder) as caught:
            bare.check(order(**changes), market())
        assert caught.value.rule == "brackets"
    bare.check(order(), market())


def entry(name: str = "entry", **changes: Any) -> OrderRequest:
    return order(client_order_id=ClientOrderId(name), **changes)


def test_a_bracket_and_a_group_may_go_out_in_one_call():
    exits = {"parent": ClientOrderId("entry"), "order_side": OrderSide.SELL}
    check_group([entry(), entry("profit", **exits), entry("stop", **exits)])
    check_group([entry("one", group="pair"), entry("two", group="pair", order_side=OrderSide.SELL)])
    check_group([entry()])


@pytest.mark.parametrize(
    ("group", "rule"),
    [
        ([entry("one"), entry("two")], "group"),
        ([entry("one", group="a"), entry("two", group="b")], "group"),
        ([entry("one", group="a"), entry("two")], "group"),
        ([entry("exit", parent=ClientOrderId("elsewhere"))], "parent"),
        ([entry(), entry("exit", parent=ClientOrderId("entry"))], "parent"),
        (
            [
                entry(),
                entry("exit", parent=ClientOrderId("entry"), order_side=OrderSide.SELL),
                entry("exit of an exit", parent=ClientOrderId("exit")),
            ],
            "parent",
        ),
        (
            [
                entry(group="a"),
                entry("exit", parent=ClientOrderId("entry"), order_side=OrderSide.SELL, group="b"),
            ],
            "group",
        ),
    ],
)
def test_orders_that_do_not_belong_together_are_refused(group: list[OrderRequest], rule: str):
    with pytest.raises(InvalidOrder) as caught:
        check_group(group)
    assert caught.value.rule == rule


def at(text: str) -> int:
    return to_nanoseconds(datetime.fromisoformat(f"{text}+00:00"))


@pytest.mark.parametrize(
    ("now", "expired"),
    [("2025-12-19T20:00", False), ("2025-12-20T11:00", False), ("2025-12-20T13:00", True)],
)
def test_a_contract_is_expired_once_its_last_day_is_over_everywhere(now: str, expired: bool):
    where = market(MarketKind.FUTURE, last_trade_date="20251219")
    if expired:
        with pytest.raises(InvalidOrder, match="expired on 2025-12-19"):
            check_not_expired(where, at(now))
    else:
        check_not_expired(where, at(now))


def test_an_event_is_over_at_its_last_trading_time():
    last = datetime(2025, 11, 18, 21, 0, tzinfo=UTC)
    where = market(MarketKind.EVENT, event=EventTerms(question="Above?", payout=Decimal(1), last_trade_time=last))
    check_not_expired(where, at("2025-11-18T20:59"))
    with pytest.raises(InvalidOrder, match="last traded at 2025-11-18 21:00"):
        check_not_expired(where, at("2025-11-18T21:01"))


def test_what_does_not_expire_never_has():
    check_not_expired(market(), at("2035-01-01T00:00"))
    check_not_expired(replace(market(), last_trade_date="DEC25"), at("2035-01-01T00:00"))


@pytest.mark.parametrize(
    ("placed", "ends"),
    [
        ("2025-11-18T15:00", "2026-03-31"),
        ("2025-12-31T23:59", "2026-03-31"),
        ("2026-01-01T00:00", "2026-06-30"),
        ("2026-06-30T12:00", "2026-09-30"),
        ("2026-07-01T12:00", "2026-12-31"),
    ],
)
def test_gtc_orders_end_with_the_quarter_after_the_present_one(placed: str, ends: str):
    assert gtc_ends(at(placed)).isoformat() == ends
