"""Whether a port can be listened at, and who does already."""

import asyncio
import errno
import os
import shutil
import socket
import sys
from pathlib import Path

from horizon.errors import ConfigurationError

_LISTENING = "0A"


async def refuse_taken_port(port: int) -> None:
    """Raise ConfigurationError when the gateway could not listen at a port, with the program that does, if known."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                who = await listener_at(port)
                airplay = port == 5000 and sys.platform == "darwin" and not who
                by = f" by {who}" if who else " (on macOS by AirPlay Receiver, as a rule)" if airplay else ""
                raise ConfigurationError(
                    f"expected port {port} to be free for the gateway, found it taken{by}: end that program, or take "
                    f"another port with --port"
                ) from None
            raise ConfigurationError(
                f"expected a port that this user may listen at, found {port} ({error.strerror}): take another with "
                f"--port"
            ) from None


async def listener_at(port: int) -> str:
    """`name (pid 123)` of the program that listens at a port; empty when that is not this user's to know."""
    return _from_proc(port) if sys.platform == "linux" else await _from_lsof(port)


def _from_proc(port: int) -> str:
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(_target(each) in sockets for each in descriptors.iterdir()):
                name = (descriptors.parent / "comm").read_text("utf-8", "replace").strip()
                return f"{name} (pid {descriptors.parent.name})"
        except OSError:
            continue  # another user's, or ended meanwhile
    return ""


def _target(descriptor: Path) -> str:
    try:
        return os.readlink(descriptor)
    except OSError:
        return ""  # closed meanwhile


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if table.exists():
            for line in table.read_text("ascii").splitlines()[1:]:
                _, local, _, state, *rest = line.split()
                if state == _LISTENING and int(local.rpartition(":")[2], 16) == port:
                    found.add(rest[5])
    return found


async def _from_lsof(port: int) -> str:
    lsof = shutil.which("lsof")
    if lsof is None:
        return ""
    asked = await asyncio.create_subprocess_exec(
        lsof, "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, _ = await asked.communicate()
    return from_lsof_lines(output.decode("utf-8", "replace").splitlines())


def from_lsof_lines(lines: list[str]) -> str:
    """`name (pid 123)` from the lines of `lsof -Fpc`: `p123`, then `cname`."""
    fields = {line[:1]: line[1:] for line in reversed(lines)}
    return f"{fields['c']} (pid {fields['p']})" if {"p", "c"} <= fields.keys() else ""
