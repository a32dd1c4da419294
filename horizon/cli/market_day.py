"""The made trading day on which the command line shows things."""

from horizon.clock import NANOSECONDS
from horizon.simulation.prices import PricePath, SyntheticPath

OPENING = 1_785_159_000 * NANOSECONDS
"""2026-07-27 09:30 in New York, a Monday."""
VOLATILITY = 0.16
"""Per year of trading sessions."""
_SESSION = int(6.5 * 3600 * NANOSECONDS)
_FIRST_PRICE = 640.0


def made_day(seed: int) -> PricePath:
    """One regular session of SPY: the same for the same seed."""
    return SyntheticPath(
        "SPY", seed=seed, start=OPENING, end=OPENING + _SESSION, initial=_FIRST_PRICE, volatility=VOLATILITY
    )
