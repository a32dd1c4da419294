"""What a simulated venue charges.

A model states the commission of a whole order for what has been traded of it so far; the engine charges each fill the
difference to what that order has been charged before. A minimum per order is so charged once, however many fills.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Protocol

import msgspec

from horizon.model import ZERO, Market, MarketKind, OrderSide


class FeeModel(Protocol):
    """The commission of an order. Must not fall as `size` and `value` grow."""

    def total(self, market: Market, order_side: OrderSide, size: Decimal, value: Decimal) -> Decimal:
        """The cost, in the market's currency, of an order of which `size` has traded for `value` (price x size x
        multiplier, not signed) in all."""
        ...


class NoFees(msgspec.Struct, frozen=True):
    """Nothing."""

    def total(self, market: Market, order_side: OrderSide, size: Decimal, value: Decimal) -> Decimal:
        return ZERO


class PerShare(msgspec.Struct, frozen=True, kw_only=True):
    """So much per share, with bounds per order. The defaults are IBKR's fixed pricing of US stocks: 0.005 a share, at
    least 1.00 and at most 1 % of the trade's value; where the two contradict each other, the maximum holds."""

    rate: Decimal = Decimal("0.005")
    minimum: Decimal = Decimal("1.00")
    maximum_share: Decimal = Decimal("0.01")

    def total(self, market: Market, order_side: OrderSide, size: Decimal, value: Decimal) -> Decimal:
        return min(max(self.rate * size, self.minimum), self.maximum_share * abs(value))


class PerContract(msgspec.Struct, frozen=True, kw_only=True):
    """So much per contract, with a minimum per order."""

    rate: Decimal
    minimum: Decimal = ZERO

    def total(self, market: Market, order_side: OrderSide, size: Decimal, value: Decimal) -> Decimal:
        return max(self.rate * size, self.minimum)


class FeesByKind(msgspec.Struct, frozen=True, kw_only=True):
    """A model per kind of market, for venues that trade several."""

    kinds: Mapping[MarketKind, FeeModel]
    otherwise: FeeModel = NoFees()

    def total(self, market: Market, order_side: OrderSide, size: Decimal, value: Decimal) -> Decimal:
        return self.kinds.get(market.kind, self.otherwise).total(market, order_side, size, value)
