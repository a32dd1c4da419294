"""Four processes of one user and a gateway that counts: together they keep the limits of one.

Run as a script, this file is one of those processes (see `main`).
"""

import asyncio
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.client import Client
from exchanges.ibkr.rates import limiter
from exchanges.ibkr.simulator import Simulator
from horizon.clock import NANOSECONDS, SystemClock
from horizon.errors import HorizonError, RateLimited
from horizon.net.rates import Priority
from horizon.simulation.faults import Fault, FaultPlan

ACCOUNTS = "/iserver/accounts"
HISTORY = "/iserver/marketdata/history?conid=756733&period=1d&bar=1h"
SECONDS = 2.5

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="a process is killed as only POSIX can"),
]


@asynccontextmanager
async def process(state: Path, base_url: str, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """One more program of the same user; it is gone when the block is left."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        base_url,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"XDG_STATE_HOME": str(state)},
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    pytest.fail("it did not come true in five seconds")


async def line_of(started: asyncio.subprocess.Process) -> Any:
    assert started.stdout is not None
    return json.loads(await started.stdout.readline())


async def results(state: Path, gateway: Simulator, calls: Sequence[tuple[str, ...]]) -> list[Any]:
    """What programs say that run at the same time, one for each of `calls`."""

    async def one(arguments: tuple[str, ...]) -> Any:
        async with process(state, gateway.base_url, *arguments) as started:
            return await line_of(started)

    return await asyncio.gather(*map(one, calls))


async def test_four_programs_that_ask_as_fast_as_they_may_are_never_refused(tmp_path: Path) -> None:
    hammer = ("hammer", ACCOUNTS, "KEEPALIVE", str(SECONDS))
    async with Simulator(plain_http=True) as gateway:
        said = await results(tmp_path, gateway, [hammer] * 4)
        assert gateway.rate_limited == 0
        counts = [each["counts"] for each in said]
        assert all(set(each) == {"answered"} for each in counts), counts
        times = [request.time / NANOSECONDS for request in gateway.requests]
    assert len(times) == sum(each["answered"] for each in counts)
    # ten at once, and then ten for each window and its margin, which is as much as one program alone would get
    span = max(times) - min(times)
    assert 7 * span <= len(times) <= 10 * (span + 1)


async def test_a_429_that_one_program_gets_stops_all(tmp_path: Path) -> None:
    refused = Fault(match="GET */trsrv/stocks", action="status", status=429)
    hammer = ("hammer", ACCOUNTS, "POLLING", "20")
    async with Simulator(plain_http=True, faults=FaultPlan([refused])) as gateway:
        said = await results(tmp_path, gateway, [hammer, hammer, hammer, ("after", "0.5", "/trsrv/stocks?symbols=SPY")])
        answered = list(gateway.requests)
    *others, culprit = said
    assert culprit["counts"] == {"RateLimited": 1}
    assert all(each["counts"]["RateLimited"] >= 1 for each in others), others
    assert all(each["penalties"] == 1 for each in others)
    (refusal,) = [request for request in answered if request.status == 429]
    # what had left when the answer came is all that follows it
    late = [request for request in answered if request.time > refusal.time]
    assert len(late) <= 10
    assert all(request.time - refusal.time < 0.5 * NANOSECONDS for request in late)


async def test_a_killed_program_leaves_its_places_to_the_others(tmp_path: Path) -> None:
    hangs = Fault(match="GET */marketdata/history", action="silence", seconds=60, times=5)
    async with Simulator(plain_http=True, faults=FaultPlan([hangs])) as gateway:
        async with process(tmp_path, gateway.base_url, "hold", HISTORY, "5") as holder:
            assert await line_of(holder) == "asking"
            await until(lambda: len(gateway.faults.applied) == 5)
            (full,) = await results(tmp_path, gateway, [("after", "0", HISTORY, "0.5")])
            assert full["counts"] == {"RateLimited": 1}
            holder.kill()
            await holder.wait()
        (freed,) = await results(tmp_path, gateway, [("after", "0", HISTORY, "5")])
        assert freed["counts"] == {"answered": 1}
        assert gateway.rate_limited == 0


# -- the process -----------------------------------------------------------------------------------------------------


async def main(base_url: str, how: str, *arguments: str) -> None:
    """`hammer PATH PRIORITY SECONDS`, `after SECONDS PATH [MOST SECONDS TO WAIT]`, or `hold PATH TIMES`.

    Hammering ends with the first 429. Prints one JSON object: what became of the calls, and the penalties told.
    """
    clock = SystemClock()
    counts: Counter[str] = Counter()
    told: list[float] = []
    client = Client(base_url, clock=clock, limiter=limiter(base_url, clock, shared=True))
    client.limiter.on_penalty = told.append

    async def ask(path: str, priority: Priority = Priority.POLLING, timeout: float = 30.0) -> None:
        target, _, query = path.partition("?")
        params = dict(each.split("=") for each in query.split("&")) if query else None
        try:
            await client.get(target, dict, params=params, priority=priority, timeout=timeout)
        except HorizonError as error:
            counts[type(error).__name__] += 1
            if not isinstance(error, RateLimited) or not client.limiter.closed_for:
                raise
        else:
            counts["answered"] += 1

    async def repeat(path: str, priority: Priority, until: float) -> None:
        while clock.monotonic() < until and not client.limiter.closed_for:
            await ask(path, priority, timeout=10.0)

    try:
        async with asyncio.TaskGroup() as tasks:
            if how == "hammer":
                path, priority, seconds = arguments
                for _ in range(5):
                    tasks.create_task(repeat(path, Priority[priority], clock.monotonic() + float(seconds)))
            elif how == "after":
                seconds, path, *most = arguments
                await clock.sleep(float(seconds))
                await client.get(ACCOUNTS, dict)
                tasks.create_task(ask(path, timeout=float(most[0]) if most else 30.0))
            else:
                path, times = arguments
                await client.get(ACCOUNTS, dict)
                print(json.dumps("asking"), flush=True)
                for _ in range(int(times)):
                    tasks.create_task(ask(path))
    except* HorizonError as group:
        print(group.exceptions, file=sys.stderr)
    await client.close()
    print(json.dumps({"counts": counts, "penalties": len(told)}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
