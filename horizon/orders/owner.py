"""One owner per account: an operating system's lock beside the journal, held for as long as its process lives.

The lock ends with the process, however it ends. Who holds it is written into the locked file, for the sentence that
refuses a second one and for programs that want to reach the owner (`horizon.orders.control`).
"""

import os
from pathlib import Path

import msgspec

from horizon.clock import to_datetime
from horizon.errors import ConfigurationError, RecordingError
from horizon.file_lock import try_lock

_MOST_BYTES = 4096


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Who trades an account."""

    pid: int
    since: int
    run_id: str
    version: str
    exchange: str
    account_id: str
    control: str = ""
    """The socket at which it takes commands; empty when it takes none."""


class Ownership:
    """The lock, from the moment it is taken until `release`. Raises ConfigurationError when another process has it."""

    def __init__(self, journal: Path, owner: Owner) -> None:
        self.journal = journal
        self.path = _place(journal)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise _not_sure(self.path, error) from error
        try:
            is_ours = try_lock(self._file)
        except OSError as error:
            os.close(self._file)
            raise _not_sure(self.path, error) from error
        if not is_ours:
            os.close(self._file)
            raise _refusal(owner, owner_of(journal))
        try:
            self.note(owner)
        except BaseException:
            os.close(self._file)
            raise

    def note(self, owner: Owner) -> None:
        """Write down who holds the lock, for others to read."""
        content = msgspec.json.encode(owner)
        try:
            os.ftruncate(self._file, 0)
            os.lseek(self._file, 0, os.SEEK_SET)
            os.write(self._file, content)
        except OSError as error:
            raise RecordingError(
                f"{self.path} could not be written ({error.strerror or error}): free disk space", file=str(self.path)
            ) from error

    def release(self) -> None:
        """Let another have it. The file stays: to remove it would let two processes lock two files of one name."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def owner_of(journal: Path) -> Owner | None:
    """Who the lock's file names: the owner, if it lives, or one that was killed. None when it names nobody."""
    try:
        return msgspec.json.decode(_place(journal).read_bytes()[:_MOST_BYTES], type=Owner)
    except (OSError, msgspec.DecodeError):
        return None


def _place(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.owner")


def _not_sure(path: Path, error: OSError) -> RecordingError:
    return RecordingError(
        f"{path} can't be written or locked ({error.strerror or error}), so it is not sure that nobody else trades "
        "this account: make it and its folder writable, on a disk of this machine",
        file=str(path),
    )


def _refusal(wanted: Owner, holder: Owner | None) -> ConfigurationError:
    who = "another process, which has just started or is about to end,"
    if holder is not None:
        since = to_datetime(holder.since).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")
        who = f"process {holder.pid} (Horizon {holder.version}, run {holder.run_id}), since {since},"
    return ConfigurationError(
        f"account {wanted.account_id} at {wanted.exchange} is traded by {who} and one process trades an account at a "
        "time: end that one, send it orders with `horizon orders`, or open this one with read_only=True to only look"
    )
