"""The journal: on disk when commit returns, for this user alone, and never used when it can't be trusted."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError, RecordingError
from horizon.model import AccountId, ClientOrderId, VenueOrderId
from horizon.orders import journal_schema
from horizon.orders.journal import SqliteJournal
from horizon.orders.journal_reader import JournalReader
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


# -- versions ----------------------------------------------------------------------------------------------------------

VERSION_1 = """
create table records(
    seq integer primary key autoincrement,
    time integer not null,
    exchange text not null,
    account_id text not null,
    kind text not null,
    client_order_id text not null,
    venue_order_id text,
    payload blob not null
);
create index records_by_account on records(account_id, seq);
create index records_by_client_order_id on records(client_order_id);
pragma user_version=1;
"""
"""What the first version of this journal executed, written down here a second time."""


def version_1(path: Path) -> None:
    """A journal as version 1 left it: an order, its prompt with the answer in one line, a refusal."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.executescript(VERSION_1)
    rows = [
        (1, "ibkr", "DU1", "intent", "h1-1", None, b'{"size":"1.10"}'),
        (2, "ibkr", "DU1", "prompt", "h1-1", None, b'{"messages":["sure?"],"accepted":true}'),
        (3, "ibkr", "DU1", "report", "h1-1", "v7", b"{}"),
        (4, "ibkr", "DU1", "refused", "h1-2", None, b'{"rule":"max_size","reason":"too large"}'),
    ]
    db.executemany(
        "insert into records(time, exchange, account_id, kind, client_order_id, venue_order_id, payload) "
        "values(?,?,?,?,?,?,?)",
        rows,
    )
    db.close()


def test_a_journal_of_version_1_is_brought_along_with_every_line_of_it(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    version_1(path)
    with opened(path) as journal:
        found = [(r.time, r.kind, r.client_order_id, r.venue_order_id, r.subject) for r in journal.records()]
        journal.commit([line(5)])
    assert found == [
        (1, RecordKind.INTENT, "h1-1", None, ""),
        (2, RecordKind.ANSWER, "h1-1", None, ""),
        (3, RecordKind.REPORT, "h1-1", "v7", ""),
        (4, RecordKind.REFUSED, "h1-2", None, "max_size"),
    ]
    with opened(path) as journal:
        assert len(list(journal.records())) == 5
        assert journal._db.execute("pragma user_version").fetchone() == (journal_schema.SCHEMA_VERSION,)


def test_several_that_start_at_once_bring_an_old_journal_along_once(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    version_1(path)
    together = Barrier(4)

    def start(_: int) -> int:
        together.wait()
        with opened(path) as journal:
            return len(list(journal.records()))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == [4, 4, 4, 4]


def test_a_migration_that_is_interrupted_leaves_version_1_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "j.sqlite"
    version_1(path)
    *first, last = journal_schema._STEPS
    monkeypatch.setattr(journal_schema, "_STEPS", (*first, (*last, "select no_such_function()")))
    with pytest.raises(RecordingError, match="no_such_function"):
        SqliteJournal(path)
    monkeypatch.undo()
    with opened(path) as journal:
        assert len(list(journal.records())) == 4


# -- lines that stay ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["update records set time = 0", "delete from records"])
def test_lines_that_are_written_can_not_be_changed(tmp_path: Path, change: str) -> None:
    path = tmp_path / "j.sqlite"
    with opened(path) as journal:
        journal.commit([line(1)])
    db = sqlite3.connect(path)
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(change)
    db.close()


def test_the_last_state_of_a_strategy_is_found_by_its_name(tmp_path: Path) -> None:
    def state(number: int, name: str, account: str = "A") -> JournalRecord:
        return replace(line(number, account), kind=RecordKind.STATE, subject=name)

    with opened(tmp_path / "j.sqlite") as journal:
        journal.commit([state(1, "one"), state(2, "two"), state(3, "one"), state(4, "one", "B"), line(5)])
        found = journal.latest(RecordKind.STATE, "one", account_id=AccountId("A"))
        assert found == state(3, "one")
        assert journal.latest(RecordKind.STATE, "three", account_id=AccountId("A")) is None
        plan = journal._db.execute(
            "explain query plan select * from records where kind='state' and subject=? and account_id=? "
            "order by seq desc limit 1",
            ("one", "A"),
        ).fetchall()
        assert "states_by_subject" in plan[0][3]


# -- files that fail ---------------------------------------------------------------------------------------------------


def test_a_journal_that_became_damaged_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with opened(path) as journal:
        for start in range(0, 2_000, 100):
            journal.commit([line(number) for number in range(start, start + 100)])
    content = bytearray(path.read_bytes())
    content[4096:] = os.urandom(len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"can't be (read|used)"), opened(path) as journal:
        list(journal.records())


def test_a_line_of_a_kind_that_is_not_known_is_no_line_to_be_skipped(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with opened(path) as journal:
        journal.commit([line(1)])
        journal._db.execute("drop trigger records_are_not_changed")
        journal._db.execute("update records set kind = 'hunch'")
        with pytest.raises(RecordingError, match="hunch"):
            list(journal.records())


def test_a_journal_that_can_only_be_read_takes_no_order(tmp_path: Path) -> None:
    with opened(tmp_path / "j.sqlite") as journal:
        journal._db.execute("pragma query_only=1")  # SQLite answers as for a file that is read-only
        with pytest.raises(RecordingError, match="readonly"):
            journal.commit([line(1)])


def test_a_place_that_can_not_be_written_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    (tmp_path / "orders").write_text("a file where a folder is expected")
    with pytest.raises(RecordingError, match=r"can't be written .* nothing can be sent"):
        SqliteJournal(tmp_path / "orders" / "j.sqlite")


FILLS_UP = """
import resource, signal, sys
from pathlib import Path
from horizon.errors import RecordingError
from horizon.model import AccountId
from horizon.orders.journal import SqliteJournal
from horizon.ports import JournalRecord, RecordKind

journal = SqliteJournal(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
written = 0
try:
    while True:
        record = JournalRecord(time=written, exchange="x", account_id=AccountId("A"), kind=RecordKind.INTENT)
        journal.commit([record])
        written += 1
except RecordingError as error:
    print(written, "nothing was sent" in str(error))
try:
    journal.commit([record])
    print("written after all")
except RecordingError:
    print("refused again")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a file's size are not for Windows")
def test_a_file_that_may_not_grow_refuses_and_keeps_every_line_that_was_promised(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    done = subprocess.run([sys.executable, "-c", FILLS_UP, str(path)], capture_output=True, text=True, check=True)
    written, refused, again = done.stdout.split(maxsplit=2)
    assert refused == "True"
    assert again.strip() == "refused again"
    assert int(written) > 10
    with opened(path) as journal:
        assert [record.time for record in journal.records()] == list(range(int(written)))


PROMISES = """
import sys
from pathlib import Path
from horizon.model import AccountId
from horizon.orders.journal import SqliteJournal
from horizon.ports import JournalRecord, RecordKind

journal = SqliteJournal(Path(sys.argv[1]))
for number in range(10_000):
    journal.commit([JournalRecord(time=number, exchange="x", account_id=AccountId("A"), kind=RecordKind.INTENT)])
    print(number, flush=True)
"""


def test_every_line_that_was_promised_before_a_kill_is_there(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with subprocess.Popen([sys.executable, "-c", PROMISES, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(40):
            promised = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        promised = max([promised, *map(int, process.stdout.read().split()[:-1])])
    with opened(path) as journal:
        times = [record.time for record in journal.records()]
    assert times == list(range(len(times)))
    assert len(times) > promised


# -- reading beside the owner ------------------------------------------------------------------------------------------


def test_a_reader_sees_what_the_owner_has_written_and_goes_on_from_there(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    with opened(path) as journal:
        reader = JournalReader(path)
        assert list(reader.new_lines()) == []
        journal.commit([line(1), line(2)])
        assert list(reader.new_lines()) == [line(1), line(2)]
        assert list(reader.new_lines()) == []
        journal.commit([line(number) for number in range(3, 2_600)])
        assert [record.time for record in reader.new_lines()] == list(range(3, 2_600))


def test_a_reader_chooses_by_time_order_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    fill = replace(line(2), kind=RecordKind.FILL)
    link = replace(line(4), kind=RecordKind.LINK, subject="c1")
    with opened(path) as journal:
        journal.commit([line(1), fill, line(3), link])
    assert [r.time for r in JournalReader(path).new_lines(since=3)] == [3, 4]
    assert [r.time for r in JournalReader(path).new_lines(kinds=[RecordKind.FILL])] == [2]
    assert [r.time for r in JournalReader(path).new_lines(order="c1")] == [1, 4]
    assert [r.time for r in JournalReader(path).new_lines(order="v")] == [1, 3]


def test_a_reader_makes_no_file_and_names_the_one_it_missed(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"expected a journal at .*none\.sqlite"):
        list(JournalReader(tmp_path / "none.sqlite").new_lines())
    assert list(tmp_path.iterdir()) == []


def test_a_reader_leaves_an_older_journal_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "j.sqlite"
    version_1(path)
    with pytest.raises(ConfigurationError, match=f"schema 1, expected 2 to {journal_schema.SCHEMA_VERSION}"):
        list(JournalReader(path).new_lines())
    db = sqlite3.connect(path)
    assert db.execute("pragma user_version").fetchone() == (1,)
    db.close()
