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


def at_least_zero(value: Number, what: str) -> Decimal:
    """`value` as a Decimal of 0 or more. Raises ConfigurationError with `what` in its text."""
    try:
        number = exact(value, what)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    if number < 0:
        raise ConfigurationError(f"expected {what} of 0 or more, found {value!r}")
    return number


def whole(value: int, what: str) -> int:
    """`value` if it is a whole number of 1 or more. Raises ConfigurationError with `what` in its text."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"expected a whole number of {what}, 1 or more, found {value!r}")
    return value
