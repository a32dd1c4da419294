"""Average-cost arithmetic of one instrument."""

from decimal import Decimal

from horizon.model import ZERO

_CENT_FRACTIONS = Decimal("1e-12")
"""Released cost is rounded here, so that every later sum is exact and money can't leak through roundings."""


class Holding:
    """What is held of one instrument, and what it cost.

    `cost` is money with the sign of the position: above 0 paid for a long one, below 0 received for a short one. None
    where the venue did not say what an opening position had cost; it becomes known again once the position was flat.
    """

    __slots__ = ("cost", "currency", "multiplier", "realized", "size")

    def __init__(self, currency: str, multiplier: Decimal, size: Decimal = ZERO, cost: Decimal | None = ZERO) -> None:
        self.currency = currency
        self.multiplier = multiplier
        self.size = size
        self.cost = cost
        self.realized = ZERO
        """Sum over everything closed whose cost was known, before commission."""

    @property
    def average_price(self) -> Decimal | None:
        """In price units; None while flat or when the cost is not known."""
        if not self.size or self.cost is None:
            return None
        return self.cost / (self.size * self.multiplier)

    def trade(self, change: Decimal, price: Decimal) -> Decimal | None:
        """Change the position by a signed size at a price. Returns what closing realized; None if it is not known."""
        closing = min(abs(change), abs(self.size)) if change * self.size < 0 else ZERO
        if change < 0:
            closing = -closing
        realized = self.close(closing, -closing * price * self.multiplier) if closing else ZERO
        opening = change - closing
        self.size += opening
        if self.cost is not None:
            self.cost += opening * price * self.multiplier
        return realized

    def close(self, change: Decimal, money: Decimal) -> Decimal | None:
        """Take a signed part out of the position against money received. Returns what that realized."""
        released = self.release(change)
        if released is None:
            return None
        self.realized += money - released
        return money - released

    def release(self, change: Decimal) -> Decimal | None:
        """Take a signed part (against the position's sign) out of the position. Returns the cost that goes with it."""
        left = self.size + change
        if self.cost is None:
            self.cost = ZERO if left == 0 else None
            self.size = left
            return None
        released = self.cost if left == 0 else (self.cost * -change / self.size).quantize(_CENT_FRACTIONS)
        self.size = left
        self.cost -= released
        return released
