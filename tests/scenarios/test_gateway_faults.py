"""Faults between a simulator and its client: what the client sees, and what happened all the same."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from horizon.errors import ConfigurationError
from horizon.simulation.faults import Fault, FaultPlan

ONE = "DU1234567"
ORDERS = f"/iserver/account/{ONE}/orders"
TICKET = {"conid": 756733, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY", "cOID": "f"}


def arm(client: Any, **fault: Any) -> None:
    client.gateway.faults.add(Fault(**{"match": "POST */orders"} | fault))


def placed(client: Any) -> int:
    return len(client.gateway.book(ONE).orders)


async def send(client: Any) -> httpx.Response:
    answer: httpx.Response = await client.ask("POST", ORDERS, json={"orders": [TICKET]})
    return answer


@pytest.mark.parametrize(("when", "happened"), [("before", 0), ("after", 1)])
async def test_a_dropped_connection_says_nothing_about_what_happened(
    plain_client: Any, when: str, happened: int
) -> None:
    arm(plain_client, action="drop", when=when)
    with pytest.raises(httpx.RemoteProtocolError):
        await send(plain_client)
    assert placed(plain_client) == happened


@pytest.mark.parametrize(
    ("fault", "status", "kind", "body"),
    [
        ({"action": "status"}, 503, "application/json", b'{"error":"Service Unavailable"}'),
        ({"action": "status", "status": 429}, 429, "application/json", b'{"error":"Too Many Requests"}'),
        ({"action": "html"}, 200, "text/html", b"<html>"),
        ({"action": "html", "status": 502}, 502, "text/html", b"<html>"),
        ({"action": "empty"}, 200, "application/json", b""),
    ],
)
@pytest.mark.parametrize(("when", "happened"), [("before", 0), ("after", 1)])
async def test_an_answer_is_replaced(
    plain_client: Any, fault: dict[str, Any], status: int, kind: str, body: bytes, when: str, happened: int
) -> None:
    arm(plain_client, when=when, **fault)
    answer = await send(plain_client)
    assert (answer.status_code, answer.headers["content-type"]) == (status, kind)
    assert answer.content[: len(body) or None][:6] == body[:6]
    assert placed(plain_client) == happened
    assert plain_client.gateway.requests[-1].status == status


async def test_a_truncated_answer_is_whole_http_around_half_a_body(plain_client: Any) -> None:
    arm(plain_client, action="truncate", when="after")
    answer = await send(plain_client)
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    assert placed(plain_client) == 1


async def test_an_answer_cut_half_way_is_an_error_of_the_connection(plain_client: Any) -> None:
    arm(plain_client, action="drop", when="during")
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await send(plain_client)
    assert placed(plain_client) == 1


async def test_a_duplicated_request_reaches_the_venue_twice_and_the_second_answer_is_sent(plain_client: Any) -> None:
    arm(plain_client, action="duplicate", when="after")
    answer = await send(plain_client)
    assert answer.json() == {"error": "Order couldn't be submitted: Local order ID=f is already registered."}
    assert placed(plain_client) == 1


@pytest.mark.parametrize(("when", "meanwhile"), [("before", 0), ("after", 1)])
async def test_a_delay_passes_in_clock_time(plain_client: Any, when: str, meanwhile: int) -> None:
    arm(plain_client, action="delay", when=when, seconds=30)
    clock = plain_client.clock

    async def ask() -> httpx.Response:
        async with clock.in_flight():
            return await send(plain_client)

    waiting = asyncio.create_task(ask())
    await plain_client.gateway.faults.wait_until_applied()
    await clock.advance(29)
    assert not waiting.done()
    assert placed(plain_client) == meanwhile
    await clock.advance(1)
    assert (await waiting).status_code == 200
    assert placed(plain_client) == 1


async def test_silence_ends_when_the_client_gives_up(plain_client: Any) -> None:
    arm(plain_client, action="silence", when="after")
    with pytest.raises(httpx.ReadTimeout):
        await plain_client.ask("POST", ORDERS, json={"orders": [TICKET]}, timeout=0.05)
    assert placed(plain_client) == 1
    assert (await plain_client.ask("POST", "/tickle")).status_code == 200


async def test_silence_can_end_by_the_clock(plain_client: Any) -> None:
    arm(plain_client, action="silence", seconds=10)
    waiting = asyncio.create_task(send(plain_client))
    await plain_client.gateway.faults.wait_until_applied()
    await plain_client.clock.advance(11)
    with pytest.raises(httpx.RemoteProtocolError):
        await waiting
    assert placed(plain_client) == 0


async def test_a_plan_counts_what_it_skips_and_what_it_harms(plain_client: Any) -> None:
    arm(plain_client, match="* */tickle", action="status", skip=1, times=2)
    statuses = [(await plain_client.ask("POST", "/tickle")).status_code for _ in range(5)]
    assert statuses == [200, 503, 503, 200, 200]
    assert [where for _, where in plain_client.gateway.faults.applied] == ["POST /v1/api/tickle"] * 2


def test_a_plan_is_read_from_toml() -> None:
    plan = FaultPlan.parse(
        """
        [[fault]]
        match = "GET */snapshot"
        action = "delay"
        seconds = 2.5
        times = 2

        [[fault]]
        match = "* *"
        action = "html"
        when = "after"
        """
    )
    first = plan.take("GET", "/v1/api/iserver/marketdata/snapshot")
    assert first == Fault(match="GET */snapshot", action="delay", seconds=2.5, times=2)
    assert plan.take("POST", "/x") == Fault(match="* *", action="html", when="after")
    assert plan.take("POST", "/x") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[fault]", "is not valid TOML"),
        ("[fault]\nmatch='* *'", r"expected only \[\[fault\]\] tables"),
        ("[[mishap]]", "found mishap"),
        ("[[fault]]\naction='drop'", "fault number 1 .* `match`"),
        ("[[fault]]\nmatch='* *'\naction='explode'", "fault number 1 .* 'explode'"),
        ("[[fault]]\nmatch='* *'\naction='drop'\nwhem='after'", "`whem`"),
        ("[[fault]]\nmatch='*/orders'\naction='drop'", 'such as "POST'),
        ("[[fault]]\nmatch='* *'\naction='delay'", "a delay needs seconds above 0"),
        ("[[fault]]\nmatch='* *'\naction='drop'\nseconds=1.0", "seconds belong to delay, silence, overtaken"),
        ("[[fault]]\nmatch='* *'\naction='drop'\nstatus=500", "status belongs to"),
        ("[[fault]]\nmatch='* *'\naction='status'\nstatus=99", "from 200 to 599"),
        ("[[fault]]\nmatch='* *'\naction='html'\nwhen='during'", "'during' cuts the connection"),
        ("[[fault]]\nmatch='* *'\naction='truncate'", "needs the true answer"),
        ("[[fault]]\nmatch='* *'\naction='drop'\ntimes=0", "times of at least 1"),
    ],
)
def test_a_wrong_plan_says_what_is_wrong_with_it(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        FaultPlan.parse(text)


@pytest.mark.parametrize("wrong", [{"action": "explode"}, {"action": "drop", "when": "never"}])
def test_a_fault_made_in_python_is_checked_too(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        Fault(match="* *", **wrong)
