"""At most two sign-ins an hour, over restarts and processes."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from exchanges.ibkr.auth.sign_ins import SignIns, sign_ins_directory
from horizon.clock import NANOSECONDS, SystemClock
from horizon.directories import state_directory
from horizon.errors import ConfigurationError, TokenExpired
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000 * NANOSECONDS
MINUTE = 60 * NANOSECONDS
CREDENTIAL = "planted-client:planted-user"


def test_the_third_sign_in_of_an_hour_is_refused_with_the_time_of_the_next() -> None:
    sign_ins = SignIns(CREDENTIAL, directory=None)
    sign_ins.begin(START)
    sign_ins.begin(START + 10 * MINUTE)
    with pytest.raises(TokenExpired, match=r"signed in twice .* allowed at 23:14:20 UTC \(in 41 min\)"):
        sign_ins.begin(START + 20 * MINUTE)
    assert sign_ins.next_allowed(START + 20 * MINUTE) == START + 61 * MINUTE
    sign_ins.begin(START + 61 * MINUTE)
    assert sign_ins.next_allowed(START + 61 * MINUTE) == START + 71 * MINUTE


def test_a_program_that_is_restarted_finds_its_sign_ins_again(tmp_path: Path) -> None:
    for _ in range(2):
        SignIns(CREDENTIAL, directory=tmp_path).begin(START)
    with pytest.raises(TokenExpired, match="twice"):
        SignIns(CREDENTIAL, directory=tmp_path).begin(START)
    SignIns("another client:user", directory=tmp_path).begin(START)


def test_a_request_that_did_not_leave_gives_its_place_back(tmp_path: Path) -> None:
    sign_ins = SignIns(CREDENTIAL, directory=tmp_path)
    for _ in range(10):
        sign_ins.begin(START).not_sent()
    assert sign_ins.next_allowed(START) <= START


def test_an_unavailable_venue_counts_as_an_attempt_only(tmp_path: Path) -> None:
    sign_ins = SignIns(CREDENTIAL, directory=tmp_path)
    for number in range(6):
        sign_ins.begin(START + number).unavailable()
    with pytest.raises(TokenExpired, match="6 sign-ins of this user failed"):
        sign_ins.begin(START + MINUTE)
    assert sign_ins.next_allowed(START + MINUTE) == START + 61 * MINUTE


def test_times_of_a_wrong_clock_hold_for_an_hour_at_most(tmp_path: Path) -> None:
    sign_ins = SignIns(CREDENTIAL, directory=tmp_path)
    for _ in range(2):
        sign_ins.begin(START + 10_000 * MINUTE)
    with pytest.raises(TokenExpired):
        sign_ins.begin(START)
    with pytest.raises(TokenExpired):
        sign_ins.begin(START + 60 * MINUTE)
    sign_ins.begin(START + 61 * MINUTE)


def test_the_file_is_for_its_owner_and_holds_nothing_of_the_credential(tmp_path: Path) -> None:
    SignIns(CREDENTIAL, directory=tmp_path / "ibkr").begin(START)
    (file,) = (tmp_path / "ibkr").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"planted" not in file.read_bytes()


def test_a_damaged_file_stops_sign_ins_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "sign_ins.sqlite").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(ConfigurationError, match="move the file away"):
        SignIns(CREDENTIAL, directory=tmp_path).begin(START)


def test_a_directory_that_can_not_be_made_stops_sign_ins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="make the directory writable"):
        SignIns(CREDENTIAL, directory=tmp_path / "file").begin(START)


def test_processes_that_start_together_share_two_places(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from exchanges.ibkr.auth.sign_ins import SignIns\n"
        "from horizon.errors import TokenExpired\n"
        "sign_ins = SignIns('c', directory=Path(sys.argv[1]))\n"
        "sys.stdin.readline()\n"
        "for number in range(5):\n"
        "    try: sign_ins.begin(10**18 + number); print('in')\n"
        "    except TokenExpired: pass\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = "".join(process.communicate(timeout=30)[0] for process in running)
    assert said == "in\n" * 2


@pytest.mark.parametrize(
    ("base_url", "remembered"),
    [("https://api.ibkr.com", True), ("https://localhost:5000", False), ("http://127.0.0.1:5000", False)],
)
def test_only_real_sign_ins_at_the_venue_are_remembered(base_url: str, remembered: bool) -> None:
    expected = state_directory() / "ibkr" if remembered else None
    assert sign_ins_directory(base_url, SystemClock()) == expected
    assert sign_ins_directory(base_url, ScriptedClock(START)) is None
