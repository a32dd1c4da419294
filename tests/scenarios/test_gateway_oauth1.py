"""OAuth 1.0a at the simulated gateway, by a client written from the reference sheet alone (section 1.5)."""

import base64
import hashlib
import hmac
import json
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import aiohttp
import httpx
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from openapi_schema_validator import OAS30Validator

from exchanges.ibkr.simulator import SignInRules
from exchanges.ibkr.simulator.credentials import SampleOAuth1, sample_oauth1_consumer
from exchanges.ibkr.simulator.oauth1_signatures import (
    encoded_base_string,
    live_session_token,
    plain_base_string,
    token_signature,
)
from horizon.clock import NANOSECONDS

SAMPLE = sample_oauth1_consumer()
INIT = "/iserver/auth/ssodh/init"
REFUSED = {"error": "not authenticated", "statusCode": 401}


def private(pem: str) -> rsa.RSAPrivateKey:
    key = serialization.load_pem_private_key(pem.encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key


class Consumer:
    """Somebody's program that signs each request."""

    def __init__(self, client: Any, sample: SampleOAuth1 = SAMPLE) -> None:
        self.client = client
        self.known = sample.registered
        self.sample = sample
        encrypted = base64.b64decode(self.known.access_token_secret)
        self.prepend = private(sample.encryption_key_pem).decrypt(encrypted, padding.PKCS1v15())
        self.base = str(client.http.base_url).rstrip("/")
        self.token = b""
        self.encodes_twice = True
        self.signs_query = True

    @property
    def seconds(self) -> int:
        return int(self.client.clock.now() // NANOSECONDS)

    @property
    def why(self) -> str:
        return str(self.client.gateway.refusals[-1])

    def parameters(self, method: str) -> dict[str, str]:
        return {
            "oauth_consumer_key": self.known.consumer_key,
            "oauth_nonce": secrets.token_hex(8),
            "oauth_signature_method": method,
            "oauth_timestamp": str(self.seconds),
            "oauth_token": self.known.access_token,
        }

    def base_string(self, method: str, url: str, pairs: list[tuple[str, str]]) -> str:
        if self.encodes_twice:
            pairs = [(quote(name, safe=""), quote(value, safe="")) for name, value in pairs]
        joined = "&".join(f"{name}={value}" for name, value in sorted(pairs))
        return f"{method}&{quote(url, safe='')}&{quote(joined, safe='')}"

    def header(self, parameters: dict[str, str], signature: bytes, realm: str | None = None) -> dict[str, str]:
        signed = parameters | {"oauth_signature": quote(base64.b64encode(signature).decode(), safe="")}
        pairs = ", ".join(f'{name}="{signed[name]}"' for name in sorted(signed))
        return {"Authorization": f'OAuth realm="{realm or self.known.realm}", {pairs}'}

    def signed(self, method: str, path: str, *, realm: str | None = None, **changed: str) -> dict[str, str]:
        """The header of an ordinary request."""
        url, _, query = (self.base + path).partition("?")
        parameters = self.parameters("HMAC-SHA256") | changed
        pairs = [*parameters.items(), *(parse_qsl(query, keep_blank_values=True) if self.signs_query else [])]
        text = self.base_string(method, url, pairs)
        return self.header(parameters, hmac.new(self.token, text.encode(), hashlib.sha256).digest(), realm)

    def signed_by_key(
        self, path: str, *, prepend: str = "", key: str | None = None, realm: str | None = None, **added: str
    ) -> dict[str, str]:
        """The header of a request for a token."""
        parameters = {
            name: value for name, value in (self.parameters("RSA-SHA256") | added).items() if value is not None
        }
        text = prepend + self.base_string("POST", self.base + path, list(parameters.items()))
        signer = private(key or self.sample.signature_key_pem)
        return self.header(parameters, signer.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256()), realm)

    async def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **rest: Any) -> Any:
        answer: httpx.Response = await self.client.http.request(
            method, self.base + path, headers=headers or self.signed(method, path), **rest
        )
        return answer

    async def get(self, path: str) -> Any:
        answer = await self.ask("GET", path)
        assert answer.status_code == 200, f"{answer.text} {self.client.gateway.refusals}"
        return answer.json()

    async def init(self, *, compete: bool = True) -> Any:
        answer = await self.ask("POST", INIT, json={"publish": True, "compete": compete})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask_token(self, **changed: Any) -> tuple[httpx.Response, int]:
        """The answer to a request for a live session token, and the secret exponent it was made with."""
        exponent = secrets.randbits(256)
        path = "/oauth/live_session_token"
        challenge = f"{pow(self.known.dh_generator, exponent, self.known.dh_prime):x}"
        options = {"prepend": self.prepend.hex(), "diffie_hellman_challenge": challenge} | changed
        return await self.ask("POST", path, headers=self.signed_by_key(path, **options)), exponent

    async def agree(self) -> dict[str, Any]:
        """Sign in: agree on a live session token."""
        answer, exponent = await self.ask_token()
        assert answer.status_code == 200, f"{answer.text} {self.client.gateway.refusals}"
        said: dict[str, Any] = answer.json()
        secret = pow(int(said["diffie_hellman_response"], 16), exponent, self.known.dh_prime)
        key = secret.to_bytes((secret.bit_length() + 8) // 8, "big", signed=True)
        self.token = hmac.new(key, self.prepend, hashlib.sha1).digest()
        return said

    def token_signature(self) -> str:
        return hmac.new(self.token, self.known.consumer_key.encode(), hashlib.sha1).hexdigest()


async def start_oauth1(start_gateway: Any, sample: SampleOAuth1 = SAMPLE, **options: Any) -> Consumer:
    client = await start_gateway(sign_in="oauth1", oauth1_consumers=[sample.registered], **options)
    return Consumer(client, sample)


@pytest.fixture
async def consumer(start_gateway: Any) -> Consumer:
    return await start_oauth1(start_gateway)


async def test_a_live_session_token_is_agreed_on_and_signs_everything_else(consumer: Consumer) -> None:
    said = await consumer.agree()
    assert set(said) == {"diffie_hellman_response", "live_session_token_signature", "live_session_token_expiration"}
    assert said["live_session_token_signature"] == consumer.token_signature()
    assert said["live_session_token_expiration"] == (consumer.seconds + 86_400) * 1000
    status = await consumer.get("/iserver/auth/status")
    assert (status["connected"], status["authenticated"], status["competing"]) == (True, False, False)
    assert len(await consumer.get("/portfolio/accounts")) == 2
    assert (await consumer.init())["established"] is True
    assert (await consumer.get("/iserver/accounts"))["accounts"] == ["DU1234567", "DU7654321"]
    assert await consumer.get("/iserver/marketdata/snapshot?conids=756733,265598&fields=31,84,86,7%3A0%20%2B%26~")


async def test_agreeing_often_enough_meets_both_lengths_of_the_secret(consumer: Consumer) -> None:
    """A secret whose highest bit is set has a zero byte before it: about every second one."""
    for _ in range(8):
        said = await consumer.agree()
        assert said["live_session_token_signature"] == consumer.token_signature()
        assert (await consumer.ask("GET", "/portfolio/accounts")).status_code == 200


async def test_the_recorded_vectors_are_reproduced(shared_data: Path) -> None:
    vectors = json.loads((shared_data / "ibkr_samples" / "ibkrdotnet__oauth1a_vectors.json").read_text())
    for vector in vectors["diffieHellman"]:
        prime = int(vector["primeHex"], 16)
        assert (
            f"{pow(vector['generator'], int(vector['clientPrivateHex'], 16), prime):x}" == vector["clientChallengeHex"]
        )
        secret = pow(int(vector["serverResponseHex"], 16), int(vector["clientPrivateHex"], 16), prime)
        token = live_session_token(secret, bytes.fromhex(vector["prependHex"]))
        assert base64.b64encode(token).decode() == vector["liveSessionToken"]
        assert token_signature(token, vector["consumerKey"]) == vector["liveSessionTokenSignature"]
    request = vectors["baseString"]
    for form in (encoded_base_string, plain_base_string):
        assert form(request["method"], request["url"], request["params"].items()) == request["expected"]


async def test_both_readings_of_the_base_string_are_accepted_unless_one_is_chosen(start_gateway: Any) -> None:
    path = "/iserver/marketdata/snapshot?conids=756733,265598"
    for form, statuses in (("either", [400, 400]), ("encoded", [400, 401]), ("plain", [401, 400])):
        consumer = await start_oauth1(start_gateway, sign_in_rules=SignInRules(base_string=form))
        await consumer.agree()
        found = []
        for consumer.encodes_twice in (True, False):
            found.append((await consumer.ask("GET", path)).status_code)
        assert found == statuses


async def test_query_parameters_are_signed_unless_that_is_left_open(start_gateway: Any) -> None:
    for rule, status in ((True, 401), (False, 404)):
        consumer = await start_oauth1(start_gateway, sign_in_rules=SignInRules(query_is_signed=rule))
        await consumer.agree()
        consumer.signs_query = False
        assert (await consumer.ask("GET", "/nonsense?x=1")).status_code == status


async def test_a_json_body_is_not_signed(consumer: Consumer) -> None:
    await consumer.agree()
    headers = consumer.signed("POST", INIT)
    assert (await consumer.ask("POST", INIT, headers=headers, json={"publish": True, "compete": True})).is_success


async def test_a_signature_fits_one_request_only(consumer: Consumer) -> None:
    await consumer.agree()
    path = "/iserver/secdef/search?symbol=SPY&name=false"
    asked = consumer.base + path
    for method, url in (
        ("POST", asked),
        ("GET", asked.replace("search", "strikes")),
        ("GET", asked.replace("SPY", "SPX")),
        ("GET", asked + "&more=1"),
        ("GET", asked.replace("localhost", "127.0.0.1")),
        ("GET", asked.replace("/v1/api", "/v1/portal")),
    ):
        answer = await consumer.client.http.request(method, url, headers=consumer.signed("GET", path))
        assert (answer.status_code, answer.json()) == (401, REFUSED)
        assert consumer.why == "the signature does not fit"


async def test_a_request_is_served_once(consumer: Consumer) -> None:
    await consumer.agree()
    headers = consumer.signed("GET", "/portfolio/accounts")
    statuses = [(await consumer.ask("GET", "/portfolio/accounts", headers=headers)).status_code for _ in range(2)]
    assert (statuses, consumer.why) == ([200, 401], "oauth_nonce was used before")
    path = "/oauth/live_session_token"
    again = consumer.signed_by_key(path, prepend=consumer.prepend.hex(), diffie_hellman_challenge="abcdef")
    statuses = [(await consumer.ask("POST", path, headers=again)).status_code for _ in range(2)]
    assert statuses == [200, 401]


async def test_an_old_request_is_refused_even_after_its_nonce_is_forgotten(consumer: Consumer) -> None:
    await consumer.agree()
    ahead = consumer.signed("GET", "/portfolio/accounts", oauth_timestamp=str(consumer.seconds + 299))
    assert (await consumer.ask("GET", "/portfolio/accounts", headers=ahead)).status_code == 200
    for _ in range(14):
        await consumer.client.clock.advance(50)
        assert (await consumer.ask("GET", "/portfolio/accounts", headers=ahead)).status_code == 401


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"oauth_timestamp": "1699999600"}, "oauth_timestamp is off by -400 s"),
        ({"oauth_timestamp": "1700000400"}, "oauth_timestamp is off by 400 s"),
        ({"oauth_timestamp": "now"}, "oauth_timestamp is no number"),
        ({"oauth_nonce": ""}, "oauth_nonce is not made of"),
        ({"oauth_signature_method": "HMAC-SHA1"}, "expected oauth_signature_method HMAC-SHA256"),
        ({"oauth_token": "0123456789abcdef0123"}, "unknown access token"),
        ({"realm": "test_realm"}, "expected realm limited_poa, found 'test_realm'"),
    ],
)
async def test_a_wrong_parameter_is_refused_though_signed(
    consumer: Consumer, changed: dict[str, str], why: str
) -> None:
    await consumer.agree()
    answer = await consumer.ask("GET", "/tickle", headers=consumer.signed("GET", "/tickle", **changed))
    assert (answer.status_code, answer.json()) == (401, REFUSED)
    assert why in consumer.why


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        "OAuth",
        "OAuth oauth_consumer_key=HORIZON01",
        'OAuth oauth_nonce="1", oauth_nonce="2"',
        'OAuth oauth_consumer_key="HORIZON01", oauth_signature="*"',
    ],
)
async def test_a_header_that_is_none_is_refused(consumer: Consumer, header: str) -> None:
    answer = await consumer.ask("GET", "/tickle", headers={"Authorization": header})
    assert (answer.status_code, answer.json()) == (401, REFUSED)


async def test_without_a_live_session_token_nothing_is_served(consumer: Consumer) -> None:
    for path in ("/tickle", "/iserver/accounts", "/no/such/path"):
        assert (await consumer.ask("GET", path)).status_code == 401


async def test_an_empty_user_agent_is_refused(consumer: Consumer) -> None:
    await consumer.agree()
    headers = consumer.signed("GET", "/tickle") | {"User-Agent": ""}
    assert (await consumer.ask("GET", "/tickle", headers=headers)).status_code == 403


async def test_the_token_request_is_signed_with_the_signature_key_and_the_prepend(consumer: Consumer) -> None:
    other = sample_oauth1_consumer("SOMEBODY1")
    for changed in ({"prepend": ""}, {"prepend": "00" * 20}, {"key": other.signature_key_pem}):
        answer, _ = await consumer.ask_token(**changed)
        assert (answer.status_code, answer.json(), consumer.why) == (401, REFUSED, "the signature does not fit")
    for challenge in ("", "xyz", "1", f"{consumer.known.dh_prime:x}"):
        answer, _ = await consumer.ask_token(diffie_hellman_challenge=challenge)
        assert (answer.status_code, answer.json()) == (401, REFUSED)
        assert "diffie_hellman_challenge" in consumer.why
    answer, _ = await consumer.ask_token(realm="test_realm")
    assert answer.status_code == 401


async def test_the_test_consumer_has_a_realm_of_its_own(start_gateway: Any) -> None:
    consumer = await start_oauth1(start_gateway, sample_oauth1_consumer("TESTCONS"))
    assert consumer.known.realm == "test_realm"
    await consumer.agree()
    assert (await consumer.ask("GET", "/tickle")).status_code == 200
    headers = consumer.signed("GET", "/tickle", realm="limited_poa")
    assert (await consumer.ask("GET", "/tickle", headers=headers)).status_code == 401


async def test_a_consumer_that_is_not_active_yet_is_invalid(start_gateway: Any) -> None:
    invalid = {"error": "id: 39687, error: invalid consumer", "statusCode": 401}
    consumer = await start_oauth1(start_gateway, sample_oauth1_consumer(active=False))
    answer, _ = await consumer.ask_token()
    assert (answer.status_code, answer.json()) == (401, invalid)
    answer, _ = await consumer.ask_token(oauth_consumer_key="NOBODY001")
    assert (answer.status_code, answer.json()) == (401, invalid)
    reading = await start_oauth1(start_gateway, sample_oauth1_consumer(brokerage="inactive"))
    await reading.agree()
    answer = await reading.ask("POST", INIT, json={"publish": True, "compete": True})
    assert (answer.status_code, answer.json()) == (401, invalid)


async def test_an_unknown_access_token_has_no_secret(consumer: Consumer) -> None:
    answer, _ = await consumer.ask_token(oauth_token="0123456789abcdef0123")
    assert answer.status_code == 401
    assert answer.json()["error"].startswith("id: 118871, error: LST failed, error: No access secret key found")


async def test_a_wrong_signature_of_the_token_can_be_asked_for(start_gateway: Any) -> None:
    consumer = await start_oauth1(start_gateway, sign_in_rules=SignInRules(live_session_signature="wrong"))
    said = await consumer.agree()
    assert said["live_session_token_signature"] != consumer.token_signature()


async def test_a_live_session_token_lasts_a_day_or_as_long_as_chosen(start_gateway: Any) -> None:
    for rules, lifetime in ((SignInRules(), 86_400), (SignInRules(live_session_lifetime=1800), 1800)):
        consumer = await start_oauth1(start_gateway, sign_in_rules=rules)
        assert (await consumer.agree())["live_session_token_expiration"] == (consumer.seconds + lifetime) * 1000
        await consumer.client.clock.advance(lifetime - 1)
        assert (await consumer.ask("GET", "/tickle")).status_code == 200
        await consumer.client.clock.advance(1)
        assert (await consumer.ask("GET", "/tickle")).status_code == 401
        assert consumer.why == "the live session token has ended"
        await consumer.agree()
        assert (await consumer.ask("GET", "/tickle")).status_code == 200


async def test_no_token_is_given_while_the_upstream_is_down(start_gateway: Any) -> None:
    """A bare 401 can be among the answers, as everywhere on such nights: it reads like a refused credential."""
    consumer = await start_oauth1(start_gateway, resets=True)
    gateway, found = consumer.client.gateway, set()
    while not gateway.transitions:
        await consumer.client.clock.advance(300)
    while not gateway.transitions[-1].up:
        found.add((await consumer.ask_token())[0].status_code)
        await consumer.client.clock.advance(60)
    assert found & {401, 500, 503}
    assert found <= {200, 401, 500, 503}
    assert (await consumer.ask_token())[0].status_code == 200


async def test_the_next_token_competes_with_the_session_of_the_one_before(consumer: Consumer) -> None:
    await consumer.agree()
    await consumer.init()
    await consumer.get("/iserver/accounts")
    old = consumer.token
    await consumer.agree()
    assert (await consumer.get("/iserver/auth/status"))["competing"] is True
    new, consumer.token = consumer.token, old
    assert (await consumer.get("/iserver/accounts"))["accounts"]
    consumer.token = new
    assert (await consumer.init(compete=True))["established"] is True
    consumer.token = old
    assert (await consumer.ask("GET", "/iserver/accounts")).status_code == 400


async def test_tickle_says_less_and_validation_does_not_exist(consumer: Consumer) -> None:
    await consumer.agree()
    answer = await consumer.ask("POST", "/tickle", json={})
    assert set(answer.json()) == {"session", "hmds", "iserver"}
    answer = await consumer.ask("GET", "/sso/validate")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (404, "text/html")


async def test_a_third_party_gets_its_access_token_from_the_person_it_acts_for(consumer: Consumer) -> None:
    request, access = "/oauth/request_token", "/oauth/access_token"

    async def post(path: str, **added: Any) -> httpx.Response:
        answer: httpx.Response = await consumer.ask("POST", path, headers=consumer.signed_by_key(path, **added))
        return answer

    assert (await post(request, oauth_token=None)).status_code == 401
    token = (await post(request, oauth_token=None, oauth_callback="oob")).json()["oauth_token"]
    assert len(token) == 20
    assert (await post(access, oauth_token=token, oauth_verifier="guessed")).status_code == 401
    verifier = consumer.client.gateway.access.authorise(token)
    given = (await post(access, oauth_token=token, oauth_verifier=verifier)).json()
    assert given == {
        "is_paper": True,
        "oauth_token": consumer.known.access_token,
        "oauth_token_secret": consumer.known.access_token_secret,
    }
    assert (await post(access, oauth_token=token, oauth_verifier=verifier)).status_code == 401
    with pytest.raises(ValueError, match="expected a request token that was given out"):
        consumer.client.gateway.access.authorise(token)


async def test_a_socket_needs_the_access_token_and_the_cookie(consumer: Consumer) -> None:
    url = f"{consumer.client.gateway.ws_url}?oauth_token={consumer.known.access_token}"
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await http.ws_connect(url)
        await consumer.agree()
        await consumer.init()
        cookie = {"Cookie": f"api={(await consumer.get('/tickle'))['session']}"}
        for refused in (urlsplit(url)._replace(query="").geturl(), url + "0"):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(refused, headers=cookie)
        async with http.ws_connect(url) as raw:
            assert json.loads((await raw.receive(timeout=5)).data) == {"message": "waiting for session"}
        async with http.ws_connect(url, headers=cookie) as raw:
            topics = [json.loads((await raw.receive(timeout=5)).data)["topic"] for _ in range(3)]
            assert topics == ["system", "act", "sts"]


async def test_answers_fit_the_published_schemas(consumer: Consumer, shared_data: Path) -> None:
    document = json.loads((shared_data / "ibkr_openapi.json").read_text())
    path = "/oauth/request_token"
    headers = consumer.signed_by_key(path, oauth_callback="oob")
    answers = {path: (await consumer.ask("POST", path, headers=headers)).json()}
    answers["/oauth/live_session_token"] = await consumer.agree()
    for name, answer in answers.items():
        schema = document["paths"][name]["post"]["responses"]["200"]["content"]["application/json"]["schema"]
        found = list(OAS30Validator(schema | {"components": document["components"]}).iter_errors(answer))
        # The document calls the number of milliseconds an int32.
        assert [error.message for error in found if "int32" not in error.message] == []


def test_credentials_keep_their_secrets_to_themselves() -> None:
    for shown in (repr(SAMPLE), repr(SAMPLE.registered), str([SAMPLE.registered])):
        assert SAMPLE.registered.access_token not in shown
        assert SAMPLE.registered.prepend.hex() not in shown
        assert repr(SAMPLE.registered.prepend) not in shown
        assert "PRIVATE" not in shown
