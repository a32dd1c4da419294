"""What every formula asks of its inputs."""

import math

from horizon.errors import ConfigurationError
from horizon.model import Market


def finite(value: float, what: str) -> float:
    """`value`, or ConfigurationError when it is NaN or infinite."""
    if not math.isfinite(value):
        raise ConfigurationError(f"expected {what} as a finite number, found {value!r}")
    return value


def above_zero(value: float, what: str) -> float:
    """`value`, or ConfigurationError when it is not a finite number above 0."""
    if not finite(value, what) > 0:
        raise ConfigurationError(f"expected {what} above 0, found {value!r}")
    return value


def payout_of(market: Market) -> float:
    """What one contract of an event market pays, in money. Raises ConfigurationError for other markets."""
    if market.event is None:
        raise ConfigurationError(f"expected an event market, found {market.symbol} ({market.kind})")
    return above_zero(float(market.event.payout), f"the payout of {market.symbol}")


def threshold_of(market: Market) -> float:
    """The number an event is about. A strike is not taken for it: it may only count the outcomes.

    Raises ConfigurationError for a market that is no event, and for an event without a numeric threshold.
    """
    payout_of(market)
    if market.event is None or market.event.threshold is None:
        label = market.event.strike_label if market.event else ""
        named = f" (its strike is named {label!r})" if label else ""
        raise ConfigurationError(
            f"expected an event about a number, such as 'above 6000', found {market.symbol} ({market.market_id})"
            f"{named} without a threshold: hedge it with the two-state or the minimum-variance formula"
        )
    return finite(float(market.event.threshold), f"the threshold of {market.symbol}")
