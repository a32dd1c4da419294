"""Quotes a second through core and matching engine, against the bare loop of the same strategy."""

from collections.abc import Sequence
from statistics import median

from processes import BenchmarkFailed, Places, cpu_argument, once
from report import Row, Spread

_QUOTES = 1_000_000
_MOST_ROUNDS = 3


def measure(rounds: int, places: Places) -> Sequence[Row]:
    """No target: a figure to watch."""
    seconds: dict[str, list[float]] = {"replay": [], "loop": []}
    counts: list[object] = []
    for _ in range(min(rounds, _MOST_ROUNDS)):
        for how, found in seconds.items():
            answer = once("core_throughput.py", how, str(_QUOTES), *cpu_argument(places.measured))
            found.append(float(str(answer["seconds"])))
            counts.append(answer["counts"])
    if any(each != counts[0] for each in counts):
        raise BenchmarkFailed(f"the replay and the loop did not make the same orders: {counts}")
    work = counts[0]
    assert isinstance(work, dict)
    return [
        Row(
            name=f"replay of {_QUOTES:,} quotes",
            unit="quotes/s",
            found=Spread(p50=_QUOTES / median(seconds["replay"])),
            against="bare loop",
            other=Spread(p50=_QUOTES / median(seconds["loop"])),
            ratio=median(a / b for a, b in zip(seconds["replay"], seconds["loop"], strict=True)),
            note=f"the ratio is of times; both made {', '.join(f'{count:,} {what}' for what, count in work.items())}",
        )
    ]
