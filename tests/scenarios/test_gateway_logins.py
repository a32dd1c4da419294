"""A person signs in at the simulated gateway: the page, the phone, and what goes wrong with them."""

import re
from typing import Any

import pytest

from exchanges.ibkr.simulator import Person
from exchanges.ibkr.simulator.logins import MOST_FAILURES, PASSWORD, SECOND_FACTOR_SECONDS, LoginPhase
from exchanges.ibkr.simulator.session import USER_NAME
from horizon.clock import NANOSECONDS

RIGHT = {"username": USER_NAME, "password": PASSWORD}
WRONG = {"username": USER_NAME, "password": "guessed"}


def root(client: Any) -> str:
    return str(client.http.base_url).rstrip("/").removesuffix("/v1/api")


async def send_page(client: Any, form: dict[str, str]) -> str:
    """Sends the login form to where the page says."""
    page = (await client.http.get(root(client) + "/sso/Login?forwardTo=22&RL=1&ip2loc=US")).text
    action = re.search(r'action="([^"]+)"', page)
    assert action, page
    assert action.group(1) == "/sso/Dispatcher"
    text: str = (await client.http.post(root(client) + action.group(1), data=form)).text
    return text


async def test_the_root_leads_to_the_login_page(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    answer = await client.http.get(root(client) + "/")
    assert (answer.status_code, answer.headers["location"]) == (302, "/sso/Login?forwardTo=22&RL=1&ip2loc=US")
    assert client.gateway.login_url == root(client) + answer.headers["location"]


async def test_a_login_on_the_page_waits_for_the_phone_and_the_brokerage_session_follows(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    assert 'class="btn btn-lg btn-primary"' in (await client.http.get(client.gateway.login_url)).text
    assert "sent to your phone" in await send_page(client, RIGHT)
    assert client.gateway.second_factor_until == client.clock.now() + SECOND_FACTOR_SECONDS * NANOSECONDS
    assert (await client.ask("POST", "/tickle")).status_code == 401
    await client.clock.advance(100)
    assert "within 80 seconds" in (await client.http.get(root(client) + "/sso/Dispatcher")).text
    phone = await client.http.post(client.gateway.phone_url, data={"answer": "approve"})
    assert "Nothing to approve: signed in" in phone.text
    assert "Client login succeeds" in (await client.http.get(root(client) + "/sso/Dispatcher")).text
    assert client.gateway.second_factor_until is None
    assert (await client.get("/sso/validate"))["RESULT"] is True
    assert (await client.post("/iserver/auth/status"))["authenticated"] is False
    await client.clock.advance(4)
    assert (await client.post("/iserver/auth/status"))["authenticated"] is True
    assert [(c.tier, c.up) for c in client.gateway.transitions] == [("gateway", True), ("brokerage", True)]
    assert (client.gateway.sign_ins, client.gateway.human_logins) == (1, 1)


async def test_opening_the_page_sends_nothing_to_the_phone(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    await client.http.get(client.gateway.login_url)
    assert client.gateway.second_factor_until is None
    assert client.gateway.logins.requests_to_the_phone == 0


async def test_a_missed_deadline_is_told_on_the_page_and_the_login_can_be_sent_again(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    assert client.gateway.start_login() is LoginPhase.WAITING
    await client.clock.advance(SECOND_FACTOR_SECONDS + 1)
    assert client.gateway.approve() is LoginPhase.MISSED
    page = (await client.http.get(client.gateway.login_url)).text
    assert "not answered in time" in page
    assert f"Failed logins: 1 of {MOST_FAILURES}" in page
    assert (await client.ask("POST", "/tickle")).status_code == 401
    assert "sent to your phone" in await send_page(client, RIGHT)
    assert client.gateway.approve() is LoginPhase.SIGNED_IN
    assert client.gateway.logins.failures == 0
    assert client.gateway.logins.missed == 1


async def test_a_denied_request_is_a_failed_login(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    client.gateway.start_login()
    await client.http.post(client.gateway.phone_url, data={"answer": "deny"})
    assert "Login failed. Failed logins: 1" in (await client.http.get(client.gateway.login_url)).text


async def test_too_many_failed_logins_lock_the_account_for_the_right_password_too(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    for _ in range(MOST_FAILURES - 1):
        assert "Login failed" in await send_page(client, WRONG)
    assert "locked" in await send_page(client, WRONG)
    assert client.gateway.start_login() is LoginPhase.LOCKED
    assert client.gateway.logins.is_locked
    client.gateway.logins.unlock()
    assert client.gateway.start_login() is LoginPhase.WAITING


async def test_without_a_second_factor_the_form_signs_in_and_a_wrong_password_does_not(start_gateway: Any) -> None:
    client = await start_gateway(logged_in=False)
    dispatcher = root(client) + "/sso/Dispatcher"
    assert "Login failed" in (await client.http.post(dispatcher, data=WRONG)).text
    assert "Client login succeeds" in (await client.http.post(dispatcher, data=RIGHT)).text
    assert (await client.post("/tickle"))["iserver"]["authStatus"]["authenticated"] is True


async def test_a_login_in_the_night_says_maintenance_and_counts_as_no_failure(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, resets=True)
    await client.clock.advance(24_400 + 60)
    assert client.gateway.start_login() is LoginPhase.MAINTENANCE
    page = await client.http.get(client.gateway.login_url)
    assert (page.status_code, "maintenance" in page.text) == (503, True)
    assert client.gateway.logins.failures == 0


async def test_a_person_signs_in_each_day_and_may_miss_the_phone_once(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, resets=True)
    person = Person(client.gateway, misses={2})
    async with client.clock.running():
        for _ in range(3):
            await client.clock.sleep(86_400)
            assert not client.gateway.state.session.logged_in
            assert await person.log_in() is LoginPhase.SIGNED_IN
        assert await person.log_in() is LoginPhase.SIGNED_IN
    assert (person.human_logins, person.told) == (3, 4)
    assert client.gateway.human_logins == 3
    assert client.gateway.logins.missed == 1


async def test_a_person_who_is_told_at_midnight_waits_for_the_end_of_the_reset(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, resets=True)
    person = Person(client.gateway)
    async with client.clock.running():
        await client.clock.sleep(24_400 + 1)
        assert client.gateway.state.session.life.is_down
        assert await person.log_in() is LoginPhase.SIGNED_IN
    assert not client.gateway.state.session.life.is_down
    assert person.human_logins == 1


async def test_a_person_gives_up_on_a_locked_account(start_gateway: Any) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    person = Person(client.gateway, misses=range(1, 100))
    async with client.clock.running():
        assert await person.log_in() is LoginPhase.LOCKED
    assert client.gateway.logins.requests_to_the_phone == MOST_FAILURES


@pytest.mark.parametrize("body", [b"\xff\xfe", b"username", b"=&&=", b""])
async def test_a_form_that_is_none_is_a_failed_login(start_gateway: Any, body: bytes) -> None:
    client = await start_gateway(second_factor=True, logged_in=False)
    answer = await client.http.post(root(client) + "/sso/Dispatcher", content=body)
    assert "Login failed" in answer.text
