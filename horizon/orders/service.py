"""A desk without a strategy: what `await exchange.submit(...)` goes through.

Every order is checked, journaled, sent once, and followed through what the venue reports. Orders whose outcome is not
known are looked up in the background until the venue has answered.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from msgspec.structs import replace

from horizon.clock import Clock
from horizon.errors import ConfigurationError, HorizonError, InvalidOrder, RecordingError, Refused
from horizon.guards import Guard, check_all, with_kill_switch
from horizon.guards.prices import with_size
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketQuery,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Preview,
    Quote,
)
from horizon.orders.desk import Desk
from horizon.orders.effects import Cancel, Effect, Find, Replace, Send
from horizon.orders.execution import Executor
from horizon.orders.moment import Books, Moment
from horizon.ports import Journal, PreviewsOrders, Venue, VenueEvent

_logger = logging.getLogger(__name__)
_KEPT_FILLS = 1_000
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
    ) -> None:
        self.markets: dict[MarketId, Market] = {}
        self.quotes: dict[Instrument, Quote] = {}
        self._venue = venue
        self._desk = Desk(venue.name, account_id, run_id)
        self._executor = Executor(venue, journal, clock, halted=halted)
        self._journal = journal
        self._guards, self._kill_switch = with_kill_switch(guards)
        self._clock = clock
        self._books: Books | None = None
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._leaving: list[OrderRequest] = []
        self._unclaimed: deque[Fill] = deque(maxlen=_KEPT_FILLS)
        """Fills under a venue's order id alone: of an order whose answer is on its way, or of somebody else's."""

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
            raise InvalidOrder(f"order {order.client_order_id} can't be changed: it is {status}", rule="replace")
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
        found = self._desk.order(order.client_order_id)
        if found is None:
            raise ConfigurationError(f"{order.client_order_id!r} is not an order of this session: see open_orders()")
        return found

    def open_orders(self) -> Sequence[Order]:
        return self._desk.open_orders()

    def take(self, event: VenueEvent) -> None:
        """What the venue reports by itself."""
        if isinstance(event, OrderReport) and event.account_id == self._desk.account_id:
            if self._desk.apply(event) is not None:
                self._claim_fills()
        elif isinstance(event, Fill) and event.account_id == self._desk.account_id:
            self._book(event)
        self._after_news()

    def halt(self, reason: str) -> None:
        """Refuse every new order from now on, and cancel what works; protective orders stay."""
        self._kill_switch.pull(reason)
        working = [order for order in self._desk.open_orders() if not order.request.protective]
        if working:
            self._in_background(self.cancel(working))

    def resume(self) -> None:
        """Let orders pass again."""
        self._kill_switch.reset()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _book(self, fill: Fill) -> None:
        """Book what this session's orders did; other fills of the account may be in the first positions already."""
        if not self._desk.knows(fill):
            if fill.client_order_id is None:
                self._unclaimed.append(fill)
        elif self._books is not None:
            booked = self._books.ledger.book(fill)
            if booked is not None and booked.new:
                self._desk.book(fill)

    def _claim_fills(self) -> None:
        for fill in [each for each in self._unclaimed if self._desk.knows(each)]:
            self._unclaimed.remove(fill)
            self._book(fill)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _started_books(self) -> Books:
        if self._books is None:
            account = self._desk.account_id
            wanted = any(getattr(guard, "counts_the_day", False) for guard in self._guards)
            # before the positions: what fills in between is in these, and is not this service's to book
            known = await self._venue.fills(account) if wanted else ()
            positions, balances = await self._venue.positions(account), await self._venue.balances(account)
            self._books = self._books or Books(balances, positions, known, self._clock.now())
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
        moment = Moment(
            self._desk,
            books,
            self.markets,
            self.quotes,
            now=self._clock.now(),
            leaving=self._leaving,
            replaces=replaces,
        )
        refusal = check_all(self._guards, request, moment)
        if refusal is not None:
            rule, reason = refusal
            self._desk.refuse(request, rule, reason, self._clock.now())
            self._commit()
            raise InvalidOrder(f"{rule}: {reason}", rule=rule)

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
        if self._desk.records:
            self._journal.commit(self._desk.records)
            self._desk.records = []

    def _in_background(self, work: Awaitable[object]) -> None:
        async def carry() -> None:
            try:
                await work
            except HorizonError as error:
                # The order's own report says so too; a person who waits for nothing finds it here.
                _logger.warning("%s: %s", self._desk.exchange, error)

        task = asyncio.get_running_loop().create_task(carry())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
