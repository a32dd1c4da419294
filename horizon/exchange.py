"""The verbs a user calls: one account at one venue, with journal, guards and rules that nobody can go around.

Reads go to the venue. Everything that trades is refused here with InvalidOrder, or journaled, then sent once, and
followed until the venue says how it ended.
"""

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from horizon.clock import Clock, SystemClock
from horizon.errors import BrokerageSessionDown, ConfigurationError, RecordingError
from horizon.guards import Guard, default_guards, guards_for, require_mandatory
from horizon.model import (
    Account,
    AccountId,
    ClientOrderId,
    EarlierOrder,
    Fill,
    Instrument,
    Market,
    MarketQuery,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    Position,
    Preview,
    Quote,
    SessionState,
)
from horizon.observe.notify import Notifier, Notify
from horizon.orders.again import SendAgain
from horizon.orders.claim import Claim, refuse_if_owned
from horizon.orders.consent import Consent
from horizon.orders.control.commander import obey
from horizon.orders.control.messages import Answer, Command
from horizon.orders.execution import Executor
from horizon.orders.kill_file import KillFile
from horizon.orders.outside import Cancelled, Outside
from horizon.orders.owner import Owner
from horizon.orders.reconcile import Reconciliation
from horizon.orders.reconciler import Reconciler
from horizon.orders.service import CANCEL_WAIT, OrderService
from horizon.orders.switch import Switch
from horizon.orders.unjournaled import Unjournaled
from horizon.ports import AsksQuestions, Capabilities, Journal, PutVenueEvent, Venue, VenueEvent, VenueProfile

_logger = logging.getLogger(__name__)
_LEVELS = {NoticeLevel.INFO: logging.INFO, NoticeLevel.WARNING: logging.WARNING, NoticeLevel.ERROR: logging.ERROR}


def new_run_id() -> str:
    """A prefix for client order ids: short, because venues bound their length, and new for every run."""
    return f"h{uuid.uuid4().hex[:12]}"


class Exchange:
    """One account at one venue. Use it as an async context manager.

    `journal` is a Journal or a path; by default a file per account in the user's state directory. `notify` is a hook,
    or several, by which a person hears what must be heard (`horizon.observe.notify`).

    Nothing is sent to an account that is not known to be paper without `live=True`, and no order without the guards
    that limit size, notional, position and the day's loss (`horizon.guards.live_guards`). `read_only=True` sends
    nothing that changes anything, and can be opened while another process trades the account. `reconciles=True`
    compares the account with the venue every few minutes.
    """

    feed_name: ClassVar[str] = ""
    """The entry point (group `horizon.feeds`) of this exchange's own feed."""

    def __init__(
        self,
        venue: Venue,
        *,
        account_id: str | None = None,
        journal: Journal | Path | None = None,
        guards: Sequence[Guard] | None = None,
        live: bool = False,
        read_only: bool = False,
        clock: Clock | None = None,
        notify: Notify | None = None,
        again: SendAgain = SendAgain.SAME_ID,
        reconciles: bool = False,
    ) -> None:
        self.clock: Clock = clock or SystemClock()
        self.session: SessionState | None = None
        """The latest state of the session, tier by tier."""
        self._venue = venue
        self._wanted_account = account_id
        self._journal_place = journal
        self._claim: Claim | None = None
        self._outside: Outside | None = None
        self._consent = Consent(live=live, read_only=read_only)
        self.chosen_guards = None if guards is None else tuple(guards)
        """Those that were handed in; None when none were."""
        self._guards_of_the_run: Sequence[Guard] | None = None
        self._account: Account | None = None
        self._orders: OrderService | None = None
        self._reconciler: Reconciler | None = None
        self._reconciles_by_itself = reconciles
        self._engine: PutVenueEvent | None = None
        self._diverted = False
        self._again = again
        self._notifier = Notifier(notify, self.clock)
        self._session_changed = asyncio.Event()

    # -- opening and closing -------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Sign in, choose the account and become the one process that trades it.

        Raises SessionError or ConfigurationError, in one sentence: also when another process trades the account.
        """
        try:
            if self._wanted_account is not None and not self._consent.read_only:
                # before signing in, which can take the session from whoever trades the account
                refuse_if_owned(self._journal_place, self.name, self._wanted_account, self.clock)
            await self._venue.open(self._take)
            self._account = self._choose(await self._venue.accounts())
            run_id = new_run_id()
            journal: Journal
            if forbidden := self._consent.reason_against(self._account):
                # only a process that may trade the account becomes its owner
                journal = Unjournaled(forbidden)
            else:
                self._claim = Claim(
                    self._journal_place, exchange=self.name, account_id=self.account_id, run_id=run_id, clock=self.clock
                )
                journal = self._claim.journal
            switch = Switch(KillFile(self.name, self.account_id), self.clock)
            self._orders = OrderService(
                self._venue,
                self.account_id,
                run_id=run_id,
                journal=journal,
                guards=self.guards(),
                clock=self.clock,
                again=self._again,
                ready=lambda: self.session is None or self.session.ready,
                tell=self._hear,
                halted=switch.look,
            )
            self._outside = Outside(
                self._venue,
                self.account_id,
                self._orders,
                switch=switch,
                journal=journal,
                clock=self.clock,
                run_id=run_id,
            )
            self._outside.open()
            if self._claim is not None:
                # nothing trades before it is known what became of the orders of before
                await self._orders.recover()
                self._reconciler = self._reconciles(self._orders, self._outside, journal)
                self._reconciler.open(by_itself=self._reconciles_by_itself)
                await self._claim.listen(self.obey)
        except BaseException:
            await self._venue.close()
            await self._let_go()
            await self._notifier.close()
            raise

    async def close(self) -> None:
        """End the session's tasks. Orders stay at the venue as they are."""
        if self._reconciler is not None:
            await self._reconciler.close()
            self._reconciler = None
        if self._orders is not None:
            await self._orders.close()
            self._orders = None
            self._session_changed.set()
        try:
            await self._venue.close()
        finally:
            await self._let_go()
            await self._notifier.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _let_go(self) -> None:
        if self._reconciler is not None:
            await self._reconciler.close()
            self._reconciler = None
        if self._outside is not None:
            await self._outside.close()
        if self._claim is not None:
            await self._claim.release()
            self._claim = None

    def _choose(self, accounts: Sequence[Account]) -> Account:
        ids = ", ".join(account.account_id for account in accounts) or "none"
        if self._wanted_account is None:
            if len(accounts) == 1:
                return accounts[0]
            raise ConfigurationError(f"this login has several accounts ({ids}): say which with account_id=")
        for account in accounts:
            if account.account_id == self._wanted_account:
                return account
        raise ConfigurationError(
            f"expected account_id to be one of this login's accounts ({ids}), found {self._wanted_account!r}"
        )

    # -- what it is ----------------------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self._orders is not None

    @property
    def name(self) -> str:
        return self._venue.name

    @property
    def account_id(self) -> AccountId:
        if self._account is None:
            raise self._closed()
        return self._account.account_id

    @property
    def profile(self) -> VenueProfile:
        return self._venue.profile

    @property
    def capabilities(self) -> Capabilities:
        return self._venue.capabilities

    @property
    def journal(self) -> Journal:
        """Raises ConfigurationError where nothing may be sent: there is nothing to journal."""
        if self._claim is None:
            self._open_venue()
            self.require_consent()
            raise self._closed()
        return self._claim.journal

    # -- reading -------------------------------------------------------------------------------------------------

    async def accounts(self) -> Sequence[Account]:
        """Every account of this login."""
        return await self._open_venue().accounts()

    async def account(self, account_id: str | None = None) -> Account:
        """Summary and balances per currency of the chosen account, or of another one of the login."""
        return await self._open_venue().balances(self._one_of(account_id))

    async def find_markets(self, query: MarketQuery | str) -> Sequence[Market]:
        """Every market that fits; text is a symbol."""
        return await self._open_venue().find_markets(_as_query(query))

    async def market(self, query: MarketQuery | str) -> Market:
        """The one market that is meant. ConfigurationError when nothing fits, or several do: it lists them."""
        service = self._service()
        market = await self._venue.market(_as_query(query))
        service.markets[market.market_id] = market
        return market

    async def quotes(self, what: Sequence[Market | Instrument]) -> Sequence[Quote]:
        """The top of the book of each, in the same order."""
        wanted = [each.instrument() if isinstance(each, Market) else each for each in what]
        return await self._open_venue().quotes(wanted)

    async def quote(self, what: Market | Instrument) -> Quote:
        """The top of one book; sides the venue did not send are None."""
        return (await self.quotes([what]))[0]

    async def open_orders(self) -> Sequence[OrderReport]:
        """Every order of this account that can still fill, wherever it was placed."""
        return await self._open_venue().open_orders(self.account_id)

    async def order(self, client_order_id: ClientOrderId | str) -> Order | OrderReport:
        """What is known about an order: by this session, by the journal, or by the venue for one of somebody else."""
        key = ClientOrderId(str(client_order_id))
        known = self._service().remembered(key)
        if known is not None:
            return known
        found = await self._venue.find_order(self.account_id, key)
        if found is None:
            raise ConfigurationError(f"{self.name} knows no order {key!r} of account {self.account_id}")
        return found

    async def fills(self, days: int = 1, *, account_id: str | None = None) -> Sequence[Fill]:
        """Executions over the last `days` trading days, oldest first."""
        return await self._open_venue().fills(self._one_of(account_id), days)

    async def positions(self, *, account_id: str | None = None) -> Sequence[Position]:
        """Everything the account holds."""
        return await self._open_venue().positions(self._one_of(account_id))

    async def preview(self, request: OrderRequest | Sequence[OrderRequest]) -> Preview:
        """What an order or a bracket would cost, and what it would do to the margin, in numbers.

        Nothing is sent to a market. Raises InvalidOrder as `submit` would, Refused when the venue gives no estimate,
        and ConfigurationError at a venue that has none.
        """
        return await self._service().preview([request] if isinstance(request, OrderRequest) else request)

    # -- comparing with the venue --------------------------------------------------------------------------------

    async def reconcile(self, *, confirm: bool = True) -> Reconciliation:
        """Compare orders, fills and positions with the venue now, and resolve what differs by its rule.

        With `reconciles=True` it happens by itself too: after the start, when the session is back, and every five
        minutes; it costs three of the venue's slow reads each time. With `confirm` a position that differs is read
        three times over two minutes; without, that is left to the next time. Raises ConfigurationError where nothing
        may be sent: no journal says there what is known here.
        """
        return await self._comparing().reconcile(confirm=confirm)

    async def accept_positions(self, reason: str) -> None:
        """What the venue holds now is right: for a person who has looked at a position that no fill explains.

        `reason` is kept in the journal.
        """
        await self._comparing().accept(reason)

    # -- trading -------------------------------------------------------------------------------------------------

    async def submit(self, request: OrderRequest) -> Order:
        """Send one order and return it as the venue has answered.

        While the session is down and orders are held over a reset (`session.holding`), it waits here, before guards
        and journal, until the session is ready: cancelling the wait leaves nothing behind.

        Raises InvalidOrder (nothing was sent), Refused or ConfirmationRefused (the venue said no), SessionError,
        VenueUnavailable (nothing was sent), or OutcomeUnknown: then looking it up goes on by itself.
        """
        return (await self.submit_group([request]))[0]

    async def submit_group(self, requests: Sequence[OrderRequest]) -> Sequence[Order]:
        """Send a bracket or group as one call. If one of it is refused here, none of it leaves."""
        self._trading()
        await self._until_orders_are_taken()
        return await self._trading().submit(requests)

    async def replace(self, order: Order, **changes: object) -> Order:
        """Change a working order, for example `price=`; a size is the total, fills included."""
        return await self._trading().change(order, changes)

    async def cancel(self, order: Order, *, wait: float = CANCEL_WAIT) -> Order:
        """Cancel, and wait up to `wait` seconds for the venue to confirm.

        The order returned is CANCELED, or FILLED when a fill was faster, or still CANCEL_PENDING.
        """
        return (await self._trading(new=False).cancel([order], wait=wait))[0]

    async def give_up(self, client_order_id: ClientOrderId | str, reason: str) -> Order:
        """Trade on in the market of an order that is in doubt, or that filled beyond its size.

        For a person who has compared orders and positions with the venue's own screen; `reason` is kept in the
        journal. An order in doubt counts as cancelled then, unless the venue says later that it works.
        """
        return self._trading(new=False).give_up(ClientOrderId(str(client_order_id)), reason)

    async def cancel_all(self, market: Market | None = None, *, wait: float = CANCEL_WAIT) -> Sequence[Order]:
        """Cancel this account's orders of this session (of one market, if given); a state per order."""
        service = self._trading(new=False)
        chosen = [o for o in service.open_orders() if market is None or o.request.market_id == market.market_id]
        return await service.cancel(chosen, wait=wait)

    async def wait(self, order: Order, condition: Callable[[Order], bool], *, timeout: float | None = None) -> Order:
        """The order once `condition` holds, or as it is after `timeout` seconds."""
        service = self._service()
        await service.until(lambda: condition(service.latest(order)), timeout=timeout)
        return service.latest(order)

    def require_consent(self) -> None:
        """Raise ConfigurationError unless changes may be sent: paper, or agreed to, and not read-only."""
        if self._account is None:
            raise self._closed()
        self._consent.require(self._account)

    def require_tradable(self, guards: Sequence[Guard] | None = None) -> None:
        """Raise ConfigurationError unless new orders may be sent: with consent, and on a live account with limits.

        `guards` are a run's own, in place of this exchange's; while a run is on, its guards are the ones that count.
        """
        self.require_consent()
        if self._account is not None and self._account.is_live is not False:
            sets = (guards, self._guards_of_the_run, self.chosen_guards)
            require_mandatory(next((each for each in sets if each is not None), None), self._account.account_id)

    def guards(self, chosen: Sequence[Guard] | None = None) -> Sequence[Guard]:
        """What an order has to pass: the chosen guards, or else the default, and those that the account demands."""
        if self._account is None:
            raise self._closed()
        if chosen is None:
            chosen = default_guards() if self.chosen_guards is None else self.chosen_guards
        return guards_for(self._account, chosen)

    async def refuse_open_prompt(self) -> None:
        """Answer the question that the venue has open with no, so that cancels can follow at once. For whoever stops
        trading; a venue that asks nothing has nothing open."""
        if isinstance(self._venue, AsksQuestions):
            await self._venue.refuse_open_prompt()

    # -- stopping, and orders from outside -------------------------------------------------------------------------

    @property
    def killed(self) -> str | None:
        """Why the kill switch is pulled, wherever that was done; None while it is not."""
        return self.outside.switch.look()

    def pull_kill_switch(self, reason: str) -> None:
        """Refuse every new order of this account, here and in every program of this user, until a person resets it.

        Working orders are cancelled, protective ones stay. RecordingError when the file of the switch can't be made:
        it is pulled for this program all the same.
        """
        self.outside.switch.pull(reason)

    async def kill(self, reason: str, *, protective: bool = False, everywhere: bool = False) -> Cancelled:
        """Pull the kill switch, cancel this account's orders, and wait for the venue to confirm.

        Protective orders stay unless `protective`, those placed elsewhere unless `everywhere`. ConfigurationError where
        nothing may be sent: nothing could be cancelled.
        """
        self.require_consent()
        return await self.outside.kill(reason, protective=protective, everywhere=everywhere)

    def reset_kill_switch(self) -> bool:
        """Let orders pass again; whether it was pulled. ConfigurationError while the one for all accounts is."""
        return self.outside.switch.reset()

    @property
    def owner(self) -> Owner:
        """Who trades this account: this process. ConfigurationError where nothing may be sent."""
        if self._claim is None:
            self.require_consent()
            raise self._closed()
        return self._claim.owner

    @property
    def outside(self) -> Outside:
        """Orders from outside, which a strategy that runs takes too."""
        if self._outside is None:
            raise self._closed()
        return self._outside

    async def obey(self, command: Command) -> Answer:
        """Do what comes over the control socket, or would. Raises what the verb raises."""
        return await obey(self, command)

    # -- for the engine ------------------------------------------------------------------------------------------

    def attach(self, put: PutVenueEvent, guards: Sequence[Guard]) -> Executor:
        """Hand this account's orders to an engine with guards of its own: its desk is the only one until `detach`."""
        if not self._diverted:
            self._trading(new=False)
            self._engine = put
        self.require_tradable(guards)
        self._guards_of_the_run = guards
        return Executor(self._venue, self.journal, self.clock, halted=self.outside.switch.look)

    def divert(self, put: PutVenueEvent) -> None:
        """Hand what the venue reports to a run that is about to begin: nothing is lost until its engine is there."""
        self._trading(new=False)
        self._engine, self._diverted = put, True

    def earlier_orders(self, fills: Sequence[Fill]) -> Sequence[EarlierOrder]:
        """Orders of which something is still expected, once these fills are booked: for an engine to take up."""
        service = self._service()
        service.note_fills(fills)
        return service.hand_over()

    def alert(self, notice: Notice) -> None:
        """Let the person who is notified hear of something that did not come from the venue."""
        self._notifier.take(notice)

    def detach(self) -> None:
        """The run is over: orders go straight through this exchange again."""
        if self._engine is None:
            return
        self._engine, self._diverted, self._guards_of_the_run = None, False, None
        self.outside.engine = None
        self.watch(orders=False, fills=False)
        if self._orders is not None:
            try:
                self._orders.reload()
            except RecordingError:
                _logger.exception("what the run has left on %s is taken up when it is opened again", self.name)

    def watch(self, *, orders: bool, fills: bool) -> None:
        """Say what an attached engine expects from the venue."""
        self._venue.watch(self.account_id, orders=orders, fills=fills)

    # -- inside --------------------------------------------------------------------------------------------------

    def _closed(self) -> ConfigurationError:
        return ConfigurationError(f"{self.name} is not open: use `async with` or call open() first")

    def _open_venue(self) -> Venue:
        if not self.is_open:
            raise self._closed()
        return self._venue

    def _one_of(self, account_id: str | None) -> AccountId:
        """The chosen account, or another; the venue refuses one that is not of this login."""
        return self.account_id if account_id is None else AccountId(account_id)

    def _service(self) -> OrderService:
        if self._orders is None:
            raise self._closed()
        return self._orders

    def _comparing(self) -> Reconciler:
        if self._reconciler is None:
            self._open_venue()
            self.require_consent()
            raise self._closed()
        return self._reconciler

    def _reconciles(self, service: OrderService, outside: Outside, journal: Journal) -> Reconciler:
        return Reconciler(
            self._venue,
            self.account_id,
            journal=journal,
            clock=self.clock,
            held_by=outside,
            put=self._take,
            tell=self._take,
            book_elsewhere=service.book_elsewhere,
            ready=lambda: self.session is None or self.session.ready,
        )

    def _trading(self, *, new: bool = True) -> OrderService:
        service = self._service()
        if self._engine is not None:
            raise ConfigurationError(
                f"a strategy is trading on {self.account_id}: its orders go through its own desk until it ends"
            )
        if new:
            self.require_tradable()
        else:
            # what lowers the risk needs no limits
            self.require_consent()
        return service

    async def _until_orders_are_taken(self) -> None:
        """Wait while orders are held. Raises BrokerageSessionDown when the venue is up but takes none now.

        Of a tier that is down, the call itself finds out most exactly what is wrong.
        """
        while self.is_open and (session := self.session) is not None and not session.ready:
            if not session.holding:
                if all(tier.up for tier in session.tiers):
                    raise BrokerageSessionDown(f"{self.name} can't take orders now: {session.reason}")
                return
            self._session_changed.clear()
            await self._session_changed.wait()

    def _take(self, event: VenueEvent) -> None:
        if isinstance(event, SessionState):
            self.session = event
            self._session_changed.set()
        if self._reconciler is not None:
            self._reconciler.saw(event)
        self._notifier.take(event)
        if self._engine is not None:
            self._engine(event)
            return
        if isinstance(event, Notice):
            self._log(event)
        elif self._orders is not None:
            self._orders.take(event)

    def _hear(self, notice: Notice) -> None:
        """What the order service has to say."""
        self._notifier.take(notice)
        self._log(notice)

    def _log(self, notice: Notice) -> None:
        # without a strategy nobody else hears it
        _logger.log(_LEVELS[notice.level], "%s: %s", self.name, notice.text)


def _as_query(query: MarketQuery | str) -> MarketQuery:
    if isinstance(query, MarketQuery):
        return query
    try:
        return MarketQuery(symbol=query)
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
