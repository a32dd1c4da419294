"""The timed events of a plan, as things that happen to a gateway."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from exchanges.ibkr.simulator.agenda import Agenda
from exchanges.ibkr.simulator.controls import Controls
from exchanges.ibkr.simulator.pacing import PENALTY
from horizon.errors import ConfigurationError
from horizon.simulation.faults import FaultPlan
from horizon.simulation.timed_events import Event

Restart = Callable[[float], None]


class _Occurrence(msgspec.Struct, frozen=True):
    """How it begins, how it ends after `seconds`, and which keys it takes besides the time."""

    begins: Callable[[Any, Event], object]
    ends: Callable[[Any, Event], object] | None = None
    keys: frozenset[str] = frozenset()


def _lasting(begins: Callable[[Any, Event], object], ends: Callable[[Any, Event], object], *keys: str) -> _Occurrence:
    return _Occurrence(begins, ends, frozenset({"seconds", *keys}))


_RETURNS = "times"
OCCURRENCES: dict[str, _Occurrence] = {
    "compete": _lasting(lambda g, e: g.compete(retakes=(e.times or 1) - 1), lambda g, e: g.leave(), _RETURNS),
    "compete_looking_well": _lasting(lambda g, e: g.compete(looks_well=True), lambda g, e: g.leave()),
    "leave": _Occurrence(lambda g, e: g.leave()),
    "drop_session": _Occurrence(lambda g, e: g.drop_session()),
    "log_out": _Occurrence(lambda g, e: g.log_out()),
    "log_in": _Occurrence(lambda g, e: g.log_in()),
    "expire_tokens": _Occurrence(lambda g, e: g.expire_tokens()),
    "silence": _lasting(lambda g, e: g.stop_answering(), lambda g, e: g.resume()),
    "no_bridge": _lasting(lambda g, e: g.lose_bridge(for_good=e.seconds is not None), lambda g, e: g.restore_bridge()),
    "orders_unavailable": _lasting(lambda g, e: g.close_orders(), lambda g, e: g.accept_orders()),
    "gone": _lasting(lambda g, e: g.gone(e.host or 0), lambda g, e: g.back(e.host or 0), "host"),
    "penalty": _Occurrence(lambda g, e: g.penalize(e.seconds or PENALTY), keys=frozenset({"seconds"})),
    "overrun": _Occurrence(lambda g, e: g.overrun(e.seconds or 0.0), keys=frozenset({"seconds"})),
    "restart_backend": _Occurrence(lambda g, e: g.restart_backend()),
    "restart_backend_forgetting": _lasting(
        lambda g, e: g.restart_backend(forgets_orders=True), lambda g, e: g.remember_orders()
    ),
    "forget_orders": _lasting(lambda g, e: g.forget_orders(), lambda g, e: g.remember_orders()),
    "cool_reads": _Occurrence(lambda g, e: g.cool_reads()),
    "expire_prompts": _Occurrence(lambda g, e: g.expire_prompts()),
    "lose_replies": _Occurrence(lambda g, e: g.lose_replies(e.times or 1), keys=frozenset({_RETURNS})),
    "stale_orders": _Occurrence(lambda g, e: g.stale_orders(e.seconds or 0.0), keys=frozenset({"seconds"})),
    "stale_positions": _Occurrence(lambda g, e: g.stale_positions(e.seconds or 0.0), keys=frozenset({"seconds"})),
    "restart": _Occurrence(lambda g, e: g.restart_soon(e.seconds or 0.0), keys=frozenset({"seconds"})),
}
_NEED_SECONDS = frozenset({"overrun", "stale_orders", "stale_positions"})


def schedule(events: Iterable[Event], gateway: Controls, agenda: Agenda, *, start: int, hosts: int) -> None:
    """Put the events on the agenda. Raises ConfigurationError for one that this gateway knows nothing of."""
    for number, event in enumerate(events, start=1):
        problem = _problem(event, hosts)
        if problem:
            raise ConfigurationError(f"event number {number} of the plan: {problem}")
        _put(event, OCCURRENCES[event.what], gateway, agenda, event.due(start))


def during_requests(plan: FaultPlan, gateway: Controls) -> None:
    """Let the faults of a plan set off what they name, in the middle of a request. Raises ConfigurationError for what
    this gateway knows nothing of, or what needs a duration."""
    plan.connect(
        happens=lambda what: OCCURRENCES[what].begins(gateway, Event(what=what, after=0)),
        problem=lambda what: _problem(Event(what=what, after=0), hosts=1),
    )


def _put(event: Event, occurrence: _Occurrence, gateway: Controls, agenda: Agenda, due: int) -> None:
    ends = occurrence.ends

    def begin() -> None:
        occurrence.begins(gateway, event)
        if event.seconds is not None and ends is not None:
            agenda.after(event.seconds, end)

    def end() -> None:
        if ends is not None:
            ends(gateway, event)

    agenda.at(due, begin)


def _problem(event: Event, hosts: int) -> str:
    occurrence = OCCURRENCES.get(event.what)
    if occurrence is None:
        return f"key 'what': expected one of {', '.join(OCCURRENCES)}, found {event.what!r}"
    for key in ("seconds", "times", "host"):
        if getattr(event, key) is not None and key not in occurrence.keys:
            return f"key {key!r}: has no meaning for {event.what!r}"
    if event.what in _NEED_SECONDS and event.seconds is None:
        return f"key 'seconds': {event.what!r} needs it, in seconds above 0"
    if event.host is not None and event.host >= hosts:
        return f"key 'host': expected a number below {hosts}, found {event.host}"
    return ""
