"""`horizon run my_strategy.py`: run a strategy from a file."""

import asyncio
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from horizon.cli import consent
from horizon.cli.market_day import OPENING, made_day
from horizon.cli.output import errors, print_json, print_line
from horizon.clock import Clock, SystemClock
from horizon.engine.run import RunResult, run_async
from horizon.errors import ConfigurationError, HorizonError
from horizon.guards import Guard
from horizon.model import ZERO, CoreEvent, Notice, NoticeLevel, SessionState, plain
from horizon.simulation.scripted_clock import ScriptedClock
from horizon.strategy import Strategy

if TYPE_CHECKING:
    from exchanges.ibkr.exchange import InteractiveBrokers


def command(
    file: Annotated[Path, typer.Argument(help="A Python file with one Strategy class (or say which with --class).")],
    class_name: Annotated[str, typer.Option("--class", help="Which Strategy of the file.")] = "",
    embedded: Annotated[bool, typer.Option("--embedded", help="On an embedded gateway, without an account.")] = False,
    fast: Annotated[
        bool, typer.Option("--fast", help="With --embedded: market time passes as fast as the machine allows.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of the embedded gateway's prices.")] = 7,
    profile: Annotated[
        str | None, typer.Option(help="How to sign in: a table of ibkr.toml; otherwise its default.")
    ] = None,
    api_url: Annotated[str | None, typer.Option(help="The gateway or API to use, instead of the profile's.")] = None,
    account: Annotated[str | None, typer.Option(help="Account id, instead of the profile's.")] = None,
    certificate: Annotated[
        str | None, typer.Option(help="PEM file or sha256 fingerprint of the gateway's certificate.")
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds between two polls of the quotes.", min=0.25)] = 1.0,
    seconds: Annotated[float | None, typer.Option("--for", help="Stop after so many seconds.", min=0.0)] = None,
    record: Annotated[Path | None, typer.Option(help="Folder for the recording.")] = None,
    cancel_protective: Annotated[
        bool, typer.Option("--cancel-protective", help="At the end, cancel the exits of brackets too.")
    ] = False,
    fresh_state: Annotated[
        bool, typer.Option("--fresh-state", help="Forget what the strategy's last run saved in ctx.state.")
    ] = False,
    live: consent.Live = False,
    yes_live: consent.YesLive = None,
    max_size: consent.MaxSize = None,
    max_notional: consent.MaxNotional = None,
    max_position: consent.MaxPosition = None,
    max_daily_loss: consent.MaxDailyLoss = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")] = False,
) -> None:
    """Run a strategy until Ctrl-C; its entry orders are cancelled then."""
    limits = consent.Limits(
        max_size=max_size, max_notional=max_notional, max_position=max_position, max_daily_loss=max_daily_loss
    )
    if embedded and (live or yes_live is not None):
        raise ConfigurationError("--live goes without --embedded: an embedded gateway trades no real money")
    guards = limits.guards(live=live or yes_live is not None)
    agreed = consent.agreed_account(live, yes_live, account)
    strategy = load_strategy(file, class_name)
    if embedded and profile is not None:
        raise ConfigurationError("--profile goes without --embedded: an embedded gateway needs no sign-in")
    if fast and not embedded:
        raise ConfigurationError("--fast goes with --embedded: a real market keeps its own time")
    duration = None if seconds is None else timedelta(seconds=seconds)
    place = _Place(
        embedded=embedded,
        fast=fast,
        seed=seed,
        profile=profile,
        api_url=api_url,
        account=agreed or account,
        certificate=certificate,
        live=agreed is not None,
    )
    try:
        result = asyncio.run(_run(strategy, place, guards, interval, duration, record, cancel_protective, fresh_state))
    except HorizonError as error:
        if not _comes_from(file, error):
            raise
        # the sentence alone would not say which line of the strategy it is about
        traceback.print_exception(error)
        raise typer.Exit(1) from None
    if json:
        print_json(as_json(result))
    else:
        _print(result)


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where to run."""

    embedded: bool
    fast: bool
    seed: int
    profile: str | None
    api_url: str | None
    account: str | None
    certificate: str | None
    live: bool
    """Whether a person has agreed to real money in `account`."""


async def _run(
    strategy: Strategy,
    place: _Place,
    guards: Sequence[Guard] | None,
    interval: float,
    duration: timedelta | None,
    record: Path | None,
    cancel_protective: bool,
    fresh_state: bool,
) -> RunResult:
    from exchanges.ibkr.exchange import InteractiveBrokers

    async with AsyncExitStack() as stack:
        if not place.embedded:
            broker = InteractiveBrokers.from_settings(
                place.profile,
                api_url=place.api_url,
                account_id=place.account,
                certificate=place.certificate,
                live=place.live,
            )
        else:
            broker = await _embedded(stack, place)
        return await run_async(
            strategy,
            broker,
            interval=interval,
            duration=duration,
            guards=guards,
            record=record,
            cancel_protective=cancel_protective,
            fresh_state=fresh_state,
            on_event=_show_news(),
            on_log=_show_line,
        )


def _show_line(time: int, text: str) -> None:
    errors.print(text, markup=False, soft_wrap=True)


def _comes_from(file: Path, error: BaseException) -> bool:
    """Whether a line of the strategy's file was being executed."""
    frames = traceback.extract_tb(error.__traceback__)
    return any(Path(frame.filename).resolve() == file.resolve() for frame in frames)


def _show_news() -> Callable[[CoreEvent], None]:
    """Shows warnings, a session that is lost, and its return."""
    lost: set[str] = set()

    def show(event: CoreEvent) -> None:
        if isinstance(event, Notice) and event.level is not NoticeLevel.INFO:
            errors.print(f"{event.level}: {event.text}", markup=False, soft_wrap=True)
        elif isinstance(event, SessionState) and not event.ready:
            lost.add(event.exchange)
            errors.print(f"warning: {event.exchange} can't take orders: {event.reason}", markup=False, soft_wrap=True)
        elif isinstance(event, SessionState) and event.exchange in lost:
            lost.discard(event.exchange)
            errors.print(f"info: {event.exchange} takes orders again", markup=False, soft_wrap=True)

    return show


async def _embedded(stack: AsyncExitStack, place: _Place) -> "InteractiveBrokers":
    """A broker on a gateway of its own, with a journal that goes with it."""
    from exchanges.ibkr.exchange import InteractiveBrokers
    from exchanges.ibkr.simulator import Simulator

    clock: Clock = SystemClock()
    if place.fast:
        clock = await stack.enter_async_context(ScriptedClock(OPENING).running())
    prices = made_day(place.seed) if place.fast else None
    gateway = await stack.enter_async_context(Simulator(clock=clock, prices=prices, seed=place.seed))
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="horizon-")))
    return InteractiveBrokers(
        api_url=gateway.base_url,
        account_id=place.account or gateway.accounts[0],
        certificate=gateway.certificate,
        journal=folder / "journal.sqlite",
        clock=clock,
    )


def load_strategy(file: Path, class_name: str = "") -> Strategy:
    """The strategy of a file, made without arguments. ConfigurationError says what is missing."""
    if not file.is_file():
        raise ConfigurationError(f"expected a Python file with a strategy, found nothing at {file}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"expected a Python file (.py), found {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module
    spec.loader.exec_module(module)
    found = {
        name: value
        for name, value in inspect.getmembers(module, inspect.isclass)
        if issubclass(value, Strategy) and value.__module__ == file.stem
    }
    names = ", ".join(sorted(found)) or "none"
    if class_name and class_name not in found:
        raise ConfigurationError(f"{file} has no strategy {class_name!r}: found {names}")
    if not class_name and len(found) != 1:
        raise ConfigurationError(f"expected one Strategy class in {file}, found {names}: say which with --class")
    chosen = found[class_name] if class_name else next(iter(found.values()))
    try:
        strategy: Strategy = chosen()
    except TypeError as error:
        raise ConfigurationError(f"{chosen.__name__} can't be made without arguments ({error})") from None
    return strategy


def as_json(result: RunResult) -> dict[str, object]:
    """Money and sizes as JSON numbers."""
    return {
        "reason": result.reason,
        "orders": result.requests,
        "rejected": result.rejected,
        "last_rejection": result.last_rejection,
        "fills": len(result.fills),
        "prompts_answered": len(result.prompts),
        "positions": {name: float(size) for name, size in result.positions.items()},
        "cash": {currency: float(cash) for currency, cash in result.cash.items()},
        "fees": {currency: float(fees) for currency, fees in result.fees.items()},
        "still_working": [order.client_order_id for order in result.working],
    }


def _print(result: RunResult) -> None:
    print_line(f"stopped    {result.reason}")
    print_line(f"orders     {result.requests} sent, {len(result.fills)} fills, {len(result.prompts)} prompts answered")
    if result.rejected:
        print_line(f"rejected   {result.rejected}, the last one: {result.last_rejection}")
    for name, size in result.positions.items():
        print_line(f"position   {name}  {plain(size)}")
    for currency, cash in result.cash.items():
        print_line(f"cash       {cash:,.2f} {currency} (fees {result.fees.get(currency, ZERO):,.2f})")
    for order in result.working:
        kind = "protective order" if order.request.protective else "order"
        print_line(f"working    {kind} {order.client_order_id} is still {order.status} at the venue")
