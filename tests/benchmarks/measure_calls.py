"""REST calls of the adapter's client against ibind's, over TLS on the same server, in turns."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from statistics import median

from peer import REQUIREMENT, PeerMissing, ibind_python
from processes import Places, Timings, Worker, cpu_argument, fixed_server, worker
from report import AtLeast, AtMost, Row, Spread

_CALLS = {"tickle": "tickle", "snapshot": "snapshot 100 x 10", "positions": "positions, 100 rows"}
_LATENCY = {"tickle": AtMost(bound=0.95), "snapshot": AtMost(bound=0.7), "positions": AtMost(bound=0.7)}
_RATE = AtLeast(bound=1.8)
_IN_FLIGHT = 10
_WARM_UP = 40
_COUNT = 200


@dataclass
class Turns:
    """The timings of one call, round by round."""

    ours: list[Timings] = field(default_factory=list)
    theirs: list[Timings] = field(default_factory=list)


def measure(rounds: int, places: Places) -> Sequence[Row]:
    """Latencies one at a time, calls a second with ten in flight, and what mapping to Quotes adds."""
    missing = ""
    with ExitStack() as stack:
        server = stack.enter_context(fixed_server(places))
        certificate, cpu = server.certificate, cpu_argument(places.measured)
        ours = stack.enter_context(
            worker(sys.executable, "client_calls.py", server.port, certificate.fingerprint, *cpu)
        )
        theirs = None
        try:
            python = ibind_python()
        except PeerMissing as error:
            missing = str(error)
        else:
            theirs = stack.enter_context(worker(python, "ibind_calls.py", server.port, str(certificate.path), *cpu))
        one_by_one = {call: _turns(call, 1, rounds, ours, theirs) for call in _CALLS}
        together = {call: _turns(call, _IN_FLIGHT, rounds, ours, theirs) for call in _CALLS}
        mapping = Spread.of([ours.measure(call="mapping", count=_COUNT).microseconds for _ in range(rounds)])
    latencies = [_latency(call, turns, missing) for call, turns in one_by_one.items()]
    snapshot = next(row.found for row in latencies if row.name == _CALLS["snapshot"])
    assert snapshot is not None
    return [
        *latencies,
        Row(
            name="mapping 100 rows to Quotes",
            unit="us",
            found=mapping,
            against="its snapshot call",
            other=snapshot,
            ratio=mapping.p50 / snapshot.p50,
        ),
        *(_rate(call, turns, missing) for call, turns in together.items()),
    ]


def _turns(call: str, in_flight: int, rounds: int, ours: Worker, theirs: Worker | None) -> Turns:
    turns = Turns()
    for _ in range(rounds):
        turns.ours.append(_turn(ours, call, in_flight))
        if theirs is not None:
            turns.theirs.append(_turn(theirs, call, in_flight))
    return turns


def _turn(asked: Worker, call: str, in_flight: int) -> Timings:
    # The other one's turn may have lasted so long that idle connections were closed.
    asked.measure(call=call, count=_WARM_UP, in_flight=in_flight)
    return asked.measure(call=call, count=_COUNT * (2 if in_flight > 1 else 1), in_flight=in_flight)


def _latency(call: str, turns: Turns, missing: str) -> Row:
    ours = [each.microseconds for each in turns.ours]
    target = _LATENCY[call]
    found = Spread.of(ours)
    if missing:
        return Row(name=_CALLS[call], unit="us", found=found, against=REQUIREMENT, target=str(target), note=missing)
    theirs = [each.microseconds for each in turns.theirs]
    ratio = median(Spread.of([a]).p50 / Spread.of([b]).p50 for a, b in zip(ours, theirs, strict=True))
    return Row(
        name=_CALLS[call],
        unit="us",
        found=found,
        against=REQUIREMENT,
        other=Spread.of(theirs),
        ratio=ratio,
        cpu_ratio=_cpu_ratio(turns),
        target=str(target),
        met=target.met(ratio),
    )


def _rate(call: str, turns: Turns, missing: str) -> Row:
    name, unit = f"{_CALLS[call]}, {_IN_FLIGHT} in flight", "calls/s"
    ours = [len(each.microseconds) / each.seconds for each in turns.ours]
    found = Spread(p50=median(ours))
    if missing:
        return Row(name=name, unit=unit, found=found, against=REQUIREMENT, target=str(_RATE), note=missing)
    theirs = [len(each.microseconds) / each.seconds for each in turns.theirs]
    ratio = median(a / b for a, b in zip(ours, theirs, strict=True))
    return Row(
        name=name,
        unit=unit,
        found=found,
        against=REQUIREMENT,
        other=Spread(p50=median(theirs)),
        ratio=ratio,
        cpu_ratio=_cpu_ratio(turns),
        target=str(_RATE),
        met=_RATE.met(ratio),
    )


def _cpu_ratio(turns: Turns) -> float:
    return median(a.cpu / b.cpu for a, b in zip(turns.ours, turns.theirs, strict=True))
