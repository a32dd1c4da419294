"""`horizon orders log`: the journal of an account, line by line."""

import asyncio
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated

import typer

from horizon.cli.orders import reach
from horizon.cli.output import print_json, print_line
from horizon.clock import NANOSECONDS, SystemClock, to_nanoseconds
from horizon.errors import ConfigurationError
from horizon.ports import JournalRecord, RecordKind

_PAUSE = 0.5
"""Seconds between two looks with --follow."""
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def command(
    account: reach.Account = None,
    profile: reach.Profile = None,
    journal: reach.Journal = None,
    since: Annotated[
        str | None, typer.Option(help="From then on: 90s, 30m, 1h, 7d ago, or a time as 2026-07-27T09:30.")
    ] = None,
    order: Annotated[str, typer.Option(help="About one order, by its own id or the venue's.")] = "",
    kind: Annotated[list[RecordKind] | None, typer.Option(help="Only this kind; may be given again.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on with what is written, until Ctrl-C.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """What happened to an account's orders, by its journal. Nothing is opened, and whoever trades is not disturbed."""
    from horizon.orders.journal_reader import JournalReader

    found = reach.journals(reach.Where(account=account, profile=profile, journal=journal))
    if not found:
        raise ConfigurationError("there is no journal yet: nothing was ever traded from here")
    if len(found) > 1:
        accounts = ", ".join(map(reach.account_of, found))
        raise ConfigurationError(f"there are journals of several accounts ({accounts}): say which with --account")
    clock, reader = SystemClock(), JournalReader(found[0])
    start = _since(since, clock.now())

    async def show() -> None:
        while True:
            for record in reader.new_lines(since=start, order=order, kinds=kind or ()):
                _print(record, json=json)
            if not follow:
                return
            await clock.sleep(_PAUSE)

    with suppress(KeyboardInterrupt):
        asyncio.run(show())


def _print(record: JournalRecord, *, json: bool) -> None:
    from horizon.orders.journal_words import as_object, line

    if json:
        print_json(as_object(record))
    else:
        print_line(line(record))


def _since(text: str | None, now: int) -> int:
    if text is None:
        return 0
    ago = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if ago is not None:
        return now - int(float(ago[1]) * _SECONDS[ago[2]] * NANOSECONDS)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"expected --since as 90s, 30m, 1h, 7d or a time such as 2026-07-27T09:30, found {text!r}"
        ) from None
    # a time without a zone is the one on the wall
    return to_nanoseconds(moment.astimezone(UTC))
