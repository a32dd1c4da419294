"""An event about a price level, valued as a digital option."""

import math

import msgspec

from horizon.hedging.checks import above_zero, finite, payout_of, threshold_of
from horizon.model import Market

_ROOT_TWO = math.sqrt(2)
_ROOT_TWO_PI = math.sqrt(2 * math.pi)
_NO_TIME_LEFT = 1e-9
"""Standard deviation of the logarithm below which the outcome counts as decided: about a microsecond of a stock."""


class DigitalTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What an event above a threshold pays, seen from the share that hedges it.

    `ratio` is index points per unit of the share's price: an event on the S&P 500 at 6000 hedged with SPY at 600 has
    ratio 10. `rate` and `dividend_yield` are continuous per year; the dividend yield is the share's.
    """

    threshold: float
    payout: float = 1.0
    ratio: float = 1.0
    rate: float = 0.0
    dividend_yield: float = 0.0

    def __post_init__(self) -> None:
        above_zero(self.threshold, "the threshold")
        above_zero(self.payout, "the payout")
        above_zero(self.ratio, "the ratio of index to share")
        finite(self.rate, "the rate")
        finite(self.dividend_yield, "the dividend yield")

    @classmethod
    def of(
        cls, market: Market, *, ratio: float = 1.0, rate: float = 0.0, dividend_yield: float = 0.0
    ) -> "DigitalTerms":
        """The terms of an event market. Raises ConfigurationError when it has no numeric threshold."""
        return cls(
            threshold=threshold_of(market),
            payout=payout_of(market),
            ratio=ratio,
            rate=rate,
            dividend_yield=dividend_yield,
        )

    @property
    def strike(self) -> float:
        """The threshold in the share's price units."""
        return self.threshold / self.ratio


class DigitalValue(msgspec.Struct, frozen=True, kw_only=True):
    """One YES contract. A NO contract has `1 - probability` and the Greeks with the other sign."""

    probability: float
    """Risk-neutral, that the share ends above the strike."""
    value: float
    """Discounted, in money."""
    delta: float
    """Money per unit of the share's price: the shares that move like one contract."""
    gamma: float
    """Change of delta per unit of the share's price."""
    vega: float
    """Money per 1.00 of volatility (0.01 is one point)."""


def digital_value(terms: DigitalTerms, price: float, volatility: float, years: float) -> DigitalValue:
    """Probability, value and Greeks of one YES contract "above the threshold", `years` before it is decided.

    p = N(d2), d2 = [ln(S/K) + (r - q - v^2/2) t] / (v sqrt t), delta = e^(-rt) n(d2) / (S v sqrt t),
    gamma = -e^(-rt) n(d2) d1 / (S^2 v^2 t), vega = -e^(-rt) n(d2) d1 / v, each times the payout: the cash-or-nothing
    call of Reiner and Rubinstein, "Unscrambling the binary code" (1991), on Black-Scholes (1973).
    With no time left the outcome is decided: probability 1 above the strike, 0 at or below it, and no Greeks.
    Raises ConfigurationError for a price or volatility that is not above 0.
    """
    above_zero(price, "the share's price")
    above_zero(volatility, "the volatility")
    deviation = volatility * math.sqrt(max(finite(years, "the time to expiry in years"), 0.0))
    if deviation < _NO_TIME_LEFT:
        decided = 1.0 if price > terms.strike else 0.0
        return DigitalValue(probability=decided, value=decided * terms.payout, delta=0.0, gamma=0.0, vega=0.0)
    drift = (terms.rate - terms.dividend_yield) * years
    d2 = (math.log(price / terms.strike) + drift) / deviation - deviation / 2
    d1 = d2 + deviation
    discounted = terms.payout * math.exp(-terms.rate * years)
    density = discounted * normal_density(d2)
    probability = normal_probability(d2)
    return DigitalValue(
        probability=probability,
        value=discounted * probability,
        delta=density / (price * deviation),
        gamma=-density * d1 / (price * deviation) / (price * deviation),
        vega=-density * d1 / volatility,
    )


def digital_shares(contracts: float, value: DigitalValue) -> float:
    """Shares that offset the delta of `contracts` (above 0 YES, below 0 NO). Below 0 is short."""
    return -finite(contracts, "the contracts") * value.delta


def normal_probability(x: float) -> float:
    """The probability that a standard normal variable is at most `x`."""
    return 0.5 * math.erfc(-x / _ROOT_TWO)


def normal_density(x: float) -> float:
    """The density of a standard normal variable at `x`."""
    return math.exp(-0.5 * x * x) / _ROOT_TWO_PI
