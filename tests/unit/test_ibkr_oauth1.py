"""OAuth 1.0a against a venue of the test's own: signatures are judged by Authlib and by the public keys."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import re
import secrets
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from authlib.oauth1.rfc5849.signature import construct_base_string
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from exchanges.ibkr.auth import DiffieHellman, OAuth1, PrivateKey
from exchanges.ibkr.auth.oauth1_refusals import PATH
from exchanges.ibkr.auth.renewal import CredentialRefused
from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError, HorizonError, RateLimited, TokenExpired, VenueUnavailable
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_763_478_000 * NANOSECONDS
HOUR = 3600
BASE = "https://api.ibkr.com"
ACCOUNTS = f"{BASE}/v1/api/portfolio/accounts"
CONSUMER = "PLANTEDC1"
TOKEN = "planted-access-token-0123456789"
# The 1024-bit group of RFC 2409.
PRIME = int(
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b"
    "302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe6"
    "49286651ece65381ffffffffffffffff",
    16,
)


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def parameters() -> DiffieHellman:
    return DiffieHellman(PRIME)


class Venue:
    """Grants live session tokens to whoever signs for them; `next` replaces its answers, in order."""

    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.base_url = BASE
        self.prepended = secrets.token_bytes(20)
        self.secret = base64.b64encode(
            rsa_key("encryption").public_key().encrypt(self.prepended, padding.PKCS1v15())
        ).decode()
        self.lifetime = 24 * HOUR
        self.prime = PRIME
        self.tokens: list[bytes] = []
        self.nonces: set[str] = set()
        self.seen: list[dict[str, str]] = []
        self.next: list[Any] = []
        self.gate: asyncio.Event | None = None
        self.asked = asyncio.Event()

    def auth(self, **changes: Any) -> OAuth1:
        keys = {
            "consumer_key": CONSUMER,
            "access_token": TOKEN,
            "access_token_secret": self.secret,
            "signature_key": PrivateKey(rsa_key("signature")),
            "encryption_key": PrivateKey(rsa_key("encryption")),
            "dh": parameters(),
        }
        auth = OAuth1(**(keys | changes))
        auth.bind(BASE, self, self.clock)
        return auth

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        assert (method, target, content) == ("POST", PATH, None)
        shown = self.shown((headers or {})["Authorization"])
        self.seen.append(shown)
        self.asked.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.next.pop(0) if self.next else None
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Response):
            return answer
        granted = self.grant(shown)
        if isinstance(answer, dict) and isinstance(granted, dict):
            granted |= answer
        return Response(200, {}, json.dumps(granted).encode()) if isinstance(granted, dict) else granted

    def grant(self, shown: dict[str, str]) -> dict[str, Any] | Response:
        text = construct_base_string("POST", self.base_url + PATH, [(name, shown[name]) for name in shown])
        try:
            rsa_key("signature").public_key().verify(
                base64.b64decode(shown["oauth_signature"]),
                (self.prepended.hex() + text).encode(),
                padding.PKCS1v15(),
                SHA256(),
            )
        except Exception:
            return refused("not authenticated")
        exponent = secrets.randbits(256)
        shared = pow(int(shown["diffie_hellman_challenge"], 16), exponent, self.prime)
        key = shared.to_bytes(shared.bit_length() // 8 + 1, "big")
        token = hmac.new(key, self.prepended, hashlib.sha1).digest()
        self.tokens.append(token)
        return {
            "diffie_hellman_response": f"{pow(2, exponent, self.prime):x}",
            "live_session_token_signature": hmac.new(token, CONSUMER.encode(), hashlib.sha1).hexdigest(),
            "live_session_token_expiration": self.clock.now() // 1_000_000 + self.lifetime * 1000,
        }

    def shown(self, header: str) -> dict[str, str]:
        """The parameters of a header, in a form that the RFC and IBKR allow; each nonce is there once."""
        scheme, _, rest = header.partition(" ")
        pairs = [pair.partition("=") for pair in rest.split(", ")]
        names = [name for name, _, _ in pairs]
        assert scheme == "OAuth"
        assert names[0] == "realm"
        assert names[1:] == sorted(names[1:])
        assert all(re.fullmatch(r'"[A-Za-z0-9._~%-]*"', value) for _, _, value in pairs)
        found = {name: unquote(value.strip('"')) for name, _, value in pairs}
        assert found["oauth_nonce"] not in self.nonces
        assert found["oauth_nonce"].isalnum()
        self.nonces.add(found["oauth_nonce"])
        assert int(found["oauth_timestamp"]) == self.clock.now() // NANOSECONDS
        return found

    def signer(self, method: str, url: str, headers: Mapping[str, str]) -> int | None:
        """The number of the token that has signed a request, counted from 0."""
        assert set(headers) == {"Authorization"}
        shown = self.shown(headers["Authorization"])
        assert (shown["realm"], shown["oauth_token"]) == ("limited_poa", TOKEN)
        query = parse_qsl(urlsplit(url).query, keep_blank_values=True)
        text = construct_base_string(method, url.partition("?")[0], [*query, *shown.items()])
        for number, token in enumerate(self.tokens):
            if base64.b64encode(hmac.digest(token, text.encode(), "sha256")).decode() == shown["oauth_signature"]:
                return number
        return None


def refused(text: str, *, status: int = 401, date: str = "") -> Response:
    return Response(status, {"date": date} if date else {}, json.dumps({"error": text, "statusCode": status}).encode())


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock(START)


@pytest.fixture
def venue(clock: ScriptedClock) -> Venue:
    return Venue(clock)


@pytest.mark.parametrize(
    ("method", "url"),
    [
        ("GET", ACCOUNTS),
        ("POST", f"{BASE}/v1/api/iserver/account/U1/orders"),
        ("DELETE", f"{BASE}/v1/api/iserver/account/U1/order/17?manualIndicator=true"),
        ("GET", f"{BASE}/v1/api/iserver/marketdata/snapshot?conids=265598,756733&fields=31,84,86"),
        ("GET", f"{BASE}/v1/api/iserver/secdef/search?symbol=BRK%20B&name=true&sectype="),
        ("GET", f"{BASE}/v1/api/trsrv/stocks?symbols=%C3%84%2BB&symbols=A&zz=1&a=%26%3D%25"),
    ],
)
async def test_every_request_is_signed_with_its_query_by_the_live_session_token(
    venue: Venue, method: str, url: str
) -> None:
    auth = venue.auth()
    assert venue.signer(method, url, await auth.headers(method, url)) == 0
    assert len(venue.seen) == 1
    assert venue.seen[0]["realm"] == "limited_poa"
    assert venue.seen[0]["oauth_signature_method"] == "RSA-SHA256"
    assert re.fullmatch("[0-9a-f]+", venue.seen[0]["diffie_hellman_challenge"])


async def test_all_who_need_the_first_token_wait_for_one_request(venue: Venue) -> None:
    auth, venue.gate = venue.auth(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(auth.headers("GET", ACCOUNTS)) for _ in range(30)]
        await venue.asked.wait()
        venue.gate.set()
    assert {venue.signer("GET", ACCOUNTS, each.result()) for each in asked} == {0}
    assert len(venue.seen) == 1


async def test_a_token_is_renewed_an_hour_early_and_requests_in_flight_are_not_broken(
    venue: Venue, clock: ScriptedClock
) -> None:
    auth = venue.auth()
    renewed: list[int] = []
    async with clock.running():
        in_flight = await auth.headers("GET", ACCOUNTS)
        assert auth.token().valid
        assert auth.token().expires == START + 24 * HOUR * NANOSECONDS
        keeper = asyncio.create_task(auth.keep(lambda: renewed.append(clock.now())))
        await clock.sleep(22.9 * HOUR)
        assert len(venue.seen) == 1
        await clock.sleep(0.2 * HOUR)
        assert len(venue.seen) == 2
        assert [round((each - START) / NANOSECONDS) for each in renewed] == [23 * HOUR]
        assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 1

        assert await auth.renew(in_flight) is True
        assert len(venue.seen) == 2
        await clock.sleep(6 * 24 * HOUR)
        keeper.cancel()
        await asyncio.wait([keeper])
    assert len(venue.seen) == len(renewed) + 1 == 8


async def test_a_401_gets_one_new_token_for_all_who_met_it(venue: Venue, clock: ScriptedClock) -> None:
    auth = venue.auth()
    refused_ones = [await auth.headers("GET", ACCOUNTS) for _ in range(5)]
    await clock.advance(61)
    assert await asyncio.gather(*(auth.renew(each) for each in refused_ones)) == [True] * 5
    assert len(venue.seen) == 2
    assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 1


async def test_a_token_that_is_refused_at_once_is_not_replaced(venue: Venue, clock: ScriptedClock) -> None:
    auth = venue.auth()
    headers = await auth.headers("GET", ACCOUNTS)
    await clock.advance(59)
    assert await auth.renew(headers) is False
    assert len(venue.seen) == 1


async def test_an_expired_token_is_not_used(venue: Venue, clock: ScriptedClock) -> None:
    auth = venue.auth()
    await auth.headers("GET", ACCOUNTS)
    await clock.advance(24 * HOUR)
    assert not auth.token().valid
    assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 1


async def test_the_third_sign_in_of_an_hour_is_not_made(venue: Venue, clock: ScriptedClock) -> None:
    auth = venue.auth()
    for _ in range(2):
        headers = await auth.headers("GET", ACCOUNTS)
        await clock.advance(61)
        if len(venue.seen) < 2:
            assert await auth.renew(headers)
    with pytest.raises(TokenExpired, match="twice in the last hour"):
        await auth.renew(headers)
    assert len(venue.seen) == 2
    await clock.advance(HOUR)
    assert await auth.renew(headers)
    assert len(venue.seen) == 3


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            refused("id: 39687, error: invalid consumer"),
            "not active yet: a new one becomes usable after a nightly reset",
        ),
        (refused("id: 39687, error: invalid consumer", date="Tue, 18 Nov 2025 14:00:00 GMT"), "at most two weeks"),
        (
            Response(200, {}, b'{"error":"id: 39687, error: invalid consumer","statusCode":401}'),
            "not active yet: a new one becomes usable",
        ),
        (refused("unknown consumer", status=403), "check consumer_key="),
        (refused("invalid signature"), "encryption_key= and signature_key= are not swapped"),
        (refused("id: 118871, error: LST failed, error: No access secret key found"), "make a new access token"),
        (refused("not authenticated"), r"check access_token= and consumer_key= .* signature_key= are not swapped"),
        (Response(401, {}, b""), r"answered 401: no text\): check access_token="),
        (refused("timestamp is refused"), "by these words this machine's clock is wrong: set the clock"),
        (
            refused("not authenticated", date="Tue, 18 Nov 2025 14:50:00 GMT"),
            "this machine's clock is 600 s ahead of the venue's: set the clock",
        ),
        (
            refused("not authenticated", date="Tue, 18 Nov 2025 15:01:30 GMT"),
            "this machine's clock is 90 s behind the venue's: set the clock",
        ),
        (Response(404, {}, b"<html>Resource not found</html>"), r"answers 404: use https://api\.ibkr\.com"),
    ],
)
async def test_a_refused_credential_is_explained_and_not_tried_again(
    venue: Venue, clock: ScriptedClock, answer: Response, expected: str
) -> None:
    auth = venue.auth()
    venue.next = [answer]
    with pytest.raises(CredentialRefused, match=expected) as raised:
        await auth.headers("GET", ACCOUNTS)
    assert "\n" not in str(raised.value)
    async with clock.running():
        keeper = asyncio.create_task(auth.keep(lambda: None))
        for _ in range(3):
            await clock.sleep(8 * HOUR)
            with pytest.raises(CredentialRefused):
                await auth.headers("GET", ACCOUNTS)
        keeper.cancel()
        await asyncio.wait([keeper])
    assert len(venue.seen) == 1
    assert not auth.token().valid
    assert auth.token().action


@pytest.mark.parametrize(
    "answer",
    [
        {"live_session_token_signature": "00" * 20},
        {"live_session_token_signature": ""},
        {"live_session_token_signature": "not hexadecimal at all é"},
        {"diffie_hellman_response": "7"},
    ],
)
async def test_a_token_of_another_is_refused_with_all_that_can_be_wrong(venue: Venue, answer: dict[str, str]) -> None:
    auth = venue.auth()
    venue.next = [answer]
    with pytest.raises(CredentialRefused) as raised:
        await auth.headers("GET", ACCOUNTS)
    for cause in (
        "encryption key",
        "access token secret",
        "Diffie-Hellman parameters",
        "consumer key",
        "encryption_key= and signature_key= are not swapped",
    ):
        assert cause in str(raised.value)
    with pytest.raises(CredentialRefused):
        await auth.headers("GET", ACCOUNTS)
    assert len(venue.seen) == 1


async def test_other_diffie_hellman_parameters_than_the_registered_are_found(venue: Venue) -> None:
    venue.prime = 2**1000 + 297
    with pytest.raises(CredentialRefused, match="dh="):
        await venue.auth().headers("GET", ACCOUNTS)


async def test_swapped_keys_are_named(venue: Venue) -> None:
    auth = venue.auth(signature_key=PrivateKey(rsa_key("encryption")), encryption_key=PrivateKey(rsa_key("signature")))
    # A secret that is a larger number than the wrong key's modulus is found out before anything is sent.
    told = "encryption_key= (and signature_key= are not swapped|is not the signature key)"
    with pytest.raises(ConfigurationError, match=told):
        await auth.headers("GET", ACCOUNTS)


async def test_an_encryption_key_of_another_size_is_found_before_anything_is_sent(venue: Venue) -> None:
    auth = venue.auth(encryption_key=PrivateKey(rsa_key("large", 3072)))
    with pytest.raises(
        ConfigurationError, match=r"encryption key of 3072 bits opens, found one of 2048 bits .* not the signature key"
    ):
        await auth.headers("GET", ACCOUNTS)
    assert venue.seen == []


async def test_a_secret_that_is_not_base64_is_found_before_anything_is_sent(venue: Venue) -> None:
    auth = venue.auth(access_token_secret="planted-secret!")
    with pytest.raises(ConfigurationError, match=r"access_token_secret= in base64.*: copy it again"):
        await auth.headers("GET", ACCOUNTS)
    assert venue.seen == []


@pytest.mark.parametrize(
    ("answer", "error", "expected"),
    [
        (Response(503, {}, b"Service Unavailable"), VenueUnavailable, "answered 503 .* tried again"),
        (Response(500, {}, b""), VenueUnavailable, "answered 500 .* tried again"),
        (Response(410, {}, b""), VenueUnavailable, r"use another one, 1\.api\.ibkr\.com"),
        (Response(429, {"retry-after": "60"}, b""), RateLimited, "next 60 s"),
        (Response(429, {}, b""), RateLimited, "next 900 s"),
        (Response(200, {}, b"<html>captive portal</html>"), VenueUnavailable, "not the documented JSON"),
        (Response(200, {}, b"{}"), VenueUnavailable, "not the documented JSON"),
        (Response(200, {}, b"\xff\xfe"), VenueUnavailable, "not the documented JSON"),
        ({"diffie_hellman_response": "0"}, VenueUnavailable, "not a number that hides the key"),
        ({"diffie_hellman_response": "1"}, VenueUnavailable, "not a number that hides the key"),
        ({"diffie_hellman_response": f"{PRIME - 1:x}"}, VenueUnavailable, "not a number that hides the key"),
        ({"diffie_hellman_response": f"{PRIME:x}"}, VenueUnavailable, "not a number that hides the key"),
        ({"diffie_hellman_response": f"{PRIME + 5:x}"}, VenueUnavailable, "not a number that hides the key"),
        ({"diffie_hellman_response": "-2"}, VenueUnavailable, "not a hexadecimal number"),
        ({"diffie_hellman_response": ""}, VenueUnavailable, "not a hexadecimal number"),
        (NotSent("the connection was refused"), VenueUnavailable, "can't be reached to sign in .*check the network"),
        (NoAnswer("no answer in 20 s"), VenueUnavailable, "gave no answer .* tried again"),
        (RateLimited("too many", retry_after=5), RateLimited, "too many"),
    ],
)
async def test_a_venue_that_can_not_be_asked_is_asked_again(
    venue: Venue, clock: ScriptedClock, answer: Any, error: type[HorizonError], expected: str
) -> None:
    auth = venue.auth()
    venue.next = [answer]
    with pytest.raises(error, match=expected):
        await auth.headers("GET", ACCOUNTS)
    assert not auth.token().valid
    async with clock.running():
        keeper = asyncio.create_task(auth.keep(lambda: None))
        await clock.sleep(1000)
        keeper.cancel()
        await asyncio.wait([keeper])
    assert auth.token().valid
    assert len(venue.seen) == 2


async def test_the_field_may_have_the_name_of_the_document(venue: Venue) -> None:
    auth = venue.auth()
    granting = venue.grant
    venue.grant = lambda shown: _renamed(granting(shown))  # type: ignore[method-assign]
    assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 0


def _renamed(answer: Any) -> Any:
    answer["diffie_hellman_challenge"] = answer.pop("diffie_hellman_response")
    answer["live_session_token_signature"] = answer["live_session_token_signature"].upper()
    answer["live_session_token_expiration"] = str(answer["live_session_token_expiration"])
    return answer


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        ("", r"ended 7200 s ago by this machine's clock: set the clock"),
        ("Mon, 17 Nov 2025 13:00:00 GMT", r"ended 7200 s ago .*clock is 93600 s ahead of the venue's: set the clock"),
    ],
)
async def test_a_token_that_has_ended_before_it_came_shows_a_wrong_clock(
    venue: Venue, clock: ScriptedClock, date: str, expected: str
) -> None:
    venue.lifetime = -2 * HOUR
    auth = venue.auth()
    answer = venue.grant

    def dated(shown: dict[str, str]) -> Any:
        return Response(200, {"date": date}, json.dumps(answer(shown)).encode())

    venue.grant = dated  # type: ignore[method-assign]
    with pytest.raises(CredentialRefused, match=expected):
        await auth.headers("GET", ACCOUNTS)


async def test_a_bare_refusal_of_good_credentials_is_taken_for_the_reset_but_not_for_ever(
    venue: Venue, clock: ScriptedClock
) -> None:
    auth = venue.auth()
    async with clock.running():
        await auth.headers("GET", ACCOUNTS)
        venue.next = [refused("not authenticated")] * 2
        keeper = asyncio.create_task(auth.keep(lambda: None))
        await clock.sleep(23 * HOUR + 60)
        assert auth.token().valid
        assert "also does while it is being reset" in auth.token().cause
        await clock.sleep(2 * HOUR)
        assert auth.token().valid
        assert auth.token().cause == ""
        assert len(venue.seen) == 4

        venue.next = [refused("not authenticated")] * 100
        await clock.sleep(3 * 24 * HOUR)
        assert not auth.token().valid
        assert 4 + 24 < len(venue.seen) <= 4 + 2 * 25, "a day of at most two an hour"
        asked = len(venue.seen)
        await clock.sleep(24 * HOUR)
        assert len(venue.seen) == asked
        keeper.cancel()
        await asyncio.wait([keeper])
    with pytest.raises(CredentialRefused, match="check access_token="):
        await auth.headers("GET", ACCOUNTS)


async def test_a_withdrawn_token_is_not_tried_again(venue: Venue, clock: ScriptedClock) -> None:
    auth = venue.auth()
    headers = await auth.headers("GET", ACCOUNTS)
    await clock.advance(3 * HOUR)
    venue.next = [refused("id: 118871, error: LST failed, error: No access secret key found")]
    for _ in range(3):
        with pytest.raises(CredentialRefused, match="make a new access token"):
            await auth.renew(headers)
        await clock.advance(3 * HOUR)
    assert len(venue.seen) == 2


async def test_a_credential_is_tried_again_once_the_clock_was_set(venue: Venue, clock: ScriptedClock) -> None:
    behind = _Set(clock, -600)
    auth = venue.auth()
    auth.bind(BASE, venue, behind)
    venue.clock = behind  # type: ignore[assignment]
    venue.next = [refused("not authenticated", date="Tue, 18 Nov 2025 15:00:00 GMT")]
    with pytest.raises(CredentialRefused, match="clock is 600 s behind"):
        await auth.headers("GET", ACCOUNTS)
    await clock.advance(HOUR)
    with pytest.raises(CredentialRefused):
        await auth.headers("GET", ACCOUNTS)
    behind.seconds = 0
    assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 0


class _Set(ScriptedClock):
    """Wall time that is wrong by some seconds, until somebody sets it."""

    def __init__(self, clock: ScriptedClock, seconds: float) -> None:
        self.true, self.seconds = clock, seconds

    def now(self) -> int:
        return self.true.now() + round(self.seconds * NANOSECONDS)

    def monotonic(self) -> float:
        return self.true.monotonic()


@pytest.mark.parametrize("address", ["http://api.ibkr.com", "http://192.168.1.5:5000", "http://localhost.example.com"])
async def test_nothing_is_signed_for_another_host_without_tls(venue: Venue, address: str) -> None:
    auth = venue.auth()
    with pytest.raises(ConfigurationError, match=r"expected an https address .* use https://"):
        auth.bind(address, venue, venue.clock)
    with pytest.raises(ConfigurationError, match="expected an https address"):
        await auth.headers("GET", f"{address}/v1/api/tickle")
    assert venue.seen == []


@pytest.mark.parametrize("address", ["http://localhost:5000", "http://127.0.0.1:5000", "http://[::1]:5000"])
async def test_this_machine_may_be_asked_without_tls(venue: Venue, address: str) -> None:
    auth = venue.auth()
    auth.bind(address, venue, venue.clock)
    # Authlib takes the last part of an IPv6 address for a port.
    venue.base_url = address
    if "[" in address:
        venue.next = [{}]
        venue.grant = lambda shown: refused("seen")  # type: ignore[method-assign]
        with pytest.raises(CredentialRefused, match="seen"):
            await auth.headers("GET", f"{address}/v1/api/tickle")
    else:
        url = f"{address}/v1/api/tickle"
        assert venue.signer("GET", url, await auth.headers("GET", url)) == 0


async def test_a_token_is_asked_for_at_the_host_that_requests_go_to(venue: Venue) -> None:
    auth = venue.auth()
    venue.base_url = "https://3.api.ibkr.com"
    url = f"{venue.base_url}/v1/api/portfolio/accounts"
    assert venue.signer("GET", url, await auth.headers("GET", url)) == 0


@pytest.mark.parametrize(
    ("changes", "realm"),
    [
        ({}, "limited_poa"),
        ({"realm": "limited_poa"}, "limited_poa"),
        ({"consumer_key": "TESTCONS"}, "test_realm"),
        ({"consumer_key": "TESTCONS", "realm": "test_realm"}, "test_realm"),
    ],
)
async def test_the_realm_belongs_to_the_consumer_key(venue: Venue, changes: dict[str, str], realm: str) -> None:
    auth = venue.auth(**changes)
    venue.next = [refused("seen")]
    with pytest.raises(CredentialRefused):
        await auth.headers("GET", ACCOUNTS)
    assert venue.seen[0]["realm"] == realm


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"realm": "test_realm"}, "expected the realm 'limited_poa' .* found 'test_realm': leave realm= out"),
        ({"consumer_key": "TESTCONS", "realm": "limited_poa"}, "expected the realm 'test_realm'"),
        ({"consumer_key": ""}, "expected consumer_key= .* found nothing"),
        ({"access_token": None}, "expected access_token= .* found nothing"),
        ({"access_token": 'a"b'}, "expected access_token= .* found other characters in it"),
        ({"access_token_secret": "é"}, "expected access_token_secret= .* found other characters in it"),
        ({"signature_key": "key.pem"}, r"expected signature_key= to be a PrivateKey, found str: load it with"),
        ({"encryption_key": b"pem"}, r"expected encryption_key= to be a PrivateKey, found bytes"),
        ({"dh": "dhparam.pem"}, r"expected dh= to be DiffieHellman parameters, found str: load them with"),
    ],
)
def test_what_can_not_work_is_refused_when_it_is_given(venue: Venue, changes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigurationError, match=expected):
        venue.auth(**changes)
    assert venue.seen == []


async def test_a_secret_broken_into_lines_is_put_together(venue: Venue) -> None:
    auth = venue.auth(access_token_secret="\n".join(re.findall(".{1,64}", venue.secret)) + "\n")
    assert venue.signer("GET", ACCOUNTS, await auth.headers("GET", ACCOUNTS)) == 0


async def test_without_a_client_it_says_where_it_belongs() -> None:
    auth = OAuth1(
        consumer_key=CONSUMER,
        access_token=TOKEN,
        access_token_secret="c2VjcmV0",
        signature_key=PrivateKey(rsa_key("signature")),
        encryption_key=PrivateKey(rsa_key("encryption")),
        dh=parameters(),
    )
    with pytest.raises(ConfigurationError, match="InteractiveBrokers"):
        await auth.headers("GET", ACCOUNTS)


def test_the_socket_gets_the_access_token(venue: Venue) -> None:
    assert venue.auth().socket_query() == {"oauth_token": TOKEN}


async def test_secrets_are_shown_nowhere(venue: Venue, clock: ScriptedClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    auth = venue.auth()
    headers = await auth.headers("GET", ACCOUNTS)
    shown += [repr(auth), str(auth), repr(auth.token()), repr(auth._renewal.newest), repr(parameters())]
    echo = json.dumps({"error": f"invalid signature: {headers['Authorization']} oauth_token={TOKEN}"})
    answers: list[Callable[[], Any]] = [
        lambda: Response(401, {}, echo.encode()),
        lambda: Response(503, {}, f'{{"oauth_token":"{TOKEN}","live_session_token_signature":"{CONSUMER}"}}'.encode()),
        lambda: {"live_session_token_signature": "00" * 20},
        lambda: NoAnswer("no answer"),
    ]
    for answer in answers:
        other = venue.auth()
        venue.next = [answer()]
        with pytest.raises(HorizonError) as raised:
            await other.headers("GET", ACCOUNTS)
        shown += [
            str(raised.value),
            repr(raised.value),
            "".join(traceback.format_exception(raised.value)),
            repr(other.token()),
        ]
    for text in (*shown, caplog.text):
        for secret in (TOKEN, venue.secret, venue.prepended.hex(), *(token.hex() for token in venue.tokens)):
            assert secret not in text
    assert "POST /v1/api/oauth/live_session_token -> 401" in caplog.text


def test_cryptography_is_loaded_with_the_first_key_and_not_before() -> None:
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, exchanges.ibkr.auth, exchanges.ibkr.auth.oauth1; print('cryptography' in sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == "False"
