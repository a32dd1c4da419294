"""The durable journal: SQLite, write-ahead log, synchronous FULL.

Append-only. When `commit` returns, the lines are on disk, so an order may leave. The file is for this user alone, and
others read it while it is written (`horizon.orders.journal_reader`).
"""

import json
import os
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from horizon.errors import ConfigurationError, RecordingError
from horizon.model import AccountId, ClientOrderId, VenueOrderId
from horizon.orders.journal_schema import COLUMNS, SCHEMA_VERSION, migrate
from horizon.ports import JournalRecord, RecordKind

# A commit takes about twice as long while it makes the log's file longer. After this many pages, some sixty commits,
# SQLite writes the log from its start again; its own default lets it grow for 1,000.
_LOG_PAGES = 250
_ATTEMPTS = 50


class SqliteJournal:
    """A journal in one SQLite file. Raises RecordingError when a line can't be made durable, or can't be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise RecordingError(
                f"the journal {path} can't be written ({error.strerror or error}), so nothing can be sent: make it "
                "and its folder writable, or choose another journal",
                file=str(path),
            ) from error
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        try:
            self._use_write_ahead_log()
            self._db.execute("pragma synchronous=full")
            self._db.execute(f"pragma wal_autocheckpoint={_LOG_PAGES}")
            # Looked at under the write lock: another process may be making or migrating the same file.
            self._db.execute("begin immediate")
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version < SCHEMA_VERSION:
                migrate(self._db, version)
            self._db.execute("commit")
        except sqlite3.DatabaseError as error:
            raise RecordingError(
                f"{self.path} can't be used as a journal ({error}): expected a Horizon journal or no file; "
                "move it away and start again",
                file=str(self.path),
            ) from error
        check_version(self.path, version)

    def _use_write_ahead_log(self) -> None:
        """SQLite waits for another program's write lock, but not for one that stands in the way of this change."""
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                self._db.execute("pragma journal_mode=wal")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or attempt == _ATTEMPTS:
                    raise
            self._db.execute("begin immediate")
            self._db.execute("commit")

    def commit(self, records: Sequence[JournalRecord]) -> None:
        """Append; everything is on disk when this returns."""
        rows = [
            (r.time, r.exchange, r.account_id, r.kind.value, r.client_order_id, r.venue_order_id, r.subject, r.payload)
            for r in records
        ]
        try:
            self._db.execute("begin immediate")
            self._db.executemany(f"insert into records({COLUMNS}) values(?,?,?,?,?,?,?,?)", rows)
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                with suppress(sqlite3.Error):
                    self._db.execute("rollback")
            raise RecordingError(
                f"the journal {self.path} could not be written ({error}): nothing was sent; free disk space or "
                "check the file's permissions",
                file=str(self.path),
            ) from error

    def records(self, *, account_id: AccountId | None = None) -> Iterator[JournalRecord]:
        """All lines in the order in which they were written, of one account if asked."""
        where, values = ("where account_id=?", (account_id,)) if account_id else ("", ())
        query = f"select {COLUMNS} from records {where} order by seq"  # noqa: S608
        try:
            for row in self._db.execute(query, values):
                yield record_of(row)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise unreadable(self.path, error) from error

    def unsettled(self, *, account_id: AccountId, also: Collection[ClientOrderId] = ()) -> Iterator[JournalRecord]:
        """The lines about every order whose last line does not say that it is settled, and about those in `also`."""
        query = (
            f"select {COLUMNS} from records where account_id=? and client_order_id in ("  # noqa: S608
            "select client_order_id from records where account_id=? and client_order_id<>'' group by client_order_id "
            "having sum(kind='intent') and max(seq) > max(case when kind='settled' then seq else 0 end) "
            "union select value from json_each(?)) order by seq"
        )
        try:
            for row in self._db.execute(query, (account_id, account_id, json.dumps([*also]))):
                yield record_of(row)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise unreadable(self.path, error) from error

    def latest(self, kind: RecordKind, subject: str, *, account_id: AccountId) -> JournalRecord | None:
        """The last line of a kind about one subject."""
        # the kind stands in the text, because only then SQLite may use the index over states
        query = (
            f"select {COLUMNS} from records where kind='{kind.value}' and subject=? and account_id=? "  # noqa: S608
            "order by seq desc limit 1"
        )
        try:
            row = self._db.execute(query, (subject, account_id)).fetchone()
            return None if row is None else record_of(row)
        except (sqlite3.DatabaseError, ValueError) as error:
            raise unreadable(self.path, error) from error

    def close(self) -> None:
        self._db.close()


def record_of(row: Sequence[Any]) -> JournalRecord:
    """A line from its columns. Raises ValueError for a kind that this version does not know."""
    time, exchange, account, kind, client_id, venue_id, subject, payload = row
    return JournalRecord(
        time=time,
        exchange=exchange,
        account_id=AccountId(account),
        kind=RecordKind(kind),
        client_order_id=ClientOrderId(client_id),
        venue_order_id=None if venue_id is None else VenueOrderId(venue_id),
        subject=subject,
        payload=bytes(payload),
    )


def check_version(path: Path, version: int) -> None:
    """Raise ConfigurationError for a journal that a newer version has written."""
    if version > SCHEMA_VERSION:
        raise ConfigurationError(
            f"the journal {path} has schema {version}, this version of Horizon knows up to {SCHEMA_VERSION}: "
            "install the newer Horizon, or choose another journal"
        )


def unreadable(path: Path, error: Exception) -> RecordingError:
    return RecordingError(
        f"the journal {path} can't be read ({error}): expected a whole Horizon journal; move it away, and ask the "
        "venue what became of its orders",
        file=str(path),
    )
