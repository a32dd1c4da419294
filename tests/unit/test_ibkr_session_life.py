"""What happens to a session in a long life: competitors, renewals, 429, resets, other hosts, and its way back."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from exchanges.ibkr.auth import Ask, TokenState
from exchanges.ibkr.session import KEEP_ALIVE_SECONDS, SHORTEST_PAUSE
from exchanges.ibkr.session_repair import DOUBT_SECONDS
from exchanges.ibkr.wire.orders import LiveOrders
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    NeedsLogin,
    OutcomeUnknown,
    RateLimited,
    TokenExpired,
    VenueUnavailable,
)
from horizon.model import NoticeLevel, SessionState, SessionTier

MakeSession = Callable[..., Any]

UP = {"authenticated": True, "established": True, "competing": False, "connected": True, "message": ""}
TAKEN = {**UP, "competing": True}
IDLE = {"authenticated": False, "competing": False, "connected": True}
NOT_CONNECTED = {"authenticated": False, "competing": False, "connected": False}
UNAUTHORIZED = (401, {"error": "not authenticated", "statusCode": 401})
NO_BRIDGE = (400, {"error": "Bad Request: no bridge", "statusCode": 400})
TICKLE, STATUS, INIT = "/tickle", "/iserver/auth/status", "/iserver/auth/ssodh/init"
SUPPRESS, ORDERS = "/iserver/questions/suppress", "/iserver/account/orders"


def tickle(status: Mapping[str, Any]) -> dict[str, Any]:
    return {"session": "s", "hmds": {"error": "no bridge"}, "iserver": {"authStatus": dict(status)}}


def tier(state: SessionState, name: SessionTier) -> Any:
    return next(each for each in state.tiers if each.tier is name)


class Tokens:
    """A way of signing in without a person; each renewal brings the next number."""

    person_signs_in = False

    def __init__(self) -> None:
        self.number = 1
        self.renewals = 0
        self.renewable = True
        self.valid = True
        self.due = asyncio.Event()
        self.seen_ips: list[str | None] = []
        self.ip_is_wrong = False

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        self.clock = clock

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.number}"}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        self.renewals += 1
        if not self.renewable:
            self.valid = False
            raise TokenExpired("the venue refused the key: look at the portal")
        self.number += 1
        return True

    async def keep(self, renewed: Callable[[], None]) -> None:
        while True:
            await self.due.wait()
            self.due.clear()
            self.number += 1
            renewed()

    def token(self) -> TokenState:
        cause = "" if self.valid else "the venue refused the key"
        return TokenState(valid=self.valid, since=0, cause=cause, action="" if self.valid else "look at the portal")

    def socket_query(self) -> Mapping[str, str]:
        return {"bearer_token": str(self.number)}

    def check_ip(self, found: str | None) -> None:
        self.seen_ips.append(found)
        if self.ip_is_wrong:
            raise ConfigurationError(f"expected another address, found {found}")


# -- competitors ---------------------------------------------------------------------------------------------------


def competitor(setup: Any) -> list[float]:
    """Another program that takes the session back at once; the moments at which ours took it."""
    taken: list[float] = []

    def init(request: httpx.Request) -> Any:
        taken.append(setup.clock.monotonic())
        setup.venue.answers[STATUS] = [UP]
        return UP

    setup.venue.usual |= {INIT: init, STATUS: TAKEN, TICKLE: tickle(TAKEN)}
    return taken


@pytest.mark.parametrize(("policy", "expected"), [("never", 0), ("once", 1)])
async def test_a_competitor_is_put_out_as_often_as_was_said(
    make_session: MakeSession, policy: str, expected: int
) -> None:
    setup = make_session(compete=policy)
    await setup.open()
    taken = competitor(setup)
    await setup.clock.sleep(3 * 3600)
    assert len(taken) == expected
    assert setup.ready[-1] is False
    assert isinstance(setup.session.status().competing, bool)
    assert setup.session.status().competing


async def test_once_means_once_for_each_time_the_session_is_opened(make_session: MakeSession) -> None:
    setup = make_session(compete="once")
    await setup.open()
    taken = competitor(setup)
    await setup.clock.sleep(3600)
    await setup.session.close()
    await setup.open()
    await setup.clock.sleep(3600)
    assert len(taken) == 2


async def test_once_also_counts_when_the_competitor_shows_only_after_init(make_session: MakeSession) -> None:
    setup = make_session(compete="once")
    setup.venue.answers[STATUS] = [IDLE, UP]
    setup.venue.answers[INIT] = [{**TAKEN, "established": False}, UP]
    await setup.open()
    assert [body["compete"] for body in setup.venue.bodies_of(INIT)] == [False, True]


async def test_two_programs_that_always_compete_do_not_fight_in_a_tight_loop(make_session: MakeSession) -> None:
    owner: list[Any] = []

    def program() -> Any:
        made = make_session(compete="always")

        def status(request: httpx.Request) -> Any:
            return UP if owner[-1] is made else TAKEN

        def init(request: httpx.Request) -> Any:
            if b'true,"compete":true' in request.content or b'"compete":true' in request.content:
                owner.append(made)
            return status(request)

        made.venue.usual |= {STATUS: status, INIT: init, TICKLE: lambda request: tickle(status(request))}
        return made

    one, two = program(), program()
    owner.append(one)
    await one.open()
    await two.open()
    await one.clock.sleep(6 * 3600)
    assert 10 < len(owner) < 6 * 3600 / 300
    assert len(one.states) + len(two.states) <= 3 * len(owner)


async def test_our_own_old_session_after_a_renewal_is_no_competitor(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    await setup.open()
    reopened = []
    setup.session.on_renewed.append(lambda: _append(reopened, auth.number))
    setup.venue.answers[STATUS] = [TAKEN, UP]
    auth.due.set()
    await setup.clock.sleep(1)
    assert [body["compete"] for body in setup.venue.bodies_of(INIT)] == [True]
    assert set(setup.venue.authorizations[-3:]) == {"Bearer 2"}
    assert setup.ready == [True]
    assert reopened == [2]


async def test_a_competitor_that_was_there_before_the_renewal_is_not_put_out(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    await setup.open()
    setup.venue.usual |= {STATUS: TAKEN, TICKLE: tickle(TAKEN)}
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    auth.due.set()
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert setup.venue.count(INIT) == 0
    assert setup.ready == [True, False]


# -- the sign-in ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [None, Tokens()])
async def test_only_where_a_person_signs_in_is_it_advised_to_sign_in_again(
    make_session: MakeSession, auth: Tokens | None
) -> None:
    setup = make_session(auth=auth)
    await setup.open()
    setup.venue.usual |= {STATUS: IDLE, TICKLE: tickle(IDLE), INIT: IDLE}
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert ("sign in again at" in setup.states[-1].reason) == (auth is None)


async def test_a_401_on_tickle_renews_the_token_at_once(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    await setup.open()
    setup.venue.usual[TICKLE] = lambda request: tickle(UP) if "2" in request.headers["authorization"] else UNAUTHORIZED
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 1)
    assert auth.renewals == 1
    assert setup.ready == [True, False, True]


async def test_a_401_on_tickle_of_a_gateway_needs_a_person(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual[TICKLE] = setup.venue.usual[STATUS] = UNAUTHORIZED
    await setup.clock.sleep(10 * KEEP_ALIVE_SECONDS)
    assert setup.ready == [True, False]
    gateway = tier(setup.session.state, SessionTier.GATEWAY)
    assert gateway.action == "sign in at https://localhost:5000 in a browser"
    assert setup.venue.count(INIT) == 0


async def test_a_token_that_can_not_be_renewed_is_told_and_not_tried_in_a_loop(make_session: MakeSession) -> None:
    auth = Tokens()
    auth.renewable = False
    setup = make_session(auth=auth)
    await setup.open()
    setup.venue.usual |= {TICKLE: UNAUTHORIZED, STATUS: UNAUTHORIZED}
    await setup.clock.sleep(2 * 3600)
    assert auth.renewals <= 7
    assert [[each.up for each in state.tiers].index(False) for state in setup.states[1:]] == [1, 0]
    assert tier(setup.session.state, SessionTier.TOKEN).action == "look at the portal"


async def test_a_401_on_a_call_leads_to_init_then_to_a_new_token(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    await setup.open()
    setup.venue.usual[ORDERS] = lambda request: (
        {"orders": [], "snapshot": True} if "2" in request.headers["authorization"] else UNAUTHORIZED
    )
    with pytest.raises(BrokerageSessionDown):
        await setup.client.get(ORDERS, LiveOrders)
    await setup.clock.sleep(SHORTEST_PAUSE + 1)
    assert (setup.venue.count(INIT), auth.renewals) == (1, 0)
    assert setup.session.state.ready
    with pytest.raises(BrokerageSessionDown):
        await setup.client.get(ORDERS, LiveOrders)
    await setup.clock.sleep(SHORTEST_PAUSE + 1)
    assert auth.renewals == 1
    assert (await setup.client.get(ORDERS, LiveOrders)).snapshot


async def test_a_call_whose_401_has_no_remedy_does_not_shake_the_session_for_ever(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual[ORDERS] = UNAUTHORIZED
    for _ in range(60):
        with pytest.raises(BrokerageSessionDown):
            await setup.client.get(ORDERS, LiveOrders)
        await setup.clock.sleep(10)
    assert setup.venue.count(INIT) == 1
    assert len(setup.states) <= 5
    assert setup.session.state.ready


async def test_accounts_that_answer_401_although_all_looks_well_need_a_person(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = UNAUTHORIZED
    with pytest.raises(NeedsLogin):
        await setup.open()


async def test_a_request_in_flight_over_a_renewal_is_sent_again_once(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    await setup.open()

    def answer(request: httpx.Request) -> Any:
        if request.headers["authorization"] == "Bearer 1":
            auth.number = 2
            setup.client.renewals += 1
            return UNAUTHORIZED
        return {"orders": [], "snapshot": True}

    setup.venue.usual[ORDERS] = answer
    assert (await setup.client.get(ORDERS, LiveOrders)).snapshot
    assert setup.ready == [True]


async def test_the_address_that_the_venue_sees_is_compared_once_for_each_token(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    setup.venue.usual["/sso/validate"] = {"IP": "203.0.113.9"}
    await setup.open()
    await setup.clock.sleep(10 * KEEP_ALIVE_SECONDS)
    assert auth.seen_ips == ["203.0.113.9"]
    auth.ip_is_wrong = True
    other = make_session(auth=auth)
    with pytest.raises(ConfigurationError, match="another address"):
        await other.open()


async def test_a_wrong_address_is_not_forgotten_by_the_next_attempt_and_asked_for_again(
    make_session: MakeSession,
) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    setup.venue.usual["/sso/validate"] = {"IP": "203.0.113.9"}
    auth.ip_is_wrong = True
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"found 203\.0\.113\.9"):
            await setup.open()
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    auth.ip_is_wrong = False
    setup.venue.usual["/sso/validate"] = {"IP": "203.0.113.7"}
    await setup.open()
    assert auth.seen_ips == ["203.0.113.9", "203.0.113.9", "203.0.113.7"]
    assert setup.ready[-1]


async def test_a_wrong_address_after_a_renewal_keeps_the_session_down(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    setup.venue.usual["/sso/validate"] = {"IP": "203.0.113.9"}
    await setup.open()
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    auth.ip_is_wrong = True
    auth.due.set()
    setup.venue.usual |= {STATUS: IDLE, TICKLE: tickle(IDLE)}
    setup.venue.usual[INIT] = lambda request: setup.venue.usual.update({STATUS: UP, TICKLE: tickle(UP)}) or UP
    await setup.clock.sleep(10 * KEEP_ALIVE_SECONDS)
    assert not setup.states[-1].ready
    assert "expected another address" in setup.states[-1].reason


async def test_a_consumer_key_that_is_not_active_yet_is_said_so_and_not_renewed(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth)
    setup.venue.usual[STATUS] = IDLE
    setup.venue.usual[INIT] = (401, {"error": "id: 39687, error: invalid consumer", "statusCode": 401})
    with pytest.raises(ConfigurationError, match="nightly resets, at the latest after two weeks"):
        await setup.open()
    assert auth.renewals == 0


async def test_a_sign_in_that_waits_for_the_phone_is_watched_closely_and_told_until_when(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual |= {TICKLE: UNAUTHORIZED, STATUS: UNAUTHORIZED}
    until = setup.clock.now() + 300 * NANOSECONDS
    waiting = TokenState(valid=True, since=0, action="approve the sign-in on your phone", act_until=until)
    monkeypatch.setattr(setup.client.auth, "token", lambda: waiting)
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 1)
    state = setup.session.state
    assert (state.ready, state.reason.endswith("approve the sign-in on your phone")) == (False, True)
    assert tier(state, SessionTier.GATEWAY).act_until == until
    before = setup.venue.count(TICKLE)
    await setup.clock.sleep(100)
    assert setup.venue.count(TICKLE) - before == 10
    setup.venue.usual |= {TICKLE: tickle(UP), STATUS: UP}
    await setup.clock.sleep(11)
    assert setup.ready == [True, False, True]


# -- no bridge, and the way back -----------------------------------------------------------------------------------


async def test_no_bridge_opens_the_session_again_although_the_status_looks_well(make_session: MakeSession) -> None:
    setup = make_session(suppress=("o10151",))
    setup.venue.usual[SUPPRESS] = {"status": "submitted"}
    await setup.open()
    back: list[str] = []
    setup.session.on_established.append(lambda: _append(back, "restored"))
    setup.venue.answers[ORDERS] = [NO_BRIDGE]
    with pytest.raises(BrokerageSessionDown):
        await setup.client.get(ORDERS, LiveOrders)
    told = len(setup.venue.paths)
    await setup.clock.sleep(SHORTEST_PAUSE + 1)
    assert setup.venue.paths[told:] == [
        TICKLE,
        STATUS,
        INIT,
        STATUS,
        "/iserver/accounts",
        "/portfolio/accounts",
        SUPPRESS,
    ]
    assert setup.venue.bodies_of(SUPPRESS) == 2 * [{"messageIds": ["o10151"]}]
    assert back == ["restored"]
    assert setup.ready == [True, False, True]


async def test_no_bridge_that_stays_is_tried_with_ever_longer_pauses(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual[ORDERS] = NO_BRIDGE
    for _ in range(360):
        with pytest.raises(BrokerageSessionDown):
            await setup.client.get(ORDERS, LiveOrders)
        await setup.clock.sleep(10)
    assert 3 < setup.venue.count(INIT) < 30
    assert len(setup.states) < 70


async def test_no_bridge_beside_a_healthy_tickle_means_nothing(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual[TICKLE] = tickle(UP)
    await setup.open()
    await setup.clock.sleep(20 * KEEP_ALIVE_SECONDS)
    assert setup.venue.count(INIT) == 0
    assert setup.ready == [True]


async def test_the_session_is_ready_only_when_everything_is_restored(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    ready: list[bool] = []

    async def slow() -> None:
        await setup.clock.sleep(2)
        ready.append(setup.session.state.ready)

    setup.session.on_established.append(slow)
    setup.venue.answers[TICKLE] = [tickle(IDLE)]
    setup.venue.answers[STATUS] = [IDLE]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 3)
    assert ready == [False]
    assert setup.ready == [True, False, True]


@pytest.mark.parametrize("defect", [VenueUnavailable("gone: ask again"), ZeroDivisionError("a defect"), TimeoutError()])
async def test_what_could_not_be_restored_is_told_and_does_not_keep_the_session_down(
    make_session: MakeSession, defect: Exception
) -> None:
    setup = make_session()
    await setup.open()

    async def broken() -> None:
        raise defect

    setup.session.on_established.append(broken)
    setup.venue.answers[TICKLE] = [tickle(IDLE)]
    setup.venue.answers[STATUS] = [IDLE]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 3)
    assert setup.ready == [True, False, True]
    [notice] = setup.notices
    assert notice.level is NoticeLevel.WARNING
    assert "not everything could be restored" in notice.text


async def test_a_session_that_is_lost_while_it_is_restored_is_not_told_to_be_ready(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()

    async def reads() -> None:
        await setup.client.get(ORDERS, LiveOrders)

    setup.session.on_established.append(reads)
    setup.venue.answers[TICKLE] = [tickle(IDLE)]
    setup.venue.answers[STATUS] = [IDLE]
    setup.venue.usual[ORDERS] = {"orders": [], "snapshot": True}
    setup.venue.answers[ORDERS] = [NO_BRIDGE]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 2)
    assert setup.ready == [True, False]
    await setup.clock.sleep(3 * KEEP_ALIVE_SECONDS)
    assert setup.ready == [True, False, True]


# -- 429, 410, 503 -------------------------------------------------------------------------------------------------


async def test_nothing_is_sent_in_a_penalty_and_the_session_is_opened_again_after_it(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers[ORDERS] = [(429, {"error": "too many"})]
    with pytest.raises(RateLimited):
        await setup.client.get(ORDERS, LiveOrders)
    sent = len(setup.venue.paths)
    await setup.clock.sleep(899)
    assert len(setup.venue.paths) == sent
    assert setup.ready == [True, False]
    assert "takes nothing until 22:28:20 UTC" in setup.session.state.reason
    setup.venue.answers[STATUS] = [IDLE]
    setup.venue.answers[TICKLE] = [tickle(IDLE)]
    await setup.clock.sleep(10)
    assert setup.venue.paths[sent:][:3] == [TICKLE, STATUS, INIT]
    assert setup.ready[-1] is True
    assert sum("429" in state.reason for state in setup.states) == 1


async def test_a_429_on_the_keep_alive_is_told_once_too(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers[TICKLE] = [(429, {"error": "too many"})]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 890)
    assert setup.ready == [True, False]
    assert setup.venue.count(TICKLE) == 1
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert setup.ready == [True, False, True]


async def test_a_host_that_answers_410_is_left_for_the_next_one(make_session: MakeSession) -> None:
    setup = make_session(auth=Tokens(), hosts=["1.api.example.com", "2.api.example.com"])
    gone = {"api.example.com", "1.api.example.com"}

    def status(request: httpx.Request) -> Any:
        return (410, {"error": "gone"}) if request.url.host in gone else UP

    setup.venue.usual[STATUS] = status
    await setup.open()
    assert setup.venue.hosts[:3] == ["api.example.com", "1.api.example.com", "2.api.example.com"]
    assert set(setup.venue.hosts[3:]) == {"2.api.example.com"}
    assert setup.session.status().base_url == "https://2.api.example.com"


async def test_when_every_host_answers_410_it_is_said_and_bounded(make_session: MakeSession) -> None:
    setup = make_session(auth=Tokens(), hosts=["1.api.example.com"])
    setup.venue.usual[STATUS] = (410, "")
    with pytest.raises(VenueUnavailable, match="and so did its 1 other hosts: nothing was changed"):
        await setup.open()
    assert setup.venue.count(STATUS) == 2


async def test_a_call_that_changes_something_is_not_repeated_at_another_host(make_session: MakeSession) -> None:
    setup = make_session(auth=Tokens(), hosts=["1.api.example.com"])
    await setup.open()
    setup.venue.usual[ORDERS] = (410, "")
    with pytest.raises(VenueUnavailable, match="nothing was changed: ask again"):
        await setup.client.post(ORDERS, LiveOrders, changes=True)
    assert setup.venue.count(ORDERS) == 1
    setup.venue.usual[ORDERS] = (503, "")
    with pytest.raises(OutcomeUnknown):
        await setup.client.post(ORDERS, LiveOrders, changes=True)


@pytest.mark.parametrize("answer", [(410, ""), (503, {"error": "Service Unavailable"})])
async def test_410_and_503_right_after_a_logout_pass(make_session: MakeSession, answer: Any) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual |= {TICKLE: answer, STATUS: answer, INIT: answer}
    await setup.clock.sleep(600)
    assert setup.ready == [True, False]
    setup.venue.usual |= {TICKLE: tickle(UP), STATUS: UP, INIT: UP}
    setup.venue.answers |= {TICKLE: [tickle(NOT_CONNECTED)], STATUS: [NOT_CONNECTED]}
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert setup.session.state.ready


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (httpx.ReadTimeout("no answer"), "POST /tickle was not answered (no answer)"),
        ((503, {"error": "busy: wait"}), "POST /tickle was answered 503 (busy: wait)"),
        ((200, "a: b"), "POST /tickle: expected the documented answer, found Expected `object`, got `str`"),
    ],
)
async def test_what_is_told_of_a_venue_that_can_not_answer_has_its_cause_and_its_remedy_apart(
    make_session: MakeSession, answer: Any, cause: str
) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.usual[TICKLE] = answer
    await setup.clock.sleep(3 * KEEP_ALIVE_SECONDS)
    told = tier(setup.states[-1], SessionTier.GATEWAY)
    assert told.cause.startswith(cause)
    assert "ask again" in told.action


@pytest.mark.parametrize("auth", [None, "tokens"])
@pytest.mark.parametrize("init", [UNAUTHORIZED, (500, {"error": "failed to generate sso dh token"})])
async def test_a_sign_in_that_is_gone_without_a_401_is_told_once(
    make_session: MakeSession, init: Any, auth: str | None
) -> None:
    tokens = Tokens() if auth else None
    setup = make_session(auth=tokens)
    await setup.open()
    setup.venue.usual |= {TICKLE: tickle(NOT_CONNECTED), STATUS: NOT_CONNECTED, INIT: init}
    await setup.clock.sleep(3 * KEEP_ALIVE_SECONDS)
    told = len(setup.states)
    await setup.clock.sleep(30 * KEEP_ALIVE_SECONDS)
    assert setup.states[told:] == []
    assert not tier(setup.states[-1], SessionTier.GATEWAY).up


async def test_two_kinds_of_failure_by_turns_are_one_trouble(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    turns = [UNAUTHORIZED, httpx.ReadError("cut"), (503, ""), UNAUTHORIZED, (200, "nonsense"), httpx.ReadError("cut")]
    setup.venue.usual[STATUS] = UNAUTHORIZED
    setup.venue.answers[TICKLE] = 20 * turns
    await setup.clock.sleep(100 * KEEP_ALIVE_SECONDS)
    assert setup.ready == [True, False]


# -- market data ---------------------------------------------------------------------------------------------------


async def test_market_data_is_a_tier_of_its_own_that_leaves_orders_alone(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.session.data_seen("no market data is subscribed", "subscribe to it")
    setup.session.data_seen("no market data is subscribed", "subscribe to it")
    assert setup.ready == [True, True]
    data = tier(setup.session.state, SessionTier.MARKET_DATA)
    assert (data.up, data.cause, data.action) == (False, "no market data is subscribed", "subscribe to it")
    setup.session.data_seen("")
    assert len(setup.states) == 3


async def test_what_stands_on_a_lost_tier_is_down_with_it(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual[STATUS] = TAKEN
    with pytest.raises(Competing):
        await setup.open()
    assert [each.up for each in setup.session.state.tiers] == [True, True, False, False]
    assert tier(setup.session.state, SessionTier.MARKET_DATA).cause == "the brokerage is not usable"


# -- resets --------------------------------------------------------------------------------------------------------


async def test_new_orders_are_refused_before_a_reset_and_until_the_session_is_back(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.until("2023-11-14 23:54")
    assert setup.ready == [True]
    await setup.until("2023-11-14 23:56")
    assert setup.ready == [True, False]
    state = setup.session.state
    assert "00:00 to 01:15, America/New_York" in state.reason
    assert "new orders are refused" in state.reason
    assert "cancels pass" in state.reason
    assert all(each.up for each in state.tiers)
    assert not state.holding
    setup.venue.usual |= {TICKLE: (503, ""), STATUS: (503, ""), INIT: (503, "")}
    await setup.until("2023-11-15 00:30")
    setup.venue.usual |= {TICKLE: tickle(UP), STATUS: UP, INIT: UP}
    await setup.until("2023-11-15 00:32")
    assert setup.session.state.ready
    await setup.until("2023-11-15 12:00")
    assert setup.session.state.ready
    assert setup.notices == []


async def test_a_reset_that_never_comes_ends_with_its_window(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.until("2023-11-15 01:44")
    assert setup.session.state.ready is False
    await setup.until("2023-11-15 01:46")
    assert setup.session.state.ready is True
    assert setup.venue.count(INIT) == 0


async def test_orders_are_held_only_where_the_user_asked_for_it(make_session: MakeSession) -> None:
    setup = make_session(hold_orders_over_reset=True)
    await setup.open()
    await setup.until("2023-11-14 23:56")
    assert (setup.session.state.ready, setup.session.state.holding) == (False, True)
    setup.venue.usual |= {TICKLE: (503, ""), STATUS: (503, ""), INIT: (503, "")}
    await setup.until("2023-11-15 00:10")
    assert (setup.session.state.ready, setup.session.state.holding) == (False, True)
    await setup.until("2023-11-15 02:30")
    assert (setup.session.state.ready, setup.session.state.holding) == (False, False)


async def test_inside_a_reset_it_is_quiet_whatever_the_venue_answers(
    make_session: MakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    setup = make_session(auth=Tokens())
    await setup.open()
    await setup.until("2023-11-15 00:05")
    told = len(setup.states)
    setup.venue.usual |= {INIT: (500, {"error": "failed to generate sso dh token"}), STATUS: NOT_CONNECTED}
    setup.venue.answers[TICKLE] = 30 * [httpx.ReadError("cut"), (503, ""), tickle(NOT_CONNECTED), UNAUTHORIZED]
    await setup.until("2023-11-15 01:30")
    assert len(setup.states) - told <= 2
    assert "IBKR resets its servers" in setup.session.state.reason
    assert setup.notices == []
    assert [record for record in caplog.records if record.levelname not in ("DEBUG", "INFO")] == []


async def test_a_reset_that_takes_too_long_is_loud(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.until("2023-11-15 00:20")
    setup.venue.usual |= {TICKLE: (503, ""), STATUS: (503, ""), INIT: (503, "")}
    await setup.until("2023-11-15 01:54")
    assert setup.notices == []
    await setup.until("2023-11-15 01:56")
    [notice] = setup.notices
    assert notice.level is NoticeLevel.ERROR
    assert "is over for 10 min, and the session is not back" in notice.text
    assert "503" in setup.session.state.reason


async def test_a_gateway_login_that_ends_at_midnight_needs_a_person_at_once(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.until("2023-11-15 00:01")
    setup.venue.usual |= {TICKLE: UNAUTHORIZED, STATUS: UNAUTHORIZED}
    await setup.until("2023-11-15 00:03")
    assert "sign in at https://localhost:5000" in setup.session.state.reason
    told = len(setup.states)
    setup.venue.answers[TICKLE] = [(503, ""), httpx.ReadError("cut"), (503, ""), (503, "")]
    await setup.until("2023-11-15 00:30")
    assert len(setup.states) == told
    setup.venue.usual |= {TICKLE: tickle(UP), STATUS: UP}
    await setup.until("2023-11-15 00:32")
    assert setup.session.state.ready


async def test_a_401_in_another_reset_is_no_alarm_before_it_is_over(make_session: MakeSession) -> None:
    setup = make_session(region="Asia")
    await setup.open()
    await setup.until("2023-11-16 05:00", "Asia/Hong_Kong")
    setup.venue.usual |= {TICKLE: UNAUTHORIZED, STATUS: UNAUTHORIZED}
    await setup.until("2023-11-16 06:00", "Asia/Hong_Kong")
    assert "IBKR resets its servers" in setup.session.state.reason
    await setup.until("2023-11-16 06:07", "Asia/Hong_Kong")
    assert "sign in at" in setup.session.state.reason


async def test_a_server_that_has_no_resets_refuses_no_order_for_one(make_session: MakeSession) -> None:
    setup = make_session()
    simulated = {**UP, "serverInfo": {"serverName": "Simulated", "serverVersion": "1"}}
    setup.venue.usual |= {STATUS: simulated, TICKLE: tickle(simulated)}
    await setup.open()
    await setup.until("2023-11-16 12:00")
    assert setup.ready == [True]


# -- looking at it -------------------------------------------------------------------------------------------------


async def test_the_status_tells_everything_and_no_secret(make_session: MakeSession) -> None:
    auth = Tokens()
    setup = make_session(auth=auth, compete="once", suppress=("o10151",))
    setup.venue.usual[SUPPRESS] = {"status": "submitted"}
    setup.venue.usual[TICKLE] = {"session": "very-secret", "iserver": {"authStatus": UP}}
    await setup.open()
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 20)
    status = setup.session.status()
    assert [each.tier for each in status.tiers] == list(SessionTier)
    assert status.age(status.tiers[0]) == pytest.approx(80)
    assert (status.signs_in, status.compete, status.suppressed) == ("Tokens", "once", ("o10151",))
    assert status.keep_alive_age == pytest.approx(20)
    assert [account.is_live for account in status.accounts] == [False, False]
    assert status.window is None
    assert status.next_reset.start > setup.clock.now()
    assert status.budget.waiting == 0
    assert "very-secret" not in repr(status)


async def test_no_task_is_left_when_the_session_is_closed(make_session: MakeSession) -> None:
    before = asyncio.all_tasks()
    setup = make_session(auth=Tokens())
    await setup.open()
    await setup.clock.sleep(DOUBT_SECONDS)
    assert len(asyncio.all_tasks() - before) == 2
    await setup.session.close()
    assert asyncio.all_tasks() == before


async def _append(told: list[Any], value: object) -> None:
    told.append(value)
