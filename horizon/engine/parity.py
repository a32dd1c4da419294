"""Whether a fresh core, handed what another was handed, sends the same orders."""

from collections.abc import Sequence
from itertools import zip_longest

import msgspec

from horizon.engine.core import Core
from horizon.engine.replay import feed
from horizon.model import OrderRequest
from horizon.ports import Recording


class ParityReport(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on a replay: how many requests were compared, and the first difference in words."""

    matches: bool
    recorded: int
    replayed: int
    first_difference: str = ""


def replay_verdict(core: Core, recording: Recording, recorded: Sequence[OrderRequest]) -> ParityReport:
    """Hand the recording to `core`, which must be fresh, and compare what it sends with what was sent."""
    replayed = feed(core, (event for batch in recording.batches() for event in batch))
    return compare(recorded, replayed)


def compare(recorded: Sequence[OrderRequest], replayed: Sequence[OrderRequest]) -> ParityReport:
    """Two sequences of requests, request by request and field by field."""
    difference = ""
    for number, (then, now) in enumerate(zip_longest(recorded, replayed), 1):
        if then != now:
            difference = f"request {number}: {_describe(then, now)}"
            break
    return ParityReport(
        matches=not difference, recorded=len(recorded), replayed=len(replayed), first_difference=difference
    )


def _describe(then: OrderRequest | None, now: OrderRequest | None) -> str:
    if then is None or now is None:
        extra = then or now
        who = "the recording" if now is None else "the replay"
        return f"only {who} has it: {_short(extra)}"
    changed = [
        f"{field} was {getattr(then, field)}, is {getattr(now, field)}"
        for field in OrderRequest.__struct_fields__
        if getattr(then, field) != getattr(now, field)
    ]
    return f"{_short(then)}: " + "; ".join(changed)


def _short(request: OrderRequest | None) -> str:
    if request is None:
        return "nothing"
    price = "at the market" if request.price is None else f"at {request.price}"
    return f"{request.order_side} {request.size} of {request.instrument} {price}"
