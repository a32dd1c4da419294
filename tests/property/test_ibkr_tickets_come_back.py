"""What was asked for is what is read back: ticket, the venue's row of it, request."""

from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.echoes import as_it_stands, request_of
from exchanges.ibkr.mapping.tickets import change_ticket, ticket
from exchanges.ibkr.wire.orders import OrderRow
from horizon.model import (
    AccountId,
    ClientOrderId,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderType,
    TimeInForce,
    Trailing,
)

ACCOUNT = AccountId("DU1")
FACTS = ContractFacts(market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="XYZ")
prices = st.decimals(min_value="0.01", max_value="99999", places=2)
sizes = st.decimals(min_value="0.0001", max_value="10000", places=4)


@st.composite
def requests(draw: st.DrawFn) -> OrderRequest:
    kind = draw(st.sampled_from(OrderType))
    fields: dict[str, Any] = {}
    if kind.needs_price or (kind.takes_price and draw(st.booleans())):
        fields["price"] = draw(prices)
    if kind.needs_stop_price or kind is OrderType.TRAILING_STOP_LIMIT:
        fields["stop_price"] = draw(prices)
    if kind is OrderType.TRAILING_STOP_LIMIT and "price" not in fields:
        fields["limit_offset"] = draw(prices)
    if kind.trails:
        fields["trailing"] = draw(st.sampled_from([Trailing(amount=Decimal(1)), Trailing(percent=Decimal("0.5"))]))
    return OrderRequest(
        market_id=MarketId("1"),
        order_side=draw(st.sampled_from(OrderSide)),
        size=draw(sizes),
        order_type=kind,
        time_in_force=draw(st.sampled_from([each for each in TimeInForce if each is not TimeInForce.FOK])),
        outside_rth=draw(st.booleans()),
        client_order_id=ClientOrderId("one"),
        account_id=ACCOUNT,
        exchange="ibkr",
        **fields,
    )


def row_of(body: dict[str, Any]) -> OrderRow:
    """The venue's row of a ticket: prices as text."""
    return OrderRow(
        orderId=7,
        acct=body["acctId"],
        conid=body["conid"],
        order_ref=body["cOID"],
        side=body["side"],
        orderType=body["orderType"],
        timeInForce=body["tif"],
        totalSize=str(body["quantity"]),
        price=str(body.get("price", "")),
        auxPrice=str(body.get("auxPrice", "")),
        outsideRTH=body["outsideRTH"],
    )


@given(requests())
def test_a_row_is_read_as_what_the_ticket_asked_for(asked: OrderRequest):
    row = row_of(ticket(asked, ACCOUNT))
    assert as_it_stands(row, asked) == asked
    if not asked.order_type.trails:
        assert request_of(row, FACTS, exchange="ibkr") == asked


@given(requests(), sizes, prices)
def test_an_order_as_it_stands_equals_a_change_exactly_when_the_venue_took_it(
    asked: OrderRequest, size: Decimal, price: Decimal
):
    changed = replace(asked, size=size, **({"price": price} if asked.order_type is OrderType.LIMIT else {}))
    assume(changed != asked)
    before, after = row_of(ticket(asked, ACCOUNT)), row_of(ticket(changed, ACCOUNT))
    assert as_it_stands(after, changed) == changed
    assert as_it_stands(before, changed) != changed


@given(requests())
def test_a_change_is_the_whole_ticket_but_for_the_id(asked: OrderRequest):
    whole = ticket(asked, ACCOUNT)
    del whole["cOID"]
    assert change_ticket(asked, ACCOUNT) == whole
    assert whole["acctId"] == ACCOUNT
    assert ("conid" in whole) != ("conidex" in whole)
