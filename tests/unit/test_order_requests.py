"""What an order may ask for: nonsense is refused when it is made, with one sentence each."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from horizon.errors import InvalidOrder
from horizon.model import Algo, ClientOrderId, MarketId, OrderRequest, OrderSide, OrderType, TimeInForce, Trailing

TRAILING = Trailing(amount=Decimal("0.5"))


def request(**changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {"market_id": MarketId("1"), "order_side": OrderSide.BUY, "size": 10, "price": "50"}
    return OrderRequest(**{**fields, **changes})


def refused(**changes: Any) -> InvalidOrder:
    with pytest.raises(InvalidOrder) as caught:
        request(**changes)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("STP_LMT", "STOP_LIMIT"),
        ("STP_LIMIT", "STOP_LIMIT"),
        ("STOP LIMIT", "STOP_LIMIT"),
        ("STOP_LOSS", "STP"),
        ("STOP", "STP"),
        ("MARKET", "MKT"),
        ("lmt", "LMT"),
        ("TRAIL LIMIT", "TRAILLMT"),
        ("trailing_stop", "TRAIL"),
        ("MIDPRICE ", "MIDPRICE"),
    ],
)
def test_another_name_of_an_order_type_is_refused_with_the_right_one(text: str, right: str):
    with pytest.raises(InvalidOrder, match=rf"found {text!r}: use {right}$") as caught:
        OrderType(text)
    assert caught.value.rule == "order_type"
    assert OrderType(right) == right


def test_an_order_type_that_nothing_resembles_is_refused_with_the_list():
    with pytest.raises(InvalidOrder, match=r"one of LIT, LMT, .*, found 'ICEBERG'$"):
        OrderType("ICEBERG")


@pytest.mark.parametrize(
    ("text", "advice"), [("gtc", "use GTC"), ("GTD", "use GTC, and cancel it"), ("OVERNIGHT", "use OVT")]
)
def test_another_name_of_a_time_in_force_is_refused_with_the_right_one(text: str, advice: str):
    with pytest.raises(InvalidOrder, match=advice) as caught:
        TimeInForce(text)
    assert caught.value.rule == "time_in_force"


def test_words_in_a_request_are_read_and_refused_in_the_same_way():
    made = request(order_type="LMT", time_in_force="GTC")
    assert made.order_type is OrderType.LIMIT
    assert made.time_in_force is TimeInForce.GTC
    assert "use STOP_LIMIT" in str(refused(order_type="STP_LMT", stop_price=1))
    assert refused(time_in_force="FOREVER").rule == "time_in_force"


@pytest.mark.parametrize(
    ("changes", "rule", "said"),
    [
        ({"order_type": OrderType.STOP_LIMIT}, "stop_price", "needs a stop_price"),
        ({"order_type": OrderType.LIMIT_ON_CLOSE, "price": None}, "price", "LOC order needs a price"),
        ({"order_type": OrderType.MARKET_ON_CLOSE}, "price", "use LOC"),
        ({"order_type": OrderType.MARKET}, "price", "use LMT"),
        ({"order_type": OrderType.STOP, "stop_price": 49}, "price", "goes into stop_price"),
        ({"order_type": OrderType.MARKET_IF_TOUCHED, "stop_price": 49}, "price", "goes into stop_price"),
        ({"order_type": OrderType.TRAILING_STOP, "trailing": TRAILING}, "price", "goes into stop_price"),
        ({"stop_price": 49}, "stop_price", "LMT order has no stop_price"),
        ({"order_type": OrderType.MIDPRICE, "stop_price": 49}, "stop_price", "has no stop_price"),
        ({"order_type": OrderType.TRAILING_STOP, "price": None}, "trailing", "an amount or a percent"),
        ({"trailing": TRAILING}, "trailing", "goes with TRAIL and TRAILLMT"),
        ({"limit_offset": "0.1"}, "limit_offset", "TRAILLMT or REL alone"),
        ({"order_type": OrderType.RELATIVE, "limit_offset": "-0.1"}, "limit_offset", "0 or more"),
        (
            {"order_type": OrderType.TRAILING_STOP_LIMIT, "trailing": TRAILING},
            "stop_price",
            "where it starts from",
        ),
        (
            {"order_type": OrderType.TRAILING_STOP_LIMIT, "trailing": TRAILING, "stop_price": 49, "limit_offset": 1},
            "limit_offset",
            "found both",
        ),
        (
            {"order_type": OrderType.TRAILING_STOP_LIMIT, "trailing": TRAILING, "stop_price": 49, "price": None},
            "limit_offset",
            "found neither",
        ),
        ({"size": 0}, "size", "above 0"),
        ({"size": -1}, "size", "order_side"),
        ({"cash_quantity": 100}, "cash_quantity", "found both"),
        ({"size": 0, "cash_quantity": -100}, "cash_quantity", "order_side"),
        ({"size": 0, "cash_quantity": "NaN"}, "cash_quantity", "finite"),
        ({"size_is_estimated": True}, "cash_quantity", "only for a cash_quantity"),
        ({"size": 0, "cash_quantity": 100, "size_is_estimated": True}, "size", "estimated size above 0"),
        ({"convert_currency": True}, "convert_currency", "cash_quantity"),
    ],
)
def test_what_contradicts_itself_is_refused(changes: dict[str, Any], rule: str, said: str):
    error = refused(**changes)
    assert error.rule == rule
    assert said in str(error)


def test_a_trailing_distance_is_an_amount_or_a_percent():
    for wrong in ({}, {"amount": Decimal(1), "percent": Decimal(1)}, {"amount": Decimal(0)}):
        with pytest.raises(InvalidOrder, match="trailing amount or a trailing percent"):
            Trailing(**wrong)


def test_a_cap_may_be_left_out():
    for kind in (OrderType.MIDPRICE, OrderType.RELATIVE):
        assert request(order_type=kind, price=None).price is None
        assert request(order_type=kind, price="51").price == 51


@pytest.mark.parametrize(("side", "limit"), [(OrderSide.BUY, "49.1"), (OrderSide.SELL, "48.9")])
def test_the_limit_of_a_trailing_order_lies_beyond_its_trigger(side: OrderSide, limit: str):
    made = request(
        order_type=OrderType.TRAILING_STOP_LIMIT,
        order_side=side,
        trailing=TRAILING,
        stop_price=49,
        price=None,
        limit_offset="0.1",
    )
    assert made.limit == Decimal(limit)
    assert request().limit == 50


@pytest.mark.parametrize(
    ("cash", "price", "lot", "size"),
    [("100", "30", "1", "4"), ("100", "25", "1", "4"), ("100", "3000", "0.01", "0.04"), ("2400", "1.25", "1", "1920")],
)
def test_money_is_estimated_as_the_most_that_it_can_move(cash: str, price: str, lot: str, size: str):
    made = request(size=0, cash_quantity=cash).with_estimated_size(Decimal(price), Decimal(lot))
    assert made.size == Decimal(size)
    assert made.size_is_estimated
    assert made.cash_quantity == Decimal(cash)
    assert made.with_estimated_size(Decimal(price), Decimal(lot)) == made


def test_an_order_with_a_size_needs_no_estimate():
    made = request()
    assert made.with_estimated_size(Decimal(30)) is made
    with pytest.raises(InvalidOrder, match="price above 0"):
        request(size=0, cash_quantity=10).with_estimated_size(Decimal(0))


def test_an_algo_has_a_name_and_parameters_of_plain_kinds():
    algo = Algo(name="Vwap", parameters={"maxPctVol": "0.1", "allowPastEndTime": True})
    assert hash(algo) == hash(Algo(name="Vwap", parameters=dict(reversed(list(algo.parameters.items())))))
    with pytest.raises(InvalidOrder, match="name of an algo"):
        Algo(name="")
    with pytest.raises(InvalidOrder, match="as text"):
        Algo(name="Vwap", parameters={"maxPctVol": 0.1})  # type: ignore[dict-item]


def test_every_field_survives_the_journal():
    made = request(
        order_type=OrderType.TRAILING_STOP_LIMIT,
        trailing=Trailing(percent=Decimal("1.5")),
        stop_price=49,
        price=None,
        limit_offset="0.1",
        time_in_force=TimeInForce.OVERNIGHT,
        client_order_id=ClientOrderId("one"),
        route="ARCA",
        algo=Algo(name="Vwap", parameters={"maxPctVol": "0.1", "allowPastEndTime": True}),
        all_or_none=True,
        manual_indicator=False,
        ext_operator="desk 4",
    )
    assert msgspec.json.decode(msgspec.json.encode(made), type=OrderRequest) == made
    cash = request(size=0, cash_quantity="12.50", convert_currency=True).with_estimated_size(Decimal("1.1"))
    assert msgspec.json.decode(msgspec.json.encode(cash), type=OrderRequest) == cash


def test_a_journal_line_from_before_these_fields_is_read():
    line = b'{"market_id":"1","order_side":"BUY","size":"10","price":"50"}'
    assert msgspec.json.decode(line, type=OrderRequest) == request()
