"""The picture of the two P&L lines."""

from collections.abc import Sequence
from pathlib import Path

from horizon.cli.demo.pnl import Sample
from horizon.clock import to_datetime
from horizon.errors import ConfigurationError


def draw(samples: Sequence[Sample], path: Path, *, title: str) -> Path:
    """Save hedged against unhedged P&L over market time as PNG. Needs the `plot` extra."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ConfigurationError(
            "the picture needs matplotlib, which is not installed: pip install 'horizon-trading[plot]'"
        ) from error
    figure = Figure(figsize=(10, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot([sample.unhedged for sample in samples], label="event alone", color="#c2410c", linewidth=1.2)
    axes.plot([sample.hedged for sample in samples], label="hedged", color="#1d4ed8", linewidth=1.6)
    axes.axhline(0, color="#9ca3af", linewidth=0.8)
    axes.set_title(title)
    axes.set_ylabel("P&L after fees, USD")
    axes.set_xlabel("market time, UTC")
    # one step per sample: on a time axis, nights and weekends would be most of the picture
    marks = range(0, len(samples), max(len(samples) // 7, 1))
    axes.set_xticks(list(marks), [f"{to_datetime(samples[mark].time):%m-%d %H:%M}" for mark in marks])
    axes.grid(visible=True, color="#e5e7eb", linewidth=0.6)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=130)
    return path
