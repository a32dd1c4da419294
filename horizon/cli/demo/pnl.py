"""Profit and loss of the two legs, from fills and quotes as they come in."""

from decimal import Decimal
from itertools import pairwise

import msgspec

from horizon.model import ZERO, CoreEvent, ExecutionId, Fill, FillKind, Instrument, Quote, Start, TradingHours, exact


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

    Counts what was traded in the run; what the account held before is left out. Samples are taken while the shares
    trade: in between, only the event's quotes flicker.
    """

    def __init__(self, event: Instrument, stock: Instrument, hours: TradingHours | None = None) -> None:
        self.samples: list[Sample] = []
        self._event_name, self._stock_name = event, stock
        self.event, self.stock = Leg(), Leg()
        self._booked: dict[ExecutionId, bool] = {}
        self._time = 0
        self._hours = hours

    def take(self, event: CoreEvent) -> None:
        """One event of the run."""
        if type(event) is Quote:
            if event.receive_time > self._time:
                # quotes of one poll belong together: half of them would be a moment that never was
                self._sample()
                self._time = event.receive_time
            leg = self._leg(event.instrument)
            if leg is not None and event.mid is not None:
                leg.mid = event.mid
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

    def _sample(self) -> None:
        if self._hours is not None and self._hours.session_at(self._time) is None:
            return
        unhedged, hedged = self.unhedged, self.hedged
        if unhedged is not None and hedged is not None and self.event.size:
            self.samples.append(Sample(self._time, float(unhedged), float(hedged)))


_STRETCHES = 24
"""The variance is taken of P&L changes over so many equal stretches: from quote to quote, the cent grid of an event's
price would be most of it."""


def variance_removed(samples: list[Sample]) -> Decimal | None:
    """The part of the variance of the event's P&L that the hedge removed; None for fewer than 24 samples."""
    step = (len(samples) - 1) // _STRETCHES
    if step < 1:
        return None
    ends = samples[::step]
    alone = sum((b.unhedged - a.unhedged) ** 2 for a, b in pairwise(ends))
    hedged = sum((b.hedged - a.hedged) ** 2 for a, b in pairwise(ends))
    return exact(round(1 - hedged / alone, 4)) if alone else None
