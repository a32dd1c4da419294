"""The live shell: hands events to a core one by one, commits the journal, and sends what the core wants sent.

One deque is the inbox, with one wake-up for however many events arrive at once. Per event: record it, handle it,
commit what must be durable, pass the effects to the sender of their exchange. Senders work in order, so a prompt is
answered before the next order leaves.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Protocol

from horizon.clock import NANOSECONDS, Clock, SystemClock
from horizon.engine.core import Core
from horizon.engine.sender import Sender
from horizon.engine.state import state_name
from horizon.errors import HorizonError
from horizon.exchange import Exchange
from horizon.model import (
    ClientOrderId,
    CoreEvent,
    Instrument,
    Notice,
    NoticeLevel,
    Order,
    OrderRequest,
    OrderStatus,
    Start,
    Stop,
    split_instrument,
)
from horizon.orders.effects import Send, Tell
from horizon.ports import Feed, FeedHealth, JournalRecord

_SLOW_CALLBACK = 0.1
"""Seconds of work for one event after which the watchdog speaks: the keep-alive waits meanwhile."""
_CHECKPOINT = 30.0
"""Seconds of the machine's time between two checkpoints of the recording: what a crash may cost of it."""
_LOOK_AT_FEEDS = 10.0
"""Seconds of the clock between two looks at how the feeds are."""
_CANCEL_AGAIN = 5.0
"""Seconds of the clock between two attempts at a cancel that a dead connection refused at the end of a run."""
_ASKED_AGAIN = "cancels that were refused are asked for again"
_SETTLE = 40.0
"""Seconds of the clock that the end of a run waits for cancels to be confirmed and fills to be booked."""


class EventRecorder(Protocol):
    """What a run is recorded into."""

    def record(self, event: CoreEvent) -> None: ...
    def record_request(self, request: OrderRequest) -> None: ...
    def record_metric(self, time: int, name: str, value: float | Decimal) -> None: ...
    def flush(self) -> None: ...


class LiveShell:
    """Runs one core against open exchanges and feeds until it is stopped."""

    def __init__(
        self,
        core: Core,
        exchanges: Mapping[str, Exchange],
        feeds: Sequence[Feed],
        *,
        clock: Clock,
        recorder: EventRecorder | None = None,
        on_event: Callable[[CoreEvent], None] | None = None,
        on_log: Callable[[int, str], None] | None = None,
    ) -> None:
        self._core = core
        self._exchanges = exchanges
        self._feeds = feeds
        self._clock = clock
        self._recorder = recorder
        self._on_event = on_event
        self._on_log = on_log
        self._logged = 0
        self._broken: Exception | None = None
        self._inbox: deque[CoreEvent] = deque()
        self._wake = asyncio.Event()
        self._handled = asyncio.Event()
        self._watchers = 0
        """How many wait for what an event brings."""
        self._ended = False
        self._senders: dict[str, Sender] = {}
        self._stopwatch = SystemClock()
        self._stopping = False
        self._checkpoint = self._stopwatch.monotonic()
        core.metric_sink = self._take_metric

    def put(self, event: CoreEvent) -> None:
        """Hand an event in. Never blocks."""
        self._inbox.append(event)
        self._wake.set()

    def request_stop(self, reason: str) -> None:
        """Stop as soon as the events before this one are handled; asking again changes nothing."""
        if not self._stopping:
            self._stopping = True
            self.put(Stop(time=self._clock.now(), reason=reason))

    # -- what is seen and asked from outside ---------------------------------------------------------------------

    @property
    def strategy_name(self) -> str:
        return state_name(self._core.strategy)

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        return self._core.order(client_order_id)

    def open_orders(self, exchange: str) -> Sequence[Order]:
        desk = self._core.desks.get(exchange)
        return [] if desk is None else desk.open_orders()

    async def until(self, condition: Callable[[], bool], *, timeout: float) -> bool:
        """Whether `condition` came true in time; it is looked at after every event, and when the run ends."""
        self._watchers += 1
        try:
            async with self._clock.deadline(timeout):
                while not condition() and not self._ended:
                    self._handled.clear()
                    await self._handled.wait()
        except TimeoutError:
            pass  # what it has come to is told below
        finally:
            self._watchers -= 1
        return condition()

    # -- the run -------------------------------------------------------------------------------------------------

    async def run(self, start: Start) -> None:
        """Run from `start` until a stop is requested, the strategy fails or asks to stop, or all feeds have ended.

        When it returns, entry orders are cancelled and fills booked, as far as the venue has confirmed within 40 s.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._senders = {
                    name: Sender(exchange, self.put, self._core, tasks) for name, exchange in self._exchanges.items()
                }
                background = [tasks.create_task(sender.run()) for sender in self._senders.values()]
                for exchange in self._exchanges.values():
                    exchange.outside.engine = self
                self._take(start)
                for exchange in self._exchanges.values():
                    if exchange.session is not None:
                        self._take(exchange.session)
                background.append(tasks.create_task(self._run_feeds()))
                background.append(tasks.create_task(self._watch_feeds()))
                await self._run_core()
                await self._settle()
                for task in background:
                    task.cancel()
                for sender in self._senders.values():
                    sender.end_look_ups()
            if self._broken is not None:
                raise self._broken
        except BaseException as error:
            left = ", ".join(order.client_order_id for order in self._core.orders())
            if left:
                error.add_note(f"orders that may still be at the venue: {left}")
            raise
        finally:
            self._ended = True
            self._handled.set()
            for exchange in self._exchanges.values():
                exchange.detach()

    async def _run_core(self) -> None:
        while not self._core.stopped:
            await self._wait_for_events()
            self._drain()

    def _drain(self) -> None:
        while self._inbox:
            self._take(self._inbox.popleft())
        while (timer := self._core.timers.due(self._clock.now())) is not None:
            self._take(timer)
        self._watch()
        if self._recorder is not None and self._stopwatch.monotonic() - self._checkpoint >= _CHECKPOINT:
            self._recorder.flush()
            self._checkpoint = self._stopwatch.monotonic()

    async def _settle(self) -> None:
        """Let cancels be confirmed and fills be booked."""
        for sender in self._senders.values():
            sender.drop_held()
        try:
            async with self._clock.deadline(_SETTLE):
                while self._unsettled():
                    try:
                        async with self._clock.deadline(_CANCEL_AGAIN):
                            await self._wake.wait()
                    except TimeoutError:
                        # a stopped core asks once more for the cancels that were refused
                        self.put(Stop(time=self._clock.now(), reason=_ASKED_AGAIN))
                    self._wake.clear()
                    self._drain()
        except TimeoutError:
            for order in self._unsettled():
                self._take(
                    Notice(
                        exchange=order.request.exchange,
                        time=self._clock.now(),
                        level=NoticeLevel.WARNING,
                        text=f"order {order.client_order_id} is still {order.status} after {_SETTLE:.0f} s",
                    )
                )

    def _unsettled(self) -> list[Order]:
        """Orders that something is still expected of; protective orders that rest on purpose are not among them."""
        return [
            order
            for desk in self._core.desks.values()
            for order in desk
            if order.status not in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
            or not (order.request.protective or self._core.is_anothers(order))
        ]

    async def _wait_for_events(self) -> None:
        if not self._inbox:
            due = self._core.timers.next_due
            wait = None if due is None else max(due - self._clock.now(), 0) / NANOSECONDS
            try:
                async with self._clock.deadline(wait):
                    await self._wake.wait()
            except TimeoutError:
                return  # a timer is due
        self._wake.clear()

    def _take(self, event: CoreEvent) -> None:
        began = self._stopwatch.monotonic()
        core = self._core
        if self._recorder is not None:
            self._guarded(self._recorder.record, event)
        core.handle(event)
        records = core.take_records()
        if records:
            self._commit(records)
        for effect in core.take_effects():
            if isinstance(effect, Send):
                for request in effect.requests:
                    if self._recorder is not None:
                        self._guarded(self._recorder.record_request, request)
            elif isinstance(effect, Tell):
                self._notice(effect.level, effect.text, effect.exchange)
                continue
            self._senders[effect.exchange].add(effect)
        for sender in self._senders.values():
            sender.look_again()
        if self._on_event is not None:
            self._guarded(self._on_event, event)
        for line in core.log[self._logged :] if self._on_log is not None else ():
            self._guarded(self._on_log, *line)
        self._logged = len(core.log)
        if core.failure is not None:
            self.request_stop(f"the strategy raised {type(core.failure).__name__}: {core.failure}")
        elif core.stop_requested is not None:
            self.request_stop(core.stop_requested)
        if self._watchers:
            self._handled.set()
        spent = self._stopwatch.monotonic() - began
        if spent > _SLOW_CALLBACK and not isinstance(event, Notice):
            text = f"handling a {type(event).__name__} took {spent:.2f} s: the keep-alive waits meanwhile"
            self._notice(NoticeLevel.WARNING, text)

    def _take_metric(self, time: int, name: str, value: float | Decimal) -> None:
        if self._recorder is not None:
            self._guarded(self._recorder.record_metric, time, name, value)

    def _guarded(self, watcher: Callable[..., None] | None, *values: object) -> None:
        """Call who only watches. One that fails is not called again, and the run is stopped, its orders cancelled."""
        if watcher is None:
            return
        try:
            watcher(*values)
        except Exception as error:
            self._recorder = self._on_event = self._on_log = None
            self._break(error)

    def _break(self, error: Exception) -> None:
        """Stop as if asked to, and raise the error once orders are cancelled."""
        self._broken = self._broken or error
        self.request_stop(f"{type(error).__name__}: {error}")

    def _commit(self, records: Sequence[JournalRecord]) -> None:
        for name in {record.exchange for record in records}:
            self._exchanges[name].journal.commit([r for r in records if r.exchange == name])

    def _watch(self) -> None:
        for name, desk in self._core.desks.items():
            self._exchanges[name].watch(orders=desk.awaits_reports, fills=desk.awaits_fills)

    def _notice(self, level: NoticeLevel, text: str, exchange: str = "") -> None:
        notice = Notice(exchange=exchange, time=self._clock.now(), level=level, text=text)
        self.put(notice)
        if level is NoticeLevel.ERROR:
            # who is to hear of it is known to the exchange it is about, or to whichever comes first
            first = next(iter(self._exchanges.values()))
            self._exchanges.get(exchange, first).alert(notice)

    async def _watch_feeds(self) -> None:
        """Say when a feed has nothing to deliver for some instruments, and when it has again.

        A cause counts once it has stood for two looks, and for two rounds of a feed that asks: one lost round is no
        news. What several instruments have in common is said once, and nothing while the session is down, which says so
        itself.
        """
        first: dict[Instrument, FeedHealth] = {}
        told: set[Instrument] = set()
        while True:
            await self._clock.sleep(_LOOK_AT_FEEDS)
            lost: dict[tuple[str, str], list[Instrument]] = {}
            back: dict[str, list[Instrument]] = {}
            for health in (each for feed in self._feeds for each in feed.health()):
                name, exchange = health.instrument, split_instrument(health.instrument)[0]
                if self._is_down(exchange) or not health.cause:
                    first.pop(name, None)
                if self._is_down(exchange):
                    continue
                if not health.cause and name in told:
                    told.discard(name)
                    back.setdefault(exchange, []).append(name)
                elif health.cause and _stands(health, first.setdefault(name, health)) and name not in told:
                    told.add(name)
                    lost.setdefault((exchange, health.cause), []).append(name)
            for (exchange, cause), names in lost.items():
                self._notice(NoticeLevel.WARNING, f"no quotes of {', '.join(names)}: {cause}", exchange)
            for exchange, names in back.items():
                self._notice(NoticeLevel.INFO, f"quotes of {', '.join(names)} arrive again", exchange)

    def _is_down(self, exchange: str) -> bool:
        session = self._exchanges[exchange].session if exchange in self._exchanges else None
        return session is not None and not session.ready

    async def _run_feeds(self) -> None:
        async def run(feed: Feed) -> None:
            try:
                await feed.run(self.put)
            except HorizonError as error:
                self._notice(NoticeLevel.ERROR, f"a feed ended: {error}")
                self.request_stop(f"a feed ended: {error}")
            except Exception as error:
                self._break(error)

        if self._feeds:
            async with asyncio.TaskGroup() as feeds:
                for feed in self._feeds:
                    feeds.create_task(run(feed))
            self.request_stop("every feed has ended")


def _stands(health: FeedHealth, first: FeedHealth) -> bool:
    """Whether there is still no data, and not only because the feed has not asked again."""
    return health is not first and (health.last_asked is None or health.last_asked != first.last_asked)
