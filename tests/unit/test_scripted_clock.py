"""The scripted clock: time passes by itself, in order, and never while something is in flight."""

import asyncio
import time
from collections.abc import Callable, Coroutine

import pytest

from horizon.clock import Clock
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def clock() -> ScriptedClock:
    return ScriptedClock(START)


async def _note(clock: ScriptedClock, seconds: float, name: str, seen: list[tuple[float, str]]) -> None:
    await clock.sleep(seconds)
    seen.append((clock.monotonic(), name))


async def test_it_is_a_clock(clock: ScriptedClock) -> None:
    as_port: Clock = clock
    assert as_port.now() == START
    assert as_port.monotonic() == 0.0


async def test_a_week_of_minutes_passes_in_well_under_a_second(clock: ScriptedClock) -> None:
    ticks = 0
    began = time.perf_counter()
    async with clock.running():
        while clock.monotonic() < 7 * 86_400:
            await clock.sleep(60)
            ticks += 1
    assert ticks == 7 * 24 * 60
    assert clock.now() == START + 7 * 86_400 * SECOND
    assert time.perf_counter() - began < 2.0  # 0.25 s on an idle core; the rest is for a busy machine


async def test_sleepers_wake_by_time_and_then_by_the_order_of_asking(clock: ScriptedClock) -> None:
    seen: list[tuple[float, str]] = []
    async with clock.running(), asyncio.TaskGroup() as tasks:
        for seconds, name in ((5, "late"), (2, "a"), (2, "b"), (1, "early"), (2, "c")):
            tasks.create_task(_note(clock, seconds, name, seen))
    assert seen == [(1, "early"), (2, "a"), (2, "b"), (2, "c"), (5, "late")]


@pytest.mark.parametrize("seconds", [0, 0.0, -3])
async def test_a_sleep_of_nothing_lets_others_run_and_takes_no_time(clock: ScriptedClock, seconds: float) -> None:
    seen: list[str] = []

    async def other() -> None:
        seen.append("other")

    task = asyncio.create_task(other())
    await clock.sleep(seconds)  # nobody drives the clock
    assert seen == ["other"]
    assert clock.now() == START
    await task


async def test_a_sleep_below_a_nanosecond_still_ends(clock: ScriptedClock) -> None:
    async with clock.running():
        await clock.sleep(1e-12)
    assert clock.now() == START + 1


async def test_time_stands_still_while_something_is_in_flight(clock: ScriptedClock) -> None:
    answered = asyncio.Event()
    seen: list[tuple[float, str]] = []

    async def request() -> float:
        async with clock.in_flight():
            await answered.wait()
            return clock.monotonic()

    async with clock.running(), asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(request())
        tasks.create_task(_note(clock, 1, "sleeper", seen))
        for _ in range(200):
            await asyncio.sleep(0)
        assert seen == []
        answered.set()
    assert asked.result() == 0.0
    assert seen == [(1, "sleeper")]


async def test_real_input_is_waited_for_before_time_goes_on(clock: ScriptedClock) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    moments: list[float] = []
    async with server, clock.running(), asyncio.TaskGroup() as tasks:
        tasks.create_task(_note(clock, 1000, "background", []))
        for _ in range(20):
            async with clock.in_flight():
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"hello\n")
                assert await reader.readline() == b"hello\n"
                writer.close()
                await writer.wait_closed()
            moments.append(clock.monotonic())
    assert moments == [0.0] * 20


async def test_a_parked_handler_lets_time_pass_for_the_client_it_answers(clock: ScriptedClock) -> None:
    async def handler(answer: asyncio.Future[float]) -> None:
        async with clock.parked():
            await clock.sleep(30)
        answer.set_result(clock.monotonic())

    async with clock.running(), asyncio.TaskGroup() as tasks:
        answer: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        async with clock.in_flight():
            tasks.create_task(handler(answer))
            assert await answer == 30.0


async def test_a_parked_handler_does_not_release_the_request_of_another_client(clock: ScriptedClock) -> None:
    other_answered = asyncio.Event()

    async def other() -> float:
        async with clock.in_flight():
            await other_answered.wait()
            return clock.monotonic()

    async def parked() -> float:
        async with clock.in_flight(), clock.parked():
            await clock.sleep(5)
        return clock.monotonic()

    async with clock.running(), asyncio.TaskGroup() as tasks:
        first, second = tasks.create_task(other()), tasks.create_task(parked())
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.monotonic() == 0.0
        other_answered.set()
    assert (first.result(), second.result()) == (0.0, 5.0)


async def test_a_request_that_fails_or_is_cancelled_does_not_hold_time_for_ever(clock: ScriptedClock) -> None:
    async def hang() -> None:
        async with clock.in_flight():
            await asyncio.Event().wait()

    async with clock.running():
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(ValueError, match="broken"):
            async with clock.in_flight():
                raise ValueError("broken")
        await clock.sleep(1)
    assert task.cancelled()


async def test_a_cancelled_sleeper_is_not_waited_for(clock: ScriptedClock) -> None:
    async with clock.running():
        task = asyncio.create_task(clock.sleep(10))
        await asyncio.sleep(0)
        task.cancel()
        await clock.sleep(50)
    assert task.cancelled()
    assert clock.monotonic() == 50.0


async def test_a_sleeper_cancelled_at_the_instant_it_wakes_stays_cancelled(clock: ScriptedClock) -> None:
    sleeper = asyncio.create_task(clock.sleep(5))

    async def canceller() -> None:
        await clock.sleep(5)
        sleeper.cancel()

    async with clock.running():
        await canceller()
        await asyncio.wait([sleeper])
    assert sleeper.cancelled()
    assert clock.monotonic() == 5.0


async def test_thousands_of_withdrawn_timeouts_leave_nothing_behind(clock: ScriptedClock) -> None:
    for _ in range(5_000):
        async with clock.deadline(30):
            pass
    assert len(clock._waiters) < 200
    async with clock.running():
        await clock.sleep(1)
    assert clock.monotonic() == 1.0


async def test_a_deadline_raises_timeout_error_at_its_instant(clock: ScriptedClock) -> None:
    async with clock.running():
        with pytest.raises(TimeoutError):
            async with clock.deadline(2.5):
                await clock.sleep(100)
    assert clock.monotonic() == 2.5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_deadline_of_nothing_ends_the_first_wait(clock: ScriptedClock, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with clock.deadline(seconds):
            await asyncio.Event().wait()
    assert clock.now() == START


async def test_a_deadline_of_none_waits_without_end(clock: ScriptedClock) -> None:
    async with clock.running(), clock.deadline(None):
        await clock.sleep(1e6)
    assert clock.monotonic() == 1e6


async def test_a_block_that_ends_in_time_is_left_alone(clock: ScriptedClock) -> None:
    async with clock.running():
        async with clock.deadline(10):
            await clock.sleep(1)
        await clock.sleep(100)
    assert clock.monotonic() == 101.0


@pytest.mark.parametrize(("outer", "inner", "ends"), [(10, 3, 3.0), (3, 10, 3.0)])
async def test_of_nested_deadlines_the_earlier_one_ends_its_own_block(
    clock: ScriptedClock, outer: float, inner: float, ends: float
) -> None:
    ended: list[str] = []
    async with clock.running():
        try:
            async with clock.deadline(outer):
                try:
                    async with clock.deadline(inner):
                        await clock.sleep(100)
                except TimeoutError:
                    ended.append("inner")
        except TimeoutError:
            ended.append("outer")
    assert ended == ["inner" if inner < outer else "outer"]
    assert clock.monotonic() == ends


async def test_nested_deadlines_at_the_same_instant_end_as_one_timeout(clock: ScriptedClock) -> None:
    async with clock.running():
        with pytest.raises(TimeoutError):
            async with clock.deadline(3), clock.deadline(3):
                await clock.sleep(100)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_cancel_from_elsewhere_is_not_taken_for_a_timeout(clock: ScriptedClock) -> None:
    async def block() -> None:
        async with clock.deadline(10):
            await clock.sleep(100)

    async with clock.running():
        task = asyncio.create_task(block())
        await clock.sleep(1)
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()


async def test_another_error_of_the_block_is_kept(clock: ScriptedClock) -> None:
    async with clock.running():
        with pytest.raises(KeyError):
            async with clock.deadline(10):
                raise KeyError("own")


async def test_a_request_whose_handler_is_parked_too_long_times_out(clock: ScriptedClock) -> None:
    async def handler() -> None:
        async with clock.parked():
            await clock.sleep(60)

    async with clock.running():
        serving = asyncio.create_task(handler())
        with pytest.raises(TimeoutError):
            async with clock.deadline(30), clock.in_flight():
                await asyncio.Event().wait()
        assert clock.monotonic() == 30.0
        await serving


async def test_advance_stops_at_every_waiter_on_the_way(clock: ScriptedClock) -> None:
    ticks: list[float] = []

    async def periodic() -> None:
        while True:
            await clock.sleep(60)
            ticks.append(clock.monotonic())

    task = asyncio.create_task(periodic())
    await clock.advance(150)
    assert ticks == [60.0, 120.0]
    assert clock.monotonic() == 150.0
    await clock.advance(30)
    assert ticks == [60.0, 120.0, 180.0]
    task.cancel()
    await asyncio.wait([task])


async def test_two_drivers_are_refused(clock: ScriptedClock) -> None:
    async with clock.running():
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already being driven"):
            await clock.advance(1)
    await clock.advance(1)
    assert clock.monotonic() == 1.0


async def test_a_chain_of_tasks_runs_to_its_end_before_time_goes_on(clock: ScriptedClock) -> None:
    async def chain(depth: int) -> float:
        return clock.monotonic() if depth == 0 else await asyncio.create_task(chain(depth - 1))

    rest = asyncio.create_task(clock.sleep(1))
    async with clock.running():
        assert await chain(8) == 0.0
        await rest


async def test_an_error_inside_running_comes_out_as_it_is(clock: ScriptedClock) -> None:
    async def fails() -> None:
        async with clock.running():
            await clock.sleep(1)
            raise LookupError("own")

    with pytest.raises(LookupError, match="own"):
        await fails()


async def test_a_fresh_waiter_wakes_a_clock_that_had_nothing_to_do(clock: ScriptedClock) -> None:
    async def later(work: Callable[[], Coroutine[object, object, None]]) -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        await work()

    async with clock.running():
        await later(lambda: clock.sleep(7))
    assert clock.monotonic() == 7.0
