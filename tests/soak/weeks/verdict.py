"""Compares what was told of a session with what the gateway went through, and names every promise that was broken."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise

import msgspec
from weeks.plan import BOX, NEW_YORK, Plan

from exchanges.ibkr.simulator import Simulator
from horizon.clock import NANOSECONDS, to_datetime
from horizon.model import SessionState, SessionTier

DETECTED = 150 * NANOSECONDS
"""What lasts longer must have been told by then: two keep-alives, and the time until they fail."""
RESTORED = 180 * NANOSECONDS
"""And so long after its end the session must be back,"""
SIGN_IN_BUDGET = 3720 * NANOSECONDS
"""but where programs sign in and could not: two attempts in an hour are allowed."""
_COSTS_SIGN_INS = ("reset", "maintenance", "silence", "expired")
_HOUR = 3600 * NANOSECONDS
_TIERS = (SessionTier.TOKEN, SessionTier.GATEWAY, SessionTier.BROKERAGE)


class Interval(msgspec.Struct, frozen=True):
    """A time (ns) in which nothing could be traded, and why."""

    begin: int
    end: int
    why: str

    def meets(self, other: "Interval") -> bool:
        return self.begin < other.end and other.begin < self.end

    def __str__(self) -> str:
        begin, end = (f"{to_datetime(at).astimezone(NEW_YORK):%a %H:%M:%S}" for at in (self.begin, self.end))
        return f"{begin} to {end} ({self.why})"


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """What the program under test said and left behind."""

    states: Sequence[SessionState]
    leaked_tasks: int


def broken_promises(plan: Plan, gateway: Simulator, told: Told) -> list[str]:
    """One sentence for each; none when all were kept."""
    found, small = outages(plan, gateway)
    truth = merged(found)
    reported = told_outages(plan, told.states)
    return [
        *_counts(plan, gateway, told),
        *_each_told_once(plan, truth, reported),
        *_none_made_up(truth + small, reported),
        *_no_repetition(told.states, found + small),
    ]


def outages(plan: Plan, gateway: Simulator) -> tuple[list[Interval], list[Interval]]:
    """What the gateway went through, and beside it what may have been noticed or not."""
    found = [*_session_outages(plan, gateway)]
    found += [Interval(begin, end, "silence") for begin, end in plan.of("silence")]
    found += [Interval(begin, end, "429") for begin, end in boxes(gateway)]
    small = [Interval(begin, end + DETECTED, "restart") for begin, end in plan.of("restart")]
    small += [Interval(begin, begin + DETECTED, "no bridge") for begin, _ in plan.of("no_bridge")]
    small += [Interval(begin, begin + DETECTED, "tokens expired") for begin, _ in plan.of("expire_tokens")]
    return found, small


def boxes(gateway: Simulator) -> list[tuple[int, int]]:
    """The penalty boxes that the gateway opened: from the first 429 on."""
    found: list[tuple[int, int]] = []
    for request in gateway.requests:
        if request.status == 429 and (not found or request.time >= found[-1][1]):
            found.append((request.time, request.time + round(BOX * NANOSECONDS)))
    return found


def told_outages(plan: Plan, states: Sequence[SessionState]) -> list[Interval]:
    """From when to when the session was told to be unusable. Orders that are refused before a reset are no outage."""
    found: list[Interval] = []
    down: SessionState | None = None
    for state in states:
        is_down = any(not tier.up for tier in state.tiers if tier.tier in _TIERS)
        if is_down and down is None:
            down = state
        elif not is_down and down is not None:
            found.append(Interval(down.time, state.time, down.reason))
            down = None
    return found if down is None else [*found, Interval(down.time, plan.end, down.reason)]


def meaning(state: SessionState) -> object:
    """A state without its times."""
    tiers = [msgspec.structs.replace(tier, since=0) for tier in state.tiers]
    return msgspec.structs.replace(state, time=0, tiers=tuple(tiers))


def human_logins_by_day(gateway: Simulator) -> Counter[date]:
    times = [each.time for each in gateway.transitions if each.tier == "gateway" and each.up]
    return Counter(to_datetime(time).astimezone(NEW_YORK).date() for time in times)


def forced_429s(gateway: Simulator) -> int:
    """429 answers that were planned, not earned."""
    return sum(request.status == 429 for request in gateway.requests) - gateway.rate_limited


def _counts(plan: Plan, gateway: Simulator, told: Told) -> Iterator[str]:
    if gateway.rate_limited:
        yield f"{gateway.rate_limited} requests came too fast"
    if gateway.sent_in_penalty_box:
        yield f"{gateway.sent_in_penalty_box} requests were sent in the penalty box"
    if forced_429s(gateway) < len(plan.of("penalty")):
        yield "the planned 429 did not come"
    if told.leaked_tasks:
        yield f"{told.leaked_tasks} tasks were left behind"
    if not told.states or not told.states[-1].ready:
        yield f"not signed in at the end: {told.states[-1].reason if told.states else 'nothing was told'}"
    if plan.mode != "gateway":
        if gateway.human_logins:
            yield f"{gateway.human_logins} logins of a person"
        times = [each.time for each in gateway.transitions if each.tier == "gateway" and each.up]
        if any(third - first < _HOUR for first, third in zip(times, times[2:], strict=False)):
            yield "more than two sign-ins in an hour"
        return
    for day, logins in human_logins_by_day(gateway).items():
        if logins > 1:
            yield f"{logins} logins of a person on {day}"
    if gateway.logins.missed != 1:
        yield f"expected one missed second factor, found {gateway.logins.missed}"
    if not any(tier.act_until for state in told.states for tier in state.tiers):
        yield "the deadline of the second factor was never told"


def _each_told_once(plan: Plan, truth: Sequence[Interval], reported: Sequence[Interval]) -> Iterator[str]:
    long = [outage for outage in truth if outage.end - outage.begin > DETECTED]
    for number, outage in enumerate(long):
        telling = [each for each in reported if each.meets(outage)]
        if len(telling) != 1:
            yield f"told {len(telling)} times instead of once: {outage}: {', '.join(map(str, telling))}"
            continue
        if telling[0].begin > outage.begin + DETECTED:
            yield f"told late: {outage}, told {telling[0]}"
        if telling[0].end > _back_by(plan, long[number:]):
            yield f"restored late: {outage}, told {telling[0]}"


def _back_by(plan: Plan, outages: Sequence[Interval]) -> int:
    """When the session must be back from the first outage, or from those that followed before that moment."""
    latest = 0
    for outage in outages:
        if latest and outage.begin > latest:
            break
        costs = plan.mode != "gateway" and any(word in outage.why for word in _COSTS_SIGN_INS)
        latest = max(latest, outage.end + (SIGN_IN_BUDGET if costs else RESTORED))
    return latest


def _none_made_up(truth: Sequence[Interval], reported: Sequence[Interval]) -> Iterator[str]:
    for each in reported:
        if not any(each.meets(outage) or abs(each.begin - outage.end) < NANOSECONDS for outage in truth):
            yield f"told, and nothing was there: {each}"


def _no_repetition(states: Sequence[SessionState], truth: Sequence[Interval]) -> Iterator[str]:
    for before, after in pairwise(states):
        if meaning(before) == meaning(after):
            yield f"told twice in a row: {after.reason or 'ready'}"
    changes = [moment for outage in truth for moment in (outage.begin, outage.end)]
    said: dict[str, int] = {}
    for state in states:
        if state.ready:
            said.clear()
            continue
        before_at = said.get(text := repr(meaning(state)))
        if before_at is not None and not any(before_at <= moment <= state.time for moment in changes):
            yield f"told again, and nothing had changed: {Interval(before_at, state.time, state.reason)}"
        said[text] = state.time


def _session_outages(plan: Plan, gateway: Simulator) -> Iterator[Interval]:
    """While there was no brokerage session, from its first one on. Upstream being down takes it along."""
    down: tuple[int, str] | None = None
    for each in gateway.transitions:
        if each.tier != "brokerage":
            continue
        if not each.up:
            down = (each.time, each.cause)
        elif down is not None:
            yield Interval(down[0], each.time, down[1])
            down = None
    if down is not None:
        yield Interval(down[0], plan.end, down[1])


def merged(found: Sequence[Interval]) -> list[Interval]:
    """As few as possible: what overlaps is one."""
    apart: list[Interval] = []
    for each in sorted(found, key=lambda interval: interval.begin):
        if apart and each.begin <= apart[-1].end:
            last = apart[-1]
            apart[-1] = Interval(last.begin, max(last.end, each.end), f"{last.why}, {each.why}")
        else:
            apart.append(each)
    return apart
