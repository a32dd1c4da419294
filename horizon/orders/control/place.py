"""Where a control socket is: in a folder of this user alone, at a path that is short enough for the system."""

import hashlib
import os
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

from horizon.directories import state_directory

_LONGEST = 100
"""Bytes; systems take 104 or 108 with the end mark."""
_LOCAL_PEERCRED = 0x001
_SOL_LOCAL = 0


def socket_place(journal: Path) -> Path | None:
    """A path for the socket of a journal's owner; None where no folder will do. The folder is made."""
    name = f"{hashlib.sha256(str(journal.absolute()).encode()).hexdigest()[:16]}.sock"
    for folder in _folders():
        path = folder / name
        if len(os.fsencode(path)) <= _LONGEST and _is_ours(folder):
            return path
    return None


def _folders() -> list[Path]:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    found = [Path(runtime) / "horizon"] if runtime else []
    return [*found, state_directory() / "control", Path(tempfile.gettempdir()) / f"horizon-{os.getuid()}"]


def _is_ours(folder: Path) -> bool:
    """Whether the folder is there, belongs to this user, and no other user may look into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) & 0o077 == 0


def peer_uid(connection: socket.socket) -> int | None:
    """The user at the other end; None where the system doesn't tell."""
    if sys.platform != "darwin" and hasattr(socket, "SO_PEERCRED"):
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    if sys.platform == "darwin":
        # struct xucred: version, user id, number of groups, groups
        credentials = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, struct.calcsize("2Ih16I"))
        return int(struct.unpack_from("2I", credentials)[1])
    return None
