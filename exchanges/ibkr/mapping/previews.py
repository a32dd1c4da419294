"""The venue's estimate of an order to numbers."""

import re
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from exchanges.ibkr.mapping.numbers import Raw, decimal
from exchanges.ibkr.wire.orders import WhatIf, WhatIfChange
from horizon.model import Change, Preview

_MONEY: Final = re.compile(r"^\s*(?P<numbers>[-+\d.,\s]*?\d[\d.,]*)\s*(?P<currency>[A-Z]{3})?\s*(\(.*\))?\s*$")
_RANGE: Final = re.compile(r"(?<=\d)\s*(?:-|\.\.+|to)\s*(?=\d)")


def preview_of(answer: WhatIf, bare: Preview) -> Preview:
    """`bare`, which says whose it is, with the numbers of the answer. Raises ValueError for unreadable money."""
    amounts = answer.amount
    amount = _money(None if amounts is None else amounts.amount)
    commission = _money(None if amounts is None else amounts.commission)
    total = _money(None if amounts is None else amounts.total)
    return replace(
        bare,
        currency=next((name for _, _, name in (commission, total, amount) if name), bare.currency),
        amount=amount[0],
        commission=commission[0],
        most_commission=commission[1],
        total=total[0],
        equity=_change(answer.equity),
        initial_margin=_change(answer.initial),
        maintenance_margin=_change(answer.maintenance),
        position=_change(answer.position),
        warnings=(answer.warn,) if answer.warn else (),
    )


def _change(raw: WhatIfChange | None) -> Change:
    if raw is None:
        return Change()
    return Change(before=decimal(raw.current), change=decimal(raw.change), after=decimal(raw.after))


def _money(raw: Raw) -> tuple[Decimal | None, Decimal | None, str]:
    """The least and the most of `1,977.60 USD (10 Shares)`, `1 USD` or `0.35 - 1 USD`, and its currency."""
    if not isinstance(raw, str):
        value = decimal(raw)
        return value, value, ""
    found = _MONEY.match(raw)
    if found is None:
        value = decimal(raw)
        return value, value, ""
    numbers = [decimal(part) for part in _RANGE.split(found["numbers"])]
    return numbers[0], numbers[-1], found["currency"] or ""
