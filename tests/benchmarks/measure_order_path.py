"""The way of an order through the live shell against the bare POST of the same client."""

import tempfile
from collections.abc import Callable, Sequence
from operator import add, sub
from pathlib import Path
from statistics import median

from processes import WORK, Places, cpu_argument, fixed_server, once
from report import AtMost, Row, Spread

_ORDERS = 200
_TARGET = AtMost(bound=2)
_Rounds = list[list[float]]


def measure(rounds: int, places: Places) -> Sequence[Row]:
    """Microseconds; each round is a fresh process with a fresh journal on the disk of the repository."""
    found: dict[str, _Rounds] = {}
    size = 0
    with fixed_server(places) as server:
        for _ in range(rounds):
            with tempfile.TemporaryDirectory(dir=WORK) as directory:
                answer = once(
                    "order_path.py",
                    server.port,
                    server.certificate.fingerprint,
                    str(Path(directory)),
                    str(_ORDERS),
                    *cpu_argument(places.measured),
                )
            for name, values in answer.items():
                if isinstance(values, list):
                    found.setdefault(name, []).append(values)
            size = int(str(answer["fsync_bytes"]))
    whole, commits, posts, fsyncs = (found[name] for name in ("quote_to_bytes", "commit", "post_to_bytes", "fsync"))
    fsync = f"fsync of {size:,} bytes"
    return [
        _row("quote to bytes, without the commit", _each(sub, whole, commits), "bare POST to bytes", posts, _TARGET),
        _row("quote to bytes", whole, f"bare POST to bytes + {fsync}", _each(add, posts, fsyncs), _TARGET),
        _row("quote to bytes", whole, "bare POST to bytes", posts),
        _row("quote to bytes", whole, "bare POST to its answer", found["post_to_answer"]),
        _row("the journal's commit", commits, fsync, fsyncs),
    ]


def _each(operation: Callable[[float, float], float], left: _Rounds, right: _Rounds) -> _Rounds:
    """Order by order, round by round."""
    return [[operation(a, b) for a, b in zip(*pair, strict=True)] for pair in zip(left, right, strict=True)]


def _row(name: str, ours: _Rounds, against: str, other: _Rounds, target: AtMost | None = None) -> Row:
    ratio = median(Spread.of([a]).p50 / Spread.of([b]).p50 for a, b in zip(ours, other, strict=True))
    return Row(
        name=name,
        unit="us",
        found=Spread.of(ours),
        against=against,
        other=Spread.of(other),
        ratio=ratio,
        target=str(target) if target else "",
        met=target.met(ratio) if target else None,
    )
