"""Reading a journal while its owner writes it: for people and pages, never for recovery.

Nothing is made or changed, and nothing is held open between two reads, which would keep the owner's log from being
written from its start again.
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from horizon.errors import ConfigurationError, RecordingError
from horizon.orders.journal import check_version, record_of, unreadable
from horizon.orders.journal_schema import COLUMNS, SCHEMA_VERSION
from horizon.ports import JournalRecord, RecordKind

_PAGE = 1_000
_OLDEST = 2
"""The first version whose lines have these columns; later ones added indexes."""


class JournalReader:
    """Lines of one journal, from the first or from where the last look ended.

    Raises RecordingError for a file that is missing, damaged or no journal, ConfigurationError for one of a version
    that has to be migrated first or is newer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        """The sequence number of the last line that was looked at."""

    def new_lines(
        self, *, since: int = 0, order: str = "", kinds: Collection[RecordKind] = ()
    ) -> Iterator[JournalRecord]:
        """Lines after `position`, from the time `since` (ns) on, about one order, of some kinds.

        `order` is a client or a venue order id.
        """
        where = ["seq > ?", "seq <= ?", "time >= ?"]
        values: list[object] = [since]
        if order:
            where.append("(client_order_id = ? or venue_order_id = ? or (kind = 'link' and subject = ?))")
            values += [order] * 3
        if kinds:
            where.append(f"kind in ({','.join('?' * len(kinds))})")
            values += [kind.value for kind in kinds]
        query = f"select seq, {COLUMNS} from records where {' and '.join(where)} order by seq limit {_PAGE}"  # noqa: S608
        end = self._end()
        while True:
            rows = self._rows(query, (self.position, end, *values))
            for seq, *columns in rows:
                self.position = seq
                yield self._record(columns)
            if len(rows) < _PAGE:
                self.position = end
                return

    def _end(self) -> int:
        rows = self._rows("select coalesce(max(seq), 0) from records", ())
        return int(rows[0][0])

    def _rows(self, query: str, values: tuple[object, ...]) -> list[Sequence[Any]]:
        if not self.path.is_file():
            raise RecordingError(f"expected a journal at {self.path}, found no file", file=str(self.path))
        try:
            db = sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
            try:
                (version,) = db.execute("pragma user_version").fetchone()
                check_version(self.path, version)
                if version < _OLDEST:
                    raise ConfigurationError(
                        f"the journal {self.path} has schema {version}, expected {_OLDEST} to {SCHEMA_VERSION}: it is "
                        "brought there when its account is opened to trade the next time"
                    )
                return db.execute(query, values).fetchall()
            finally:
                db.close()
        except sqlite3.DatabaseError as error:
            raise unreadable(self.path, error) from error

    def _record(self, columns: Sequence[Any]) -> JournalRecord:
        try:
            return record_of(columns)
        except ValueError as error:
            raise unreadable(self.path, error) from error
