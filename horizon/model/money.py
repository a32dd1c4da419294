"""Exact numbers at the edge of the typed world."""

from decimal import Decimal, InvalidOperation

Number = Decimal | int | str | float
ZERO = Decimal(0)


def exact(value: Number, what: str = "a number") -> Decimal:
    """`value` as a finite Decimal; a float is taken by its shortest text, so 0.1 is 0.1.

    Raises ValueError with `what` in its text when the value is not a finite number.
    """
    if isinstance(value, bool):
        raise ValueError(f"expected {what} as a number, found {value!r}")
    try:
        result = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"expected {what} as a number, found {value!r}") from None
    if not result.is_finite():
        raise ValueError(f"expected {what} as a finite number, found {value!r}")
    return result


def plain(value: Decimal) -> str:
    """Decimal text without exponent and without trailing zeros: `1E+2` is `100`, `1.50` is `1.5`."""
    text = format(value, "f")
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text
