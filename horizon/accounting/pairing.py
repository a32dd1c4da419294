"""Which instruments are the two sides of one event, and what a pair of them is worth."""

from decimal import Decimal

import msgspec

from horizon.errors import ConfigurationError
from horizon.model import Instrument, Market, Side


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two instruments of which exactly one pays `payout` (money per contract) in the end."""

    yes: Instrument
    no: Instrument
    payout: Decimal
    currency: str

    def other(self, instrument: Instrument) -> Instrument:
        """The opposite side."""
        return self.no if instrument == self.yes else self.yes


def make_pair(one: Market, other: Market) -> Pair:
    """The pair of two markets that are the YES and the NO of one event, given in any order.

    Raises ConfigurationError, naming what does not fit.
    """
    yes, no = (one, other) if one.side is Side.YES else (other, one)
    names = f"markets {one.market_id} and {other.market_id}"
    if yes.side is not Side.YES or no.side is not Side.NO:
        raise ConfigurationError(
            f"expected a YES and a NO market, found {names} with sides {one.side} and {other.side}"
        )
    if yes.event is None or no.event is None:
        raise ConfigurationError(f"expected event terms on both sides, found {names} without")
    if yes.exchange != no.exchange or yes.event.twin != no.market_id or no.event.twin != yes.market_id:
        raise ConfigurationError(f"expected two markets that name each other as twin, found {names}")
    if (yes.event.payout, yes.currency) != (no.event.payout, no.currency):
        raise ConfigurationError(
            f"expected one payout for both sides, found {yes.event.payout} {yes.currency} and "
            f"{no.event.payout} {no.currency} for {names}"
        )
    if not yes.event.payout > 0:
        raise ConfigurationError(f"expected a payout above 0, found {yes.event.payout} for {names}")
    return Pair(yes=yes.instrument(), no=no.instrument(), payout=yes.event.payout, currency=yes.currency)
