"""The command line of the demo."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from horizon.cli.demo.progress import Progress
from horizon.cli.demo.report import as_json, print_report
from horizon.cli.demo.scenario import DemoOptions, run_demo
from horizon.cli.output import errors, print_json, results


def command(
    seed: Annotated[int, typer.Option(help="The same seed gives the same run.")] = 7,
    bars: Annotated[
        Path | None, typer.Option(help="One-minute bars (CSV) that the gateway's SPY follows instead of a made path.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where recording, journal and picture go.")] = Path("horizon-demo"),
    contracts: Annotated[int, typer.Option(help="YES contracts to hold.", min=1)] = 1000,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else on stdout.")] = False,
) -> None:
    """Hold an event contract and hedge it with SPY, on an embedded Client Portal gateway.

    Starts the gateway, signs in over HTTPS, finds SPY and an "S&P 500 above K at the close" contract, buys YES, keeps
    it hedged as quotes arrive, reads everything back from the gateway, and replays the recording.
    """
    options = DemoOptions(seed=seed, bars=bars, out=out, contracts=contracts)
    with Progress(errors, quiet=json) as progress:
        outcome = asyncio.run(run_demo(options, progress))
    if json:
        print_json(as_json(outcome))
    else:
        print_report(results, outcome)
