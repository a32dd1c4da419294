"""The replay shells: plain loops, no waiting, no clock.

`feed` hands a core exactly what it was handed before. `simulate` runs a core on market data against the matching
engine: orders meet the market as it is `latency` later.
"""

import heapq
from collections.abc import Iterable

import msgspec

from horizon.engine.core import Core
from horizon.matching import MatchingEngine
from horizon.model import CoreEvent, Fill, OrderReport, OrderRequest, Quote, Start, Stop
from horizon.orders.effects import Cancel, Effect, Replace, Send, Tell


def feed(core: Core, events: Iterable[CoreEvent]) -> list[OrderRequest]:
    """The requests a core sends when it is handed these events, in order."""
    requests: list[OrderRequest] = []
    for event in events:
        core.handle(event)
        core.take_records()
        for effect in core.take_effects():
            if isinstance(effect, Send):
                requests += effect.requests
    return requests


class _Later(msgspec.Struct, order=True):
    """Something that happens at a later time: an effect that reaches the venue, or an answer on its way back."""

    time: int
    sequence: int
    what: Effect | OrderReport | Fill


def simulate(core: Core, start: Start, quotes: Iterable[Quote], matching: MatchingEngine, *, latency: int = 0) -> None:
    """Run `core` on recorded quotes against `matching`; `latency` is one way, in nanoseconds.

    An order decided at t meets the first quote at or after t + latency, and its answer is handed back at
    t + 2 x latency: nothing is seen before its time.
    """
    run = _Simulation(core, matching, latency)
    run.take(start)
    for quote in quotes:
        run.until(quote.receive_time)
        for event in matching.on_quote(quote, quote.receive_time):
            run.later(quote.receive_time + latency, event)
        run.take(quote)
    run.finish()


class _Simulation:
    def __init__(self, core: Core, matching: MatchingEngine, latency: int) -> None:
        self._core = core
        self._matching = matching
        self._latency = latency
        self._heap: list[_Later] = []
        self._sequence = 0

    def take(self, event: CoreEvent) -> None:
        core = self._core
        core.handle(event)
        core.take_records()
        for effect in core.take_effects():
            self.later(core.now + self._latency, effect)
        if core.stop_requested is not None and not core.stopped:
            self.take(Stop(time=core.now, reason=core.stop_requested))

    def later(self, time: int, what: Effect | OrderReport | Fill) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, _Later(time, self._sequence, what))

    def until(self, time: int) -> None:
        """Let everything that is due before `time` happen, timers among it."""
        core, heap = self._core, self._heap
        while True:
            due = core.timers.next_due
            if heap and heap[0].time < time and (due is None or heap[0].time <= due):
                self._happen(heapq.heappop(heap))
            elif due is not None and due < time and (timer := core.timers.due(due)) is not None:
                self.take(timer)
            else:
                return

    def finish(self) -> None:
        """Stop the run, and let what is still on its way arrive."""
        self.take(Stop(time=self._core.now, reason="the recording has ended"))
        while self._heap:
            self._happen(heapq.heappop(self._heap))

    def _happen(self, later: _Later) -> None:
        match later.what:
            case Send(requests=requests):
                answers = self._matching.place(requests, later.time)
            case Cancel(order=order):
                answers = self._matching.cancel(order.client_order_id, later.time)
            case Replace(order=order, request=request):
                answers = self._matching.replace(order.client_order_id, request, later.time)
            case OrderReport() as report:
                self.take(msgspec.structs.replace(report, time=later.time))
                return
            case Fill() as fill:
                self.take(msgspec.structs.replace(fill, receive_time=later.time))
                return
            case Tell():
                return
            case find:
                # nothing is ever lost between a core and the matching engine, so there is nothing to look up
                raise AssertionError(f"unexpected {find}")
        for answer in answers:
            self.later(later.time + self._latency, answer)
