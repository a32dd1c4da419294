"""Quotes, bars, contracts and position pages of the simulated gateway."""

from decimal import Decimal
from typing import Any

import pytest

from exchanges.ibkr.simulator.snapshots import volume_text
from horizon.clock import NANOSECONDS

SPY, IBM, FOREIGN = 756733, 8314, 38709152
ONE = "DU1234567"
SNAPSHOT = "/iserver/marketdata/snapshot"


async def row(client: Any, conid: int = SPY, fields: str = "31,84,86,85,88,87,7762,83,7282") -> dict[str, Any]:
    return dict((await client.get(SNAPSHOT, conids=conid, fields=fields))[0])


async def test_the_first_request_for_a_contract_is_bare_and_data_takes_a_moment(plain_client: Any) -> None:
    bare = {"conid": SPY, "conidEx": str(SPY)}
    assert await row(plain_client) == bare
    assert await row(plain_client) == bare, "asking again at once does not help"
    await plain_client.clock.advance(0.5)
    found = await row(plain_client)
    assert {type(found[field]) for field in ("31", "84", "86", "85", "88", "87")} == {str}
    assert Decimal(found["86"]) - Decimal(found["84"]) == Decimal("0.01")
    assert found["6509"] == "RpB"
    assert found["83"].endswith("%")
    assert "7282" not in found, "what is not known is not sent"


async def test_unsubscribing_closes_data_and_a_second_time_is_an_error(plain_client: Any) -> None:
    await plain_client.watch(SPY, IBM)
    path = "/iserver/marketdata/unsubscribe"
    assert await plain_client.post(path, {"conid": SPY}) == {"success": True}
    again = await plain_client.ask("POST", path, json={"conid": SPY})
    assert (again.status_code, again.json()) == (500, {"error": "unknown"})
    assert len(await row(plain_client)) == 2
    assert len(await row(plain_client, IBM)) > 2
    assert await plain_client.get("/iserver/marketdata/unsubscribeall") == {"unsubscribed": True}
    assert len(await row(plain_client, IBM)) == 2


async def test_while_the_market_is_closed_data_is_frozen_and_the_prior_close_is_marked(plain_client: Any) -> None:
    state, clock = plain_client.gateway.state, plain_client.clock
    session = state.tape.session_at(clock.now())
    await clock.advance((session.closes - clock.now()) / NANOSECONDS + 60)
    await plain_client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await plain_client.prime()
    await plain_client.watch(SPY)
    evening = await row(plain_client)
    assert (evening["6509"], "84" in evening, "86" in evening) == ("ZpB", False, False)
    assert evening["31"][0].isdigit()
    await clock.advance(12 * 3600)
    await plain_client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await plain_client.prime()
    await plain_client.watch(SPY)
    morning = await row(plain_client)
    assert morning["31"] == "C" + evening["31"]


async def test_a_contract_without_data_permission_says_so(plain_client: Any) -> None:
    await plain_client.watch(FOREIGN)
    found = await row(plain_client, FOREIGN)
    assert (found["6509"], "31" in found, "84" in found) == ("N", False, False)


async def test_more_than_a_hundred_conids_or_fifty_fields_are_refused(plain_client: Any) -> None:
    many = ",".join(map(str, range(1, 102)))
    assert (await plain_client.ask("GET", SNAPSHOT, params={"conids": many, "fields": "31"})).status_code == 400
    assert (await plain_client.ask("GET", SNAPSHOT, params={"conids": SPY, "fields": many})).status_code == 400
    assert (await plain_client.ask("GET", SNAPSHOT)).status_code == 400
    assert await plain_client.get(SNAPSHOT, conids="1,2") == [], "unknown conids have no rows"


@pytest.mark.parametrize(
    ("volume", "text"),
    [(None, None), (0.0, "0"), (9_999.0, "9,999"), (10_100.0, "10.1K"), (999_900.0, "1.0M"), (50_600_000.0, "50.6M")],
)
def test_volumes_are_shortened(volume: float | None, text: str | None) -> None:
    assert volume_text(volume) == text


async def test_bars_end_at_the_start_time_and_count_one_less(plain_client: Any) -> None:
    asked = {"conid": SPY, "period": "1d", "bar": "5min"}
    found = await plain_client.get("/iserver/marketdata/history", **asked)
    assert found["points"] == len(found["data"]) - 1
    assert all(bar["l"] <= min(bar["o"], bar["c"]) <= max(bar["o"], bar["c"]) <= bar["h"] for bar in found["data"])
    times = [bar["t"] for bar in found["data"]]
    assert times == sorted(set(times))
    assert max(times) <= plain_client.clock.now() // 1_000_000
    earlier = await plain_client.get("/iserver/marketdata/history", **asked, startTime="20231114-22:00:00")
    assert max(bar["t"] for bar in earlier["data"]) < 1_700_000_000_000 - 13 * 60_000
    for wrong in ({"bar": "7min"}, {"period": "9h"}, {"direction": "1"}, {"conid": 860100050}, {"conid": 1}):
        assert (await plain_client.ask("GET", "/iserver/marketdata/history", params=asked | wrong)).status_code == 500


async def test_an_ambiguous_ticker_has_several_rows_and_trsrv_says_which_is_american(plain_client: Any) -> None:
    rows = await plain_client.get("/iserver/secdef/search", symbol="BBVA")
    assert [(r["conid"], r["description"]) for r in rows] == [
        ("4815", "NYSE"),
        ("30314149", "BM"),
        ("38708792", "MEXI"),
    ]
    companies = (await plain_client.get("/trsrv/stocks", symbols="BBVA"))["BBVA"]
    american = [c["conid"] for company in companies for c in company["contracts"] if c["isUS"]]
    assert american == [4815]


async def test_an_unknown_ticker_is_answered_in_both_forms_that_clients_report(plain_client: Any) -> None:
    assert await plain_client.get("/iserver/secdef/search", symbol="NOSUCH") == []
    assert "error" in await plain_client.post("/iserver/secdef/search", {"symbol": "NOSUCH"})
    assert (await plain_client.ask("GET", "/iserver/secdef/search")).status_code == 400
    assert (await plain_client.ask("GET", "/iserver/contract/1/info")).status_code == 500


async def test_a_search_by_name_does_not_open_the_way_to_strikes(start_gateway: Any) -> None:
    client = await start_gateway()
    asked = {"conid": SPY, "sectype": "OPT"}
    found = await client.get("/iserver/secdef/search", symbol="SPDR", name="true")
    month = found[0]["sections"][1]["months"].split(";")[0]
    assert await client.get("/iserver/secdef/strikes", **asked, month=month) == {"call": [], "put": []}
    await client.get("/iserver/secdef/search", symbol="SPY")
    assert len((await client.get("/iserver/secdef/strikes", **asked, month=month))["call"]) > 5


@pytest.mark.parametrize(("held", "pages"), [(0, [0]), (1, [1, 0]), (99, [99, 0]), (100, [100, 0]), (101, [100, 1, 0])])
async def test_positions_come_in_pages_of_a_hundred(plain_client: Any, held: int, pages: list[int]) -> None:
    state = plain_client.gateway.state
    options = [contract for contract in state.catalogue if contract.sec_type == "OPT"][:held]
    for contract in options:
        state.accounts[ONE].ledger.trade(contract.conid, Decimal(1), Decimal("0.10"), factor=contract.factor)
    path = f"/portfolio/{ONE}/positions"
    found = [await plain_client.get(f"{path}/{page}", waitForSecDef="true") for page in range(len(pages))]
    assert [len(page) for page in found] == pages
    assert len({position["conid"] for page in found for position in page}) == held
    for position in found[0]:
        assert position["avgCost"] == pytest.approx(position["avgPrice"] * position["multiplier"])


async def test_waiting_for_definitions_spares_the_sparse_read(plain_client: Any) -> None:
    path = "/portfolio/DU7654321/positions/0"
    assert (await plain_client.get(path, waitForSecDef="true"))[0]["ticker"] == "QQQ"
