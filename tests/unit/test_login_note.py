"""What a program that waits for a gateway's sign-in can tell its user."""

from pathlib import Path

import pytest

from exchanges.ibkr.auth.local_gateway import LocalGateway
from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, note_file, read_login_note, write_login_note
from horizon.clock import NANOSECONDS
from horizon.directories import state_directory
from horizon.simulation.scripted_clock import ScriptedClock

NOW = 1_700_000_000 * NANOSECONDS  # 2023-11-14T22:13:20Z
URL = "https://localhost:5000"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))


def bound_gateway() -> LocalGateway:
    async def ask(method: str, target: str, **rest: object) -> object:
        raise AssertionError("a local gateway asks nobody")

    auth = LocalGateway()
    auth.bind(URL, ask, ScriptedClock(NOW))  # type: ignore[arg-type]
    return auth


def note(phase: LoginPhase, *, since: int = NOW, until: int | None = NOW + 120 * NANOSECONDS) -> LoginNote:
    return LoginNote(phase=phase, since=since, until=until)


def test_without_a_note_the_gateway_asks_nothing_of_anybody() -> None:
    state = bound_gateway().token()
    assert (state.valid, state.action, state.act_until) == (True, "", None)


def test_a_login_that_waits_for_the_phone_says_what_to_do_and_until_when() -> None:
    write_login_note(URL, note(LoginPhase.WAITING_FOR_SECOND_FACTOR))
    state = bound_gateway().token()
    assert state.valid
    assert state.action == "approve the sign-in on the phone until 22:15:20 UTC"
    assert state.act_until == NOW + 120 * NANOSECONDS


def test_a_login_in_a_browser_says_until_when_it_is_waited_for() -> None:
    write_login_note(URL, LoginNote(phase=LoginPhase.STARTED, since=NOW, until=NOW + NANOSECONDS, text="sign in there"))
    state = bound_gateway().token()
    assert state.action == "sign in there until 22:13:21 UTC"
    assert state.act_until == NOW + NANOSECONDS


def test_a_missed_second_factor_has_no_deadline_any_more() -> None:
    write_login_note(URL, note(LoginPhase.WAITING_FOR_SECOND_FACTOR, until=NOW))
    state = bound_gateway().token()
    assert "not approved in time" in state.action
    assert state.act_until is None


def test_a_refused_login_says_so() -> None:
    refused = LoginNote(phase=LoginPhase.REFUSED, since=NOW, text="correct the password")
    write_login_note(URL, refused)
    assert bound_gateway().token().action == "correct the password"
    assert read_login_note(URL) == refused


@pytest.mark.parametrize("phase", list(LoginPhase))
def test_yesterdays_note_and_a_verified_login_ask_nothing(phase: LoginPhase) -> None:
    day = 24 * 3600 * NANOSECONDS
    write_login_note(URL, note(phase, since=NOW - day, until=None))
    assert bound_gateway().token().action == ""
    assert note(LoginPhase.VERIFIED).action(NOW) == ""


def test_every_name_of_this_machine_has_one_note_and_other_hosts_and_ports_their_own() -> None:
    assert note_file("https://127.0.0.1:5000") == note_file("https://localhost:5000/v1/api") == note_file(URL)
    assert len({note_file(URL), note_file("https://localhost:5001"), note_file("https://gw.lan:5000")}) == 3
    assert note_file(URL).is_relative_to(state_directory())


def test_a_damaged_note_is_none_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    write_login_note(URL, note(LoginPhase.STARTED))
    note_file(URL).write_text('{"phase": "half')
    assert read_login_note(URL) is None
    assert "can't be read" in caplog.text
    assert bound_gateway().token().action == ""
