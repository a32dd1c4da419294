"""`horizon ibkr`: what only Interactive Brokers needs. One file per command."""

import typer

from horizon.cli.ibkr import gateway, status, trust

app = typer.Typer(help="Interactive Brokers: its session, its gateway, and whom to trust there.", no_args_is_help=True)
app.command("status")(status.command)
app.command("trust")(trust.command)
app.add_typer(gateway.app, name="gateway")


@app.callback()
def group() -> None:
    """Interactive Brokers only."""
