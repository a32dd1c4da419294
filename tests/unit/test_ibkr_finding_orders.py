"""Looking orders up: absence is only believed when it is proven."""

from typing import Any

import pytest
from msgspec.structs import replace

from exchanges.ibkr.venue import IbkrVenue
from horizon.errors import VenueUnavailable
from horizon.model import (
    AccountId,
    ClientOrderId,
    MarketId,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
)

ORDERS = "GET /iserver/account/orders"
TRADES = "GET /iserver/account/trades"
SELECT = "POST /iserver/account"
INFO = "GET /iserver/contract/756733/info-and-rules"
ACCOUNT = AccountId("DU1234567")
COLD: dict[str, Any] = {"orders": [], "snapshot": False}
NONE: dict[str, Any] = {"orders": [], "snapshot": True}
SPY = {"con_id": 756733, "symbol": "SPY", "instrument_type": "STK", "currency": "USD", "rules": {"increment": 0.01}}


def row(order_id: int = 1, ref: str | None = "one", account: str = ACCOUNT, **changes: Any) -> dict[str, Any]:
    return {
        "orderId": order_id,
        "acct": account,
        "account": account,
        "conid": 756733,
        "order_ref": ref,
        "status": "Submitted",
        "side": "BUY",
        "orderType": "Limit",
        "price": "600.00",
        "timeInForce": "DAY",
        "totalSize": 10.0,
        "filledQuantity": 0.0,
        "remainingQuantity": 10.0,
        **changes,
    }


def listed(*rows: dict[str, Any]) -> dict[str, Any]:
    return {"orders": list(rows), "snapshot": True}


def trade(ref: str | None = "one", *, account: str = ACCOUNT, size: float = 4, **changes: Any) -> dict[str, Any]:
    return {
        "execution_id": f"x.{ref}.{size}",
        "side": "B",
        "trade_time_r": 1_700_000_000_000,
        "size": size,
        "price": "600.00",
        "order_ref": ref,
        "account": account,
        "conid": 756733,
        "order_id": 77,
        **changes,
    }


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    host.on(INFO, SPY)
    return IbkrVenue(host.client, host.session, host.clock)


async def find(venue: IbkrVenue, name: str = "one", request: OrderRequest | None = None) -> Any:
    return await venue.find_order(ACCOUNT, ClientOrderId(name), request=request)


async def test_a_cold_first_answer_is_not_taken_for_no_orders(venue: IbkrVenue, host: Any):
    host.on(ORDERS, COLD, COLD, listed(row()))
    report = await find(venue)
    assert (report.venue_order_id, report.status, report.filled) == ("1", OrderStatus.WORKING, 0)
    assert len(host.seen(ORDERS)) == 3


async def test_a_list_that_never_warms_up_raises_instead_of_saying_none(venue: IbkrVenue, host: Any):
    host.on(ORDERS, COLD)
    with pytest.raises(VenueUnavailable, match="not ready"):
        await find(venue)
    with pytest.raises(VenueUnavailable):
        await venue.open_orders(ACCOUNT)


async def test_rows_under_snapshot_false_are_believed_when_they_come_twice(venue: IbkrVenue, host: Any):
    host.on(ORDERS, {"orders": [row()], "snapshot": False})
    assert (await find(venue)).venue_order_id == "1"
    assert len(host.seen(ORDERS)) == 2


async def test_the_list_is_never_filtered(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(row()))
    await find(venue)
    assert set(host.calls[0].params) <= {"accountId"}


async def test_absence_needs_both_lists_and_trades_that_are_not_cold(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [], [])
    assert await find(venue) is None
    assert len(host.seen(TRADES)) == 2
    assert host.seen(TRADES)[0].params["days"] == "7"


async def test_a_full_order_list_proves_nothing(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(*[row(number, f"other-{number}") for number in range(1000)])).on(TRADES, [])
    with pytest.raises(VenueUnavailable, match="not proven"):
        await find(venue)


async def test_an_order_that_aged_out_is_found_among_the_trades(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade(size=4), trade(size=6)])
    asked = OrderRequest(
        market_id=MarketId("756733"),
        order_side=OrderSide.BUY,
        size=10,
        price="600",
        client_order_id=ClientOrderId("one"),
    )
    report = await find(venue, request=asked)
    assert (report.status, report.filled, report.venue_order_id) == (OrderStatus.FILLED, 10, "77")
    assert report.average_price == 600


async def test_a_part_that_filled_long_ago_is_the_end_of_the_order(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade(size=4)])
    await host.clock.sleep(120)
    report = await find(venue)
    assert (report.status, report.filled) == (OrderStatus.CANCELED, 4)


async def test_a_part_that_filled_just_now_says_nothing_about_the_rest(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade(size=4, trade_time_r=host.clock.now() // 1_000_000)])
    report = await find(venue)
    assert (report.status, report.filled) == (OrderStatus.PENDING, 4)


async def test_an_expired_contract_of_another_trade_does_not_hide_an_absence(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade("another", conid=5)])
    assert await find(venue) is None


async def test_netting_reports_are_no_trades_of_the_order(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade(side="N")])
    assert await find(venue) is None


async def test_rows_and_trades_of_another_account_are_not_ours(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(row(account="DU7654321"))).on(TRADES, [trade(account="DU7654321")])
    assert await find(venue) is None
    assert await venue.open_orders(ACCOUNT) == []


async def test_the_right_account_is_selected_before_a_read_and_only_then(make_host: Any):
    host = make_host("DU1234567", "DU7654321")
    host.on(SELECT, {"set": True, "acctId": "DU7654321"}, {"success": "Account already set"})
    host.on(ORDERS, NONE)
    venue = IbkrVenue(host.client, host.session, host.clock)
    await venue.open_orders(ACCOUNT)
    assert host.seen(SELECT) == []
    await venue.open_orders(AccountId("DU7654321"))
    await venue.open_orders(AccountId("DU7654321"))
    assert [call.body for call in host.seen(SELECT)] == [{"acctId": "DU7654321"}]
    assert host.session.selected_account == "DU7654321"
    await venue.open_orders(ACCOUNT)
    assert host.seen(SELECT)[-1].body == {"acctId": "DU1234567"}


async def test_a_selection_the_venue_did_not_make_is_an_error(make_host: Any):
    host = make_host("DU1234567", "DU7654321").on(SELECT, {"set": True, "acctId": "DU1234567"})
    venue = IbkrVenue(host.client, host.session, host.clock)
    with pytest.raises(VenueUnavailable, match="selected"):
        await venue.open_orders(AccountId("DU7654321"))
    assert host.seen(ORDERS) == []


async def test_open_orders_carry_what_was_asked_for_elsewhere(venue: IbkrVenue, host: Any):
    rows = [row(1, None), row(2, "done", status="Filled", filledQuantity=10.0, remainingQuantity=0.0)]
    host.on(ORDERS, listed(*rows))
    (report,) = await venue.open_orders(ACCOUNT)
    assert report.client_order_id is None
    assert report.request is not None
    assert (report.request.size, report.request.price, report.request.order_type) == (10, 600, OrderType.LIMIT)
    assert report.request.account_id == ACCOUNT


async def test_an_exotic_order_is_listed_without_its_request(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(row(orderType="Pegged to Midpoint", price="")))
    (report,) = await venue.open_orders(ACCOUNT)
    assert report.request is None
    assert report.status is OrderStatus.WORKING


async def test_an_order_whose_contract_is_gone_is_listed_all_the_same(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(row(conid=5))).on("GET /iserver/contract/5/info-and-rules", {"error": "no contract"})
    (report,) = await venue.open_orders(ACCOUNT)
    assert report.request is None


def exits() -> tuple[OrderRequest, OrderRequest]:
    shared: dict[str, Any] = {
        "market_id": MarketId("756733"),
        "order_side": OrderSide.SELL,
        "size": 10,
        "parent": ClientOrderId("entry"),
    }
    return (
        OrderRequest(price="620", client_order_id=ClientOrderId("profit"), **shared),
        OrderRequest(stop_price="590", order_type=OrderType.STOP, client_order_id=ClientOrderId("stop"), **shared),
    )


def bracket_rows() -> list[dict[str, Any]]:
    child = {"side": "SELL", "parentId": 10}
    return [
        row(10, "entry"),
        row(11, None, price="620.00", **child),
        row(12, None, price="590.00", orderType="Stop", **child),
        row(13, None, price="620.00", side="SELL", parentId=99),
    ]


async def test_the_children_of_a_bracket_are_found_by_their_parent(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(*bracket_rows()))
    profit, stop = exits()
    assert (await find(venue, "profit", profit)).venue_order_id == "11"
    report = await find(venue, "stop", stop)
    assert (report.venue_order_id, report.client_order_id) == ("12", "stop")


async def test_a_child_that_is_missing_beside_its_parent_is_absent(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(bracket_rows()[0]))
    assert await find(venue, "profit", exits()[0]) is None


async def test_a_child_whose_parent_has_left_the_list_is_not_said_to_be_absent(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [trade("entry")])
    with pytest.raises(VenueUnavailable, match="exit"):
        await find(venue, "profit", exits()[0])


async def test_a_child_of_a_parent_that_never_arrived_is_absent(venue: IbkrVenue, host: Any):
    host.on(ORDERS, NONE).on(TRADES, [])
    assert await find(venue, "profit", exits()[0]) is None


async def test_two_exits_that_look_the_same_are_not_guessed(venue: IbkrVenue, host: Any):
    rows = bracket_rows()
    rows[3] |= {"parentId": 10}
    host.on(ORDERS, listed(*rows))
    with pytest.raises(VenueUnavailable, match="look the same"):
        await find(venue, "profit", exits()[0])


async def place_bracket(venue: IbkrVenue, host: Any) -> None:
    acks = [{"order_id": "10", "order_status": "PreSubmitted", "local_order_id": "entry"}]
    host.on(f"POST /iserver/account/{ACCOUNT}/orders", acks)
    named = {"account_id": ACCOUNT, "exchange": "ibkr"}
    entry = OrderRequest(
        market_id=MarketId("756733"),
        order_side=OrderSide.BUY,
        size=10,
        price="600",
        client_order_id=ClientOrderId("entry"),
        **named,
    )

    async def confirm(prompt: Any) -> bool:
        return False

    await venue.place([entry, *(replace(leg, **named) for leg in exits())], confirm)


async def test_children_placed_here_are_listed_under_their_own_names(venue: IbkrVenue, host: Any):
    await place_bracket(venue, host)
    host.on(ORDERS, listed(*bracket_rows()))
    reports = await venue.open_orders(ACCOUNT)
    assert [report.client_order_id for report in reports] == ["entry", "profit", "stop", None]
    assert (await find(venue, "stop")).venue_order_id == "12"


async def test_exits_that_look_the_same_are_listed_under_the_venues_ids(venue: IbkrVenue, host: Any):
    await place_bracket(venue, host)
    rows = bracket_rows()
    rows[3] |= {"parentId": 10}
    host.on(ORDERS, listed(*rows))
    reports = await venue.open_orders(ACCOUNT)
    assert [report.client_order_id for report in reports] == ["entry", None, "stop", None]
    assert [report.venue_order_id for report in reports] == ["10", "11", "12", "13"]


async def test_a_child_with_the_entrys_reference_is_not_taken_for_the_entry(venue: IbkrVenue, host: Any):
    rows = bracket_rows()
    rows[1]["order_ref"] = "entry"
    host.on(ORDERS, listed(*reversed(rows)))
    assert (await find(venue, "entry")).venue_order_id == "10"
    names = {report.venue_order_id: report.client_order_id for report in await venue.open_orders(ACCOUNT)}
    assert names == {"10": "entry", "11": None, "12": None, "13": None}


async def test_a_wire_status_nobody_knows_is_in_doubt_with_its_word(venue: IbkrVenue, host: Any):
    host.on(ORDERS, listed(row(status="Teleported")))
    report = await find(venue)
    assert report.status is OrderStatus.UNKNOWN
    assert "Teleported" in report.reason
