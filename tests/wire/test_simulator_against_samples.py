"""The simulator's answers beside recorded ones: every recorded key is there, with the recorded type."""

import json
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.simulator import Simulator

SPY, AAPL = 756733, 265598
ACCOUNT = "DU1234567"

NOT_SENT = {
    # Only stocks, options and event contracts are traded here, and nothing pays by cash quantity.
    "CFD",
    "FOP",
    "WAR",
    "IOPT",
    "FUT",
    "CASH",
    "BOND",
    "FUND",
    "CMDTY",
    "PHYSS",
    "CRYPTO",
    # Written by hand in that recording, or by an older build.
    "endofbundle",
    "fail",
    "submitter",
}


def recorded(folder: Path, name: str) -> Any:
    found = json.loads((folder / "ibkr_samples" / f"{name}.json").read_text())
    return found["Response"]["Body"] if isinstance(found, dict) and "Response" in found else found


def kind(value: object) -> str:
    """A type as it shows on the wire; whole and broken numbers are told apart."""
    return {bool: "boolean", int: "integer", float: "number", str: "text", type(None): "null"}.get(
        type(value), type(value).__name__
    )


def differences(ours: Any, theirs: Any, at: str = "") -> list[str]:
    """What is missing or of another type in ours. Null stands in for any type, as either side may know no value."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key, value in theirs.items():
            if key in NOT_SENT or key.startswith("U1234567") or key.startswith("U999"):
                continue
            if key not in ours:
                found.append(f"{at}.{key} is missing")
            else:
                found += differences(ours[key], value, f"{at}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(ours[0], theirs[0], f"{at}[0]") if ours and theirs else []
    if None in (ours, theirs) or kind(ours) == kind(theirs):
        return []
    return [f"{at} is {kind(ours)} ({ours!r}), recorded as {kind(theirs)} ({theirs!r})"]


async def answers(client: Any) -> dict[str, Any]:
    """One answer per recorded file, after a purchase, a resting order and an expired one."""
    post, get = client.post, client.get
    found: dict[str, Any] = {}
    found["conduit__Session__GET-auth-status"] = await get("/iserver/auth/status")
    found["ibind__tickle"] = found["conduit__Session__POST-tickle"] = await post("/tickle")
    found["conduit__Accounts__GET-iserver-accounts"] = await get("/iserver/accounts")
    found["conduit__Accounts__POST-switch-account"] = await post("/iserver/account", {"acctId": ACCOUNT})
    found["ibind__accounts"] = await get("/portfolio/accounts")
    found["conduit__Portfolio__GET-portfolio-accounts"] = found["ibind__accounts"]
    found["conduit__Portfolio__GET-portfolio-subaccounts"] = await get("/portfolio/subaccounts")
    found["conduit__Portfolio__GET-subaccounts2-wrapper"] = await get("/portfolio/subaccounts2", page=0)
    found["conduit__Portfolio__GET-portfolio-meta"] = await get(f"/portfolio/{ACCOUNT}/meta")
    found["conduit__Portfolio__GET-portfolio-positions-empty"] = await get(f"/portfolio/{ACCOUNT}/positions/9")
    found["conduit__Portfolio__GET-iserver-account-pnl-partitioned"] = await get("/iserver/account/pnl/partitioned")
    found["conduit__Orders__GET-live-orders-empty"] = await get("/iserver/account/orders")
    found["conduit__Orders__GET-live-orders-primed-empty"] = await get("/iserver/account/orders")
    found["conduit__Orders__GET-live-orders-force-cleared"] = await get("/iserver/account/orders", force="true")
    found["conduit__Orders__GET-trades-empty"] = await get("/iserver/account/trades")
    await trade(client, found)
    await read_portfolio(client, found)
    await read_contracts(client, found)
    found["conduit__MarketData__GET-snapshot"] = await get(
        "/iserver/marketdata/snapshot", conids=SPY, fields="31,84,86,85,88,87,70,71,82,83"
    )
    found["conduit__MarketData__GET-history"] = await get(
        "/iserver/marketdata/history", conid=SPY, period="1d", bar="1min"
    )
    found["ibkrdotnet__get-md-history.live"] = await get(
        "/iserver/marketdata/history", conid=AAPL, period="1m", bar="1d"
    )
    found["conduit__MarketData__POST-unsubscribe"] = await post("/iserver/marketdata/unsubscribe", {"conid": SPY})
    found["conduit__MarketData__GET-unsubscribeall"] = await get("/iserver/marketdata/unsubscribeall")
    found["conduit__Session__POST-suppress"] = await post("/iserver/questions/suppress", {"messageIds": ["o163"]})
    found["conduit__Session__POST-suppress-reset"] = await post("/iserver/questions/suppress/reset")
    found["conduit__Fyi__GET-unread-count"] = await get("/fyi/unreadnumber")
    found["conduit__Orders__POST-dismiss-notification"] = await post("/iserver/notification", {"orderId": 1})
    found["conduit__Session__POST-ssodh-init"] = await post(
        "/iserver/auth/ssodh/init", {"publish": True, "compete": False}
    )
    return found


def limit_order(price: float, **rest: object) -> dict[str, object]:
    return {"conid": SPY, "orderType": "LMT", "side": "BUY", "quantity": 1, "tif": "GTC", "price": price} | rest


async def trade(client: Any, found: dict[str, Any]) -> None:
    orders = f"/iserver/account/{ACCOUNT}/orders"
    market = {"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 10, "tif": "DAY"}
    asked = await client.post(orders, {"orders": [market]})
    found["conduit__Orders__POST-place-order-confirmation"] = asked
    await client.post("/iserver/notification", {"orderId": 1})
    await client.watch(SPY)
    asked = await client.post(orders, {"orders": [market]})
    found["conduit__Orders__POST-reply-submitted"] = await client.post(
        f"/iserver/reply/{asked[0]['id']}", {"confirmed": True}
    )
    filled = found["conduit__Orders__POST-reply-submitted"][0]["order_id"]
    resting = await client.place(limit_order(590.0, cOID="resting"))
    found["conduit__Orders__POST-place-order-submitted"] = resting
    order_id = resting[0]["order_id"]
    found["conduit__Orders__POST-modify-order-submitted"] = await client.post(
        f"/iserver/account/{ACCOUNT}/order/{order_id}", limit_order(589.0)
    )
    found["conduit__Orders__GET-live-orders"] = [row for row in await rows(client) if row["status"] == "Filled"]
    found["ibkrdotnet__get-open-orders.live"] = {"orders": found["conduit__Orders__GET-live-orders"], "snapshot": True}
    found["ibind__live_orders"] = [row for row in await rows(client) if row["status"] == "Submitted"]
    found["conduit__Orders__GET-live-orders"] = {"orders": found["conduit__Orders__GET-live-orders"], "snapshot": True}
    found["ibkrdotnet__get-order-status.live"] = await client.get(f"/iserver/account/order/status/{filled}")
    found["conduit__Orders__POST-whatif-order"] = await client.post(f"{orders}/whatif", {"orders": [market]})
    await client.clock.advance(3)
    found["ibkrdotnet__get-trade-history.live"] = await client.get("/iserver/account/trades")
    found["conduit__Orders__DELETE-cancel-order-with-account"] = (
        await client.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{order_id}")
    ).json()
    stop = {"conid": SPY, "orderType": "STP", "side": "SELL", "quantity": 1, "tif": "GTC", "price": 500.0}
    waiting = await client.place(stop)
    found["conduit__Orders__DELETE-cancel-order"] = (
        await client.ask("DELETE", f"/iserver/account/{ACCOUNT}/order/{waiting[0]['order_id']}")
    ).json()


async def rows(client: Any) -> list[dict[str, Any]]:
    """Live orders; the first read after a forced one is empty."""
    await client.get("/iserver/account/orders")
    return list((await client.get("/iserver/account/orders"))["orders"])


async def read_portfolio(client: Any, found: dict[str, Any]) -> None:
    base = f"/portfolio/{ACCOUNT}"
    found["conduit__Portfolio__GET-coldread-positions-sparse"] = await client.get(f"{base}/positions/0")
    enriched = await client.get(f"{base}/positions/0")
    found["conduit__Portfolio__GET-coldread-positions-enriched"] = found["ibind__positions"] = enriched
    found["conduit__Portfolio__GET-portfolio-position-by-conid"] = await client.get(f"{base}/position/{SPY}")
    by_conid = await client.get(f"/portfolio/positions/{SPY}")
    found["conduit__Portfolio__GET-portfolio-positions-by-conid"] = by_conid
    found["conduit__Portfolio__GET-portfolio2-positions"] = await client.get(f"/portfolio2/{ACCOUNT}/positions")
    found["conduit__Portfolio__GET-portfolio-summary"] = await client.get(f"{base}/summary")
    await client.get(f"{base}/ledger")
    found["conduit__Portfolio__GET-portfolio-ledger"] = found["ibind__ledger"] = await client.get(f"{base}/ledger")
    found["conduit__Portfolio__GET-portfolio-allocation"] = await client.get(f"{base}/allocation")
    found["conduit__Portfolio__POST-portfolio-consolidated-allocation"] = await client.post(
        "/portfolio/allocation", {"acctIds": [ACCOUNT]}
    )
    found["conduit__Portfolio__GET-portfolio-combo-positions-empty"] = await client.get(f"{base}/combo/positions")
    found["conduit__Portfolio__POST-portfolio-invalidate"] = await client.post(f"{base}/positions/invalidate")
    summary = f"/iserver/account/{ACCOUNT}/summary"
    found["conduit__Accounts__GET-account-summary"] = await client.get(summary)
    found["conduit__Accounts__GET-account-summary-available-funds"] = await client.get(f"{summary}/available_funds")
    found["conduit__Accounts__GET-account-summary-balances"] = await client.get(f"{summary}/balances")
    found["conduit__Accounts__GET-account-summary-margins"] = await client.get(f"{summary}/margins")
    found["conduit__Accounts__GET-account-summary-market-value"] = await client.get(f"{summary}/market_value")


async def read_contracts(client: Any, found: dict[str, Any]) -> None:
    get = client.get
    search = await get("/iserver/secdef/search", symbol="SPY")
    found["conduit__Contracts__GET-secdef-search"] = search
    found["conduit__Contracts__POST-secdef-search"] = await client.post("/iserver/secdef/search", {"symbol": "AAPL"})
    month = search[0]["sections"][1]["months"].split(";")[0]
    wanted = {"conid": SPY, "sectype": "OPT", "month": month}
    strikes = await get("/iserver/secdef/strikes", **wanted)
    found["conduit__Contracts__GET-secdef-strikes"] = strikes
    found["conduit__Contracts__GET-secdef-info"] = await get(
        "/iserver/secdef/info", **wanted, strike=strikes["call"][0], right="C"
    )
    found["conduit__Contracts__GET-contract-algos"] = await get(f"/iserver/contract/{AAPL}/algos")
    found["conduit__Contracts__GET-trsrv-futures"] = await get("/trsrv/futures", symbols="ES")
    found["conduit__Contracts__GET-contract-info"] = await get(f"/iserver/contract/{SPY}/info")
    found["conduit__Contracts__GET-contract-info-and-rules"] = await get(f"/iserver/contract/{AAPL}/info-and-rules")
    found["conduit__Contracts__POST-contract-rules"] = await client.post("/iserver/contract/rules", {"conid": SPY})
    found["conduit__Contracts__GET-trsrv-secdef"] = await get("/trsrv/secdef", conids=SPY)
    found["conduit__Contracts__GET-trsrv-stocks"] = await get("/trsrv/stocks", symbols="AAPL")
    found["conduit__Contracts__GET-trsrv-all-conids"] = await get("/trsrv/all-conids", exchange="NASDAQ")
    schedule = await get("/contract/trading-schedule", conid=SPY)
    found["conduit__Contracts__GET-trading-schedule"] = schedule | {
        "schedules": {"20260402": next(iter(schedule["schedules"].values()))}
    }
    found["conduit__Contracts__GET-currency-pairs"] = await get("/iserver/currency/pairs", currency="USD")
    found["conduit__Contracts__GET-exchangerate"] = await get("/iserver/exchangerate", target="EUR", source="USD")


async def test_every_answer_has_the_recorded_keys_and_types(start_gateway: Any, shared_data: Path) -> None:
    client = await start_gateway()
    found = await answers(client)
    wrong = []
    for name, ours in found.items():
        theirs = recorded(shared_data, name)
        if name == "conduit__Contracts__GET-trading-schedule":
            theirs["schedules"] = {"20260402": theirs["schedules"]["20260402"]}
        if name == "conduit__Portfolio__GET-portfolio-positions-by-conid":
            ours, theirs = ours[ACCOUNT], theirs["U1234567"]
        if type(ours) is not type(theirs):
            wrong.append(f"{name}: {kind(ours)}, recorded as {kind(theirs)}")
        wrong += [f"{name}{text}" for text in differences(ours, theirs)]
    assert not wrong, "\n".join(wrong)
    assert len(found) > 55


@pytest.mark.parametrize("name", ["conduit__Orders__GET-live-orders-bracket-oca"])
async def test_brackets_and_groups_look_as_recorded(plain_client: Any, shared_data: Path, name: str) -> None:
    bracket = [
        limit_order(580.0, cOID="b1"),
        {**limit_order(640.0), "side": "SELL", "parentId": "b1"},
        {**limit_order(560.0), "side": "SELL", "orderType": "STP", "parentId": "b1"},
    ]
    group = [limit_order(580.0, cOID="g1", isSingleGroup=True), limit_order(581.0, cOID="g2", isSingleGroup=True)]
    await plain_client.place(*bracket)
    await plain_client.place(*group)
    by_ref: dict[Any, Any] = {}
    for row in reversed(await rows(plain_client)):
        by_ref.setdefault(row.get("order_ref", row["orderType"] + row["side"]), row)
    theirs = recorded(shared_data, name)["orders"]
    ours = [by_ref["b1"], by_ref["LimitSELL"], by_ref["StopSELL"], by_ref["g1"], by_ref["g2"]]
    wrong = [text for one, other in zip(ours, theirs, strict=True) for text in differences(one, other)]
    assert not wrong, "\n".join(wrong)
    assert ours[1]["parentId"] == ours[2]["parentId"] == ours[0]["orderId"]
    assert ours[1]["ocaGroupId"] == str(ours[0]["orderId"])
    assert ours[3]["ocaGroupId"] == ours[4]["ocaGroupId"] == f"oco-{ours[3]['orderId']}"


async def test_brackets_are_answered_as_recorded(plain_client: Any, shared_data: Path) -> None:
    def bracket(coid: str) -> list[dict[str, object]]:
        exits = [{"price": 640.0}, {"price": 560.0, "orderType": "STP"}]
        return [limit_order(580.0, cOID=coid)] + [
            {**limit_order(640.0), "side": "SELL", "parentId": coid, **leg} for leg in exits
        ]

    whole = recorded(shared_data, "conduit__Orders__POST-place-bracket-submitted")
    ours = await plain_client.place(*bracket("whole"))
    assert (len(ours), differences(ours, whole)) == (len(whole), [])
    plain_client.gateway.reject_children()
    failed, inactive = recorded(shared_data, "conduit__Orders__POST-place-bracket-partial-reject")
    answer = await plain_client.place(*bracket("partly"))
    assert {key: answer[1][key] for key in failed} == failed
    assert inactive["order_status"] in {row["status"] for row in await rows(plain_client)}


async def test_cancelled_and_expired_orders_look_as_recorded(plain_client: Any, shared_data: Path) -> None:
    (theirs,) = recorded(shared_data, "conduit__Orders__GET-live-orders-cancelled")["orders"]
    await plain_client.place({**limit_order(500.0), "tif": "DAY"})
    await plain_client.clock.advance(6.1 * 3600)
    await plain_client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await plain_client.prime()
    (ours,) = await rows(plain_client)
    assert differences(ours, theirs) == []
    for key in ("status", "order_ccp_status", "remainingQuantity", "order_cancellation_by_system_reason"):
        assert ours[key] == theirs[key]


async def test_notices_and_server_prompts_look_as_recorded(plain_client: Any, shared_data: Path) -> None:
    notice, prompt, _ = recorded(shared_data, "ibkrdotnet__ws_ntf_blt.live")
    await plain_client.place({**limit_order(700.0), "side": "SELL"})
    plain_client.gateway.hold_next_order()
    await plain_client.place({**limit_order(590.0), "tif": "DAY"})
    ours = plain_client.gateway.state.desk.notices.sent[-2:]
    assert differences(ours[0], notice["args"][0]) + differences(ours[1], prompt["args"][0]) == []
    assert {key: ours[1][key] for key in ("text", "options", "type", "messageId", "prompt")} == {
        key: prompt["args"][0][key] for key in ("text", "options", "type", "messageId", "prompt")
    }


async def test_a_gateway_that_is_not_entered_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = Simulator().base_url
