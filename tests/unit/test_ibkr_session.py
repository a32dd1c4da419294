"""The session: opened in order, kept alive through anything, and told tier by tier."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from exchanges.ibkr.session import KEEP_ALIVE_SECONDS, SHORTEST_PAUSE, is_live
from exchanges.ibkr.session_table import MOST_INITS
from exchanges.ibkr.wire.orders import LiveOrders
from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    NeedsLogin,
    SessionError,
    VenueUnavailable,
)
from horizon.model import AccountId, SessionState, SessionTier

MakeSession = Callable[..., Any]

UP = {"authenticated": True, "established": True, "competing": False, "connected": True, "message": ""}
IDLE = {"authenticated": False, "competing": False, "connected": True}
LOGGED_OUT = {"authenticated": False, "competing": False, "connected": False}
UNAUTHORIZED = (401, {"error": "not authenticated", "statusCode": 401})


async def test_an_established_session_is_opened_in_the_venues_order_without_init(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    assert setup.venue.paths == ["/iserver/auth/status", "/iserver/accounts", "/portfolio/accounts"]
    assert [account.account_id for account in setup.session.accounts] == ["DU1", "DU2"]
    assert setup.session.selected_account == "DU1"
    assert setup.session.is_live(AccountId("DU2")) is False
    assert setup.ready == [True]
    assert [(tier.tier, tier.up) for tier in setup.states[0].tiers] == [
        (SessionTier.TOKEN, True),
        (SessionTier.GATEWAY, True),
        (SessionTier.BROKERAGE, True),
        (SessionTier.MARKET_DATA, True),
    ]


async def test_a_build_that_does_not_say_established_is_taken_at_its_word(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = {key: UP[key] for key in UP if key != "established"}
    await setup.open()
    assert setup.venue.count("/iserver/auth/ssodh/init") == 0


async def test_an_idle_session_is_opened_with_a_json_body_that_does_not_compete(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.answers["/iserver/auth/status"] = [IDLE]
    await setup.open()
    at = setup.venue.paths.index("/iserver/auth/ssodh/init")
    assert json.loads(setup.venue.bodies[at]) == {"publish": True, "compete": False}
    assert setup.venue.paths[at + 1] == "/iserver/auth/status"


async def test_init_that_says_established_too_early_is_not_believed(make_session: MakeSession) -> None:
    setup = make_session()
    pending = {**UP, "established": False}
    setup.venue.answers["/iserver/auth/status"] = [pending, pending, pending, UP]
    await setup.open()
    assert setup.venue.count("/iserver/auth/status") == 4
    assert setup.venue.count("/iserver/auth/ssodh/init") == 1


async def test_a_session_that_never_gets_established_ends_after_a_bounded_number_of_questions(
    make_session: MakeSession,
) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = {**UP, "established": False}
    with pytest.raises(BrokerageSessionDown, match="not established"):
        await setup.open()
    assert setup.venue.count("/iserver/auth/status") < 12
    assert setup.ready == [False]
    assert "/iserver/accounts" not in setup.venue.paths


async def test_a_competing_session_is_not_taken_away(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = {**UP, "competing": True}
    with pytest.raises(Competing, match='compete="once" or "always"'):
        await setup.open()
    assert setup.venue.count("/iserver/auth/ssodh/init") == 0


async def test_a_competing_session_is_taken_away_when_asked_for(make_session: MakeSession) -> None:
    setup = make_session(compete="once")
    setup.venue.answers["/iserver/auth/status"] = [{**UP, "competing": True}]
    await setup.open()
    at = setup.venue.paths.index("/iserver/auth/ssodh/init")
    assert json.loads(setup.venue.bodies[at])["compete"] is True


async def test_init_that_reports_a_competitor_ends_there(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.answers["/iserver/auth/status"] = [IDLE]
    setup.venue.usual["/iserver/auth/ssodh/init"] = {**UP, "competing": True, "established": False}
    with pytest.raises(Competing):
        await setup.open()


@pytest.mark.parametrize("init", [UNAUTHORIZED, (500, {"error": "failed to generate sso dh token"})])
async def test_a_logged_out_gateway_needs_a_person(make_session: MakeSession, init: Any) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = LOGGED_OUT
    setup.venue.usual["/iserver/auth/ssodh/init"] = init
    with pytest.raises(NeedsLogin, match="https://localhost:5000"):
        await setup.open()
    [state] = setup.states
    assert [tier.up for tier in state.tiers] == [True, False, False, False]
    assert "sign in at" in state.tiers[1].action


TOO_EARLY = (500, {"error": "failed to generate sso dh token"})


async def test_opening_waits_for_an_init_that_was_too_early(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.answers["/iserver/auth/status"] = [IDLE]
    setup.venue.answers["/iserver/auth/ssodh/init"] = [TOO_EARLY, TOO_EARLY]
    await setup.open()
    assert setup.venue.count("/iserver/auth/ssodh/init") == 3
    assert setup.clock.monotonic() > SHORTEST_PAUSE
    assert setup.ready == [True]


async def test_a_take_over_that_was_too_early_is_a_take_over_again(make_session: MakeSession) -> None:
    setup = make_session(compete="once")
    setup.venue.answers["/iserver/auth/status"] = [{**UP, "competing": True}]
    setup.venue.answers["/iserver/auth/ssodh/init"] = [TOO_EARLY]
    await setup.open()
    assert [body["compete"] for body in setup.venue.bodies_of("/iserver/auth/ssodh/init")] == [True, True]


async def test_a_user_without_the_right_is_told_so_after_a_few_attempts(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = IDLE
    setup.venue.usual["/iserver/auth/ssodh/init"] = TOO_EARLY
    with pytest.raises(BrokerageSessionDown, match="check that the user has the right to trade by the API"):
        await setup.open()
    assert setup.venue.count("/iserver/auth/ssodh/init") == MOST_INITS


async def test_a_401_before_anything_else_needs_a_person(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = UNAUTHORIZED
    with pytest.raises(NeedsLogin):
        await setup.open()
    assert setup.venue.paths == ["/iserver/auth/status"]


async def test_groups_and_all_are_not_accounts(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {
        "accounts": ["All", "DU1", "Growth", "Shares", "DU2"],
        "groups": ["Growth"],
        "profiles": ["Shares"],
    }
    await setup.open()
    assert [account.account_id for account in setup.session.accounts] == ["DU1", "DU2"]
    for name in ("All", "Growth", "U9"):
        with pytest.raises(ConfigurationError, match="DU1, DU2"):
            setup.session.is_live(AccountId(name))


async def test_a_login_without_accounts_yet_is_not_ready(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {}
    with pytest.raises(BrokerageSessionDown, match="lists no account"):
        await setup.open()


async def test_the_type_of_the_sign_in_is_asked_only_where_the_accounts_leave_it_open(
    make_session: MakeSession,
) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {"accounts": ["DU1"]}
    await setup.open()
    assert setup.venue.paths[-1] == "/sso/validate"


async def test_a_sign_in_that_can_not_tell_its_type_is_no_obstacle(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {"accounts": ["DU1"]}
    setup.venue.usual["/sso/validate"] = (404, {"error": "not found"})
    await setup.open()
    assert setup.session.is_live(AccountId("DU1")) is False


async def test_the_login_type_is_read_in_both_its_spellings(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {"accounts": ["F1"]}
    setup.venue.usual["/sso/validate"] = {"loginType": 1}
    await setup.open()
    assert setup.session.is_live(AccountId("F1")) is True


async def test_contradicting_signs_of_live_and_paper_stop_the_session(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/accounts"] = {"accounts": ["DU1"]}
    setup.venue.usual["/sso/validate"] = {"LOGIN_TYPE": 1}
    with pytest.raises(ConfigurationError, match="login type 1 says live"):
        await setup.open()
    assert setup.ready == [False]


@pytest.mark.parametrize(
    ("account", "is_paper", "login_type", "live"),
    [
        ("DU1234567", True, 2, False),
        ("DUO1234567", None, None, False),
        ("U1234567", False, 1, True),
        ("U1234567", None, None, True),
        ("F1234567", False, None, True),
        ("F1234567", None, 2, False),
        ("F1234567", None, 7, None),
        ("F1234567", None, None, None),
    ],
)
def test_live_or_paper_is_read_from_every_sign(
    account: str, is_paper: bool | None, login_type: int | None, live: bool | None
) -> None:
    assert is_live(account, is_paper=is_paper, login_type=login_type) is live


@pytest.mark.parametrize(
    ("account", "is_paper", "login_type"),
    [("DU1", False, None), ("U1", True, None), ("U1", None, 2), ("DU1", None, 1), ("F1", True, 1)],
)
def test_signs_that_disagree_are_an_error(account: str, is_paper: bool | None, login_type: int | None) -> None:
    with pytest.raises(ConfigurationError, match="check which user is signed in"):
        is_live(account, is_paper=is_paper, login_type=login_type)


async def test_the_keep_alive_goes_on_every_minute_and_its_age_shows(make_session: MakeSession) -> None:
    setup = make_session()
    assert setup.session.keep_alive_age is None
    await setup.open()
    await setup.clock.sleep(10 * KEEP_ALIVE_SECONDS + 30)
    assert setup.venue.count("/tickle") == 10
    assert setup.session.keep_alive_age == pytest.approx(30)
    assert setup.ready == [True]
    assert setup.session.session_token == "secret-session"
    assert "secret-session" not in repr(setup.session)


async def test_one_lost_keep_alive_is_repeated_and_is_no_news(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers["/tickle"] = [httpx.ReadError("cut")]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + SHORTEST_PAUSE + 1)
    assert setup.venue.count("/tickle") == 2
    assert setup.ready == [True]


@pytest.mark.parametrize(
    "blip",
    [httpx.ReadError("cut"), (500, {"error": "failed to process request"}), (200, "nonsense"), UNAUTHORIZED],
)
async def test_a_keep_alive_that_fails_for_an_hour_is_news_and_comes_back(make_session: MakeSession, blip: Any) -> None:
    setup = make_session()
    await setup.open()
    healthy = setup.venue.usual["/tickle"]
    setup.venue.usual["/tickle"] = blip
    await setup.clock.sleep(3600)
    assert setup.ready == [True, False]
    assert setup.session.state.reason
    setup.venue.usual["/tickle"] = healthy
    await setup.clock.sleep(2 * KEEP_ALIVE_SECONDS)
    assert setup.ready == [True, False, True]


async def test_a_defect_in_the_keep_alive_does_not_end_it(
    make_session: MakeSession, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    setup = make_session()
    await setup.open()
    calls = 0
    original = setup.client.post

    async def broken(path: str, *arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ZeroDivisionError("a defect")
        return await original(path, *arguments, **options)

    monkeypatch.setattr(setup.client, "post", broken)
    await setup.clock.sleep(3 * KEEP_ALIVE_SECONDS + 1)
    assert setup.ready == [True, False, True]
    assert "ZeroDivisionError" in caplog.text


async def test_a_listener_that_fails_does_not_end_the_keep_alive(
    make_session: MakeSession, caplog: pytest.LogCaptureFixture
) -> None:
    setup = make_session()
    told: list[SessionState] = []

    def failing(state: SessionState) -> None:
        told.append(state)
        if not state.ready:
            raise ZeroDivisionError("a defect in who is told")

    await setup.session.open(failing)
    setup.venue.answers["/tickle"] = [UNAUTHORIZED, UNAUTHORIZED]
    await setup.clock.sleep(5 * KEEP_ALIVE_SECONDS)
    assert told[-1].ready
    assert "a defect in who is told" in caplog.text
    await setup.session.open(setup.states.append)


async def test_a_brokerage_session_that_idled_out_is_opened_again(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers["/tickle"] = [{"session": "s", "iserver": {"authStatus": IDLE}}]
    setup.venue.answers["/iserver/auth/status"] = [IDLE]
    await setup.clock.sleep(KEEP_ALIVE_SECONDS + 1)
    assert setup.venue.count("/iserver/auth/ssodh/init") == 1
    assert setup.ready == [True, False, True]
    down = {tier.tier: tier for tier in setup.states[1].tiers}
    assert down[SessionTier.GATEWAY].up
    assert not down[SessionTier.BROKERAGE].up
    assert down[SessionTier.BROKERAGE].action


async def test_a_competitor_that_comes_later_is_told_and_not_fought(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    taken = {**UP, "competing": True}
    setup.venue.usual["/tickle"] = {"session": "s", "iserver": {"authStatus": taken}}
    setup.venue.usual["/iserver/auth/status"] = taken
    await setup.clock.sleep(20 * KEEP_ALIVE_SECONDS)
    assert setup.venue.count("/iserver/auth/ssodh/init") == 0
    assert setup.ready == [True, False]
    assert "another program" in setup.session.state.reason


async def test_a_call_that_finds_no_bridge_sets_the_repair_off(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers["/iserver/account/orders"] = [(400, {"error": "Bad Request: no bridge", "statusCode": 400})]
    setup.venue.answers["/tickle"] = [{"session": "s", "iserver": {"authStatus": IDLE}}]
    setup.venue.answers["/iserver/auth/status"] = [IDLE]
    with pytest.raises(BrokerageSessionDown):
        await setup.client.get("/iserver/account/orders", LiveOrders)
    assert setup.ready == [True, False]
    await setup.clock.sleep(SHORTEST_PAUSE + 1)
    assert setup.session.state.ready
    assert setup.venue.count("/iserver/auth/ssodh/init") == 1


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (UP, BrokerageSessionDown),
        (IDLE, BrokerageSessionDown),
        (UNAUTHORIZED, NeedsLogin),
        ({**UP, "competing": True}, Competing),
    ],
)
async def test_a_401_is_explained_by_the_status(
    make_session: MakeSession, status: Any, error: type[SessionError]
) -> None:
    setup = make_session()
    await setup.open()
    setup.venue.answers["/iserver/account/orders"] = [UNAUTHORIZED]
    setup.venue.usual["/iserver/auth/status"] = status
    with pytest.raises(error):
        await setup.client.get("/iserver/account/orders", LiveOrders)
    assert setup.ready == [True, False]


async def test_an_unprimed_read_asks_for_the_accounts_and_again(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    before = setup.venue.count("/iserver/accounts")
    unprimed = (500, {"error": "Bad Request: Please query /accounts first", "statusCode": 400})
    setup.venue.answers["/iserver/account/orders"] = [unprimed, {"orders": [], "snapshot": True}]
    assert (await setup.client.get("/iserver/account/orders", LiveOrders)).snapshot is True
    assert setup.venue.count("/iserver/accounts") == before + 1


async def test_an_unreachable_gateway_is_said_so(make_session: MakeSession) -> None:
    setup = make_session()
    setup.venue.usual["/iserver/auth/status"] = httpx.ConnectError("refused")
    with pytest.raises(VenueUnavailable, match="no gateway answers"):
        await setup.open()


async def test_closing_ends_the_keep_alive_and_leaves_the_login(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.session.close()
    await setup.clock.sleep(10 * KEEP_ALIVE_SECONDS)
    assert setup.venue.count("/tickle") == 0
    assert setup.venue.count("/logout") == 0
    assert setup.ready == [True, False]
    assert setup.session.state.reason == "closed"


async def test_closing_logs_out_when_asked(make_session: MakeSession) -> None:
    setup = make_session()
    await setup.open()
    await setup.session.close(logout=True)
    assert setup.venue.paths[-1] == "/logout"
