"""When an order is surely not at the venue: two complete lists apart, trades, its status, its day, positions."""

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from exchanges.ibkr.orders.days import is_of_the_venues_day
from exchanges.ibkr.shared_reads import SharedReads
from exchanges.ibkr.venue import IbkrVenue
from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.errors import VenueUnavailable
from horizon.model import (
    AccountId,
    ClientOrderId,
    MarketId,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    VenueOrderId,
)

ORDERS = "GET /iserver/account/orders"
TRADES = "GET /iserver/account/trades"
STATUS = "GET /iserver/account/order/status/7"
POSITIONS = "GET /portfolio/DU1234567/positions/0"
ACCOUNT = AccountId("DU1234567")
NONE: dict[str, Any] = {"orders": [], "snapshot": True}
ROW: dict[str, Any] = {
    "orderId": 7,
    "acct": ACCOUNT,
    "conid": 756733,
    "order_ref": "one",
    "status": "Submitted",
    "side": "BUY",
    "orderType": "Limit",
    "price": "600.00",
    "timeInForce": "DAY",
    "totalSize": 10.0,
    "filledQuantity": 0.0,
    "remainingQuantity": 10.0,
}
ASKED = OrderRequest(
    exchange="ibkr",
    market_id=MarketId("756733"),
    order_side=OrderSide.BUY,
    size=10,
    price="600",
    client_order_id=ClientOrderId("one"),
)


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    host.on(TRADES, [])
    return IbkrVenue(host.client, host.session, host.clock)


async def find(venue: IbkrVenue, name: str = "one", **rest: Any) -> OrderReport | None:
    return await venue.find_order(ACCOUNT, ClientOrderId(name), **rest)


async def test_absence_is_believed_after_two_lists_five_seconds_apart(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, NONE)
    began = host.clock.monotonic()
    assert await find(venue) is None
    assert len(host.seen(ORDERS)) == 2
    assert host.clock.monotonic() - began >= 5


async def test_an_order_that_comes_into_the_second_list_is_found(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, NONE, {"orders": [ROW], "snapshot": True})
    report = await find(venue)
    assert report is not None
    assert report.status is OrderStatus.WORKING


async def test_a_list_that_does_not_say_that_it_is_whole_proves_no_absence(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, {"orders": [ROW | {"order_ref": "another"}], "snapshot": False})
    with pytest.raises(VenueUnavailable, match="not complete"):
        await find(venue)


async def test_an_order_of_another_day_is_not_said_to_be_absent(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, NONE)
    with pytest.raises(VenueUnavailable, match="another day"):
        await find(venue, sent=host.clock.now() - 86_400 * NANOSECONDS)


async def test_the_status_of_a_known_order_is_asked_before_it_is_given_up(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, NONE)
    host.on(
        STATUS,
        {"order_id": 7, "order_status": "Filled", "cum_fill": "10.0", "size": "0.0", "total_size": "10.0"},
    )
    report = await find(venue, venue_order_id=VenueOrderId("7"))
    assert report is not None
    assert (report.status, report.filled, report.size) == (OrderStatus.FILLED, 10, 10)


async def test_a_known_order_that_the_venue_no_longer_knows_is_over_on_any_day(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, NONE)
    host.on(STATUS, httpx.Response(503, json={"error": "Service Unavailable", "statusCode": 503}))
    before = host.clock.now() - 86_400 * NANOSECONDS
    assert await find(venue, venue_order_id=VenueOrderId("7"), sent=before) is None


async def test_a_known_order_is_found_by_the_venues_id_and_so_are_its_trades(venue: IbkrVenue, host: Any) -> None:
    host.on(ORDERS, {"orders": [ROW | {"order_ref": None}], "snapshot": True})
    report = await find(venue, venue_order_id=VenueOrderId("7"))
    assert report is not None
    assert report.client_order_id == "one"


async def test_twenty_who_ask_at_once_share_two_reads_and_no_answer_is_older_than_its_question(host: Any) -> None:
    began = 0

    async def read(account_id: AccountId) -> int:
        nonlocal began
        began += 1
        answer = began
        await host.clock.sleep(1)
        return answer

    reads = SharedReads(read)
    assert await asyncio.gather(*(reads.fresh(ACCOUNT) for _ in range(20))) == [1] + [2] * 19
    assert await reads.fresh(ACCOUNT) == 3


async def test_a_read_that_fails_fails_for_all_who_share_it_and_is_made_anew_for_the_next(host: Any) -> None:
    async def read(account_id: AccountId) -> int:
        await host.clock.sleep(1)
        raise VenueUnavailable("nothing answers")

    reads = SharedReads(read)
    failed = await asyncio.gather(*(reads.fresh(ACCOUNT) for _ in range(9)), return_exceptions=True)
    assert [str(each) for each in failed] == ["nothing answers"] * 9
    assert host.clock.monotonic() == 2


async def test_a_position_that_no_fill_explains_contradicts_an_absence(venue: IbkrVenue, host: Any) -> None:
    held = {"acctId": ACCOUNT, "conid": 756733, "assetClass": "STK", "currency": "USD", "ticker": "SPY"}
    host.on("GET /portfolio/accounts", [{"accountId": ACCOUNT}])
    host.on(POSITIONS, [held | {"position": 5.0}], [held | {"position": 15.0}])
    await venue.positions(ACCOUNT)
    host.on(ORDERS, NONE)
    with pytest.raises(VenueUnavailable, match="5 -> 15"):
        await find(venue, request=ASKED, sent=host.clock.now())
    host.on(POSITIONS, [held | {"position": 5.0}])
    assert await find(venue, request=ASKED, sent=host.clock.now()) is None


@pytest.mark.parametrize(
    ("sent", "now", "same"),
    [
        ("2025-11-18T10:00", "2025-11-18T15:59", True),
        ("2025-11-18T10:00", "2025-11-19T09:00", False),
        ("2025-11-17T23:50", "2025-11-18T00:05", False),  # another day in New York
        ("2025-11-18T00:05", "2025-11-18T09:00", False),  # the nightly reset lies between
        ("2025-11-18T01:50", "2025-11-18T23:50", True),
    ],
)
def test_the_venues_day_is_new_yorks_and_ends_at_a_reset(sent: str, now: str, same: bool) -> None:
    zone = ZoneInfo("America/New_York")
    moments = [to_nanoseconds(datetime.fromisoformat(each).replace(tzinfo=zone)) for each in (sent, now)]
    assert is_of_the_venues_day(*moments, "US") is same
