"""Who is served by the simulated gateway, over which transport, and in which state of the session."""

import asyncio
import hashlib
import json
import socket
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest

from exchanges.ibkr.simulator import Simulator
from horizon.errors import ConfigurationError
from horizon.simulation.faults import Fault
from horizon.simulation.scripted_clock import ScriptedClock


async def test_a_client_that_is_given_the_pem_verifies_the_gateway_in_the_ordinary_way(tmp_path: Path) -> None:
    async with Simulator(directory=tmp_path) as gateway:
        assert gateway.certificate is not None
        context = ssl.create_default_context(cafile=str(gateway.certificate))
        async with httpx.AsyncClient(verify=context) as http:
            for host in ("localhost", "127.0.0.1"):
                answer = await http.get(gateway.base_url.replace("localhost", host) + "/iserver/auth/status")
                assert answer.status_code == 200
        key = tmp_path / "gateway-key.pem"
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


async def test_the_fingerprint_is_that_of_the_certificate_shown(tmp_path: Path) -> None:
    async with Simulator(directory=tmp_path) as gateway:
        port = int(gateway.base_url.split(":")[2].split("/")[0])
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        assert gateway.fingerprint == hashlib.sha256(shown).digest().hex(":").upper()


async def test_a_certificate_in_a_folder_is_kept_for_the_next_start(tmp_path: Path) -> None:
    async with Simulator(directory=tmp_path) as first:
        pinned = first.fingerprint
    async with Simulator(directory=tmp_path) as second:
        assert second.fingerprint == pinned
    (tmp_path / "gateway.pem").write_text("no certificate")
    async with Simulator(directory=tmp_path) as third:
        assert third.fingerprint != pinned


async def test_a_client_without_the_pem_refuses_the_gateway() -> None:
    async with Simulator() as gateway, httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await http.get(gateway.base_url + "/tickle")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Host": "localhost.attacker.example:5000"},
        {"Origin": "https://attacker.example"},
        {"Origin": "null"},
    ],
)
async def test_a_foreign_host_or_origin_is_refused(plain_client: Any, headers: dict[str, str]) -> None:
    answer = await plain_client.ask("POST", "/tickle", headers=headers)
    assert (answer.status_code, answer.text[:13]) == (403, "Access Denied")


async def test_a_page_of_this_machine_is_served(plain_client: Any) -> None:
    answer = await plain_client.ask("POST", "/tickle", headers={"Origin": "https://localhost:3000"})
    assert answer.status_code == 200


async def test_it_listens_on_this_machine_only(plain_client: Any) -> None:
    port = plain_client.http.base_url.port
    with socket.socket() as other:
        other.bind(("127.0.0.2", port))


async def test_a_port_in_use_is_a_configuration_error_that_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port} is in use .* choose another port"):
            async with Simulator(port=port, plain_http=True):
                raise AssertionError("started on a port in use")


async def test_it_closes_at_once_while_a_client_waits() -> None:
    gateway = Simulator(plain_http=True, clock=ScriptedClock(1_700_000_000_000_000_000))
    gateway.faults.add(Fault(match="* *", action="silence"))
    async with httpx.AsyncClient() as http:
        async with gateway:
            waiting = asyncio.create_task(http.get(gateway.base_url + "/tickle"))
            await gateway.faults.wait_until_applied()
        with pytest.raises(httpx.RemoteProtocolError):
            await waiting


async def test_not_signed_in_is_401_everywhere(start_gateway: Any) -> None:
    client = await start_gateway(logged_in=False)
    for path in ("/tickle", "/iserver/accounts", "/portfolio/accounts", "/no/such/path"):
        answer = await client.ask("GET", path)
        assert (answer.status_code, answer.json()) == (401, {"error": "not authenticated", "statusCode": 401})
    page = await client.http.get(str(client.http.base_url).rstrip("/").replace("/v1/api", "/sso/Login"))
    assert "Client login succeeds" in page.text
    assert (await client.post("/tickle"))["iserver"]["authStatus"]["authenticated"] is True


async def test_without_a_brokerage_session_portfolio_reads_work_and_trading_says_no_bridge(start_gateway: Any) -> None:
    client = await start_gateway(established=False)
    answer = await client.ask("GET", "/iserver/accounts")
    assert (answer.status_code, answer.json()) == (400, {"error": "Bad Request: no bridge", "statusCode": 400})
    assert len(await client.get("/portfolio/accounts")) == 2
    status = await client.get("/iserver/auth/status")
    assert (status["connected"], status["authenticated"], status["established"]) == (True, False, False)
    assert (await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": False}))["established"]
    assert (await client.get("/iserver/accounts"))["accounts"] == ["DU1234567", "DU7654321"]


@pytest.mark.parametrize("body", [None, {"publish": False, "compete": True}, {"publish": True}])
async def test_ssodh_init_without_both_keys_in_a_json_body_is_a_500(start_gateway: Any, body: object) -> None:
    client = await start_gateway(established=False)
    answer = await client.ask("POST", "/iserver/auth/ssodh/init?publish=true&compete=true", json=body)
    assert (answer.status_code, answer.json()) == (500, {"error": "failed to generate sso dh token"})


async def test_a_competing_session_is_only_put_out_when_asked_to(plain_client: Any) -> None:
    plain_client.gateway.compete()
    assert (await plain_client.post("/tickle"))["collission"] is True
    init = "/iserver/auth/ssodh/init"
    status = await plain_client.post(init, {"publish": True, "compete": False})
    assert (status["competing"], status["established"]) == (True, False)
    status = await plain_client.post(init, {"publish": True, "compete": True})
    assert (status["competing"], status["established"]) == (False, True)


async def test_six_silent_minutes_end_the_brokerage_session(plain_client: Any) -> None:
    await plain_client.clock.advance(350)
    await plain_client.post("/tickle")
    await plain_client.clock.advance(350)
    assert (await plain_client.post("/tickle"))["iserver"]["authStatus"]["authenticated"] is True
    await plain_client.clock.advance(361)
    status = await plain_client.get("/iserver/auth/status")
    assert (status["connected"], status["authenticated"]) == (True, False)


async def test_log_out_ends_everything(plain_client: Any) -> None:
    assert await plain_client.post("/logout") == {"status": True}
    assert (await plain_client.ask("POST", "/tickle")).status_code == 401


async def test_accounts_come_first(start_gateway: Any) -> None:
    client = await start_gateway()
    for path in ("/iserver/account/orders", "/iserver/marketdata/snapshot?conids=756733&fields=31"):
        answer = await client.ask("GET", path)
        assert answer.status_code == 400
        assert answer.json()["error"] == "Bad Request: Please query /accounts first"
    assert (await client.ask("GET", "/portfolio/DU1234567/ledger")).status_code == 400


async def test_an_unknown_path_is_a_html_page(plain_client: Any) -> None:
    for path in ("/md/snapshot", "/hmds/history"):
        answer = await plain_client.ask("GET", path)
        assert answer.status_code == 404
        assert answer.headers["content-type"].startswith("text/html")
        assert "Resource not found" in answer.text


async def test_the_old_prefix_still_works(plain_client: Any) -> None:
    old = str(plain_client.http.base_url).rstrip("/").replace("/v1/api", "/v1/portal")
    assert (await plain_client.http.post(old + "/tickle")).json()["collission"] is False


async def test_paper_or_live_shows_in_three_places(start_gateway: Any) -> None:
    for is_paper, prefix, login_type in ((True, "DU", 2), (False, "U", 1)):
        client = await start_gateway(is_paper=is_paper)
        accounts = await client.get("/iserver/accounts")
        assert accounts["isPaper"] is is_paper
        assert accounts["selectedAccount"].startswith(prefix)
        assert (await client.get("/sso/validate"))["LOGIN_TYPE"] == login_type


async def test_requests_are_logged_in_order_with_clock_time(plain_client: Any) -> None:
    await plain_client.clock.advance(5)
    await plain_client.ask("GET", "/nonsense?x=1")
    last = plain_client.gateway.requests[-1]
    assert (last.time, last.method, last.path, last.status) == (
        plain_client.clock.now(),
        "GET",
        "/v1/api/nonsense",
        404,
    )


async def test_pacing_refuses_what_comes_too_fast_and_counts_it(start_gateway: Any) -> None:
    client = await start_gateway(pacing=True)
    statuses = [(await client.ask("GET", "/iserver/auth/status")).status_code for _ in range(12)]
    assert statuses == [200] * 10 + [429] * 2
    await client.clock.advance(1)
    assert (await client.ask("GET", "/portfolio/accounts")).status_code == 200
    answer = await client.ask("GET", "/portfolio/accounts")
    assert answer.status_code == 429
    assert "error" in json.loads(answer.text)
    await client.clock.advance(5)
    assert (await client.ask("GET", "/portfolio/accounts")).status_code == 200
    assert client.gateway.rate_limited == 3
