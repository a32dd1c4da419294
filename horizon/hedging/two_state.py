"""A hedge that is exact in both outcomes."""

from horizon.errors import ConfigurationError
from horizon.hedging.checks import above_zero, finite


def two_state_shares(contracts: float, payout: float, price_up: float, price_down: float) -> float:
    """Shares that leave contracts plus shares worth the same whether the event happens or not.

    `contracts` above 0 is YES, below 0 is NO; `payout` is money per contract. `price_up` is the share price if the
    event happens, `price_down` if it does not (the names say nothing about which is higher). The result is signed:
    below 0 is short. Raises ConfigurationError when both prices are equal: such shares hedge nothing.

    One-step binomial replication: Cox, Ross, Rubinstein, "Option pricing: a simplified approach" (1979).
    """
    above_zero(payout, "the payout")
    spread = finite(price_up, "the price if the event happens") - finite(price_down, "the price if it does not")
    if spread == 0:
        raise ConfigurationError(
            f"expected different share prices for the two outcomes, found {price_up} for both: shares can't hedge this"
        )
    return -finite(contracts, "the contracts") * payout / spread


def implied_price_up(price: float, probability: float, price_down: float) -> float:
    """The share price if the event happens, from today's price, its probability and the price if it does not.

    Today's price is the mean of both (no carry): price = p x up + (1 - p) x down. Raises ConfigurationError for a
    probability outside (0, 1].
    """
    if not 0 < probability <= 1:
        raise ConfigurationError(f"expected a probability above 0 and at most 1, found {probability!r}")
    return price_down + (finite(price, "the price") - finite(price_down, "the price if it does not")) / probability
