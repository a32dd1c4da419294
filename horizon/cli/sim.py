"""`horizon sim`: an embedded gateway alone, for anyone's client."""

import asyncio
import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from horizon.cli.output import print_json, print_line
from horizon.errors import ConfigurationError

if TYPE_CHECKING:
    from exchanges.ibkr.simulator import Simulator
    from horizon.simulation.faults import FaultPlan

app = typer.Typer(help="Start a simulated venue and serve until interrupted.", no_args_is_help=True)


class Region(StrEnum):
    """Whose nights count."""

    US = "US"
    EUROPE = "Europe"
    ASIA = "Asia"


@app.callback()
def group() -> None:
    """Simulated venues, bound to this machine."""


@app.command("ibkr")
def ibkr(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
    bars: Annotated[Path | None, typer.Option(help="One-minute bars (CSV) that SPY follows from now on.")] = None,
    plain_http: Annotated[bool, typer.Option("--plain-http", help="Without TLS.")] = False,
    seed: Annotated[int, typer.Option(help="Of the made prices.")] = 7,
    pacing: Annotated[bool, typer.Option("--pacing", help="Answer 429 beyond IBKR's limits.")] = False,
    faults: Annotated[
        Path | None, typer.Option(help="A plan (TOML) of [[fault]] and [[event]] tables.", dir_okay=False)
    ] = None,
    resets: Annotated[bool, typer.Option("--resets", help="Down every night, and on Saturday evenings.")] = False,
    region: Annotated[Region, typer.Option(help="Whose nights.")] = Region.US,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Start signed out; a login asks a simulated phone.")
    ] = False,
    behind_gateway: Annotated[
        bool,
        typer.Option("--behind-gateway", help="With the real gateway's manners as a proxy, and a stock certificate."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="First line on stdout: one JSON object.")] = False,
) -> None:
    """An embedded IBKR Client Portal gateway: signed in to a paper login with two accounts."""
    from exchanges.ibkr.simulator import Simulator
    from horizon.recording.importers import read_bars
    from horizon.simulation.prices import BarsPath

    gateway = Simulator(
        port=port,
        plain_http=plain_http,
        prices=None if bars is None else BarsPath("SPY", read_bars(bars)),
        seed=seed,
        pacing=pacing,
        faults=None if faults is None else _plan(faults),
        resets=resets,
        region=region.value,
        second_factor=second_factor,
        logged_in=not second_factor,
        quirks="all" if behind_gateway else (),
    )
    asyncio.run(_serve(gateway, json=json))


def _plan(file: Path) -> "FaultPlan":
    from horizon.simulation.faults import FaultPlan

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"expected a fault plan (TOML) at {file}, and it can't be read: {error}") from None
    try:
        return FaultPlan.parse(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None


def _stop_on_signals(stopped: asyncio.Event) -> None:
    """Ctrl-C, or the wish of another program, ends the serving in an orderly way."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        try:
            loop.add_signal_handler(number, stopped.set)
        except NotImplementedError:
            # Event loops of Windows have no such thing.
            signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(stopped.set))


async def _serve(gateway: "Simulator", *, json: bool) -> None:
    stopped = asyncio.Event()
    _stop_on_signals(stopped)
    async with gateway:
        certificate = None if gateway.certificate is None else str(gateway.certificate)
        if json:
            print_json(
                {
                    "base_url": gateway.base_url,
                    "ws_url": gateway.ws_url,
                    "accounts": list(gateway.accounts),
                    "certificate": certificate,
                    "fingerprint": gateway.fingerprint,
                }
            )
        else:
            print_line(f"base URL     {gateway.base_url}")
            print_line(f"websocket    {gateway.ws_url}")
            print_line(f"accounts     {', '.join(gateway.accounts)}")
            print_line(f"certificate  {certificate or 'none (plain HTTP)'}")
            print_line(f"fingerprint  {gateway.fingerprint or 'none'}")
            if gateway.logins.second_factor:
                print_line(f"login page   {gateway.login_url}")
                print_line(f"phone        {gateway.phone_url}")
            print_line("serving until interrupted (Ctrl-C)")
        await stopped.wait()
