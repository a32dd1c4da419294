"""Who asks: a bearer that was made elsewhere, or nobody because the gateway signs."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest

from exchanges.ibkr.auth import Auth, Bearer, LocalGateway
from exchanges.ibkr.auth.bearer import ASK_SECONDS
from exchanges.ibkr.client import Client
from exchanges.ibkr.connection import connection
from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError, HorizonError, NeedsLogin, TokenExpired, VenueUnavailable
from horizon.net.answer import Response
from horizon.simulation.scripted_clock import ScriptedClock

TOKEN = "abc.DEF-123_456"
HOST = "https://api.ibkr.com"
URL = f"{HOST}/v1/api/tickle"


async def nobody(*_: object, **__: object) -> Response:
    raise AssertionError("a bearer that was made elsewhere asks the venue for nothing")


def bound(bearer: Bearer, clock: ScriptedClock) -> Bearer:
    bearer.bind(HOST, nobody, clock)
    return bearer


def ends_in(seconds: float, clock: ScriptedClock, name: str = "") -> str:
    claims = {"exp": clock.now() // NANOSECONDS + seconds, "name": name}
    return jwt.encode(claims, "a secret that is long enough for it", algorithm="HS256")


async def sent(bearer: Bearer) -> str:
    return (await bearer.headers("GET", URL))["Authorization"]


async def test_a_bearer_is_sent_and_never_shown(scripted_clock: ScriptedClock) -> None:
    bearer: Auth = bound(Bearer(TOKEN), scripted_clock)
    assert await bearer.headers("GET", URL) == {"Authorization": f"Bearer {TOKEN}"}
    assert bearer.socket_query() == {"bearer_token": TOKEN}
    assert TOKEN not in f"{bearer!r} {bearer} {bearer.token()}"
    assert not bearer.person_signs_in
    assert bearer.token().valid


async def test_a_given_bearer_that_is_refused_needs_a_person(scripted_clock: ScriptedClock) -> None:
    bearer = bound(Bearer(TOKEN), scripted_clock)
    headers = await bearer.headers("GET", URL)
    assert not await bearer.renew(headers)
    state = bearer.token()
    assert (state.valid, state.cause, state.action) == (False, "the venue refuses the token", "get a new one")


async def test_a_bearer_comes_from_the_environment(
    scripted_clock: ScriptedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IBKR_ACCESS_TOKEN", f" {TOKEN}\n")
    assert await sent(bound(Bearer(), scripted_clock)) == f"Bearer {TOKEN}"


async def test_the_environment_is_read_again_when_the_venue_refuses(
    scripted_clock: ScriptedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "first")
    bearer = bound(Bearer(variable="MY_TOKEN"), scripted_clock)
    first = await bearer.headers("GET", URL)
    assert not await bearer.renew(first)
    monkeypatch.setenv("MY_TOKEN", "second")
    assert await bearer.renew(first)
    assert await sent(bearer) == "Bearer second"
    assert await bearer.renew(first)
    monkeypatch.delenv("MY_TOKEN")
    with pytest.raises(TokenExpired, match="MY_TOKEN"):
        await bearer.renew(await bearer.headers("GET", URL))
    assert bearer.token().action == "set it again"


@pytest.mark.parametrize("token", ["", "   ", "two words", "with\nnewline", "smörgås"])
def test_a_token_that_can_not_be_one_is_refused_without_being_shown(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IBKR_ACCESS_TOKEN", raising=False)
    with pytest.raises(ConfigurationError, match="IBKR_ACCESS_TOKEN") as error:
        Bearer(token)
    if token.strip():
        assert token not in str(error.value)


def test_two_sources_of_a_bearer_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="found token and variable"):
        Bearer(TOKEN, variable="MY_TOKEN")


async def test_a_jwt_tells_when_it_ends(scripted_clock: ScriptedClock) -> None:
    bearer = bound(Bearer(ends_in(600, scripted_clock)), scripted_clock)
    await bearer.headers("GET", URL)
    assert bearer.token().expires == scripted_clock.now() + 600 * NANOSECONDS
    await scripted_clock.sleep(600)
    with pytest.raises(TokenExpired, match="ended at 2023-11-14 22:23:20 UTC: get a new one"):
        await bearer.headers("GET", URL)
    state = bearer.token()
    assert (state.valid, state.since, state.action) == (False, scripted_clock.now(), "get a new one")
    assert state.cause.startswith("the token ended")


async def test_a_sidecar_is_asked_once_by_many_at_first_use_and_again_on_a_401(scripted_clock: ScriptedClock) -> None:
    asked = 0

    async def sidecar() -> str:
        nonlocal asked
        asked += 1
        number = asked
        await scripted_clock.sleep(1)
        return f"token-{number}"

    bearer = bound(Bearer(ask=sidecar), scripted_clock)
    assert not bearer.token().valid
    assert bearer.socket_query() == {}
    assert set(await asyncio.gather(*(sent(bearer) for _ in range(10)))) == {"Bearer token-1"}
    refused = await bearer.headers("GET", URL)
    assert all(await asyncio.gather(*(bearer.renew(refused) for _ in range(10))))
    assert await sent(bearer) == "Bearer token-2"
    assert asked == 2


async def test_a_sidecar_is_asked_again_before_its_token_ends(scripted_clock: ScriptedClock) -> None:
    names = iter("abc")

    async def sidecar() -> str:
        return ends_in(3600, scripted_clock, next(names))

    bearer = bound(Bearer(ask=sidecar), scripted_clock)
    first = await sent(bearer)
    renewed = asyncio.Event()
    keeper = asyncio.create_task(bearer.keep(renewed.set))
    await renewed.wait()
    assert scripted_clock.monotonic() == pytest.approx(3300)
    assert await sent(bearer) != first
    keeper.cancel()
    await asyncio.wait([keeper])


async def fails() -> str:
    raise ValueError(f"planted {TOKEN}")


async def gives_nonsense() -> str:
    return f"two words {TOKEN}"


async def gives_nothing() -> Any:
    return None


async def says_itself() -> str:
    raise NeedsLogin("the vault is locked: open it")


def is_not_async() -> Any:
    return TOKEN


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (fails, VenueUnavailable, "failed with ValueError"),
        (gives_nonsense, TokenExpired, "found a text that is none"),
        (gives_nothing, TokenExpired, "found NoneType"),
        (says_itself, NeedsLogin, "the vault is locked"),
        (is_not_async, ConfigurationError, "write it with `async def`"),
    ],
)
async def test_what_is_wrong_with_a_sidecar_is_said_without_its_words(
    ask: Callable[[], Awaitable[str]],
    kind: type[HorizonError],
    sentence: str,
    scripted_clock: ScriptedClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = bound(Bearer(ask=ask), scripted_clock)
    with pytest.raises(kind, match=sentence) as error:
        await bearer.headers("GET", URL)
    assert error.value.__cause__ is None
    assert TOKEN not in f"{error.value} {bearer.token()} {caplog.text}"
    assert not bearer.token().valid


async def test_a_sidecar_that_hangs_is_given_up_and_not_asked_by_everybody(scripted_clock: ScriptedClock) -> None:
    asked = 0

    async def hangs() -> str:
        nonlocal asked
        asked += 1
        await asyncio.Event().wait()
        return TOKEN

    bearer = bound(Bearer(ask=hangs), scripted_clock)
    found = await asyncio.gather(*(bearer.headers("GET", URL) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(each, VenueUnavailable) and "timed out" in str(each) for each in found)
    assert scripted_clock.monotonic() == ASK_SECONDS
    assert asked == 1


async def test_a_placeholder_for_the_gateway_on_this_machine_is_accepted_and_never_sent() -> None:
    gateway: Auth = LocalGateway("any placeholder")
    assert await gateway.headers("GET", "https://localhost:5000/v1/api/tickle") == {}
    assert "placeholder" not in repr(gateway)
    assert gateway.person_signs_in


@pytest.mark.parametrize("host", ["http://2.api.example.com", "http://192.0.2.7:5000/v1/api", "ftp://localhost"])
def test_no_token_is_sent_without_tls_to_another_host_of_the_login(host: str) -> None:
    with pytest.raises(ConfigurationError, match="expected"):
        Client("https://api.example.com/v1/api", clock=ScriptedClock(0), auth=Bearer("eyJ"), hosts=[host])


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"auth": TOKEN}, r"found str: .* Bearer\(token\)"),
        ({"auth": Bearer(TOKEN), "hosts": "1.api.ibkr.com"}, r"write hosts=\['1.api.ibkr.com'\]"),
        ({"auth": Bearer(TOKEN), "access_token": TOKEN}, "found both"),
    ],
)
def test_what_is_no_way_of_signing_in_is_one_sentence(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        connection(None, ScriptedClock(0), shared=False, **wrong)
    assert TOKEN not in str(caught.value)
