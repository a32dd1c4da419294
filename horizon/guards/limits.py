"""Limits as a person states them, checked when a guard is made."""

from decimal import Decimal

from horizon.errors import ConfigurationError
from horizon.model import Number, exact


def positive(value: Number, what: str) -> Decimal:
    """`value` as a Decimal above 0. Raises ConfigurationError with `what` in its text."""
    try:
        number = exact(value, what)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if not number > 0:
        raise ConfigurationError(f"expected {what} above 0, found {value!r}")
    return number
