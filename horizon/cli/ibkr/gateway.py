"""`horizon ibkr gateway`: IBKR's gateway, started, stopped and looked at for the user."""

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from horizon.cli.output import errors, print_json, print_line
from horizon.clock import NANOSECONDS, SystemClock, to_datetime

if TYPE_CHECKING:
    from exchanges.ibkr.gateway_process.status import GatewayStatus

app = typer.Typer(help="Start, stop and look at IBKR's gateway on this machine.", no_args_is_help=True)

_TERMINATED = 143
"""As shells report a program that SIGTERM has ended."""

Port = Annotated[int, typer.Option(help="The gateway's port on this machine.", min=1, max=65535)]


class Login(StrEnum):
    """Who fills in the login page."""

    BROWSER = "browser"
    IBEAM = "ibeam"


@app.callback()
def group() -> None:
    """The gateway is IBKR's own program; Linux and macOS."""


@app.command("start")
def start(
    directory: Annotated[Path, typer.Option("--dir", help="The folder that IBKR's download was unpacked into.")],
    port: Port = 5000,
    login: Annotated[
        Login | None, typer.Option(help="Sign in too: yourself in a browser, or with ibeam, which stays and keeps it.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(help="With ibeam: a file of mode 0600, user name and password on two lines; else the keyring."),
    ] = None,
    wait: Annotated[
        int | None, typer.Option(help="Seconds for you to sign in, or to approve on the phone.", min=1)
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="With ibeam: sign in and return, without keeping it.")] = False,
    stock_certificate: Annotated[
        bool, typer.Option("--stock-certificate", help="Show IBKR's own certificate, instead of making one.")
    ] = False,
) -> None:
    """Start the gateway and wait until it answers; with --login, until it is signed in."""
    from horizon.cli.ibkr.sign_in import sign_in

    work = sign_in(directory, port, login, credentials, wait, once=once, own=not stock_certificate, tell=_tell)
    try:
        asyncio.run(work)
    except asyncio.CancelledError:
        raise typer.Exit(_TERMINATED) from None


@app.command("stop")
def stop(port: Port = 5000) -> None:
    """End the gateway that was started with `start`, and nothing else."""
    from exchanges.ibkr.gateway_process.stop import stop_gateway

    stopped = asyncio.run(stop_gateway(SystemClock(), port=port))
    if stopped.pid is None:
        print_line(f"no gateway that was started here runs at port {port}")
        raise typer.Exit(1)
    print_line(f"ended (pid {stopped.pid}){', by force: it did not end when asked to' if stopped.killed else ''}")


@app.command("status")
def status(
    port: Port = 5000,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Whether it runs, answers, and is signed in. Exit code 1 when it does not answer."""
    from exchanges.ibkr.gateway_process.status import gateway_status

    clock = SystemClock()
    found = asyncio.run(gateway_status(clock, port=port))
    if json:
        age = None if found.started is None else (clock.now() - found.started) // NANOSECONDS
        print_json(msgspec.to_builtins(found) | {"age_seconds": age})
    else:
        _print(found)
    if not found.answers:
        raise typer.Exit(1)


def _print(found: "GatewayStatus") -> None:
    running = f"yes, pid {found.pid}" if found.running else "not one that was started here"
    since = "" if found.started is None else f", since {to_datetime(found.started):%Y-%m-%d %H:%M:%S} UTC"
    print_line(f"running      {running}{since}")
    print_line(f"port         {found.port}, {'answers' if found.answers else 'does not answer'}")
    if found.certificate:
        kind = "the one that IBKR ships" if found.is_stock else "its own"
        print_line(f"certificate  {found.certificate} ({kind}{'' if found.is_trusted else ', NOT the trusted one'})")
    signed_in = {True: "yes", False: "no", None: "not known"}[found.signed_in]
    print_line(f"signed in    {signed_in}{f', last sign-in {found.login}' if found.login else ''}")
    if found.log:
        print_line(f"log          {found.log}")
    if found.text:
        print_line(f"to do        {found.text}")


def _tell(text: str) -> None:
    errors.print(text, markup=False, soft_wrap=True)
