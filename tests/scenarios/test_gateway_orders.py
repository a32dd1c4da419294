"""Orders at the simulated gateway, as any client sees them on the wire."""

from decimal import Decimal
from typing import Any

import pytest

SPY, QQQ, IBM = 756733, 320227571, 8314
ONE, TWO = "DU1234567", "DU7654321"
ORDERS = f"/iserver/account/{ONE}/orders"


def order(**changes: object) -> dict[str, object]:
    """A day order to buy one SPY at the market."""
    return {"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"} | changes


def limit(price: float, **changes: object) -> dict[str, object]:
    return order(orderType="LMT", price=price, **changes)


async def market_price(client: Any) -> float:
    await client.watch(SPY)
    row = (await client.get("/iserver/marketdata/snapshot", conids=SPY, fields="84,86"))[0]
    return float(row["86"])


async def live(client: Any, **params: object) -> list[dict[str, Any]]:
    return list((await client.get("/iserver/account/orders", **params))["orders"])


async def only_order(client: Any) -> dict[str, Any]:
    found = await live(client)
    assert len(found) == 1
    return found[0]


# --- reads -----------------------------------------------------------------------------------------------------------


async def test_a_first_read_of_orders_and_trades_is_empty_whatever_is_there(start_gateway: Any) -> None:
    client = await start_gateway(prompts=False)
    await client.get("/iserver/accounts")
    await client.place(order(cOID="first"))
    assert await client.get("/iserver/account/orders") == {"orders": [], "snapshot": False}
    assert (await client.get("/iserver/account/orders"))["orders"][0]["order_ref"] == "first"
    assert await client.get("/iserver/account/trades") == []
    assert (await client.get("/iserver/account/trades"))[0]["order_ref"] == "first"


async def test_a_forced_read_is_empty_and_clears_the_filter(plain_client: Any) -> None:
    await plain_client.place(order())
    assert await live(plain_client, filters="submitted") == []
    assert await live(plain_client) == [], "a filter sticks"
    assert await plain_client.get("/iserver/account/orders", force="true") == {"orders": [], "snapshot": False}
    assert len(await live(plain_client)) == 1
    assert len(await live(plain_client, filters="filled,sort_by_time")) == 1


async def test_commission_comes_two_seconds_after_the_fill(plain_client: Any) -> None:
    await plain_client.place(order(quantity=300))
    assert "commission" not in (await plain_client.get("/iserver/account/trades"))[0]
    await plain_client.clock.advance(2)
    assert (await plain_client.get("/iserver/account/trades"))[0]["commission"] == "1.5"


async def test_orders_and_trades_show_the_selected_account_or_the_one_asked_for(plain_client: Any) -> None:
    await plain_client.place(order(cOID="mine"))
    assert [row["order_ref"] for row in await live(plain_client)] == ["mine"]
    await live(plain_client, accountId=TWO)
    assert [row["order_ref"] for row in await live(plain_client, accountId=TWO)] == ["placed-elsewhere"]
    assert await plain_client.post("/iserver/account", {"acctId": TWO}) == {"set": True, "acctId": TWO}
    assert [row["acct"] for row in await live(plain_client)] == [TWO]
    status = await plain_client.ask("GET", f"/iserver/account/order/status/{1}")
    assert status.status_code == 503
    assert (await plain_client.ask("POST", "/iserver/account", json={"acctId": "U0"})).status_code == 500
    assert (await plain_client.ask("POST", "/iserver/account", json={})).status_code == 400


async def test_the_second_account_has_a_position_and_money_of_its_own(plain_client: Any) -> None:
    rows = await plain_client.get(f"/portfolio/{TWO}/positions/0")
    assert [(row["acctId"], row["conid"], row["position"]) for row in rows] == [(TWO, QQQ, 30.0)]
    assert await plain_client.get(f"/portfolio/{ONE}/positions/0") == []
    assert (await plain_client.ask("GET", "/portfolio/U0000000/positions/0")).status_code == 400


async def test_yesterdays_dead_orders_are_not_listed_but_open_ones_are(plain_client: Any) -> None:
    await plain_client.place(order(cOID="filled"), account=ONE)
    await plain_client.place(limit(500.0, tif="GTC", cOID="resting"))
    await plain_client.clock.advance(24 * 3600)
    await plain_client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await plain_client.prime()
    assert [row["order_ref"] for row in await live(plain_client)] == ["resting"]


# --- questions -------------------------------------------------------------------------------------------------------


async def questions_of(client: Any, *tickets: dict[str, object]) -> list[str]:
    """The ids asked one after the other, all confirmed."""
    asked = []
    answer = await client.post(ORDERS, {"orders": list(tickets)})
    while isinstance(answer, list) and "messageIds" in answer[0]:
        asked += answer[0]["messageIds"]
        answer = await client.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
    assert "order_id" in answer[0]
    return asked


@pytest.mark.parametrize(
    ("ticket", "asked"),
    [
        (order(), ["o10151"]),
        (order(quantity=2000, conid=4815), ["o383", "o10151", "o10153"]),
        (limit(500.0), ["o163"]),
        (limit(599.0, quantity=170), ["o451"]),
        (order(orderType="STP", side="SELL", price=550.0), ["o10331"]),
        (order(orderType="STP", side="SELL", price=700.0), ["o10331", "o403"]),
        (order(orderType="STOP_LIMIT", side="SELL", price=400.0, auxPrice=550.0), ["o163", "o10331"]),
    ],
)
async def test_questions_have_their_real_triggers(
    start_gateway: Any, ticket: dict[str, object], asked: list[str]
) -> None:
    client = await start_gateway()
    await client.prime()
    await client.watch(SPY, 4815)
    assert await questions_of(client, ticket) == asked


async def test_an_order_without_market_data_is_asked_about_and_the_chain_goes_on(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    assert await questions_of(client, limit(500.0)) == ["o163", "o354"]
    await client.watch(SPY)
    assert await questions_of(client, limit(500.0)) == ["o163"]


async def test_a_question_names_the_order_and_the_constraint(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    await client.watch(SPY)
    asked = (await client.post(ORDERS, {"orders": [limit(500.0, quantity=5)]}))[0]
    assert asked["message"] == [
        'The following order "BUY 5 SPY ARCA @ 500.0" price exceeds \nthe Percentage constraint of 3%.'
        "\nAre you sure you want to submit this order?"
    ]
    assert (asked["isSuppressed"], asked["messageOptions"]) == (False, ["Yes", "No"])


async def test_a_no_ends_the_order(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    asked = await client.post(ORDERS, {"orders": [order()]})
    answer = await client.post(f"/iserver/reply/{asked[0]['id']}", {"confirmed": False})
    assert answer == {"error": "Order not confirmed "}
    assert await live(client) == []
    late = await client.ask("POST", f"/iserver/reply/{asked[0]['id']}", json={"confirmed": True})
    assert (late.status_code, late.json()) == (400, {"error": f"reply id not found: '{asked[0]['id']}'"})


async def test_another_order_voids_an_open_question(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    first = await client.post(ORDERS, {"orders": [order(cOID="void")]})
    second = await client.post(ORDERS, {"orders": [order(cOID="kept")]})
    late = await client.ask("POST", f"/iserver/reply/{first[0]['id']}", json={"confirmed": True})
    assert late.status_code == 400
    answer = second
    while "messageIds" in answer[0]:
        answer = await client.post(f"/iserver/reply/{answer[0]['id']}", {"confirmed": True})
    assert (await only_order(client))["order_ref"] == "kept"


async def test_a_question_expires(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    asked = await client.post(ORDERS, {"orders": [order()]})
    await client.clock.advance(121)
    assert (await client.ask("POST", f"/iserver/reply/{asked[0]['id']}", json={"confirmed": True})).status_code == 400


async def test_suppression_lasts_until_reset_or_the_next_brokerage_session(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.prime()
    await client.post("/iserver/questions/suppress", {"messageIds": ["o354", "o10151"]})
    assert await questions_of(client, order()) == []
    await client.post("/iserver/questions/suppress/reset")
    assert await questions_of(client, order()) == ["o354", "o10151"]
    await client.post("/iserver/questions/suppress", {"messageIds": ["o354", "o10151"]})
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.prime()
    assert await questions_of(client, order()) == ["o354", "o10151"]


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticket", "status", "text"),
    [
        ({"side": "BUY"}, 400, "conid or conidex is required"),
        (order(side="HOLD"), 400, "Invalid Side (must be 'BUY' or 'SELL')."),
        (order(orderType="STP_LMT"), 400, "Unknown order type"),
        (order(orderType="TRAIL"), 200, "Invalid order price fields"),
        (order(orderType="FOK"), 400, "Unknown order type"),
        (order(quantity="many"), 400, "orders request includes parameter with incorrect type"),
        (order(quantity="Infinity"), 400, "orders request includes parameter with incorrect type"),
        (order(quantity=0), 200, "Invalid order quantity"),
        (order(quantity=-1), 200, "Invalid order quantity"),
        (order(quantity=1.5), 200, "The size, 1.5, does not conform to the minimum variation of 1 for this contract."),
        (order(tif="GTD"), 200, "GTD time in force is not supported for this order"),
        ({k: v for k, v in order().items() if k != "tif"}, 200, "null time in force is not supported for this order"),
        (limit(590.001), 200, "Invalid order price fields"),
        (order(orderType="LMT"), 200, "Invalid order price fields"),
        (order(orderType="STOP_LIMIT", price=590.0), 200, "Invalid order price fields"),
        (order(conid=1), 200, "no sec defs returned forSecDef reqId="),
        (order(conid=38709152), 200, "No trading permissions."),
        (order(conid=860000001), 200, "No trading permissions."),
        (order(outsideRTH=True), 200, "invalid order attribute : Outside Regular Trading Hours"),
        (limit(1500.0), 200, "We cannot accept an order at the limit price you selected."),
        (order(quantity=1000), 200, "YOUR ORDER IS NOT ACCEPTED."),
        (order(cOID="x" * 65), 200, "Order couldn't be submitted: Local order ID="),
    ],
)
async def test_what_is_refused_and_in_which_words(
    plain_client: Any, ticket: dict[str, object], status: int, text: str
) -> None:
    answer = await plain_client.ask("POST", ORDERS, json={"orders": [ticket]})
    assert answer.status_code == status
    found = answer.json()["error"] if status == 200 else answer.text
    assert found.startswith(text)
    assert await live(plain_client) == []


async def test_a_body_that_is_not_json_is_a_400(plain_client: Any) -> None:
    answer = await plain_client.ask("POST", ORDERS, content=b"{")
    assert (answer.status_code, "Failed to parse body as JSON" in answer.text) == (400, True)
    assert (await plain_client.ask("POST", ORDERS, json={"order": []})).status_code == 400


async def test_a_bare_array_and_numbers_as_text_are_taken(plain_client: Any) -> None:
    answer = await plain_client.post(ORDERS, [order(conid=str(SPY), quantity="2", side="Buy")])
    assert answer[0]["order_id"].isdigit()
    assert plain_client.gateway.book(ONE).positions == {SPY: Decimal(2)}


async def test_a_local_order_id_is_good_once_in_a_day_even_if_its_order_died(plain_client: Any) -> None:
    first = await plain_client.place(limit(590.0, cOID="a"))
    assert first[0]["local_order_id"] == "a"
    refused = {"error": "Order couldn't be submitted: Local order ID=a is already registered."}
    assert await plain_client.place(limit(590.0, cOID="a")) == refused
    await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/{first[0]['order_id']}")
    await plain_client.clock.advance(1)
    assert (await only_order(plain_client))["status"] == "Cancelled"
    assert await plain_client.place(limit(590.0, cOID="a")) == refused
    other = await plain_client.place(limit(590.0, cOID="a"), account=TWO)
    assert other[0]["local_order_id"] == "a", "the id is per account"


# --- life of an order ------------------------------------------------------------------------------------------------


async def test_a_market_order_fills_at_the_ask_and_moves_cash_and_position(plain_client: Any) -> None:
    ask = Decimal(str(await market_price(plain_client)))
    placed = await plain_client.place(order(quantity=10))
    assert placed[0]["order_status"] == "PreSubmitted"
    row = await only_order(plain_client)
    assert (row["status"], row["timeInForce"], row["price"], row["sizeAndFills"]) == ("Filled", "CLOSE", "", "10")
    book = plain_client.gateway.book(ONE)
    assert book.positions == {SPY: Decimal(10)}
    assert book.cash == Decimal(100_000) - 10 * ask - 1
    status = await plain_client.get(f"/iserver/account/order/status/{placed[0]['order_id']}")
    assert (status["side"], status["size"], status["cum_fill"]) == ("B", "0.0", "10.0")


async def test_a_limit_order_rests_is_changed_and_fills_without_anyone_asking(plain_client: Any) -> None:
    ask = await market_price(plain_client)
    placed = await plain_client.place(limit(round(ask - 5, 2), cOID="r"))
    row = await only_order(plain_client)
    assert (row["status"], row["orderDesc"]) == ("Submitted", f"Buy 1 SPY Limit {ask - 5:.2f}, Day")
    changed = await plain_client.post(
        f"/iserver/account/{ONE}/order/{placed[0]['order_id']}", limit(round(ask + 1, 2), quantity=3)
    )
    assert changed[0]["order_id"] == placed[0]["order_id"]
    row = await only_order(plain_client)
    assert (row["status"], row["totalSize"], row["order_ref"]) == ("Filled", 3.0, "r")


async def test_a_refused_change_leaves_the_order_alive(plain_client: Any) -> None:
    placed = await plain_client.place(limit(590.0))
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    assert "error" in await plain_client.post(path, limit(590.001))
    assert "error" in await plain_client.post(path, limit(589.0, side="SELL"))
    assert ((await only_order(plain_client))["status"], (await only_order(plain_client))["price"]) == (
        "Submitted",
        "590.00",
    )
    unknown = await plain_client.ask("POST", f"/iserver/account/{ONE}/order/5", json=limit(590.0))
    assert (unknown.status_code, unknown.json()) == (400, {"error": "OrderID 5 doesn't exist"})


async def test_an_acknowledged_cancel_takes_a_moment_in_which_the_order_can_fill(plain_client: Any) -> None:
    placed = await plain_client.place(limit(590.0))
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    answer = (await plain_client.ask("DELETE", path)).json()
    assert answer == {
        "msg": "Request was submitted",
        "order_id": int(placed[0]["order_id"]),
        "conid": SPY,
        "account": ONE,
    }
    assert (await only_order(plain_client))["status"] == "PendingCancel"
    await plain_client.clock.advance(1)
    row = await only_order(plain_client)
    assert (row["status"], row["remainingQuantity"]) == ("Cancelled", 1.0)
    assert row["orderDesc"].startswith("Cancelled: Buy 1 SPY")
    again = await plain_client.ask("DELETE", path)
    assert (again.status_code, again.json()) == (400, {"error": "Order is inactive"})


async def test_an_order_that_is_not_at_the_exchange_is_cancelled_at_once(plain_client: Any) -> None:
    placed = await plain_client.place(order(orderType="STP", side="SELL", price=500.0))
    assert (await only_order(plain_client))["status"] == "PreSubmitted"
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    answer = (await plain_client.ask("DELETE", path)).json()
    assert (answer["conid"], answer["account"]) == (-1, None)
    assert (await only_order(plain_client))["status"] == "Cancelled"


async def test_cancelling_order_minus_one_ends_the_orders_of_that_account_only(plain_client: Any) -> None:
    await plain_client.place(limit(590.0))
    await plain_client.place(limit(591.0))
    await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/-1")
    await plain_client.clock.advance(1)
    assert {row["status"] for row in await live(plain_client)} == {"Cancelled"}
    assert plain_client.gateway.book(TWO).orders[0].is_open


async def test_an_order_larger_than_the_display_fills_in_parts(plain_client: Any) -> None:
    ask = await market_price(plain_client)
    row = (await plain_client.get("/iserver/marketdata/snapshot", conids=SPY, fields="85"))[0]
    shown = int(row["85"].replace(",", ""))
    cheap = {"conid": 4815, "quantity": 5000, "orderType": "LMT", "price": 20.0}
    placed = await plain_client.place(order(**cheap))
    first = await only_order(plain_client)
    assert 0 < first["filledQuantity"] < 5000
    assert first["status"] == "Submitted"
    assert first["sizeAndFills"] == f"{first['filledQuantity']:g}/5000"
    for _ in range(30):
        await plain_client.clock.advance(2)
    status = await plain_client.get(f"/iserver/account/order/status/{placed[0]['order_id']}")
    assert status["order_status"] == "Filled"
    executions = plain_client.gateway.book(ONE).executions
    assert len(executions) > 1
    assert sum(e.size for e in executions) == 5000
    assert sum(e.commission or 0 for e in executions) == Decimal("25.000")
    assert len({e.execution_id for e in executions}) == len(executions)
    assert ask > 0
    assert shown > 0


async def test_immediate_or_cancel_leaves_nothing_behind(plain_client: Any) -> None:
    await plain_client.place(limit(590.0, tif="IOC"))
    assert (await only_order(plain_client))["status"] == "Cancelled"


async def test_a_day_order_ends_with_its_session_and_says_so(plain_client: Any) -> None:
    await plain_client.place(limit(500.0))
    await plain_client.clock.advance(6.1 * 3600)
    await plain_client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await plain_client.prime()
    row = await only_order(plain_client)
    assert (row["status"], row["order_cancellation_by_system_reason"]) == (
        "Cancelled",
        "Cancelled by System: order expired",
    )
    placed = await plain_client.place(limit(700.0, cOID="night"))
    status = await plain_client.get(f"/iserver/account/order/status/{placed[0]['order_id']}")
    assert status["order_status"] == "PreSubmitted", "a day order outside of hours waits for the opening"
    await plain_client.clock.advance(18 * 3600)
    assert plain_client.gateway.book(ONE).positions == {SPY: Decimal(1)}


async def test_a_bracket_works_its_children_after_the_parent_and_one_ends_the_other(plain_client: Any) -> None:
    ask = await market_price(plain_client)
    answer = await plain_client.place(
        limit(round(ask + 1, 2), quantity=10, cOID="p"),
        limit(round(ask + 200, 2), side="SELL", quantity=10, parentId="p", tif="GTC"),
        order(orderType="STP", side="SELL", quantity=10, price=round(ask + 100, 2), parentId="p", tif="GTC"),
    )
    assert [row["local_order_id"] for row in answer] == ["p"], "a whole bracket is answered by its parent's row"
    await plain_client.clock.advance(2)
    by_type = {(row["orderType"], row["side"]): row["status"] for row in await live(plain_client)}
    assert by_type == {("Limit", "BUY"): "Filled", ("Limit", "SELL"): "Cancelled", ("Stop", "SELL"): "Filled"}
    assert plain_client.gateway.book(ONE).positions == {}


async def test_a_bracket_is_not_atomic(plain_client: Any) -> None:
    answer = await plain_client.place(
        limit(590.0, cOID="p"),
        limit(640.001, side="SELL", parentId="p"),
        limit(640.0, side="SELL", parentId="unknown"),
    )
    assert answer[0]["local_order_id"] == "p"
    assert [row["order_id"] for row in answer[1:]] == ["-1", "-1"]
    assert answer[1]["text"] == "Invalid order price fields"
    assert answer[2]["text"] == "Order couldn't be submitted: Parent order ID=unknown isn't recognized."
    assert (await only_order(plain_client))["status"] == "Submitted", "the parent lives without its children"


async def test_whatif_changes_nothing_and_answers_in_text(plain_client: Any) -> None:
    answer = await plain_client.post(f"{ORDERS}/whatif", {"orders": [limit(590.0, quantity=10)]})
    assert answer["amount"] == {
        "amount": "5,900.00 USD (10 Shares)",
        "commission": "1.00 USD",
        "total": "5,901.00 USD",
    }
    assert answer["error"] is None
    assert await live(plain_client) == []


async def test_a_short_sale_costs_margin_and_pays_cash(plain_client: Any) -> None:
    await plain_client.place(order(conid=IBM, side="SELL", quantity=10))
    book = plain_client.gateway.book(ONE)
    assert book.positions == {IBM: Decimal(-10)}
    assert book.cash > Decimal(100_000)
    rows = await plain_client.get(f"/portfolio/{ONE}/positions/0")
    assert rows[0]["position"] == -10.0
    assert rows[0]["mktValue"] < 0
