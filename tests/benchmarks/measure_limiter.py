"""The request limiter: what a slot costs beside a bare semaphore and a bare file lock, and how exactly a wait ends."""

from collections.abc import Sequence
from statistics import median
from tempfile import TemporaryDirectory

from processes import WORK, BenchmarkFailed, Places, cpu_argument, once
from report import AtMost, Row, Spread, quantile

_COUNT = 5_000
_WAITS = 50
_MOST_ROUNDS = 3
_ADMISSION = AtMost(bound=50)


def measure(rounds: int, places: Places) -> Sequence[Row]:
    """Microseconds; a shared admission has a target of 50."""
    WORK.mkdir(exist_ok=True)
    found: dict[str, list[list[float]]] = {}
    for _ in range(min(rounds, _MOST_ROUNDS)):
        with TemporaryDirectory(dir=WORK) as folder:
            answer = once("limiter_speed.py", folder, str(_COUNT), str(_WAITS), *cpu_argument(places.measured))
        for name, values in answer.items():
            if not isinstance(values, list):
                raise BenchmarkFailed(f"expected a list of microseconds for {name}, found {values!r}")
            found.setdefault(name, []).append(values)

    def row(name: str, what: str, against: str, floor: str, target: AtMost | None = None, note: str = "") -> Row:
        spread = Spread.of(found[what])
        has_floor = all(found[floor])
        other = Spread.of(found[floor]) if has_floor else None
        pairs = zip(found[what], found[floor], strict=True)
        return Row(
            name=name,
            unit="us",
            found=spread,
            against=against if has_floor else "",
            other=other,
            ratio=median(quantile(a, 0.5) / quantile(b, 0.5) for a, b in pairs) if has_floor else None,
            target=f"{target} us" if target else "",
            met=target.met(spread.p50) if target else None,
            note=note,
        )

    def a_second(what: str) -> str:
        return f"{1e6 / Spread.of(found[what]).p50:,.0f} a second"

    late = "after the permitted instant; the floor is how late the event loop wakes from a sleep; none was early"
    return [
        row("slot", "private", "bare semaphore", "semaphore", note=a_second("private")),
        row("slot, shared by processes", "shared", "two bare file locks", "flock", note=a_second("shared")),
        row("  its admission", "admission", "two bare file locks", "flock", _ADMISSION),
        row("lateness of a wait", "late_private", "bare sleep", "late_sleep", note=late),
        row("lateness of a wait, shared", "late_shared", "bare sleep", "late_sleep", note=late),
    ]
