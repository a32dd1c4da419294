"""Numbers as Interactive Brokers writes them: text with thousands commas, K and M, percent signs and markers.

What the venue left out is None, never 0. Text that is neither a number nor a known way to say "nothing" raises
ValueError, because guessing at money is worse than stopping.
"""

from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Final

import msgspec

from horizon.model import plain

Raw = str | int | float | Decimal | None
"""A number as it may stand in an answer: text or JSON number, or absent."""

_NOTHING: Final = frozenset({"", "N/A", "n/a", "None", "null", "-", "--"})
_SUFFIXES: Final = {"K": Decimal(1_000), "M": Decimal(1_000_000), "B": Decimal(1_000_000_000)}


class LastPrice(msgspec.Struct, frozen=True, kw_only=True):
    """The last price with what its prefix says."""

    value: float | None
    is_prior_close: bool = False
    """`C123.45`: there was no trade today, this is the prior close."""
    halted: bool = False
    """`H123.45`: trading is halted."""


def decimal(raw: Raw) -> Decimal | None:
    """A Decimal, or None for what says "nothing": `1,300`, `2.4K`, `50.6M`, `0.54%` (0.54), `$0.01`, 647.09.

    Raises ValueError for any other text and for NaN and infinities.
    """
    if raw is None:
        return None
    if isinstance(raw, Decimal):
        result = raw
    elif isinstance(raw, str):
        text = raw.strip()
        if text in _NOTHING:
            return None
        result = _parsed(text, raw)
    elif isinstance(raw, bool):
        raise ValueError(f"expected a number, found {raw!r}")
    else:
        result = Decimal(str(raw))
    if not result.is_finite():
        raise ValueError(f"expected a finite number, found {raw!r}")
    return result


def count(raw: Raw) -> Decimal | None:
    """A number of shares or contracts, as `decimal` but without the zeros of the wire's floats: 20.0 is 20."""
    value = decimal(raw)
    return None if value is None else Decimal(plain(value))


def _parsed(text: str, raw: str) -> Decimal:
    bare = text.removesuffix("%").replace("$", "", 1).replace(",", "").strip()
    factor = _SUFFIXES.get(bare[-1:].upper())
    try:
        return Decimal(bare) if factor is None else Decimal(bare[:-1]) * factor
    except InvalidOperation:
        raise ValueError(f"expected a number, found {raw!r}") from None


def number(raw: str | float | None) -> float | None:
    """A float for market data, by the same rules as `decimal`; the plain case costs one `float()`."""
    if raw is None:
        return None
    try:
        value = float(raw)
    except ValueError:
        parsed = decimal(raw)
        return None if parsed is None else float(parsed)
    if not isfinite(value):
        raise ValueError(f"expected a finite number, found {raw!r}")
    return value


def last_price(raw: str | float | None) -> LastPrice:
    """Field 31: a bare number, or one with the prefix `C` (prior close) or `H` (halted)."""
    if not isinstance(raw, str):
        return LastPrice(value=number(raw))
    text = raw.strip()
    marker = text[:1]
    if marker in ("C", "H"):
        return LastPrice(value=number(text[1:]), is_prior_close=marker == "C", halted=marker == "H")
    return LastPrice(value=number(text))


def amount(raw: Raw) -> tuple[Decimal | None, str | None]:
    """Money with the currency it names, if any: `1.00 USD` is (1.00, "USD"), `1.02` is (1.02, None).

    Commissions come in both forms; a fresh fill has none yet, which is (None, None).
    """
    if isinstance(raw, str):
        head, _, tail = raw.strip().rpartition(" ")
        if head and tail.isalpha() and len(tail) == 3:
            return decimal(head), tail.upper()
    return decimal(raw), None


def conid_text(raw: str | float | None) -> str | None:
    """A conid as text. The venue sends it as a number in most answers and as text in others; -1 and 0 mean none."""
    if raw is None:
        return None
    if isinstance(raw, float):
        raw = int(raw)
    text = str(raw).strip()
    return None if text in ("", "-1", "0") else text
