"""Running a strategy: resolve its markets, read where the account stands, start feeds and shell, and end cleanly."""

import asyncio
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from importlib.metadata import entry_points
from pathlib import Path

import msgspec

from horizon.clock import Clock
from horizon.engine.core import Core
from horizon.engine.kill_signal import KillOnSignal
from horizon.engine.live import LiveShell
from horizon.engine.saved_state import last_state
from horizon.errors import ConfigurationError
from horizon.exchange import Exchange, new_run_id
from horizon.guards import Guard, default_guards
from horizon.model import (
    Account,
    CoreEvent,
    EarlierOrder,
    Fill,
    Instrument,
    Market,
    MarketKind,
    MarketQuery,
    Order,
    Position,
    PromptAnswered,
    Start,
    Stop,
)
from horizon.orders.again import SendAgain
from horizon.ports import Feed, PutVenueEvent, VenueEvent
from horizon.recording.writer import Recorder
from horizon.strategy import Strategy

_TWIN = ".twin"
_START_READS = 5
"""How often positions are read again because a fill came in between."""


class RunResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended, by what the core was handed. The venue's own figures are read from the exchange."""

    reason: str
    """Why it stopped."""
    requests: int
    """Orders that were handed over to be sent."""
    rejected: int
    """Orders that a rule here or the venue refused."""
    last_rejection: str
    """Why the last of them was."""
    fills: tuple[Fill, ...]
    prompts: tuple[PromptAnswered, ...]
    positions: dict[Instrument, Decimal]
    cash: dict[str, Decimal]
    fees: dict[str, Decimal]
    """Commissions by the currency they were charged in."""
    working: tuple[Order, ...]
    """Orders that are still at the venue: protective ones, and those whose cancel is not confirmed."""
    log: tuple[tuple[int, str], ...]


def run(
    strategy: Strategy,
    *exchanges: Exchange,
    feeds: Sequence[Feed] | None = None,
    record: Path | str | None = None,
    interval: float = 1.0,
    duration: timedelta | None = None,
    guards: Sequence[Guard] | None = None,
    cancel_protective: bool = False,
    fresh_state: bool = False,
    on_event: Callable[[CoreEvent], None] | None = None,
    on_log: Callable[[int, str], None] | None = None,
    again: SendAgain = SendAgain.SAME_ID,
) -> RunResult:
    """Run a strategy until it stops, Ctrl-C, or `duration` has passed; then its entry orders are cancelled.

    Protective orders (the exits of a bracket) stay at the venue unless `cancel_protective`. A strategy with a `State`
    begins with what its last run on these accounts saved, or anew with `fresh_state`.

    Exchanges are opened when they are not open yet. Without `feeds`, each exchange's own polling feed is used, with
    `interval` seconds between polls. `record` is a folder for the recording. `on_event` sees what the core is handed,
    `on_log` each line of `ctx.log` with its time (ns). What the strategy raises is raised here, after its orders were
    cancelled. `again` says what becomes of an order that is proven not to have reached its venue.

    Orders that earlier runs have left are taken up: `ctx.orders()` lists them. Those of the same strategy are
    cancelled with the others in the end; a person's are left alone.
    """
    return asyncio.run(
        run_async(
            strategy,
            *exchanges,
            feeds=feeds,
            record=record,
            interval=interval,
            duration=duration,
            guards=guards,
            cancel_protective=cancel_protective,
            fresh_state=fresh_state,
            on_event=on_event,
            on_log=on_log,
            again=again,
        )
    )


async def run_async(
    strategy: Strategy,
    *exchanges: Exchange,
    feeds: Sequence[Feed] | None = None,
    record: Path | str | None = None,
    interval: float = 1.0,
    duration: timedelta | None = None,
    guards: Sequence[Guard] | None = None,
    cancel_protective: bool = False,
    fresh_state: bool = False,
    on_event: Callable[[CoreEvent], None] | None = None,
    on_log: Callable[[int, str], None] | None = None,
    run_id: str | None = None,
    again: SendAgain = SendAgain.SAME_ID,
) -> RunResult:
    """`run` for those who have an event loop. `run_id` makes client order ids repeatable; it must be new each time."""
    by_name = _by_name(exchanges)
    clock = exchanges[0].clock
    async with AsyncExitStack() as stack:
        for exchange in exchanges:
            if not exchange.is_open:
                await stack.enter_async_context(exchange)
            exchange.require_tradable(guards)
        doorway = _Doorway()
        for exchange in exchanges:
            exchange.divert(doorway)
            stack.callback(exchange.detach)
        state, revision = last_state(strategy, exchanges, fresh=fresh_state)
        markets = await _resolve(strategy, by_name)
        start = await _start(markets, by_name, clock, run_id or new_run_id())
        killed = "; ".join(reason for exchange in exchanges if (reason := exchange.killed) is not None)
        start = msgspec.structs.replace(start, state=state, state_revision=revision, kill_switch=killed)
        core = Core(
            strategy,
            profiles={name: exchange.profile for name, exchange in by_name.items()},
            guards=_guards(guards, exchanges),
            cancel_protective=cancel_protective,
            again=again,
        )
        recorder = None
        if record is not None:
            metadata = {"strategy": type(strategy).__qualname__, "run_id": start.run_id}
            recorder = Recorder(Path(record), markets=list(markets.values()), metadata=metadata)
            stack.callback(recorder.close)
        if feeds is None:
            feeds = [default_feed(each, _instruments(markets, each), interval) for each in exchanges]
        collected = _Collector(on_event)
        shell = LiveShell(core, by_name, feeds, clock=clock, recorder=recorder, on_event=collected.take, on_log=on_log)
        doorway.lead_to(shell.put)
        stack.enter_context(_StopOnCtrlC(shell))
        stack.enter_context(KillOnSignal(exchanges))
        try:
            async with asyncio.TaskGroup() as tasks:
                alarm = tasks.create_task(_stop_after(shell, clock, duration))
                await shell.run(start)
                alarm.cancel()
        except BaseExceptionGroup as group:
            raise _only(group) from None
        if core.failure is not None:
            raise core.failure
        return collected.result(core)


def _guards(given: Sequence[Guard] | None, exchanges: Sequence[Exchange]) -> Sequence[Guard]:
    """The guards of a run: its own, or else those that were handed to the exchanges, or else the default.

    What an account demands comes on top.
    """
    chosen = given
    if chosen is None:
        chosen = [guard for exchange in exchanges for guard in exchange.chosen_guards or ()] or default_guards()
    for exchange in exchanges:
        chosen = exchange.guards(chosen)
    return chosen


def default_feed(exchange: Exchange, instruments: Sequence[Instrument], interval: float) -> Feed:
    """The exchange's own feed, found through the `horizon.feeds` entry points."""
    for entry in entry_points(group="horizon.feeds", name=exchange.feed_name):
        feed: Feed = entry.load().of(exchange, instruments, interval=interval)
        return feed
    raise ConfigurationError(
        f"{exchange.name} has no feed of its own (looked for {exchange.feed_name!r} among the horizon.feeds entry "
        "points): hand one in with feeds="
    )


def _only(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a task group holds when it is one error, with the notes that were put on the group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        inner: BaseException = error.exceptions[0]
        for note in getattr(error, "__notes__", ()):
            inner.add_note(note)
        error = inner
    return error


def _by_name(exchanges: Sequence[Exchange]) -> dict[str, Exchange]:
    if not exchanges:
        raise ConfigurationError("expected at least one exchange to run on, found none")
    by_name = {exchange.name: exchange for exchange in exchanges}
    if len(by_name) != len(exchanges):
        raise ConfigurationError("two of the exchanges have the same name: one account per exchange and run")
    return by_name


async def _resolve(strategy: Strategy, exchanges: Mapping[str, Exchange]) -> dict[str, Market]:
    """The strategy's markets by its own names."""
    found: dict[str, Market] = {}
    for name, wanted in strategy.markets.items():
        query = MarketQuery(symbol=wanted) if isinstance(wanted, str) else wanted
        asked = query.exchange or (next(iter(exchanges)) if len(exchanges) == 1 else None)
        if asked is None or asked not in exchanges:
            raise ConfigurationError(
                f"market {name!r}: expected exchange to be one of {', '.join(exchanges)}, found {query.exchange!r}"
            )
        found[name] = market = await exchanges[asked].market(query)
        if market.event is not None and market.event.twin is not None:
            # needed for booking: buying one side while the other is held closes both
            found[name + _TWIN] = await exchanges[asked].market(
                MarketQuery(market_id=market.event.twin, kind=MarketKind.EVENT)
            )
    if not found:
        raise ConfigurationError(f"{type(strategy).__name__} declares no markets: set its `markets`")
    return found


async def _start(markets: dict[str, Market], exchanges: Mapping[str, Exchange], clock: Clock, run_id: str) -> Start:
    """Where every account stands. Positions and fills are read until no fill came in between."""
    accounts: list[Account] = []
    positions: list[Position] = []
    known: list[Fill] = []
    earlier: list[EarlierOrder] = []
    for exchange in exchanges.values():
        fills = await exchange.fills()
        for _ in range(_START_READS):
            account, held, before = await exchange.account(), await exchange.positions(), fills
            fills = await exchange.fills()
            if len(fills) == len(before):
                break
        else:
            raise ConfigurationError(
                f"{exchange.account_id} keeps trading while its positions are read: stop whatever else trades on it"
            )
        accounts.append(account)
        positions += held
        known += fills
        earlier += exchange.earlier_orders(fills)
    return Start(
        time=clock.now(),
        run_id=run_id,
        markets=markets,
        accounts=tuple(accounts),
        positions=tuple(positions),
        known_fills=tuple(known),
        orders=tuple(earlier),
    )


def _instruments(markets: Mapping[str, Market], exchange: Exchange) -> list[Instrument]:
    """What the feed delivers: the declared markets, not their twins."""
    return [
        market.instrument()
        for name, market in markets.items()
        if market.exchange == exchange.name and not name.endswith(_TWIN)
    ]


async def _stop_after(shell: LiveShell, clock: Clock, duration: timedelta | None) -> None:
    if duration is not None:
        await clock.sleep(duration.total_seconds())
        shell.request_stop(f"{duration} have passed")


class _Doorway:
    """Keeps what the venues report while a run begins, until there is somebody to hand it to."""

    def __init__(self) -> None:
        self._kept: list[VenueEvent] = []
        self._put: PutVenueEvent = self._kept.append

    def __call__(self, event: VenueEvent) -> None:
        self._put(event)

    def lead_to(self, put: PutVenueEvent) -> None:
        self._put = put
        for event in self._kept:
            put(event)


class _Collector:
    """Gathers what a result shows, and passes every event on."""

    def __init__(self, on_event: Callable[[CoreEvent], None] | None) -> None:
        self._on_event = on_event
        self._fills: dict[str, Fill] = {}
        self._prompts: list[PromptAnswered] = []
        self._reason = ""
        self._known: frozenset[str] = frozenset()

    def take(self, event: CoreEvent) -> None:
        if isinstance(event, Fill):
            if event.execution_id not in self._known:
                self._fills[event.execution_id] = event
        elif isinstance(event, PromptAnswered):
            self._prompts.append(event)
        elif isinstance(event, Start):
            self._known = frozenset(fill.execution_id for fill in event.known_fills)
        elif isinstance(event, Stop):
            self._reason = self._reason or event.reason
        if self._on_event is not None:
            self._on_event(event)

    def result(self, core: Core) -> RunResult:
        fills = self._fills.values()
        currencies = sorted({"USD"}.union(*((fill.currency, fill.commission_currency) for fill in fills)))
        return RunResult(
            reason=self._reason,
            requests=core.requests_sent,
            rejected=core.rejected,
            last_rejection=core.last_rejection,
            fills=tuple(fills),
            prompts=tuple(self._prompts),
            positions={name: size for name, size in core.ledger.positions().items() if size},
            cash={currency: core.ledger.cash(currency) for currency in currencies},
            fees={currency: core.ledger.fees(currency) for currency in currencies},
            working=tuple(core.orders()),
            log=tuple(core.log),
        )


class _StopOnCtrlC:
    """While in this block, the first Ctrl-C or SIGTERM stops the run cleanly; a second one interrupts it."""

    def __init__(self, shell: LiveShell) -> None:
        self._shell = shell
        self._installed: list[signal.Signals] = []

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                loop.add_signal_handler(number, self._stop, number)
            except NotImplementedError:
                return  # Windows: Ctrl-C raises KeyboardInterrupt, which ends the run without the clean stop
            self._installed.append(number)

    def __exit__(self, *_: object) -> None:
        self._remove()

    def _stop(self, number: signal.Signals) -> None:
        self._remove()
        self._shell.request_stop("Ctrl-C" if number is signal.SIGINT else "asked to terminate")

    def _remove(self) -> None:
        loop = asyncio.get_running_loop()
        for number in self._installed:
            loop.remove_signal_handler(number)
        self._installed.clear()
