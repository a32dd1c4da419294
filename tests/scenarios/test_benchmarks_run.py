"""The benchmarks measure what they say. How long anything takes is not looked at."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Imports a module of the benchmarks, with its working folder out of the repository."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(import_module("processes"), "WORK", tmp_path)
    return import_module


def printed_by(script: str, *arguments: str) -> Any:
    command = [sys.executable, str(BENCHMARKS / script), *arguments]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def test_the_replay_and_the_bare_loop_make_the_same_orders() -> None:
    replay, loop = (printed_by("core_throughput.py", how, "30000")["counts"] for how in ("replay", "loop"))
    assert replay == loop
    assert min(replay.values()) > 0


def test_the_order_path_times_every_order_and_its_commit(benchmark: Any, tmp_path: Path) -> None:
    processes = benchmark("processes")
    with processes.fixed_server(processes.Places(measured=None, server=None)) as server:
        found = printed_by("order_path.py", server.port, server.certificate.fingerprint, str(tmp_path), "5")
    for name in ("quote_to_bytes", "post_to_bytes", "post_to_answer", "commit", "fsync"):
        assert len(found[name]) == 5, name
    # the commit is a part of the path, and the path to the bytes a part of a call
    assert all(commit < whole for commit, whole in zip(found["commit"], found["quote_to_bytes"], strict=True))
    assert all(sent < done for sent, done in zip(found["post_to_bytes"], found["post_to_answer"], strict=True))


def test_the_limiter_is_measured_alone_and_shared_and_never_admits_too_early(tmp_path: Path) -> None:
    found = printed_by("limiter_speed.py", str(tmp_path), "50", "5")
    assert {name: len(values) for name, values in found.items() if name != "flock"} == {
        "private": 50,
        "shared": 50,
        "admission": 50,
        "semaphore": 50,
        "late_private": 5,
        "late_shared": 5,
        "late_sleep": 5,
    }
    assert all(entered < whole for entered, whole in zip(found["admission"], found["shared"], strict=True))


def test_a_peer_that_cannot_be_installed_is_shown_as_not_measured(
    benchmark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, peer, processes = benchmark("measure_calls"), benchmark("peer"), benchmark("processes")

    def missing() -> Path:
        raise peer.PeerMissing("no registry can be reached")

    monkeypatch.setattr(calls, "ibind_python", missing)
    monkeypatch.setattr(calls, "_COUNT", 10)
    monkeypatch.setattr(calls, "_WARM_UP", 10)
    rows = calls.measure(1, processes.Places(measured=None, server=None))
    judged = [row for row in rows if row.target]
    assert len(judged) == 6
    assert {(row.verdict, row.note, row.ratio) for row in judged} == {
        ("not measured", "no registry can be reached", None)
    }
    assert all(row.found.p50 > 0 for row in rows)


def test_a_benchmark_nobody_wrote_is_refused_by_name() -> None:
    ended = subprocess.run(
        [sys.executable, str(BENCHMARKS / "run.py"), "speed"], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "no benchmark is called speed: choose from imports, calls, order_path, core, limiter" in ended.stderr
