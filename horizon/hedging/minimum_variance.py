"""A hedge that leaves the least variance, from how two prices have moved together."""

import math

from horizon.errors import ConfigurationError
from horizon.hedging.checks import above_zero, finite


class StreamingCovariance:
    """Variances and covariance of pairs, in constant memory and without losing digits.

    Without `half_life` every pair counts the same (Welford 1962); with it, a pair counts half after so many more
    (West 1979, weights decayed at each step). Results are unbiased for either; None before two pairs were seen.
    """

    def __init__(self, *, half_life: float | None = None) -> None:
        self.decay = 1.0 if half_life is None else 0.5 ** (1 / above_zero(half_life, "the half-life in observations"))
        self.count = 0
        self._weight = 0.0
        self._squared_weights = 0.0
        self._mean_x = self._mean_y = 0.0
        self._xx = self._xy = self._yy = 0.0

    def add(self, x: float, y: float) -> None:
        """Count one pair. Raises ConfigurationError for what is not a finite number: it would spoil every result."""
        finite(x, "an observation")
        finite(y, "an observation")
        self.count += 1
        self._weight = self.decay * self._weight + 1
        self._squared_weights = self.decay * self.decay * self._squared_weights + 1
        from_mean_x, from_mean_y = x - self._mean_x, y - self._mean_y
        self._mean_x += from_mean_x / self._weight
        self._mean_y += from_mean_y / self._weight
        self._xx = self.decay * self._xx + from_mean_x * (x - self._mean_x)
        self._yy = self.decay * self._yy + from_mean_y * (y - self._mean_y)
        self._xy = self.decay * self._xy + from_mean_x * (y - self._mean_y)

    @property
    def covariance(self) -> float | None:
        return self._unbiased(self._xy)

    @property
    def variance_x(self) -> float | None:
        return self._unbiased(self._xx)

    @property
    def variance_y(self) -> float | None:
        return self._unbiased(self._yy)

    def _unbiased(self, total: float) -> float | None:
        # equal weights leave n - n/n = n - 1, Bessel's correction
        degrees = self._weight - self._squared_weights / self._weight if self.count > 1 else 0.0
        return total / degrees if degrees > 0 else None


def minimum_variance_shares(contracts: float, covariance: float, variance: float, *, ridge: float = 0.0) -> float:
    """Shares that leave the least variance: -N Cov(dV, dS) / (Var(dS) + ridge).

    `covariance` is that of the changes in value of one contract (money) and of one share, `variance` that of the
    share. `contracts` is signed like the value it was measured on. `ridge`, in squared price units, pulls an unstable
    ratio towards 0. Raises ConfigurationError when the share did not move.

    Ederington, "The hedging performance of the new futures markets" (1979); Hull, Options, Futures and Other
    Derivatives, chapter on hedging with futures.
    """
    if ridge < 0 or variance < 0:
        raise ConfigurationError(f"expected variance and ridge of 0 or more, found {variance!r} and {ridge!r}")
    above_zero(variance + ridge, "the variance of the share")
    return -finite(contracts, "the contracts") * finite(covariance, "the covariance") / (variance + ridge)


def effectiveness(covariance: float, variance_x: float, variance_y: float) -> float | None:
    """The part of the variance that the hedge removes, 0 to 1: the squared correlation (Ederington 1979).

    None when either side did not move.
    """
    if not (variance_x > 0 and variance_y > 0):
        return None
    return min(covariance / math.sqrt(variance_x) * covariance / math.sqrt(variance_x) / variance_y, 1.0)
