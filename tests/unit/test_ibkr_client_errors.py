"""One answer, one error: the table of the client, row by row, on an injected transport."""

import json
from collections.abc import Callable
from decimal import Decimal

import aiohttp
import httpx
import pytest
from aiohttp.client_reqrep import ConnectionKey

from exchanges.ibkr.auth import Auth, Bearer
from exchanges.ibkr.client import Client
from exchanges.ibkr.wire.contracts import SecdefInfoRow
from exchanges.ibkr.wire.orders import LiveOrders, PlaceRow, WhatIf
from exchanges.ibkr.wire.portfolio import PositionRow
from exchanges.ibkr.wire.session import Message, Tickle
from horizon.clock import SystemClock
from horizon.errors import (
    BrokerageSessionDown,
    HorizonError,
    NeedsLogin,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SessionError,
    TokenExpired,
    VenueUnavailable,
    WireError,
)
from horizon.net.rates import Priority, RateLimiter

Answer = Callable[[httpx.Request], httpx.Response]
HTML = b"<html><body><h1>Resource not found</h1></body></html>"


class Requests:
    """Keeps what was asked, and answers it."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.seen: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def paths(self) -> list[str]:
        return [request.url.path for request in self.seen]


def client(requests: Answer, auth: Auth | None = None) -> Client:
    clock = SystemClock()
    return Client(
        "https://localhost:5000",
        clock=clock,
        auth=auth,
        limiter=RateLimiter((), clock, penalty=900),
        transport=httpx.MockTransport(requests),
    )


def text(content: str | bytes, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(status, content=content, headers=headers)


def body(value: object, status: int = 200) -> httpx.Response:
    return httpx.Response(status, content=json.dumps(value).encode())


async def reading(answer: httpx.Response | Exception) -> object:
    return await client(Requests(answer)).get("/portfolio/U1/positions/0", list[PositionRow])


async def changing(answer: httpx.Response | Exception) -> object:
    return await client(Requests(answer)).post(
        "/iserver/account/U1/orders",
        list[PlaceRow],
        body={"orders": []},
        priority=Priority.ORDER,
        changes=True,
        client_order_id="mine-1",
    )


async def test_an_answer_is_decoded_and_the_request_carries_what_the_venue_wants() -> None:
    requests = Requests(body([{"conid": "756733", "position": 3.0}]))
    rows = await client(requests).get("/portfolio/U1/positions/0", list[PositionRow], params={"waitForSecDef": True})
    assert rows == [PositionRow(conid="756733", position=3.0)]
    [request] = requests.seen
    assert str(request.url) == "https://localhost:5000/v1/api/portfolio/U1/positions/0?waitForSecDef=true"
    assert request.headers["user-agent"] == "horizon-trading"
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


async def test_lists_in_the_query_keep_their_commas_and_other_characters_are_quoted() -> None:
    requests = Requests(body([]))
    await client(requests).get("/x", list[PositionRow], params={"conids": "1,2", "symbol": "A&B C/D", "page": 3})
    assert requests.seen[0].url.raw_path == b"/v1/api/x?conids=1,2&symbol=A%26B%20C%2FD&page=3"


async def test_a_post_without_a_body_sends_an_empty_object() -> None:
    requests = Requests(body({"session": "s"}))
    await client(requests).post("/tickle", Tickle)
    assert requests.seen[0].content == b"{}"
    assert requests.seen[0].headers["content-type"] == "application/json"
    assert requests.seen[0].headers["content-length"] == "2"


async def test_prices_leave_as_numbers_with_their_own_digits() -> None:
    requests = Requests(body([]))
    await client(requests).post("/x", list[PlaceRow], body={"price": Decimal("0.10"), "size": Decimal("3")})
    assert requests.seen[0].content == b'{"price":0.10,"size":3}'


async def test_the_address_may_name_the_prefix() -> None:
    clock = SystemClock()
    requests = Requests(body([]))
    made = Client("https://localhost:5000/v1/api/", clock=clock, transport=httpx.MockTransport(requests))
    await made.get("/x", list[PositionRow])
    assert requests.paths == ["/v1/api/x"]


async def test_an_object_where_a_list_is_documented_is_a_list_of_one() -> None:
    requests = Requests(body({"conid": 1, "right": "C"}))
    assert await client(requests).get("/iserver/secdef/info", list[SecdefInfoRow]) == [
        SecdefInfoRow(conid=1, right="C")
    ]


async def test_an_empty_object_is_never_taken_for_a_row() -> None:
    with pytest.raises(WireError, match="conid"):
        await reading(body({}))


def refused() -> Exception:
    """What the transport raises when nothing listens."""
    key = ConnectionKey("localhost", 5000, True, True, None, None, None)
    error = httpx.ConnectTimeout("wrapped")
    error.__cause__ = aiohttp.ClientConnectorError(key, ConnectionRefusedError())
    return error


def lost() -> Exception:
    """What the transport raises when the connection goes away after the request: it calls that a connect timeout."""
    error = httpx.ConnectTimeout("wrapped")
    error.__cause__ = aiohttp.ServerDisconnectedError()
    return error


@pytest.mark.parametrize(
    ("answer", "reads", "changes"),
    [
        pytest.param(refused(), VenueUnavailable, VenueUnavailable, id="refused connection"),
        pytest.param(lost(), VenueUnavailable, OutcomeUnknown, id="reset after the request"),
        pytest.param(httpx.ReadError("cut"), VenueUnavailable, OutcomeUnknown, id="cut off"),
        pytest.param(body({"error": "unknown"}, 500), VenueUnavailable, OutcomeUnknown, id="500"),
        pytest.param(text("upstream", 502), VenueUnavailable, OutcomeUnknown, id="502 with text"),
        pytest.param(text(HTML, 503), VenueUnavailable, OutcomeUnknown, id="503 with a page"),
        pytest.param(body({"status": "waiting for reply"}, 423), VenueUnavailable, OutcomeUnknown, id="423"),
        pytest.param(text(HTML), WireError, OutcomeUnknown, id="200 with a page"),
        pytest.param(text(b""), WireError, OutcomeUnknown, id="200 with nothing"),
        pytest.param(text(b"", 204), WireError, OutcomeUnknown, id="204"),
        pytest.param(text(b'[{"conid": 1, "posi'), WireError, OutcomeUnknown, id="truncated JSON"),
        pytest.param(text("not JSON"), WireError, OutcomeUnknown, id="plain text"),
        pytest.param(body([{"conid": [1], "order_id": [1]}]), WireError, OutcomeUnknown, id="another shape"),
        pytest.param(text("", 302, location="https://localhost:5000/x"), WireError, OutcomeUnknown, id="redirection"),
        pytest.param(text(HTML, 404), WireError, WireError, id="404 with a page"),
        pytest.param(body({"error": "OrderID 1 doesn't exist"}, 400), Refused, Refused, id="400 with a text"),
        pytest.param(text("Unknown order type", 400), Refused, Refused, id="400 with plain text"),
        pytest.param(text("Access Denied", 403), Refused, Refused, id="403"),
        pytest.param(body({"error": "No trading permissions."}), Refused, Refused, id="200 with an error"),
        pytest.param(body({"error": {"reason": "odd"}}), Refused, Refused, id="200 with an error object"),
        pytest.param(text("", 401), NeedsLogin, NeedsLogin, id="401 with nothing"),
        pytest.param(text(HTML, 401), NeedsLogin, NeedsLogin, id="401 with a page"),
        pytest.param(body({"error": "no session"}), NeedsLogin, NeedsLogin, id="no session"),
        pytest.param(
            text("", 302, location="/sso/Login?forwardTo=22&RL=1"), NeedsLogin, NeedsLogin, id="to the login page"
        ),
        pytest.param(
            body({"error": "Bad Request: no bridge", "statusCode": 400}, 400),
            BrokerageSessionDown,
            BrokerageSessionDown,
            id="no bridge",
        ),
        pytest.param(text("too fast", 429), RateLimited, RateLimited, id="429"),
    ],
)
async def test_an_answer_becomes_its_error(
    answer: httpx.Response | Exception, reads: type[HorizonError], changes: type[HorizonError]
) -> None:
    with pytest.raises(reads) as read:
        await reading(answer)
    assert type(read.value) is reads
    with pytest.raises(changes) as changed:
        await changing(answer)
    assert type(changed.value) is changes
    if isinstance(changed.value, OutcomeUnknown):
        assert changed.value.client_order_id == "mine-1"


async def test_a_refusal_keeps_the_venues_code_and_text() -> None:
    with pytest.raises(Refused, match="OrderID 1 doesn't exist") as refusal:
        await changing(body({"error": "OrderID 1 doesn't exist"}, 400))
    assert (refusal.value.code, refusal.value.text) == ("400", "OrderID 1 doesn't exist")


async def test_an_error_key_inside_an_answer_is_not_a_refusal() -> None:
    answer = {"session": "s", "hmds": {"error": "no bridge"}, "iserver": {"authStatus": {"authenticated": True}}}
    tickle = await client(Requests(body(answer))).post("/tickle", Tickle)
    assert tickle.hmds is not None
    assert tickle.hmds.error == "no bridge"


async def test_an_error_key_that_is_null_is_not_a_refusal() -> None:
    whatif = await client(Requests(body({"warn": "risky", "error": None}))).post("/whatif", WhatIf)
    assert whatif.warn == "risky"


async def test_a_wrong_type_is_named_by_its_place_in_the_answer() -> None:
    with pytest.raises(WireError, match=r"\$\[1\]\.conid") as error:
        await reading(body([{"conid": 1}, {"conid": None}]))
    assert error.value.path == "/portfolio/U1/positions/0"


async def test_an_unreadable_answer_is_quoted_short_and_without_secrets() -> None:
    page = b'<html>session="bb665d0f55b6289d70bc" Authorization: Bearer abcdefghijklmnop' + b"x" * 5000
    with pytest.raises(WireError) as error:
        await reading(text(page))
    for shown in (str(error.value), error.value.found, repr(error.value)):
        assert "bb665d0f55b6289d70bc" not in shown
        assert "abcdefghijklmnop" not in shown
        assert len(shown) < 700


async def test_a_missing_gateway_is_told_with_what_to_do() -> None:
    with pytest.raises(VenueUnavailable, match=r"no gateway answers at https://localhost:5000.*start it"):
        await reading(refused())


async def test_a_missing_login_is_told_with_where_to_sign_in() -> None:
    with pytest.raises(NeedsLogin, match="sign in at https://localhost:5000 in a browser"):
        await reading(text("", 401))


async def test_a_token_that_is_no_longer_accepted_is_not_a_matter_of_a_browser() -> None:
    requests = Requests(text("", 401))
    with pytest.raises(TokenExpired, match="newer one"):
        await client(requests, Bearer("abcdefghijklmnop")).get("/portfolio/accounts", list[PositionRow])
    assert requests.seen[0].headers["authorization"] == "Bearer abcdefghijklmnop"


async def test_after_a_429_nothing_leaves_until_the_penalty_ends() -> None:
    requests = Requests(text("", 429), body([]))
    made = client(requests)
    with pytest.raises(RateLimited) as first:
        await made.get("/x", list[PositionRow])
    assert first.value.retry_after == 900
    with pytest.raises(RateLimited):
        await made.get("/x", list[PositionRow])
    with pytest.raises(RateLimited):
        await made.post("/order", list[PlaceRow], changes=True, priority=Priority.ORDER)
    assert len(requests.seen) == 1


async def test_a_429_may_say_how_long_it_lasts() -> None:
    made = client(Requests(text("", 429, **{"retry-after": "7"})))
    with pytest.raises(RateLimited) as error:
        await made.get("/x", list[PositionRow])
    assert error.value.retry_after == 7
    assert 6 < made.limiter.closed_for <= 7


async def test_too_many_charts_at_once_do_not_close_everything() -> None:
    requests = Requests(body({"error": "Too many history charts requests, please try again later."}, 429), body([]))
    made = client(requests)
    with pytest.raises(RateLimited):
        await made.get("/iserver/marketdata/history", list[PositionRow])
    assert made.limiter.closed_for == 0
    assert await made.get("/x", list[PositionRow]) == []


NOT_PRIMED = {"error": "Bad Request: Please query /accounts first", "statusCode": 400}


class Hooks:
    """A session that counts what it is asked."""

    def __init__(self) -> None:
        self.primed = 0
        self.explained: list[str] = []
        self.told: list[SessionError] = []

    async def prime(self) -> None:
        self.primed += 1

    async def explain(self, path: str, text: str) -> SessionError:
        self.explained.append(path)
        return BrokerageSessionDown("the brokerage session is not established: wait")

    def noticed(self, error: SessionError) -> None:
        self.told.append(error)


@pytest.mark.parametrize("status", [400, 500])
async def test_a_reading_call_is_primed_once_and_asked_again(status: int) -> None:
    requests = Requests(body(NOT_PRIMED, status), body({"orders": [], "snapshot": True}))
    made, hooks = client(requests), Hooks()
    made.hooks = hooks
    assert (await made.get("/iserver/account/orders", LiveOrders)).snapshot is True
    assert hooks.primed == 1
    assert len(requests.seen) == 2


async def test_priming_that_does_not_help_ends_as_a_refusal() -> None:
    requests = Requests(body(NOT_PRIMED, 400))
    made, hooks = client(requests), Hooks()
    made.hooks = hooks
    with pytest.raises(Refused, match="accounts first"):
        await made.get("/iserver/account/orders", LiveOrders)
    assert hooks.primed == 1
    assert len(requests.seen) == 2


async def test_a_changing_call_is_primed_but_never_repeated() -> None:
    requests = Requests(body(NOT_PRIMED, 400), body([]))
    made, hooks = client(requests), Hooks()
    made.hooks = hooks
    with pytest.raises(Refused):
        await made.post("/iserver/account/U1/orders", list[PlaceRow], changes=True)
    assert hooks.primed == 1
    assert len(requests.seen) == 1


async def test_the_session_says_what_a_401_means_and_is_told() -> None:
    made, hooks = client(Requests(text("", 401))), Hooks()
    made.hooks = hooks
    with pytest.raises(BrokerageSessionDown):
        await made.get("/iserver/account/orders", LiveOrders)
    assert hooks.explained == ["/iserver/account/orders"]
    assert len(hooks.told) == 1


async def test_the_calls_of_the_session_itself_are_not_explained_by_it() -> None:
    made, hooks = client(Requests(text("", 401))), Hooks()
    made.hooks = hooks
    with pytest.raises(NeedsLogin):
        await made.post("/tickle", Tickle)
    assert hooks.explained == []


async def test_a_cancel_whose_answer_is_lost_is_not_repeated() -> None:
    requests = Requests(lost())
    with pytest.raises(OutcomeUnknown):
        await client(requests).delete("/iserver/account/U1/order/1", Message, client_order_id="mine-2")
    assert len(requests.seen) == 1


async def test_what_was_sent_never_shows_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secret = "planted-token-123456"
    made = client(Requests(text(f"Authorization: Bearer {secret}")), Bearer(secret))
    with pytest.raises(WireError) as error:
        await made.get("/x", list[PositionRow])
    shown = f"{error.value} {error.value!r} {made.auth!r} {made!r} {caplog.text} {error.value.found}"
    assert secret not in shown
    assert "-> 200" in caplog.text


@pytest.mark.parametrize(
    ("answer", "auth", "said"),
    [
        pytest.param(text(b"Access Denied", 403), None, "add that address to ips.allow", id="a gateway's list"),
        pytest.param(text(b"Access Denied", 403), Bearer("abc"), "the venue refused", id="no gateway in between"),
        pytest.param(body({"error": "Access Denied: other"}, 403), None, "the venue refused", id="another text"),
    ],
)
async def test_only_a_gateway_that_keeps_an_address_out_has_a_list_to_add_it_to(
    answer: httpx.Response, auth: Auth | None, said: str
) -> None:
    with pytest.raises(Refused, match=said) as error:
        await client(Requests(answer), auth).get("/portfolio/accounts", list[PositionRow])
    assert error.value.code == "403"
