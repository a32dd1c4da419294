"""The main job: hold an event contract, hedge it with shares, read everything back, replay it."""

import uuid
from datetime import timedelta
from decimal import Decimal
from math import sqrt
from pathlib import Path

import msgspec

from exchanges.ibkr.exchange import InteractiveBrokers
from exchanges.ibkr.profile import PROFILE
from exchanges.ibkr.simulator import Simulator
from horizon.cli.demo.outcome import DemoOutcome
from horizon.cli.demo.picture import draw
from horizon.cli.demo.pnl import PnlCurve, variance_removed
from horizon.cli.demo.progress import Progress
from horizon.cli.market_day import VOLATILITY, made_day
from horizon.clock import NANOSECONDS, SystemClock
from horizon.engine.core import Core
from horizon.engine.parity import ParityReport, replay_verdict
from horizon.engine.run import run_async
from horizon.errors import ConfigurationError
from horizon.guards import Guard, default_guards
from horizon.hedging.models import DigitalDelta
from horizon.model import (
    ZERO,
    CoreEvent,
    Market,
    MarketKind,
    MarketQuery,
    OrderType,
    Quote,
    Side,
    exact,
)
from horizon.orders.journal import SqliteJournal
from horizon.recording.importers import read_bars
from horizon.recording.reader import RecordingReader
from horizon.simulation.prices import (
    TRADING_SECONDS_PER_YEAR,
    BarsPath,
    PricePath,
    annualised_volatility,
)
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategies import HedgeStrategy

INDEX_TO_ETF = 10.0
"""The gateway's index is 10 x SPY: its own simplification, said by it and here."""
EVENT_SYMBOL = "SPXC"
_LAST_MINUTES = 20 * 60
"""Seconds before the close at which the run stops: near the strike, a delta hedge means nothing in the last minutes."""
_CALENDAR_SECONDS_PER_YEAR = 365 * 24 * 3600
_POLLS = 6_000
"""At most so many polls, however long the bars are."""
_SHORTEST_INTERVAL = 5.0
"""Seconds of market time between two polls."""


class DemoOptions(msgspec.Struct, frozen=True, kw_only=True):
    seed: int
    bars: Path | None
    out: Path
    contracts: int


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    """When the run begins and ends (ns), how often it polls (s), and what volatility it assumes."""

    path: PricePath
    end: int
    interval: float
    volatility: float
    """Per year of trading sessions, as the price path counts."""
    hedge_volatility: float
    """The same per calendar year, as the hedge counts."""


async def run_demo(options: DemoOptions, progress: Progress) -> DemoOutcome:
    """Run the whole job on an embedded gateway, in market time that passes as fast as the machine allows."""
    stopwatch = SystemClock()
    began = stopwatch.monotonic()
    plan = _plan(options)
    out = _fresh_directory(options.out)
    clock = ScriptedClock(plan.path.start)
    async with (
        clock.running(),
        Simulator(clock=clock, prices=plan.path, seed=options.seed, event_volatility=plan.volatility) as gateway,
    ):
        progress.say(f"gateway    {gateway.base_url} (certificate {gateway.fingerprint[:23]}...)")
        async with InteractiveBrokers(
            api_url=gateway.base_url,
            certificate=gateway.certificate,
            account_id=gateway.accounts[0],
            journal=SqliteJournal(out / "journal.sqlite"),
            clock=clock,
        ) as broker:
            stock = await broker.market("SPY")
            level = (await _mid(broker, stock)) * INDEX_TO_ETF
            event = await broker.market(
                MarketQuery(
                    symbol=EVENT_SYMBOL, kind=MarketKind.EVENT, side=Side.YES, nearest_threshold=exact(round(level, 2))
                )
            )
            progress.say(f"signed in  {broker.account_id}, paper; {stock.symbol} is conid {stock.market_id}")
            progress.say(f"event      {_question(event)} (conid {event.market_id})")
            pnl = PnlCurve(event.instrument(), stock.instrument(), stock.hours)
            progress.begin(plan.path.start, plan.end, pnl)
            quotes = 0

            def watch(happened: CoreEvent) -> None:
                nonlocal quotes
                quotes += type(happened) is Quote
                pnl.take(happened)
                progress.take(happened)

            strategy = make_strategy(event, stock, options.contracts, plan.hedge_volatility)
            result = await run_async(
                strategy,
                broker,
                interval=plan.interval,
                duration=_seconds(plan.end - clock.now()),
                guards=make_guards(),
                record=out / "recording",
                run_id=f"demo{uuid.uuid5(uuid.NAMESPACE_OID, str(options.seed)).hex[:8]}",
                on_event=watch,
            )
            positions = await broker.positions()
    progress.say("replaying  the recording is handed to a fresh core")
    held = {position.instrument: position.size for position in positions if position.size}
    return DemoOutcome(
        account_id=broker.account_id,
        question=_question(event),
        orders=result.requests,
        quotes=quotes,
        fills=result.fills,
        positions=tuple(position for position in positions if position.size),
        positions_agree=held == result.positions,
        prompts=result.prompts,
        fees=result.fees["USD"],
        pnl_unhedged=_known(pnl.unhedged),
        pnl_hedged=_known(pnl.hedged),
        variance_removed=variance_removed(pnl.samples),
        max_hedge_error=strategy.max_hedge_error,
        replay=verdict(out / "recording", make_strategy(event, stock, options.contracts, plan.hedge_volatility)),
        recording=out / "recording",
        picture=draw(pnl.samples, out / "pnl.png", title=_question(event)),
        seconds=stopwatch.monotonic() - began,
        market_hours=(plan.end - plan.path.start) / NANOSECONDS / 3600,
    )


def make_strategy(event: Market, stock: Market, contracts: int, volatility: float) -> HedgeStrategy:
    """The demo's strategy: YES contracts of one event, hedged by the digital option's delta."""
    return HedgeStrategy(
        event=MarketQuery(market_id=event.market_id, kind=MarketKind.EVENT),
        stock=MarketQuery(market_id=stock.market_id),
        contracts=contracts,
        model=DigitalDelta(volatility=volatility, ratio=INDEX_TO_ETF),
        band=max(contracts // 100, 1),
        cap=max(contracts // 4, 1),
        order_type=OrderType.MARKET,
    )


def make_guards() -> tuple[Guard, ...]:
    """Fresh guards: a replay needs its own, because some of them count."""
    return default_guards()


def verdict(recording: Path, strategy: HedgeStrategy) -> ParityReport:
    """Whether a fresh core with `strategy` sends the recorded orders when it is handed the recording."""
    reader = RecordingReader(recording)
    core = Core(strategy, profiles={PROFILE.name: PROFILE}, guards=make_guards())
    return replay_verdict(core, reader, list(reader.requests()))


def _plan(options: DemoOptions) -> _Plan:
    if options.bars is None:
        path: PricePath = made_day(options.seed)
        volatility = VOLATILITY
    else:
        path = BarsPath("SPY", read_bars(options.bars))
        volatility = annualised_volatility(path)
    end = path.end - _LAST_MINUTES * NANOSECONDS
    if end <= path.start:
        raise ConfigurationError(f"{options.bars} holds less than {_LAST_MINUTES // 60} minutes: too short to trade on")
    span = (end - path.start) / NANOSECONDS
    return _Plan(
        path=path,
        end=end,
        interval=max(_SHORTEST_INTERVAL, span / _POLLS),
        volatility=volatility,
        hedge_volatility=_calendar_volatility(path, volatility),
    )


def _calendar_volatility(path: PricePath, volatility: float) -> float:
    """A volatility per calendar year with the same variance up to the close as `volatility` per year of sessions.

    The delta formula counts calendar time to the release; prices move only in sessions.
    """
    sessions = sum(session.closes - session.opens for session in path.sessions if session.regular) / NANOSECONDS
    calendar = (max(session.closes for session in path.sessions) - path.start) / NANOSECONDS
    share = (sessions / TRADING_SECONDS_PER_YEAR) / (calendar / _CALENDAR_SECONDS_PER_YEAR)
    return volatility * sqrt(share)


def _seconds(nanoseconds: int) -> timedelta:
    return timedelta(seconds=max(nanoseconds, 0) / NANOSECONDS)


def _fresh_directory(out: Path) -> Path:
    """A new numbered folder, because a recording is never written over."""
    for number in range(1, 10_000):
        candidate = out / f"run-{number:03}"
        try:
            candidate.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise ConfigurationError(
                f"can't write to {out} ({error.strerror}): choose another folder with --out"
            ) from None
        return candidate
    raise ConfigurationError(f"{out} is full of runs: remove some, or choose another folder with --out")


async def _mid(broker: InteractiveBrokers, stock: Market) -> float:
    quote: Quote = await broker.quote(stock)
    if quote.mid is None:
        raise ConfigurationError(f"the gateway has no two-sided quote of {stock.symbol}: found {quote}")
    return quote.mid


def _question(event: Market) -> str:
    return event.event.question if event.event is not None else event.symbol


def _known(value: Decimal | None) -> Decimal:
    return ZERO if value is None else value
