"""An event about a price level, replicated with two calls around it."""

import math

import msgspec

from horizon.errors import ConfigurationError
from horizon.hedging.checks import above_zero, finite
from horizon.hedging.digital import DigitalTerms, normal_probability


class CallSpread(msgspec.Struct, frozen=True, kw_only=True):
    """Calls that pay about what the contracts pay: `spreads` long at the lower and short at the upper strike.

    Between the strikes the payoff is a ramp instead of a step; outside of them it is exact. `spreads` below 0 is the
    hedge of held YES contracts: short the lower strike, long the upper one.
    """

    lower_strike: float
    upper_strike: float
    spreads: float


def call_spread_hedge(
    terms: DigitalTerms, contracts: float, half_width: float, *, multiplier: float = 100.0
) -> CallSpread:
    """The call spread that offsets `contracts` (above 0 YES, below 0 NO) on the share that the terms are seen from.

    `half_width` is e in the share's price units: strikes K - e and K + e, N x payout / (2 e multiplier) spreads, where
    `multiplier` is the option's (100 for US equity options). Terms come from `DigitalTerms.of`, which refuses an
    event without a numeric threshold. Raises ConfigurationError when the lower strike would not be above 0.

    Breeden and Litzenberger, "Prices of state-contingent claims implicit in option prices" (1978): a digital is
    -dC/dK, here by its central difference.
    """
    _check_width(terms, half_width)
    above_zero(multiplier, "the option's multiplier")
    return CallSpread(
        lower_strike=terms.strike - half_width,
        upper_strike=terms.strike + half_width,
        spreads=-finite(contracts, "the contracts") * terms.payout / (2 * half_width * multiplier),
    )


def digital_from_calls(call_below: float, call_above: float, half_width: float, *, payout: float = 1.0) -> float:
    """Value of one YES contract from calls at K - e and K + e (price units, per share): payout x difference / 2e."""
    return payout * (call_below - call_above) / (2 * above_zero(half_width, "the half width"))


def digital_bounds(
    call_below: float, call_at: float, call_above: float, half_width: float, *, payout: float = 1.0
) -> tuple[float, float]:
    """Lowest and highest value of one YES contract without arbitrage, from calls at K - e, K and K + e.

    The spread from K to K + e never pays more than the contract, the one from K - e to K never less. Raises
    ConfigurationError when the three prices are not decreasing and convex, because then they contradict each other.
    """
    width = above_zero(half_width, "the half width")
    low, high = payout * (call_at - call_above) / width, payout * (call_below - call_at) / width
    if not 0 <= low <= high:
        raise ConfigurationError(
            f"expected call prices that fall with the strike, ever more slowly, found {call_below}, {call_at}, "
            f"{call_above}: check that all three are of one expiry and of one moment"
        )
    return low, high


def call_value(terms: DigitalTerms, strike: float, price: float, volatility: float, years: float) -> float:
    """Black-Scholes (1973) value of a call on the share, per share, with the rates of the terms."""
    d1, deviation, years = _d1(terms, strike, price, volatility, years)
    carried = price * math.exp(-terms.dividend_yield * years)
    owed = strike * math.exp(-terms.rate * years)
    return carried * normal_probability(d1) - owed * normal_probability(d1 - deviation)


def call_spread_shares(
    terms: DigitalTerms, contracts: float, half_width: float, price: float, volatility: float, years: float
) -> float:
    """Shares that offset the call spread which replicates `contracts`: a delta that stays finite up to expiry.

    A digital's own delta explodes near the strike in its last hours (pin risk). That of the spread is at most
    N x payout / 2e shares, reached between the strikes.
    """
    spread = call_spread_hedge(terms, contracts, half_width, multiplier=1.0)
    below, above = (
        math.exp(-terms.dividend_yield * max(years, 0.0))
        * normal_probability(_d1(terms, strike, price, volatility, years)[0])
        for strike in (spread.lower_strike, spread.upper_strike)
    )
    return spread.spreads * (below - above)


def _d1(
    terms: DigitalTerms, strike: float, price: float, volatility: float, years: float
) -> tuple[float, float, float]:
    """d1, the standard deviation of the logarithm, and the years left; with none left, d1 is -inf or +inf."""
    above_zero(price, "the share's price")
    years = max(finite(years, "the time to expiry in years"), 0.0)
    deviation = above_zero(volatility, "the volatility") * math.sqrt(years)
    forward = math.log(price / strike) + (terms.rate - terms.dividend_yield) * years
    if deviation == 0:
        return (math.inf if forward > 0 else -math.inf), 0.0, years
    return forward / deviation + deviation / 2, deviation, years


def _check_width(terms: DigitalTerms, half_width: float) -> None:
    above_zero(half_width, "the half width of the spread")
    if half_width >= terms.strike:
        raise ConfigurationError(f"expected a half width below the strike {terms.strike}, found {half_width}")
