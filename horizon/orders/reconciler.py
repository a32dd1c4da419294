"""Compares an account with its venue: on demand, or by itself at the start, when the session is back, and every five
minutes.

One round costs one read of the order list, one of a week's trades and one of the positions. What the venue knows
better goes the way of all news, to whoever holds the orders here, so that a recording has it. Every difference is in
the journal before anything is done about it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from horizon.clock import NANOSECONDS, Clock
from horizon.errors import HorizonError, RecordingError
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    Position,
    SessionState,
    VenueOrderId,
)
from horizon.orders.agreed import SUBJECT, Agreed, agree
from horizon.orders.belonging import Belonging
from horizon.orders.effects import Find
from horizon.orders.execution import Executor
from horizon.orders.reconcile import (
    Difference,
    FillElsewhere,
    FillMissed,
    Here,
    OrderDiffers,
    OrderGone,
    PositionDiffers,
    Reconciliation,
    Rule,
    compare_fills,
    compare_orders,
    compare_positions,
    name_of,
    sizes,
)
from horizon.ports import Journal, JournalRecord, PutVenueEvent, RecordKind, RefreshesPositions, Venue, VenueEvent

_logger = logging.getLogger(__name__)
EVERY = 300.0
"""Seconds of the clock between two rounds."""
AFTER_START = 15.0
"""Seconds after the start, or after the session is back, for what is asked first to come first."""
_LATER = 15.0
"""Seconds to the next look when an order was in doubt."""
_DAYS = 7
_READS = 3
_BETWEEN_READS = 60.0
"""Seconds between the three reads that confirm a position."""
_QUIET = 120
"""Seconds without a fill before positions are taken for the first time: the venue's may lag behind one."""
_MOST_TEXTS = 5
"""Differences of one kind that are told one by one."""


class Accountant(Protocol):
    """Who holds the orders of the account here."""

    def open_orders(self) -> Sequence[Order]: ...
    def known_order(self, client_order_id: ClientOrderId) -> Order | None: ...


class Reconciler:
    """One account against its venue. `put` takes news as the venue's own, `tell` reaches a person."""

    def __init__(
        self,
        venue: Venue,
        account_id: AccountId,
        *,
        journal: Journal,
        clock: Clock,
        held_by: Accountant,
        put: PutVenueEvent,
        tell: Callable[[Notice], None],
        book_elsewhere: Callable[[Fill], None],
        ready: Callable[[], bool],
    ) -> None:
        self._venue = venue
        self._account_id = account_id
        self._journal = journal
        self._clock = clock
        self._held_by = held_by
        self._put = put
        self._tell = tell
        self._book_elsewhere = book_elsewhere
        self._ready = ready
        self._executor = Executor(venue, journal, clock)
        self._since = clock.now()
        self._agreed: Agreed | None = None
        self._seen: dict[str, int] = {}
        """Executions that were reported here, with when."""
        self._belonging = Belonging(journal, account_id)
        self._told: set[str] = set()
        self._looking: set[ClientOrderId] = set()
        self._confirmed: dict[str, PositionDiffers] = {}
        self._rounds = asyncio.Lock()
        self._confirming = asyncio.Lock()
        self._wake = asyncio.Event()
        self._was_ready = True
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, *, by_itself: bool) -> None:
        """Take up what was agreed on last, and compare `by_itself` until `close`, or only when asked.

        RecordingError for a journal that can't be read.
        """
        line = self._journal.latest(RecordKind.DECISION, SUBJECT, account_id=self._account_id)
        if line is not None:
            self._agreed = _agreed_in(line)
        if by_itself:
            self._in_background(self._run())

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def saw(self, event: VenueEvent) -> None:
        """Note what the venue has reported by itself."""
        if isinstance(event, Fill) and event.account_id == self._account_id:
            self._seen[event.execution_id] = event.receive_time
        elif isinstance(event, OrderReport) and event.client_order_id and event.venue_order_id:
            if self._held_by.known_order(event.client_order_id) is not None:
                self._belonging.note(event.client_order_id, event.venue_order_id)
        elif isinstance(event, SessionState):
            if event.ready and not self._was_ready:
                self._wake.set()
            self._was_ready = event.ready

    async def reconcile(self, *, confirm: bool = True) -> Reconciliation:
        """Compare now, and resolve what is different. Raises what the reads raise.

        With `confirm` a position that differs is read until it is sure whether it does, which takes two minutes.
        """
        async with self._rounds:
            result = await self._compare()
        if not any(isinstance(each, PositionDiffers) for each in result.differences):
            return result
        if not confirm:
            self._wake.set()
            return result
        async with self._confirming:
            confirmed = await self._confirm()
        rest = [each for each in result.differences if not isinstance(each, PositionDiffers)]
        return replace(result, differences=(*rest, *confirmed))

    async def accept(self, reason: str) -> None:
        """A person has looked: what the venue holds now is what is agreed on from here."""
        async with self._rounds:
            await self._refresh()
            positions = await self._venue.positions(self._account_id)
            fills = await self._venue.fills(self._account_id, _DAYS)
            self._agree(positions, fills, reason, accepted=True)

    # -- one round -----------------------------------------------------------------------------------------------

    async def _compare(self) -> Reconciliation:
        read_at = self._clock.now()
        reports = await self._venue.open_orders(self._account_id)
        fills = await self._venue.fills(self._account_id, _DAYS)
        positions, remark = await self._positions(fills)
        # from here to the end nothing is waited for: what is compared can't change meanwhile
        for order in self._held_by.open_orders():
            self._belonging.note(order.client_order_id, order.venue_order_id)
        self._belonging.learn([*reports, *fills], known=lambda key: self._order(key) is not None)
        here = Here(
            since=self._since,
            open_orders=[each for each in self._held_by.open_orders() if each.client_order_id not in self._looking],
            order=self._order,
            is_ours=lambda key, venue_id: self._order(key) is not None or self._belonging.is_ours(key, venue_id),
            seen=self._seen,
        )
        found: list[Difference] = [
            *compare_orders(here, reports, read_at=read_at),
            *compare_fills(here, fills, self._agreed, read_at=read_at),
        ]
        known = [each for each in found if each.rule is Rule.WARN and name_of(each) in self._told]
        found = [each for each in found if each not in known]
        self._resolve(found)
        for each in () if positions is None else self._positions_against(positions, fills):
            (known if each.confirmed else found).append(each)
        self._forget(fills)
        return Reconciliation(
            exchange=self._venue.name,
            account_id=self._account_id,
            time=self._clock.now(),
            orders=len(reports),
            fills=len(fills),
            positions=None if positions is None else len(positions),
            differences=tuple(found),
            known=tuple(known),
            remark=remark,
        )

    async def _positions(self, fills: Sequence[Fill]) -> tuple[Sequence[Position] | None, str]:
        """What the venue holds, or why it is not compared now."""
        if self._in_doubt():
            return None, "positions are not compared while an order is in doubt or on its way"
        if self._agreed is not None:
            return await self._venue.positions(self._account_id), ""
        if any(fill.trade_time + _QUIET * NANOSECONDS > self._clock.now() for fill in fills):
            return None, f"positions are first compared {_QUIET} s after the last fill"
        await self._refresh()
        positions = await self._venue.positions(self._account_id)
        again = await self._venue.fills(self._account_id, _DAYS)
        if {each.execution_id for each in again} != {each.execution_id for each in fills}:
            return None, "fills came in while positions were read: they are compared next time"
        return positions, ""

    def _positions_against(self, positions: Sequence[Position], fills: Sequence[Fill]) -> list[PositionDiffers]:
        if self._agreed is None:
            self._agree(positions, fills, "as they were when they were first read")
            return []
        found = compare_positions(self._agreed, fills, positions)
        names = {name_of(each) for each in found}
        self._confirmed = {name: each for name, each in self._confirmed.items() if name in names}
        if not found:
            self._agree(positions, fills, "as fills explain them")
        return [replace(each, confirmed=name_of(each) in self._confirmed) for each in found]

    async def _confirm(self) -> list[PositionDiffers]:
        """The differences that three reads of fresh positions have in common, and then are told."""
        common: dict[str, PositionDiffers] = {}
        for read in range(_READS):
            if read:
                await self._clock.sleep(_BETWEEN_READS)
            await self._refresh()
            positions = await self._venue.positions(self._account_id)
            fills = await self._venue.fills(self._account_id, _DAYS)
            agreed = self._agreed
            if agreed is None:
                return []
            found = {name_of(each): each for each in compare_positions(agreed, fills, positions)}
            common = {name: each for name, each in found.items() if not read or name in common}
            if not found:
                self._positions_against(positions, fills)
            if not common:
                return []
        self._confirmed = {name: replace(each, confirmed=True) for name, each in common.items()}
        confirmed = list(self._confirmed.values())
        self._resolve([each for each in confirmed if name_of(each) not in self._told])
        return confirmed

    async def _refresh(self) -> None:
        if isinstance(self._venue, RefreshesPositions):
            await self._venue.refresh_positions(self._account_id)

    # -- what is done about a difference -------------------------------------------------------------------------

    def _resolve(self, found: Sequence[Difference]) -> None:
        """Journal what was found, tell it, then do what its rule says."""
        if not found:
            return
        self._journal.commit([self._line(each) for each in found])
        for kind in dict.fromkeys(type(each) for each in found):
            self._say([each for each in found if type(each) is kind])
        for each in found:
            self._told.add(name_of(each))
            match each:
                case OrderDiffers(order=order, report=report):
                    self._put(replace(report, client_order_id=order.client_order_id))
                case OrderGone(order=order):
                    self._in_background(self._look_up(order))
                case FillMissed(fill=fill):
                    self._put(fill)
                case FillElsewhere(fill=fill):
                    self._book_elsewhere(fill)
                case _:
                    pass  # told, and nothing else

    async def _look_up(self, order: Order) -> None:
        self._looking.add(order.client_order_id)
        try:
            find = Find(
                exchange=self._venue.name,
                account_id=self._account_id,
                client_order_id=order.client_order_id,
                request=order.request,
                sent=order.created_time,
                venue_order_id=order.venue_order_id,
                soon=True,
            )
            await self._executor.perform(find, self._put)
        finally:
            self._looking.discard(order.client_order_id)

    def _agree(
        self, positions: Sequence[Position], fills: Sequence[Fill], reason: str, *, accepted: bool = False
    ) -> None:
        before = self._agreed
        agreed = agree(self._clock.now(), sizes(positions), fills, reason)
        self._agreed = agreed
        self._confirmed = {}
        same = before is not None and agreed.positions == before.positions and agreed.executions <= before.executions
        if accepted or not same:
            self._journal.commit([self._record("", None, msgspec.json.encode(agreed), SUBJECT)])

    def _order(self, key: ClientOrderId | None) -> Order | None:
        return self._held_by.known_order(key) if key else None

    def _forget(self, fills: Sequence[Fill]) -> None:
        """Let go of what the venue no longer lists."""
        listed = {fill.execution_id for fill in fills}
        recent = self._clock.now() - int(EVERY) * NANOSECONDS
        self._seen = {name: time for name, time in self._seen.items() if name in listed or time > recent}

    # -- inside --------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = AFTER_START
        while True:
            await self._sleep(pause)
            if self._wake.is_set():
                self._wake.clear()
                await self._clock.sleep(AFTER_START)
            pause = EVERY
            if self._in_doubt():
                # the reads that settle an order come first: it is sent again only for a short while
                pause = _LATER
                continue
            if not self._ready():
                continue
            try:
                await self.reconcile()
            except HorizonError as error:
                _logger.warning("%s: %s could not be reconciled: %s", self._venue.name, self._account_id, error)
            except Exception:
                # a defect in here must not end the watch over an account, nor its orders
                _logger.exception("%s: %s could not be reconciled: a defect", self._venue.name, self._account_id)

    def _in_doubt(self) -> bool:
        return any(order.is_in_doubt for order in self._held_by.open_orders())

    async def _sleep(self, seconds: float) -> None:
        try:
            async with self._clock.deadline(seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # one that is cancelled before its first step has not begun to await it
        task.add_done_callback(lambda _: work.close())

    def _say(self, alike: Sequence[Difference]) -> None:
        """Tell differences of one kind; many of them in one sentence, for each is in the journal."""
        first = alike[0]
        level = NoticeLevel.WARNING if first.rule is Rule.WARN else NoticeLevel.INFO
        if isinstance(first, PositionDiffers) or any(map(_is_liquidation, alike)):
            level = NoticeLevel.ERROR
        texts = [each.text for each in alike]
        if len(texts) > _MOST_TEXTS:
            texts = [f"{len(texts)} differences from the venue, such as: {texts[0]}; see `horizon orders log`"]
        for text in texts:
            self._tell(
                Notice(
                    exchange=self._venue.name,
                    time=self._clock.now(),
                    level=level,
                    text=text,
                    account_id=self._account_id,
                )
            )

    def _line(self, difference: Difference) -> JournalRecord:
        key, venue_order_id = _ids(difference)
        payload = msgspec.json.encode({"reason": difference.text, "difference": difference})
        return self._record(key or "", venue_order_id, payload, f"reconciled, {difference.rule}")

    def _record(self, key: str, venue_order_id: VenueOrderId | None, payload: bytes, subject: str) -> JournalRecord:
        return JournalRecord(
            time=self._clock.now(),
            exchange=self._venue.name,
            account_id=self._account_id,
            kind=RecordKind.DECISION,
            client_order_id=ClientOrderId(key),
            venue_order_id=venue_order_id,
            subject=subject,
            payload=payload,
        )


def _is_liquidation(difference: Difference) -> bool:
    return isinstance(difference, FillElsewhere) and difference.fill.kind is FillKind.LIQUIDATION


def _ids(difference: Difference) -> tuple[ClientOrderId | None, VenueOrderId | None]:
    match difference:
        case OrderDiffers(order=order) | OrderGone(order=order):
            return order.client_order_id, order.venue_order_id
        case FillMissed(fill=fill, ours=True):
            return fill.client_order_id, fill.venue_order_id
        case _:
            return None, None


def _agreed_in(line: JournalRecord) -> Agreed:
    try:
        return msgspec.json.decode(line.payload, type=Agreed)
    except msgspec.MsgspecError as error:
        raise RecordingError(
            f"the positions that were agreed on last can't be read from the journal ({error}): expected those that "
            "this version of Horizon writes; install the version that wrote them, or move the journal away",
            file="",
        ) from error
