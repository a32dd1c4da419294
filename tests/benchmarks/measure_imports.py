"""How long the imports take, each in fresh processes next to a bare start of Python."""

import subprocess
import sys
import time
from collections.abc import Sequence

from machine import children_pinned
from processes import WORK, BenchmarkFailed, Places
from report import AtMost, Row, Spread

_START = "pass"
_HORIZON = "import horizon"
_ADAPTER = "from exchanges import InteractiveBrokers"
_MADE = f"{_ADAPTER}; InteractiveBrokers()"
_HEAVY = ("httpx", "polars")
_PROCESSES_PER_ROUND = 3


def measure(rounds: int, places: Places) -> Sequence[Row]:
    """Milliseconds of the whole process, its start included."""
    WORK.mkdir(exist_ok=True)
    statements = (_START, _HORIZON, _ADAPTER, _MADE)
    milliseconds: dict[str, list[list[float]]] = {each: [] for each in statements}
    with children_pinned(places.measured):
        for statement in statements:
            _seconds(statement)
        for _ in range(rounds):
            for statement in statements:
                milliseconds[statement].append([_seconds(statement) * 1e3 for _ in range(_PROCESSES_PER_ROUND)])
    start = Spread.of(milliseconds[_START])

    def row(statement: str, target: AtMost | None, note: str = "") -> Row:
        found = Spread.of(milliseconds[statement])
        return Row(
            name=statement,
            unit="ms",
            found=found,
            against="python start",
            other=start,
            ratio=found.p50 / start.p50,
            target=f"{target} ms" if target else "",
            met=target.met(found.p50) if target else None,
            note=note,
        )

    loaded = _loaded(_HORIZON)
    return [
        row(_HORIZON, AtMost(bound=200)),
        Row(
            name=f"import horizon loads none of {', '.join(_HEAVY)}",
            target="none",
            met=not loaded,
            note=f"found {', '.join(loaded)}" if loaded else "",
        ),
        row(_ADAPTER, AtMost(bound=350)),
        row(_MADE, None, "the HTTP libraries are loaded when the first client is made"),
    ]


def _seconds(statement: str) -> float:
    began = time.perf_counter()
    _python(statement)
    return time.perf_counter() - began


def _loaded(statement: str) -> list[str]:
    return _python(f"{statement}; import sys; print(*(m for m in {_HEAVY!r} if m in sys.modules))").split()


def _python(code: str) -> str:
    # Not in the repository: the packages are found as a user finds them.
    ended = subprocess.run([sys.executable, "-c", code], cwd=WORK, stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode:
        raise BenchmarkFailed(f"python -c {code!r} failed")
    return ended.stdout
