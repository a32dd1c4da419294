"""What a place in the request limiter costs, and how exactly it is given: alone, and shared with other processes.

usage: limiter_speed.py FOLDER COUNT WAITS [CPU]

Prints one JSON object of lists of microseconds. `private` and `shared` are whole slots, entered and left, of the
venue's own table; `admission` is the entering of a shared one. `semaphore` is a bare asyncio.Semaphore, `flock` the two
locks of a file that a shared slot takes, with nothing read or written. The clock of these is moved on by hand between
two calls, so that nobody waits. `late` is how long after the permitted instant a waiting call was admitted, `sleep` how
late the event loop itself wakes; both on the machine's clock. Ends with status 1 when a call was admitted too early.
"""

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from machine import pin

from exchanges.ibkr.rates import RULES
from horizon.clock import NANOSECONDS, SystemClock
from horizon.net.rates import RateLimiter, RateRule, SharedRates

with contextlib.suppress(ImportError):
    import fcntl

ENDPOINT = "GET /iserver/marketdata/snapshot"
STEP = 0.15
"""Seconds between two calls: the windows are nearly full, and nobody waits."""
WINDOW = 0.02
Slot = Callable[[], AbstractAsyncContextManager[object]]


class SteppingClock(SystemClock):
    """Stands still unless it is moved on."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def now(self) -> int:
        return round(self.seconds * NANOSECONDS)

    def monotonic(self) -> float:
        return self.seconds


async def slots(count: int, slot: Slot, clock: SteppingClock) -> tuple[list[float], list[float]]:
    """Microseconds of whole slots, and of their entering."""
    whole, entered = [], []
    for _ in range(count):
        clock.seconds += STEP
        began = time.perf_counter()
        async with slot():
            inside = time.perf_counter()
        whole.append((time.perf_counter() - began) * 1e6)
        entered.append((inside - began) * 1e6)
    return whole, entered


def bare_locks(count: int, path: Path) -> list[float]:
    if "fcntl" not in globals():
        return []
    taken = []
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    for _ in range(count):
        began = time.perf_counter()
        for _ in range(2):
            fcntl.flock(file, fcntl.LOCK_EX)
            fcntl.flock(file, fcntl.LOCK_UN)
        taken.append((time.perf_counter() - began) * 1e6)
    os.close(file)
    return taken


async def lateness(waits: int, shared: SharedRates | None) -> list[float]:
    """Microseconds from the permitted instant to the admission, for calls that wait their turn."""
    clock = SystemClock()
    rule = RateRule(name="one", limit=1, seconds=WINDOW)
    limiter = RateLimiter([rule], clock, shared=shared)
    late, permitted = [], 0.0
    for _ in range(waits + 1):
        async with limiter.slot("GET /x"):
            late.append((time.perf_counter() - permitted) * 1e6)
        permitted = time.perf_counter() + rule.occupancy
    # the answer was counted a little before this process looked at its own clock
    if min(late) < -100:
        raise SystemExit(f"a call was admitted {-min(late):.0f} us too early")
    return late[1:]


async def lateness_of_sleep(waits: int) -> list[float]:
    late = []
    for _ in range(waits):
        due = time.perf_counter() + 2 * WINDOW
        await asyncio.sleep(2 * WINDOW)
        late.append((time.perf_counter() - due) * 1e6)
    return late


async def main(folder: Path, count: int, waits: int) -> None:
    clock, semaphore = SteppingClock(), asyncio.Semaphore(10)
    private = RateLimiter(RULES, clock)
    shared = RateLimiter(RULES, clock, shared=SharedRates(folder / "speed.rates"))
    for limiter in (private, shared):
        await slots(count // 10, lambda limiter=limiter: limiter.slot(ENDPOINT), clock)
    of_shared, admission = await slots(count, lambda: shared.slot(ENDPOINT), clock)
    found = {
        "private": (await slots(count, lambda: private.slot(ENDPOINT), clock))[0],
        "shared": of_shared,
        "admission": admission,
        "semaphore": (await slots(count, lambda: semaphore, clock))[0],
        "flock": bare_locks(count, folder / "bare.lock"),
        "late_private": await lateness(waits, None),
        "late_shared": await lateness(waits, SharedRates(folder / "late.rates")),
        "late_sleep": await lateness_of_sleep(waits),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    place, calls, turns, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    asyncio.run(main(Path(place), int(calls), int(turns)))
