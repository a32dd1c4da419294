"""OAuth 2.0: two requests, one bearer, and a true sentence for each way it can fail."""

import asyncio
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from exchanges.ibkr.auth import Auth, OAuth2, PrivateKey
from exchanges.ibkr.auth.oauth2_answers import BEARER_SECONDS
from exchanges.ibkr.client import Client
from exchanges.ibkr.wire.session import Tickle
from horizon.clock import NANOSECONDS, SystemClock
from horizon.errors import ConfigurationError, HorizonError, RateLimited, TokenExpired, VenueUnavailable
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.net.redaction import redact
from horizon.simulation.scripted_clock import ScriptedClock

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE = PrivateKey(KEY)
HOST = "https://api.ibkr.com"
URL = f"{HOST}/v1/api/tickle"
TOKEN, SESSION = "POST /oauth2/api/v1/token", "POST /gw/api/v1/sso-sessions"
USER, CLIENT, IP = "planteduser", "planted-client", "203.0.113.7"
SECRETS = (USER, "planted-access", "planted-bearer", "BEGIN", "eyJ")

Answer = Response | Exception | Callable[[], Response]


def granted(token: str, **rest: object) -> Response:
    return Response(200, {}, json.dumps({"access_token": token, "token_type": "Bearer", **rest}).encode())


def problem(status: int, headers: Mapping[str, str] | None = None, **fields: object) -> Response:
    return Response(status, headers or {}, json.dumps({"type": "/simple", "status": status, **fields}).encode())


class Venue:
    """Both endpoints: checks what it is sent with the public key, and answers in order; the last answer stays."""

    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.seen: list[str] = []
        self.claims: list[dict[str, Any]] = []
        self.at_once = 0
        self.made = 0
        self.answers: dict[str, list[Answer]] = {
            TOKEN: [granted("planted-access", expires_in=86399)],
            SESSION: [self.next_bearer],
        }

    def next_bearer(self) -> Response:
        self.made += 1
        return granted(f"planted-bearer-{self.made}")

    def count(self, endpoint: str) -> int:
        return self.seen.count(endpoint)

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        endpoint = f"{method} {target}"
        self.seen.append(endpoint)
        assert content is not None
        assert headers is not None
        self.claims.append(self.check(endpoint, content.decode(), headers))
        self.at_once += 1
        assert self.at_once == 1
        await self.clock.sleep(0.1)
        self.at_once -= 1
        waiting = self.answers[endpoint]
        answer = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Response) else answer()

    def check(self, endpoint: str, content: str, headers: Mapping[str, str]) -> dict[str, Any]:
        if endpoint == TOKEN:
            assert headers == {"Content-Type": "application/x-www-form-urlencoded"}
            form = dict(parse_qsl(content, strict_parsing=True))
            assertion = form.pop("client_assertion")
            assert form == {
                "grant_type": "client_credentials",
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "scope": "sso-sessions.write",
            }
        else:
            assert headers["Content-Type"] == "application/jwt"
            assert headers["Authorization"].startswith("Bearer planted-access")
            assertion = content
        assert jwt.get_unverified_header(assertion) == {"alg": "RS256", "kid": "main", "typ": "JWT"}
        claims: dict[str, Any] = jwt.decode(
            assertion, KEY.public_key(), algorithms=["RS256"], options={"verify_exp": False, "verify_aud": False}
        )
        now = self.clock.now() // NANOSECONDS
        assert claims["iat"] == now - 10 < now < claims["exp"]
        return claims


@pytest.fixture
def venue(scripted_clock: ScriptedClock) -> Venue:
    return Venue(scripted_clock)


def oauth2(**changed: Any) -> OAuth2:
    given = {"client_id": CLIENT, "key_id": "main", "key": PRIVATE, "username": USER, "ip": IP}
    return OAuth2(**(given | changed))


def bound(venue: Venue, **changed: Any) -> OAuth2:
    made = oauth2(**changed)
    made.bind(HOST, venue, venue.clock)
    return made


async def sent(auth: Auth) -> str:
    return (await auth.headers("GET", URL))["Authorization"].removeprefix("Bearer planted-")


@asynccontextmanager
async def kept(auth: Auth, renewed: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    keeper = asyncio.create_task(auth.keep(renewed))
    try:
        yield
    finally:
        assert not keeper.done()
        keeper.cancel()
        await asyncio.wait([keeper])


async def refused(auth: Auth, kind: type[HorizonError] = ConfigurationError) -> str:
    with pytest.raises(kind) as error:
        await auth.headers("GET", URL)
    shown = "".join(traceback.format_exception(error.value)) + repr(auth.token())
    assert not any(secret in shown for secret in SECRETS)
    assert "\n" not in str(error.value)
    assert redact(str(error.value)) == str(error.value)
    return str(error.value)


async def test_both_requests_carry_the_documented_claims(venue: Venue) -> None:
    auth = bound(venue)
    assert await sent(auth) == "bearer-1"
    assert venue.seen == [TOKEN, SESSION]
    assertion, session = venue.claims
    jti = assertion.pop("jti")
    start = venue.clock.now() // NANOSECONDS
    assert len(jti) > 16
    assert assertion == {"iss": CLIENT, "sub": CLIENT, "aud": "/token", "iat": start - 10, "exp": start + 60}
    assert session == {"ip": IP, "credential": USER, "iss": CLIENT, "iat": start - 10, "exp": start + 86_390}
    assert auth.socket_query() == {"bearer_token": "planted-bearer-1"}


async def test_the_audience_can_be_the_whole_address(venue: Venue) -> None:
    await sent(bound(venue, audience=f"{HOST}/oauth2/api/v1/token"))
    assert venue.claims[0]["aud"] == "https://api.ibkr.com/oauth2/api/v1/token"


async def test_many_requests_at_once_sign_in_once(venue: Venue) -> None:
    auth = bound(venue)
    assert set(await asyncio.gather(*(sent(auth) for _ in range(20)))) == {"bearer-1"}
    assert venue.seen == [TOKEN, SESSION]


async def test_a_401_is_met_with_one_new_bearer_for_all(venue: Venue) -> None:
    auth = bound(venue)
    old = await auth.headers("GET", URL)
    assert all(await asyncio.gather(*(auth.renew(old) for _ in range(20))))
    assert await sent(auth) == "bearer-2"
    assert await auth.renew(old)
    assert venue.seen == [TOKEN, SESSION] * 2, "the access token may have been withdrawn as well, and asking is free"


async def test_a_bearer_is_renewed_before_it_ends_and_requests_do_not_wait_for_it(venue: Venue) -> None:
    auth = bound(venue)
    await sent(auth)
    told: list[float] = []
    async with kept(auth, lambda: told.append(venue.clock.monotonic())):
        await venue.clock.sleep(BEARER_SECONDS - 300 - 1)
        assert await sent(auth) == "bearer-1"
        while venue.count(SESSION) < 2:
            await venue.clock.sleep(0.05)
        before = venue.clock.monotonic()
        assert await sent(auth) == "bearer-1"
        assert venue.clock.monotonic() == before
        await venue.clock.sleep(1)
        assert await sent(auth) == "bearer-2"
    assert told == [pytest.approx(BEARER_SECONDS - 300, abs=1)]
    assert venue.seen == [TOKEN, SESSION, SESSION]


async def test_a_week_goes_by_with_at_most_two_sign_ins_an_hour(venue: Venue) -> None:
    auth = bound(venue)
    made_at: list[float] = []

    def note() -> Response:
        made_at.append(venue.clock.monotonic())
        return venue.next_bearer()

    venue.answers[SESSION] = [note]
    async with kept(auth):
        for _ in range(7 * 24):
            await venue.clock.sleep(3600)
            await sent(auth)
    assert all(third - first > 3600 for first, third in zip(made_at, made_at[2:], strict=False))
    # An access token lasts a day.
    assert 7 <= venue.count(TOKEN) <= 9


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (granted("planted-bearer", expires_in=600), 600),
        (granted("planted-bearer", expires_in="600"), 600),
        (granted("planted-bearer", expires_in=10**9), 86_400),
        (granted(jwt.encode({"iat": 1000, "exp": 1900}, "k" * 32)), 900),
        (granted(jwt.encode({"exp": 1_700_000_000 + 700}, "k" * 32)), 700),
        (granted(jwt.encode({"exp": 5}, "k" * 32)), BEARER_SECONDS),
        (granted("planted.is-no.jwt", expires_in=None), BEARER_SECONDS),
        (granted("planted-bearer", expires_in=0), BEARER_SECONDS),
    ],
)
async def test_the_lifetime_is_what_the_answer_says_or_else_the_token_or_else_50_minutes(
    venue: Venue, answer: Response, seconds: float
) -> None:
    venue.answers[SESSION] = [answer]
    auth = bound(venue)
    await auth.headers("GET", URL)
    state = auth.token()
    assert state.valid
    assert state.expires == pytest.approx(venue.clock.now() + seconds * NANOSECONDS, abs=NANOSECONDS)


async def test_the_third_sign_in_of_an_hour_waits_and_is_made_as_soon_as_it_may(venue: Venue) -> None:
    auth = bound(venue)
    await sent(auth)
    assert await auth.renew(await auth.headers("GET", URL))
    second = await auth.headers("GET", URL)
    with pytest.raises(TokenExpired, match=r"signed in twice in the last hour, .* \(in 61 min\)"):
        await auth.renew(second)
    state = auth.token()
    assert not state.valid
    assert state.cause.startswith("the venue refuses the token, and this user was signed in twice in the last hour")
    assert venue.count(SESSION) == 2
    async with kept(auth):
        await venue.clock.sleep(3640)
        assert venue.count(SESSION) == 2
        await venue.clock.sleep(60)
        assert venue.count(SESSION) == 3
        assert auth.token().valid


async def test_sign_ins_are_remembered_over_restarts(venue: Venue, tmp_path: Path) -> None:
    for _ in range(2):
        await sent(bound(venue, sign_ins=tmp_path))
    assert "twice in the last hour" in await refused(bound(venue, sign_ins=tmp_path), TokenExpired)
    assert venue.count(SESSION) == 2


@pytest.mark.parametrize(
    ("token", "session", "told"),
    [
        (
            problem(400, title="Bad Request"),
            None,
            "check client_id=, key_id=, that this machine's clock is right and that the public half",
        ),
        (problem(400, title="Bad Request"), None, "or try audience='https://api.ibkr.com/oauth2/api/v1/token'"),
        (problem(400, detail="Unknown client"), None, "check client_id= and key_id="),
        (problem(400, error="invalid_client", error_description="Invalid signature"), None, "public half of this key"),
        (problem(400, detail="Invalid aud claim"), None, "set audience='https://api.ibkr.com/oauth2/api/v1/token'"),
        (problem(400, detail="exp is in the past"), None, "compare this machine's clock"),
        (problem(400, error="invalid_scope"), None, "have it granted or correct scope="),
        (problem(401, error="id: 39687, error: invalid consumer"), None, "so wait a day"),
        (
            Response(403, {}, b"<html><body>Access Denied</body></html>"),
            None,
            "check that https://api.ibkr.com is the venue's own address",
        ),
        (granted("", error="no session for planteduser"), None, "check client_id="),
        (
            None,
            problem(401, detail="The access token request is invalid"),
            "check the username and ip='203.0.113.7', that this machine's clock is right, and",
        ),
        (None, problem(403, detail="The access token fails to have sufficient scope"), "the scope sso-sessions.write"),
        (
            None,
            problem(
                400,
                type="/invalid-argument",
                title="MissingRequiredParameter",
                invalidArguments=[{"field": "ip", "description": "Missing required parameter"}],
            ),
            "(/gw/api/v1/sso-sessions answered 400: MissingRequiredParameter; /invalid-argument; ip, Missing required "
            "parameter): set ip= to the public address from which this machine reaches the venue, found '203.0.113.7'",
        ),
        (
            None,
            problem(400, detail=f"Invalid credential {USER.upper()}"),
            "Invalid credential [redacted]): correct the user",
        ),
        (None, problem(401, error="id: 39687, error: invalid consumer"), "not active together yet"),
    ],
)
async def test_a_refused_credential_is_explained_and_never_tried_again(
    venue: Venue, token: Response | None, session: Response | None, told: str
) -> None:
    venue.answers |= {TOKEN: [token]} if token else {}
    venue.answers |= {SESSION: [session]} if session else {}
    auth = bound(venue)
    first = await refused(auth)
    assert told in first
    seen = list(venue.seen)
    async with kept(auth):
        await venue.clock.sleep(2 * 86_400)
        assert await refused(auth) == first
    assert venue.seen == seen
    state = auth.token()
    assert not state.valid
    assert f"{state.cause}: {state.action}" == first
    assert state.action.endswith(", then start again")


BARE = Response(401, {}, b'{"error":"not authenticated","statusCode":401}')


async def test_a_bare_401_to_a_credential_that_was_good_is_tried_again(venue: Venue) -> None:
    auth = bound(venue)
    await sent(auth)
    async with kept(auth):
        venue.answers[SESSION] = [BARE, venue.next_bearer]
        venue.answers[TOKEN] = [BARE, granted("planted-access")]
        await venue.clock.sleep(BEARER_SECONDS - 300 + 2)
        assert "as it also does while it is being reset" in auth.token().cause
        assert auth.token().action == ""
        await venue.clock.sleep(2 * 3600)
        assert auth.token().cause == ""
        assert await sent(auth) != "bearer-1"


@pytest.mark.parametrize("answer", [problem(401, title="Unauthorized"), problem(401, error="invalid_client")])
async def test_a_401_with_a_reason_is_final_also_for_a_credential_that_was_good(venue: Venue, answer: Response) -> None:
    auth = bound(venue)
    await sent(auth)
    venue.answers[SESSION] = venue.answers[TOKEN] = [answer]
    async with kept(auth):
        await venue.clock.sleep(2 * 3600)
        asked = len(venue.seen)
        assert auth.token().action
        await venue.clock.sleep(86_400)
        assert len(venue.seen) == asked


async def test_a_bare_401_to_a_credential_that_was_never_good_is_final(venue: Venue) -> None:
    venue.answers[TOKEN] = [BARE]
    auth = bound(venue)
    async with kept(auth):
        await refused(auth)
        await venue.clock.sleep(86_400)
        assert venue.count(TOKEN) == 1


async def test_a_wrong_clock_is_told_in_seconds(venue: Venue) -> None:
    start = venue.clock.now() // NANOSECONDS
    venue.answers[TOKEN] = [problem(400, {"date": formatdate(start + 312, usegmt=True)}, title="Bad Request")]
    assert "this machine's clock is 312 s behind the venue's: set the clock" in await refused(bound(venue))
    venue.answers[TOKEN] = [problem(400, {"date": formatdate(start - 45, usegmt=True)}, title="Bad Request")]
    assert "this machine's clock is 45 s ahead of the venue's" in await refused(bound(venue))
    venue.answers[TOKEN] = [problem(400, {"date": formatdate(start - 20, usegmt=True)}, title="Bad Request")]
    assert "clock" not in await refused(bound(venue))


class Adjustable(ScriptedClock):
    """A clock that somebody sets."""

    ahead = 0

    def now(self) -> int:
        return super().now() + self.ahead * NANOSECONDS


async def test_a_credential_refused_for_a_wrong_clock_is_tried_once_the_clock_was_set() -> None:
    clock = Adjustable(1_700_000_000 * NANOSECONDS)
    true_start = 1_700_000_000 + 7200
    async with clock.running():
        venue = Venue(clock)
        wrong = problem(400, {"date": formatdate(true_start, usegmt=True)}, title="Bad Request")
        venue.answers[TOKEN] = [wrong, granted("planted-access", expires_in=86399)]
        auth = bound(venue)
        await refused(auth)
        async with kept(auth):
            await clock.sleep(600)
            assert venue.seen == [TOKEN]
            clock.ahead = 7200
            await clock.sleep(120)
            assert venue.seen == [TOKEN, TOKEN, SESSION]
            assert auth.token().valid


@pytest.mark.parametrize("answer", [NotSent("the connection was refused"), NoAnswer("no answer in 20 s")])
async def test_an_unreachable_token_endpoint_is_tried_three_times_and_then_told_to_all(
    venue: Venue, answer: Exception
) -> None:
    venue.answers[TOKEN] = [answer]
    auth = bound(venue)
    found = await asyncio.gather(*(auth.headers("GET", URL) for _ in range(10)), return_exceptions=True)
    assert {type(each) for each in found} == {VenueUnavailable}
    assert venue.seen == [TOKEN] * 3
    assert f"({answer}): check the network" in str(found[0])


@pytest.mark.parametrize("status", [500, 502, 503, 408])
async def test_a_token_endpoint_that_is_down_is_tried_again(venue: Venue, status: int) -> None:
    venue.answers[TOKEN] = [problem(status, title="Down"), granted("planted-access")]
    assert await sent(bound(venue)) == "bearer-1"
    assert venue.seen == [TOKEN, TOKEN, SESSION]


async def test_a_session_request_that_did_not_leave_is_no_sign_in(venue: Venue) -> None:
    venue.answers[SESSION] = [NotSent("refused"), NotSent("refused"), venue.next_bearer]
    auth = bound(venue)
    assert await sent(auth) == "bearer-1"
    assert await auth.renew(await auth.headers("GET", URL))
    assert await sent(auth) == "bearer-2"


async def test_a_session_request_without_an_answer_is_not_repeated_at_once(venue: Venue) -> None:
    venue.answers[SESSION] = [NoAnswer("no answer in 20 s"), venue.next_bearer]
    auth = bound(venue)
    assert "no answer in 20 s" in await refused(auth, VenueUnavailable)
    assert "no answer in 20 s" in await refused(auth, VenueUnavailable)
    assert venue.seen == [TOKEN, SESSION]
    async with kept(auth):
        await venue.clock.sleep(10)
    assert venue.seen == [TOKEN, SESSION, TOKEN, SESSION]
    assert auth.token().valid


async def test_a_venue_that_is_down_for_hours_is_asked_six_times_an_hour_for_a_session(venue: Venue) -> None:
    auth = bound(venue)
    venue.answers[SESSION] = [problem(503, title="Service Unavailable")]
    async with kept(auth):
        await venue.clock.sleep(3600)
        assert venue.count(SESSION) == 6
        venue.answers[SESSION] = [venue.next_bearer]
        await venue.clock.sleep(1200)
        assert await sent(auth) == "bearer-1"


async def test_a_renewal_that_fails_leaves_the_present_bearer_in_use(venue: Venue) -> None:
    auth = bound(venue)
    await sent(auth)
    venue.answers[SESSION] = [problem(503, title="Service Unavailable"), venue.next_bearer]
    async with kept(auth):
        await venue.clock.sleep(BEARER_SECONDS - 299)
        assert await sent(auth) == "bearer-1"
        state = auth.token()
        assert state.valid
        assert state.cause.startswith("it can't be renewed at present: /gw/api/v1/sso-sessions answered 503")
        await venue.clock.sleep(30)
        assert await sent(auth) == "bearer-2"
        assert auth.token().cause == ""


async def test_an_access_token_that_was_withdrawn_is_replaced_once(venue: Venue) -> None:
    auth = bound(venue)
    await sent(auth)
    venue.answers[SESSION] = [problem(401, detail="The access token request is invalid"), venue.next_bearer]
    await venue.clock.sleep(3700)
    assert await sent(auth) == "bearer-2"
    assert venue.seen == [TOKEN, SESSION, SESSION, TOKEN, SESSION]


async def test_a_429_is_waited_out(venue: Venue) -> None:
    venue.answers[TOKEN] = [Response(429, {"retry-after": "1200"}, b"too many"), granted("planted-access")]
    auth = bound(venue)
    assert "answered 429 (too many): nobody is signed in for the next 1200 s" in await refused(auth, RateLimited)
    async with kept(auth):
        await venue.clock.sleep(1190)
        assert venue.seen == [TOKEN]
        await venue.clock.sleep(20)
        assert auth.token().valid


async def test_a_429_to_a_sign_in_closes_the_way_for_everything(scripted_clock: ScriptedClock) -> None:
    seen: list[str] = []

    def too_many(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.path)
        return httpx.Response(429)

    client = Client(HOST, clock=scripted_clock, auth=oauth2(), transport=httpx.MockTransport(too_many))
    for _ in range(2):
        with pytest.raises(RateLimited):
            await client.post("/tickle", Tickle)
    assert seen == ["/oauth2/api/v1/token"]
    assert client.limiter.closed_for == pytest.approx(900, abs=1)


async def test_a_page_instead_of_a_token_is_told_and_asked_again(venue: Venue) -> None:
    venue.answers[TOKEN] = [Response(200, {}, b"<html>hotel login</html>")]
    assert "found status 200 with 'a web page instead of an answer'" in await refused(bound(venue), VenueUnavailable)
    venue.answers[TOKEN] = [Response(410, {}, b"")]
    assert "use another one, 1.api.ibkr.com to 7.api.ibkr.com" in await refused(bound(venue), VenueUnavailable)


async def test_the_clients_own_limit_costs_no_sign_in(venue: Venue) -> None:
    limited = RateLimited("a penalty box is open: wait", retry_after=60)
    venue.answers[SESSION] = [limited, venue.next_bearer]
    auth = bound(venue)
    await refused(auth, RateLimited)
    await venue.clock.sleep(61)
    assert await sent(auth) == "bearer-1"
    assert await auth.renew(await auth.headers("GET", URL))


async def test_a_defect_in_who_is_told_does_not_end_the_renewal(venue: Venue, caplog: pytest.LogCaptureFixture) -> None:
    auth = bound(venue)
    await sent(auth)

    def broken() -> None:
        raise ZeroDivisionError

    async with kept(auth, broken):
        await venue.clock.sleep(3 * BEARER_SECONDS)
    assert venue.count(SESSION) == 4
    assert "met a defect and goes on" in caplog.text


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"ip": "api.example.com"}, "expected ip= to be an IP address such as '203.0.113.7', found 'api.example.com'"),
        ({"ip": "10.0.0.0/8"}, "expected ip= to be an IP address"),
        ({"ip": "0.0.0.0"}, "expected ip= to be the address of one machine"),
        ({"ip": None}, "expected ip= to be an IP address"),
        ({"key": "private_key.pem"}, "expected key= to be a PrivateKey, found str"),
        (
            {"client_id": ""},
            "expected client_id as it stands in the venue's registration, without spaces, found nothing",
        ),
        ({"key_id": "two words"}, "found something else: correct key_id"),
        ({"username": None}, "expected username as"),
        ({"scope": ""}, "expected scope as"),
    ],
)
def test_what_can_not_work_is_refused_before_anything_is_sent(changed: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        oauth2(**changed)
    assert sentence in str(error.value)


@pytest.mark.parametrize("ip", ["10.1.2.3", " 203.0.113.7 ", "2001:db8::7", "::ffff:203.0.113.7"])
def test_public_and_private_addresses_are_accepted(ip: str) -> None:
    oauth2(ip=ip).check_ip(ip)


def test_another_address_than_the_given_one_is_told_with_both() -> None:
    auth = oauth2()
    for found in (IP, f"::ffff:{IP}", "", None, "unknown"):
        auth.check_ip(found)
    with pytest.raises(ConfigurationError) as error:
        auth.check_ip("198.51.100.9")
    assert "203.0.113.7" in str(error.value)
    assert "come from 198.51.100.9: set ip='198.51.100.9'" in str(error.value)


def test_an_address_without_tls_is_refused_unless_it_is_this_machine(venue: Venue) -> None:
    auth = oauth2()
    with pytest.raises(ConfigurationError, match=r"use https://api\.ibkr\.com"):
        auth.bind("http://api.ibkr.com", venue, SystemClock())
    auth.bind("http://127.0.0.1:5000", venue, venue.clock)
    assert venue.seen == []


async def test_a_user_name_that_is_cut_off_is_not_shown_either(venue: Venue) -> None:
    venue.answers[SESSION] = [problem(400, detail=f"{'x' * 190}{USER} and more {'y' * 100}")]
    assert USER[:5] not in await refused(bound(venue))


async def test_nothing_secret_is_shown_or_logged(venue: Venue, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    auth = bound(venue)
    await sent(auth)
    venue.answers[SESSION] = [problem(400, detail=f"no {USER} with planted-access and eyJhbGciOi.eyJpc3Mi.c2ln")]
    with pytest.raises(ConfigurationError):
        await auth.renew(await auth.headers("GET", URL))
    shown = f"{auth!r} {auth} {auth.token()} {auth._renewal.newest!r} {auth._asked!r} {caplog.text}"
    assert "signing in failed" in caplog.text
    assert not any(secret in shown for secret in SECRETS if secret != "planted-access")
    assert repr(auth) == "OAuth2(PrivateKey(rsa 2048))"
