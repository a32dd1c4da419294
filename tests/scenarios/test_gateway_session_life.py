"""What days do to the session of a simulated gateway: nights, idleness, other programs, tokens that end."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.resets import MAINTENANCE, NIGHTLY, WINDOWS, ZONES, Manner, Region, Resets, Window
from exchanges.ibkr.simulator.session import Session
from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.errors import ConfigurationError

NEW_YORK = ZoneInfo("US/Eastern")
INIT = "/iserver/auth/ssodh/init"
COMPETE = {"publish": True, "compete": True}
POLITE = {"publish": True, "compete": False}
PROGRAM = "ends_at_night"


def local(moment: int, zone: str = "US/Eastern") -> datetime:
    return to_datetime(moment).astimezone(ZoneInfo(zone))


async def go_to(client: Any, day: int, hour: int, minute: int = 0) -> None:
    """Let time pass until an hour of November 2023 in New York; the tests begin on Tuesday the 14th at 17:13."""
    wanted = to_nanoseconds(datetime(2023, 11, day, hour, minute, tzinfo=NEW_YORK))
    await client.clock.advance((wanted - client.clock.now()) / NANOSECONDS)


async def seconds_until_up(client: Any) -> float:
    """Ask every minute until the upstream is back."""
    began = client.clock.monotonic()
    while client.gateway.state.session.life.is_down:
        await client.clock.advance(60)
    return float(client.clock.monotonic() - began)


def changes(client: Any) -> list[tuple[str, bool, str]]:
    return [(change.tier, change.up, change.cause) for change in client.gateway.transitions]


@pytest.fixture
def program_signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with OAuth: the sign-in is not that of a person at the page, and outlives the night."""
    monkeypatch.setattr(Session, PROGRAM, False)


# --- nights


async def test_without_resets_a_session_that_is_kept_alive_lasts_for_days(start_gateway: Any) -> None:
    client = await start_gateway(established=True)
    for _ in range(30 * 12):
        await client.clock.advance(300)
        assert (await client.post("/tickle"))["iserver"]["authStatus"]["authenticated"] is True
    assert client.gateway.transitions == []


async def test_midnight_ends_the_sign_in_of_a_person_and_the_hour_after_it_is_bad(start_gateway: Any) -> None:
    client = await start_gateway(resets=True)
    await go_to(client, 14, 23, 58)
    assert (await client.post(INIT, COMPETE))["established"] is True
    await go_to(client, 15, 0, 0)
    await client.clock.advance(1)
    assert changes(client)[-3:] == [
        ("upstream", False, "nightly reset"),
        ("brokerage", False, "nightly reset"),
        ("gateway", False, "nightly reset"),
    ]
    assert {local(c.time).strftime("%H:%M:%S") for c in client.gateway.transitions[-3:]} == {"00:00:00"}
    statuses = set()
    while client.gateway.state.session.life.is_down:
        statuses.add((await client.ask("POST", "/tickle")).status_code)
        await client.clock.advance(60)
    assert statuses <= {401, 500, 503}
    assert len(statuses) > 1
    assert local(client.clock.now()).hour == 0
    assert (await client.ask("POST", "/tickle")).status_code == 401
    assert client.gateway.log_in() is True
    assert (await client.post("/tickle"))["iserver"]["authStatus"]["authenticated"] is True


@pytest.mark.usefixtures("program_signed_in")
async def test_a_programs_sign_in_outlives_the_night_and_its_brokerage_session_must_be_opened_again(
    start_gateway: Any,
) -> None:
    client = await start_gateway(resets=True)
    before = (await client.post("/tickle"))["session"]
    await go_to(client, 14, 23, 58)
    await client.post(INIT, COMPETE)
    await go_to(client, 15, 0, 1)
    assert changes(client)[-1] == ("brokerage", False, "nightly reset")
    await seconds_until_up(client)
    status = await client.post("/iserver/auth/status")
    assert (status["connected"], status["authenticated"]) == (True, False)
    assert (await client.ask("GET", "/iserver/accounts")).json()["error"] == "Bad Request: no bridge"
    assert (await client.post(INIT, COMPETE))["established"] is True
    assert (await client.post("/tickle"))["session"] != before


@pytest.mark.usefixtures("program_signed_in")
async def test_a_night_shows_in_four_ways_and_none_lets_a_session_be_opened(start_gateway: Any) -> None:
    client = await start_gateway(resets=True)
    seen: dict[Manner, list[tuple[int, Any]]] = {manner: [] for manner in Manner}
    for day in range(15, 19):
        await go_to(client, day, 0, 1)
        while (manner := client.gateway.state.session.life.manner()) is not None:
            tickled = await client.ask("POST", "/tickle")
            init = await client.ask("POST", INIT, json=COMPETE)
            assert init.status_code in (401, 500, 503)
            body = tickled.json() if tickled.status_code == 200 else None
            seen[manner].append((tickled.status_code, body and body["iserver"]["authStatus"]["connected"]))
            await client.clock.advance(120)
    expected = {manner: (manner.value, False if manner is Manner.DISCONNECTED else None) for manner in Manner}
    assert {manner: set(found) for manner, found in seen.items()} == {m: {what} for m, what in expected.items()}


async def test_the_same_seed_gives_the_same_nights(start_gateway: Any) -> None:
    courses = []
    for seed in (3, 3, 4):
        client = await start_gateway(resets=True, seed=seed)
        await go_to(client, 16, 2)
        courses.append([(c.time, c.tier, c.up) for c in client.gateway.transitions])
    assert courses[0] == courses[1] != courses[2]


@pytest.mark.parametrize("region", ["US", "Europe", "Asia"])
def test_a_region_has_its_own_midnight_every_day_and_a_long_saturday(region: Region) -> None:
    resets = Resets(WINDOWS, region=region, seed=5)
    moment = to_nanoseconds(datetime(2026, 3, 1, 12, tzinfo=UTC))
    found: list[tuple[str, str, int, float]] = []
    for _ in range(16):
        outage = resets.next_after(moment)
        assert outage is not None
        begins = local(outage.begins, ZONES[region])
        minutes = (outage.ends - outage.begins) / NANOSECONDS / 60
        found.append((outage.window.name, begins.strftime("%H:%M"), begins.weekday(), minutes))
        assert resets.at(outage.begins) == outage
        assert resets.at(outage.ends) != outage
        moment = outage.begins
    nights = [row for row in found if row[0] == NIGHTLY.name]
    saturdays = [row for row in found if row[0] == MAINTENANCE.name]
    assert {row[1] for row in nights} == {"00:00"}
    assert {row[2] for row in nights} == set(range(7))
    assert all(20 <= row[3] < 60 for row in nights)
    assert [(row[1], row[2]) for row in saturdays] == [("20:00", 5)] * len(saturdays)
    assert all(180 <= row[3] < 240 for row in saturdays)


def test_the_change_of_the_clocks_moves_no_night() -> None:
    resets = Resets((NIGHTLY,), region="US", seed=1)
    moment = to_nanoseconds(datetime(2026, 3, 6, 12, tzinfo=NEW_YORK))
    for day in (7, 8, 9, 10):
        outage = resets.next_after(moment)
        assert outage is not None
        assert local(outage.begins) == datetime(2026, 3, day, tzinfo=NEW_YORK)
        moment = outage.begins


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(ConfigurationError, match="US, Europe, Asia, found 'Mars'"):
        Simulator(region="Mars", resets=True)  # type: ignore[arg-type]


async def test_windows_of_ones_own_take_the_place_of_the_table(start_gateway: Any) -> None:
    begins = (to_datetime(1_700_000_000 * NANOSECONDS) + timedelta(minutes=10)).astimezone(NEW_YORK).time()
    window = Window(name="coffee", begins=begins, minutes=5)
    client = await start_gateway(resets=[window])
    await client.clock.advance(300)
    await client.post("/tickle")
    await client.clock.advance(301)
    assert changes(client) == [("upstream", False, "coffee"), ("brokerage", False, "coffee")]
    assert await seconds_until_up(client) < 300


async def test_an_overrun_outlasts_the_window(start_gateway: Any) -> None:
    client = await start_gateway(resets=True)
    client.gateway.overrun(1800)
    await go_to(client, 15, 1, 29)
    assert client.gateway.state.session.life.is_down
    assert client.gateway.log_in() is False
    await go_to(client, 15, 1, 31)
    assert client.gateway.log_in() is True
    await go_to(client, 16, 1)
    assert not client.gateway.state.session.life.is_down


@pytest.mark.usefixtures("program_signed_in")
async def test_a_maintenance_that_runs_into_midnight_is_one_downtime(start_gateway: Any) -> None:
    client = await start_gateway(resets=True)
    await go_to(client, 18, 19, 59)
    client.gateway.overrun(3600)
    await go_to(client, 19, 2)
    upstream = [c for c in client.gateway.transitions if c.tier == "upstream" and local(c.time).day >= 18][-2:]
    assert (upstream[0].up, local(upstream[0].time).strftime("%d %H")) == (False, "18 20")
    assert upstream[1].up
    assert local(upstream[1].time) >= datetime(2023, 11, 19, 1, tzinfo=NEW_YORK)


async def test_a_gateway_that_is_started_in_the_night_is_down(start_gateway: Any) -> None:
    begins = to_datetime(1_700_000_000 * NANOSECONDS).astimezone(NEW_YORK).time()
    client = await start_gateway(resets=[Window(name="now", begins=begins, minutes=10, ends_sign_in=True)])
    assert client.gateway.state.session.life.is_down
    assert client.gateway.log_in() is False
    await client.clock.advance(600)
    assert client.gateway.log_in() is True


async def test_a_sign_in_lasts_for_24_hours_at_most(start_gateway: Any) -> None:
    begins = (to_datetime(1_700_000_000 * NANOSECONDS) + timedelta(hours=36)).astimezone(NEW_YORK)
    late = Window(name="late", begins=begins.time(), minutes=5, days=frozenset({begins.weekday()}))
    client = await start_gateway(resets=[late])
    await client.clock.advance(86_399)
    await client.post("/tickle")
    await client.clock.advance(2)
    assert (await client.ask("POST", "/tickle")).status_code == 401
    assert changes(client)[-1] == ("gateway", False, "24 hours are over")


# --- the brokerage session


async def test_idleness_is_noted_at_the_moment_it_takes_effect(plain_client: Any) -> None:
    asked = plain_client.clock.now()
    await plain_client.clock.advance(3600)
    (change,) = plain_client.gateway.transitions
    assert (change.tier, change.up, change.cause) == ("brokerage", False, "idle")
    assert (change.time - asked) // NANOSECONDS == 360


async def test_validate_answers_while_the_brokerage_session_is_gone(plain_client: Any) -> None:
    plain_client.gateway.drop_session()
    assert (await plain_client.get("/sso/validate"))["RESULT"] is True
    tickled = await plain_client.post("/tickle")
    assert (tickled["iserver"]["authStatus"]["connected"], tickled["iserver"]["authStatus"]["authenticated"]) == (
        True,
        False,
    )


async def test_every_init_forgets_what_the_session_had_seen(plain_client: Any) -> None:
    await plain_client.watch(756733)
    await plain_client.post("/iserver/questions/suppress", {"messageIds": ["o163"]})
    assert (await plain_client.post(INIT, COMPETE))["established"] is True
    assert (await plain_client.ask("GET", "/iserver/account/orders")).status_code == 400
    brokerage = plain_client.gateway.state.session.brokerage
    assert (brokerage.suppressed, brokerage.streams, brokerage.read) == (set(), {}, set())
    assert plain_client.gateway.transitions == []


async def test_after_a_logout_init_is_refused_with_410_and_503_until_somebody_signs_in(plain_client: Any) -> None:
    await plain_client.post("/logout")
    answers = [(await plain_client.ask("POST", INIT, json=COMPETE)).status_code for _ in range(3)]
    assert answers == [410, 503, 410]
    assert plain_client.gateway.log_in()
    assert (await plain_client.post(INIT, COMPETE))["established"] is True


async def test_what_ends_by_itself_is_a_401_and_not_a_410(plain_client: Any) -> None:
    plain_client.gateway.expire_tokens()
    assert (await plain_client.ask("POST", INIT, json=COMPETE)).status_code == 401
    assert changes(plain_client)[-1] == ("gateway", False, "expired")


# --- other programs


async def test_a_program_that_leaves_gives_the_session_free_but_not_back(plain_client: Any) -> None:
    plain_client.gateway.compete()
    assert (await plain_client.post(INIT, POLITE))["competing"] is True
    plain_client.gateway.leave()
    status = await plain_client.post("/iserver/auth/status")
    assert (status["competing"], status["authenticated"]) == (False, False)
    assert (await plain_client.post(INIT, POLITE))["established"] is True
    assert changes(plain_client) == [
        ("brokerage", False, "another session of the user"),
        ("brokerage", True, "initialised"),
    ]


async def test_a_fight_is_taken_up_as_often_as_it_was_said(plain_client: Any) -> None:
    plain_client.gateway.compete(retakes=2, retakes_after=10)
    for _ in range(2):
        assert (await plain_client.post(INIT, COMPETE))["established"] is True
        await plain_client.clock.advance(9)
        assert (await plain_client.post("/tickle"))["collission"] is False
        await plain_client.clock.advance(2)
        assert (await plain_client.post("/tickle"))["collission"] is True
    assert (await plain_client.post(INIT, COMPETE))["established"] is True
    await plain_client.clock.advance(60)
    assert (await plain_client.post("/tickle"))["collission"] is False


async def test_a_session_can_look_well_compete_and_list_no_accounts(plain_client: Any) -> None:
    plain_client.gateway.compete(looks_well=True)
    status = await plain_client.post("/iserver/auth/status")
    assert (status["authenticated"], status["competing"]) == (True, True)
    assert await plain_client.get("/iserver/accounts") == {}
    orders = await plain_client.ask("POST", "/iserver/account/DU1234567/orders", json={"orders": []})
    assert orders.status_code == 400
    assert (await plain_client.post(INIT, COMPETE))["competing"] is False
    assert len((await plain_client.get("/iserver/accounts"))["accounts"]) == 2


# --- sockets


async def heard(client: Any, raw: aiohttp.ClientWebSocketResponse, seconds: float) -> set[str]:
    """The topics that a socket hears of in so many seconds of clock time; the answer to `tic` comes last."""
    topics: set[str] = set()
    await client.clock.advance(seconds)
    await raw.send_str("tic")
    while (topic := json.loads((await raw.receive()).data)["topic"]) != "tic":
        topics.add(topic)
    return topics


@pytest.mark.usefixtures("program_signed_in")
@pytest.mark.parametrize(("seed", "told"), [(1, True), (7, False)])
async def test_a_socket_stays_open_over_the_night_and_then_hears_heartbeats_only(
    start_gateway: Any, seed: int, told: bool
) -> None:
    client = await start_gateway(resets=True, seed=seed)
    await go_to(client, 14, 23, 57)
    await client.post(INIT, COMPETE)
    await client.get("/iserver/accounts")
    session = (await client.post("/tickle"))["session"]
    async with aiohttp.ClientSession() as http:
        headers = {"Cookie": f"api={session}"}
        async with http.ws_connect(client.gateway.ws_url, headers=headers) as raw:
            await raw.send_str("spl+{}")
            assert "spl" in await heard(client, raw, 170)
            night = await heard(client, raw, 300)
            assert ("sts" in night) is told
            await seconds_until_up(client)
            await client.post(INIT, COMPETE)
            await client.get("/iserver/accounts")
            await raw.send_str("spl+{}")
            after = await heard(client, raw, 30)
        assert after == {"system"}
        session = (await client.post("/tickle"))["session"]
        async with http.ws_connect(client.gateway.ws_url, headers={"Cookie": f"api={session}"}) as raw:
            await raw.send_str("spl+{}")
            assert "spl" in await heard(client, raw, 5)


async def test_an_init_ends_what_a_socket_had_subscribed_to_and_it_may_subscribe_again(plain_client: Any) -> None:
    session = (await plain_client.post("/tickle"))["session"]
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(plain_client.gateway.ws_url, headers={"Cookie": f"api={session}"}) as raw,
    ):
        await raw.send_str('smd+756733+{"fields":["31"]}')
        assert "smd+756733" in await heard(plain_client, raw, 5)
        await plain_client.post(INIT, COMPETE)
        await plain_client.get("/iserver/accounts")
        assert "smd+756733" not in await heard(plain_client, raw, 15)
        await raw.send_str('smd+756733+{"fields":["31"]}')
        assert "smd+756733" in await heard(plain_client, raw, 5)
