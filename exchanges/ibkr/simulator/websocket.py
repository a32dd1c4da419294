"""The gateway's socket: `/v1/api/ws`.

Text arrives, binary frames leave, as behind the real gateway. Topics: `smd`/`umd` market data, `sor`/`uor` orders,
`str`/`utr` trades, `spl`/`upl` P&L, `tic`. Unasked come `system`, `act`, `sts` and a heartbeat every ten seconds.
"""

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import unquote

import msgspec
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from exchanges.ibkr.simulator.access import Access, speaking_for
from exchanges.ibkr.simulator.account_routes import overview
from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.pushes import MarketDataPush, OrderPush, PnlPush, Push, TradePush
from exchanges.ibkr.simulator.session import Brokerage, Session
from exchanges.ibkr.simulator.state import State

_ROUND = 0.5
_HEARTBEAT_ROUNDS = 20
_UNSUBSCRIBES = {"umd": "smd", "uor": "sor", "utr": "str", "upl": "spl"}


async def serve_socket(state: State, access: Access, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve one client until it leaves. Where nobody is signed in it gets an open socket that stays silent, which is
    what the real gateway makes of a refusal; a program without a good token does not get that far."""
    try:
        session = access.admit_socket(Ask.of(scope))
    except Refusal:
        await send({"type": "websocket.close", "code": 1008})
        return
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    with contextlib.suppress(WebSocketDisconnect):
        if not session.logged_in or state.upstream.is_silent:
            while True:
                await socket.receive_text()
        client = _Client(state, session, socket)
        if not _is_identified(session, socket, by_cookie_of_gateway=not access.needs_cookie):
            await client.send({"message": "waiting for session"})
            await client.wait_for_session(by_message=not access.needs_cookie)
        await client.greet()
        pushing = asyncio.create_task(client.push(), name="gateway socket")
        try:
            await client.listen()
        finally:
            pushing.cancel()
            with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                await pushing


def _is_identified(session: Session, socket: WebSocket, *, by_cookie_of_gateway: bool) -> bool:
    """By a cookie: `api=<session>`, `api={"session": ...}`, or the gateway's own `x-sess-uuid`."""
    cookie = unquote(socket.headers.get("cookie", ""))
    return session.id in cookie or (by_cookie_of_gateway and "x-sess-uuid=" in cookie)


class _Client:
    """One connected client and what it has subscribed to.

    It belongs to the session in which it was greeted: of a later one it hears heartbeats and nothing else. What it
    subscribed to ends with the brokerage session.
    """

    def __init__(self, state: State, session: Session, socket: WebSocket) -> None:
        self._state = state
        self._session = session
        self._socket = socket
        self._session_id = ""
        self._pushes: dict[str, Push] = {}
        self._pushed_for: Brokerage | None = None
        self._status = self._sts()
        self._heard = 0
        """How many notices were sent before, or to, this client."""

    async def send(self, frame: object) -> None:
        await self._socket.send_bytes(msgspec.json.encode(frame))

    async def wait_for_session(self, *, by_message: bool) -> None:
        """Read until the client says which session it belongs to, which helps only where that is enough."""
        while True:
            text = await self._socket.receive_text()
            with contextlib.suppress(json.JSONDecodeError, AttributeError):
                if by_message and json.loads(text).get("session") == self._session.id:
                    return

    async def greet(self) -> None:
        self._session_id = self._session.id
        self._heard = len(self._state.desk.notices.sent)
        self._status = self._sts()
        session = self._session
        await self.send({"topic": "system", "success": session.user_name, "isFT": False, "isPaper": session.is_paper})
        with speaking_for(self._state, session):
            accounts = overview(self._state)
        await self.send({"topic": "act", "args": accounts})
        await self.send({"topic": "sts", "args": self._status})

    async def listen(self) -> None:
        """Take messages `TOPIC+TARGET+{JSON}` until the client leaves."""
        while True:
            text = await self._socket.receive_text()
            if self._state.upstream.is_silent:
                continue
            with speaking_for(self._state, self._session):
                self._session.touch()
                frames = self._handle(text)
            for frame in frames:
                await self.send(frame)

    async def push(self) -> None:
        """Twice a second: heartbeats, session changes, and what the subscriptions have to tell."""
        rounds = 0
        while True:
            await self._state.clock.sleep(_ROUND)
            rounds += 1
            self._state.advance()
            if self._state.upstream.is_silent:
                continue
            with speaking_for(self._state, self._session):
                frames = self._news(is_heartbeat=rounds % _HEARTBEAT_ROUNDS == 0)
            for frame in frames:
                await self.send(frame)

    def _news(self, *, is_heartbeat: bool) -> list[object]:
        frames: list[object] = []
        if is_heartbeat:
            frames.append({"topic": "system", "hb": self._state.milliseconds()})
        if self._is_of_the_past():
            return frames
        status = self._sts()
        if status != self._status and self._session.life.is_told():
            self._status = status
            frames.append({"topic": "sts", "args": status})
        if self._session.established:
            notices = self._state.desk.notices.sent
            frames += [{"topic": "ntf", "args": [notice]} for notice in notices[self._heard :]]
            self._heard = len(notices)
        # After the brokerage session is gone, the socket stays open with nothing but heartbeats.
        if self._session.brokerage is self._pushed_for and self._session.established:
            for push in list(self._pushes.values()):
                frames += push.frames()
        return frames

    def _is_of_the_past(self) -> bool:
        return self._session_id != self._session.id

    def _sts(self) -> dict[str, object]:
        session = self._session
        return {
            "connected": session.connected,
            "authenticated": session.authenticated,
            "established": session.authenticated,
            "competing": session.competing,
            "message": "",
            "fail": "",
            "username": session.user_name,
            **session.server,
        }

    def _handle(self, text: str) -> list[object]:
        topic, _, rest = text.partition("+")
        if topic in ("tic", "ech"):
            session = self._session
            return [{"topic": "tic", "alive": True, "id": session.id, "lastAccessed": self._state.milliseconds()}]
        if self._is_of_the_past():
            return []
        if topic in _UNSUBSCRIBES:
            target = rest.partition("+")[0] if topic == "umd" else ""
            self._pushes.pop(_UNSUBSCRIBES[topic] + target, None)
            return []
        if topic not in _UNSUBSCRIBES.values():
            return [] if text.startswith("{") else [{"error": f"Topic unknown {topic}", "code": 1}]
        if not (self._session.established and self._session.brokerage.accounts_queried):
            return [{"error": "unable to subscribe", "code": 500, "topic": topic}]
        return self._subscribe(topic, rest)

    def _subscribe(self, topic: str, rest: str) -> list[object]:
        target, _, options = rest.partition("+") if topic == "smd" else ("", "", rest)
        wanted = _options(options)
        push: Push | None
        if topic == "smd":
            push = MarketDataPush.of(self._state, target, wanted)
        elif topic == "sor":
            push = OrderPush(self._state)
        elif topic == "str":
            push = TradePush(self._state, wanted)
        else:
            push = PnlPush(self._state)
        if push is None:
            return [{"error": "unable to subscribe", "code": 500, "topic": f"{topic}+{target}"}]
        if self._session.brokerage is not self._pushed_for:
            self._pushed_for = self._session.brokerage
            self._pushes.clear()
        self._pushes[topic + target] = push
        return []


def _options(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {}
