"""What a running program leaves word of for those who look."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from exchanges.ibkr.auth import LocalGateway
from exchanges.ibkr.session_note import SessionNotes
from horizon.model import SessionState, SessionTier, TierState
from horizon.net.shared_rates import is_whole

URL = "https://localhost:5000"
STATE = SessionState(exchange="ibkr", time=5, ready=True, tiers=(TierState(tier=SessionTier.TOKEN, up=True, since=3),))


def write(notes: SessionNotes, now: int = 10_000_000_000) -> None:
    notes.write(now=now, keep_alive_age=2.0, token_expires=None, state=STATE)


def test_a_note_is_read_until_it_is_removed(tmp_path: Path) -> None:
    notes = SessionNotes(URL, LocalGateway(), tmp_path)
    assert notes.read() is None
    write(notes)
    found = SessionNotes("https://127.0.0.1:5000/v1/api", LocalGateway(), tmp_path).read()
    assert found is not None
    assert (found.pid, found.keep_alive, found.state) == (os.getpid(), 8_000_000_000, STATE)
    notes.remove()
    assert notes.read() is None


def test_a_note_about_another_port_is_none_of_ours(tmp_path: Path) -> None:
    write(SessionNotes("https://localhost:5000", LocalGateway(), tmp_path))
    assert SessionNotes("https://localhost:50", LocalGateway(), tmp_path).read() is None


def test_what_a_killed_program_left_is_swept_away(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    write(SessionNotes(URL, LocalGateway(), tmp_path))
    (own,) = tmp_path.iterdir()
    left = tmp_path / own.name.replace(str(os.getpid()), str(ended.pid))
    note = msgspec.json.decode(own.read_bytes())
    left.write_bytes(msgspec.json.encode(note | {"pid": ended.pid, "written": 99_000_000_000}))
    found = SessionNotes(URL, LocalGateway(), tmp_path).read()
    assert found is not None
    assert found.pid == os.getpid()
    assert list(tmp_path.iterdir()) == [own]


def test_a_damaged_note_is_none(tmp_path: Path) -> None:
    notes = SessionNotes(URL, LocalGateway(), tmp_path)
    write(notes)
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert notes.read() is None


def test_a_note_that_cannot_be_written_breaks_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    notes = SessionNotes(URL, LocalGateway(), tmp_path / "taken")
    write(notes)
    assert notes.read() is None
    notes.remove()


def test_a_file_of_limits_is_whole_damaged_or_not_there(tmp_path: Path) -> None:
    file = tmp_path / "host.rates"
    assert is_whole(file) is None
    file.write_bytes(b"")
    assert is_whole(file) is None
    file.write_bytes(b"HZR1 and nothing that fits")
    assert is_whole(file) is False
