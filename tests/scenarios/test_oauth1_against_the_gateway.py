"""OAuth 1.0a whole: the adapter's own client signs in to the simulated host over HTTP, on a scripted clock."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest

from exchanges import InteractiveBrokers
from exchanges.ibkr.auth import DiffieHellman, OAuth1, PrivateKey
from exchanges.ibkr.auth.oauth1_refusals import PATH
from exchanges.ibkr.client import Client
from exchanges.ibkr.simulator import SignInRules, Simulator
from exchanges.ibkr.simulator.credentials import SampleOAuth1, sample_oauth1_consumer
from exchanges.ibkr.wire.session import Tickle
from horizon.errors import ConfigurationError, TokenExpired
from horizon.model import OrderRequest, OrderSide, OrderStatus, OrderType, SessionTier
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
HOUR = 3600
SAMPLE = sample_oauth1_consumer()
OTHER = sample_oauth1_consumer("SOMEBODY1")
TEST = sample_oauth1_consumer("TESTCONS")


class Signing:
    """A client that signs in by OAuth 1.0a, and the host it signs in to."""

    def __init__(self, gateway: Simulator, clock: ScriptedClock, auth: OAuth1, client: Client) -> None:
        self.gateway, self.clock, self.auth, self.client = gateway, clock, auth, client

    async def tickle(self) -> Tickle:
        return await self.client.post("/tickle", Tickle)

    @property
    def sign_ins(self) -> int:
        return sum(request.path == PATH for request in self.gateway.requests)


def user(sample: SampleOAuth1 = SAMPLE, **changed: Any) -> OAuth1:
    known = sample.registered
    given = {
        "consumer_key": known.consumer_key,
        "access_token": known.access_token,
        "access_token_secret": known.access_token_secret,
        "signature_key": PrivateKey.from_bytes(sample.signature_key_pem),
        "encryption_key": PrivateKey.from_bytes(sample.encryption_key_pem),
        "dh": DiffieHellman.from_bytes(sample.dh_parameters_pem),
    }
    return OAuth1(**(given | changed))


@asynccontextmanager
async def signing(
    auth: OAuth1, sample: SampleOAuth1 = SAMPLE, *, hosts: int = 1, **rules: Any
) -> AsyncIterator[Signing]:
    async with AsyncExitStack() as kept:
        clock = ScriptedClock(START)
        await kept.enter_async_context(clock.running())
        gateway = await kept.enter_async_context(
            Simulator(
                clock=clock,
                plain_http=True,
                hosts=hosts,
                sign_in="oauth1",
                oauth1_consumers=[sample.registered],
                sign_in_rules=SignInRules(**({"base_string": "encoded"} | rules)),
            )
        )
        others = [address.removesuffix("/v1/api") for address in gateway.hosts[1:]]
        client = Client(gateway.base_url, clock=clock, auth=auth, hosts=others)
        kept.push_async_callback(client.close)
        yield Signing(gateway, clock, auth, client)


@asynccontextmanager
async def kept(auth: OAuth1, renewed: Callable[[], None] = lambda: None) -> AsyncIterator[None]:
    keeper = asyncio.create_task(auth.keep(renewed))
    try:
        yield
    finally:
        assert not keeper.done()
        keeper.cancel()
        await asyncio.wait([keeper])


@pytest.mark.parametrize("sample", [SAMPLE, TEST], ids=["limited_poa", "test_realm"])
async def test_queries_and_bodies_are_signed_as_the_host_wants_it(sample: SampleOAuth1) -> None:
    async with signing(user(sample), sample) as signed:
        client = signed.client
        assert (await signed.tickle()).session
        await client.post("/iserver/auth/ssodh/init", dict[str, Any], body={"publish": True, "compete": False})
        await client.get("/iserver/accounts", dict[str, Any])
        await client.get("/portfolio/accounts", list[dict[str, Any]])
        found = await client.get(
            "/iserver/secdef/search", list[dict[str, Any]], params={"symbol": "SPY", "name": False}
        )
        assert any(str(row["conid"]) == "756733" for row in found)
        await client.get("/trsrv/stocks", dict[str, Any], params={"symbols": "SPY,BRK B,Ä&=%+~*'"})
        await client.get("/iserver/marketdata/snapshot", list[Any], params={"conids": "756733", "fields": "31,84,86"})
        await client.get("/portfolio/DU1234567/ledger", dict[str, Any])
        await client.post("/iserver/questions/suppress", dict[str, Any], body={"messageIds": ["o163", "o451"]})
        assert signed.gateway.refusals == []
        assert signed.sign_ins == 1


async def test_an_exchange_trades_with_oauth1_alone(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    clock = ScriptedClock(START)
    auth = user()
    async with (
        clock.running(),
        Simulator(
            clock=clock,
            plain_http=True,
            sign_in="oauth1",
            oauth1_consumers=[SAMPLE.registered],
            sign_in_rules=SignInRules(base_string="encoded"),
        ) as gateway,
        InteractiveBrokers(auth=auth, api_url=gateway.base_url, account_id=gateway.accounts[0], clock=clock) as ib,
    ):
        tiers = {each.tier: each for each in ib.session.tiers}
        assert all(tiers[tier].up for tier in (SessionTier.TOKEN, SessionTier.GATEWAY, SessionTier.BROKERAGE))
        spy = await ib.market("SPY")
        order = await ib.submit(
            OrderRequest(
                market_id=spy.market_id, order_side=OrderSide.BUY, size=Decimal(1), order_type=OrderType.MARKET
            )
        )
        assert order.status not in (OrderStatus.REJECTED, OrderStatus.UNKNOWN)
        await clock.sleep(24 * HOUR)
        assert ib.session.ready
        gateway.expire_tokens()
        await clock.sleep(600)
        assert ib.session.ready
        await ib.account()
        # The token that was ended by force, and nothing else.
        assert set(gateway.refusals) <= {"the live session token has ended"}
    assert sum(request.path == PATH for request in gateway.requests) == 3
    shown = f"{auth!r} {auth.token()} {ib!r}{caplog.text}"
    known = SAMPLE.registered
    for secret in (known.access_token, known.access_token_secret, known.prepend.hex(), "oauth_signature="):
        assert secret not in shown


async def test_50_hours_of_calls_meet_no_dead_token_and_one_sign_in_per_23_hours() -> None:
    told: list[float] = []
    async with signing(user(), earlier_sign_ins="end") as signed:
        async with kept(signed.auth, lambda: told.append(signed.clock.monotonic())):
            for _ in range(50 * 6 + 1):
                await signed.tickle()
                await signed.clock.sleep(599)
        assert signed.gateway.refusals == []
        assert signed.sign_ins == len(told) + 1 == 3
        assert [later - earlier for earlier, later in pairwise([0.0, *told])] == pytest.approx([23 * HOUR] * 2, abs=5)


async def test_without_a_keeper_the_next_call_after_the_end_signs_in_again() -> None:
    async with signing(user()) as signed:
        await signed.tickle()
        await signed.clock.sleep(25 * HOUR)
        await signed.tickle()
        assert signed.sign_ins == 2
        assert signed.gateway.refusals == []


async def test_a_token_that_ends_early_is_replaced_after_its_401() -> None:
    async with signing(user()) as signed:
        await signed.tickle()
        refused = await signed.auth.headers("POST", f"{signed.client.base_url}/v1/api/tickle")
        await signed.clock.sleep(900)
        signed.gateway.expire_tokens()
        with pytest.raises(TokenExpired):
            await signed.tickle()
        assert await signed.auth.renew(refused)
        await signed.tickle()
        assert signed.gateway.refusals == ["the live session token has ended"]
        assert signed.sign_ins == 2


@pytest.mark.parametrize(
    ("auth", "sample", "rules", "sentence"),
    [
        (user(OTHER), SAMPLE, {}, "39687, error: invalid consumer"),
        (user(), sample_oauth1_consumer(active=False), {}, "usable after a nightly reset"),
        (user(signature_key=PrivateKey.from_bytes(OTHER.signature_key_pem)), SAMPLE, {}, "are not swapped"),
        (user(encryption_key=PrivateKey.from_bytes(OTHER.encryption_key_pem)), SAMPLE, {}, "are not swapped"),
        (
            user(
                signature_key=PrivateKey.from_bytes(SAMPLE.encryption_key_pem),
                encryption_key=PrivateKey.from_bytes(SAMPLE.signature_key_pem),
            ),
            SAMPLE,
            {},
            "encryption_key= and signature_key= are not swapped",
        ),
        (user(access_token_secret=OTHER.registered.access_token_secret), SAMPLE, {}, "access_token_secret="),
        (user(access_token=OTHER.registered.access_token), SAMPLE, {}, "make a new access token in IBKR's portal"),
        (user(dh=DiffieHellman(2**2203 - 1)), SAMPLE, {}, "dh="),
        (user(), SAMPLE, {"live_session_signature": "wrong"}, "its signature does not match"),
        (user(), SAMPLE, {"live_session_lifetime": -60.0}, "found one that ended 60 s ago"),
    ],
)
async def test_what_the_host_refuses_is_told_and_asked_only_once(
    auth: OAuth1, sample: SampleOAuth1, rules: dict[str, Any], sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with signing(auth, sample, **rules) as signed, kept(auth):
        with pytest.raises(ConfigurationError) as error:
            await signed.tickle()
        assert sentence in str(error.value)
        await signed.clock.sleep(86_400)
        with pytest.raises(ConfigurationError):
            await signed.tickle()
        assert signed.sign_ins == len(signed.gateway.requests) == 1
        for secret in (sample.registered.access_token, sample.registered.access_token_secret):
            assert secret not in f"{error.value}{caplog.text}{auth.token()}"


async def test_requests_are_signed_for_the_numbered_host_they_go_to() -> None:
    async with signing(user(), hosts=2) as signed:
        await signed.tickle()
        first = signed.client.base_url
        signed.gateway.gone(0)
        assert await signed.client.get("/portfolio/accounts", list[msgspec.Raw])
        assert signed.client.base_url != first
        await signed.clock.sleep(25 * HOUR)
        await signed.tickle()
        assert signed.sign_ins == 2
        assert signed.gateway.refusals == []
