"""`import horizon` does nothing but make names."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("aiohttp", "asyncio", "httpx", "matplotlib", "polars", "rich", "starlette", "typer", "uvicorn")

SCRIPT = """
import gc, json, logging, os, signal, sys, threading, warnings

signals = [number for number in signal.valid_signals() if number not in (signal.SIGKILL, signal.SIGSTOP)]

def state():
    return {
        "threads": threading.active_count(),
        "signals": [str(signal.getsignal(number)) for number in signals],
        "handlers": [str(handler) for handler in logging.getLogger().handlers],
        "warning filters": len(warnings.filters),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "descriptors": sorted(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else [],
        "excepthook": str(sys.excepthook),
    }

before = state()
import PACKAGE
after = state()
changed = [name for name in before if before[name] != after[name]]
loops = [str(thing) for thing in gc.get_objects() if type(thing).__name__.endswith("EventLoop")]
print(json.dumps({"changed": changed, "loops": loops, "modules": sorted(sys.modules)}))
"""


@pytest.mark.parametrize("package", ["horizon", "exchanges", "feeds"])
def test_an_import_changes_nothing_in_the_process(tmp_path: Path, package: str) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    run = subprocess.run(
        [sys.executable, "-B", "-W", "error", "-c", SCRIPT.replace("PACKAGE", package)],
        cwd=work,
        env=os.environ | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    assert found["changed"] == []
    assert found["loops"] == []
    assert [name for name in HEAVY if name in found["modules"]] == []
    assert run.stderr == ""
    assert list(home.iterdir()) == list(work.iterdir()) == []
