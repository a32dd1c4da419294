"""Profit and loss of the two legs, from fills and quotes as they come in."""

from decimal import Decimal
from itertools import pairwise

import msgspec

from horizon.model import ZERO, CoreEvent, ExecutionId, Fill, FillKind, Instrument, Quote, Start, exact


class Sample(msgspec.Struct, frozen=True):
    """P&L in money at one moment (ns)."""

    time: int
    unhedged: float
    hedged: float


class Leg:
    """Cash and size of one instrument, starting from nothing."""

    def __init__(self) -> None:
        self.size = ZERO
        self.cash = ZERO
        self.fees = ZERO
        self.mid: float | None = None

    @property
    def value(self) -> Decimal | None:
        """P&L before fees at the last mid; None while there is a position without a mid."""
        if not self.size:
            return self.cash
        return None if self.mid is None else self.cash + self.size * exact(self.mid)


class PnlCurve:
    """The P&L of the event alone and of event and shares together, at the mid, after fees.

    Counts what was traded in the run; what the account held before is left out.
    """

    def __init__(self, event: Instrument, stock: Instrument) -> None:
        self.samples: list[Sample] = []
        self._event_name, self._stock_name = event, stock
        self.event, self.stock = Leg(), Leg()
        self._booked: dict[ExecutionId, bool] = {}

    def take(self, event: CoreEvent) -> None:
        """One event of the run."""
        if type(event) is Quote:
            leg = self._leg(event.instrument)
            if leg is not None and event.mid is not None:
                leg.mid = event.mid
                self._sample(event.receive_time)
        elif isinstance(event, Fill):
            self._book(event)
        elif isinstance(event, Start):
            self._booked.update((fill.execution_id, True) for fill in event.known_fills)

    @property
    def unhedged(self) -> Decimal | None:
        value = self.event.value
        return None if value is None else value - self.event.fees

    @property
    def hedged(self) -> Decimal | None:
        event, stock = self.unhedged, self.stock.value
        return None if event is None or stock is None else event + stock - self.stock.fees

    def _leg(self, name: Instrument) -> Leg | None:
        return self.event if name == self._event_name else self.stock if name == self._stock_name else None

    def _book(self, fill: Fill) -> None:
        leg = self._leg(fill.instrument)
        if leg is None or fill.kind is not FillKind.TRADE:
            return
        if fill.execution_id not in self._booked:
            self._booked[fill.execution_id] = False
            leg.size += fill.signed_size
            leg.cash += fill.money
        if fill.commission is not None and not self._booked[fill.execution_id]:
            self._booked[fill.execution_id] = True
            leg.fees += fill.commission

    def _sample(self, time: int) -> None:
        unhedged, hedged = self.unhedged, self.hedged
        if unhedged is not None and hedged is not None and self.event.size:
            self.samples.append(Sample(time, float(unhedged), float(hedged)))


def variance_reduction(samples: list[Sample]) -> Decimal | None:
    """The part of the variance of P&L changes that the hedge removed; None for too few samples."""
    if len(samples) < 30:
        return None
    plain = [b.unhedged - a.unhedged for a, b in pairwise(samples)]
    hedged = [b.hedged - a.hedged for a, b in pairwise(samples)]
    before = sum(change * change for change in plain)
    if not before:
        return None
    return exact(round(1 - sum(change * change for change in hedged) / before, 4))
