"""The live display of the demo."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn
from rich.progress import Progress as Bar

from horizon.cli.demo.pnl import PnlCurve
from horizon.clock import to_datetime
from horizon.model import CoreEvent, Fill, OrderReport, PromptAnswered, Quote

_EVERY = 50
"""Redraw after so many quotes: drawing costs more than handling one."""


class Progress:
    """A bar over market time, with what has happened so far."""

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console = console
        self._quiet = quiet
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}"),
            console=console,
            disable=quiet or not console.is_terminal,
        )
        self._task = self._bar.add_task("market time", total=1.0, status="")
        self._start = self._end = 0
        self._quotes = self._prompts = 0
        self._fills: set[str] = set()
        self._orders: set[str] = set()
        self._pnl: PnlCurve | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """One line for the person who watches."""
        if not self._quiet:
            self._console.print(text, soft_wrap=True, markup=False)

    def begin(self, start: int, end: int, pnl: PnlCurve) -> None:
        """Market time runs from `start` to `end` (ns)."""
        self._start, self._end, self._pnl = start, end, pnl

    def take(self, event: CoreEvent) -> None:
        """Count one event of the run."""
        if type(event) is Quote:
            self._quotes += 1
            if self._quotes % _EVERY == 0:
                self._redraw(event.receive_time)
        elif isinstance(event, Fill):
            self._fills.add(event.execution_id)
        elif isinstance(event, OrderReport) and event.client_order_id:
            self._orders.add(event.client_order_id)
        elif isinstance(event, PromptAnswered):
            self._prompts += 1

    def _redraw(self, now: int) -> None:
        hedged = self._pnl.hedged if self._pnl is not None else None
        shown = "" if hedged is None else f"  P&L {hedged:+,.2f}"
        self._bar.update(
            self._task,
            completed=(now - self._start) / max(self._end - self._start, 1),
            status=f"{to_datetime(now):%Y-%m-%d %H:%M} UTC  {self._quotes} quotes  {len(self._orders)} orders  "
            f"{len(self._fills)} fills  {self._prompts} prompts{shown}",
        )
