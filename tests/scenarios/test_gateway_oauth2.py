"""OAuth 2.0 at the simulated gateway, by a client written from the reference sheet alone (sections 1.2 and 1.3)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import jwt
import pytest
from openapi_schema_validator import OAS30Validator

from exchanges.ibkr.simulator import SignInRules
from exchanges.ibkr.simulator.credentials import TOKEN_URL, OAuth2Client, SampleOAuth2, sample_oauth2_client
from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError

SAMPLE = sample_oauth2_client()
OTHER = sample_oauth2_client("somebody-else")
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
INIT = "/iserver/auth/ssodh/init"
TOKEN, SESSIONS = "/oauth2/api/v1/token", "/gw/api/v1/sso-sessions"
JWT_TYPE = {"Content-Type": "application/jwt"}


class Program:
    """Somebody's program that signs in by OAuth 2.0."""

    def __init__(self, client: Any, sample: SampleOAuth2 = SAMPLE) -> None:
        self.client = client
        self.sample = sample
        self.root = str(client.http.base_url).rstrip("/").removesuffix("/v1/api")

    @property
    def seconds(self) -> int:
        return int(self.client.clock.now() // NANOSECONDS)

    def sign(
        self, claims: dict[str, Any], *, key: str | None = None, kid: str | None = None, alg: str = "RS256"
    ) -> str:
        kept = {name: value for name, value in claims.items() if value is not None}
        headers = {"kid": kid or self.sample.registered.key_id}
        return jwt.encode(kept, key or self.sample.private_key_pem, algorithm=alg, headers=headers)

    def assertion(self, **changed: Any) -> dict[str, Any]:
        me = self.sample.registered.client_id
        claims = {"iss": me, "sub": me, "aud": "/token", "exp": self.seconds + 20, "iat": self.seconds - 10}
        return claims | changed

    def wish(self, **changed: Any) -> dict[str, Any]:
        known = self.sample.registered
        claims = {"ip": known.ip, "credential": known.username, "iss": known.client_id}
        return claims | {"exp": self.seconds + 86_400, "iat": self.seconds} | changed

    async def ask_token(self, signed: str | None = None, **form: str) -> httpx.Response:
        fields = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": signed or self.sign(self.assertion()),
            "scope": "sso-sessions.write",
        }
        answer: httpx.Response = await self.client.http.post(self.root + TOKEN, data=fields | form)
        return answer

    async def token(self, **form: str) -> str:
        answer = await self.ask_token(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def ask_session(self, signed: str | None = None, *, token: str | None = None) -> httpx.Response:
        headers = JWT_TYPE | {"Authorization": f"Bearer {token or await self.token()}"}
        body = signed or self.sign(self.wish())
        answer: httpx.Response = await self.client.http.post(self.root + SESSIONS, content=body, headers=headers)
        return answer

    async def bearer(self) -> str:
        answer = await self.ask_session()
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def ask(self, bearer: str, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {bearer}"}
        answer: httpx.Response = await self.client.ask(method, path, headers=headers, **rest)
        return answer

    async def get(self, bearer: str, path: str) -> Any:
        answer = await self.ask(bearer, "GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def init(self, bearer: str, *, compete: bool) -> Any:
        answer = await self.ask(bearer, "POST", INIT, json={"publish": True, "compete": compete})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def signed_in(self) -> str:
        """A bearer with a brokerage session and the accounts read."""
        bearer = await self.bearer()
        assert (await self.init(bearer, compete=True))["established"] is True
        await self.get(bearer, "/iserver/accounts")
        return bearer

    @property
    def why(self) -> str:
        return str(self.client.gateway.refusals[-1])


@pytest.fixture
async def program(start_gateway: Any) -> Program:
    return Program(await start_oauth2(start_gateway))


async def start_oauth2(start_gateway: Any, sample: SampleOAuth2 = SAMPLE, **options: Any) -> Any:
    return await start_gateway(sign_in="oauth2", oauth2_clients=[sample.registered], **options)


def is_established(status: dict[str, Any]) -> tuple[bool, bool, bool]:
    return status["connected"], status["authenticated"] and status["established"], status["competing"]


async def test_an_assertion_buys_a_token_then_a_session_whose_bearer_serves(program: Program) -> None:
    answer = await program.ask_token()
    token = answer.json()
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", "sso-sessions.write", 86_399)
    claims = jwt.decode(token["access_token"], options={"verify_signature": False})
    assert (claims["iss"], claims["exp"] - claims["iat"]) == ("/token", 86_399)
    session = (await program.ask_session(token=token["access_token"])).json()
    assert set(session) == {"access_token", "token_type", "active"}
    bearer = session["access_token"]
    assert is_established(await program.get(bearer, "/iserver/auth/status")) == (True, False, False)
    assert len(await program.get(bearer, "/portfolio/accounts")) == 2
    assert (await program.ask(bearer, "GET", "/iserver/accounts")).status_code == 400
    assert is_established(await program.init(bearer, compete=False)) == (True, True, False)
    assert (await program.get(bearer, "/iserver/accounts"))["accounts"] == ["DU1234567", "DU7654321"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"iss": "nobody", "sub": "nobody"}, "client 'nobody' is not known"),
        ({"sub": "another"}, "sub 'another' is not iss"),
        ({"iss": None}, "client None is not known"),
        ({"aud": "/elsewhere"}, "aud '/elsewhere' is none of"),
        ({"aud": None}, "aud None is none of"),
        ({"exp": 1_699_999_990}, "expired"),
        ({"exp": 1_700_000_700}, "exp is more than 600 s ahead"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"iat": 1_700_000_060}, "issued in the future"),
        ({"nbf": 1_700_000_060}, "not yet valid"),
    ],
)
async def test_an_assertion_with_a_wrong_claim_is_a_bad_request(
    program: Program, changed: dict[str, Any], why: str
) -> None:
    answer = await program.ask_token(program.sign(program.assertion(**changed)))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {"type": "/simple", "title": "Bad Request", "status": 400}
    assert why in program.why


async def test_only_the_registered_key_signs(program: Program) -> None:
    claims = program.assertion()
    forged = {
        program.sign(claims, key=OTHER.private_key_pem): "signature: bad_signature",
        program.sign(claims, kid="another"): "kid 'another' is not registered",
        program.sign(claims, key="k" * 64, alg="HS256"): "signature",
        jwt.encode(claims, None, algorithm="none", headers={"kid": "main"}): "signature",
        program.sign(claims, alg="RS384"): "signature",
        program.sign(claims)[:-8] + "AAAAAAAA": "signature",
        "nonsense": "not a JWT",
        "a.b.c": "not a JWT",
    }
    for signed, why in forged.items():
        assert (await program.ask_token(signed)).status_code == 400
        assert why in program.why


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": "authorization_code"},
        {"client_assertion_type": "jwt"},
        {"scope": "accounts.write"},
        {"scope": ""},
    ],
)
async def test_a_form_with_a_wrong_field_is_a_bad_request(program: Program, form: dict[str, str]) -> None:
    assert (await program.ask_token(**form)).status_code == 400
    assert next(iter(form)) in program.why


async def test_a_field_that_comes_twice_is_a_bad_request(program: Program) -> None:
    body = "grant_type=client_credentials&grant_type=client_credentials"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await program.client.http.post(program.root + TOKEN, content=body, headers=kind)
    assert answer.status_code == 400


async def test_every_audience_that_clients_use_is_accepted_unless_registered_otherwise(start_gateway: Any) -> None:
    program = Program(await start_oauth2(start_gateway))
    for audience in ("/token", TOKEN_URL, program.root + TOKEN, ["/token", "/else"]):
        assert (await program.ask_token(program.sign(program.assertion(aud=audience)))).status_code == 200
    strict = Program(await start_oauth2(start_gateway, sample_oauth2_client(audiences=("/token",))))
    assert (await strict.ask_token(strict.sign(strict.assertion(aud=TOKEN_URL)))).status_code == 400
    assert (await strict.ask_token(strict.sign(strict.assertion(aud=strict.root + TOKEN)))).status_code == 400


async def test_a_small_skew_is_forgiven(program: Program) -> None:
    late = program.sign(program.assertion(exp=program.seconds - 3, iat=program.seconds + 3))
    assert (await program.ask_token(late)).status_code == 200


async def test_a_client_that_is_not_active_yet_gets_no_token(start_gateway: Any) -> None:
    program = Program(await start_oauth2(start_gateway, sample_oauth2_client(active=False)))
    assert (await program.ask_token()).status_code == 400
    assert program.why == "client 'horizon-client' is not active"


async def test_a_wrong_media_type_is_a_415(program: Program) -> None:
    answer = await program.client.http.post(program.root + TOKEN, json={"grant_type": "client_credentials"})
    assert answer.status_code == 415
    headers = {"Authorization": f"Bearer {await program.token()}", "Content-Type": "text/plain"}
    body = program.sign(program.wish())
    answer = await program.client.http.post(program.root + SESSIONS, content=body, headers=headers)
    assert (answer.status_code, answer.json()["title"]) == (415, "Unsupported Media Type")


@pytest.mark.parametrize("name", ["ip", "credential", "iss", "exp", "iat"])
async def test_a_session_request_without_a_claim_names_it(program: Program, name: str) -> None:
    answer = await program.ask_session(program.sign(program.wish(**{name: None})))
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert (problem["type"], problem["title"], problem["status"]) == (
        "/invalid-argument",
        "MissingRequiredParameter",
        400,
    )
    assert problem["invalidArguments"] == [{"field": name, "description": "Missing required parameter"}]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"credential": "another"}, "wrong claims: credential"),
        ({"ip": "203.0.113.9"}, "wrong claims: ip"),
        ({"iss": "another"}, "wrong claims: iss"),
        ({"exp": 1_700_090_000}, "exp is more than 86400 s ahead"),
        ({"exp": 1_699_999_000}, "expired"),
        ({"iat": 1_700_000_060}, "issued in the future"),
    ],
)
async def test_a_session_request_with_a_wrong_claim_is_a_bad_request(
    program: Program, changed: dict[str, Any], why: str
) -> None:
    answer = await program.ask_session(program.sign(program.wish(**changed)))
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert why in program.why


async def test_a_session_request_must_be_signed_and_come_with_a_token_of_sufficient_scope(program: Program) -> None:
    token = await program.token()
    assert (await program.ask_session(program.sign(program.wish(), key=OTHER.private_key_pem))).status_code == 400
    answer = await program.ask_session(token="unknown")
    assert (answer.status_code, answer.json()) == (
        401,
        {"type": "/simple", "title": "Unauthorized", "status": 401, "detail": "The access token request is invalid"},
    )
    answer = await program.ask_session(token=await program.token(scope="echo.read echo.write"))
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")
    await program.client.clock.advance(86_399)
    assert (await program.ask_session(program.sign(program.wish()), token=token)).status_code == 401


async def test_without_its_bearer_nothing_below_v1_api_is_served(program: Program) -> None:
    refused = {"error": "not authenticated", "statusCode": 401}
    for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": f"Bearer {await program.token()}"}):
        for path in ("/tickle", "/iserver/accounts", "/sso/validate", "/no/such/path"):
            answer = await program.client.ask("GET", path, headers=headers)
            assert (answer.status_code, answer.json()) == (401, refused)
    bearer = await program.bearer()
    assert (await program.ask(bearer, "GET", "/no/such/path")).status_code == 404


async def test_an_empty_user_agent_is_refused_everywhere(program: Program) -> None:
    bearer = await program.bearer()
    nameless = {"User-Agent": "", "Authorization": f"Bearer {bearer}"}
    assert (await program.client.ask("POST", "/tickle", headers=nameless)).status_code == 403
    for path in (TOKEN, SESSIONS):
        assert (await program.client.http.post(program.root + path, headers=nameless)).status_code == 403


async def test_a_bearer_lasts_fifty_minutes_and_its_brokerage_session_no_longer(program: Program) -> None:
    bearer = await program.signed_in()
    for _ in range(49):
        await program.client.clock.advance(60)
        assert (await program.get(bearer, "/tickle"))["iserver"]["authStatus"]["established"] is True
    assert 0 < (await program.get(bearer, "/tickle"))["ssoExpires"] <= 60_000
    await program.client.clock.advance(60)
    assert (await program.ask(bearer, "GET", "/tickle")).status_code == 401
    assert program.why == "ended bearer"
    fresh = await program.bearer()
    assert is_established(await program.get(fresh, "/iserver/auth/status")) == (True, False, False)


async def test_validation_shows_who_is_signed_in_and_from_where(start_gateway: Any) -> None:
    sample = sample_oauth2_client(username="mary", ip="198.51.100.7")
    program = Program(await start_oauth2(start_gateway, sample), sample)
    shown = await program.get(await program.bearer(), "/sso/validate")
    assert (shown["USER_NAME"], shown["CREDENTIAL"], shown["IP"]) == ("mary", "mary", "198.51.100.7")
    assert shown["EXPIRES"] == 50 * 60 * 1000
    elsewhere = SignInRules(seen_ip="198.51.100.8")
    program = Program(await start_oauth2(start_gateway, sample, sign_in_rules=elsewhere), sample)
    assert (await program.get(await program.bearer(), "/sso/validate"))["IP"] == "198.51.100.8"


async def test_the_next_bearer_finds_the_session_of_the_one_before_competing_until_it_puts_it_out(
    program: Program,
) -> None:
    old = await program.signed_in()
    new = await program.bearer()
    assert is_established(await program.get(new, "/iserver/auth/status")) == (True, False, True)
    assert (await program.get(old, "/iserver/accounts"))["accounts"]
    assert (await program.ask(new, "GET", "/iserver/accounts")).status_code == 400
    assert is_established(await program.init(new, compete=False)) == (True, False, True)
    assert is_established(await program.init(new, compete=True)) == (True, True, False)
    assert is_established(await program.get(old, "/iserver/auth/status")) == (True, False, True)
    assert (await program.ask(old, "GET", "/iserver/accounts")).status_code == 400


async def test_users_do_not_compete_with_each_other(start_gateway: Any) -> None:
    mary = sample_oauth2_client("marys-client", username="mary")
    both = [SAMPLE.registered, mary.registered]
    client = await start_gateway(sign_in="oauth2", oauth2_clients=both)
    first, second = Program(client), Program(client, mary)
    bearer = await first.signed_in()
    assert (await second.get(await second.signed_in(), "/sso/validate"))["USER_NAME"] == "mary"
    assert is_established(await first.get(bearer, "/iserver/auth/status")) == (True, True, False)


async def test_a_rival_of_ones_own_lapses_when_it_is_silent(program: Program) -> None:
    await program.signed_in()
    new = await program.bearer()
    await program.client.clock.advance(300)
    assert (await program.get(new, "/iserver/auth/status"))["competing"] is True
    await program.client.clock.advance(61)
    assert (await program.get(new, "/iserver/auth/status"))["competing"] is False
    assert (await program.init(new, compete=False))["established"] is True


async def test_another_program_stays_a_rival_through_a_new_bearer(program: Program) -> None:
    await program.signed_in()
    program.client.gateway.compete()
    new = await program.bearer()
    assert (await program.init(new, compete=False))["competing"] is True
    assert (await program.init(new, compete=True))["established"] is True


async def test_another_program_may_be_there_before_anybody_signs_in(program: Program) -> None:
    program.client.gateway.compete()
    bearer = await program.bearer()
    assert (await program.init(bearer, compete=False))["competing"] is True
    assert (await program.init(bearer, compete=True))["established"] is True


@pytest.mark.parametrize(("rule", "established"), [("waits", False), ("shares", True)])
async def test_the_next_bearer_may_find_no_session_or_the_same_one(
    start_gateway: Any, rule: Any, established: bool
) -> None:
    program = Program(await start_oauth2(start_gateway, sign_in_rules=SignInRules(new_sign_in=rule)))
    await program.signed_in()
    new = await program.bearer()
    assert is_established(await program.get(new, "/iserver/auth/status")) == (True, established, False)
    assert (await program.ask(new, "GET", "/iserver/account/orders")).status_code == (200 if established else 400)
    assert (await program.init(new, compete=False))["established"] is True


async def test_earlier_bearers_may_end_with_the_next_one(start_gateway: Any) -> None:
    program = Program(await start_oauth2(start_gateway, sign_in_rules=SignInRules(earlier_sign_ins="end")))
    old = await program.signed_in()
    new = await program.bearer()
    assert (await program.ask(old, "GET", "/tickle")).status_code == 401
    assert is_established(await program.get(new, "/iserver/auth/status")) == (True, False, False)


async def test_logging_out_ends_one_bearer_and_not_the_other(program: Program) -> None:
    old, new = await program.bearer(), await program.bearer()
    assert (await program.ask(old, "POST", "/logout", json={})).json() == {"status": True}
    assert (await program.ask(old, "POST", "/tickle", json={})).status_code == 401
    assert (await program.ask(new, "POST", "/tickle", json={})).status_code == 200


async def test_tokens_can_be_made_to_expire_all_at_once(program: Program) -> None:
    token, old, new = await program.token(), await program.bearer(), await program.bearer()
    program.client.gateway.expire_tokens()
    for bearer in (old, new):
        assert (await program.ask(bearer, "GET", "/tickle")).status_code == 401
    assert (await program.ask_session(token=token)).status_code == 401
    assert (await program.ask(await program.bearer(), "GET", "/tickle")).status_code == 200


async def test_a_night_ends_the_brokerage_session_and_not_the_bearer(start_gateway: Any) -> None:
    rules = SignInRules(sso_lifetime=86_400)
    program = Program(await start_oauth2(start_gateway, resets=True, sign_in_rules=rules))
    bearer = await program.signed_in()
    gateway, clock = program.client.gateway, program.client.clock
    while gateway.transitions[-1].tier != "upstream" and gateway.transitions[-1].cause != "nightly reset":
        await clock.advance(300)
    assert (await program.ask(bearer, "GET", "/iserver/accounts")).status_code != 200
    found = set()
    while gateway.transitions[-1].tier != "upstream" or not gateway.transitions[-1].up:
        answer = await program.ask_session()
        found.add(answer.status_code)
        assert answer.headers["content-type"] != "application/problem+json"
        await clock.advance(300)
    assert {401, 500, 503} & found, "what opens a session is down, what gives tokens away is not"
    assert is_established(await program.get(bearer, "/iserver/auth/status")) == (True, False, False)
    assert (await program.init(bearer, compete=False))["established"] is True


async def test_only_the_newest_sign_in_is_told_of_as_the_session(program: Program) -> None:
    await program.signed_in()
    await program.client.clock.advance(2700)
    await program.signed_in()
    await program.client.clock.advance(600)
    told = [(change.tier, change.up, change.cause) for change in program.client.gateway.transitions]
    assert told == [
        ("gateway", True, "a program signed in"),
        ("brokerage", True, "initialised"),
        ("brokerage", False, "idle"),
        ("gateway", True, "a program signed in"),
        ("brokerage", True, "initialised"),
        ("brokerage", False, "idle"),
    ]
    assert program.client.gateway.sign_ins == 2


async def test_each_bearer_has_a_session_id_and_first_reads_of_its_own(program: Program) -> None:
    old = await program.signed_in()
    new = await program.signed_in()
    assert (await program.get(old, "/tickle"))["session"] != (await program.get(new, "/tickle"))["session"]
    assert (await program.get(new, "/iserver/account/orders")) == {"orders": [], "snapshot": False}


@pytest.mark.parametrize(
    ("brokerage", "status", "text"),
    [
        ("no_right", 500, "failed to generate sso dh token"),
        ("inactive", 401, "id: 39687, error: invalid consumer"),
    ],
)
async def test_a_credential_may_not_open_a_brokerage_session(
    start_gateway: Any, brokerage: Any, status: int, text: str
) -> None:
    program = Program(await start_oauth2(start_gateway, sample_oauth2_client(brokerage=brokerage)))
    bearer = await program.bearer()
    answer = await program.ask(bearer, "POST", INIT, json={"publish": True, "compete": True})
    assert (answer.status_code, answer.json()["error"]) == (status, text)
    assert len(await program.get(bearer, "/portfolio/accounts")) == 2


async def test_a_brokerage_session_can_be_asked_for_too_early(start_gateway: Any) -> None:
    program = Program(await start_oauth2(start_gateway, sign_in_rules=SignInRules(too_early=3)))
    bearer = await program.bearer()
    answer = await program.ask(bearer, "POST", INIT, json={"publish": True, "compete": True})
    assert (answer.status_code, answer.json()) == (500, {"error": "failed to generate sso dh token"})
    await program.client.clock.advance(3)
    assert (await program.init(bearer, compete=True))["established"] is True


async def test_the_bearer_may_be_opaque_and_its_length_told(start_gateway: Any) -> None:
    rules = SignInRules(sso_bearer="opaque", sso_expires_in=True, sso_lifetime=600)
    program = Program(await start_oauth2(start_gateway, sign_in_rules=rules))
    answer = (await program.ask_session()).json()
    assert (answer["access_token"].count("."), answer["expires_in"]) == (0, 600)
    await program.client.clock.advance(600)
    assert (await program.ask(answer["access_token"], "GET", "/tickle")).status_code == 401


async def test_a_gateway_ignores_authorization_and_has_no_sign_in_endpoints(start_gateway: Any) -> None:
    client = await start_gateway()
    assert (await client.ask("GET", "/tickle", headers={"Authorization": "Bearer nonsense"})).status_code == 200
    assert (await client.ask("GET", "/tickle", headers={"User-Agent": ""})).status_code == 200
    root = str(client.http.base_url).rstrip("/").removesuffix("/v1/api")
    for path in (TOKEN, SESSIONS, "/v1/api/oauth/live_session_token"):
        assert (await client.http.post(root + path)).status_code == 404


async def test_there_is_no_page_to_sign_in_with_a_browser(program: Program) -> None:
    for path in ("/", "/sso/Login", "/v1/api/oauth/live_session_token"):
        answer = await program.client.http.get(program.root + path)
        assert answer.status_code in (401, 404)
    assert (await program.client.ask("GET", "/tickle")).status_code == 401


async def test_sign_in_requests_count_like_all_others(start_gateway: Any) -> None:
    program = Program(await start_oauth2(start_gateway, pacing=True))
    statuses = [(await program.ask_token()).status_code for _ in range(11)]
    assert statuses == [200] * 10 + [429]


async def test_a_mode_without_anybody_registered_is_refused(start_gateway: Any) -> None:
    for mode in ("oauth2", "oauth1"):
        with pytest.raises(ConfigurationError, match=f"sign_in='{mode}' .* at least one"):
            await start_gateway(sign_in=mode)
    with pytest.raises(ConfigurationError, match="expected sign_in among gateway, oauth2, oauth1, found 'oauth3'"):
        await start_gateway(sign_in="oauth3")


def test_credentials_keep_their_keys_to_themselves() -> None:
    assert "PRIVATE" not in repr(SAMPLE)
    assert "BEGIN" not in repr(OAuth2Client) + str(SAMPLE)


async def frames(raw: aiohttp.ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
    return [json.loads((await raw.receive(timeout=5)).data) for _ in range(count)]


async def test_a_socket_needs_the_bearer_and_the_cookie(program: Program) -> None:
    bearer = await program.signed_in()
    session = (await program.get(bearer, "/tickle"))["session"]
    url = program.client.gateway.ws_url
    async with aiohttp.ClientSession() as http:
        for query in ("", "?bearer_token=nonsense"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url + query)
        async with http.ws_connect(f"{url}?bearer_token={bearer}") as raw:
            assert await frames(raw, 1) == [{"message": "waiting for session"}]
            await raw.send_str(json.dumps({"session": session}))
            with pytest.raises(TimeoutError):
                await raw.receive(timeout=0.05)
        for cookie in (f"api={session}", f'api={{"session":"{session}"}}'):
            async with http.ws_connect(f"{url}?bearer_token={bearer}", headers={"Cookie": cookie}) as raw:
                greeting = await frames(raw, 3)
                assert [frame["topic"] for frame in greeting] == ["system", "act", "sts"]
                assert greeting[2]["args"]["established"] is True


async def test_a_socket_of_an_earlier_bearer_hears_that_it_was_put_out(program: Program) -> None:
    old = await program.signed_in()
    cookie = {"Cookie": f"api={(await program.get(old, '/tickle'))['session']}"}
    url = f"{program.client.gateway.ws_url}?bearer_token={old}"
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers=cookie) as raw:
        await frames(raw, 3)
        new = await program.bearer()
        await program.init(new, compete=True)
        listening = asyncio.create_task(frames(raw, 1))
        for _ in range(4):
            await program.client.clock.advance(0.5)
        [frame] = await listening
        assert (frame["topic"], frame["args"]["competing"], frame["args"]["established"]) == ("sts", True, False)


async def test_answers_fit_the_published_schemas(program: Program, shared_data: Path) -> None:
    document = json.loads((shared_data / "ibkr_openapi.json").read_text())
    bad = program.sign(program.wish(ip=None))
    weak = await program.token(scope="echo.read")
    answers = {
        (TOKEN, "200", "application/json"): await program.ask_token(),
        (TOKEN, "400", "application/problem+json"): await program.ask_token("nonsense"),
        (SESSIONS, "200", "application/json"): await program.ask_session(),
        (SESSIONS, "400", "application/problem+json"): await program.ask_session(bad),
        (SESSIONS, "401", "application/problem+json"): await program.ask_session(token="unknown"),
        (SESSIONS, "403", "application/problem+json"): await program.ask_session(token=weak),
    }
    for (path, status, kind), answer in answers.items():
        published = document["paths"][path]["post"]["responses"][status]["content"][kind]["schema"]
        problems = list(OAS30Validator(published | {"components": document["components"]}).iter_errors(answer.json()))
        assert (str(answer.status_code), problems) == (status, [])
        assert answer.headers["content-type"].startswith(kind)
