"""An ASGI application with a fault plan around it."""

import asyncio
import contextlib
from http import HTTPStatus
from typing import cast

import msgspec

from horizon.clock import Clock
from horizon.simulation.asgi import TRANSPORT, App, Message, Receive, Scope, Send
from horizon.simulation.faults import Fault, FaultPlan
from horizon.simulation.waiting import parked

_FOREVER = 86_400.0
_LONGEST_OVERTAKING = 5.0
_HTML = b"<html><body><h1>Service temporarily unavailable</h1></body></html>"


class _Answer(msgspec.Struct, frozen=True):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def with_body(self, body: bytes) -> "_Answer":
        kept = [header for header in self.headers if header[0].lower() != b"content-length"]
        return _Answer(self.status, [*kept, (b"content-length", str(len(body)).encode())], body)


class Faulty:
    """Applies the first fault of the plan that matches; other requests pass straight through."""

    def __init__(self, app: App, plan: FaultPlan, clock: Clock) -> None:
        self._app = app
        self._plan = plan
        self._clock = clock
        self._overtaken: list[asyncio.Event] = []
        """Answers that wait until another has gone before them."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._plan.take(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            if scope["type"] == "http":
                self._overtake()
            return
        body = await _body(receive)
        if fault.action == "delay" and fault.when == "before":
            await self._wait(fault)
        answer: _Answer | None = None
        if fault.when == "before":
            self._plan.happen(fault)
        if fault.when != "before" or fault.action in ("delay", "pass"):
            answer = await self._run(scope, body)
        if fault.when != "before":
            self._plan.happen(fault)
        if fault.action == "duplicate":
            answer = await self._run(scope, body)
        await self._deliver(fault, answer, scope, receive, send)

    async def _deliver(self, fault: Fault, answer: _Answer | None, scope: Scope, receive: Receive, send: Send) -> None:
        if fault.when == "during" and answer is not None:
            await _send_half(answer, send)
            await cut(scope, receive)
        elif fault.action == "drop":
            await cut(scope, receive)
        elif fault.action == "silence":
            await self._stay_silent(fault, scope, receive)
        elif fault.action == "status":
            status = fault.status or 503
            text = msgspec.json.encode({"error": HTTPStatus(status).phrase})
            await _send(_replacement(status, b"application/json", text), send)
        elif fault.action == "html":
            await _send(_replacement(fault.status or 200, b"text/html", _HTML), send)
        elif fault.action == "empty":
            await _send(_replacement(fault.status or 200, b"application/json", b""), send)
        elif answer is not None:
            if fault.action == "truncate":
                answer = answer.with_body(answer.body[: len(answer.body) // 2])
            if fault.action == "delay" and fault.when == "after":
                await self._wait(fault)
            if fault.action == "overtaken":
                await self._let_another_pass(fault)
            await _send(answer, send)
            if fault.action != "overtaken":
                self._overtake()

    def _overtake(self) -> None:
        """An answer has left: those it has overtaken may follow."""
        for waiting in self._overtaken:
            waiting.set()
        self._overtaken.clear()

    async def _let_another_pass(self, fault: Fault) -> None:
        passed = asyncio.Event()
        self._overtaken.append(passed)
        with contextlib.suppress(TimeoutError):
            async with parked(self._clock), self._clock.deadline(fault.seconds or _LONGEST_OVERTAKING):
                await passed.wait()

    async def _run(self, scope: Scope, body: bytes) -> _Answer:
        """The application's answer to one run of the request."""
        start: Message = {}
        parts: list[bytes] = []
        unread = [body]

        async def receive() -> Message:
            if unread:
                return {"type": "http.request", "body": unread.pop(), "more_body": False}
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._app(dict(scope), receive, send)
        return _Answer(start["status"], list(start.get("headers", [])), b"".join(parts))

    async def _wait(self, fault: Fault) -> None:
        async with parked(self._clock):
            await self._clock.sleep(fault.seconds or 0.0)

    async def _stay_silent(self, fault: Fault, scope: Scope, receive: Receive) -> None:
        try:
            async with parked(self._clock), self._clock.deadline(fault.seconds or _FOREVER):
                await until_gone(receive)
        except TimeoutError:
            await cut(scope, receive)


def _replacement(status: int, kind: bytes, body: bytes) -> _Answer:
    return _Answer(status, [(b"content-type", kind), (b"content-length", str(len(body)).encode())], body)


async def _send(answer: _Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _send_half(answer: _Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": True})


async def cut(scope: Scope, receive: Receive) -> None:
    """Close the connection and wait until the server has noticed, else it would send an answer of its own."""
    scope[TRANSPORT].close()
    await until_gone(receive)


async def until_gone(receive: Receive) -> None:
    """Return once the client has left."""
    while cast("str", (await receive())["type"]) != "http.disconnect":
        pass


async def _body(receive: Receive) -> bytes:
    parts: list[bytes] = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)
