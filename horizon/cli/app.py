"""The commands, and how their errors are shown: one sentence and exit code 2, a traceback only with --debug."""

import sys
from typing import Annotated

import typer

from horizon.cli import demo, doctor, ibkr, kill, orders, reconcile, run_command, sim
from horizon.cli.output import errors, print_line
from horizon.errors import HorizonError

app = typer.Typer(
    name="horizon",
    help="One trading strategy over several venues: event contracts hedged with stocks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("demo")(demo.command)
app.command("run")(run_command.command)
app.command("doctor")(doctor.command)
app.command("kill")(kill.command)
app.command("reconcile")(reconcile.command)
app.add_typer(orders.app, name="orders")
app.add_typer(sim.app, name="sim")
app.add_typer(ibkr.app, name="ibkr")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print_line(version("horizon-trading"))
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """The options of every command; both are acted on before one is called."""


def run() -> None:
    """Run one command and exit."""
    # taken wherever it stands: who wants the traceback has just seen the sentence, and adds it at the end
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    try:
        app(arguments)
    except HorizonError as error:
        if len(arguments) < len(sys.argv) - 1:
            raise
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        errors.print(f"horizon: {error}{notes}", style="red", markup=False, soft_wrap=True)
        sys.exit(2)
