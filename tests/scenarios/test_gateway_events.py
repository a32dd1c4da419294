"""ForecastEx event contracts at the simulated gateway: discovery, quotes, buying, netting, payout."""

from decimal import Decimal
from typing import Any

import pytest

from horizon.clock import NANOSECONDS

SPY, UNDERLYING = 756733, 860000001
ONE = "DU1234567"
ORDERS = f"/iserver/account/{ONE}/orders"
QUOTES = "84,85,86,88,31,87,7635"


async def contracts(client: Any) -> list[dict[str, Any]]:
    market = await client.get("/forecast/contract/market", underlyingConid=UNDERLYING)
    return list(market["contracts"])


async def pair_near_the_money(client: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """YES and NO of the threshold in the middle."""
    rows = await contracts(client)
    yes, no = rows[len(rows) // 2 - 1 : len(rows) // 2 + 1]
    assert (yes["side"], no["side"], yes["strike"]) == ("Y", "N", no["strike"])
    return yes, no


async def quotes(client: Any, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    conids = [row["conid"] for row in rows]
    await client.watch(*conids)
    found = await client.get("/iserver/marketdata/snapshot", conids=",".join(map(str, conids)), fields=QUOTES)
    return list(found)


def buy(row: dict[str, Any], price: str | float, quantity: int = 10, **changes: object) -> dict[str, object]:
    ticket = {"conid": row["conid"], "orderType": "LMT", "side": "BUY", "quantity": quantity, "tif": "DAY"}
    return ticket | {"price": float(price)} | changes


async def test_the_walk_search_strikes_info_finds_the_same_contracts_as_the_forecast_family(plain_client: Any) -> None:
    rows = await contracts(plain_client)
    found = (await plain_client.get("/iserver/secdef/search", symbol="SPXC"))[0]
    assert {"secType": "EC"} in found["sections"]
    assert {"secType": "IND", "exchange": "FORECASTX;"} in found["sections"]
    month = {"202311": "NOV23", "202312": "DEC23"}[rows[0]["expiration"][:6]]
    asked = {"conid": found["conid"], "exchange": "FORECASTX", "sectype": "OPT", "month": month}
    strikes = await plain_client.get("/iserver/secdef/strikes", **asked)
    assert strikes["call"] == strikes["put"] == sorted({row["strike"] for row in rows})
    assert len(strikes["call"]) >= 5
    assert {b - a for a, b in zip(strikes["call"], strikes["call"][1:], strict=False)} == {25.0}
    info = await plain_client.get("/iserver/secdef/info", **asked, strike=strikes["call"][0])
    assert [(row["conid"], row["right"]) for row in info] == [(rows[0]["conid"], "C"), (rows[1]["conid"], "P")]
    assert {row["multiplier"] for row in info} == {"1"}
    assert await plain_client.get("/iserver/secdef/info", **asked, strike=1.0) == []


async def test_strikes_before_a_search_are_empty(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.get("/iserver/accounts")
    asked = {"conid": UNDERLYING, "exchange": "FORECASTX", "sectype": "OPT", "month": "NOV23"}
    assert await client.get("/iserver/secdef/strikes", **asked) == {"call": [], "put": []}


async def test_details_and_rules_tell_the_pair_the_question_and_the_times(plain_client: Any) -> None:
    tree = await plain_client.get("/forecast/category/tree")
    leaves = [c for c in tree["categories"].values() if c.get("markets")]
    assert leaves[0]["markets"][0]["conid"] == UNDERLYING
    yes, no = await pair_near_the_money(plain_client)
    for row in (yes, no):
        details = await plain_client.get("/forecast/contract/details", conid=row["conid"])
        assert (details["conid_yes"], details["conid_no"]) == (yes["conid"], no["conid"])
        assert details["question"].startswith(f"Will the S&P 500 close above {yes['strike']:,.0f} on November")
        assert (details["payout"], details["strike"]) == (1.0, yes["strike"])
    rules = await plain_client.get("/forecast/contract/rules", conid=yes["conid"])
    release = plain_client.gateway.state.tape.sessions[-1].closes // NANOSECONDS
    assert (rules["release_time"], rules["payout_time"] - rules["release_time"]) == (release, 7200)
    assert (rules["payout"], rules["price_increment"]) == ("$1.00", "$0.01")
    schedules = await plain_client.get("/forecast/contract/schedules", conid=yes["conid"])
    assert len(schedules["trading_schedules"]) == 7


async def test_the_ask_of_a_side_is_one_dollar_and_a_cent_less_the_others_bid(plain_client: Any) -> None:
    rows = await contracts(plain_client)
    found = await quotes(plain_client, *rows)
    chances = []
    for yes, no in zip(found[::2], found[1::2], strict=True):
        for side, other in ((yes, no), (no, yes)):
            assert ("86" in side) == ("84" in other)
            if "86" in side:
                assert Decimal(side["86"]) + Decimal(other["84"]) == Decimal("1.01")
                assert (side["85"], "31" in side, "87" in side) == (other["88"], False, False)
                assert Decimal("0.02") <= Decimal(other["84"]) <= Decimal("0.99")
        if "84" in yes and "84" in no:
            assert Decimal(yes["84"]) + Decimal(no["84"]) < Decimal("1.01")
        chances.append(float(yes.get("84", yes.get("86", "0"))))
    assert chances == sorted(chances, reverse=True), "a higher threshold is less likely"
    middle = found[len(found) // 2 - 1]
    assert 0.3 < float(middle["84"]) < 0.7


async def test_data_of_an_event_contract_needs_its_underlying_to_be_searched_for(start_gateway: Any) -> None:
    client = await start_gateway()
    await client.get("/iserver/accounts")
    conid = client.gateway.state.product.contracts[0].conid
    await client.watch(conid)
    bare = await client.get("/iserver/marketdata/snapshot", conids=conid, fields="84,86")
    assert bare == [{"conid": conid, "conidEx": str(conid)}]
    await client.get("/iserver/secdef/search", symbol="SPXC")
    await client.watch(conid)
    assert len((await client.get("/iserver/marketdata/snapshot", conids=conid, fields="84,86"))[0]) > 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"side": "SELL"}, "Sell orders are not allowed"),
        ({"orderType": "MKT"}, "Only limit orders"),
        ({"orderType": "STP"}, "Only limit orders"),
        ({"tif": "OPG"}, "OPG time in force is not supported"),
        ({"quantity": 1.5}, "The size, 1.5,"),
        ({"price": 0.01}, "Invalid order price fields"),
        ({"price": 1.00}, "Invalid order price fields"),
        ({"price": 0.505}, "Invalid order price fields"),
    ],
)
async def test_only_whole_limit_purchases_on_the_grid_are_taken(
    plain_client: Any, changes: dict[str, object], text: str
) -> None:
    yes, _ = await pair_near_the_money(plain_client)
    answer = await plain_client.place(buy(yes, 0.5) | changes)
    assert answer["error"].startswith(text)


async def test_yes_is_bought_at_its_ask_without_commission_and_shows_as_an_option_of_multiplier_one(
    plain_client: Any,
) -> None:
    yes, _ = await pair_near_the_money(plain_client)
    ask = Decimal((await quotes(plain_client, yes))[0]["86"])
    await plain_client.place(buy(yes, ask, cOID="y"))
    await plain_client.clock.advance(3)
    trades = await plain_client.get("/iserver/account/trades")
    assert [(t["side"], t["price"], t["commission"], t["is_event_trading"]) for t in trades] == [
        ("B", str(ask), "0.0", "1")
    ]
    assert plain_client.gateway.book(ONE).cash == Decimal(100_000) - 10 * ask
    path = f"/portfolio/{ONE}/positions/0"
    sparse, rich = (await plain_client.get(path))[0], (await plain_client.get(path))[0]
    assert (sparse["assetClass"], sparse["putOrCall"], sparse["multiplier"]) == ("OPT", "C", None)
    assert (rich["multiplier"], rich["isEventContract"], rich["strike"]) == (1.0, True, f"{yes['strike']:.0f}")
    assert rich["avgCost"] == rich["avgPrice"] == float(ask)


async def test_buying_the_other_side_nets_pairs_and_reports_b_then_n_then_n(plain_client: Any) -> None:
    yes, no = await pair_near_the_money(plain_client)
    for row, quantity in ((yes, 10), (no, 4)):
        ask = (await quotes(plain_client, row))[0]["86"]
        await plain_client.place(buy(row, ask, quantity))
    book = plain_client.gateway.book(ONE)
    assert book.positions == {yes["conid"]: Decimal(6)}
    trades = (await plain_client.get("/iserver/account/trades"))[::-1]
    shown = [(t["side"], t["conid"], t["size"], t["position"]) for t in trades]
    assert shown == [
        ("B", yes["conid"], 10.0, "10"),
        ("B", no["conid"], 4.0, "4"),
        ("N", yes["conid"], 4.0, "6"),
        ("N", no["conid"], 4.0, "0"),
    ]
    paid = sum(Decimal(t["price"]) * Decimal(str(t["size"])) for t in trades if t["side"] == "B")
    assert book.cash == Decimal(100_000) - paid + 4


async def test_an_oversize_purchase_of_the_other_side_flips_the_position(plain_client: Any) -> None:
    yes, no = await pair_near_the_money(plain_client)
    for row, quantity in ((yes, 3), (no, 5)):
        ask = (await quotes(plain_client, row))[0]["86"]
        await plain_client.place(buy(row, ask, quantity))
    assert plain_client.gateway.book(ONE).positions == {no["conid"]: Decimal(2)}


async def test_the_right_side_is_paid_two_hours_after_the_close(plain_client: Any) -> None:
    yes, no = await pair_near_the_money(plain_client)
    ask = (await quotes(plain_client, yes))[0]["86"]
    await plain_client.place(buy(yes, ask), buy(yes, 0.02, tif="GTC"))
    state, clock = plain_client.gateway.state, plain_client.clock
    before = plain_client.gateway.book(ONE).cash
    await clock.advance((state.product.release - clock.now()) / NANOSECONDS + 1)
    await plain_client.get("/iserver/auth/status")
    assert plain_client.gateway.book(ONE).positions == {yes["conid"]: Decimal(10)}
    await clock.advance(7200)
    await plain_client.get("/iserver/auth/status")
    book = plain_client.gateway.book(ONE)
    above = state.tape.index_at(state.product.release) > yes["strike"]
    assert book.positions == {}
    assert book.cash - before == (10 if above else 0)
    assert not any(order.is_open for order in book.orders)
    assert no["strike"] == yes["strike"]


async def test_the_same_seed_gives_the_same_market(start_gateway: Any) -> None:
    seen = []
    for seed in (3, 3, 4):
        client = await start_gateway(prompts=False, seed=seed)
        await client.prime()
        rows = await contracts(client)
        seen.append([row["84"] for row in await quotes(client, *rows) if "84" in row])
    assert seen[0] == seen[1] != seen[2]
