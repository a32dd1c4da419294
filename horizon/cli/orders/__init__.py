"""`horizon orders`: looking at orders, and sending and cancelling them from outside. One file per kind of command."""

import typer

from horizon.cli.orders import cancelling, listing, log, sending

app = typer.Typer(help="Orders of an account: what happened, what works, and new ones.", no_args_is_help=True)
app.command("log")(log.command)
app.command("list")(listing.command)
app.command("buy")(sending.buy)
app.command("sell")(sending.sell)
app.command("cancel")(cancelling.cancel)
app.command("cancel-all")(cancelling.cancel_all)


@app.callback()
def group() -> None:
    """A program that trades the account is asked to do it; without one, the account is opened for the moment."""
