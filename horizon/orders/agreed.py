"""The positions that this side and the venue agreed on last, and what fills make of them. Pure.

They are kept in the journal, so that a later start finds what has changed while nobody was here.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal

import msgspec

from horizon.clock import NANOSECONDS
from horizon.model import ZERO, Fill, Instrument

SUBJECT = "positions agreed"
"""Of the journal line that keeps them."""
_REMEMBERED = 3_600
"""Seconds for which executions are kept one by one: so late may one be listed after its trade."""


class Agreed(msgspec.Struct, frozen=True, kw_only=True):
    """Positions at a moment, with the executions that are in them."""

    time: int
    positions: dict[Instrument, Decimal]
    executions: frozenset[str] = frozenset()
    """Those of the last hour; what was traded before it is in the positions too."""
    reason: str = ""

    def has(self, fill: Fill) -> bool:
        """Whether a fill is in these positions."""
        return fill.trade_time < self._from or fill.execution_id in self.executions

    def after(self, fills: Iterable[Fill]) -> dict[Instrument, Decimal]:
        """What is held once the fills that are not in it have happened; what is flat is left out.

        Two pieces of one event that the venue has netted come as fills of their own, which close both.
        """
        held = dict(self.positions)
        latest: dict[tuple[str, str], Fill] = {}
        for fill in fills:
            key = (fill.series or fill.execution_id, fill.market_id)
            if not self.has(fill) and (key not in latest or not latest[key].corrects(fill)):
                latest[key] = fill
        for fill in latest.values():
            held[fill.instrument] = held.get(fill.instrument, ZERO) + fill.signed_size
        return {name: size for name, size in held.items() if size}

    @property
    def _from(self) -> int:
        return self.time - _REMEMBERED * NANOSECONDS


def agree(now: int, positions: Mapping[Instrument, Decimal], fills: Iterable[Fill], reason: str) -> Agreed:
    """Positions as they are now, with all these fills in them."""
    since = now - _REMEMBERED * NANOSECONDS
    return Agreed(
        time=now,
        positions=dict(positions),
        executions=frozenset(fill.execution_id for fill in fills if fill.trade_time >= since),
        reason=reason,
    )
