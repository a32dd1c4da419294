"""One account's money and positions, in exact decimals.

The simulator keeps its own books on purpose: they are compared with those of the adapter's side, so they must not
share code with them. Average cost includes commissions, as IBKR's does.
"""

from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)


@dataclass
class Holding:
    """What is held of one conid. `cost` is what was paid for it, negative for a short position."""

    position: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    unpaid: Decimal = ZERO
    """Of a future: what it was opened for, without commissions. Only the difference from it is ever paid."""

    @property
    def average_cost(self) -> Decimal:
        """Per unit of size, multiplier included; 0 without a position."""
        return self.cost / self.position if self.position else ZERO


@dataclass
class Ledger:
    """Cash in USD, holdings by conid, other currencies, and what was paid in commissions."""

    cash: Decimal
    holdings: dict[int, Holding] = field(default_factory=dict)
    commissions: Decimal = ZERO
    currencies: dict[str, Decimal] = field(default_factory=dict)
    """Money that was converted, by currency."""

    def holding(self, conid: int) -> Holding:
        return self.holdings.setdefault(conid, Holding())

    def position(self, conid: int) -> Decimal:
        held = self.holdings.get(conid)
        return held.position if held else ZERO

    def trade(
        self,
        conid: int,
        signed: Decimal,
        price: Decimal,
        *,
        factor: int = 1,
        commission: Decimal = ZERO,
        is_paid: bool = True,
    ) -> None:
        """Book a purchase (`signed` above 0) or a sale at `price` per unit; `factor` is the multiplier. What is not
        paid for, a future, moves cash by its results alone."""
        held = self.holding(conid)
        value = signed * price * factor
        closing = ZERO
        if held.position * signed < 0:
            closing = min(abs(signed), abs(held.position)).copy_sign(signed)
        self.cash -= commission + (value if is_paid else self._settle_difference(held, signed, closing, price * factor))
        self.commissions += commission
        share = closing / signed
        fee_on_closing = commission * share
        if closing:
            released = held.average_cost * -closing
            held.realized += -closing * price * factor - released - fee_on_closing
            held.cost -= released
            held.position += closing
        held.position += signed - closing
        held.cost += (value + commission) - (closing * price * factor + fee_on_closing)

    @staticmethod
    def _settle_difference(held: Holding, signed: Decimal, closing: Decimal, value: Decimal) -> Decimal:
        """What is paid for a trade in a future at `value` per contract: the difference for what it closes."""
        released = held.unpaid / held.position * -closing if closing else ZERO
        held.unpaid += (signed - closing) * value - released
        return closing * value + released

    def convert(self, currency: str, signed: Decimal, price: Decimal, *, commission: Decimal = ZERO) -> None:
        """Turn dollars into another currency (`signed` above 0, in that currency), or back."""
        self.cash -= signed * price + commission
        self.commissions += commission
        self.currencies[currency] = self.currencies.get(currency, ZERO) + signed

    def pair_off(self, bought: int, other: int, payout: Decimal) -> Decimal:
        """Net what is held of both sides of an event: each pair turns into `payout`. Returns the number of pairs."""
        pairs = min(self.position(bought), self.position(other))
        if pairs <= 0:
            return ZERO
        self.cash += pairs * payout
        for conid in (bought, other):
            held = self.holding(conid)
            released = held.average_cost * pairs
            # The payout belongs to the pair; half of it is shown as each side's result.
            held.realized += pairs * payout / 2 - released
            held.cost -= released
            held.position -= pairs
        return pairs

    def settle(self, conid: int, payout: Decimal) -> None:
        """An event is over: every contract of this conid turns into `payout` (0 for the side that was wrong)."""
        held = self.holding(conid)
        self.cash += held.position * payout
        held.realized += held.position * payout - held.cost
        held.position = held.cost = ZERO
