"""Every kind of order at the simulated gateway, on the wire: what is taken, how it is shown, what is refused."""

from decimal import Decimal
from typing import Any

import pytest

from exchanges.ibkr.simulator import Habits
from horizon.errors import ConfigurationError
from horizon.model import OrderStatus

SPY, BBVA = 756733, 4815
ES, ES_EXPIRED, ES_CALL, EURUSD, BTC = 515416632, 495512552, 515500001, 12087792, 479624278
ONE = "DU1234567"
ORDERS = f"/iserver/account/{ONE}/orders"
MANUAL = {"manualIndicator": False, "extOperator": "robot"}


def order(**changes: object) -> dict[str, object]:
    """A day order to buy one SPY at the market."""
    return {"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"} | changes


def limit(price: float, **changes: object) -> dict[str, object]:
    return order(orderType="LMT", price=price, **changes)


def future(**changes: object) -> dict[str, object]:
    return order(conid=ES, **{**MANUAL, **changes})


async def rows(client: Any) -> list[dict[str, Any]]:
    return list((await client.get("/iserver/account/orders"))["orders"])


async def only_row(client: Any) -> dict[str, Any]:
    (row,) = await rows(client)
    return row


async def touch(client: Any, conid: int = SPY) -> tuple[float, float]:
    await client.watch(conid)
    row = (await client.get("/iserver/marketdata/snapshot", conids=conid, fields="84,86"))[0]
    return float(row["84"]), float(row["86"])


# --- what is taken, and how it is shown ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ticket", "shown"),
    [
        (order(orderType="MIDPRICE", price=500.0), ("MidPrice", "MIDPRICE", "500.00", "Submitted")),
        (order(orderType="MIDPRICE"), ("MidPrice", "MIDPRICE", "", "Submitted")),
        (
            order(orderType="TRAIL", side="SELL", trailingType="amt", trailingAmt=20),
            ("Trailing Stop", "TRAILING_STOP", "", "PreSubmitted"),
        ),
        (
            order(orderType="TRAIL", side="SELL", trailingType="%", trailingAmt=5, price=550.0),
            ("Trailing Stop", "TRAILING_STOP", "550.00", "PreSubmitted"),
        ),
        (
            order(orderType="TRAILLMT", side="SELL", trailingType="amt", trailingAmt=20, price=549.0, auxPrice=550.0),
            ("Trailing Stop Limit", "TRAILING_STOP_LIMIT", "549.00", "PreSubmitted"),
        ),
        (order(orderType="MOC"), ("Market on Close", "MARKETONCLOSE", "", "PreSubmitted")),
        (order(orderType="LOC", price=500.0), ("Limit on Close", "LIMITONCLOSE", "500.00", "PreSubmitted")),
        (order(orderType="MIT", price=550.0), ("Market if Touched", "MIT", "550.00", "PreSubmitted")),
        (order(orderType="LIT", price=551.0, auxPrice=550.0), ("Limit if Touched", "LIT", "551.00", "PreSubmitted")),
        (order(orderType="REL", price=500.0), ("Relative", "RELATIVE", "500.00", "Submitted")),
        (limit(500.0, tif="OPG"), ("Limit", "LIMIT", "500.00", "PreSubmitted")),
        (limit(500.0, tif="OVT"), ("Limit", "LIMIT", "500.00", "PreSubmitted")),
        (limit(500.0, tif="OND"), ("Limit", "LIMIT", "500.00", "Submitted")),
        (limit(500.0, outsideRTH=True), ("Limit", "LIMIT", "500.00", "Submitted")),
        (limit(500.0, allOrNone=True), ("Limit", "LIMIT", "500.00", "Submitted")),
    ],
)
async def test_each_kind_of_order_is_taken_and_shown(
    plain_client: Any, ticket: dict[str, object], shown: tuple[str, str, str, str]
) -> None:
    placed = await plain_client.place(ticket)
    row = await only_row(plain_client)
    assert (row["orderType"], row["origOrderType"], row["price"], row["status"]) == shown
    assert (row["timeInForce"], row["side"]) == (ticket["tif"], ticket["side"])
    status = await plain_client.get(f"/iserver/account/order/status/{placed[0]['order_id']}")
    assert (status["order_type"], status["order_status"], status["size"]) == (shown[1], shown[3], "1.0")


async def test_a_market_on_close_order_fills_with_the_closing_quote(plain_client: Any) -> None:
    closes = plain_client.gateway.state.tape.sessions[1].closes
    await plain_client.place(order(orderType="MOC", quantity=3))
    await plain_client.clock.advance((closes - plain_client.clock.now()) / 1e9 + 20)
    (execution,) = plain_client.gateway.book(ONE).executions
    quote = plain_client.gateway.state.tape.touch(SPY, closes - 1)
    assert (execution.size, float(execution.price)) == (Decimal(3), quote.ask)


@pytest.mark.parametrize(
    ("ticket", "filled_at"),
    [
        (limit(700.0, outsideRTH=True), "after"),
        (limit(700.0, tif="OND"), "after"),
        (limit(700.0, tif="OVT"), "after"),
        (limit(700.0), "morning"),
        (limit(700.0, tif="OPG"), "morning"),
    ],
)
async def test_only_orders_for_it_trade_in_extended_hours(
    start_gateway: Any, ticket: dict[str, object], filled_at: str
) -> None:
    client = await start_gateway(prompts=False, extended_hours=True)
    await client.prime()
    closes = client.gateway.state.tape.sessions[1].closes
    await client.clock.advance((closes - client.clock.now()) / 1e9 + 60)
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.prime()
    assert (await touch(client))[1] > 0, "quoted after the close"
    await client.place(ticket)
    assert (await only_row(client))["status"] == ("Filled" if filled_at == "after" else "PreSubmitted")
    await client.clock.advance(18 * 3600)
    client.gateway.state.advance()
    assert client.gateway.book(ONE).positions == {SPY: Decimal(1)}
    day = list((await client.get("/contract/trading-schedule", conid=SPY))["schedules"].values())[1]
    liquid, extended = day["liquid_hours"][0], day["extended_hours"][0]
    assert (liquid["opening"] - extended["opening"], extended["closing"] - liquid["closing"]) == (5.5 * 3600, 4 * 3600)


async def test_a_trailing_stop_follows_the_market_and_sells_below_it(plain_client: Any) -> None:
    await plain_client.place(order(quantity=10))
    await plain_client.place(order(orderType="TRAIL", side="SELL", quantity=10, trailingType="amt", trailingAmt=0.05))
    for _ in range(120):
        await plain_client.clock.advance(1)
    book = plain_client.gateway.book(ONE)
    assert book.positions == {}
    assert [found.status for found in book.orders] == [OrderStatus.FILLED, OrderStatus.FILLED]


async def test_direct_routing_needs_conidex_without_conid(plain_client: Any) -> None:
    await plain_client.place({**limit(500.0), "conidex": f"{SPY}@ARCA"})
    assert (await only_row(plain_client))["conidex"] == str(SPY), "a conid forces SMART"
    direct = limit(500.0, conidex=f"{SPY}@NASDAQ", cOID="direct")
    del direct["conid"]
    await plain_client.place(direct)
    row = next(row for row in await rows(plain_client) if row.get("order_ref") == "direct")
    assert (row["conidex"], row["exchange"]) == (f"{SPY}@NASDAQ", "NASDAQ")
    market = {**order(conidex=f"{SPY}@IEX", cOID="market")}
    del market["conid"]
    await plain_client.place(market)
    assert (await plain_client.get("/iserver/account/trades"))[0]["exchange"] == "IEX"


async def test_a_cash_quantity_buys_whole_shares_and_fractions_of_a_coin(plain_client: Any) -> None:
    _, ask = await touch(plain_client)
    by_cash = {k: v for k, v in order(cashQty=1500, cOID="shares").items() if k != "quantity"}
    await plain_client.place(by_cash)
    row = await only_row(plain_client)
    assert (row["totalSize"], row["totalCashSize"]) == (float(1500 // ask), 1500.0)
    await plain_client.place({**by_cash, "conid": BTC, "tif": "PAX", "cashQty": 100, "cOID": "coins"})
    held = plain_client.gateway.book(ONE).positions
    assert 0 < held[BTC] < 1
    assert held[BTC] % Decimal("0.00000001") == 0
    too_little = await plain_client.place({**by_cash, "cashQty": 5, "cOID": "less"})
    assert too_little == {"error": "Invalid order quantity"}


async def test_a_currency_conversion_leaves_money_and_no_position(plain_client: Any) -> None:
    ticket = order(conid=EURUSD, fxQty=2400, isCcyConv=True, quantity=None)
    await plain_client.place(ticket)
    row = await only_row(plain_client)
    assert (row["status"], row["sizeAndFills"], row["totalCashSize"]) == ("Filled", "2,400 USD", 2400.0)
    book, ledger = plain_client.gateway.book(ONE), plain_client.gateway.state.accounts[ONE].ledger
    assert book.positions == {}
    assert 2000 < ledger.currencies["EUR"] < 2400
    assert abs(book.cash - Decimal(100_000 - 2402)) < 1
    assert abs(plain_client.gateway.state.value(ONE).equity - Decimal(99_998)) < 1
    await plain_client.get(f"/portfolio/{ONE}/ledger")
    by_currency = await plain_client.get(f"/portfolio/{ONE}/ledger")
    euros = by_currency["EUR"]
    assert (euros["cashbalance"], euros["stockmarketvalue"]) == (round(float(ledger.currencies["EUR"]), 2), 0.0)
    total = by_currency["USD"]["cashbalance"] + euros["cashbalance"] * euros["exchangerate"]
    assert abs(by_currency["BASE"]["cashbalance"] - total) < 0.02
    summary = await plain_client.get(f"/iserver/account/{ONE}/summary")
    assert [row["currency"] for row in summary["cashBalances"]] == ["USD", "EUR"]


async def test_a_future_costs_only_its_commission_until_it_is_closed(plain_client: Any) -> None:
    await plain_client.get(f"/iserver/contract/{ES}/info")
    bid, ask = await touch(plain_client, ES)
    assert ask - bid == 0.25
    await plain_client.place(future())
    assert plain_client.gateway.book(ONE).cash == Decimal("99997.75")
    await plain_client.clock.advance(60)
    await plain_client.place(future(side="SELL"))
    bought, sold = plain_client.gateway.book(ONE).executions
    book = plain_client.gateway.book(ONE)
    assert book.cash == 100_000 - Decimal("4.50") + 50 * (sold.price - bought.price)
    assert book.positions == {}


async def test_the_rules_of_a_contract_say_what_it_can_be_ordered_with(plain_client: Any) -> None:
    stock = await plain_client.post("/iserver/contract/rules", {"conid": SPY})
    assert {"midprice", "trailing_stop_limit", "marketonclose", "lit"} <= set(stock["orderTypes"])
    assert stock["tifTypes"] == ["DAY/o,a", "GTC/o,a", *stock["tifTypes"][2:]]
    assert "OPG/LIMIT,MARKET,a" in stock["tifTypes"]
    assert (stock["algoEligible"], stock["overnightEligible"]) == (True, True)
    es = await plain_client.post("/iserver/contract/rules", {"conid": ES})
    assert (es["increment"], es["algoEligible"]) == (0.25, False)
    call = next(c for c in plain_client.gateway.state.catalogue if c.sec_type == "OPT" and not c.is_event)
    option = await plain_client.post("/iserver/contract/rules", {"conid": call.conid})
    assert option["incrementRules"] == [{"lowerEdge": 0.0, "increment": 0.01}, {"lowerEdge": 3.0, "increment": 0.05}]


async def test_futures_are_found_and_the_expired_one_is_not(plain_client: Any) -> None:
    found = await plain_client.get("/trsrv/futures", symbols="ES")
    assert [row["conid"] for row in found["ES"]] == [ES]
    info = await plain_client.get(f"/iserver/contract/{ES}/info")
    assert (info["instrument_type"], info["multiplier"], info["exchange"]) == ("FUT", "50", "CME")
    assert info["local_symbol"] == "ESZ3"


async def test_algos_are_listed_and_taken_by_name(plain_client: Any) -> None:
    found = await plain_client.get(f"/iserver/contract/{SPY}/algos")
    assert [algo["id"] for algo in found["algos"]] == ["Adaptive", "Vwap", "Twap"]
    assert (await plain_client.get(f"/iserver/contract/{ES}/algos"))["algos"] == []
    assert (await plain_client.ask("GET", "/iserver/contract/1/algos")).status_code == 503
    answer = await plain_client.place(
        limit(500.0, strategy="Vwap", strategyParameters={"MaxPctVol": "0.1", "AllowPastEndTime": True})
    )
    assert answer[0]["order_status"] == "PreSubmitted"


# --- what is refused -------------------------------------------------------------------------------------------------

OUTSIDE = "invalid order attribute : Outside Regular Trading Hours"
PRICES = "Invalid order price fields"


@pytest.mark.parametrize(
    ("ticket", "text"),
    [
        (order(orderType="TRAIL", trailingAmt=1), PRICES),
        (order(orderType="TRAIL", trailingType="amt"), PRICES),
        (order(orderType="TRAIL", trailingType="pct", trailingAmt=1), PRICES),
        (order(orderType="TRAIL", trailingType="%", trailingAmt=100), PRICES),
        (order(orderType="TRAILLMT", trailingType="amt", trailingAmt=1, price=500.0), PRICES),
        (order(orderType="LIT", price=500.0), PRICES),
        (order(orderType="MIT"), PRICES),
        (order(orderType="LOC"), PRICES),
        (order(orderType="MIDPRICE", price=500.001), PRICES),
        (order(orderType="MOC", tif="GTC"), "GTC time in force is not supported for this order"),
        (order(orderType="STP", price=500.0, tif="OPG"), "OPG time in force is not supported for this order"),
        (order(tif="OVT"), "OVT time in force is not supported for this order"),
        (limit(500.0, tif="PAX"), "PAX time in force is not supported for this order"),
        (limit(500.0, tif="FOK"), "FOK time in force is not supported for this order"),
        (order(orderType="MOC", outsideRTH=True), OUTSIDE),
        (order(orderType="MIDPRICE", outsideRTH=True), OUTSIDE),
        (future(orderType="MIDPRICE"), "The order type MIDPRICE is not supported for this contract."),
        (future(orderType="LMT", price=6000.1), PRICES),
        (order(conid=ES), "Order couldn't be submitted: manualIndicator and extOperator are required."),
        (order(conid=ES, manualIndicator=True), "Order couldn't be submitted: manualIndicator and extOperator are"),
        (limit(10.0, conid=ES_CALL), "Order couldn't be submitted: manualIndicator and extOperator are required."),
        (order(conid=ES_EXPIRED, **MANUAL), "no sec defs returned forSecDef reqId="),
        (order(conid=None, conidex=f"{SPY}@MOON"), "no sec defs returned forSecDef reqId="),
        (order(cashQty=100), "Invalid order quantity"),
        (order(cashQty=-1, quantity=None), "Invalid order quantity"),
        (future(cashQty=100, quantity=None), "invalid order attribute : Cash Quantity"),
        (order(isCcyConv=True), "invalid order attribute : Currency Conversion"),
        (order(conid=BTC, tif="OPG"), "OPG time in force is not supported for this order"),
        (order(conid=BTC, quantity=0.000000001), "The size, 1E-9, does not conform to the minimum variation of 1E-8"),
        (limit(500.0, strategy="Magic"), "Invalid algorithm: Magic"),
        (limit(500.0, strategy="Adaptive"), "Missing parameter of algorithm Adaptive: adaptivePriority"),
        (limit(500.0, strategy="Vwap", strategyParameters={"maxPctVol": "80"}), "Invalid value of parameter maxPctVol"),
        (limit(500.0, strategy="Vwap", strategyParameters={"speed": "1"}), "Unknown parameter of algorithm Vwap"),
        (order(orderType="MOC", strategy="Twap"), "Invalid algorithm: Twap"),
        (future(allOrNone=True), "invalid order attribute : All or None"),
    ],
)
async def test_what_is_refused_and_in_which_words(plain_client: Any, ticket: dict[str, object], text: str) -> None:
    answer = await plain_client.post(ORDERS, {"orders": [ticket]})
    assert answer["error"].startswith(text)
    assert await rows(plain_client) == []


async def test_option_prices_follow_their_increment_table(plain_client: Any) -> None:
    call = next(c for c in plain_client.gateway.state.catalogue if c.sec_type == "OPT" and not c.is_event)
    assert "error" not in await plain_client.place(limit(2.99, conid=call.conid))
    assert await plain_client.place(limit(3.01, conid=call.conid)) == {"error": PRICES}
    assert "error" not in await plain_client.place(limit(3.05, conid=call.conid))


async def test_a_ticket_that_names_another_account_is_refused(plain_client: Any) -> None:
    for account in ("DU7654321", "All"):
        answer = await plain_client.ask("POST", ORDERS, json={"orders": [limit(500.0, acctId=account)]})
        assert (answer.status_code, answer.json()["error"]) == (400, f"Bad Request: invalid account {account}")
    assert "error" not in await plain_client.place(limit(500.0, acctId=ONE))


async def test_twenty_orders_may_be_active_per_contract_and_side(plain_client: Any) -> None:
    for number in range(20):
        await plain_client.place(limit(400.0 + number))
    answer = await plain_client.place(limit(399.0))
    assert answer["error"].startswith("Order couldn't be submitted: at most 20 orders")
    assert "error" not in await plain_client.place(limit(700.0, side="SELL"))
    newest = (await rows(plain_client))[1]
    await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/{newest['orderId']}")
    await plain_client.clock.advance(1)
    assert "error" not in await plain_client.place(limit(399.0))


async def test_cancelling_a_future_must_say_who_cancels(plain_client: Any) -> None:
    placed = await plain_client.place(future(orderType="LMT", price=5500.0))
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    assert (await plain_client.ask("DELETE", path)).status_code == 400
    answer = await plain_client.ask("DELETE", path, params={"manualIndicator": "false", "extOperator": "robot"})
    assert answer.json()["msg"] == "Request was submitted"


# --- changing --------------------------------------------------------------------------------------------------------


async def test_a_change_repeats_the_full_ticket_and_counts_fills_into_its_quantity(start_gateway: Any) -> None:
    client = await start_gateway(prompts=False, fills="by hand")
    await client.prime()
    placed = await client.place(limit(590.0, quantity=10, cOID="m"))
    path = f"/iserver/account/{ONE}/order/{placed[0]['order_id']}"
    client.gateway.fill("m", 4)
    no_quantity = {k: v for k, v in limit(590.0).items() if k != "quantity"}
    assert await client.post(path, no_quantity) == {"error": "Invalid order quantity"}
    assert "error" in await client.post(path, limit(590.0, quantity=4))
    assert (await only_row(client))["totalSize"] == 10.0
    await client.post(path, limit(591.0, quantity=6))
    row = await only_row(client)
    assert (row["totalSize"], row["filledQuantity"], row["remainingQuantity"]) == (6.0, 4.0, 2.0)
    client.gateway.fill("m")
    late = await client.ask("POST", path, json=limit(592.0, quantity=8))
    assert (late.status_code, late.json()) == (400, {"error": "Order is inactive"})


async def test_a_good_till_cancelled_order_is_announced_and_ends_with_the_next_quarter(plain_client: Any) -> None:
    await plain_client.place(limit(500.0, tif="GTC", cOID="long"))
    told = plain_client.gateway.state.desk.notices.sent[-1]["text"]
    assert told == "Order BUY 1 SPY ARCA Limit 500.00 will be automatically canceled at 20240331 16:00:00 EDT"
    await plain_client.clock.advance(140 * 86_400)
    plain_client.gateway.state.advance()
    (found,) = plain_client.gateway.book(ONE).orders
    assert (found.status, found.reason) == (OrderStatus.CANCELED, "Cancelled by System: order expired")


# --- brackets, groups and habits -------------------------------------------------------------------------------------


def bracket(coid: str = "p") -> list[dict[str, object]]:
    return [
        limit(580.0, quantity=2, cOID=coid),
        limit(640.0, quantity=2, side="SELL", parentId=coid, tif="GTC"),
        order(orderType="STP", quantity=2, side="SELL", price=560.0, parentId=coid, tif="GTC"),
    ]


async def test_a_whole_bracket_may_be_answered_with_a_row_for_each_leg(start_gateway: Any) -> None:
    client = await start_gateway(prompts=False, habits=Habits(bracket_rows="all"))
    await client.prime()
    answer = await client.place(*bracket())
    assert [row.get("local_order_id") for row in answer] == ["p", None, None]
    assert len({row["order_id"] for row in answer}) == 3


async def test_the_exchange_may_refuse_the_children_while_their_parent_lives(plain_client: Any) -> None:
    plain_client.gateway.reject_children()
    answer = await plain_client.place(*bracket())
    assert answer[0]["local_order_id"] == "p"
    assert [(row["order_id"], row["order_status"]) for row in answer[1:]] == [("-1", "Failed")] * 2
    assert answer[1]["warning_message"] == "Order rejected by the exchange."
    assert {row["status"] for row in await rows(plain_client)} == {"Submitted", "Inactive"}


async def test_children_may_be_attached_to_a_parent_by_its_number(plain_client: Any) -> None:
    placed = await plain_client.place(limit(580.0, quantity=2, cOID="p"))
    number = placed[0]["order_id"]
    await plain_client.place(limit(640.0, quantity=2, side="SELL", parentId=number))
    assert {row.get("parentId") for row in await rows(plain_client)} == {None, int(number)}
    refused = await plain_client.place(limit(640.0, side="SELL", parentId="p", cOID="child"))
    assert refused[0]["text"] == "Order couldn't be submitted: a child order must not have a local order ID."


async def test_an_order_on_its_way_is_pending_and_may_be_cancelled_before_it_arrives(start_gateway: Any) -> None:
    client = await start_gateway(prompts=False, habits=Habits(acknowledges_after=2.0, transient_status="Inactive"))
    await client.prime()
    placed = await client.place(limit(590.0, cOID="w"))
    assert (await only_row(client))["status"] == "Inactive"
    await client.clock.advance(3)
    assert (await only_row(client))["status"] == "Submitted"
    placed = await client.place(limit(591.0, cOID="early"))
    answer = await client.ask("DELETE", f"/iserver/account/{ONE}/order/{placed[0]['order_id']}")
    assert answer.json()["conid"] == SPY
    assert (await rows(client))[0]["status"] == "PreCancelled"
    await client.clock.advance(3)
    assert (await rows(client))[0]["status"] == "Cancelled"


async def test_a_cancel_may_be_acknowledged_and_never_happen(plain_client: Any) -> None:
    placed = await plain_client.place(limit(590.0, cOID="stuck"))
    plain_client.gateway.ignore_cancels("stuck")
    answer = await plain_client.ask("DELETE", f"/iserver/account/{ONE}/order/{placed[0]['order_id']}")
    assert answer.json()["msg"] == "Request was submitted"
    await plain_client.clock.advance(60)
    assert (await only_row(plain_client))["status"] == "PendingCancel"
    plain_client.gateway.fill("stuck")
    assert (await only_row(plain_client))["status"] == "Filled"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"registered_status": 500}, "registered_status of 200 or 400"),
        ({"order_list_lag": 6.0}, "up to 5 seconds"),
        ({"position_lag": -1.0}, "position_lag of at least 0"),
    ],
)
def test_habits_without_a_meaning_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        Habits(**wrong)
