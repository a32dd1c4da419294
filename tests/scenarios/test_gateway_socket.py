"""The simulated gateway's WebSocket, seen by an ordinary client."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

SPY = 756733
ONE = "DU1234567"


class Socket:
    """Reads the frames that have arrived; they are binary, and JSON."""

    def __init__(self, client: Any, raw: aiohttp.ClientWebSocketResponse) -> None:
        self._client = client
        self._raw = raw
        self.frames: list[dict[str, Any]] = []

    async def say(self, text: str) -> None:
        await self._raw.send_str(text)

    async def until(self, topic: str, *, seconds: int = 60) -> dict[str, Any]:
        """The next frame of a topic; clock time passes until it comes."""
        for _ in range(seconds * 2):
            with contextlib.suppress(TimeoutError):
                while True:
                    message = await self._raw.receive(timeout=0.05)
                    assert message.type is aiohttp.WSMsgType.BINARY
                    self.frames.append(json.loads(message.data))
                    if self.frames[-1].get("topic", "error") == topic:
                        return self.frames[-1]
            await self._client.clock.advance(0.5)
        raise AssertionError(f"no {topic} frame came, only {[f.get('topic') for f in self.frames]}")


@asynccontextmanager
async def connected(client: Any, cookie: str | None = None) -> AsyncIterator[Socket]:
    session = (await client.post("/tickle"))["session"]
    headers = {"Cookie": cookie.format(session=session)} if cookie else {}
    async with aiohttp.ClientSession() as http, http.ws_connect(client.gateway.ws_url, headers=headers) as raw:
        yield Socket(client, raw)


@pytest.mark.parametrize("cookie", ['api={{"session":"{session}"}}', "api={session}", "x-sess-uuid=0.abc"])
async def test_system_account_and_status_frames_greet_a_client_of_the_session(plain_client: Any, cookie: str) -> None:
    async with connected(plain_client, cookie) as socket:
        assert (await socket.until("system"))["isPaper"] is True
        assert (await socket.until("act"))["args"]["accounts"] == [ONE, "DU7654321"]
        assert (await socket.until("sts"))["args"]["authenticated"] is True
        assert [frame["topic"] for frame in socket.frames] == ["system", "act", "sts"]


async def test_a_client_without_cookie_is_asked_for_its_session(plain_client: Any) -> None:
    async with connected(plain_client) as socket:
        assert await socket.until("error") == {"message": "waiting for session"}
        await socket.say('{"session":"wrong"}')
        await socket.say(json.dumps({"session": plain_client.gateway.state.session.id}))
        assert (await socket.until("system"))["success"]


async def test_market_data_is_full_at_first_and_then_only_what_changed(plain_client: Any) -> None:
    async with connected(plain_client, "api={session}") as socket:
        await socket.say(f'smd+{SPY}+{{"fields":["31","84","86","55"]}}')
        first = await socket.until(f"smd+{SPY}")
        assert {"31", "84", "86", "55", "conid", "_updated", "6509"} <= set(first)
        second = await socket.until(f"smd+{SPY}")
        assert "55" not in second
        assert {"31", "84", "86"} & set(second)
        await socket.say(f"umd+{SPY}+{{}}")
        await socket.say("tic")
        await socket.until("tic")
        await plain_client.clock.advance(5)
        await socket.say("tic")
        await socket.until("tic")
        assert f"smd+{SPY}" not in [frame["topic"] for frame in socket.frames[-2:]]


async def test_orders_and_trades_are_pushed_sparse_first_and_commission_later(plain_client: Any) -> None:
    async with connected(plain_client, "api={session}") as socket:
        await socket.say("sor+{}")
        await socket.say('str+{"realtimeUpdatesOnly":true}')
        await socket.say("spl+{}")
        await socket.until("spl")
        ticket = {"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY", "cOID": "w"}
        await plain_client.place(ticket)
        sparse = (await socket.until("sor"))["args"][0]
        assert set(sparse) == {"acct", "conid", "conidex", "orderId", "isEventTrading"}
        full = (await socket.until("sor"))["args"][0]
        assert (full["orderId"], full["status"], full["order_ref"]) == (sparse["orderId"], "Filled", "w")
        fresh = (await socket.until("str"))["args"][0]
        complete = (await socket.until("str"))["args"][0]
        assert fresh["execution_id"] == complete["execution_id"]
        assert ("commission" in fresh, complete["commission"]) == (False, "1.0")
        assert (await socket.until("spl"))["args"][f"{ONE}.Core"]["rowType"] == 1


async def test_notices_and_server_prompts_come_unasked_and_an_answer_lets_the_order_go(plain_client: Any) -> None:
    async with connected(plain_client, "api={session}") as socket:
        await socket.until("sts")
        ticket = {"conid": SPY, "orderType": "LMT", "side": "BUY", "quantity": 1, "tif": "GTC", "price": 500.0}
        plain_client.gateway.hold_next_order()
        await plain_client.place(ticket)
        (told,) = (await socket.until("ntf"))["args"]
        assert "will be automatically canceled at" in told["text"]
        (asked,) = (await socket.until("ntf"))["args"]
        assert (asked["messageId"], asked["prompt"]) == ("p12", True)
        answer = {"orderId": asked["orderId"], "reqId": asked["reqId"], "text": "Use on this order"}
        await plain_client.post("/iserver/notification", answer)
        status = await plain_client.get(f"/iserver/account/order/status/{asked['orderId']}")
        assert (status["order_status"], status["use_price_mgmt_algo"]) == ("Submitted", True)
    async with connected(plain_client, "api={session}") as socket:
        await socket.until("system", seconds=15)
        await socket.until("system", seconds=15)
        assert "ntf" not in [frame["topic"] for frame in socket.frames], "nobody hears them again"


async def test_trades_of_the_day_are_replayed_to_a_client_that_wants_them(plain_client: Any) -> None:
    await plain_client.place({"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"})
    async with connected(plain_client, "api={session}") as socket:
        await socket.say('str+{"days":1}')
        assert (await socket.until("str"))["args"][0]["conid"] == SPY


async def test_a_filtered_read_of_orders_silences_the_orders_topic(plain_client: Any) -> None:
    async with connected(plain_client, "api={session}") as socket:
        await socket.say("sor+{}")
        await plain_client.get("/iserver/account/orders", filters="filled")
        await plain_client.place({"conid": SPY, "orderType": "MKT", "side": "BUY", "quantity": 1, "tif": "DAY"})
        with pytest.raises(AssertionError, match="no sor frame"):
            await socket.until("sor", seconds=3)
        await plain_client.get("/iserver/account/orders", force="true")
        await socket.until("sor")


async def test_heartbeats_go_on_when_the_brokerage_session_is_gone(plain_client: Any) -> None:
    async with connected(plain_client, "api={session}") as socket:
        await socket.say("spl+{}")
        await socket.until("spl")
        plain_client.gateway.drop_session()
        assert (await socket.until("sts"))["args"]["authenticated"] is False
        assert "hb" in await socket.until("system")
        await socket.say("sor+{}")
        assert await socket.until("sor") == {"error": "unable to subscribe", "code": 500, "topic": "sor"}
        await socket.say("xyz+{}")
        assert (await socket.until("error"))["error"] == "Topic unknown xyz"


async def test_a_client_of_a_gateway_that_is_not_signed_in_hears_nothing(start_gateway: Any) -> None:
    client = await start_gateway(logged_in=False)
    async with aiohttp.ClientSession() as http, http.ws_connect(client.gateway.ws_url) as raw:
        with pytest.raises(TimeoutError):
            await raw.receive(timeout=0.1)


async def test_a_page_of_another_site_is_refused(plain_client: Any) -> None:
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await http.ws_connect(plain_client.gateway.ws_url, headers={"Origin": "https://attacker.example"})


async def test_the_gateway_closes_at_once_under_open_sockets(start_gateway: Any) -> None:
    client = await start_gateway()
    async with connected(client, "api={session}") as socket:
        await socket.until("sts")
        async with asyncio.timeout(2):
            await client.gateway.__aexit__(None, None, None)
