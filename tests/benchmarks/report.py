"""What a benchmark found: rows, a table of them for people, and one object for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

_WIDTH = 210


def quantile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all values lie below."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Median and 99th percentile of one thing, each as the median over the rounds."""

    p50: float
    p99: float | None = None

    @classmethod
    def of(cls, rounds: Sequence[Sequence[float]]) -> "Spread":
        return cls(
            p50=median(quantile(each, 0.5) for each in rounds),
            p99=median(quantile(each, 0.99) for each in rounds),
        )


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line: what was measured, the peer or floor of the same run, their ratio, and the target if there is one."""

    name: str
    unit: str = ""
    found: Spread | None = None
    against: str = ""
    other: Spread | None = None
    ratio: float | None = None
    cpu_ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if not self.target:
            return ""
        return "not measured" if self.met is None else "met" if self.met else "MISSED"


@dataclass(frozen=True, kw_only=True)
class AtMost:
    bound: float

    def __str__(self) -> str:
        return f"≤ {self.bound:g}"

    def met(self, value: float) -> bool:
        return value <= self.bound


@dataclass(frozen=True, kw_only=True)
class AtLeast:
    bound: float

    def __str__(self) -> str:
        return f"≥ {self.bound:g}"

    def met(self, value: float) -> bool:
        return value >= self.bound


def show(benchmarks: Mapping[str, Sequence[Row]], facts: Sequence[str]) -> None:
    """The rows as a table, and below it what is said about the machine and about single rows."""
    # never narrower than the table: a cell that is cut off tells nothing
    console = Console(width=max(Console().width, _WIDTH))
    table = Table(box=None, header_style="bold", padding=(0, 1))
    for title in ("", "p50", "p99", "", "beside it", "p50", "p99", "ratio", "CPU", "target", ""):
        table.add_column(title, justify="left" if title in ("", "beside it", "target") else "right", no_wrap=True)
    for name, rows in benchmarks.items():
        table.add_row(f"[bold]{name}[/bold]")
        for row in rows:
            table.add_row(
                f"  {row.name}",
                *_pair(row.found),
                row.unit,
                row.against,
                *_pair(row.other),
                _number(row.ratio),
                _number(row.cpu_ratio),
                row.target,
                row.verdict,
                style={"MISSED": "red", "not measured": "yellow"}.get(row.verdict, ""),
            )
    console.print(table)
    for fact in [*facts, *_notes(benchmarks)]:
        console.print(f"  {fact}", highlight=False)


def _notes(benchmarks: Mapping[str, Sequence[Row]]) -> list[str]:
    """What is said about rows, once for all rows of which the same is said."""
    by_note: dict[str, list[str]] = {}
    for rows in benchmarks.values():
        for row in rows:
            if row.note:
                by_note.setdefault(row.note, []).append(row.name.strip())
    return [f"{'; '.join(names)}: {note}" for note, names in by_note.items()]


def _pair(spread: Spread | None) -> tuple[str, str]:
    return (_number(spread.p50), _number(spread.p99)) if spread is not None else ("", "")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
