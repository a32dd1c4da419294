"""One process trades an account: a second is told who has it, and a killed one leaves nothing behind."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from horizon.errors import ConfigurationError, RecordingError
from horizon.exchange import Exchange
from horizon.model import AccountId
from horizon.orders.claim import Claim, journal_path
from horizon.orders.journal import SqliteJournal
from horizon.orders.owner import Owner, Ownership, owner_of
from horizon.ports import RecordKind
from horizon.simulation.scripted_clock import ScriptedClock

ME = Owner(pid=os.getpid(), since=1_700_000_000_000_000_000, run_id="h1", version="1", exchange="x", account_id="A")
HOLDS = """
import os, sys
from pathlib import Path
from horizon.orders.owner import Owner, Ownership

owner = Owner(pid=os.getpid(), since=17 * 10**17, run_id="h7", version="9.9", exchange="x", account_id="A")
held = Ownership(Path(sys.argv[1]), owner)
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(journal: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that owns the account of `journal`."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(journal)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_with_the_owners_pid_since_when_and_what_to_do(tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    with another_process(journal) as owner, pytest.raises(ConfigurationError) as refused:
        Ownership(journal, ME)
    text = str(refused.value)
    assert f"process {owner.pid} (Horizon 9.9, run h7), since 2023-11-1" in text
    assert "end that one, send it orders with `horizon orders`, or open this one with read_only=True" in text


def test_a_killed_owner_leaves_the_account_free_at_once(tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    with another_process(journal) as owner:
        owner.kill()
        owner.wait()
        left = owner_of(journal)
        assert left is not None
        assert left.pid == owner.pid
        Ownership(journal, ME).release()


def test_whoever_asks_is_told_who_the_owner_is_and_nobody_once_it_has_let_go(tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    held = Ownership(journal, ME)
    assert owner_of(journal) == ME
    held.note(msgspec.structs.replace(ME, control="/run/somewhere.sock"))
    assert owner_of(journal) == msgspec.structs.replace(ME, control="/run/somewhere.sock")
    held.release()
    assert owner_of(journal) is None


def test_a_lock_whose_file_says_nothing_refuses_all_the_same(tmp_path: Path) -> None:
    journal = tmp_path / "j.sqlite"
    with another_process(journal):
        (tmp_path / "j.sqlite.owner").write_bytes(b"")
        with pytest.raises(ConfigurationError, match="has just started or is about to end"):
            Ownership(journal, ME)


def test_the_locks_file_is_for_this_user_alone(tmp_path: Path) -> None:
    Ownership(tmp_path / "j.sqlite", ME).release()
    assert stat.S_IMODE((tmp_path / "j.sqlite.owner").stat().st_mode) == 0o600


def test_a_lock_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="not sure that nobody else trades"):
        Ownership(tmp_path / "file" / "j.sqlite", ME)


def test_a_journal_that_can_not_be_used_leaves_the_account_free(tmp_path: Path, scripted_clock: ScriptedClock) -> None:
    journal = tmp_path / "j.sqlite"
    journal.write_bytes(b"this is not a database" * 100)
    with pytest.raises(RecordingError, match="can't be used as a journal"):
        Claim(journal, exchange="x", account_id=AccountId("A"), run_id="h1", clock=scripted_clock)
    Ownership(journal, ME).release()


# -- through an exchange -----------------------------------------------------------------------------------------------


async def test_an_open_exchange_says_in_its_journal_who_opened_it(
    scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path
) -> None:
    async with Exchange(scripted_venue, journal=tmp_path / "j.sqlite", clock=scripted_clock) as exchange:
        (opened,) = exchange.journal.records()
    assert opened.kind is RecordKind.OWNER
    assert re.fullmatch(r"h[0-9a-f]{12}", opened.subject)
    said = msgspec.json.decode(opened.payload, type=Owner)
    assert (said.pid, said.account_id, said.run_id) == (os.getpid(), "DU1", opened.subject)


async def test_a_second_exchange_on_the_same_account_is_refused_until_the_first_is_closed(
    scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    async with Exchange(scripted_venue, clock=scripted_clock):
        with pytest.raises(ConfigurationError, match=f"process {os.getpid()} "):
            await Exchange(scripted_venue, clock=scripted_clock).open()
    async with Exchange(scripted_venue, clock=scripted_clock) as again:
        assert len(list(again.journal.records())) >= 2


async def test_a_named_account_that_is_owned_is_refused_before_anyone_signs_in(
    scripted_venue: Any, scripted_clock: ScriptedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def signs_in(put: Any) -> None:
        pytest.fail("signing in can take the session from the owner")

    async with Exchange(scripted_venue, clock=scripted_clock):
        monkeypatch.setattr(scripted_venue, "open", signs_in)
        with pytest.raises(ConfigurationError, match="is traded by process"):
            await Exchange(scripted_venue, account_id="DU1", clock=scripted_clock).open()


async def test_an_account_that_is_not_of_this_login_leaves_no_file(
    scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    with pytest.raises(ConfigurationError, match="found 'DU9'"):
        await Exchange(scripted_venue, account_id="DU9", clock=scripted_clock).open()
    assert not list(journal_path("scripted", "DU9").parent.glob("*DU9*"))


async def test_journals_in_places_of_their_own_do_not_stand_in_each_others_way(
    scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path
) -> None:
    async with (
        Exchange(scripted_venue, journal=tmp_path / "1.sqlite", clock=scripted_clock),
        Exchange(scripted_venue, journal=tmp_path / "2.sqlite", clock=scripted_clock) as second,
    ):
        assert second.is_open


async def test_a_journal_that_was_handed_in_is_owned_by_whoever_made_it(
    scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path
) -> None:
    journal = SqliteJournal(tmp_path / "j.sqlite")
    async with Exchange(scripted_venue, journal=journal, clock=scripted_clock) as exchange:
        assert list(exchange.journal.records()) == []
    assert not (tmp_path / "j.sqlite.owner").exists()
