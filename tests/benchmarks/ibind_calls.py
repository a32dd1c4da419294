"""ibind's side of the comparison: the same calls by the same protocol as `client_calls.py`, in ibind's environment.

usage: ibind_calls.py PORT CERTIFICATE [CPU]

Its logs are off, which favours it. Ten in flight are ten threads, because ibind is synchronous.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fixed_answers import ACCOUNT, ROWS, SNAPSHOT_FIELDS, conids
from machine import pin

os.environ |= {"IBIND_LOG_TO_CONSOLE": "0", "IBIND_LOG_TO_FILE": "0"}
from ibind import IbkrClient


def timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return (time.perf_counter() - began) * 1e6


def measure(call: Callable[[], object], count: int, in_flight: int) -> tuple[list[float], float]:
    """Latencies in microseconds, and the seconds from the first departure to the last answer."""
    began = time.perf_counter()
    if in_flight == 1:
        return [timed(call) for _ in range(count)], time.perf_counter() - began

    def several(_: int) -> list[float]:
        return [timed(call) for _ in range(count // in_flight)]

    with ThreadPoolExecutor(in_flight) as threads:
        began = time.perf_counter()
        latencies = [each for found in threads.map(several, range(in_flight)) for each in found]
        return latencies, time.perf_counter() - began


def main() -> None:
    port, certificate, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    client = IbkrClient(
        url=f"https://127.0.0.1:{port}/v1/api/",
        account_id=ACCOUNT,
        cacert=certificate,
        use_oauth=False,
        auto_register_shutdown=False,
    )
    wanted, fields = conids(), list(SNAPSHOT_FIELDS)
    calls: dict[str, Callable[[], object]] = {
        "tickle": client.tickle,
        "snapshot": lambda: client.live_marketdata_snapshot(wanted, fields).data,
        "positions": lambda: client.positions(account_id=ACCOUNT, page=0).data,
    }
    assert len(client.live_marketdata_snapshot(wanted, fields).data) == ROWS
    assert len(client.positions(account_id=ACCOUNT, page=0).data) == ROWS
    for line in sys.stdin:
        order = json.loads(line)
        used = time.process_time()
        latencies, seconds = measure(calls[order["call"]], order["count"], order["in_flight"])
        print(
            json.dumps({"microseconds": latencies, "seconds": seconds, "cpu": time.process_time() - used}), flush=True
        )


if __name__ == "__main__":
    main()
