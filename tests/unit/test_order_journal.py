"""The journal: on disk when commit returns, for this user alone, and never used when it can't be trusted."""

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest

from horizon.errors import ConfigurationError, RecordingError
from horizon.model import AccountId, ClientOrderId, VenueOrderId
from horizon.orders.journal import SqliteJournal
from horizon.ports import JournalRecord, RecordKind


def line(number: int, account: str = "A") -> JournalRecord:
    return JournalRecord(
        time=number,
        exchange="x",
        account_id=AccountId(account),
        kind=RecordKind.INTENT,
        client_order_id=ClientOrderId(f"c{number}"),
        venue_order_id=VenueOrderId("v") if number % 2 else None,
        payload=b'{"size":"1.10"}',
    )


def opened(path: Path) -> closing[SqliteJournal]:
    return closing(SqliteJournal(path))


def test_what_was_committed_is_there_for_another_process(tmp_path: Path) -> None:
    lines = [line(1), line(2), line(3)]
    with opened(tmp_path / "deep" / "journal.sqlite") as journal:
        journal.commit(lines[:2])
        journal.commit(lines[2:])
        with opened(tmp_path / "deep" / "journal.sqlite") as another:
            assert list(another.records()) == lines


def test_the_disk_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path / "j.sqlite") as journal:
        assert journal._db.execute("pragma journal_mode").fetchone() == ("wal",)
        assert journal._db.execute("pragma synchronous").fetchone() == (2,)  # FULL


def test_records_can_be_read_per_account(tmp_path: Path) -> None:
    with opened(tmp_path / "j.sqlite") as journal:
        journal.commit([line(1, "A"), line(2, "B")])
        assert [record.account_id for record in journal.records(account_id=AccountId("B"))] == ["B"]


def test_the_file_is_for_this_user_alone(tmp_path: Path) -> None:
    SqliteJournal(tmp_path / "j.sqlite").close()
    assert stat.S_IMODE((tmp_path / "j.sqlite").stat().st_mode) == 0o600


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    SqliteJournal(path).close()
    db = sqlite3.connect(path)
    db.execute("pragma user_version=99")
    db.close()
    with pytest.raises(ConfigurationError, match="schema 99"):
        SqliteJournal(path)


def test_a_file_that_is_no_journal_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(RecordingError, match="can't be used as a journal"):
        SqliteJournal(path)


def test_a_full_disk_refuses_and_keeps_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with opened(path) as journal:
        journal.commit([line(1)])
        journal._db.execute("pragma max_page_count=1")  # SQLite answers like a full disk from here on
        with pytest.raises(RecordingError, match="nothing was sent"):
            journal.commit([line(number) for number in range(2, 2_000)])
        assert list(journal.records()) == [line(1)]


def test_several_that_start_at_once_can_make_the_same_file(tmp_path: Path) -> None:
    together = Barrier(4)

    def start(path: Path) -> int:
        together.wait()
        journal = SqliteJournal(path)
        journal.commit([line(1)])
        journal.close()
        return 1

    with ThreadPoolExecutor(4) as pool:
        for round_number in range(10):
            path = tmp_path / f"{round_number}.sqlite"
            assert sum(pool.map(start, [path] * 4)) == 4
            with opened(path) as journal:
                assert len(list(journal.records())) == 4
