"""Carries out the effects of one exchange, in their order.

While the session is down and orders are held (`SessionState.holding`), they are set aside. They leave when it is ready
again, after the guards have seen them once more with the quotes that are known then: the last ones before the reset,
for an instrument that has not been quoted since. One that is cancelled meanwhile never leaves.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from horizon.engine.core import Core
from horizon.exchange import Exchange
from horizon.model import CoreEvent, OrderReport, OrderStatus
from horizon.orders.effects import Effect, Find, Send, Tell

_NEVER_LEFT = "cancelled before it left"


class Sender:
    """Carries out the effects of one exchange, one after the other."""

    def __init__(
        self,
        exchange: Exchange,
        put: Callable[[CoreEvent], None],
        core: Core,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._exchange = exchange
        self._put = put
        self._clock = exchange.clock
        self._core = core
        self._tasks = tasks
        self._look_ups: set[asyncio.Task[object]] = set()
        self._executor = exchange.attach(put, core.guards)
        self._queue: deque[Effect] = deque()
        self._held: deque[Send] = deque()
        self._wake = asyncio.Event()

    def add(self, effect: Effect) -> None:
        self._queue.append(effect)
        self._wake.set()

    def look_again(self) -> None:
        """Something has happened: held orders may leave now, or may have been cancelled."""
        if self._held:
            self._wake.set()

    def drop_held(self) -> None:
        """Nothing that is held leaves any more."""
        for effect in self._held:
            self._report(effect, OrderStatus.CANCELED, "the run ended before the session was back: it never left")
        self._held.clear()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self._release()
            while self._queue:
                effect = self._queue.popleft()
                if isinstance(effect, Send) and self._core.is_holding(self._exchange.name):
                    self._held.append(effect)
                elif isinstance(effect, Find):
                    # a look-up waits for the venue's lists to be fresh: other orders need not wait with it
                    look_up = self._tasks.create_task(self._executor.perform(effect, self._put))
                    self._look_ups.add(look_up)
                    look_up.add_done_callback(self._look_ups.discard)
                elif (current := self._current(effect)) is not None:
                    await self._executor.perform(current, self._put)
                    await self._clock.sleep(0)  # the core sees what came of it before the next effect leaves

    async def _release(self) -> None:
        """Forget at once what was cancelled meanwhile; send the rest, in its order, once it is held no longer."""
        for effect in [each for each in self._held if self._core.is_unwanted(each)]:
            self._held.remove(effect)
            self._report(effect, OrderStatus.CANCELED, _NEVER_LEFT)
        while self._held and not self._core.is_holding(self._exchange.name):
            effect = self._held.popleft()
            refusal = self._core.refuses_now(effect)
            if refusal is not None:
                self._report(effect, OrderStatus.REJECTED, f"{refusal[0]}: held over a reset, and now {refusal[1]}")
            elif (current := self._current(effect)) is not None:
                await self._executor.perform(current, self._put)
            await self._clock.sleep(0)  # the core sees what came of it before the next effect leaves

    def end_look_ups(self) -> None:
        """Ask no more what became of orders in doubt."""
        for look_up in self._look_ups:
            look_up.cancel()

    def _current(self, effect: Effect) -> Effect | None:
        """The effect on the order as it is now: it may have got its venue's id, or its end, while the effect waited."""
        if isinstance(effect, Send):
            if not self._core.is_unwanted(effect):
                return effect
            self._report(effect, OrderStatus.CANCELED, _NEVER_LEFT)
            return None
        if isinstance(effect, Find | Tell):
            return effect
        order = self._core.order(effect.order.client_order_id) or effect.order
        return None if order.is_done else msgspec.structs.replace(effect, order=order)

    def _report(self, effect: Send, status: OrderStatus, reason: str) -> None:
        """Say what became of orders that never left."""
        for request in effect.requests:
            report = OrderReport(
                exchange=self._exchange.name,
                account_id=request.account_id,
                time=self._clock.now(),
                status=status,
                client_order_id=request.client_order_id,
                reason=reason,
            )
            self._put(report)
