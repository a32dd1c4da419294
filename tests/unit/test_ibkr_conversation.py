"""Who answers the venue's questions, how long that may take, and what waits meanwhile."""

import asyncio
from typing import Any

import httpx
import pytest

from exchanges.ibkr.confirmations import Answer, Decide, Policy
from exchanges.ibkr.venue import IbkrVenue
from exchanges.ibkr.wire.orders import PlaceRow
from horizon.errors import ConfirmationRefused, InvalidOrder, OutcomeUnknown
from horizon.model import (
    AccountId,
    ClientOrderId,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    VenueOrderId,
)
from horizon.ports import Prompt

ACCOUNT = AccountId("DU1234567")
PLACE = f"POST /iserver/account/{ACCOUNT}/orders"
CANCEL = f"DELETE /iserver/account/{ACCOUNT}/order/7"
REPLY = "POST /iserver/reply/q1"
NOTIFY = "POST /iserver/notification"
CAP = "Confirm Mandatory Cap Price: IB may set a cap (for a buy order) or floor (for a sell order)."
DECLINED = {"error": "Order not confirmed "}
TAKEN = [{"order_id": "7", "order_status": "Submitted"}]


def request(name: str = "one") -> OrderRequest:
    return OrderRequest(
        market_id=MarketId("756733"),
        order_side=OrderSide.BUY,
        size=10,  # type: ignore[arg-type]
        price="600",  # type: ignore[arg-type]
        client_order_id=ClientOrderId(name),
        account_id=ACCOUNT,
        exchange="ibkr",
    )


def question(*ids: str, text: str = CAP) -> dict[str, Any]:
    return {"id": "q1", "message": [text], "isSuppressed": False, "messageIds": list(ids or ("o10153",))}


def with_options(*options: str, message_id: str = "p99") -> dict[str, Any]:
    return {
        "orderId": 7,
        "reqId": "77",
        "dismissable": [],
        "text": "The exchange wants a word",
        "options": list(options),
        "type": "M",
        "messageId": message_id,
        "prompt": True,
    }


class Record:
    """Confirms as advised and keeps what was put on record."""

    def __init__(self) -> None:
        self.prompts: list[Prompt] = []

    async def __call__(self, prompt: Prompt) -> bool:
        self.prompts.append(prompt)
        return prompt.advised


def venue_of(host: Any, decide: Decide | None = None) -> IbkrVenue:
    return IbkrVenue(host.client, host.session, host.clock, policy=Policy(decide=decide))


async def place(venue: IbkrVenue, record: Record, name: str = "one") -> OrderReport:
    (report,) = await venue.place([request(name)], record)
    return report


def saying(answer: Answer) -> Decide:
    return lambda prompt: answer


@pytest.mark.parametrize("answer", [True, "Yes"])
async def test_a_users_own_function_says_yes_to_what_the_table_refuses(host: Any, answer: Answer):
    host.on(PLACE, [question("o99999", text="Buy a yacht?")]).on(REPLY, TAKEN)
    record = Record()
    report = await place(venue_of(host, saying(answer)), record)
    assert report.status is OrderStatus.WORKING
    (prompt,) = record.prompts
    assert prompt.advised
    assert prompt.messages == ("Buy a yacht?",)
    assert prompt.advice == "your own function said yes (the table: o99999 is not a known message id)"


@pytest.mark.parametrize("answer", [False, "No", "perhaps"])
async def test_a_users_own_function_says_no_to_what_the_table_accepts(host: Any, answer: Answer):
    host.on(PLACE, [question()]).on(REPLY, DECLINED)
    record = Record()
    with pytest.raises(ConfirmationRefused, match="your own function said no"):
        await place(venue_of(host, saying(answer)), record)
    assert [prompt.advised for prompt in record.prompts] == [False]
    assert host.calls[-1].body == {"confirmed": False}


async def test_none_leaves_it_to_the_table(host: Any):
    host.on(PLACE, [question()]).on(REPLY, TAKEN)
    record = Record()
    await place(venue_of(host, saying(None)), record)
    assert record.prompts[0].advice.startswith("o10153 (mandatory cap price)")


async def test_a_function_that_waits_is_waited_for(host: Any):
    host.on(PLACE, [question("o99999")]).on(REPLY, TAKEN)

    async def decide(prompt: Prompt) -> bool:
        assert not prompt.advised
        await host.clock.sleep(10)
        return True

    assert (await place(venue_of(host, decide), Record())).status is OrderStatus.WORKING


async def test_a_function_that_takes_over_fifteen_seconds_has_said_no(host: Any):
    host.on(PLACE, [question()]).on(REPLY, DECLINED)
    ended = []

    async def decide(prompt: Prompt) -> bool:
        try:
            await host.clock.sleep(20)
        finally:
            ended.append(True)
        return True

    record = Record()
    with pytest.raises(ConfirmationRefused, match="did not answer within 15 s"):
        await place(venue_of(host, decide), record)
    assert ended == [True]
    assert [prompt.advised for prompt in record.prompts] == [False]


async def test_a_function_that_fails_has_said_no_with_its_error_on_record(host: Any):
    host.on(PLACE, [question()]).on(REPLY, DECLINED)

    def decide(prompt: Prompt) -> bool:
        raise KeyError("limits")

    with pytest.raises(ConfirmationRefused, match=r"your own function failed \(KeyError"):
        await place(venue_of(host, decide), Record())
    assert host.calls[-1].body == {"confirmed": False}


@pytest.mark.parametrize("lost", [httpx.ReadTimeout("late"), httpx.Response(503, json={"error": "x"})])
async def test_a_no_that_gets_lost_is_in_doubt(host: Any, lost: Any):
    host.on(PLACE, [question()]).on(REPLY, lost)
    with pytest.raises(OutcomeUnknown) as caught:
        await place(venue_of(host, saying(False)), Record())
    assert caught.value.client_order_id == "one"


async def test_several_messages_in_one_prompt_are_all_shown_and_one_unknown_is_a_no(host: Any):
    both = {**question("o10153", "o99999"), "message": [CAP, "Buy a yacht?"]}
    host.on(PLACE, [both]).on(REPLY, DECLINED)
    record = Record()
    with pytest.raises(ConfirmationRefused, match="yacht") as caught:
        await place(venue_of(host), record)
    assert caught.value.prompts == (CAP, "Buy a yacht?")
    assert record.prompts[0].messages == (CAP, "Buy a yacht?")


async def test_a_cancel_waits_until_no_question_is_open(host: Any):
    host.on(PLACE, [question()]).on(REPLY, TAKEN)
    host.on(CANCEL, {"msg": "Request was submitted", "order_id": 7, "conid": 756733, "account": ACCOUNT})
    asked = asyncio.Event()

    async def decide(prompt: Prompt) -> bool:
        asked.set()
        await host.clock.sleep(5)
        return True

    venue = venue_of(host, decide)
    resting = Order(request=request("resting"), status=OrderStatus.WORKING, venue_order_id=VenueOrderId("7"))
    placing = asyncio.create_task(place(venue, Record()))
    await asked.wait()
    await venue.withdraw(resting)
    await placing
    assert host.paths == [PLACE, REPLY, CANCEL]


async def test_whoever_stops_trading_answers_no_at_once_and_nothing_that_waits_is_sent(host: Any):
    host.on(PLACE, [question()]).on(REPLY, DECLINED)
    host.on(CANCEL, {"msg": "Request was submitted", "order_id": 7, "conid": 756733, "account": ACCOUNT})
    asked = asyncio.Event()

    async def decide(prompt: Prompt) -> bool:
        asked.set()
        await asyncio.Event().wait()
        return True

    venue, record = venue_of(host, decide), Record()
    before = host.clock.monotonic()
    placing = asyncio.create_task(place(venue, record, "asked"))
    await asked.wait()
    waiting = asyncio.create_task(place(venue, record, "waiting"))
    await asyncio.sleep(0)
    await venue.refuse_open_prompt()
    assert host.clock.monotonic() - before < 1
    resting = Order(request=request("resting"), status=OrderStatus.WORKING, venue_order_id=VenueOrderId("7"))
    await venue.withdraw(resting)
    with pytest.raises(ConfirmationRefused, match="trading was stopped"):
        await placing
    with pytest.raises(InvalidOrder, match="nothing was sent"):
        await waiting
    assert host.paths == [PLACE, REPLY, CANCEL]
    assert host.seen(REPLY)[0].body == {"confirmed": False}
    assert [(prompt.client_order_id, prompt.advised) for prompt in record.prompts] == [("asked", False)]


async def test_with_nothing_open_stopping_returns_at_once_and_later_orders_are_asked_about_again(host: Any):
    host.on(PLACE, [question()]).on(REPLY, TAKEN)
    venue = venue_of(host)
    await venue.refuse_open_prompt()
    assert (await place(venue, Record())).status is OrderStatus.WORKING


async def test_a_yes_that_is_on_its_way_when_trading_is_stopped_is_a_no(host: Any):
    host.on(PLACE, [question()]).on(REPLY, DECLINED)
    venue, stopping = venue_of(host), []

    async def confirm(prompt: Prompt) -> bool:
        stopping.append(asyncio.create_task(venue.refuse_open_prompt()))
        await asyncio.sleep(0)
        return True

    with pytest.raises(ConfirmationRefused):
        await venue.place([request()], confirm)
    assert host.calls[-1].body == {"confirmed": False}
    await asyncio.gather(*stopping)


@pytest.mark.parametrize(
    "taken",
    ["Success", "Request was submitted", httpx.Response(200, text="Request was submitted")],
)
async def test_the_venue_takes_an_option_in_bare_text_as_well_as_in_json(host: Any, taken: Any):
    host.on(PLACE, with_options("Use", "Do not use", "Always use", message_id="p12")).on(NOTIFY, taken)
    record = Record()
    report = await place(venue_of(host), record)
    assert host.calls[-1].body == {"orderId": 7, "reqId": "77", "text": "Do not use"}
    assert report.status is OrderStatus.WORKING
    (prompt,) = record.prompts
    assert (prompt.message_ids, prompt.options) == (("p12",), ("Use", "Do not use", "Always use"))
    assert prompt.advice == "chosen: Do not use"


async def test_an_option_whose_answer_gets_lost_leaves_the_order_in_doubt(host: Any):
    host.on(PLACE, with_options("Use", "Do not use", message_id="p12")).on(NOTIFY, httpx.ReadTimeout("late"))
    with pytest.raises(OutcomeUnknown):
        await place(venue_of(host), Record())


async def test_a_users_own_function_chooses_an_option(host: Any):
    host.on(PLACE, with_options("Transmit", "Cancel")).on(NOTIFY, "Success")
    report = await place(venue_of(host, saying("Transmit")), Record())
    assert host.calls[-1].body["text"] == "Transmit"
    assert report.status is OrderStatus.WORKING


@pytest.mark.parametrize("answer", [None, False, True, "Something else"])
async def test_without_an_option_of_its_list_the_order_is_cancelled_and_reported(host: Any, answer: Answer):
    host.on(PLACE, with_options("Transmit", "Cancel"))
    host.on(CANCEL, {"msg": "Request was submitted", "order_id": 7, "conid": -1, "account": None})
    record = Record()
    report = await place(venue_of(host, saying(answer)), record)
    assert report.status is OrderStatus.CANCEL_PENDING
    assert report.reason == "The exchange wants a word"
    assert [prompt.advised for prompt in record.prompts] == [False]


async def test_a_prompt_that_comes_as_a_notification_is_answered_by_the_same_policy(host: Any):
    host.on(NOTIFY, "Success")
    row = PlaceRow(orderId=7, reqId="77", text="Use the algorithm?", options=["Use", "Do not use"], messageId="p12")
    record = Record()
    report = await venue_of(host).answer_notification(row, ClientOrderId("one"), ACCOUNT, record)
    assert host.paths == [NOTIFY]
    assert (report.status, report.venue_order_id, report.client_order_id) == (OrderStatus.WORKING, "7", "one")
    assert len(record.prompts) == 1
