"""Horizon's side of the comparison: one process, one client, calls on demand.

usage: client_calls.py PORT FINGERPRINT [CPU]

Each line of standard input is `{"call": ..., "count": ..., "in_flight": ...}`, each line of standard output the
latencies in microseconds and the seconds that all of them took. The client is the one that the adapter uses, its
limiter included, but without rules: at IBKR's ten requests a second there would be nothing to measure.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable

from fixed_answers import ACCOUNT, ROWS, SNAPSHOT_FIELDS, conids
from machine import pin

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping.quotes import quote
from exchanges.ibkr.wire.market_data import SnapshotRow
from exchanges.ibkr.wire.portfolio import PositionRow
from exchanges.ibkr.wire.session import Tickle
from horizon.clock import SystemClock
from horizon.model import Instrument
from horizon.net.rates import Priority, RateLimiter
from horizon.net.tls import PinnedCertificate

Call = Callable[[], Awaitable[object]]


class Calls:
    """The calls by name. Every answer is decoded into typed rows."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._snapshot = {"conids": ",".join(conids()), "fields": ",".join(SNAPSHOT_FIELDS)}

    async def tickle(self) -> Tickle:
        return await self._client.post("/tickle", Tickle, priority=Priority.KEEPALIVE)

    async def snapshot(self) -> list[SnapshotRow]:
        return await self._client.get("/iserver/marketdata/snapshot", list[SnapshotRow], params=self._snapshot)

    async def positions(self) -> list[PositionRow]:
        return await self._client.get(f"/portfolio/{ACCOUNT}/positions/0", list[PositionRow])

    async def check(self) -> None:
        """That the answers are the ones to be measured."""
        rows, held, alive = await self.snapshot(), await self.positions(), await self.tickle()
        assert len(rows) == ROWS, rows[:1]
        assert all(row.bid is not None and row.open is not None for row in rows)
        assert len(held) == ROWS
        assert held[-1].mktPrice
        assert alive.iserver is not None


async def measure(call: Call, count: int, in_flight: int) -> tuple[list[float], float]:
    """Latencies in microseconds, and the seconds from the first departure to the last answer."""
    latencies: list[float] = []

    async def several() -> None:
        for _ in range(count // in_flight):
            began = time.perf_counter()
            await call()
            latencies.append((time.perf_counter() - began) * 1e6)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(several())
    return latencies, time.perf_counter() - began


async def measure_mapping(calls: Calls, count: int) -> tuple[list[float], float]:
    """What it costs to make Quotes of the hundred rows of one snapshot."""
    rows = [(row, Instrument(f"ibkr:{row.conid}:LONG")) for row in await calls.snapshot()]
    now = SystemClock().now()
    latencies = []
    for _ in range(count):
        began = time.perf_counter()
        quotes = [quote(row, instrument, now) for row, instrument in rows]
        latencies.append((time.perf_counter() - began) * 1e6)
        assert len(quotes) == ROWS
    return latencies, sum(latencies) / 1e6


def main() -> None:
    port, fingerprint, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    clock = SystemClock()
    with asyncio.Runner() as runner:

        async def opened() -> Client:
            client = Client(
                f"https://127.0.0.1:{port}/v1/api",
                clock=clock,
                trust=PinnedCertificate(fingerprint),
                limiter=RateLimiter([], clock),
            )
            await client.open()
            return client

        client = runner.run(opened())
        calls = Calls(client)
        runner.run(calls.check())
        for line in sys.stdin:
            order = json.loads(line)
            used = time.process_time()
            if order["call"] == "mapping":
                latencies, seconds = runner.run(measure_mapping(calls, order["count"]))
            else:
                call = getattr(calls, order["call"])
                latencies, seconds = runner.run(measure(call, order["count"], order["in_flight"]))
            print(
                json.dumps({"microseconds": latencies, "seconds": seconds, "cpu": time.process_time() - used}),
                flush=True,
            )
        runner.run(client.close())


if __name__ == "__main__":
    main()
