"""However requests, refusals, expiries and failures fall: one sign-in at a time, two an hour, and no dead bearer."""

import asyncio
import json
from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from exchanges.ibkr.auth import OAuth2, PrivateKey
from horizon.clock import NANOSECONDS
from horizon.errors import TokenExpired, VenueUnavailable
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000 * NANOSECONDS
KEY = PrivateKey(rsa.generate_private_key(public_exponent=65537, key_size=2048))
URL = "https://api.ibkr.com/v1/api/tickle"
HOUR = 3600.0

Outcome = str
outcomes = st.sampled_from(["granted"] * 4 + ["500", "503", "no answer", "not sent"])
lifetimes = st.sampled_from([30, 400, 3000, 86_400])
pauses = st.sampled_from([0.0, 0.5, 20.0, 300.0, 2000.0, 4000.0])
steps = st.tuples(pauses, st.booleans())


class Venue:
    """Gives bearers of the drawn lifetimes, fails as drawn, and withdraws bearers when told."""

    def __init__(self, clock: ScriptedClock, answers: list[tuple[Outcome, int]]) -> None:
        self.clock = clock
        self.answers = answers
        self.at_once = 0
        self.signed_in_at: list[float] = []
        self.asked_at: list[float] = []
        self.ends: dict[str, float] = {}

    async def __call__(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        self.at_once += 1
        assert self.at_once == 1, "two sign-ins at once"
        try:
            await self.clock.sleep(0.3)
            if target.endswith("/token"):
                return Response(200, {}, b'{"access_token": "access", "expires_in": 86399}')
            return self.session()
        finally:
            self.at_once -= 1

    def session(self) -> Response:
        outcome, lifetime = self.answers.pop(0) if self.answers else ("granted", 3000)
        now = self.clock.monotonic()
        if outcome == "not sent":
            raise NotSent("refused")
        self.asked_at.append(now)
        if outcome == "503":
            return Response(503, {}, b"")
        self.signed_in_at.append(now)
        if outcome == "no answer":
            raise NoAnswer("silence")
        if outcome == "500":
            return Response(500, {}, b"")
        bearer = f"bearer-{len(self.ends)}"
        self.ends[f"Bearer {bearer}"] = now + lifetime
        return Response(200, {}, json.dumps({"access_token": bearer, "expires_in": lifetime}).encode())


async def trader(auth: OAuth2, venue: Venue, plan: list[tuple[float, bool]]) -> None:
    for pause, refused in plan:
        await venue.clock.sleep(pause)
        try:
            headers = await auth.headers("GET", URL)
            assert venue.clock.monotonic() < venue.ends[headers["Authorization"]], "a bearer that has ended"
            if refused and await auth.renew(headers):
                newer = await auth.headers("GET", URL)
                assert newer != headers
        except (TokenExpired, VenueUnavailable):
            continue


async def lived(answers: list[tuple[Outcome, int]], plans: list[list[tuple[float, bool]]]) -> Venue:
    clock = ScriptedClock(START)
    venue = Venue(clock, answers)
    auth = OAuth2(client_id="client", key_id="main", key=KEY, username="user", ip="203.0.113.7")
    auth.bind("https://api.ibkr.com", venue, clock)
    told: list[str] = []
    async with clock.running():
        keeper = asyncio.create_task(auth.keep(lambda: told.append(auth.socket_query()["bearer_token"])))
        async with asyncio.TaskGroup() as group:
            for plan in plans:
                group.create_task(trader(auth, venue, plan))
        await clock.sleep(9 * HOUR)
        assert not keeper.done()
        keeper.cancel()
        await asyncio.wait([keeper])
        assert auth.token().valid, "the venue is well again, and nobody is signed in"
    assert len(told) == len(set(told)) <= max(len(venue.ends) - 1, 0)
    return venue


def most_in_an_hour(times: list[float]) -> int:
    return max((sum(first <= each < first + HOUR for each in times) for first in times), default=0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(outcomes, lifetimes), max_size=8),
    st.lists(st.lists(steps, min_size=1, max_size=6), min_size=1, max_size=6),
)
def test_one_sign_in_at_a_time_two_an_hour_and_no_dead_bearer(
    answers: list[tuple[Outcome, int]], plans: list[list[tuple[float, bool]]]
) -> None:
    venue = asyncio.run(lived(answers, plans))
    assert most_in_an_hour(venue.signed_in_at) <= 2
    assert most_in_an_hour(venue.asked_at) <= 6
