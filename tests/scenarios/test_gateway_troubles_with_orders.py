"""What can befall orders behind the simulated gateway, and what its lists, trades and own record say meanwhile."""

import asyncio
from decimal import Decimal
from typing import Any

import httpx
import pytest

from exchanges.ibkr.simulator import Habits
from horizon.errors import ConfigurationError
from horizon.model import OrderStatus
from horizon.simulation.faults import Fault, FaultPlan
from horizon.simulation.timed_events import Event

SPY, QQQ = 756733, 320227571
ONE, TWO = "DU1234567", "DU7654321"
ORDERS = f"/iserver/account/{ONE}/orders"


def limit(price: float, **changes: object) -> dict[str, object]:
    return {"conid": SPY, "orderType": "LMT", "side": "BUY", "quantity": 10, "tif": "DAY", "price": price} | changes


async def by_hand(start_gateway: Any, **options: Any) -> Any:
    """A client of a gateway whose orders trade only when told to."""
    client = await start_gateway(prompts=False, fills="by hand", **options)
    await client.prime()
    return client


async def rows(client: Any) -> list[dict[str, Any]]:
    return list((await client.get("/iserver/account/orders"))["orders"])


async def trades(client: Any, **params: object) -> list[dict[str, Any]]:
    return list(await client.get("/iserver/account/trades", **params))


async def held(client: Any) -> list[float]:
    await client.get(f"/portfolio/{ONE}/positions/0")
    return [row["position"] for row in await client.get(f"/portfolio/{ONE}/positions/0")]


# --- fills -----------------------------------------------------------------------------------------------------------


async def test_fills_by_hand_come_in_parts_at_any_price_and_nothing_else_fills(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    await client.place(limit(700.0, cOID="parts"))
    await client.clock.advance(60)
    assert client.gateway.book(ONE).executions == []
    client.gateway.fill("parts", 4, "599.50")
    (row,) = await rows(client)
    assert (row["status"], row["sizeAndFills"], row["avgPrice"]) == ("Submitted", "4/10", "599.5")
    client.gateway.fill("parts")
    book = client.gateway.book(ONE)
    assert [(e.size, e.price) for e in book.executions] == [(4, Decimal("599.50")), (6, 700)]
    assert book.positions == {SPY: Decimal(10)}
    with pytest.raises(ValueError, match="up to 0, found 1"):
        client.gateway.fill("parts", 1)
    with pytest.raises(LookupError, match="found 'nobody'"):
        client.gateway.fill("nobody")


async def test_a_cancelled_order_can_fill_and_an_order_can_fill_beyond_its_size(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    placed = await client.place(limit(590.0, cOID="c"))
    await client.ask("DELETE", f"/iserver/account/{ONE}/order/{placed[0]['order_id']}")
    await client.clock.advance(1)
    client.gateway.fill("c", 3)
    (row,) = await rows(client)
    assert (row["status"], row["filledQuantity"]) == ("Cancelled", 3.0)
    client.gateway.fill("c", 9, overfill=True)
    (row,) = await rows(client)
    assert (row["status"], row["filledQuantity"], row["totalSize"]) == ("Filled", 12.0, 10.0)
    (record,) = client.gateway.ledger_of(ONE).of("c")
    assert (record.executed, record.filled, record.size) == (12, 12, 10)
    assert client.gateway.book(ONE).positions == {SPY: Decimal(12)}


async def test_commissions_come_as_late_as_is_the_habit(start_gateway: Any) -> None:
    client = await by_hand(start_gateway, habits=Habits(commission_takes=90.0))
    await client.place(limit(590.0, cOID="f"))
    client.gateway.fill("f")
    await client.clock.advance(89)
    assert "commission" not in (await trades(client))[0]
    await client.clock.advance(1)
    assert (await trades(client))[0]["commission"] == "1.0"


@pytest.mark.parametrize(("keeps", "shown"), [(False, ["589.50"]), (True, ["589.50", "590.00"])])
async def test_a_correction_has_the_id_of_what_it_corrects_but_for_the_last_group(
    start_gateway: Any, keeps: bool, shown: list[str]
) -> None:
    client = await by_hand(start_gateway, habits=Habits(keeps_corrected_rows=keeps, commission_takes=0.0))
    await client.place(limit(590.0, cOID="f"))
    client.gateway.fill("f")
    (first,) = client.gateway.book(ONE).executions
    client.gateway.correct(first.execution_id, "589.50", commission="1.10")
    found = await trades(client)
    assert [row["price"] for row in found] == shown
    assert found[0]["execution_id"] == first.execution_id[:-2] + "02"
    assert found[0]["commission"] == "1.1"
    book = client.gateway.book(ONE)
    assert (book.cash, book.commissions) == (Decimal(100_000) - 5895 - Decimal("1.10"), Decimal("1.10"))
    assert [e.execution_id[-2:] for e in book.executions] == ["02"]
    with pytest.raises(ValueError, match="latest report"):
        client.gateway.correct(first.execution_id, 1)
    with pytest.raises(LookupError, match="found 'x'"):
        client.gateway.correct("x", 1)


async def test_a_report_can_come_twice_and_is_one_execution_all_the_same(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    await client.place(limit(590.0, cOID="f"))
    client.gateway.fill("f")
    (first,) = client.gateway.book(ONE).executions
    client.gateway.repeat_execution(first.execution_id)
    assert [row["execution_id"] for row in await trades(client)] == [first.execution_id] * 2
    assert len(client.gateway.book(ONE).executions) == 1
    assert client.gateway.book(ONE).positions == {SPY: Decimal(10)}


# --- what others do --------------------------------------------------------------------------------------------------


async def test_trades_from_elsewhere_have_a_reference_of_their_own_or_none(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    client.gateway.trade_elsewhere(ONE, SPY, 5, 600)
    client.gateway.trade_elsewhere(ONE, SPY, -2, 601, order_ref="tws")
    found = await trades(client)
    assert [(row["side"], row["size"], row.get("order_ref")) for row in found] == [("S", 2.0, "tws"), ("B", 5.0, None)]
    assert [row.get("order_ref") for row in await rows(client)] == ["tws", None]
    number = client.gateway.order_elsewhere(ONE, conid=SPY, side="SELL", quantity=3, order_type="LMT", price="700")
    assert (await rows(client))[0]["orderId"] == number
    record = client.gateway.ledger_of(ONE)
    assert [order.origin for order in record.orders] == ["elsewhere"] * 3
    assert record.received == {}
    assert record.positions == {SPY: Decimal(3)}
    assert "error" not in await client.place(limit(590.0, cOID="tws")), "the id is free: no request has brought it"


async def test_a_liquidation_closes_a_position_and_says_what_it_was(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    client.gateway.liquidate(TWO, QQQ, 20, "500")
    row = (await trades(client, accountId=TWO) or await trades(client, accountId=TWO))[0]
    assert (row["liquidation_trade"], row["side"], row["size"]) == ("1", "S", 20.0)
    assert "order_ref" not in row
    assert client.gateway.book(TWO).positions == {QQQ: Decimal(10)}
    with pytest.raises(ValueError, match="nothing to liquidate"):
        client.gateway.liquidate(ONE, QQQ)


async def test_the_exchange_can_refuse_an_order_it_had_taken(plain_client: Any) -> None:
    placed = await plain_client.place(limit(590.0, cOID="r"))
    plain_client.gateway.reject("r", "Order rejected: no shares available to borrow")
    (row,) = await rows(plain_client)
    assert (row["status"], row["remainingQuantity"]) == ("Inactive", 10.0)
    assert row["order_cancellation_by_system_reason"] == "Order rejected: no shares available to borrow"
    late = await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/{placed[0]['order_id']}")
    assert (late.status_code, late.json()) == (400, {"error": "Order is inactive"})


# --- memory ----------------------------------------------------------------------------------------------------------


async def sign_in_again(client: Any) -> None:
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.prime()


async def test_a_backend_that_forgets_the_day_leaves_orders_that_fill_and_appear_in_trades(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    placed = await client.place(limit(590.0, cOID="lost"))
    path = f"/iserver/account/{ONE}/order"
    client.gateway.restart_backend(forgets_orders=True)
    assert (await client.ask("GET", "/iserver/account/orders")).status_code == 400, "no bridge"
    await sign_in_again(client)
    assert await rows(client) == []
    number = placed[0]["order_id"]
    assert (await client.ask("GET", f"/iserver/account/order/status/{number}")).status_code == 503
    assert (await client.ask("DELETE", f"{path}/{number}")).json() == {"error": f"OrderID {number} doesn't exist"}
    assert "already registered" in (await client.place(limit(590.0, cOID="lost")))["error"]
    client.gateway.fill("lost")
    assert [row["order_ref"] for row in await trades(client)] == ["lost"]
    assert await rows(client) == []
    (record,) = client.gateway.ledger_of(ONE).of("lost")
    assert record.status is OrderStatus.FILLED
    client.gateway.remember_orders()
    assert [row["status"] for row in await rows(client)] == ["Filled"]


async def test_a_backend_that_keeps_the_day_has_cold_reads_again(start_gateway: Any) -> None:
    client = await by_hand(start_gateway)
    await client.place(limit(590.0, cOID="kept"))
    client.gateway.restart_backend()
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.get("/iserver/accounts")
    assert await client.get("/iserver/account/orders") == {"orders": [], "snapshot": False}
    assert [row["order_ref"] for row in await rows(client)] == ["kept"]


async def test_lists_can_be_old_by_habit_or_for_a_while(start_gateway: Any) -> None:
    client = await by_hand(start_gateway, habits=Habits(order_list_lag=5.0))
    assert await rows(client) == []
    await client.place(limit(590.0, cOID="new"))
    await client.clock.advance(4)
    assert await rows(client) == []
    await client.clock.advance(1)
    assert [row["order_ref"] for row in await rows(client)] == ["new"]
    client.gateway.stale_orders(30)
    client.gateway.fill("new")
    await client.clock.advance(29)
    assert [row["status"] for row in await rows(client)] == ["Submitted"]
    await client.clock.advance(1)
    assert [row["status"] for row in await rows(client)] == ["Filled"]


async def test_one_order_can_be_missing_from_the_lists(plain_client: Any) -> None:
    placed = await plain_client.place(limit(590.0, cOID="hidden"))
    plain_client.gateway.hide_order("hidden")
    assert await rows(plain_client) == []
    status = await plain_client.get(f"/iserver/account/order/status/{placed[0]['order_id']}")
    assert status["order_status"] == "Submitted"
    plain_client.gateway.show_order("hidden")
    assert len(await rows(plain_client)) == 1


async def test_rows_can_come_under_snapshot_false(start_gateway: Any) -> None:
    client = await by_hand(start_gateway, habits=Habits(lists_with_snapshot_false=True))
    await client.place(limit(590.0))
    answer = await client.get("/iserver/account/orders")
    assert (answer["snapshot"], len(answer["orders"])) == (False, 1)


async def test_positions_lag_behind_a_fill_until_they_are_invalidated(start_gateway: Any) -> None:
    client = await by_hand(start_gateway, habits=Habits(position_lag=120.0))
    await client.place(limit(590.0, cOID="a"))
    client.gateway.fill("a", 4)
    await client.clock.advance(60)
    client.gateway.fill("a", 6)
    assert await held(client) == []
    await client.clock.advance(61)
    assert await held(client) == [4.0], "the second fill is not two minutes old"
    uncached = await client.get(f"/portfolio2/{ONE}/positions")
    assert [row["position"] for row in uncached] == [10.0]
    await client.post(f"/portfolio/{ONE}/positions/invalidate")
    assert await held(client) == [10.0]


async def test_positions_can_stand_still_for_a_while(plain_client: Any) -> None:
    plain_client.gateway.stale_positions(300)
    await plain_client.place({**limit(700.0), "quantity": 1})
    assert await held(plain_client) == []
    await plain_client.clock.advance(301)
    assert await held(plain_client) == [1.0]


async def test_reads_can_be_cold_again(plain_client: Any) -> None:
    await plain_client.place(limit(590.0))
    assert len(await rows(plain_client)) == 1
    plain_client.gateway.cool_reads()
    assert await plain_client.get("/iserver/account/orders") == {"orders": [], "snapshot": False}


# --- at a point of the exchange --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
async def test_a_fault_can_set_something_off_before_or_after_the_request_has_acted(
    start_gateway: Any, when: Any, orders: int
) -> None:
    fault = Fault(match="POST */orders", action="pass", when=when, what="restart_backend")
    client = await start_gateway(prompts=False, faults=[fault])
    await client.prime()
    answer = await client.ask("POST", ORDERS, json={"orders": [limit(590.0)]})
    assert ("order_id" in answer.text) == (when == "after")
    assert len(client.gateway.book(ONE).orders) == orders
    assert (await client.ask("GET", "/iserver/account/orders")).status_code == 400


async def test_a_reset_in_the_middle_of_a_prompt_voids_it(start_gateway: Any) -> None:
    fault = Fault(match="POST */reply/*", action="drop", when="before", what="restart_backend")
    client = await start_gateway(faults=[fault])
    await client.prime()
    asked = await client.post(ORDERS, {"orders": [limit(590.0, cOID="reset")]})
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(f"/iserver/reply/{asked[0]['id']}", {"confirmed": True})
    await sign_in_again(client)
    late = await client.ask("POST", f"/iserver/reply/{asked[0]['id']}", json={"confirmed": True})
    assert late.status_code == 400
    assert client.gateway.ledger_of(ONE).never_placed == ["reset"]


async def test_two_answers_can_arrive_in_the_wrong_order(plain_client: Any) -> None:
    plain_client.gateway.faults.add(Fault(match="POST */orders", action="overtaken", when="after"))
    finished: list[str] = []

    async def send(coid: str) -> None:
        await plain_client.place(limit(590.0, cOID=coid))
        finished.append(coid)

    first = asyncio.create_task(send("first"))
    await plain_client.gateway.faults.wait_until_applied()
    await send("second")
    await first
    assert finished == ["second", "first"]
    assert [order.coid for order in plain_client.gateway.ledger_of(ONE).orders] == ["first", "second"]


async def test_an_answer_that_nothing_overtakes_comes_after_a_while(plain_client: Any) -> None:
    plain_client.gateway.faults.add(Fault(match="POST */orders", action="overtaken", when="after", seconds=2))
    sent = asyncio.create_task(plain_client.place(limit(590.0)))
    await plain_client.gateway.faults.wait_until_applied()
    waited = 0
    while not sent.done():
        await plain_client.clock.advance(1)
        waited += 1
    assert "order_id" in sent.result()[0]
    assert waited >= 2


async def test_a_duplicated_request_is_received_twice_and_placed_once(plain_client: Any) -> None:
    plain_client.gateway.faults.add(Fault(match="POST */orders", action="duplicate", when="after"))
    await plain_client.place(limit(590.0, cOID="twice"))
    record = plain_client.gateway.ledger_of(ONE)
    assert (len(record.of("twice")), record.repeated) == (1, {"twice": 2})


async def test_events_of_a_plan_befall_orders_too(start_gateway: Any) -> None:
    events = [Event(what="restart_backend_forgetting", after=10, seconds=20), Event(what="expire_prompts", after=1)]
    client = await start_gateway(prompts=False, faults=events)
    await client.prime()
    await client.place(limit(590.0))
    await client.clock.advance(11)
    await sign_in_again(client)
    assert await rows(client) == []
    await client.clock.advance(20)
    assert len(await rows(client)) == 1


@pytest.mark.parametrize(("what", "says"), [("explode", "expected one of"), ("stale_orders", "needs it, in seconds")])
async def test_a_fault_that_names_what_can_not_happen_is_refused(start_gateway: Any, what: str, says: str) -> None:
    fault = Fault(match="POST */orders", action="pass", what=what)
    with pytest.raises(ConfigurationError, match=says):
        await start_gateway(faults=[fault])
    client = await start_gateway()
    with pytest.raises(ConfigurationError, match=says):
        client.gateway.faults.add(fault)


def test_a_fault_that_does_nothing_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'pass' does nothing by itself"):
        Fault(match="* *", action="pass")


def test_faults_by_lot_depend_on_the_seed_and_the_requests_alone() -> None:
    among = [
        Fault(match="POST */orders", action="drop", when="after", times=1000),
        Fault(match="POST *", action="status", times=1000),
        Fault(match="GET *", action="html", times=2),
    ]
    requests = [("POST", "/orders"), ("GET", "/trades"), ("POST", "/reply/1")] * 200

    def drawn(seed: int) -> list[str]:
        plan = FaultPlan.drawn(among, seed=seed, share=0.25)
        struck = [plan.take(*request) for request in requests]
        return [fault.action if fault else "" for fault in struck]

    assert drawn(1) == drawn(1) != drawn(2)
    counted = {action: drawn(1).count(action) for action in ("drop", "status", "html")}
    assert counted["html"] == 2
    assert 10 < counted["drop"] < counted["status"] < 120
    with pytest.raises(ConfigurationError, match="share of requests above 0"):
        FaultPlan.drawn(among, seed=1, share=0)
