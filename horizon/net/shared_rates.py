"""One set of request windows for every process of this user that talks to one venue.

A small file per host holds the calls that still count and the penalty of a 429. Whoever admits a call holds the file's
lock for as long as it takes to read, decide and write: some ten microseconds. A process that dies keeps nothing: its
lock goes with it, its calls leave the windows in time, and its places among calls at once are free as soon as its
process id is gone (where that cannot be asked, after ten minutes). A file that can't be read is taken for full windows.
"""

import logging
import os
import socket
import sys
import uuid
import zlib
from contextlib import suppress
from pathlib import Path
from struct import Struct

import msgspec

from horizon.file_lock import try_lock, unlock
from horizon.net.rate_state import RateState, Stored

PAUSE = 0.25
"""Seconds between two looks at the file while only another process's answer helps."""
STOPPED_AFTER = 1.0
"""Seconds after which a process that holds the lock is taken to be stopped, and is not waited for."""
IDLE_SECONDS = 86_400.0
"""A file that was not written for so long belongs to nobody: no window and no penalty is that long."""
SUFFIX = ".rates"

_HEADER = Struct("<4sII")
_MAGIC = b"HZR1"
_LARGEST = 1 << 20
_TRIES = 200

_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Stored)
_logger = logging.getLogger(__name__)


class SharedRates:
    """The windows in the file at `path`, for one limiter. The file and its folder are made when they are needed.

    A folder that can't be written to is said once in the log, and the limiter is then on its own.
    """

    pause = PAUSE

    def __init__(self, path: Path) -> None:
        self.path = path
        self.owner = f"{socket.gethostname()}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._file: int | None = None
        self._broken = False
        self._locked = False
        self._busy_since: float | None = None

    def __repr__(self) -> str:
        return f"SharedRates({str(self.path)!r})"

    def begin(self, state: RateState, now: float) -> bool:
        """Take the lock and let `state` know what other processes did. False: another process has it, ask again."""
        if self._broken:
            return True
        try:
            file = self._acquire()
            if file is None:
                return self._is_stopped(now)
            self._busy_since = None
            self._read(file, state, now)
        except OSError as error:
            self._give_up(error)
        return True

    def end(self, state: RateState, now: float) -> None:
        """Let the others know what `state` knows, and release the lock."""
        if not self._locked or self._file is None:
            return
        try:
            if state.changed:
                body = _encode(state.stored(now))
                os.lseek(self._file, 0, os.SEEK_SET)
                os.write(self._file, _HEADER.pack(_MAGIC, len(body), zlib.crc32(body)) + body)
                state.saved()
            self._locked = False
            unlock(self._file)
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Let go of the file. The next call opens it again."""
        self._locked = False
        if self._file is not None:
            os.close(self._file)
            self._file = None

    # -- inside --------------------------------------------------------------------------------------------------

    def _acquire(self) -> int | None:
        """The file, locked; None while somebody else has the lock."""
        while True:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o600)
            if not any(try_lock(self._file) for _ in range(_TRIES)):
                return None
            self._locked = True
            if os.fstat(self._file).st_nlink:
                return self._file
            self.close()  # swept away between opening and locking: a new one is there, or will be

    def _read(self, file: int, state: RateState, now: float) -> None:
        os.lseek(file, 0, os.SEEK_SET)
        content = os.read(file, _LARGEST)
        # a file that is new, or was swept away, knows no more than this process does
        stored = _decoded(content) if content else state.stored(now)
        if stored is not None:
            state.merge(stored, now, self._is_alive)
            return
        _logger.warning("%s can't be read: every request window is taken for full", self.path)
        state.merge(state.stored(now), now, self._is_alive)
        state.assume_full(now)

    def _is_stopped(self, now: float) -> bool:
        """Whether to go on without the lock: who holds it for so long is not running."""
        if self._busy_since is None or self._busy_since > now:
            self._busy_since = now
        return now - self._busy_since >= STOPPED_AFTER

    def _is_alive(self, owner: str) -> bool:
        host, _, rest = owner.partition("/")
        process = rest.partition("/")[0]
        if host != self.owner.partition("/")[0] or not process.isdecimal() or sys.platform == "win32":
            return True
        try:
            os.kill(int(process), 0)
        except ProcessLookupError:
            return False
        except OSError:
            return True
        return True

    def _give_up(self, error: OSError) -> None:
        self._broken = True
        _logger.warning(
            "request limits are not shared with other processes, because %s can't be used: %s",
            self.path,
            error.strerror or error,
        )
        with suppress(OSError):
            self.close()


def is_whole(path: Path) -> bool | None:
    """Whether a file of windows can be read; None when there is none, or nothing in it yet."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError:
        return False
    return _decoded(content) is not None if content else None


def remove_idle(folder: Path, now: int) -> None:
    """Remove the files of hosts that nobody has talked to for a day, such as simulators on ports of their own."""
    for path in folder.glob(f"*{SUFFIX}"):
        # another process may be doing the same, and an open file stays where it is on Windows
        with suppress(OSError):
            if now / 1e9 - path.stat().st_mtime > IDLE_SECONDS:
                path.unlink()


def _decoded(content: bytes) -> Stored | None:
    """What a file says; None when it is not whole."""
    if len(content) < _HEADER.size:
        return None
    magic, length, check = _HEADER.unpack_from(content)
    body = content[_HEADER.size : _HEADER.size + length]
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != check:
        return None
    try:
        return _decoder.decode(body)
    except msgspec.DecodeError:
        return None
