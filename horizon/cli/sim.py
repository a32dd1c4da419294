"""`horizon sim`: an embedded gateway alone, for anyone's client."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import typer

from horizon.cli.output import print_json, print_line

app = typer.Typer(help="Start a simulated venue and serve until interrupted.", no_args_is_help=True)


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
    json: Annotated[bool, typer.Option("--json", help="First line on stdout: one JSON object.")] = False,
) -> None:
    """An embedded IBKR Client Portal gateway: signed in to a paper login with two accounts."""
    asyncio.run(_serve(port=port, bars=bars, plain_http=plain_http, seed=seed, pacing=pacing, json=json))


async def _serve(*, port: int, bars: Path | None, plain_http: bool, seed: int, pacing: bool, json: bool) -> None:
    from exchanges.ibkr.simulator import Simulator
    from horizon.recording.importers import read_bars
    from horizon.simulation.prices import BarsPath

    prices = None if bars is None else BarsPath("SPY", read_bars(bars))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with Simulator(port=port, plain_http=plain_http, prices=prices, seed=seed, pacing=pacing) as gateway:
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
            print_line("serving until interrupted (Ctrl-C)")
        await stopped.wait()
