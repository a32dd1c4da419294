"""The journal's tables, version by version, and the way from one version to the next.

Version 2 added `subject`, split a prompt from its answer, and refuses changes of lines that are written. Version 3
finds unsettled orders by an index.
"""

import sqlite3

SCHEMA_VERSION = 3

COLUMNS = "time, exchange, account_id, kind, client_order_id, venue_order_id, subject, payload"

_FIRST = (
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
_SECOND = (
    "alter table records add column subject text not null default ''",
    # a line "prompt" of version 1 held the answer, with the venue's question in it
    "update records set kind = 'answer' where kind = 'prompt'",
    """
update records set subject = coalesce(json_extract(payload, '$.rule'), '')
where kind = 'refused' and json_valid(payload)
""",
    # a state is looked up by its strategy; an index over all lines would cost every order something
    "create index states_by_subject on records(subject, account_id, seq) where kind = 'state'",
    """
create trigger records_are_not_changed before update on records
begin select raise(abort, 'the journal is append-only'); end
""",
    """
create trigger records_are_not_removed before delete on records
begin select raise(abort, 'the journal is append-only'); end
""",
)
_THIRD = (
    # which orders are not settled is told by this index alone, without the lines
    "create index orders_by_kind on records(account_id, client_order_id, kind)",
)
_STEPS = (_FIRST, _SECOND, _THIRD)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring tables of an older `version` (0 is an empty file) to this one, inside the caller's transaction."""
    for step in _STEPS[version:]:
        for statement in step:
            db.execute(statement)
    db.execute(f"pragma user_version={SCHEMA_VERSION}")
