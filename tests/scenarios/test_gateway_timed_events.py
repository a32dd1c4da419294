"""A plan of what happens when: as a list, as TOML, and on the command line."""

import asyncio
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from exchanges.ibkr.simulator import Simulator
from exchanges.ibkr.simulator.agenda import Agenda
from exchanges.ibkr.simulator.occurrences import OCCURRENCES
from horizon.cli import sim
from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError
from horizon.simulation.faults import Fault, FaultPlan
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.simulation.timed_events import Event

HORIZON = [sys.executable, "-c", "from horizon.cli import main; main()"]
START = 1_700_000_000 * NANOSECONDS


async def status(client: Any, path: str = "/iserver/auth/status") -> int:
    code: int = (await client.ask("GET", path)).status_code
    return code


async def test_a_list_of_faults_and_events_is_a_plan(start_gateway: Any) -> None:
    client = await start_gateway(
        faults=[
            Fault(match="* */auth/status", action="status", status=502),
            Event(after=10, what="compete", seconds=20),
            Event(at=START + 60 * NANOSECONDS, what="log_out"),
            Event(after="1m30s", what="log_in"),
        ]
    )
    assert [await status(client), await status(client)] == [502, 200]
    await client.clock.advance(10)
    assert (await client.post("/tickle"))["collission"] is True
    await client.clock.advance(20)
    assert (await client.post("/tickle"))["collission"] is False
    await client.clock.advance(30)
    assert await status(client) == 401
    await client.clock.advance(30)
    assert await status(client) == 200
    assert [(c.time - START) // NANOSECONDS for c in client.gateway.transitions] == [10, 60, 90, 90]


async def test_every_event_happens_and_ends(start_gateway: Any) -> None:
    events = [
        Event(after=100 * n, what=what, seconds=50 if "seconds" in occurrence.keys else None)
        for n, (what, occurrence) in enumerate(OCCURRENCES.items(), start=1)
    ]
    client = await start_gateway(faults=events, hosts=2)
    upstream = client.gateway.state.upstream
    seen: dict[str, tuple[Any, ...]] = {}
    for n, what in enumerate(OCCURRENCES, start=1):
        await client.clock.advance(100 * n + 1 - client.clock.monotonic())
        session = client.gateway.state.session
        seen[what] = (session.competing, upstream.is_silent, upstream.bridge, upstream.orders, set(upstream.gone))
    calm = (False, False, True, True, set())
    assert seen == dict.fromkeys(OCCURRENCES, calm) | {
        "compete": (True, *calm[1:]),
        "compete_looking_well": (True, *calm[1:]),
        "silence": (False, True, *calm[2:]),
        "no_bridge": (False, False, False, *calm[3:]),
        "orders_unavailable": (False, False, True, False, set()),
        "gone": (*calm[:4], {0}),
    }


async def test_a_rival_that_comes_three_times_is_put_out_three_times(start_gateway: Any) -> None:
    client = await start_gateway(faults=[Event(after=1, what="compete", times=3)])
    await client.clock.advance(2)
    took_back = 0
    while (await client.post("/tickle"))["collission"]:
        await client.post("/iserver/auth/ssodh/init", {"publish": True, "compete": True})
        took_back += 1
        await client.clock.advance(31)
    assert took_back == 3


async def test_events_happen_though_nobody_asks(start_gateway: Any) -> None:
    client = await start_gateway(faults=[Event(after="2h", what="drop_session"), Event(after="3h", what="restart")])
    await client.clock.advance(3 * 3600 + 1)
    assert [c.cause for c in client.gateway.transitions] == ["idle", "process restarted"]


def test_a_plan_of_both_tables_is_read_from_toml() -> None:
    plan = FaultPlan.parse(
        """
        [[fault]]
        match = "* */tickle"
        action = "drop"

        [[event]]
        after = "1d2h30m"
        what = "compete"
        seconds = 600

        [[event]]
        at = 2026-03-01T00:00:00Z
        what = "silence"
        """
    )
    assert plan.take("POST", "/v1/api/tickle") == Fault(match="* */tickle", action="drop")
    assert [event.what for event in plan.events] == ["compete", "silence"]
    assert plan.events[0].due(START) == START + 95_400 * NANOSECONDS
    assert plan.events[1].due(START) == int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * NANOSECONDS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[event]\nwhat='compete'\nafter=1", r"\[\[event\]\] tables in a plan, found one \[event\] table"),
        ("[[event]]\nafter='2h'", "event number 1 .* `what`"),
        ("[[event]]\nwhat='compete'", "event number 1 .* keys 'after' and 'at', found none"),
        ("[[event]]\nwhat='compete'\nafter='2h'\nat=7", "found both"),
        ("[[event]]\nwhat='compete'\nafter='soon'", "key 'after': .* found 'soon'"),
        ("[[event]]\nwhat='compete'\nafter=-1", "key 'after': .* found -1"),
        ("[[event]]\nwhat='compete'\nat=2026-03-01T00:00:00", "key 'at': .* with its zone"),
        ("[[event]]\nwhat='compete'\nafter=1\nseconds=0", "key 'seconds': .* above 0"),
        ("[[event]]\nwhat='compete'\nafter=1\ntimes=0", "key 'times': .* at least 1"),
        ("[[event]]\nwhat='gone'\nafter=1\nhost=-1", "key 'host': .* from 0 up"),
        ("[[event]]\nwhat='compete'\nafter=1\nsecond=3", "`second`"),
    ],
)
def test_a_wrong_event_says_which_table_and_which_key(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        FaultPlan.parse(text)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"what": "explode"}, "event number 2 of the plan: key 'what': expected one of compete, .* found 'explode'"),
        ({"what": "drop_session", "seconds": 3}, "key 'seconds': has no meaning for 'drop_session'"),
        ({"what": "log_out", "times": 3}, "key 'times'"),
        ({"what": "compete", "host": 0}, "key 'host'"),
        ({"what": "overrun"}, "'overrun' needs it"),
        ({"what": "gone", "host": 1}, "key 'host': expected a number below 1, found 1"),
    ],
)
def test_an_event_that_this_gateway_knows_nothing_of_is_refused_at_once(event: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        Simulator(faults=[Event(after=1, what="compete"), Event(after=1, **event)])


def test_an_agenda_is_kept_in_order_however_late_it_is_asked() -> None:
    clock = ScriptedClock(START)
    agenda, done = Agenda(clock), []

    def note(name: str) -> None:
        done.append((name, (agenda.now() - START) // NANOSECONDS))
        if name == "first":
            agenda.after(5, lambda: note("in between"))

    agenda.after(10, lambda: note("last"))
    agenda.after(2, lambda: note("first"))
    agenda.after(3, lambda: note("withdrawn")).withdraw()
    agenda.after(99, lambda: note("not yet"))
    asyncio.run(clock.advance(50))
    agenda.catch_up()
    assert done == [("first", 2), ("in between", 7), ("last", 10)]


# --- the command line


def horizon(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*HORIZON, *arguments], capture_output=True, text=True, timeout=55, check=False)


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (None, "expected a fault plan"),
        ("[[event]]\nwhat='explode'\nafter='2h'", "key 'what'"),
    ],
)
def test_a_plan_that_is_wrong_is_one_sentence_and_exit_code_2(tmp_path: Path, plan: str | None, said: str) -> None:
    file = tmp_path / "plan.toml"
    if plan is not None:
        file.write_text(plan)
    done = horizon("sim", "ibkr", "--faults", str(file))
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_line_starts_a_gateway_with_nights_a_phone_and_a_plan(tmp_path: Path) -> None:
    file = tmp_path / "plan.toml"
    file.write_text("[[event]]\nwhat='penalty'\nafter=0\nseconds=60")
    options = ("--plain-http", "--resets", "--region", "Asia", "--second-factor", "--faults", str(file))
    process = subprocess.Popen([*HORIZON, "sim", "ibkr", *options], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said: dict[str, str] = {}
    for line in process.stdout:
        name, _, value = line.strip().partition("  ")
        said[name] = value.strip()
        if line.startswith("serving"):
            break
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert said["login page"].endswith("/sso/Login?forwardTo=22&RL=1&ip2loc=US")
    assert said["phone"].endswith("/simulated/phone")


async def test_an_event_loop_without_signal_handlers_is_stopped_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", missing)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stopped = asyncio.Event()
    try:
        sim._stop_on_signals(stopped)
        signal.raise_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            await stopped.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
