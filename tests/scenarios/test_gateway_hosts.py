"""Numbered hosts of a simulated gateway, an upstream that is away, and a process that is started again."""

import asyncio
import json
from typing import Any

import aiohttp
import httpx
import pytest

from exchanges.ibkr.simulator import Simulator
from horizon.simulation.scripted_clock import ScriptedClock

INIT = "/iserver/auth/ssodh/init"
COMPETE = {"publish": True, "compete": True}
ORDERS = "/iserver/account/DU1234567/orders"
TICKET = {"conid": 756733, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"}


async def test_numbered_hosts_show_one_gateway_and_one_of_them_can_be_gone(start_gateway: Any) -> None:
    client = await start_gateway(hosts=3)
    assert len(set(client.gateway.hosts)) == 3
    assert client.gateway.hosts[0] == client.gateway.base_url
    client.gateway.gone(0)
    answer = await client.ask("POST", "/tickle")
    assert answer.status_code == 410
    async with httpx.AsyncClient() as http:
        sessions = {(await http.post(host + "/tickle")).json()["session"] for host in client.gateway.hosts[1:]}
    assert sessions == {client.gateway.state.session.id}
    client.gateway.back(0)
    assert (await client.ask("POST", "/tickle")).status_code == 200
    assert [request.status for request in client.gateway.requests] == [410, 200, 200, 200]


async def test_while_the_upstream_is_away_nothing_is_answered_and_nothing_happens(start_gateway: Any) -> None:
    client = await start_gateway(prompts=False)
    await client.prime()
    client.gateway.stop_answering()
    for method, path in (("POST", "/tickle"), ("POST", ORDERS), ("GET", "/portfolio/accounts")):
        with pytest.raises(httpx.ReadTimeout):
            await client.ask(method, path, json={"orders": [TICKET]}, timeout=0.03)
    client.gateway.resume()
    assert (await client.ask("POST", "/tickle")).status_code == 200
    assert client.gateway.book("DU1234567").orders == []


async def test_who_waits_when_the_upstream_comes_back_is_cut_and_asks_again() -> None:
    clock = ScriptedClock(1_700_000_000 * 10**9)
    gateway = Simulator(clock=clock, plain_http=True, pacing=False)
    async with clock.running(), gateway, httpx.AsyncClient(base_url=gateway.base_url, trust_env=False) as http:

        async def ask() -> int:
            async with clock.in_flight():
                return (await http.post("/tickle", timeout=None)).status_code

        gateway.stop_answering()
        waiting = asyncio.create_task(ask())
        before = clock.monotonic()
        await clock.sleep(3600)
        assert not waiting.done()
        gateway.resume()
        with pytest.raises(httpx.RemoteProtocolError):
            await waiting
        assert await ask() == 200
        assert clock.monotonic() - before == pytest.approx(3600)


async def test_a_socket_is_silent_while_the_upstream_is_away_and_goes_on_after_it(start_gateway: Any) -> None:
    client = await start_gateway()
    session = (await client.post("/tickle"))["session"]
    headers = {"Cookie": f"api={session}"}
    async with aiohttp.ClientSession() as http, http.ws_connect(client.gateway.ws_url, headers=headers) as raw:
        for topic in ("system", "act", "sts"):
            assert json.loads((await raw.receive()).data)["topic"] == topic
        client.gateway.stop_answering()
        await client.clock.advance(60)
        await raw.send_str("tic")
        async with http.ws_connect(client.gateway.ws_url, headers=headers) as late:
            with pytest.raises(TimeoutError):
                await late.receive(timeout=0.05)
        client.gateway.resume()
        await raw.send_str("tic")
        assert json.loads((await raw.receive()).data)["topic"] == "tic"
        await client.clock.advance(10)
        assert "hb" in json.loads((await raw.receive()).data)


async def test_a_process_that_is_started_again_keeps_its_port_and_nobody_is_signed_in(start_gateway: Any) -> None:
    client = await start_gateway(hosts=2)
    hosts = client.gateway.hosts
    assert (await client.ask("POST", "/tickle")).status_code == 200
    restarting = asyncio.create_task(client.gateway.restart(30))
    await client.clock.advance(29)
    with pytest.raises(httpx.ConnectError):
        await client.ask("POST", "/tickle")
    await client.clock.advance(2)
    await restarting
    assert client.gateway.hosts == hosts
    assert (await client.ask("POST", "/tickle")).status_code == 401
    assert client.gateway.log_in()
    assert (await client.ask("POST", "/tickle")).status_code == 200
    assert [request.status for request in client.gateway.requests] == [200, 401, 200]


async def test_a_restart_that_is_under_way_ends_with_the_simulator() -> None:
    clock = ScriptedClock(1_700_000_000 * 10**9)
    async with Simulator(clock=clock, plain_http=True) as gateway:
        gateway.restart_soon(600)
        await clock.advance(1)
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_no_bridge_though_the_status_looks_well_until_the_next_init(plain_client: Any) -> None:
    plain_client.gateway.lose_bridge()
    assert (await plain_client.post("/iserver/auth/status"))["authenticated"] is True
    answer = await plain_client.ask("GET", "/iserver/accounts")
    assert (answer.status_code, answer.json()["error"]) == (400, "Bad Request: no bridge")
    assert len(await plain_client.get("/portfolio/accounts")) == 2
    assert (await plain_client.post(INIT, COMPETE))["established"] is True
    assert (await plain_client.ask("GET", "/iserver/accounts")).status_code == 200


async def test_a_bridge_that_is_lost_for_good_does_not_come_back_with_an_init(plain_client: Any) -> None:
    plain_client.gateway.lose_bridge(for_good=True)
    await plain_client.post(INIT, COMPETE)
    assert (await plain_client.ask("GET", "/iserver/accounts")).status_code == 400
    plain_client.gateway.restore_bridge()
    assert (await plain_client.ask("GET", "/iserver/accounts")).status_code == 200


async def test_orders_can_be_unavailable_while_everything_else_is_read(plain_client: Any) -> None:
    plain_client.gateway.close_orders()
    for method, path in (
        ("POST", ORDERS),
        ("POST", ORDERS + "/whatif"),
        ("POST", "/iserver/account/DU1234567/order/1"),
        ("DELETE", "/iserver/account/DU1234567/order/1"),
        ("POST", "/iserver/reply/x"),
    ):
        assert (await plain_client.ask(method, path, json={})).status_code == 503
    for path in ("/portfolio/accounts", "/iserver/account/orders", "/iserver/accounts"):
        assert (await plain_client.ask("GET", path)).status_code == 200
    plain_client.gateway.accept_orders()
    assert (await plain_client.place(TICKET))[0]["order_id"]
