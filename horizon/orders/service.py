"""A desk without a strategy: what `await exchange.submit(...)` goes through.

Every order is checked, journaled, sent once, and followed through what the venue reports. Orders whose outcome is not
known are looked up in the background until the venue has answered.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Sequence

from msgspec.structs import replace

from horizon.clock import Clock
from horizon.errors import ConfigurationError, HorizonError, InvalidOrder, RecordingError, Refused
from horizon.guards import Guard, check_again, check_all, reduces, with_kill_switch
from horizon.guards.prices import with_size
from horizon.model import (
    AccountId,
    ClientOrderId,
    EarlierOrder,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketQuery,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Preview,
    Quote,
)
from horizon.orders.again import SendAgain
from horizon.orders.desk import Desk
from horizon.orders.effects import Cancel, Effect, Find, Replace, Send
from horizon.orders.execution import Executor
from horizon.orders.moment import Books, Moment
from horizon.orders.recovery import Recovered, recover
from horizon.ports import AsksQuestions, Journal, PreviewsOrders, Venue, VenueEvent

_logger = logging.getLogger(__name__)
_KEPT_FILLS = 1_000
_FILL_DAYS = 7
_READ_PAUSE = 10.0
"""Seconds before a read of fills that failed is repeated."""
SETTLING_WAIT = 45.0
"""Seconds of the clock to wait for the venue's word on what earlier runs have left."""
REFUSED_WAIT = 12.0
"""Seconds of the clock in which an order whose cancel was refused turns out to be over, if it is."""
CANCEL_WAIT = 20.0
"""Seconds of the clock to wait for a venue to confirm a cancel before saying that it has not."""


class OrderService:
    """Orders of one account that come straight from a person or a program."""

    def __init__(
        self,
        venue: Venue,
        account_id: AccountId,
        *,
        run_id: str,
        journal: Journal,
        guards: Sequence[Guard],
        clock: Clock,
        halted: Callable[[], str | None] = lambda: None,
        again: SendAgain = SendAgain.SAME_ID,
        ready: Callable[[], bool] = lambda: True,
        tell: Callable[[Notice], None] = lambda notice: None,
    ) -> None:
        """`ready` says whether the session takes orders now; `tell` is how a person hears of something."""
        self.markets: dict[MarketId, Market] = {}
        self.quotes: dict[Instrument, Quote] = {}
        self._venue = venue
        self._desk = Desk(venue.name, account_id, run_id, again=again)
        self._ready = ready
        self._tell = tell
        self._unanswered: set[ClientOrderId] = set()
        """Orders of earlier runs about which the venue has not said anything yet."""
        self._fills_are_read = True
        self._closing = self._closed = False
        self._executor = Executor(venue, journal, clock, halted=halted)
        self._journal = journal
        self._guards, self._kill_switch = with_kill_switch(guards)
        self._clock = clock
        self._books: Books | None = None
        self._before_books: list[Fill] = []
        """Fills that were booked before positions were read, so that these hold them already."""
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: list[OrderRequest] = []
        self._unclaimed: deque[Fill] = deque(maxlen=_KEPT_FILLS)
        """Fills under a venue's order id alone: of an order whose answer is on its way, or of somebody else's."""

    # -- what earlier runs have left -------------------------------------------------------------------------------

    async def recover(self, *, wait: float = SETTLING_WAIT) -> None:
        """Take up the orders that earlier runs have left, and ask the venue what became of them.

        Returns when it has answered, or after `wait` seconds of the clock: asking goes on then, and the market of an
        order in doubt is not traded until it is over. Raises RecordingError for a journal that can't be read.
        """
        found = self._recovered()
        self._desk.mark_settled(found.unmarked, self._clock.now())
        taken = self._desk.take_up(found.open, self._clock.now())
        self._unanswered = {order.client_order_id for order in taken}
        if taken:
            self._fills_are_read = False
            self._in_background(self._read_fills())
        self._after_news()
        await self.until(lambda: not self._unanswered and self._fills_are_read, timeout=wait)
        for order in taken:
            latest = self.latest(order)
            text = f"order {latest.client_order_id} of an earlier run was taken up: it is {latest.status}"
            if blocked := self._desk.why_blocked(latest.request.market_id):
                self._say(NoticeLevel.WARNING, f"{text}; nothing new is sent in its market: {blocked}")
            else:
                self._say(NoticeLevel.INFO, text)

    def reload(self) -> None:
        """Take up what a strategy has done on this account meanwhile."""
        found = self._recovered(also=[order.client_order_id for order in self._desk])
        self._desk.take_up([*found.settled, *found.open], self._clock.now())
        self._books = None
        self._after_news()

    def hand_over(self) -> Sequence[EarlierOrder]:
        """The orders of which something is still expected, for a strategy's desk to take up."""
        return self._desk.hand_over()

    def remembered(self, client_order_id: ClientOrderId) -> Order | None:
        """An order by what this session knows, or else by what the journal says about it."""
        known = self._desk.order(client_order_id)
        if known is not None:
            return known
        found = self._recovered(also=[client_order_id])
        ids = ((each.order, (each.order.client_order_id, *each.former_ids)) for each in (*found.settled, *found.open))
        return next((order for order, names in ids if client_order_id in names), None)

    def note_fills(self, fills: Iterable[Fill]) -> None:
        """Book what these fills did to orders of this account, of earlier runs too."""
        for fill in fills:
            self._book(fill)
        self._after_news()

    def book_elsewhere(self, fill: Fill) -> None:
        """Count an execution of somebody else's order in what guards see, unless it is in there already."""
        if self._books is not None and fill.trade_time >= self._books.read_at:
            self._books.ledger.book(fill)

    def give_up(self, client_order_id: ClientOrderId, reason: str) -> Order:
        """A person has looked at an order that is in doubt, or that filled beyond its size: go on without it."""
        order = self._desk.give_up(client_order_id, reason, self._clock.now())
        if order is None:
            raise ConfigurationError(f"order {client_order_id!r} is neither in doubt nor filled beyond its size")
        self._after_news()
        return order

    def _recovered(self, also: Sequence[ClientOrderId] = ()) -> Recovered:
        desk = self._desk
        records = self._journal.unsettled(account_id=desk.account_id, also=also)
        return recover(records, desk.exchange, desk.account_id)

    async def _read_fills(self) -> None:
        """A week of fills, however long it takes to get them: those that came while nobody listened."""
        while not self._fills_are_read:
            try:
                fills = await self._venue.fills(self._desk.account_id, _FILL_DAYS)
            except HorizonError as error:
                _logger.warning("%s: fills of the last week can't be read yet: %s", self._desk.exchange, error)
                await self._clock.sleep(_READ_PAUSE)
            else:
                self._fills_are_read = True
                self.note_fills(fills)

    async def submit(self, requests: Sequence[OrderRequest]) -> Sequence[Order]:
        """Send as one call. If one of a group is refused here, none of it leaves."""
        desk = self._desk
        complete = [desk.complete(request) for request in requests]
        books = await self._started_books()
        complete = [await self._prepared(request) for request in complete]
        # from the check to the desk without waiting: no other order may come in between and use the same room
        self._pass_guards(complete, books)
        orders = desk.submit(complete, self._clock.now())
        await self._carry_out()
        return [self.latest(order) for order in orders]

    async def preview(self, requests: Sequence[OrderRequest]) -> Preview:
        """What the orders would cost. Raises InvalidOrder as `submit` would, before guards, and ConfigurationError for
        a venue without previews."""
        if not isinstance(self._venue, PreviewsOrders):
            raise ConfigurationError(f"{self._venue.name} has no previews of orders: its fees are in its profile")
        complete = [self._desk.complete(request) for request in requests]
        return await self._venue.preview([await self._prepared(request) for request in complete])

    async def change(self, order: Order, changes: dict[str, object]) -> Order:
        """Change a working order; a size is the total, fills included."""
        request = replace(order.request, **changes)
        books = await self._started_books()
        request = await self._prepared(request)
        self._check(request, books, replaces=self.latest(order))
        if self._desk.change(order.client_order_id, request, self._clock.now()) is None:
            status = self.latest(order).status
            why = (
                "another change of it is on its way" if status.is_open and not status.is_in_doubt else f"it is {status}"
            )
            raise InvalidOrder(f"order {order.client_order_id} can't be changed: {why}", rule="replace")
        await self._carry_out()
        return self.latest(order)

    async def cancel(self, orders: Sequence[Order], *, wait: float = CANCEL_WAIT) -> Sequence[Order]:
        """Cancel each and wait until the venue has confirmed all, or `wait` seconds have passed."""
        for order in orders:
            self._desk.cancel(order.client_order_id, self._clock.now())

        def over() -> bool:
            return all(self.latest(order).is_done for order in orders)

        try:
            await self._carry_out()
        except Refused:
            # a fill was faster, or the refusal is one: the venue's order list tells
            if not await self.until(over, timeout=min(wait, REFUSED_WAIT)):
                raise
        await self.until(over, timeout=wait)
        return [self.latest(order) for order in orders]

    async def until(self, condition: Callable[[], bool], *, timeout: float | None) -> bool:
        """Whether `condition` came true within `timeout` seconds; it is looked at after every report."""
        try:
            async with self._clock.deadline(timeout):
                while not condition():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return condition()
        return True

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        return self._desk.order(client_order_id)

    def latest(self, order: Order) -> Order:
        """The newest state of an order of this service."""
        found = self.remembered(order.client_order_id)
        if found is None:
            raise ConfigurationError(f"{order.client_order_id!r} is not an order of this session: see open_orders()")
        return found

    def open_orders(self) -> Sequence[Order]:
        return self._desk.open_orders()

    def take(self, event: VenueEvent) -> None:
        """What the venue reports by itself."""
        if isinstance(event, Notice):
            self._tell(event)
            return
        if isinstance(event, OrderReport) and event.account_id == self._desk.account_id:
            if event.absent and event.client_order_id is not None:
                self._in_background(self._settle_absence(event, event.client_order_id))
                return
            self._apply(event)
        elif isinstance(event, Fill) and event.account_id == self._desk.account_id:
            self._book(event)
        self._after_news()

    def halt(self, reason: str) -> None:
        """Refuse every new order from now on, and cancel what works; protective orders stay."""
        self._kill_switch.pull(reason)
        if isinstance(self._venue, AsksQuestions):
            # a question that is open holds back every cancel: it is answered no at once
            self._in_background(self._venue.refuse_open_prompt())
        working = [order for order in self._desk.open_orders() if not order.request.protective]
        if working:
            self._in_background(self.cancel(working))

    def resume(self) -> None:
        """Let orders pass again."""
        self._kill_switch.reset()

    async def close(self) -> None:
        """End the background tasks. What an interrupted one has to say is journaled still; nothing new begins."""
        self._closing = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._closed = True

    def _apply(self, report: OrderReport) -> None:
        known = None if report.client_order_id is None else self._desk.order(report.client_order_id)
        if known is not None:
            self._unanswered.discard(known.client_order_id)
        elif report.client_order_id is not None and report.status.is_open:
            self._take_up_again(report.client_order_id)
        if self._desk.apply(report) is not None:
            self._claim_fills()

    async def _settle_absence(self, report: OrderReport, key: ClientOrderId) -> None:
        """Send an order again that the venue surely does not have, if it may be; else it ends here, with the reason."""
        reason = self._desk.why_not_again(key, self._clock.now()) or await self._why_not_now(key)
        if reason is None:
            self._unanswered.discard(key)
            self._desk.send_again(key, self._clock.now())
        else:
            self._apply(replace(report, reason=f"{report.reason}; not sent again: {reason}"))
        self._after_news()

    async def _why_not_now(self, key: ClientOrderId) -> str | None:
        """Why session, quote or guards do not let an order leave once more."""
        order = self._desk.order(key)
        if order is None or not self._ready():
            return f"{self._desk.exchange} takes no orders now"
        try:
            books, request = await self._started_books(), await self._prepared(order.request)
        except HorizonError as error:
            return str(error)
        reason = self._desk.why_not_again(key, self._clock.now())
        refusal = check_again(self._guards, request, self._moment(books, replaces=order))
        return reason or (None if refusal is None else f"{refusal[0]}: {refusal[1]}")

    def _book(self, fill: Fill) -> None:
        """Book what this session's orders did; other fills of the account may be in the first positions already."""
        if not self._desk.knows(fill) and not self._is_of_the_journal(fill):
            if fill.client_order_id is None:
                self._unclaimed.append(fill)
            return
        if self._books is not None:
            self._books.ledger.book(fill)
        else:
            self._before_books.append(fill)
        self._desk.book(fill)

    def _is_of_the_journal(self, fill: Fill) -> bool:
        """Whether a fill belongs to an order that was settled before, which is then taken up again."""
        if fill.client_order_id is None:
            return False
        self._take_up_again(fill.client_order_id)
        return self._desk.knows(fill)

    def _claim_fills(self) -> None:
        for fill in [each for each in self._unclaimed if self._desk.knows(each)]:
            self._unclaimed.remove(fill)
            self._book(fill)

    def _take_up_again(self, client_order_id: ClientOrderId) -> None:
        """Know an order once more that was settled before this session: there is news of it after all."""
        self._desk.take_up(self._recovered(also=[client_order_id]).settled, self._clock.now())

    # -- inside --------------------------------------------------------------------------------------------------

    async def _started_books(self) -> Books:
        if self._books is None:
            account = self._desk.account_id
            wanted = any(getattr(guard, "counts_the_day", False) for guard in self._guards)
            # before the positions: what fills in between is in these, and is not this service's to book
            known = await self._venue.fills(account) if wanted else ()
            positions, balances = await self._venue.positions(account), await self._venue.balances(account)
            booked = {fill.execution_id: fill for fill in (*self._before_books, *known)}
            self._books = self._books or Books(balances, positions, tuple(booked.values()), self._clock.now())
        return self._books

    async def _prepared(self, request: OrderRequest) -> OrderRequest:
        """The request once its market, rules and quote are known. Raises InvalidOrder for what the venue would refuse.

        An order for an amount of money gets the size that limits reckon with.
        """
        if request.account_id != self._desk.account_id:
            raise InvalidOrder(
                f"the order is for account {request.account_id}, and this exchange trades on {self._desk.account_id}",
                rule="account",
            )
        market = self.markets.get(request.market_id)
        if market is None:
            market = await self._venue.market(MarketQuery(market_id=request.market_id))
            self.markets[market.market_id] = market
        try:
            name = market.instrument(request.side)
        except ValueError as error:
            raise InvalidOrder(str(error), rule="side") from None
        if request.cash_quantity is None:
            self._venue.profile.check(request, market)
        for quote in await self._venue.quotes([name]):
            self.quotes[quote.instrument] = quote
        sized = with_size(request, self.quotes.get(name), market)
        if request.cash_quantity is not None:
            self._venue.profile.check(sized, market)
        return sized

    def _pass_guards(self, requests: Sequence[OrderRequest], books: Books) -> None:
        """A limit holds for a group as a whole: what was let through before counts."""
        now = self._clock.now()
        try:
            for request in requests:
                self._check(request, books)
                for guard in self._guards:
                    guard.sent(request, now)
                self._leaving.append(request)
        finally:
            self._leaving = []

    def _check(self, request: OrderRequest, books: Books, *, replaces: Order | None = None) -> None:
        moment = self._moment(books, replaces)
        blocked = None if replaces is not None else self._desk.why_blocked(request.market_id)
        refusal = ("in_doubt", blocked) if blocked is not None and not reduces(request, moment) else None
        refusal = refusal or check_all(self._guards, request, moment)
        if refusal is not None:
            rule, reason = refusal
            self._desk.refuse(request, rule, reason, self._clock.now())
            self._commit()
            raise InvalidOrder(f"{rule}: {reason}", rule=rule)

    def _moment(self, books: Books, replaces: Order | None) -> Moment:
        return Moment(
            self._desk,
            books,
            self.markets,
            self.quotes,
            now=self._clock.now(),
            leaving=self._leaving,
            replaces=replaces,
        )

    async def _carry_out(self) -> None:
        """Commit, then do what the desk wants done. Raises the first error once everything has been tried."""
        first: HorizonError | None = None
        while self._desk.effects:
            effects, self._desk.effects = self._desk.effects, []
            try:
                self._commit()
            except RecordingError as error:
                self._give_up(effects, str(error))
                raise
            for effect in effects:
                if isinstance(effect, Find):
                    self._in_background(self._executor.perform(effect, self.take))
                else:
                    failed = await self._executor.perform(effect, self.take)
                    first = first or failed
        if first is not None:
            raise first

    def _give_up(self, effects: Sequence[Effect], reason: str) -> None:
        """Nothing leaves without its journal line: orders are rejected, those at the venue stay as they are."""
        for effect in effects:
            for request in effect.requests if isinstance(effect, Send) else ():
                self._desk.apply(self._report(request.client_order_id, OrderStatus.REJECTED, reason))
            if isinstance(effect, Cancel | Replace):
                report = self._report(effect.order.client_order_id, effect.order.status, reason)
                self._desk.apply(replace(report, refused_change=True))

    def _report(self, key: ClientOrderId, status: OrderStatus, reason: str) -> OrderReport:
        return OrderReport(
            exchange=self._desk.exchange,
            account_id=self._desk.account_id,
            time=self._clock.now(),
            status=status,
            client_order_id=key,
            reason=reason,
        )

    def _say(self, level: NoticeLevel, text: str) -> None:
        account_id = self._desk.account_id
        notice = Notice(
            exchange=self._desk.exchange, time=self._clock.now(), level=level, text=text, account_id=account_id
        )
        self._tell(notice)

    def _after_news(self) -> None:
        try:
            self._commit()
        except RecordingError:
            # Whoever delivers news can do nothing about it: the lines are kept, and the next order is refused.
            _logger.exception("what %s reported is not in the journal yet", self._desk.exchange)
        if self._desk.effects:
            self._in_background(self._carry_out())
        self._venue.watch(self._desk.account_id, orders=self._desk.awaits_reports, fills=self._desk.awaits_fills)
        self._changed.set()

    def _commit(self) -> None:
        # whoever still waits for an answer hears it; the next session finds the order in doubt and looks it up
        if self._desk.records and not self._closed:
            self._journal.commit(self._desk.records)
            self._desk.records = []

    def _in_background(self, work: Coroutine[object, object, object]) -> None:
        if self._closing:
            work.close()
            return

        async def carry() -> None:
            try:
                await work
            except HorizonError as error:
                # The order's own report says so too; a person who waits for nothing finds it here.
                _logger.warning("%s: %s", self._desk.exchange, error)

        task = asyncio.get_running_loop().create_task(carry())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # one that is cancelled before its first step has not begun to await it
        task.add_done_callback(lambda _: work.close())
