"""What the simulated gateway does with those who ask too much: 429, the penalty box, data lines."""

import asyncio
from typing import Any

import httpx
import pytest

from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.pacing import CONCURRENT_HISTORIES, LIMITS, PENALTY, Pacing, limits
from horizon.simulation.scripted_clock import ScriptedClock

BARS = "/iserver/marketdata/history?conid=756733&period=1d&bar=5min"


async def status(client: Any, path: str = "/iserver/auth/status") -> int:
    answer: httpx.Response = await client.ask("GET", path)
    return answer.status_code


async def test_after_a_429_everything_is_refused_for_a_quarter_of_an_hour(start_gateway: Any) -> None:
    client = await start_gateway(pacing=True, penalty_box=True)
    assert [await status(client) for _ in range(11)] == [200] * 10 + [429]
    assert client.gateway.rate_limited == 1
    await client.clock.advance(PENALTY - 1)
    assert await status(client, "/sso/validate") == 429
    assert client.gateway.sent_in_penalty_box == 1
    await client.clock.advance(2)
    assert await status(client) == 200
    assert (client.gateway.rate_limited, client.gateway.sent_in_penalty_box) == (1, 1)


async def test_what_was_under_way_when_the_box_closed_is_not_held_against_the_client(start_gateway: Any) -> None:
    client = await start_gateway(pacing=True, penalty_box=60)
    for _ in range(14):
        await status(client)
    assert (client.gateway.rate_limited, client.gateway.sent_in_penalty_box) == (1, 0)
    await client.clock.advance(59)
    await status(client)
    assert client.gateway.sent_in_penalty_box == 1
    await client.clock.advance(1)
    assert await status(client) == 200


async def test_a_penalty_that_others_earned_begins_with_the_next_request(start_gateway: Any) -> None:
    client = await start_gateway(pacing=False)
    client.gateway.penalize(60)
    await client.clock.advance(3600)
    assert await status(client) == 429
    assert (client.gateway.rate_limited, client.gateway.sent_in_penalty_box) == (0, 0)
    await client.clock.advance(30)
    assert await status(client) == 429
    assert client.gateway.sent_in_penalty_box == 1
    await client.clock.advance(31)
    assert await status(client) == 200


@pytest.mark.parametrize("history_takes", [0.0, 2.0])
async def test_a_sixth_request_for_bars_at_the_same_time_is_one_too_many(history_takes: float) -> None:
    clock = ScriptedClock(1_700_000_000 * 10**9)
    gateway = Simulator(clock=clock, plain_http=True, history_takes=history_takes)
    async with clock.running(), gateway, httpx.AsyncClient(base_url=gateway.base_url, trust_env=False) as http:

        async def ask(path: str) -> int:
            async with clock.in_flight():
                return (await http.get(path)).status_code

        await ask("/iserver/accounts")
        await clock.sleep(1)
        together = CONCURRENT_HISTORIES + 1
        statuses = sorted(await asyncio.gather(*(ask(BARS) for _ in range(together))))
        assert statuses == [200] * (together - 1) + [429 if history_takes else 200]
        await clock.sleep(1)
        assert await ask(BARS) == 200


async def test_one_in_fifteen_minutes_is_one_in_fifteen_minutes(start_gateway: Any) -> None:
    client = await start_gateway(pacing=True)
    assert await status(client, "/iserver/scanner/params") == 404
    await client.clock.advance(14 * 60)
    assert await status(client, "/iserver/scanner/params") == 429
    await client.clock.advance(60)
    assert await status(client, "/iserver/scanner/params") == 404


async def test_all_hosts_and_programs_of_a_user_share_the_limits(start_gateway: Any) -> None:
    client = await start_gateway(pacing=True, hosts=3)
    async with httpx.AsyncClient() as another_program:
        statuses = [
            (await another_program.get(client.gateway.hosts[n % 3] + "/iserver/auth/status")).status_code
            for n in range(12)
        ]
    assert statuses == [200] * 10 + [429] * 2


def test_fifty_a_second_are_fifty_a_second() -> None:
    pacing = Pacing(ScriptedClock(0), limits(50))
    assert [pacing.admits("/iserver/auth/status") for _ in range(51)] == [True] * 50 + [False]
    assert limits() == LIMITS


async def test_contracts_beyond_the_data_lines_get_rows_without_data_until_one_is_free(start_gateway: Any) -> None:
    client = await start_gateway(data_lines=2)
    await client.prime()
    conids = (756733, 265598, 8314)
    await client.watch(*conids)

    async def with_data() -> set[int]:
        rows = await client.get("/iserver/marketdata/snapshot", conids=",".join(map(str, conids)), fields="84")
        assert [row["conid"] for row in rows] == list(conids)
        return {row["conid"] for row in rows if "84" in row}

    assert await with_data() == {756733, 265598}
    await client.clock.advance(3600)
    await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
    await client.prime()
    await client.watch(*conids)
    await client.post("/iserver/marketdata/unsubscribe", {"conid": 265598})
    await client.watch(8314)
    assert await with_data() == {756733, 8314}
