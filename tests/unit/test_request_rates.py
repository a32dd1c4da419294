"""The door to the venue: who waits, for how long, and who is told to come back later."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from exchanges.ibkr.rates import RULES
from horizon.errors import RateLimited
from horizon.net.rates import LATENCY, PATIENCE, Priority, RateLimiter, RateRule, RateState
from horizon.simulation.scripted_clock import ScriptedClock

ONE_IN_FIVE = RateRule(name="one", limit=1, seconds=5.0, endpoints=("GET /rows",))


@pytest.fixture
async def clock() -> AsyncIterator[ScriptedClock]:
    made = ScriptedClock(0)
    async with made.running():
        yield made


async def spend(limiter: RateLimiter, endpoint: str, priority: Priority = Priority.POLLING) -> None:
    async with limiter.slot(endpoint, priority):
        pass


async def test_calls_are_spaced_by_slightly_more_than_the_window(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    await spend(limiter, "GET /rows")
    assert clock.monotonic() == 0
    await spend(limiter, "GET /rows")
    assert 5.0 < clock.monotonic() < 5.2
    assert 5.0 < limiter.last_wait < 5.2


async def test_a_slow_answer_delays_the_next_window_by_no_more_than_the_latency(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)

    async def slow() -> None:
        async with limiter.slot("GET /rows"):
            await clock.sleep(30)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(slow())
        await clock.sleep(0.001)
        await spend(limiter, "GET /rows")
        assert LATENCY + 5.0 < clock.monotonic() < LATENCY + 5.2


async def test_other_endpoints_do_not_wait(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    for endpoint in ("GET /rows", "POST /rows", "GET /rows/1", "GET /other"):
        await spend(limiter, endpoint)
    assert clock.monotonic() == 0


async def test_an_order_finds_a_place_that_polling_has_left_free(clock: ScriptedClock) -> None:
    limiter = RateLimiter((RateRule(name="all", limit=10, seconds=1.0, reserved=2),), clock)
    for _ in range(8):
        await spend(limiter, "GET /poll")
    assert clock.monotonic() == 0
    async with asyncio.TaskGroup() as tasks:
        poll = tasks.create_task(spend(limiter, "GET /poll"))
        await asyncio.sleep(0)
        await spend(limiter, "POST /order", Priority.ORDER)
        await spend(limiter, "POST /tickle", Priority.KEEPALIVE)
        assert clock.monotonic() == 0
        assert limiter.waiting == 1
        await poll
    assert clock.monotonic() > 1.0


async def test_a_call_that_would_wait_too_long_is_refused_at_once(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    await spend(limiter, "GET /rows")
    with pytest.raises(RateLimited, match="GET /rows is over its request rate") as error:
        async with limiter.slot("GET /rows", max_wait=2.0):
            pytest.fail("it was admitted")
    assert clock.monotonic() == 0
    assert 5.0 < error.value.retry_after < 5.2
    assert limiter.waiting == 0


async def test_a_penalty_closes_the_door_and_orders_fail_at_once(clock: ScriptedClock) -> None:
    limiter = RateLimiter((), clock, penalty=900)
    assert limiter.penalize() == 900
    assert limiter.closed_for == 900
    with pytest.raises(RateLimited) as order:
        await spend(limiter, "POST /order", Priority.ORDER)
    assert order.value.retry_after == 900
    with pytest.raises(RateLimited):
        async with limiter.slot("GET /poll", max_wait=30):
            pytest.fail("it was admitted")
    await spend(limiter, "GET /poll")
    assert clock.monotonic() >= 900
    await spend(limiter, "POST /order", Priority.ORDER)


async def test_an_order_that_waits_when_the_penalty_begins_is_told(clock: ScriptedClock) -> None:
    limiter = RateLimiter((RateRule(name="all", limit=1, seconds=1.0),), clock)
    await spend(limiter, "GET /poll")
    order = asyncio.create_task(spend(limiter, "POST /order", Priority.ORDER))
    await asyncio.sleep(0)
    limiter.penalize(60)
    with pytest.raises(RateLimited) as error:
        await order
    assert error.value.retry_after == 60
    assert limiter.waiting == 0


async def test_what_has_waited_long_is_not_starved_by_a_stream_of_orders(clock: ScriptedClock) -> None:
    limiter = RateLimiter((RateRule(name="all", limit=1, seconds=1.0),), clock)
    polled: list[float] = []

    async def poll() -> None:
        await spend(limiter, "GET /poll", Priority.POLLING)
        polled.append(clock.monotonic())

    async def orders() -> None:
        # Three streams, so that an order always waits.
        async with asyncio.TaskGroup() as streams:
            for _ in range(3):
                streams.create_task(stream())

    async def stream() -> None:
        for _ in range(30):
            await spend(limiter, "POST /order", Priority.ORDER)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(orders())
        await clock.sleep(0.1)
        tasks.create_task(poll())
    assert polled[0] < PATIENCE * 4


async def test_a_call_that_was_given_up_while_waiting_leaves_its_place_to_the_next(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    await spend(limiter, "GET /rows")
    impatient = asyncio.create_task(spend(limiter, "GET /rows"))
    patient = asyncio.create_task(spend(limiter, "GET /rows"))
    await clock.sleep(1)
    impatient.cancel()
    await patient
    assert impatient.cancelled()
    assert clock.monotonic() < 5.2


async def test_a_place_granted_to_a_call_that_is_just_being_cancelled_is_free_again() -> None:
    clock = ScriptedClock(0)
    limiter = RateLimiter((RateRule(name="charts", concurrent=1),), clock)
    async with limiter.slot("GET /charts"):
        waits = asyncio.create_task(spend(limiter, "GET /charts"))
        await asyncio.sleep(0)
        assert limiter.waiting == 1
    # Leaving has granted the place; the task has not run since.
    waits.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waits
    await spend(limiter, "GET /charts")
    assert limiter.waiting == 0


async def test_concurrency_is_freed_by_answers_alone(clock: ScriptedClock) -> None:
    limiter = RateLimiter((RateRule(name="charts", concurrent=5, endpoints=("/charts*",)),), clock)

    async def chart() -> None:
        async with limiter.slot("GET /charts/1"):
            await clock.sleep(10)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(11):
            tasks.create_task(chart())
    assert clock.monotonic() == 30


async def test_a_call_whose_answer_nobody_waited_for_counts_as_arriving_late(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    with pytest.raises(TimeoutError):
        async with clock.deadline(0.5), limiter.slot("GET /rows"):
            await clock.sleep(10)
    await spend(limiter, "GET /rows")
    assert LATENCY + 5.0 < clock.monotonic() < LATENCY + 5.2


async def test_a_penalty_is_told_once_and_the_next_one_again(clock: ScriptedClock) -> None:
    limiter = RateLimiter((), clock, penalty=900)
    told: list[float] = []
    limiter.on_penalty = told.append
    limiter.penalize()
    await clock.sleep(100)
    limiter.penalize()
    with pytest.raises(RateLimited) as error:
        await spend(limiter, "POST /order", Priority.ORDER)
    assert error.value.penalty
    await clock.sleep(1000)
    limiter.penalize(60)
    assert told == [900, 60]


async def test_a_call_over_its_rate_is_told_from_a_penalty(clock: ScriptedClock) -> None:
    limiter = RateLimiter((ONE_IN_FIVE,), clock)
    await spend(limiter, "GET /rows")
    with pytest.raises(RateLimited) as error:
        await spend_within(limiter, 1.0)
    assert not error.value.penalty
    limiter.penalize(60)
    with pytest.raises(RateLimited) as error:
        await spend_within(limiter, 1.0)
    assert error.value.penalty


async def spend_within(limiter: RateLimiter, seconds: float) -> None:
    async with limiter.slot("GET /rows", max_wait=seconds):
        pass


async def test_the_budget_shows_what_is_used_and_when_the_next_place_is_free(clock: ScriptedClock) -> None:
    limiter = RateLimiter((RateRule(name="all", limit=3, seconds=1.0, reserved=1), ONE_IN_FIVE), clock)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(3):
            tasks.create_task(spend(limiter, "GET /poll"))
        await clock.sleep(0.5)
        budget = limiter.budget()
    every, rows = budget.rules
    assert (budget.waiting, budget.shared, budget.closed_for) == (1, False, 0)
    assert (every.name, every.used, every.limit, every.open) == ("all", 2, 3, 0)
    assert every.next_place == pytest.approx(0.52)
    assert (rows.used, rows.next_place) == (0, 0)
    assert limiter.budget().last_wait == pytest.approx(1.02)


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "nothing"},
        {"name": "zero", "limit": 0},
        {"name": "no time", "limit": 1, "seconds": 0.0},
        {"name": "all reserved", "limit": 2, "reserved": 2},
        {"name": "nobody", "concurrent": 0},
    ],
)
def test_a_rule_that_can_not_be_kept_is_refused(rule: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="rate rule"):
        RateRule(**rule)  # type: ignore[arg-type]


def names(endpoint: str) -> set[str]:
    return {places.rule.name for places in RateState(RULES).places(endpoint)}


@pytest.mark.parametrize(
    ("endpoint", "rules"),
    [
        ("GET /iserver/account/orders", {"orders"}),
        ("POST /iserver/account/DU1/orders", set()),
        ("GET /iserver/account/trades", {"trades"}),
        ("GET /iserver/account/order/status/1", set()),
        ("GET /iserver/account/pnl/partitioned", {"profit and loss"}),
        ("GET /portfolio/accounts", {"portfolio accounts"}),
        ("GET /portfolio/subaccounts", {"portfolio subaccounts"}),
        ("GET /portfolio/DU1/positions/0", set()),
        ("GET /iserver/marketdata/snapshot", {"snapshot"}),
        ("GET /iserver/marketdata/history", {"history"}),
        ("POST /tickle", {"keep-alive"}),
        ("GET /sso/validate", {"sign-in check"}),
        ("GET /iserver/scanner/params", {"scanner parameters"}),
        ("POST /iserver/scanner/run", {"scanner"}),
        ("POST /pa/performance", {"performance"}),
        ("POST /pa/transactions", {"transactions"}),
        ("GET /fyi/unreadnumber", {"notifications"}),
        ("GET /pa/summary", {"performance summary"}),
        ("POST /oauth2/api/v1/token", {"token"}),
        ("POST /gw/api/v1/sso-sessions", {"sign-in"}),
        ("POST /oauth/live_session_token", {"live session token"}),
    ],
)
def test_the_table_binds_each_endpoint(endpoint: str, rules: set[str]) -> None:
    assert names(endpoint) == {"everything", *rules}
