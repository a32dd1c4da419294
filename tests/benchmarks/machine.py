"""The machine that is measured on: where processes run, and one line that says what it is. Standard library only."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager


def pin(cpu: int | None) -> None:
    """Keep this process on one CPU, where the operating system allows it."""
    if cpu is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})


@contextmanager
def children_pinned(cpu: int | None) -> Iterator[None]:
    """A block in which every process that is started inherits one CPU."""
    before = usable_cpus()
    pin(cpu)
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


def usable_cpus() -> list[int]:
    """The CPUs this process may use; empty where the operating system does not say which."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def busy() -> float | None:
    """Processes that want a CPU, averaged over the last minute; None where nobody counts them."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def description() -> str:
    """System, processor, number of usable CPUs and Python, in one line."""
    count = len(usable_cpus()) or os.cpu_count() or 0
    return (
        f"{platform.system()} {platform.machine()}, {count} CPU{'' if count == 1 else 's'}, "
        f"{platform.python_implementation()} {platform.python_version()}"
    )
