"""OAuth 2.0 whole: the adapter's own client signs in to the simulated host over HTTP, on a scripted clock."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from exchanges import InteractiveBrokers
from exchanges.ibkr.auth import OAuth2, PrivateKey
from exchanges.ibkr.auth.oauth2_refusals import SESSIONS_PATH, TOKEN_PATH
from exchanges.ibkr.client import Client
from exchanges.ibkr.simulator import SignInRules, Simulator
from exchanges.ibkr.simulator.credentials import TOKEN_URL, SampleOAuth2, sample_oauth2_client
from exchanges.ibkr.wire.session import Tickle
from horizon.errors import ConfigurationError, HorizonError, TokenExpired
from horizon.model import SessionTier
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
SAMPLE = sample_oauth2_client()
OTHER = sample_oauth2_client("somebody-else")
SECONDS = 1_000_000_000


class Signing:
    """A client that signs in by OAuth 2.0, and the host it signs in to."""

    def __init__(self, gateway: Simulator, clock: ScriptedClock, auth: OAuth2, client: Client) -> None:
        self.gateway, self.clock, self.auth, self.client = gateway, clock, auth, client

    async def tickle(self) -> Tickle:
        return await self.client.post("/tickle", Tickle)

    def asked(self, path: str) -> int:
        return sum(request.path == path for request in self.gateway.requests)


def user(sample: SampleOAuth2 = SAMPLE, key: SampleOAuth2 = SAMPLE, **changed: Any) -> OAuth2:
    known = sample.registered
    given = {"client_id": known.client_id, "key_id": known.key_id, "username": known.username, "ip": known.ip}
    return OAuth2(key=PrivateKey.from_bytes(key.private_key_pem), **(given | changed))


@asynccontextmanager
async def signing(auth: OAuth2, sample: SampleOAuth2 = SAMPLE, **rules: Any) -> AsyncIterator[Signing]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(
            Simulator(
                clock=clock,
                plain_http=True,
                sign_in="oauth2",
                oauth2_clients=[sample.registered],
                sign_in_rules=SignInRules(**rules),
            )
        )
        client = Client(gateway.base_url, clock=clock, auth=auth)
        kept.push_async_callback(client.close)
        yield Signing(gateway, clock, auth, client)


@asynccontextmanager
async def kept(auth: OAuth2, renewed: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    keeper = asyncio.create_task(auth.keep(renewed))
    try:
        yield
    finally:
        assert not keeper.done()
        keeper.cancel()
        await asyncio.wait([keeper])


@pytest.mark.parametrize("audience", ["/token", TOKEN_URL])
@pytest.mark.parametrize("bearer", ["jwt", "opaque"])
async def test_the_first_call_signs_in_and_is_answered(audience: str, bearer: str) -> None:
    async with signing(user(audience=audience), sso_bearer=bearer) as signed:
        assert (await signed.tickle()).session
        await asyncio.gather(*(signed.tickle() for _ in range(3)))
        assert (signed.asked(TOKEN_PATH), signed.asked(SESSIONS_PATH)) == (1, 1)
        state = signed.auth.token()
        assert state.valid
        assert state.expires == pytest.approx(START + 3000 * SECONDS, abs=2 * SECONDS)
        assert signed.gateway.refusals == []


async def test_25_hours_of_calls_meet_no_dead_bearer_and_one_sign_in_per_45_minutes() -> None:
    told: list[float] = []
    async with signing(user()) as signed, kept(signed.auth, lambda: told.append(signed.clock.monotonic())):
        for _ in range(25 * 12):
            await signed.tickle()
            await signed.clock.sleep(300)
        assert signed.gateway.refusals == []
        assert signed.asked(SESSIONS_PATH) == len(told) + 1
        assert all(later - earlier == pytest.approx(2700, abs=5) for earlier, later in pairwise(told))
        assert signed.asked(TOKEN_PATH) == 2


async def test_without_a_keeper_the_next_call_after_the_end_signs_in_again() -> None:
    async with signing(user()) as signed:
        await signed.tickle()
        await signed.clock.sleep(2 * 3600)
        await signed.tickle()
        assert (signed.asked(TOKEN_PATH), signed.asked(SESSIONS_PATH)) == (1, 2)
        assert signed.gateway.refusals == []


async def test_a_bearer_that_ends_early_is_replaced_after_its_401() -> None:
    async with signing(user(), sso_lifetime=600, sso_bearer="opaque") as signed:
        await signed.tickle()
        refused = await signed.auth.headers("POST", "")
        await signed.clock.sleep(900)
        with pytest.raises(TokenExpired):
            await signed.tickle()
        assert await signed.auth.renew(refused)
        await signed.tickle()
        assert signed.gateway.refusals == ["ended bearer"]


@pytest.mark.parametrize(
    ("auth", "sample", "sentence"),
    [
        (user(key=OTHER), SAMPLE, "check client_id=, key_id="),
        (user(client_id="nobody-knows-me"), SAMPLE, "check client_id=, key_id="),
        (user(key_id="another"), SAMPLE, "check client_id=, key_id="),
        (user(audience="/elsewhere"), SAMPLE, "or try audience='/token'"),
        (user(), sample_oauth2_client(audiences=(TOKEN_URL,)), "or try audience='http://localhost:"),
        (
            user(ip="203.0.113.7"),
            SAMPLE,
            "set ip= to the public address from which this machine reaches the venue, found",
        ),
        (user(username="plantedname"), SAMPLE, "correct the username"),
        (user(scope="echo.read"), SAMPLE, "the client lacks the scope sso-sessions.write"),
        (user(), sample_oauth2_client(active=False), "check client_id="),
    ],
)
async def test_what_the_host_refuses_is_told_and_asked_only_once(
    auth: OAuth2, sample: SampleOAuth2, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with signing(auth, sample) as signed, kept(auth):
        with pytest.raises(ConfigurationError) as error:
            await signed.tickle()
        assert sentence in str(error.value)
        requests = len(signed.gateway.requests)
        await signed.clock.sleep(86_400)
        with pytest.raises(ConfigurationError):
            await signed.tickle()
        assert len(signed.gateway.requests) == requests
        assert signed.asked(SESSIONS_PATH) <= 1
        assert "plantedname" not in f"{error.value}{caplog.text}{auth.token()}"


async def exchange_opens(auth: OAuth2, sample: SampleOAuth2 = SAMPLE, **rules: Any) -> HorizonError | None:
    clock = ScriptedClock(START)
    async with (
        clock.running(),
        Simulator(
            clock=clock,
            plain_http=True,
            sign_in="oauth2",
            oauth2_clients=[sample.registered],
            sign_in_rules=SignInRules(**rules),
        ) as gateway,
    ):
        exchange = InteractiveBrokers(auth=auth, api_url=gateway.base_url, account_id=gateway.accounts[0], clock=clock)
        try:
            async with exchange:
                tiers = {each.tier: each for each in exchange.session.tiers}
                assert tiers[SessionTier.TOKEN].up
        except HorizonError as error:
            return error
        return None


async def test_an_exchange_opens_with_oauth2_alone() -> None:
    assert await exchange_opens(user()) is None


async def test_an_address_that_the_venue_sees_otherwise_is_told_with_both() -> None:
    error = await exchange_opens(user(), seen_ip="198.51.100.9")
    assert isinstance(error, ConfigurationError)
    assert "127.0.0.1" in str(error)
    assert "198.51.100.9" in str(error)


async def test_an_exchange_opens_although_the_first_init_comes_too_early() -> None:
    assert await exchange_opens(user(), too_early=5) is None
