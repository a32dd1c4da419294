"""The windows that several processes share: one file, whatever becomes of who writes it."""

import asyncio
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.rates import limiter as ibkr_limiter
from horizon.errors import ConfigurationError, RateLimited
from horizon.net import shared_rates
from horizon.net.rates import LATENCY, Priority, RateLimiter, RateRule, SharedRates
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
RULES = (
    RateRule(name="everything", limit=4, seconds=1.0, reserved=1),
    RateRule(name="rows", limit=1, seconds=5.0, endpoints=("GET /rows",)),
    RateRule(name="charts", concurrent=2, endpoints=("GET /charts",)),
)

MakeLimiter = Callable[..., RateLimiter]


@pytest.fixture
async def clock() -> AsyncIterator[ScriptedClock]:
    made = ScriptedClock(START)
    async with made.running():
        yield made


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "rates" / "host.rates"


@pytest.fixture
def limiter(clock: ScriptedClock, file: Path) -> MakeLimiter:
    """Makes limiters that share one file, as processes do."""

    def make(*, at: ScriptedClock = clock, rules: tuple[RateRule, ...] = RULES) -> RateLimiter:
        return RateLimiter(rules, at, penalty=900, shared=SharedRates(file))

    return make


async def spend(limiter: RateLimiter, endpoint: str = "GET /rows", priority: Priority = Priority.POLLING) -> None:
    async with limiter.slot(endpoint, priority):
        pass


def damage(file: Path, content: bytes | None = None) -> None:
    """Put `content` into a file, or leave half of what is there."""
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2] if content is None else content)


def remove(file: Path) -> None:
    file.unlink()


def mode_and_content(file: Path) -> tuple[int, bytes]:
    return stat.S_IMODE(file.stat().st_mode), file.read_bytes()


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()] if folder.exists() else []


def leave_behind(folder: Path, name: str, moment: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    os.utime(folder / name, (moment, moment))


def ended_process() -> int:
    """The id of a process that has run and is gone."""
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    return process.pid


def owned_by(limiter: RateLimiter, process: int, host: str | None = None) -> None:
    """Let a limiter act in the name of another process."""
    own, _, rest = limiter._state.owner.partition("/")
    limiter._state.owner = f"{host or own}/{process}/{rest.partition('/')[2]}"


async def test_what_one_has_sent_the_other_waits_for(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    one, other = limiter(), limiter()
    await spend(one)
    await spend(other)
    assert 5.0 < clock.monotonic() < 5.2
    assert 5.0 < other.last_wait < 5.2


async def test_places_at_once_are_shared_and_freed_by_answers(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    most = now = 0

    async def chart(each: RateLimiter) -> None:
        nonlocal most, now
        async with each.slot("GET /charts"):
            now += 1
            most = max(most, now)
            await clock.sleep(10)
            now -= 1

    async with asyncio.TaskGroup() as tasks:
        for each in (limiter(), limiter(), limiter()):
            tasks.create_task(chart(each))
            tasks.create_task(chart(each))
    assert most == 2
    assert 30 <= clock.monotonic() < 30 + 3 * shared_rates.PAUSE


async def test_an_order_finds_the_place_that_another_programs_polling_has_left_free(
    limiter: MakeLimiter, clock: ScriptedClock
) -> None:
    polling, trading = limiter(), limiter()
    for _ in range(3):
        await spend(polling, "GET /poll")
    await spend(trading, "POST /order", Priority.ORDER)
    assert clock.monotonic() == 0
    await spend(polling, "GET /poll")
    assert clock.monotonic() > 1.0


async def test_the_429_of_one_closes_the_door_of_all_and_each_is_told_once(
    limiter: MakeLimiter, clock: ScriptedClock
) -> None:
    one, other, late = limiter(), limiter(), limiter()
    told: list[tuple[str, float]] = []
    one.on_penalty = lambda seconds: told.append(("one", seconds))
    other.on_penalty = lambda seconds: told.append(("other", seconds))
    await spend(other, "GET /poll")
    one.penalize()
    for _ in range(3):
        with pytest.raises(RateLimited) as error:
            await spend(other, "POST /order", Priority.ORDER)
        assert (error.value.retry_after, error.value.penalty) == (900, True)
        with pytest.raises(RateLimited):
            async with late.slot("GET /poll", max_wait=30):
                pytest.fail("it was admitted")
    assert told == [("one", 900), ("other", 900)]
    await spend(late, "GET /poll")
    assert clock.monotonic() >= 900
    await spend(other, "POST /order", Priority.ORDER)
    assert len(told) == 2


async def test_an_order_that_waits_hears_of_another_programs_429(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    one, other = limiter(), limiter()
    for _ in range(4):
        await spend(other, "GET /poll", Priority.KEEPALIVE)
    order = asyncio.create_task(spend(other, "POST /order", Priority.ORDER))
    await clock.sleep(0.1)
    one.penalize(60)
    with pytest.raises(RateLimited) as error:
        await order
    assert error.value.penalty
    assert clock.monotonic() < 2
    assert other.waiting == 0


async def test_the_places_of_a_process_that_died_are_free(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    dead, alive = limiter(), limiter()
    owned_by(dead, ended_process())
    for _ in range(2):
        await dead._enter("GET /charts", Priority.POLLING, 1)
    await spend(alive, "GET /charts")
    assert clock.monotonic() == 0
    # what it sent counts in the windows all the same
    assert alive.budget().rules[0].used == 3


async def test_the_places_of_a_process_of_another_machine_are_free_when_their_lease_is_over(
    limiter: MakeLimiter, clock: ScriptedClock
) -> None:
    far, near = limiter(), limiter()
    owned_by(far, ended_process(), host="elsewhere")
    for _ in range(2):
        await far._enter("GET /charts", Priority.POLLING, 1)
    await spend(near, "GET /charts")
    assert 600 <= clock.monotonic() <= 601


@pytest.mark.parametrize("content", [b"nonsense", b"HZR1", b"HZR1" + bytes(60), b"\x00" * 4000])
async def test_a_file_that_is_not_whole_is_taken_for_full_windows(
    limiter: MakeLimiter, clock: ScriptedClock, file: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    damage(file, content)
    one = limiter()
    with pytest.raises(RateLimited):
        async with one.slot("POST /order", Priority.ORDER, max_wait=0.5):
            pytest.fail("it was admitted")
    assert "taken for full" in caplog.text
    other = limiter()
    await spend(other)
    assert LATENCY + 5.0 < clock.monotonic() < LATENCY + 5.2


async def test_half_of_a_file_is_recovered_from_what_is_known(
    limiter: MakeLimiter, clock: ScriptedClock, file: Path
) -> None:
    one = limiter()
    one.penalize(300)
    await clock.sleep(1)
    damage(file)
    with pytest.raises(RateLimited) as error:
        await spend(one, "POST /order", Priority.ORDER)
    assert error.value.retry_after == pytest.approx(299)
    assert limiter().budget().closed_for == pytest.approx(299)


async def test_a_file_that_was_removed_is_made_anew_with_what_is_known(
    limiter: MakeLimiter, clock: ScriptedClock, file: Path
) -> None:
    one, other = limiter(), limiter()
    await spend(one)
    await spend(other, "GET /poll")
    remove(file)
    await spend(one, "GET /poll")
    await spend(other)
    assert 5.0 < clock.monotonic() < 5.2
    assert files_in(file.parent) == [file.name]


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer_than_the_window(
    limiter: MakeLimiter, clock: ScriptedClock
) -> None:
    later = ScriptedClock(START + 3_600_000_000_000)
    ahead = limiter(at=later)
    await spend(ahead)
    ahead.penalize(60)
    here = limiter()
    with pytest.raises(RateLimited) as error:
        await spend(here, "POST /order", Priority.ORDER)
    assert error.value.retry_after == 60
    await spend(here)
    assert 60 <= clock.monotonic() < 61
    await spend(here)
    assert clock.monotonic() < 67


async def test_a_folder_that_cannot_be_made_is_said_once_and_the_limits_hold_for_this_process(
    clock: ScriptedClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "rates").write_text("a file where a folder should be")
    alone = RateLimiter(RULES, clock, shared=SharedRates(tmp_path / "rates" / "host.rates"))
    await spend(alone)
    await spend(alone)
    assert 5.0 < clock.monotonic() < 5.2
    assert caplog.text.count("not shared with other processes") == 1


async def test_a_process_that_was_stopped_while_it_held_the_lock_stops_nobody_else(
    limiter: MakeLimiter, clock: ScriptedClock, file: Path
) -> None:
    fcntl = pytest.importorskip("fcntl", reason="there is no flock on Windows")
    one = limiter()
    await spend(one)
    with file.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await spend(one, "GET /poll")
        assert shared_rates.STOPPED_AFTER <= clock.monotonic() < shared_rates.STOPPED_AFTER + 0.1
        await spend(one)
        assert 5.0 < clock.monotonic() < 5.2
    # what it did alone is known to the others from then on
    await spend(one, "GET /poll")
    await spend(limiter())
    assert 10.0 < clock.monotonic() < 10.4


async def test_the_file_is_the_users_own(limiter: MakeLimiter, file: Path) -> None:
    await spend(limiter())
    mode, content = mode_and_content(file)
    assert mode == 0o600
    assert b"rows" in content


async def test_a_limiter_that_was_closed_opens_again(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    one = limiter()
    await spend(one)
    one.close()
    await spend(one)
    assert clock.monotonic() > 5.0


async def test_the_budget_shows_who_uses_what(limiter: MakeLimiter, clock: ScriptedClock) -> None:
    one, other = limiter(), limiter()
    await spend(one)
    async with one.slot("GET /charts"):
        budget = other.budget()
        everything, rows, charts = budget.rules
        assert (everything.used, everything.limit, everything.next_place) == (2, 4, 0)
        assert rows.used == 1
        assert rows.next_place == pytest.approx(5.05)
        assert (charts.open, charts.concurrent, charts.used) == (1, 2, 0)
        assert (budget.closed_for, budget.waiting, budget.shared) == (0, 0, True)
    other.penalize(30)
    assert one.budget().closed_for == 30


# -- whose file ------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path / "horizon" / "rates"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("https://localhost:5000/v1/api", "localhost-5000"),
        ("https://127.0.0.1:5000", "localhost-5000"),
        ("http://[::1]:5001/", "localhost-5001"),
        ("https://localhost", "localhost-443"),
        ("https://api.ibkr.com/v1/api", "api.ibkr.com"),
        ("https://3.api.ibkr.com:443", "api.ibkr.com"),
        ("https://10.0.0.7:5000", "10.0.0.7-5000"),
    ],
)
async def test_a_host_has_one_file_under_all_its_names(
    address: str, name: str, folder: Path, clock: ScriptedClock
) -> None:
    made = ibkr_limiter(address, clock, shared=True)
    await spend(made, "POST /tickle")
    assert files_in(folder) == [f"{name}.rates"]
    made.close()


async def test_files_of_simulators_that_are_long_gone_are_removed(folder: Path, clock: ScriptedClock) -> None:
    leave_behind(folder, "localhost-40001.rates", clock.now() / 1e9 - 90_000)
    leave_behind(folder, "localhost-40002.rates", clock.now() / 1e9 - 80_000)
    ibkr_limiter("https://localhost:5000", clock, shared=True)
    assert files_in(folder) == ["localhost-40002.rates"]


async def test_a_private_limiter_writes_no_file(folder: Path, clock: ScriptedClock) -> None:
    await spend(ibkr_limiter("https://localhost:5000", clock, shared=False), "POST /tickle")
    assert files_in(folder) == []


@pytest.mark.parametrize("number", [0, 20, 51, True, 10.5, "50"])
def test_no_other_number_of_requests_a_second_is_allowed(number: int) -> None:
    with pytest.raises(ConfigurationError, match="expected requests_per_second to be 10, or 50 with OAuth, found"):
        ibkr_limiter("https://api.ibkr.com", ScriptedClock(0), shared=False, requests_per_second=number)


@pytest.mark.parametrize(("address", "gateway"), [("https://localhost:5000", None), ("https://10.0.0.7:5000", True)])
def test_fifty_requests_a_second_are_not_for_the_gateway(address: str, gateway: bool | None) -> None:
    with pytest.raises(ConfigurationError, match="10 through a gateway"):
        ibkr_limiter(address, ScriptedClock(0), shared=False, requests_per_second=50, gateway=gateway)


async def test_fifty_requests_a_second_for_oauth(clock: ScriptedClock) -> None:
    made = ibkr_limiter("https://api.ibkr.com", clock, shared=False, requests_per_second=50)
    for _ in range(45):
        await spend(made, "GET /portfolio/U1/summary")
    assert clock.monotonic() == 0
    await spend(made, "GET /portfolio/U1/summary")
    assert clock.monotonic() > 1


def test_interactive_brokers_shares_on_the_machines_clock_and_not_on_one_that_was_handed_in(folder: Path) -> None:
    assert InteractiveBrokers().status().budget.shared
    assert files_in(folder) == ["localhost-5000.rates"]
    assert not InteractiveBrokers(clock=ScriptedClock(0)).status().budget.shared
    with pytest.raises(ConfigurationError, match="10 through a gateway"):
        InteractiveBrokers(requests_per_second=50)
    direct = InteractiveBrokers(access_token="t", api_url="https://api.ibkr.com/v1/api", requests_per_second=50)
    assert direct.status().budget.rules[0].limit == 50
