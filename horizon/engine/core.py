"""The core: everything that decides, nothing that waits. Pure.

`Core.handle(event)` takes one event, calls the strategy, runs guards, desk and accounting, and leaves behind effects
(`take_effects`) and journal records (`take_records`). It asks no clock: time is the time of the events. The same
events in the same order give the same effects, which is what replay checks.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from horizon.accounting import Day, Ledger
from horizon.engine.context import CoreContext
from horizon.engine.held_back import HeldBack
from horizon.engine.state import StateKeeper, state_name
from horizon.engine.timers import Timers
from horizon.errors import ConfigurationError, InvalidOrder
from horizon.guards import Guard, check_again, check_all, reduces, with_kill_switch
from horizon.guards.prices import mark, with_size
from horizon.model import (
    Account,
    AccountId,
    Bar,
    Book,
    CancelAsked,
    ClientOrderId,
    CoreEvent,
    DayProfit,
    Fill,
    Instrument,
    KillSwitched,
    Market,
    MarketId,
    Notice,
    Order,
    OrderReport,
    OrderRequest,
    OrdersAsked,
    OrderStatus,
    PromptAnswered,
    Quote,
    SessionState,
    Start,
    Stop,
    TimerFired,
    Trade,
    split_instrument,
)
from horizon.orders.again import FRESH, SendAgain
from horizon.orders.desk import Desk
from horizon.orders.effects import Effect, Send
from horizon.ports import JournalRecord, RecordKind, VenueProfile
from horizon.strategy import Strategy


class Core:
    """One strategy, its orders, its positions and its guards.

    `profiles` are the rules of each exchange by name; `guards` see every order before it leaves. Both must be the
    same, and guards new, when a recording is handed to another core. When trading stops, working orders are cancelled;
    protective ones only with `cancel_protective`.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        profiles: Mapping[str, VenueProfile],
        guards: Sequence[Guard],
        cancel_protective: bool = False,
        again: SendAgain = SendAgain.SAME_ID,
    ) -> None:
        self.strategy = strategy
        self.ledger = Ledger()
        self._day = Day(self.ledger)
        self.timers = Timers()
        self.now = 0
        self.failure: BaseException | None = None
        """What a callback raised: no callback is called any more."""
        self.stop_requested: str | None = None
        """Why the strategy asked to stop; the shell answers with a Stop event."""
        self.stopped = False
        self._leaving: list[OrderRequest] = []
        self.requests_sent = 0
        self.rejected = 0
        """Orders refused here or by the venue."""
        self.last_rejection = ""
        self.log: list[tuple[int, str]] = []
        self.metric_sink: Callable[[int, str, float | Decimal], None] | None = None
        """Where `ctx.metric` goes (time, name, value); it must not raise."""
        self.start: Start | None = None
        self._profiles = profiles
        self._cancel_protective = cancel_protective
        self._sender = state_name(strategy)
        self._again = again
        self._guards, self._kill_switch = with_kill_switch(guards)
        self._state = StateKeeper(strategy)
        self._keeps_state = self._state.used
        self._state_touched = False
        """The state may have changed since it was looked at last."""
        self._desks: dict[str, Desk] = {}
        self._sessions: dict[str, SessionState] = {}
        self._quotes: dict[Instrument, Quote] = {}
        self._markets: dict[str, Market] = {}
        self._markets_by_id: dict[tuple[str, MarketId], Market] = {}
        self._context = CoreContext(self)
        self._on_quote = strategy.on_quote
        self._handlers: dict[type, Callable[[Any], None]] = {
            Trade: self._handle_trade,
            Bar: self._handle_bar,
            Book: self._handle_book,
            OrderReport: self._handle_report,
            Fill: self._handle_fill,
            TimerFired: self._handle_timer,
            SessionState: self._handle_session,
            Notice: self._handle_notice,
            PromptAnswered: self._handle_prompt,
            OrdersAsked: self._handle_orders_asked,
            CancelAsked: self._handle_cancel_asked,
            KillSwitched: self._handle_kill_switched,
            Start: self._handle_start,
            Stop: self._handle_stop,
        }

    def handle(self, event: CoreEvent) -> None:
        """Take one event. Never raises for what a strategy does: see `failure`."""
        if type(event) is Quote:
            if event.receive_time > self.now:
                self.now = event.receive_time
                if self.now >= self._day.ends:
                    self._turn_day()
            self._quotes[event.instrument] = event
            if self.failure is None and not self.stopped:
                try:
                    self._on_quote(self._context, event)
                except Exception as error:
                    self._fail(error)
            return
        self._handlers[type(event)](event)

    # -- what is left behind -------------------------------------------------------------------------------------

    def take_effects(self) -> list[Effect]:
        """What is to be done at the venues, in order; the list is handed over."""
        taken: list[Effect] = []
        for desk in self._desks.values():
            if desk.effects:
                taken += desk.effects
                desk.effects = []
        return taken

    def take_records(self) -> list[JournalRecord]:
        """What must be durable before the effects are carried out: the state belongs to it if it changed."""
        taken = self._desk_records()
        if self._state_touched or (taken and self._keeps_state):
            self._save_state({record.exchange for record in taken})
            taken += self._desk_records()
        return taken

    def _desk_records(self) -> list[JournalRecord]:
        taken: list[JournalRecord] = []
        for desk in self._desks.values():
            if desk.records:
                taken += desk.records
                desk.records = []
        return taken

    def _save_state(self, with_orders: Set[str]) -> None:
        """Into the journals of the exchanges `with_orders` that it caused; without any, into the first."""
        self._state_touched = False
        try:
            payload = self._state.changes()
        except ConfigurationError as error:
            self._fail(error)
            return
        if payload is not None:
            for name in with_orders or list(self._desks)[:1]:
                self._desks[name].note(RecordKind.STATE, self._state.name, payload, self.now)

    # -- what strategy, guards and shells ask --------------------------------------------------------------------

    @property
    def state(self) -> Any:
        """The strategy's own state."""
        self._state_touched = True
        return self._state.value

    @property
    def guards(self) -> Sequence[Guard]:
        """What every order passes."""
        return self._guards

    @property
    def desks(self) -> Mapping[str, Desk]:
        return self._desks

    @property
    def markets(self) -> Mapping[str, Market]:
        """By the names under which the strategy declared them."""
        return self._markets

    def market(self, instrument: Instrument) -> Market | None:
        """The market of an instrument, if it is one of this run's."""
        exchange, market_id, _ = split_instrument(instrument)
        return self._markets_by_id.get((exchange, market_id))

    def quote(self, instrument: Instrument) -> Quote | None:
        return self._quotes.get(instrument)

    def position(self, instrument: Instrument) -> Decimal:
        return self.ledger.position(instrument)

    def exposure(self, instrument: Instrument) -> Decimal:
        desk = self._desk_of(instrument)
        return self.ledger.position(instrument) + (desk.on_the_way(instrument) if desk else 0)

    def worst_case(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """The lowest and highest position that open and in-doubt orders could lead to."""
        held = self.ledger.position(instrument)
        desk = self._desk_of(instrument)
        low, high = desk.extremes(instrument, also=self._leaving) if desk else (Decimal(0), Decimal(0))
        return held + low, held + high

    def unsettled(self, exchange: str, instrument: Instrument | None = None) -> list[Order]:
        """Orders with which a guard reckons, those that are about to leave among them."""
        desk = self._desks.get(exchange)
        return desk.unsettled(instrument, also=self._leaving) if desk else []

    def account(self, exchange: str) -> Account | None:
        """The account that trades there, as it was read at the start."""
        accounts = self.start.accounts if self.start else ()
        return next((account for account in accounts if account.exchange == exchange), None)

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        return self.ledger.cash_at(exchange, currency)

    def settled_cash(self, exchange: str, currency: str) -> Decimal | None:
        return self.ledger.settled_at(exchange, currency)

    def day_profit(self) -> DayProfit:
        """What the trading day has brought so far."""
        return self._day.profit(self._mark)

    def unresolved(self, instrument: Instrument) -> bool:
        desk = self._desk_of(instrument)
        return desk is not None and desk.unresolved(instrument)

    def orders(self, instrument: Instrument | None = None) -> list[Order]:
        return [order for desk in self._desks.values() for order in desk.open_orders(instrument)]

    def own_orders(self, instrument: Instrument | None = None) -> list[Order]:
        """Open orders of this strategy, of its earlier runs too; not those of a person or of another strategy."""
        return [
            order
            for desk in self._desks.values()
            for order in desk.open_orders(instrument)
            if desk.is_of(self._sender, order.client_order_id)
        ]

    def is_anothers(self, order: Order) -> bool:
        """Whether an order is a person's or another strategy's: it is left alone when the run ends."""
        desk = self._desk_of(order.instrument)
        return desk is not None and not desk.is_of(self._sender, order.client_order_id)

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        for desk in self._desks.values():
            if (found := desk.order(client_order_id)) is not None:
                return found
        return None

    # -- orders --------------------------------------------------------------------------------------------------

    def submit(self, requests: Sequence[OrderRequest]) -> list[Order]:
        """Check and send as one call; if one of a group is refused here, none of it leaves."""
        desk = self._desk_for(requests)
        complete = [self._sized(desk.complete(request)) for request in requests]
        self._leaving = []
        for request in complete:
            refusal = self._refusal(request)
            if refusal is not None:
                self._leaving = []
                return [self._rejected(desk.refuse(each, *refusal, self.now)) for each in complete]
            for guard in self._guards:
                guard.sent(request, self.now)
            # a limit holds for a group as a whole
            self._leaving.append(request)
        self._leaving = []
        self.requests_sent += len(complete)
        return desk.submit(complete, self.now)

    def cancel(self, client_order_id: ClientOrderId) -> None:
        for desk in self._desks.values():
            if desk.order(client_order_id) is not None:
                desk.cancel(client_order_id, self.now)

    def is_unwanted(self, effect: Effect) -> bool:
        """Whether an order that has not left yet need not leave: it, or the entry it belongs to, was cancelled."""
        if not isinstance(effect, Send):
            return False
        desk = self._desks[effect.exchange]
        entries = [each.client_order_id for each in effect.requests if each.parent is None]
        return bool(entries) and all(map(desk.cancel_is_asked, entries))

    def is_holding(self, exchange: str) -> bool:
        """Whether orders are taken now and leave when the session is ready again."""
        session = self._sessions.get(exchange)
        return session is not None and session.holding and not session.ready

    def refuses_now(self, effect: Send) -> tuple[str, str] | None:
        """(rule, reason) of the first guard that no longer lets an order pass which was held back."""
        held = HeldBack(self, self._desks[effect.exchange], effect)
        for request in effect.requests:
            refusal = check_again(self._guards, request, held)
            if refusal is not None:
                return refusal
            held.passed.append(request)
        return None

    def _sized(self, request: OrderRequest) -> OrderRequest:
        """An order for an amount of money with the size that limits reckon with, if it can be estimated."""
        market = self._markets_by_id.get((request.exchange, request.market_id))
        return request if market is None else with_size(request, self._quotes.get(request.instrument), market)

    def _why_not_again(self, desk: Desk, client_order_id: ClientOrderId) -> str | None:
        """Why an order that the venue does not have is not sent once more."""
        order = desk.order(client_order_id)
        reason = desk.why_not_again(client_order_id, self.now)
        if order is None or reason is not None:
            return reason or "it is not known"
        if self.stopped or self.failure is not None:
            return "the run is over"
        session = self._sessions.get(desk.exchange)
        if session is not None and not session.ready:
            return f"{desk.exchange} can't take orders now: {session.reason}"
        quote = self._quotes.get(order.instrument)
        if quote is None or self.now - quote.receive_time > FRESH:
            return f"there is no quote of the last {FRESH // 1_000_000_000} s to send it on"
        refusal = self.refuses_now(Send(exchange=desk.exchange, account_id=desk.account_id, requests=(order.request,)))
        return None if refusal is None else f"{refusal[0]}: {refusal[1]}"

    def _refusal(self, request: OrderRequest) -> tuple[str, str] | None:
        """(rule, reason) when an order must not leave."""
        if self.stopped or self.failure is not None:
            return "stopped", "the run is over: nothing new is sent"
        session = self._sessions.get(request.exchange)
        if session is not None and not session.ready and not session.holding:
            return "session", f"{request.exchange} can't take orders now: {session.reason}"
        trades_on = self._desks[request.exchange].account_id
        if request.account_id != trades_on:
            return "account", f"the order is for account {request.account_id}, and this run trades on {trades_on}"
        market = self._markets_by_id.get((request.exchange, request.market_id))
        if market is None:
            return "market", f"{request.market_id} is not a market of this run: declare it in `markets`"
        blocked = self._desks[request.exchange].why_blocked(request.market_id)
        if blocked is not None and not reduces(request, self):
            return "in_doubt", blocked
        try:
            market.instrument(request.side)
            self._profiles[request.exchange].check(request, market)
        except InvalidOrder as error:
            return error.rule, str(error)
        except ValueError as error:
            return "side", str(error)
        return check_all(self._guards, request, self)

    def _rejected(self, order: Order) -> Order:
        self.rejected += 1
        self.last_rejection = order.reason
        return order

    def _desk_for(self, requests: Sequence[OrderRequest]) -> Desk:
        names = {request.exchange for request in requests}
        if len(names) != 1:
            raise ConfigurationError(f"a group goes to one exchange, found {sorted(names)}")
        name = names.pop()
        if not name and len(self._desks) == 1:
            return next(iter(self._desks.values()))
        if name not in self._desks:
            known = ", ".join(sorted(self._desks)) or "none"
            raise ConfigurationError(f"expected an order's exchange to be one of {known}, found {name!r}")
        return self._desks[name]

    def _desk_of(self, instrument: Instrument) -> Desk | None:
        return self._desks.get(instrument.partition(":")[0])

    # -- events --------------------------------------------------------------------------------------------------

    def _handle_start(self, event: Start) -> None:
        self._advance(event.time)
        self.start = event
        self._markets = dict(event.markets)
        for market in event.markets.values():
            self._markets_by_id[(market.exchange, market.market_id)] = market
            twin = market.event.twin if market.event else None
            other = self._markets_by_id.get((market.exchange, twin)) if twin else None
            if other is not None:
                self.ledger.pair(market, other)
        self.ledger.start(event.positions, event.accounts, event.known_fills)
        self._day.start(event.time, event.positions, event.known_fills)
        for account in event.accounts:
            desk = self._desks[account.exchange] = Desk(
                account.exchange,
                AccountId(account.account_id),
                event.run_id,
                sender=self._sender,
                again=self._again,
            )
            desk.take_up([each for each in event.orders if each.order.request.exchange == account.exchange], event.time)
            for fill in event.known_fills:
                if desk.knows(fill):
                    # it is in the positions already, and may not be in its order yet
                    desk.book(fill)
        if event.kill_switch:
            self._kill_switch.pull(event.kill_switch)
        try:
            self._state.start(event.state, event.state_revision)
        except ConfigurationError as error:
            self._fail(error)
        self._call(self.strategy.on_start)

    def _handle_trade(self, event: Trade) -> None:
        self._advance(event.receive_time)
        self._call(self.strategy.on_trade, event)

    def _handle_bar(self, event: Bar) -> None:
        self._advance(event.receive_time)
        self._call(self.strategy.on_bar, event)

    def _handle_book(self, event: Book) -> None:
        self._advance(event.receive_time)
        self._call(self.strategy.on_book, event)

    def _handle_report(self, event: OrderReport) -> None:
        self._advance(event.time)
        desk = self._desks.get(event.exchange)
        if desk is None or desk.account_id != event.account_id:
            return
        if event.absent and event.client_order_id is not None:
            reason = self._why_not_again(desk, event.client_order_id)
            if reason is None and (again := desk.send_again(event.client_order_id, self.now)) is not None:
                self._call(self.strategy.on_order, again)
                return
            event = replace(event, reason=f"{event.reason}; not sent again: {reason}")
        changed = desk.apply(event)
        if changed is not None:
            if changed.status is OrderStatus.REJECTED:
                self._rejected(changed)
            self._call(self.strategy.on_order, changed)

    def _handle_fill(self, event: Fill) -> None:
        self._advance(event.receive_time)
        desk = self._desks.get(event.exchange)
        if desk is None or desk.account_id != event.account_id:
            return
        booked = self.ledger.book(event)
        if booked is None:
            return
        order = desk.book(event)
        if not booked.new:
            return
        self._call(self.strategy.on_fill, event)
        if order is not None:
            self._call(self.strategy.on_order, order)

    def _handle_timer(self, event: TimerFired) -> None:
        self._advance(event.time)
        if self.timers.fired(event):
            self._call(self.strategy.on_timer, event)

    def _handle_session(self, event: SessionState) -> None:
        self._advance(event.time)
        self._sessions[event.exchange] = event
        self._call(self.strategy.on_session, event)
        if event.ready and (self.stopped or self.failure is not None):
            # cancels that a lost session refused leave again
            self._cancel_entries()

    def _handle_notice(self, event: Notice) -> None:
        self._advance(event.time)
        self._call(self.strategy.on_notice, event)

    def _handle_prompt(self, event: PromptAnswered) -> None:
        # the order service journals a prompt before it is answered; here it only has to be in the sequence
        self._advance(event.time)

    def _handle_orders_asked(self, event: OrdersAsked) -> None:
        self._advance(event.time)
        for order in self.submit(event.requests):
            self._call(self.strategy.on_order, order)

    def _handle_cancel_asked(self, event: CancelAsked) -> None:
        self._advance(event.time)
        for client_order_id in event.client_order_ids:
            self.cancel(client_order_id)

    def _handle_kill_switched(self, event: KillSwitched) -> None:
        self._advance(event.time)
        if event.pulled:
            self._kill_switch.pull(event.reason)
            self._cancel_entries(protective_too=event.cancel_protective, everybodys=True)
        else:
            self._kill_switch.reset()

    def _handle_stop(self, event: Stop) -> None:
        self._advance(event.time)
        if self.stopped:
            self._cancel_entries()
            return
        # from here on nothing new leaves: what a strategy sends from `on_stop` is refused
        self.stopped = True
        if self.failure is None:
            self._run(self.strategy.on_stop, event.reason)
        self._cancel_entries()

    # -- inside --------------------------------------------------------------------------------------------------

    def _advance(self, time: int) -> None:
        if time > self.now:
            self.now = time
            if time >= self._day.ends:
                self._turn_day()

    def _turn_day(self) -> None:
        self._day.turn(self.now, self._mark)

    def _mark(self, name: Instrument) -> Decimal | None:
        return mark(self, name)

    def _call(self, callback: Callable[..., None], *values: object) -> None:
        if self.failure is None and not self.stopped:
            self._run(callback, *values)

    def _run(self, callback: Callable[..., None], *values: object) -> None:
        # a strategy may have kept its state from an earlier callback: between two quotes it is looked at anyway
        self._state_touched = self._keeps_state
        try:
            callback(self._context, *values)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Stop trading: the strategy no longer knows what it is doing."""
        self.failure = error
        self._cancel_entries()

    def _cancel_entries(self, *, protective_too: bool = False, everybodys: bool = False) -> None:
        protective_too = protective_too or self._cancel_protective
        for order in self.orders() if everybodys else self.own_orders():
            if protective_too or not order.request.protective:
                self.cancel(order.client_order_id)
