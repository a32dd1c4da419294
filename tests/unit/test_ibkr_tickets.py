"""Every kind of order as the ticket that is posted, and as it is read back from the venue's rows."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.echoes import as_it_stands, order_type_of, request_of
from exchanges.ibkr.mapping.lookup import find_row
from exchanges.ibkr.mapping.orders import placed
from exchanges.ibkr.mapping.tickets import cancel_parameters, change_ticket, ticket
from exchanges.ibkr.wire.orders import OrderRow, PlaceRow
from horizon.errors import VenueUnavailable
from horizon.model import (
    AccountId,
    Algo,
    ClientOrderId,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    Trailing,
)

ACCOUNT = AccountId("DU1234567")
BARE = {"acctId": "DU1234567", "conid": 1, "side": "SELL", "tif": "DAY", "outsideRTH": False, "cOID": "one"}
FACTS = ContractFacts(market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="XYZ")
PERCENT = Trailing(percent=Decimal("1.5"))
AMOUNT = Trailing(amount=Decimal("0.50"))


def request(kind: OrderType = OrderType.LIMIT, **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "market_id": MarketId("1"),
        "order_side": OrderSide.SELL,
        "size": 10,
        "order_type": kind,
        "client_order_id": ClientOrderId("one"),
        "account_id": ACCOUNT,
        "exchange": "ibkr",
    }
    return OrderRequest(**{**fields, **changes})


def posted(asked: OrderRequest, **options: Any) -> dict[str, Any]:
    """The ticket as JSON that the venue reads."""
    found: dict[str, Any] = msgspec.json.decode(
        msgspec.json.Encoder(decimal_format="number").encode(ticket(asked, ACCOUNT, **options))
    )
    return found


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (request(OrderType.MARKET), {"orderType": "MKT"}),
        (request(OrderType.LIMIT, price="50.10"), {"orderType": "LMT", "price": 50.1}),
        (request(OrderType.STOP, stop_price="49"), {"orderType": "STP", "price": 49}),
        (
            request(OrderType.STOP_LIMIT, price="48.5", stop_price="49"),
            {"orderType": "STOP_LIMIT", "price": 48.5, "auxPrice": 49},
        ),
        (request(OrderType.MIDPRICE), {"orderType": "MIDPRICE"}),
        (request(OrderType.MIDPRICE, price="49"), {"orderType": "MIDPRICE", "price": 49}),
        (
            request(OrderType.TRAILING_STOP, trailing=AMOUNT, stop_price="49"),
            {"orderType": "TRAIL", "price": 49, "trailingType": "amt", "trailingAmt": 0.5},
        ),
        (
            request(OrderType.TRAILING_STOP, trailing=PERCENT),
            {"orderType": "TRAIL", "trailingType": "%", "trailingAmt": 1.5},
        ),
        (
            request(OrderType.TRAILING_STOP_LIMIT, trailing=AMOUNT, stop_price="49", price="48.9"),
            {"orderType": "TRAILLMT", "price": 48.9, "auxPrice": 49, "trailingType": "amt", "trailingAmt": 0.5},
        ),
        (
            request(OrderType.TRAILING_STOP_LIMIT, trailing=PERCENT, stop_price="49", limit_offset="0.1"),
            {"orderType": "TRAILLMT", "price": 48.9, "auxPrice": 49, "trailingType": "%", "trailingAmt": 1.5},
        ),
        (request(OrderType.MARKET_ON_CLOSE), {"orderType": "MOC"}),
        (request(OrderType.LIMIT_ON_CLOSE, price="50"), {"orderType": "LOC", "price": 50}),
        (request(OrderType.MARKET_IF_TOUCHED, stop_price="51"), {"orderType": "MIT", "price": 51}),
        (
            request(OrderType.LIMIT_IF_TOUCHED, price="50.9", stop_price="51"),
            {"orderType": "LIT", "price": 50.9, "auxPrice": 51},
        ),
        (
            request(OrderType.RELATIVE, price="49", limit_offset="0.02"),
            {"orderType": "REL", "price": 49, "auxPrice": 0.02},
        ),
    ],
    ids=lambda value: value.order_type if isinstance(value, OrderRequest) else "",
)
def test_each_kind_has_its_prices_where_the_venue_looks_for_them(asked: OrderRequest, expected: dict[str, Any]):
    assert posted(asked) == {**BARE, "quantity": 10, **expected}


def test_the_limit_of_a_trailing_buy_lies_above_its_trigger():
    asked = request(
        OrderType.TRAILING_STOP_LIMIT,
        order_side=OrderSide.BUY,
        trailing=AMOUNT,
        stop_price="49",
        limit_offset="0.1",
    )
    assert posted(asked)["price"] == 49.1


@pytest.mark.parametrize("time", [each for each in TimeInForce if each is not TimeInForce.FOK])
def test_each_time_in_force_is_spelled_as_the_venue_spells_it(time: TimeInForce):
    assert posted(request(OrderType.MARKET, time_in_force=time))["tif"] == str(time)
    assert {str(each) for each in TimeInForce} >= {"DAY", "GTC", "IOC", "OPG", "OVT", "OND", "PAX"}


def test_money_takes_the_place_of_a_size():
    cash = request(OrderType.MARKET, size=0, cash_quantity="2400.50").with_estimated_size(Decimal("1.25"))
    body = posted(cash)
    assert (body["cashQty"], "quantity" in body, "fxQty" in body) == (2400.5, False, False)
    conversion = request(OrderType.MARKET, size=0, cash_quantity="2400.50", convert_currency=True).with_estimated_size(
        Decimal("1.25")
    )
    body = posted(conversion)
    assert (body["fxQty"], body["isCcyConv"]) == (2400.5, True)
    assert "quantity" not in body
    assert "cashQty" not in body


def test_a_route_is_a_conidex_without_a_conid():
    body = posted(request(OrderType.MARKET, route="NASDAQ"))
    assert body["conidex"] == "1@NASDAQ"
    assert "conid" not in body


def test_an_algo_is_a_strategy_with_its_parameters():
    algo = Algo(name="Vwap", parameters={"MaxPctVol": "0.1", "AllowPastEndTime": True})
    body = posted(request(price="50", algo=algo, all_or_none=True))
    assert body["strategy"] == "Vwap"
    assert body["strategyParameters"] == {"MaxPctVol": "0.1", "AllowPastEndTime": True}
    assert body["allOrNone"] is True


def test_who_entered_an_order_is_said_on_the_order_its_change_and_its_cancel():
    asked = request(price="50", manual_indicator=False, ext_operator="desk 4")
    for body in (ticket(asked, ACCOUNT), change_ticket(asked, ACCOUNT), cancel_parameters(asked)):
        assert body["manualIndicator"] is False
        assert body["extOperator"] == "desk 4"
    assert cancel_parameters(request(price="50")) == {}


def test_a_child_has_its_parents_id_and_none_of_its_own():
    body = posted(request(price="50"), parent="entry")
    assert body["parentId"] == "entry"
    assert "cOID" not in body


def test_prices_leave_with_exactly_their_digits():
    body = msgspec.json.Encoder(decimal_format="number").encode(ticket(request(price="0.000001", size="1E+3"), ACCOUNT))
    assert body.endswith(b'"price":0.000001}')
    assert b'"quantity":1000,' in body


def row(**fields: Any) -> OrderRow:
    return OrderRow(
        **{
            "orderId": 7,
            "acct": ACCOUNT,
            "conid": 1,
            "side": "SELL",
            "timeInForce": "DAY",
            "totalSize": 10.0,
            "order_ref": "one",
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({"orderType": "Market", "origOrderType": "MARKET", "price": ""}, request(OrderType.MARKET)),
        ({"orderType": "Limit", "origOrderType": "LIMIT", "price": "50.10"}, request(price="50.10")),
        ({"orderType": "Stop", "price": "49.00"}, request(OrderType.STOP, stop_price="49")),
        ({"orderType": "Stop", "price": "", "stop_price": "49"}, request(OrderType.STOP, stop_price="49")),
        (
            {"orderType": "Stop Limit", "price": "48.5", "auxPrice": "49"},
            request(OrderType.STOP_LIMIT, price="48.5", stop_price="49"),
        ),
        ({"origOrderType": "MIDPRICE", "price": "0.0"}, request(OrderType.MIDPRICE)),
        ({"origOrderType": "MIDPRICE", "price": "49"}, request(OrderType.MIDPRICE, price="49")),
        ({"orderType": "MOC", "price": ""}, request(OrderType.MARKET_ON_CLOSE)),
        ({"orderType": "LOC", "price": "50"}, request(OrderType.LIMIT_ON_CLOSE, price="50")),
        ({"orderType": "MIT", "price": "51"}, request(OrderType.MARKET_IF_TOUCHED, stop_price="51")),
        (
            {"orderType": "LIT", "price": "50.9", "auxPrice": "51"},
            request(OrderType.LIMIT_IF_TOUCHED, price="50.9", stop_price="51"),
        ),
        ({"origOrderType": "RELATIVE", "price": "49"}, request(OrderType.RELATIVE, price="49")),
        (
            {"orderType": "Limit", "price": "50", "timeInForce": "PAX", "totalSize": 0.25},
            request(price="50", time_in_force=TimeInForce.PAX, size="0.25"),
        ),
        (
            {"orderType": "Market", "price": "", "totalSize": None, "totalCashSize": 2400},
            request(OrderType.MARKET, size=0, cash_quantity=2400),
        ),
    ],
)
def test_what_a_row_says_was_asked_for(fields: dict[str, Any], asked: OrderRequest):
    assert request_of(row(**fields), FACTS, exchange="ibkr") == asked


@pytest.mark.parametrize("text", ["Trail", "TRAIL", "Trailing Stop", "TRAILLMT", "Trail Limit"])
def test_a_trailing_row_is_reported_without_a_request_because_it_lacks_the_distance(text: str):
    found = row(orderType=text, price="49")
    kind = order_type_of(found)
    assert kind is not None
    assert kind.trails
    assert request_of(found, FACTS, exchange="ibkr") is None


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({"orderType": "Limit", "price": "50.10"}, {}),
        ({"orderType": "Limit", "price": ""}, {}),
        ({"orderType": "Limit", "price": "50.2"}, {"price": "50.2"}),
        ({"orderType": "Limit", "price": "50.10", "totalSize": 12.0}, {"size": 12}),
        ({"orderType": "Limit", "price": "50.10", "timeInForce": "GTC"}, {"time_in_force": TimeInForce.GTC}),
        ({"orderType": "Limit", "price": "50.10", "timeInForce": "CLOSE"}, {}),
    ],
)
def test_an_order_as_it_stands_differs_where_the_venue_shows_something_else(
    fields: dict[str, Any], changes: dict[str, Any]
):
    asked = request(price="50.10", protective=True, ext_operator="desk 4")
    expected = request(**{"price": "50.10", "protective": True, "ext_operator": "desk 4", **changes})
    assert as_it_stands(row(**fields), asked) == expected


def test_a_row_of_another_type_or_with_an_unreadable_price_proves_nothing():
    assert as_it_stands(row(orderType="Stop", price="49"), request(price="50")) is None
    assert as_it_stands(row(orderType="Limit", price="fifty"), request(price="50")) is None


def test_a_trailing_order_as_it_stands_ignores_where_its_trigger_has_moved_to():
    asked = request(OrderType.TRAILING_STOP, trailing=AMOUNT, stop_price="49")
    assert as_it_stands(row(orderType="TRAIL", price="52"), asked) == asked


def test_a_trailing_exit_is_found_wherever_its_trigger_has_moved_to():
    rows = [
        row(orderId=1, order_ref="entry", side="BUY", orderType="Limit", price="50"),
        row(orderId=2, order_ref=None, parentId=1, orderType="TRAIL", price="52"),
        row(orderId=3, order_ref=None, parentId=1, orderType="Limit", price="60"),
    ]
    exits = {"parent": ClientOrderId("entry"), "client_order_id": ClientOrderId("exit")}
    trail = request(OrderType.TRAILING_STOP, trailing=AMOUNT, stop_price="49", **exits)
    assert find_row(rows, ClientOrderId("exit"), trail) is rows[1]
    assert find_row(rows, ClientOrderId("exit"), request(price="60", **exits)) is rows[2]
    twins = [*rows, row(orderId=4, order_ref=None, parentId=1, orderType="TRAIL", price="51")]
    with pytest.raises(VenueUnavailable, match="look the same"):
        find_row(twins, ClientOrderId("exit"), trail)


def test_an_acknowledgement_says_nothing_about_the_size_of_an_order_for_money():
    cash = request(OrderType.MARKET, size=0, cash_quantity=2400).with_estimated_size(Decimal("1.25"))
    report = placed(PlaceRow(order_id=7, order_status="Filled"), cash, ACCOUNT, exchange="ibkr", now=1)
    assert report.size is None
    assert report.status is OrderStatus.WORKING
    assert (
        placed(PlaceRow(order_id=7, order_status="Filled"), request(price="5"), ACCOUNT, exchange="ibkr", now=1).size
        == 10
    )
