"""`horizon doctor`: what keeps orders from being sent, and what to do about it."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.text import Text

from horizon.cli.output import print_json, print_line, results
from horizon.clock import SystemClock

if TYPE_CHECKING:
    from exchanges.ibkr.doctor import Check

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}
_NAME_WIDTH, _RESULT_WIDTH = 23, 9


def command(
    profile: Annotated[str | None, typer.Option(help="A table of ibkr.toml; otherwise its default.")] = None,
    url: Annotated[str | None, typer.Option(help="The gateway or API to look at, instead of the profile's.")] = None,
    gateway_dir: Annotated[Path | None, typer.Option(help="The folder that IBKR's gateway was unpacked into.")] = None,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="With OAuth: use up one of the two sign-ins an hour to ask.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Look at everything from Python to a price. Nothing is changed at the venue. Exit code 1 when a check failed."""
    checks = asyncio.run(_examined(profile, url, gateway_dir, sign_in=sign_in, show=not json))
    counts = Counter(check.result.value for check in checks)
    if json:
        print_json({"ok": not counts["failed"], "checks": [msgspec.to_builtins(check) for check in checks]})
    else:
        told = ", ".join(f"{counts[result]} {result}" for result in _STYLES if counts[result])
        print_line(f"\n{told}")
    if counts["failed"]:
        raise typer.Exit(1)


async def _examined(
    profile: str | None, url: str | None, gateway_dir: Path | None, *, sign_in: bool, show: bool
) -> "list[Check]":
    from exchanges.ibkr.doctor import examine

    checks = []
    async for check in examine(SystemClock(), profile=profile, url=url, gateway_dir=gateway_dir, sign_in=sign_in):
        checks.append(check)
        if show:
            _print(check)
    return checks


def _print(check: "Check") -> None:
    result = check.result.value
    line = Text(f"{check.name:<{_NAME_WIDTH}}")
    line.append(f"{result:<{_RESULT_WIDTH}}", style=_STYLES[result])
    line.append(check.found)
    results.print(line, soft_wrap=True)
    if check.action:
        results.print(Text(f"{'':<{_NAME_WIDTH}}{'to do':<{_RESULT_WIDTH}}{check.action}"), soft_wrap=True)
