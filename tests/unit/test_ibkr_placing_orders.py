"""Placing, changing, cancelling: every shape of the venue's answer, on a scripted host."""

from typing import Any

import httpx
import pytest

from exchanges.ibkr.confirmations import LAST_HOP
from exchanges.ibkr.venue import IbkrVenue
from horizon.errors import (
    ConfigurationError,
    ConfirmationRefused,
    InvalidOrder,
    OutcomeUnknown,
    Refused,
    VenueUnavailable,
)
from horizon.model import (
    AccountId,
    ClientOrderId,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    VenueOrderId,
)
from horizon.ports import Prompt

ACCOUNT = AccountId("DU1234567")
PLACE = f"POST /iserver/account/{ACCOUNT}/orders"
CHANGE = f"POST /iserver/account/{ACCOUNT}/order/1370093239"
CANCEL = f"DELETE /iserver/account/{ACCOUNT}/order/1370093239"
REPLY = "POST /iserver/reply/q1"
CAP = "Confirm Mandatory Cap Price: IB may set a cap (for a buy order) or floor (for a sell order)."


def request(name: str = "one", **changes: Any) -> OrderRequest:
    fields: dict[str, Any] = {
        "market_id": MarketId("756733"),
        "order_side": OrderSide.BUY,
        "size": 10,
        "price": "600.01",
        "client_order_id": ClientOrderId(name),
        "account_id": ACCOUNT,
        "exchange": "ibkr",
    }
    return OrderRequest(**{**fields, **changes})


def bracket() -> list[OrderRequest]:
    exit_ = {"order_side": OrderSide.SELL, "parent": ClientOrderId("entry")}
    return [
        request("profit", price="620", **exit_),
        request("entry"),
        request("stop", price=None, stop_price="590", order_type=OrderType.STOP, **exit_),
    ]


def accepted(order_id: str = "1370093239", status: str = "PreSubmitted", **more: Any) -> dict[str, Any]:
    return {"order_id": order_id, "order_status": status, "encrypt_message": "1", **more}


def question(reply_id: str = "q1", *, ids: tuple[str, ...] = ("o10153",), text: str = CAP) -> dict[str, Any]:
    return {"id": reply_id, "message": [text], "isSuppressed": False, "messageIds": list(ids)}


class Answers:
    """Confirms as advised, and keeps the prompts."""

    def __init__(self, answer: bool | None = None) -> None:
        self.prompts: list[Prompt] = []
        self._answer = answer

    async def __call__(self, prompt: Prompt) -> bool:
        self.prompts.append(prompt)
        return prompt.advised if self._answer is None else self._answer


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    return IbkrVenue(host.client, host.session, host.clock)


async def place(venue: IbkrVenue, *requests: OrderRequest, confirm: Any = None) -> list[OrderReport]:
    return list(await venue.place(requests, confirm or Answers()))


async def test_a_limit_order_is_one_ticket_with_every_field(venue: IbkrVenue, host: Any):
    host.on(PLACE, [accepted()])
    (report,) = await place(venue, request(time_in_force=TimeInForce.GTC, outside_rth=True))
    (call,) = host.calls
    assert call.body == {
        "orders": [
            {
                "acctId": "DU1234567",
                "conid": 756733,
                "orderType": "LMT",
                "side": "BUY",
                "quantity": 10,
                "tif": "GTC",
                "outsideRTH": True,
                "cOID": "one",
                "price": 600.01,
            }
        ]
    }
    assert (report.status, report.venue_order_id, report.client_order_id) == (
        OrderStatus.WORKING,
        "1370093239",
        "one",
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"price": None, "order_type": OrderType.MARKET}, {"orderType": "MKT"}),
        (
            {"price": None, "stop_price": "590.5", "order_type": OrderType.STOP},
            {"orderType": "STP", "price": 590.5},
        ),
        (
            {"price": "589", "stop_price": "590.5", "order_type": OrderType.STOP_LIMIT},
            {"orderType": "STOP_LIMIT", "price": 589, "auxPrice": 590.5},
        ),
        ({"size": "2499.99"}, {"quantity": 2499.99}),
        ({"group": "pair"}, {"isSingleGroup": True}),
    ],
)
async def test_each_type_puts_its_prices_where_the_venue_looks_for_them(
    host: Any, changes: dict[str, Any], expected: dict[str, Any], venue: IbkrVenue
):
    host.on(PLACE, [accepted()])
    host.on("GET /iserver/marketdata/snapshot", [{"conid": 756733, "84": "600", "86": "600.02", "6509": "RpB"}])
    await place(venue, request(**changes))
    (call,) = host.seen(PLACE)
    (ticket,) = call.body["orders"]
    assert {key: ticket.get(key) for key in expected} == expected
    for key in ("price", "auxPrice", "isSingleGroup"):
        assert (key in ticket) == (key in expected or (key == "price" and ticket["orderType"] == "LMT"))


async def test_a_bracket_is_one_call_with_the_parent_first_and_children_without_an_id(host: Any, venue: IbkrVenue):
    host.on(PLACE, [accepted("1", local_order_id="entry"), accepted("2"), accepted("3")])
    reports = await place(venue, *bracket())
    (call,) = host.calls
    parent, *children = call.body["orders"]
    assert parent["cOID"] == "entry"
    assert all(child["parentId"] == "entry" and "cOID" not in child for child in children)
    assert [(report.client_order_id, report.venue_order_id) for report in reports] == [
        ("profit", "2"),
        ("entry", "1"),
        ("stop", "3"),
    ]


async def test_a_bracket_answered_with_the_parent_alone_leaves_the_children_to_be_looked_up(
    host: Any, venue: IbkrVenue
):
    host.on(PLACE, [accepted("111", local_order_id="entry")])
    reports = {report.client_order_id: report for report in await place(venue, *bracket())}
    assert reports[ClientOrderId("entry")].status is OrderStatus.WORKING
    assert reports[ClientOrderId("profit")].status is OrderStatus.UNKNOWN
    assert reports[ClientOrderId("stop")].status is OrderStatus.UNKNOWN


async def test_rows_in_another_order_are_matched_by_their_id(host: Any, venue: IbkrVenue):
    host.on(PLACE, [accepted("2", local_order_id="second"), accepted("1", local_order_id="first")])
    reports = await place(venue, request("first", group="g"), request("second", group="g"))
    assert [(report.client_order_id, report.venue_order_id) for report in reports] == [
        ("first", "1"),
        ("second", "2"),
    ]


async def test_an_error_at_status_200_is_a_refusal(host: Any, venue: IbkrVenue):
    host.on(PLACE, {"error": "We cannot accept an order at the limit price you selected."})
    with pytest.raises(Refused, match="limit price"):
        await place(venue, request())


async def test_a_failed_row_is_a_refusal_with_the_venues_words(host: Any, venue: IbkrVenue):
    row = {"order_id": "-1", "order_status": "Failed", "text": "No trading permissions.", "warning_message": "-1"}
    host.on(PLACE, [row])
    with pytest.raises(Refused, match=r"No trading permissions\.$"):
        await place(venue, request())


async def test_a_bracket_that_failed_in_part_reports_every_order(host: Any, venue: IbkrVenue):
    failed = {"order_id": "-1", "order_status": "Failed", "text": "The size does not conform."}
    host.on(PLACE, [accepted("7", "Inactive"), failed, accepted("8", "Inactive")])
    reports = {report.client_order_id: report for report in await place(venue, *bracket())}
    assert reports[ClientOrderId("entry")].status is OrderStatus.WORKING
    assert reports[ClientOrderId("profit")].status is OrderStatus.REJECTED
    assert reports[ClientOrderId("profit")].reason == "The size does not conform."
    assert reports[ClientOrderId("stop")].venue_order_id == "8"


async def test_one_failed_row_for_a_bracket_is_its_entry(host: Any, venue: IbkrVenue):
    host.on(PLACE, [{"order_id": "-1", "order_status": "Failed", "text": "Order rejected."}])
    with pytest.raises(Refused, match="Order rejected"):
        await place(venue, *bracket())


async def test_one_failed_row_for_two_separate_orders_leaves_the_other_in_doubt(host: Any, venue: IbkrVenue):
    host.on(PLACE, [{"order_id": "-1", "order_status": "Failed", "text": "Order rejected."}])
    first, second = await place(venue, request("first", group="g"), request("second", group="g"))
    assert (first.status, second.status) == (OrderStatus.REJECTED, OrderStatus.UNKNOWN)


async def test_a_registered_id_proves_arrival_and_is_no_refusal(host: Any, venue: IbkrVenue):
    text = "Order couldn't be submitted: Local order ID=one is already registered."
    for answer in ({"error": text}, httpx.Response(400, json={"error": text})):
        host.on(PLACE, answer)
        with pytest.raises(OutcomeUnknown, match="look it up") as caught:
            await place(venue, request())
        assert caught.value.client_order_id == "one"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(503, json={"error": "Service Unavailable"}),
        httpx.Response(500, json={"error": "unknown"}),
        httpx.Response(200, content=b"<html>"),
        httpx.Response(200, content=b""),
        httpx.Response(200, content=b'[{"order_id":'),
        httpx.ReadTimeout("late"),
    ],
)
async def test_a_lost_answer_is_an_unknown_outcome_with_the_id_to_look_for(host: Any, answer: Any, venue: IbkrVenue):
    host.on(PLACE, answer)
    with pytest.raises(OutcomeUnknown) as caught:
        await place(venue, request())
    assert caught.value.client_order_id == "one"
    assert len(host.calls) == 1


async def test_a_question_the_policy_accepts_is_confirmed_and_answered(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, [accepted()])
    answers = Answers()
    (report,) = await place(venue, request(), confirm=answers)
    (prompt,) = answers.prompts
    assert (prompt.prompt_id, prompt.hop, prompt.advised, prompt.message_ids) == ("q1", 1, True, ("o10153",))
    assert host.calls[-1].body == {"confirmed": True}
    assert report.venue_order_id == "1370093239"


async def test_the_answer_leaves_only_after_the_confirmation_has_returned(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, [accepted()])

    async def confirm(prompt: Prompt) -> bool:
        assert host.paths == [PLACE]
        return True

    await place(venue, request(), confirm=confirm)
    assert host.paths == [PLACE, REPLY]


async def test_an_unknown_question_is_declined_and_shown(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question(ids=("o99999",), text="Buy a yacht?")]).on(REPLY, {"error": "Order not confirmed "})
    with pytest.raises(ConfirmationRefused, match="yacht") as caught:
        await place(venue, request())
    assert caught.value.prompts == ("Buy a yacht?",)
    assert host.calls[-1].body == {"confirmed": False}


async def test_the_caller_decides_against_the_advice_too(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, {"error": "Order not confirmed "})
    with pytest.raises(ConfirmationRefused):
        await place(venue, request(), confirm=Answers(False))
    host.on(PLACE, [question(ids=("o99999",))]).on(REPLY, [accepted()])
    (report,) = await place(venue, request("two"), confirm=Answers(True))
    assert report.status is OrderStatus.WORKING


async def test_five_questions_in_a_row_are_answered(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()])
    host.on(REPLY, *[[question()] for _ in range(LAST_HOP - 1)], [accepted()])
    answers = Answers()
    await place(venue, request(), confirm=answers)
    assert [prompt.hop for prompt in answers.prompts] == [1, 2, 3, 4, 5]


async def test_the_sixth_question_is_put_on_record_and_declined_whatever_is_said(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()])
    host.on(REPLY, *[[question()] for _ in range(LAST_HOP)], {"error": "Order not confirmed "})
    answers = Answers(True)
    with pytest.raises(ConfirmationRefused):
        await place(venue, request(), confirm=answers)
    assert [prompt.advised for prompt in answers.prompts] == [True] * LAST_HOP + [False]
    assert [call.body["confirmed"] for call in host.seen(REPLY)] == [True] * LAST_HOP + [False]


async def test_a_confirmation_that_takes_too_long_is_a_no(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, {"error": "Order not confirmed "})

    async def slow(prompt: Prompt) -> bool:
        await host.clock.sleep(20)
        return True

    with pytest.raises(ConfirmationRefused, match="too late"):
        await place(venue, request(), confirm=slow)
    assert host.calls[-1].body == {"confirmed": False}


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "reply id not found: 'q1'"}),
        httpx.Response(200, json={"error": "reply id not found: 'q1'"}),
        httpx.Response(503, json={"error": "Service Unavailable"}),
        httpx.ReadTimeout("late"),
        httpx.ConnectError("gone"),
        httpx.Response(401, content=b""),
    ],
)
async def test_an_answer_that_got_lost_leaves_the_order_in_doubt(host: Any, answer: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, answer)
    with pytest.raises(OutcomeUnknown) as caught:
        await place(venue, request())
    assert caught.value.client_order_id == "one"


async def test_a_no_that_is_not_acknowledged_leaves_the_order_in_doubt(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question(ids=("o99999",))]).on(REPLY, [accepted()])
    with pytest.raises(OutcomeUnknown, match="did not acknowledge"):
        await place(venue, request())


async def test_a_refusal_after_yes_is_a_refusal(host: Any, venue: IbkrVenue):
    host.on(PLACE, [question()]).on(REPLY, {"error": "Insufficient funds"})
    with pytest.raises(Refused, match="Insufficient funds"):
        await place(venue, request())


async def test_an_accepted_sibling_is_not_lost_when_a_question_is_declined(host: Any, venue: IbkrVenue):
    host.on(PLACE, [accepted("1", local_order_id="first"), question(ids=("o99999",))])
    host.on(REPLY, {"error": "Order not confirmed "})
    first, second = await place(venue, request("first", group="g"), request("second", group="g"))
    assert (first.status, first.venue_order_id) == (OrderStatus.WORKING, "1")
    assert second.status is OrderStatus.REJECTED
    assert "not confirmed" in second.reason


async def test_questions_of_two_orders_do_not_interleave(host: Any, venue: IbkrVenue):
    import asyncio

    host.on(PLACE, [question()]).on(REPLY, [accepted()])

    async def slow(prompt: Prompt) -> bool:
        await host.clock.sleep(1)
        return True

    await asyncio.gather(place(venue, request("first"), confirm=slow), place(venue, request("second"), confirm=slow))
    assert host.paths == [PLACE, REPLY, PLACE, REPLY]


async def test_an_advanced_reject_is_cancelled_and_reported(host: Any, venue: IbkrVenue):
    reject = {
        "orderId": 1370093239,
        "reqId": "77",
        "dismissable": [],
        "text": "Exchange wants a word",
        "options": ["Transmit", "Cancel"],
        "type": "M",
        "messageId": "p99",
        "prompt": True,
    }
    host.on(PLACE, reject).on(CANCEL, {"msg": "Request was submitted", "order_id": 1370093239, "conid": -1})
    (report,) = await place(venue, request())
    assert (report.status, report.reason) == (OrderStatus.CANCEL_PENDING, "Exchange wants a word")
    assert report.venue_order_id == "1370093239"


async def test_the_price_algorithm_is_declined_where_that_is_offered(host: Any, venue: IbkrVenue):
    reject = {
        "orderId": 1370093239,
        "reqId": "77",
        "text": "Use the Price Management Algo?",
        "options": ["Use", "Do not use", "Always use"],
        "messageId": "p12",
        "prompt": True,
    }
    host.on(PLACE, reject).on("POST /iserver/notification", "Success")
    (report,) = await place(venue, request())
    assert host.calls[-1].body == {"orderId": 1370093239, "reqId": "77", "text": "Do not use"}
    assert report.status is OrderStatus.WORKING


async def test_a_change_is_the_whole_ticket_without_the_client_order_id(host: Any, venue: IbkrVenue):
    host.on(CHANGE, [accepted(status="Submitted")])
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    report = await venue.replace(order, request(price="600.02", size=12), Answers())
    assert host.calls[-1].body == {
        "acctId": "DU1234567",
        "conid": 756733,
        "orderType": "LMT",
        "side": "BUY",
        "quantity": 12,
        "tif": "DAY",
        "outsideRTH": False,
        "price": 600.02,
    }
    assert (report.status, report.size, report.client_order_id) == (OrderStatus.WORKING, 12, "one")


async def test_a_refused_change_is_a_refusal(host: Any, venue: IbkrVenue):
    host.on(CHANGE, {"error": "OrderID 1370093239 doesn't exist"})
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    with pytest.raises(Refused, match="doesn't exist"):
        await venue.replace(order, request(price="600.02"), Answers())


async def test_a_change_can_be_asked_about(host: Any, venue: IbkrVenue):
    host.on(CHANGE, [question(ids=("o10138",), text="The size modification exceeds the limit of 5.")])
    host.on(REPLY, {"error": "Order not confirmed "})
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    with pytest.raises(ConfirmationRefused):
        await venue.replace(order, request(size=100), Answers())


async def test_an_acknowledged_cancel_is_pending_and_not_done(host: Any, venue: IbkrVenue):
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    for conid, account in ((756733, "DU1234567"), (-1, None)):
        host.on(
            CANCEL,
            {"msg": "Request was submitted", "order_id": 1370093239, "conid": conid, "account": account},
        )
        report = await venue.withdraw(order)
        assert report.status is OrderStatus.CANCEL_PENDING


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, json={"error": "OrderID 1 doesn't exist"}),
        {"error": "Order is inactive"},
    ],
)
async def test_a_cancel_of_what_is_gone_is_refused(host: Any, answer: Any, venue: IbkrVenue):
    host.on(CANCEL, answer)
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    with pytest.raises(Refused, match=r"knows no order 1370093239, so|order 1370093239 is over at the venue, so"):
        await venue.withdraw(order)


async def test_a_change_of_a_filled_order_says_so_and_of_another_what_the_venue_says(host: Any, venue: IbkrVenue):
    order = Order(request=request(), venue_order_id=VenueOrderId("1370093239"), status=OrderStatus.WORKING)
    for answer, said in (
        ({"error": "Order is filled"}, "is over at the venue, so it can't be changed"),
        ([{"order_id": "-1", "order_status": "Failed", "text": "No."}], "which stays as it was: No"),
    ):
        host.on(CHANGE, answer)
        with pytest.raises(Refused, match=said):
            await venue.replace(order, request(price="600.02"), Answers())


async def test_a_cancel_without_the_venues_id_looks_it_up_first(host: Any, venue: IbkrVenue):
    row = {"orderId": 1370093239, "acct": ACCOUNT, "conid": 756733, "order_ref": "one", "status": "Submitted"}
    host.on("GET /iserver/account/orders", {"orders": [row], "snapshot": True})
    host.on(CANCEL, {"msg": "Request was submitted", "order_id": 1370093239, "conid": -1, "account": None})
    report = await venue.withdraw(Order(request=request(), status=OrderStatus.UNKNOWN))
    assert report.venue_order_id == "1370093239"


async def test_a_cancel_of_an_order_that_never_arrived_is_refused(host: Any, venue: IbkrVenue):
    host.on("GET /iserver/account/orders", {"orders": [], "snapshot": True}).on("GET /iserver/account/trades", [])
    with pytest.raises(Refused, match="not known to the venue"):
        await venue.withdraw(Order(request=request(), status=OrderStatus.UNKNOWN))


async def test_nothing_leaves_for_a_request_that_cannot_be_right(host: Any, venue: IbkrVenue):
    wrong: list[tuple[type[Exception], list[OrderRequest]]] = [
        (InvalidOrder, []),
        (InvalidOrder, [request(market_id=MarketId("SPY"))]),
        (InvalidOrder, [request("a"), request("b", account_id=AccountId("DU7654321"))]),
        (InvalidOrder, [request(account_id=AccountId(""))]),
        (InvalidOrder, [request("child", parent=ClientOrderId("nobody"))]),
        (InvalidOrder, [request("")]),
        (ConfigurationError, [request(account_id=AccountId("U1"))]),
    ]
    for error, group in wrong:
        with pytest.raises(error):
            await place(venue, *group)
    assert host.calls == []


async def test_a_market_order_reads_a_quote_first_unless_a_fresh_one_is_known(host: Any, venue: IbkrVenue):
    host.on(PLACE, [accepted()])
    host.on("GET /iserver/marketdata/snapshot", [{"conid": 756733, "84": "600", "86": "600.02", "6509": "RpB"}])
    await place(venue, request("one", price=None, order_type=OrderType.MARKET))
    await place(venue, request("two", price=None, order_type=OrderType.MARKET))
    assert len(host.seen("GET /iserver/marketdata/snapshot")) == 1
    await host.clock.sleep(6)
    await place(venue, request("three", price=None, order_type=OrderType.MARKET))
    assert len(host.seen("GET /iserver/marketdata/snapshot")) == 2


async def test_a_market_order_goes_out_although_no_quote_can_be_read(host: Any, venue: IbkrVenue):
    host.on(PLACE, [accepted()]).on("GET /iserver/marketdata/snapshot", httpx.Response(503, json={"error": "busy"}))
    (report,) = await place(venue, request(price=None, order_type=OrderType.MARKET))
    assert report.status is OrderStatus.WORKING


async def test_an_order_that_could_not_leave_is_surely_not_there(host: Any, venue: IbkrVenue):
    host.on(PLACE, httpx.ConnectError("refused"))
    with pytest.raises(VenueUnavailable):
        await place(venue, request())
