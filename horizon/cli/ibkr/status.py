"""`horizon ibkr status`: how the session stands, without touching it."""

import asyncio
from typing import Annotated

import typer

from horizon.cli.ibkr.status_table import print_status
from horizon.cli.ibkr.status_view import StatusView, as_json
from horizon.cli.output import print_json
from horizon.clock import SystemClock
from horizon.errors import HorizonError


def command(
    profile: Annotated[str | None, typer.Option(help="A table of ibkr.toml; otherwise its default.")] = None,
    url: Annotated[str | None, typer.Option(help="The gateway or API to look at, instead of the profile's.")] = None,
    sign_in: Annotated[
        bool, typer.Option("--sign-in", help="With OAuth: use up one of the two sign-ins an hour to ask.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """How the session stands. Nothing is opened or taken over. Exit code 0 when orders can be sent, 1 when not."""
    from exchanges.ibkr.session_table import Seen

    seen = asyncio.run(_look(profile, url, sign_in=sign_in))
    if json:
        print_json(as_json(seen))
    else:
        print_status(seen)
    if seen.look.seen is Seen.MISCONFIGURED:
        raise typer.Exit(2)
    if not seen.look.status.state.ready:
        raise typer.Exit(1)


async def _look(profile: str | None, url: str | None, *, sign_in: bool) -> StatusView:
    from exchanges.ibkr.certificate_look import look_at_certificate
    from exchanges.ibkr.connection import connection
    from exchanges.ibkr.session_look import look
    from exchanges.ibkr.session_note import SessionNotes
    from exchanges.ibkr.settings import choose, given, of_connection

    clock = SystemClock()
    chosen = choose(profile)
    arguments = of_connection(given(chosen.settings, {"api_url": url}))
    client = connection(arguments.pop("api_url"), clock, shared=True, timeout=10.0, **arguments)
    certificate, problem = None, ""
    try:
        try:
            # before the first request, which pins what a gateway of this machine shows
            certificate = await look_at_certificate(client.base_url, clock, certificate=chosen.settings.certificate)
        except HorizonError as error:
            problem = str(error)
        note = SessionNotes(client.base_url, client.auth).read()
        seen = await look(client, clock, region=chosen.settings.region, note=note, sign_in=sign_in)
    finally:
        await client.close()
    return StatusView(profile=chosen.profile, look=seen, certificate=certificate, certificate_problem=problem)
