"""What a running program leaves word of about its session, for whoever looks at it from another one.

A program that only looks can't know how long a tier has been up, nor when the session was last kept alive; and with
OAuth it would have to sign in to ask at all. So an open session writes a small file at each keep-alive and at each
change, and removes it when it is closed. It holds nothing secret.
"""

import logging
import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from exchanges.ibkr.auth.protocol import Auth, CountsSignIns
from exchanges.ibkr.rates import limits_key
from horizon.directories import state_directory
from horizon.model import SessionState

_SUFFIX = ".json"
_logger = logging.getLogger(__name__)


class SessionNote(msgspec.Struct, frozen=True, kw_only=True):
    """One open session of one program. Moments are integer nanoseconds."""

    pid: int
    written: int
    keep_alive: int | None
    """When the venue last answered a keep-alive."""
    token_expires: int | None
    state: SessionState


class SessionNotes:
    """The notes about one login at one address: `write` and `remove` this program's, `read` another one's."""

    def __init__(self, base_url: str, auth: Auth, directory: Path | None = None) -> None:
        self._folder = directory or state_directory() / "ibkr" / "sessions"
        login = auth.login[:16] if isinstance(auth, CountsSignIns) else type(auth).__name__.lower()
        self._name = f"{limits_key(base_url)}-{login}"

    def write(self, *, now: int, keep_alive_age: float | None, token_expires: int | None, state: SessionState) -> None:
        """Leave word; a file that can't be written is a line in the log and nothing else."""
        note = SessionNote(
            pid=os.getpid(),
            written=now,
            keep_alive=None if keep_alive_age is None else now - round(keep_alive_age * 1e9),
            token_expires=token_expires,
            state=state,
        )
        file = self._file(note.pid)
        fresh = file.with_suffix(".new")
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh.write_bytes(msgspec.json.encode(note))
            fresh.replace(file)
        except OSError as error:
            _logger.debug("the note about the session can't be written to %s: %s", file, error.strerror)

    def remove(self) -> None:
        """The session of this program is closed."""
        with suppress(OSError):
            self._file(os.getpid()).unlink(missing_ok=True)

    def read(self) -> SessionNote | None:
        """The newest note of a program that runs; what a program left that was killed is swept away."""
        found: list[SessionNote] = []
        for file in self._folder.glob(f"{self._name}-*{_SUFFIX}"):
            try:
                note = msgspec.json.decode(file.read_bytes(), type=SessionNote)
            except (OSError, msgspec.DecodeError) as error:
                _logger.debug("the note at %s can't be read (%s)", file, type(error).__name__)
                continue
            if _is_running(note.pid):
                found.append(note)
            else:
                with suppress(OSError):
                    file.unlink()
        return max(found, key=lambda note: note.written, default=None)

    def _file(self, pid: int) -> Path:
        return self._folder / f"{self._name}-{pid}{_SUFFIX}"


def _is_running(pid: int) -> bool:
    if sys.platform == "win32":
        # there is no harmless way to ask: an old note is told by its age
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
