"""Every question of the simulated gateway, when it is asked, and the ways an answer can miss it."""

from typing import Any

import pytest

from exchanges.ibkr.simulator import Habits
from horizon.model import OrderStatus

SPY, QQQ, ES, ES_CALL, EURUSD, BTC = 756733, 320227571, 515416632, 515500001, 12087792, 479624278
ONE, TWO = "DU1234567", "DU7654321"
ORDERS = f"/iserver/account/{ONE}/orders"
MANUAL = {"manualIndicator": False, "extOperator": "robot"}


def order(**changes: object) -> dict[str, object]:
    return {"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"} | changes


def limit(price: float, **changes: object) -> dict[str, object]:
    return order(orderType="LMT", price=price, **changes)


async def asking(start_gateway: Any, *conids: int, **options: Any) -> Any:
    """A client of a gateway that asks, with data of these contracts open."""
    client = await start_gateway(**options)
    await client.prime()
    await client.get(f"/iserver/contract/{ES}/info")
    await client.watch(SPY, *conids)
    return client


async def send(client: Any, *tickets: dict[str, object], account: str = ONE) -> Any:
    return await client.post(f"/iserver/account/{account}/orders", {"orders": list(tickets)})


async def answer(client: Any, asked: Any, *, confirmed: bool = True) -> Any:
    return await client.ask("POST", f"/iserver/reply/{asked[0]['id']}", json={"confirmed": confirmed})


async def all_ids(client: Any, first: Any) -> list[str]:
    """The ids asked one after the other, all confirmed."""
    ids: list[str] = []
    while isinstance(first, list) and "messageIds" in first[0]:
        ids += first[0]["messageIds"]
        first = (await answer(client, first)).json()
    assert "order_id" in first[0], first
    return ids


# --- when each is asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticket", "asked"),
    [
        (order(orderType="TRAIL", side="SELL", trailingType="amt", trailingAmt=5), ["o10331", "o10152"]),
        (order(orderType="MIT", price=550.0), []),
        (order(orderType="MIT", price=700.0), ["o403"]),
        (order(orderType="LIT", price=601.0, auxPrice=700.0), ["o403"]),
        (order(orderType="MOC"), ["o10151"]),
        (order(orderType="MIDPRICE"), []),
        (order(conid=ES, **MANUAL), ["o451", "o10151"]),
        (limit(5960.0, conid=ES, **MANUAL), ["o382", "o451"]),
        (limit(10.0, conid=ES_CALL, **MANUAL), ["o354", "o10336"]),
        (limit(1.0, conid=EURUSD, quantity=1000), ["o382"]),
        (order(cashQty=2000, quantity=None), ["o10151", "o10164", "o10223"]),
        (order(conid=BTC, cashQty=100, quantity=None, tif="PAX"), ["o10151", "o10164", "o10223", "o10288", "o10332"]),
        (limit(599.0, customerAccount="C1"), ["o10334"]),
        (limit(599.0, allocationMethod="NetLiq"), ["p6"]),
    ],
)
async def test_each_question_has_its_occasion(start_gateway: Any, ticket: dict[str, object], asked: list[str]) -> None:
    client = await asking(start_gateway, ES, EURUSD, BTC)
    assert await all_ids(client, await send(client, ticket)) == asked


async def test_selling_more_than_is_held_is_asked_about(start_gateway: Any) -> None:
    client = await asking(start_gateway, QQQ)
    sale = limit(521.0, conid=QQQ, side="SELL", quantity=31)
    assert await all_ids(client, await send(client, sale, account=TWO)) == ["o2137"]
    assert await all_ids(client, await send(client, {**sale, "quantity": 30}, account=TWO)) == []


async def test_a_larger_size_by_a_change_is_asked_about_differently(start_gateway: Any) -> None:
    client = await asking(start_gateway, 4815)
    placed = await client.place(limit(16.6, conid=4815))
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    changed = await client.post(path, limit(16.6, conid=4815, quantity=600))
    assert await all_ids(client, changed) == ["o10138"]


async def test_the_same_order_moments_later_is_asked_about_where_that_is_the_habit(start_gateway: Any) -> None:
    client = await asking(start_gateway, habits=Habits(rapid_entry=3.0))
    assert await all_ids(client, await send(client, limit(599.0))) == []
    assert await all_ids(client, await send(client, limit(599.0))) == ["o10335"]
    await client.clock.advance(4)
    assert await all_ids(client, await send(client, limit(599.0))) == []


async def test_anything_can_be_asked_about_the_next_order(start_gateway: Any) -> None:
    client = await asking(start_gateway)
    client.gateway.ask_next("o10082", "This bond was called.")
    client.gateway.ask_next("o99999", "Nobody knows this question.")
    first = await send(client, limit(500.0))
    assert first[0]["message"] == ["This bond was called."]
    assert await all_ids(client, first) == ["o10082", "o99999", "o163"]
    assert await all_ids(client, await send(client, limit(599.0))) == []


async def test_a_chain_can_have_five_hops_or_one(start_gateway: Any) -> None:
    ticket = order(conid=BTC, cashQty=100, quantity=None, tif="PAX")
    client = await asking(start_gateway, BTC, habits=Habits(prompts_together=True))
    asked = await send(client, ticket)
    assert asked[0]["messageIds"] == ["o10151", "o10164", "o10223", "o10288", "o10332"]
    assert len(asked[0]["message"]) == 5
    assert (await answer(client, asked)).json()[0]["order_status"] == "PreSubmitted"


# --- how an answer can miss its question -----------------------------------------------------------------------------


async def test_an_answer_may_find_no_question_though_it_was_just_asked(start_gateway: Any) -> None:
    client = await asking(start_gateway)
    client.gateway.lose_replies()
    asked = await send(client, order(cOID="raced"))
    late = await answer(client, asked)
    assert (late.status_code, late.json()) == (400, {"error": f"reply id not found: '{asked[0]['id']}'"})
    record = client.gateway.ledger_of(ONE)
    assert record.orders == ()
    assert record.never_placed == ["raced"]


@pytest.mark.parametrize("control", ["expire_prompts", "restart_backend", "drop_session"])
async def test_a_question_does_not_outlive_what_it_hangs_on(start_gateway: Any, control: str) -> None:
    client = await asking(start_gateway)
    asked = await send(client, order())
    getattr(client.gateway, control)()
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.get("/iserver/accounts")
    assert (await answer(client, asked)).status_code == 400
    assert client.gateway.book(ONE).orders == []


async def test_a_question_lasts_as_long_as_is_the_habit(start_gateway: Any) -> None:
    client = await asking(start_gateway, habits=Habits(prompt_lasts=10.0))
    asked = await send(client, order())
    await client.clock.advance(11)
    assert (await answer(client, asked)).status_code == 400


async def test_an_order_that_was_declined_voided_or_refused_has_used_its_id_up(start_gateway: Any) -> None:
    client = await asking(start_gateway)
    registered = {"error": "Order couldn't be submitted: Local order ID=a is already registered."}
    asked = await send(client, order(cOID="a"))
    assert (await answer(client, asked, confirmed=False)).json() == {"error": "Order not confirmed "}
    assert await send(client, order(cOID="a")) == registered
    await send(client, order(cOID="b"))
    await send(client, order(cOID="c"))
    assert "already registered" in (await send(client, order(cOID="b")))["error"]
    await client.clock.advance(24 * 3600)
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.get("/iserver/accounts")
    assert "error" not in await send(client, order(cOID="a")), "a day later it is free again"
    assert client.gateway.ledger_of(ONE).received == {"a": 3, "b": 2, "c": 1}


@pytest.mark.parametrize(("burns", "left"), [(False, ["again"]), (True, [])])
async def test_an_id_that_was_refused_outright_is_used_up_only_by_habit(
    start_gateway: Any, burns: bool, left: list[str]
) -> None:
    client = await start_gateway(prompts=False, habits=Habits(burns_refused=burns, registered_status=400))
    await client.prime()
    assert "error" in await send(client, limit(1500.0, cOID="again"))
    second = await client.ask("POST", ORDERS, json={"orders": [limit(599.0, cOID="again")]})
    assert (second.status_code == 400) == burns
    assert [found.coid for found in client.gateway.ledger_of(ONE).orders] == left


# --- prompts of the server -------------------------------------------------------------------------------------------


async def test_a_server_prompt_in_the_answer_holds_the_order_until_it_is_answered(plain_client: Any) -> None:
    plain_client.gateway.hold_next_order(by="answer")
    prompt = await send(plain_client, order(cOID="held"))
    assert (prompt["messageId"], prompt["prompt"], prompt["type"]) == ("p12", True, "M")
    assert prompt["options"] == ["Use on this order", "Always use", "Do not use"]
    row = (await plain_client.get("/iserver/account/orders"))["orders"][0]
    assert (row["orderId"], row["status"]) == (prompt["orderId"], "WarnState")
    wrong = {"orderId": prompt["orderId"], "reqId": "1", "text": "Do not use"}
    assert await plain_client.post("/iserver/notification", wrong) == "Request was submitted"
    assert plain_client.gateway.book(ONE).orders[0].filled == 0
    await plain_client.post("/iserver/notification", {**wrong, "reqId": prompt["reqId"]})
    status = await plain_client.get(f"/iserver/account/order/status/{prompt['orderId']}")
    assert (status["order_status"], status["use_price_mgmt_algo"]) == ("Filled", False)


async def test_an_order_that_a_server_prompt_holds_can_be_cancelled_or_dies_unanswered(plain_client: Any) -> None:
    plain_client.gateway.hold_next_order()
    placed = await send(plain_client, order(cOID="held"))
    answered = await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/{placed[0]['order_id']}")
    assert answered.json()["conid"] == -1
    (found,) = plain_client.gateway.book(ONE).orders
    assert (found.status, found.filled) == (OrderStatus.CANCELED, 0)
    notice = plain_client.gateway.state.desk.notices.sent[-1]
    late = {"orderId": notice["orderId"], "reqId": notice["reqId"], "text": "Always use"}
    await plain_client.post("/iserver/notification", late)
    plain_client.gateway.hold_next_order()
    await send(plain_client, order(cOID="unanswered"))
    await plain_client.clock.advance(24 * 3600)
    plain_client.gateway.state.advance()
    assert plain_client.gateway.book(ONE).orders[0].status is OrderStatus.EXPIRED
    assert plain_client.gateway.book(ONE).positions == {}


async def test_a_preview_can_ask_instead_of_warning(start_gateway: Any) -> None:
    client = await asking(start_gateway, habits=Habits(warns_in_what_if=True))
    asked = await client.post(f"{ORDERS}/whatif", {"orders": [limit(500.0)]})
    assert asked[0]["messageIds"] == ["o163"]
    assert (await answer(client, asked)).json()["amount"]["commission"] == "1.00 USD"
    assert client.gateway.book(ONE).orders == []
