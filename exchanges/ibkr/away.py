"""What changed at the venue while the session was away, as far as fills do not explain it."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from horizon.clock import NANOSECONDS
from horizon.model import ZERO, AccountId, Fill, Instrument, Position, plain

CACHE_SECONDS: Final = 600
"""By so much the venue's positions can lag its fills: whether an old fill is in them is not known."""


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    """Positions of one account as they were read."""

    time: int
    sizes: Mapping[Instrument, Decimal]
    names: Mapping[Instrument, str]


class Holdings:
    """The last positions that were read of each account, to compare later ones with."""

    def __init__(self) -> None:
        self._known: dict[AccountId, _Known] = {}

    @property
    def accounts(self) -> tuple[AccountId, ...]:
        """The accounts whose positions were read."""
        return tuple(self._known)

    def read(self, account_id: AccountId, positions: Sequence[Position], now: int) -> None:
        """Take positions as what is known from now on."""
        self._known[account_id] = _Known(
            time=now,
            sizes={position.instrument: position.size for position in positions},
            names=_names(positions),
        )

    def were_read_before(self, account_id: AccountId, moment: int | None) -> bool:
        """Whether the positions that are known are those of before a moment (ns), or of before now."""
        known = self._known.get(account_id)
        return known is not None and (moment is None or known.time <= moment)

    def changes(
        self,
        account_id: AccountId,
        positions: Sequence[Position],
        fills: Iterable[Fill],
        *,
        of: Instrument | None = None,
    ) -> list[str]:
        """`SPY 100 -> 120` for each position that neither was so before nor became so by the fills; or of one alone."""
        known = self._known.get(account_id)
        if known is None:
            return []
        sizes = {position.instrument: position.size for position in positions}
        names = {**known.names, **_names(positions)}
        recent = sorted(
            (
                fill
                for fill in fills
                if fill.account_id == account_id and fill.trade_time > known.time - CACHE_SECONDS * NANOSECONDS
            ),
            key=lambda fill: fill.trade_time,
            reverse=True,
        )
        found = []
        for name in sorted({*sizes, *known.sizes} if of is None else {of}, key=lambda each: names.get(each, each)):
            before, after = known.sizes.get(name, ZERO), sizes.get(name, ZERO)
            if after - before not in _sums(fill.signed_size for fill in recent if fill.instrument == name):
                found.append(f"{names.get(name, name)} {plain(before)} -> {plain(after)}")
        return found


def _names(positions: Sequence[Position]) -> dict[Instrument, str]:
    return {position.instrument: position.symbol or position.market_id for position in positions}


def _sums(sizes: Iterable[Decimal]) -> set[Decimal]:
    """What the latest none, one, two and so on of the fills come to: the rest may be in the older positions already."""
    total = ZERO
    sums = {total}
    for size in sizes:
        total += size
        sums.add(total)
    return sums
