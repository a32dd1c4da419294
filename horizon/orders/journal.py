"""The durable journal: SQLite, write-ahead log, synchronous FULL.

Append-only. When `commit` returns, the lines are on disk, so an order may leave. The file is for this user alone.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from horizon.errors import ConfigurationError, RecordingError
from horizon.model import AccountId, ClientOrderId, VenueOrderId
from horizon.ports import JournalRecord, RecordKind

SCHEMA_VERSION = 1
# A commit takes about twice as long while it makes the log's file longer. After this many pages, some sixty commits,
# SQLite writes the log from its start again; its own default lets it grow for 1,000.
_LOG_PAGES = 250
_ATTEMPTS = 50
_SCHEMA = (
    """
create table records(
    seq integer primary key autoincrement,
    time integer not null,
    exchange text not null,
    account_id text not null,
    kind text not null,
    client_order_id text not null,
    venue_order_id text,
    payload blob not null
)
""",
    "create index records_by_account on records(account_id, seq)",
    "create index records_by_client_order_id on records(client_order_id)",
)


class SqliteJournal:
    """A journal in one SQLite file. Raises RecordingError when a line can't be made durable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.close(descriptor)
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
            # Looked at under the write lock: another process may be making the same file.
            self._db.execute("begin immediate")
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version == 0:
                for statement in (*_SCHEMA, f"pragma user_version={SCHEMA_VERSION}"):
                    self._db.execute(statement)
            self._db.execute("commit")
        except sqlite3.DatabaseError as error:
            raise RecordingError(
                f"{self._path} can't be used as a journal ({error}): expected a Horizon journal or no file; "
                "move it away and start again",
                file=str(self._path),
            ) from error
        if version > SCHEMA_VERSION:
            raise ConfigurationError(
                f"the journal {self._path} has schema {version}, this version of Horizon knows up to {SCHEMA_VERSION}: "
                "install the newer Horizon, or choose another journal"
            )

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
            (r.time, r.exchange, r.account_id, r.kind.value, r.client_order_id, r.venue_order_id, r.payload)
            for r in records
        ]
        try:
            self._db.execute("begin immediate")
            self._db.executemany(
                "insert into records(time, exchange, account_id, kind, client_order_id, venue_order_id, payload) "
                "values(?,?,?,?,?,?,?)",
                rows,
            )
            self._db.execute("commit")
        except sqlite3.Error as error:
            if self._db.in_transaction:
                self._db.execute("rollback")
            raise RecordingError(
                f"the journal {self._path} could not be written ({error}): nothing was sent; free disk space or "
                "check the file's permissions",
                file=str(self._path),
            ) from error

    def records(self, *, account_id: AccountId | None = None) -> Iterator[JournalRecord]:
        """All lines in the order in which they were written, of one account if asked."""
        where, values = ("where account_id=?", (account_id,)) if account_id else ("", ())
        query = (
            "select time, exchange, account_id, kind, client_order_id, venue_order_id, payload "  # noqa: S608
            f"from records {where} order by seq"
        )
        for time, exchange, account, kind, client_id, venue_id, payload in self._db.execute(query, values):
            yield JournalRecord(
                time=time,
                exchange=exchange,
                account_id=AccountId(account),
                kind=RecordKind(kind),
                client_order_id=ClientOrderId(client_id),
                venue_order_id=None if venue_id is None else VenueOrderId(venue_id),
                payload=bytes(payload),
            )

    def close(self) -> None:
        self._db.close()
