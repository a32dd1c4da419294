"""What is told of a session in the hours of a reset, when something else was told before it."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from exchanges.ibkr.auth import TokenState
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.session_table import Seen
from exchanges.ibkr.session_teller import Teller
from horizon.clock import to_nanoseconds
from horizon.errors import BrokerageSessionDown, Competing, HorizonError, NeedsLogin, RateLimited, VenueUnavailable
from horizon.model import SessionState, SessionTier
from horizon.simulation.scripted_clock import ScriptedClock

SILENT = VenueUnavailable("POST /tickle: no answer in 10 s; nothing was changed, ask again")
DOWN = BrokerageSessionDown("the brokerage session is not connected: it is opened again by itself")
TAKEN = Competing("another program of the same user holds the brokerage session: close it")
BLOCKED = RateLimited("the venue answered 429: ask less often", retry_after=900.0)


class Told:
    """A teller at a time of the night in New York, and what it has told."""

    def __init__(self, hour: int, minute: int, *, person: bool = False) -> None:
        night = datetime(2026, 3, 4, hour, minute, tzinfo=ZoneInfo("America/New_York"))
        self.clock = ScriptedClock(to_nanoseconds(night))
        self.token = TokenState(valid=True, since=0)
        self.states: list[SessionState] = []
        self.teller = Teller(
            "ibkr", self.clock, ResetWatch(self.clock, "US"), lambda: self.token, person_signs_in=person, hold=False
        )
        self.teller.closed = ""
        self.teller.put = lambda event: self.states.append(event) if isinstance(event, SessionState) else None

    def found(self, seen: Seen, error: HorizonError, down: SessionTier, times: int = 1) -> str:
        for _ in range(times):
            self.teller.found(seen, error, down)
        return self.states[-1].reason


@pytest.mark.parametrize(
    ("seen", "error", "times"), [(Seen.NO_ANSWER, SILENT, 5), (Seen.BLOCKED, BLOCKED, 1)], ids=["silence", "429"]
)
async def test_what_is_over_makes_room_for_the_reset(seen: Seen, error: HorizonError, times: int) -> None:
    told = Told(23, 30)
    assert told.found(seen, error, SessionTier.GATEWAY) == str(error)
    await told.clock.advance(3600)
    reason = told.found(Seen.NOT_CONNECTED, DOWN, SessionTier.BROKERAGE, times)
    assert reason.startswith("IBKR resets its servers: ")
    assert next(tier.tier for tier in told.states[-1].tiers if not tier.up) is SessionTier.BROKERAGE
    assert told.found(Seen.NOT_CONNECTED, DOWN, SessionTier.BROKERAGE, 9) == reason


async def test_another_program_stays_told_through_the_noise_of_a_reset_and_of_its_tokens() -> None:
    told = Told(23, 30)
    told.found(Seen.COMPETING, TAKEN, SessionTier.BROKERAGE)
    await told.clock.advance(3600)
    before = len(told.states)
    for valid in (False, True) * 3:
        told.token = TokenState(valid=valid, since=0, cause="the venue refuses the token")
        assert told.found(Seen.NOT_CONNECTED, DOWN, SessionTier.BROKERAGE, 6) == str(TAKEN)
    assert len(told.states) == before


async def test_a_credential_that_is_refused_for_good_is_loud_in_a_reset_too() -> None:
    told = Told(0, 30)
    told.found(Seen.NOT_CONNECTED, DOWN, SessionTier.BROKERAGE)
    told.token = TokenState(valid=False, since=0, cause="the key is not registered", action="register it")
    assert "register it" in told.found(Seen.NOT_CONNECTED, DOWN, SessionTier.BROKERAGE)


async def test_the_deadline_of_a_sign_in_is_told_whatever_window_it_falls_into() -> None:
    told = Told(0, 5, person=True)
    missing = NeedsLogin("the gateway is not signed in: sign in", action="sign in")
    assert told.found(Seen.SIGNED_OUT, missing, SessionTier.GATEWAY) == str(missing)
    await told.clock.advance(80 * 60)
    until = told.clock.now() + 180_000_000_000
    waiting = NeedsLogin("the gateway is not signed in: approve", action="approve", act_until=until)
    assert told.found(Seen.SIGNED_OUT, waiting, SessionTier.GATEWAY) == str(waiting)
    assert until in [tier.act_until for tier in told.states[-1].tiers]
