"""Which processes of a group are alive, so that only what was started here is ever ended.

A process id is used again after its process has ended, so an id is only believed together with the moment at which its
process began. Linux tells both in /proc, macOS through `ps`.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from horizon.clock import Clock

_BETWEEN_LOOKS: Final = 0.1
_PS: Final = "/bin/ps"


class Process(msgspec.Struct, frozen=True):
    """One live process."""

    pid: int
    group: int
    began: str
    """When, in the words of the operating system: only good for comparing."""


async def group_members(group: int) -> tuple[Process, ...]:
    """The processes of a group that are alive; those that have ended and were not collected yet are not."""
    table = _from_proc() if sys.platform == "linux" else await _from_ps()
    return tuple(process for process in table if process.group == group)


async def still_running(known: Sequence[Process]) -> tuple[Process, ...]:
    """Those of some processes that are still the same ones."""
    if not known:
        return ()
    alive = set(await group_members(known[0].group))
    return tuple(process for process in known if process in alive)


async def end_group(known: Sequence[Process], clock: Clock, *, patience: float) -> bool:
    """End the group that some processes belong to: SIGTERM, and SIGKILL after `patience` seconds. Whether it had to
    be killed. Nothing is signalled unless one of `known` is still the same process."""
    if not await still_running(known):
        return False
    group = known[0].group
    _signal(group, signal.SIGTERM)
    if await _gone(group, clock, patience):
        return False
    _signal(group, signal.SIGKILL)
    await _gone(group, clock, patience)
    return True


async def _gone(group: int, clock: Clock, seconds: float) -> bool:
    until = clock.monotonic() + seconds
    while await group_members(group):
        if clock.monotonic() >= until:
            return False
        await clock.sleep(_BETWEEN_LOOKS)
    return True


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _from_proc() -> Iterator[Process]:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "stat").read_text("utf-8", "replace")
        except OSError:
            continue  # it has ended meanwhile
        # the second field is the program's name, which may hold blanks and brackets
        state, _, group, *rest = text.rpartition(")")[2].split()
        if state not in "ZX":
            yield Process(int(entry.name), int(group), f"{boot} {rest[16]}")


async def _from_ps() -> list[Process]:
    asked = await asyncio.create_subprocess_exec(
        _PS, "-A", "-o", "pid=,pgid=,stat=,lstart=",
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env={"LC_ALL": "C", "TZ": "UTC"},
    )  # fmt: skip
    output, _ = await asked.communicate()
    return list(from_ps_lines(output.decode("ascii", "replace").splitlines()))


def from_ps_lines(lines: Sequence[str]) -> Iterator[Process]:
    """Processes from the lines of `ps -o pid=,pgid=,stat=,lstart=`."""
    for line in lines:
        pid, group, state, *began = line.split()
        if not state.startswith("Z"):
            yield Process(int(pid), int(group), " ".join(began))
