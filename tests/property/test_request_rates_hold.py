"""However slow the network: a server that counts strictly, at its own clock, never sees a call too many."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from horizon.net.rates import LATENCY, Priority, RateLimiter, RateRule, SharedRates
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
RULES = (
    RateRule(name="everything", limit=4, seconds=1.0, reserved=1),
    RateRule(name="rows", limit=1, seconds=5.0, endpoints=("GET /rows",)),
    RateRule(name="charts", concurrent=2, endpoints=("/charts/*",)),
)
ENDPOINTS = ("GET /rows", "GET /charts/1", "POST /orders", "GET /other")

Call = tuple[float, str, Priority, float, float, bool]
calls = st.lists(
    st.tuples(
        st.floats(0, 4),  # when it is asked for
        st.sampled_from(ENDPOINTS),
        st.sampled_from(Priority),
        st.floats(0, LATENCY),  # until it arrives at the server
        st.floats(0, 3),  # until the answer is back
        st.booleans(),  # given up halfway
    ),
    min_size=1,
    max_size=30,
)


class Server:
    """Keeps when each call arrived, and how many were there at once."""

    def __init__(self) -> None:
        self.arrivals: list[tuple[float, str]] = []
        self.charts = 0
        self.most_charts = 0


async def play(asked: list[Call], sharing: int = 0) -> tuple[Server, list[RateLimiter]]:
    """What reaches the server through one limiter, or through several that share a file as processes do."""
    clock, server = ScriptedClock(START), Server()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "host.rates"
        limiters = [RateLimiter(RULES, clock, shared=SharedRates(file)) for _ in range(sharing)]
        limiters = limiters or [RateLimiter(RULES, clock)]
        await play_through(limiters, asked, clock, server)
        for limiter in limiters:
            limiter.close()
    return server, limiters


async def play_through(limiters: list[RateLimiter], asked: list[Call], clock: ScriptedClock, server: Server) -> None:
    async def call(
        limiter: RateLimiter,
        start: float,
        endpoint: str,
        priority: Priority,
        travel: float,
        answer: float,
        gives_up: bool,
    ) -> None:
        await clock.sleep(start)
        try:
            async with clock.deadline(1.5 if gives_up else None), limiter.slot(endpoint, priority):
                departed = clock.monotonic()
                # Once sent, it arrives even when nobody waits for the answer any more.
                server.arrivals.append((departed + travel, endpoint))
                charts = "charts" in endpoint
                server.charts += charts
                server.most_charts = max(server.most_charts, server.charts)
                try:
                    await clock.sleep(max(travel, 0.001) + answer)
                finally:
                    server.charts -= charts
        except TimeoutError:
            assert gives_up

    async with clock.running(), asyncio.TaskGroup() as tasks:
        for number, each in enumerate(asked):
            tasks.create_task(call(limiters[number % len(limiters)], *each))


def most_in_a_window(times: list[float], seconds: float) -> int:
    times = sorted(times)
    return max(sum(1 for other in times if first <= other < first + seconds) for first in times) if times else 0


@settings(max_examples=150, deadline=None)
@given(calls, st.sampled_from([0, 3]))
def test_no_window_of_any_rule_holds_a_call_too_many(asked: list[Call], sharing: int) -> None:
    server, limiters = asyncio.run(play(asked, sharing))
    assert most_in_a_window([at for at, _ in server.arrivals], 1.0) <= 4
    assert most_in_a_window([at for at, endpoint in server.arrivals if endpoint == "GET /rows"], 5.0) <= 1
    assert server.most_charts <= 2
    assert [limiter.waiting for limiter in limiters] == [0] * max(sharing, 1)


@settings(max_examples=60, deadline=None)
@given(calls, st.sampled_from([0, 3]))
def test_every_call_that_is_not_given_up_is_made(asked: list[Call], sharing: int) -> None:
    patient = [(*each[:5], False) for each in asked]
    server, _ = asyncio.run(play(patient, sharing))
    assert sorted(endpoint for _, endpoint in server.arrivals) == sorted(each[1] for each in asked)


@settings(max_examples=60, deadline=None)
@given(st.permutations([Priority.ORDER, Priority.KEEPALIVE, Priority.RECOVERY, Priority.POLLING] * 3))
def test_when_it_is_tight_the_urgent_go_first_and_equals_in_their_order(priorities: list[Priority]) -> None:
    async def run() -> list[tuple[Priority, int]]:
        clock = ScriptedClock(START)
        limiter = RateLimiter((RateRule(name="one", limit=1, seconds=0.1),), clock)
        made: list[tuple[Priority, int]] = []

        async def call(priority: Priority, order: int) -> None:
            async with limiter.slot("GET /x", priority):
                made.append((priority, order))

        async with clock.running(), limiter.slot("GET /x", Priority.POLLING), asyncio.TaskGroup() as tasks:
            for order, priority in enumerate(priorities):
                tasks.create_task(call(priority, order))
            await clock.sleep(0.05)
        return made

    made = asyncio.run(run())
    assert made == sorted(made)
    assert len(made) == len(priorities)
