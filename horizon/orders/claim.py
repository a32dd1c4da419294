"""What makes this process the one that trades an account: the lock, and the journal with a line that says so."""

import os
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import msgspec

from horizon.clock import Clock
from horizon.directories import state_directory
from horizon.model import AccountId
from horizon.orders.control.server import ControlServer, Obey
from horizon.orders.journal import SqliteJournal
from horizon.orders.owner import Owner, Ownership, owner_of
from horizon.ports import Journal, JournalRecord, RecordKind


def journal_path(exchange: str, account_id: str) -> Path:
    """Where an account's journal is, unless somebody says otherwise."""
    return state_directory() / "orders" / f"{exchange}-{account_id}.sqlite"


class Claim:
    """A journal, and for one in a file the ownership of what it is about.

    A journal in a place of its own (a path that was handed in) is owned by itself: accounts of embedded gateways do
    not stand in each other's way. A Journal object that was handed in belongs to whoever made it.
    Raises ConfigurationError when another process trades the account, RecordingError when nothing can be written.
    """

    def __init__(
        self, place: Journal | Path | None, *, exchange: str, account_id: AccountId, run_id: str, clock: Clock
    ) -> None:
        self.owner = Owner(
            pid=os.getpid(),
            since=clock.now(),
            run_id=run_id,
            version=_version(),
            exchange=exchange,
            account_id=account_id,
        )
        self.journal: Journal
        self._ownership: Ownership | None = None
        self._control: ControlServer | None = None
        if place is not None and not isinstance(place, Path):
            self.journal = place
            return
        path = place or journal_path(exchange, account_id)
        self._ownership = Ownership(path, self.owner)
        try:
            self.journal = SqliteJournal(path)
            self._record()
        except BaseException:
            self._ownership.release()
            raise

    async def listen(self, obey: Obey) -> None:
        """Take commands of other programs of this user, and let them know where."""
        if self._ownership is not None:
            self._control = ControlServer(obey)
            self.owner = msgspec.structs.replace(self.owner, control=await self._control.open(self._ownership.journal))
            self._ownership.note(self.owner)

    async def release(self) -> None:
        if self._control is not None:
            await self._control.close()
        self.journal.close()
        if self._ownership is not None:
            self._ownership.release()
            self._ownership = None

    def _record(self) -> None:
        opened = JournalRecord(
            time=self.owner.since,
            exchange=self.owner.exchange,
            account_id=AccountId(self.owner.account_id),
            kind=RecordKind.OWNER,
            subject=self.owner.run_id,
            payload=msgspec.json.encode(self.owner),
        )
        self.journal.commit([opened])


def refuse_if_owned(place: Journal | Path | None, exchange: str, account_id: str, clock: Clock) -> None:
    """Raise ConfigurationError when another process trades an account, before anything is asked of its venue.

    Says nothing about an account that nobody has traded from here yet.
    """
    path = journal_path(exchange, account_id) if place is None else place
    if not isinstance(path, Path) or owner_of(path) is None:
        return
    asking = Owner(
        pid=os.getpid(), since=clock.now(), run_id="", version=_version(), exchange=exchange, account_id=account_id
    )
    Ownership(path, asking).release()


def _version() -> str:
    try:
        return version("horizon-trading")
    except PackageNotFoundError:
        # taken from a folder that was never installed
        return "unknown"
