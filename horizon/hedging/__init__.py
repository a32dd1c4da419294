"""Hedging formulae with their sources, and the models that put them to work. Pure, in floats."""

from horizon.hedging.call_spread import (
    CallSpread,
    call_spread_hedge,
    call_spread_shares,
    call_value,
    digital_bounds,
    digital_from_calls,
)
from horizon.hedging.digital import DigitalTerms, DigitalValue, digital_shares, digital_value
from horizon.hedging.minimum_variance import StreamingCovariance, effectiveness, minimum_variance_shares
from horizon.hedging.models import CallSpreadDelta, DigitalDelta, MinimumVariance, TwoState
from horizon.hedging.two_state import implied_price_up, two_state_shares

__all__ = [
    "CallSpread",
    "CallSpreadDelta",
    "DigitalDelta",
    "DigitalTerms",
    "DigitalValue",
    "MinimumVariance",
    "StreamingCovariance",
    "TwoState",
    "call_spread_hedge",
    "call_spread_shares",
    "call_value",
    "digital_bounds",
    "digital_from_calls",
    "digital_shares",
    "digital_value",
    "effectiveness",
    "implied_price_up",
    "minimum_variance_shares",
    "two_state_shares",
]
