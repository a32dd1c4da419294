"""The gateway as an ASGI application: finds the handler, checks the session, answers in JSON."""

import re
from collections.abc import Mapping, Sequence
from email.utils import formatdate

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from exchanges.ibkr.simulator import (
    account_routes,
    contract_routes,
    forecast_routes,
    market_data_routes,
    order_reads,
    order_routes,
    portfolio_routes,
    session_routes,
)
from exchanges.ibkr.simulator.access import Access, Endpoint, not_authenticated, speaking_for
from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, bad_request
from exchanges.ibkr.simulator.login_pages import NOT_FOUND, page
from exchanges.ibkr.simulator.pacing import HISTORY
from exchanges.ibkr.simulator.resets import Manner
from exchanges.ibkr.simulator.silence import say_nothing
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.websocket import serve_socket
from horizon.simulation.waiting import parked

PREFIX = "/v1/api"
_OLD_PREFIX = "/v1/portal"
_SIGN_INS = ("/oauth/", "/gw/")
"""What opens a session is as much down at night as the session itself; `/oauth2/` only gives tokens away."""
_DOWN: Mapping[Manner, object] = {
    Manner.UNAUTHORISED: {"error": "not authenticated", "statusCode": 401},
    Manner.FAILING: {"error": "unknown"},
    Manner.UNAVAILABLE: {"error": "Service Unavailable", "statusCode": 503},
}
ROUTES: Sequence[Route] = (
    *session_routes.ROUTES,
    *account_routes.ROUTES,
    *portfolio_routes.ROUTES,
    *contract_routes.ROUTES,
    *forecast_routes.ROUTES,
    *market_data_routes.ROUTES,
    *order_routes.ROUTES,
    *order_reads.ROUTES,
)


class Router:
    """Finds routes by path: fixed paths by name, the others by pattern."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._fixed = {(method, r.path): r for r in routes if "{" not in r.path for method in r.methods.split()}
        self._patterns = [
            (r.methods.split(), re.compile(re.sub(r"{(\w+)}", r"(?P<\1>[^/]+)", r.path)), r)
            for r in routes
            if "{" in r.path
        ]

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, {}
        for methods, pattern, route in self._patterns:
            if method in methods and (found := pattern.fullmatch(path)):
                return route, found.groupdict()
        return None


class GatewayApp:
    """Serves `/v1/api` (and the old `/v1/portal`) from the state of one gateway, as its host of this number."""

    def __init__(self, state: State, access: Access, host: int = 0) -> None:
        self._state = state
        self._access = access
        self._host = host
        self._router = Router(ROUTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(_OLD_PREFIX + "/"):
            path = PREFIX + path.removeprefix(_OLD_PREFIX)
        if scope["type"] == "websocket":
            if path == f"{PREFIX}/ws":
                await serve_socket(self._state, self._access, scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008})
            return
        self._state.session.life.agenda.catch_up()
        if self._state.upstream.is_silent:
            await say_nothing(self._state.upstream, self._state.clock, scope, receive)
            return
        request = Request(scope, receive)
        response = await self._answer(path, request)
        await response(scope, receive, self._dated(send))

    def _dated(self, send: Send) -> Send:
        """With the `Date` of the simulated time, by which a client sees how its clock differs."""

        async def dated(message: Message) -> None:
            if message["type"] == "http.response.start":
                date = formatdate(self._state.seconds(), usegmt=True).encode()
                message = {**message, "headers": [*message["headers"], (b"date", date)]}
            await send(message)

        return dated

    async def _answer(self, path: str, request: Request) -> Response:
        if self._host in self._state.upstream.gone:
            return PlainTextResponse("Gone", 410)
        endpoint = self._access.endpoint(request.method, path)
        if endpoint is None and not path.startswith(PREFIX + "/"):
            if not self._access.has_pages:
                return HTMLResponse(NOT_FOUND, 404)
            return page(self._state.logins, request.method, path, await request.body())
        path = path.removeprefix(PREFIX).rstrip("/")
        if not self._state.pacing.admits(path):
            return _json({"error": "Too Many Requests", "statusCode": 429}, 429)
        if endpoint is not None:
            return await self._signed_in(endpoint, path, request)
        if path != HISTORY:
            return await self._handled(path, request)
        with self._state.pacing.one_more_history():
            if self._state.history_takes:
                async with parked(self._state.clock):
                    await self._state.clock.sleep(self._state.history_takes)
            return await self._handled(path, request)

    async def _signed_in(self, endpoint: Endpoint, path: str, request: Request) -> Response:
        ask = Ask.of(request.scope, await request.body())
        try:
            manner = self._state.session.life.manner()
            if path.startswith(_SIGN_INS) and manner is not None and manner in _DOWN:
                raise Refusal(manner.value, _DOWN[manner])
            return _json(endpoint(ask))
        except Refusal as refusal:
            return _refused(refusal)

    async def _handled(self, path: str, request: Request) -> Response:
        ask = Ask.of(request.scope, await request.body())
        try:
            with speaking_for(self._state, self._access.admit(ask)):
                response = self._routed(path, request, ask.body)
                self._access.settle()
            return response
        except Refusal as refusal:
            return _refused(refusal)

    def _routed(self, path: str, request: Request, body: bytes) -> Response:
        found = None if path in self._access.hidden else self._router.find(request.method, path)
        self._check_upstream(request.method, path)
        if found is None:
            self._check(Needs.LOGIN)
            return HTMLResponse(NOT_FOUND, 404)
        route, parts = found
        call = Call(method=request.method, path=parts, query=dict(request.query_params), body=body)
        self._check(route.needs)
        self._state.advance()
        return _json(route.handle(self._state, call))

    def _check_upstream(self, method: str, path: str) -> None:
        """What fails whoever asks."""
        manner = self._state.session.life.manner()
        if manner is not None and manner in _DOWN:
            raise Refusal(manner.value, _DOWN[manner])
        if path == session_routes.INITIALISE and self._state.session.logged_out_by_request:
            raise self._state.upstream.after_logout()
        self._state.upstream.check(method, path)

    def _check(self, needs: Needs) -> None:
        session = self._state.session
        session.touch()
        if needs is Needs.NOTHING:
            return
        if not session.logged_in:
            raise not_authenticated()
        if needs is Needs.PORTFOLIO and not session.portfolio_queried:
            raise bad_request("Please query /portfolio/accounts first")
        if needs in (Needs.BROKERAGE, Needs.ACCOUNTS) and not session.authenticated:
            raise bad_request("no bridge")
        if needs is Needs.ACCOUNTS and not session.brokerage.accounts_queried:
            raise bad_request("Please query /accounts first")


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json; charset=utf-8")


def _refused(refusal: Refusal) -> Response:
    if refusal.body is None:
        return Response(b"", refusal.status)
    if isinstance(refusal.body, str):
        return PlainTextResponse(refusal.body, refusal.status)
    return Response(msgspec.json.encode(refusal.body), refusal.status, media_type=refusal.media_type)
