"""What `horizon ibkr gateway start` does, with or without a sign-in."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from horizon.cli.output import print_line
from horizon.clock import Clock, SystemClock
from horizon.errors import ConfigurationError

if TYPE_CHECKING:
    from exchanges.ibkr.client import Client
    from exchanges.ibkr.gateway_process.credentials import Credentials
    from exchanges.ibkr.gateway_process.ibeam import Ibeam
    from exchanges.ibkr.gateway_process.ibeam_sign_in import IbeamSignIn
    from exchanges.ibkr.gateway_process.record import GatewayRecord

Tell = Callable[[str], None]


async def sign_in(
    directory: Path,
    port: int,
    login: str | None,
    credentials: Path | None,
    wait: int | None,
    *,
    once: bool,
    own: bool,
    tell: Tell,
) -> None:
    """Start the gateway, and sign in when that is wanted. What can be refused is refused before anything is started."""
    from exchanges.ibkr.gateway_process.exposure import port_exposure
    from exchanges.ibkr.gateway_process.sign_in import gateway_client
    from exchanges.ibkr.gateway_process.start import start_gateway

    if login != "ibeam" and (credentials is not None or once):
        raise ConfigurationError("--credentials and --once go with --login ibeam")
    if login is None and wait is not None:
        raise ConfigurationError("--wait goes with --login: without it nobody is waited for")
    _end_gently()
    clock = SystemClock()
    with_ibeam = _found(credentials) if login == "ibeam" else None
    record = await start_gateway(directory, clock, port=port, own=own, tell=tell)
    for exposure in await port_exposure(clock, port=port):
        if exposure.exposed:
            tell(f"warning: {exposure.warning}")
    if login is None:
        print_line(f"running at {record.base_url}: sign in there in a browser, or start again with --login browser")
        return
    client = gateway_client(record.base_url, clock)
    try:
        if with_ibeam is not None:
            await _by_ibeam(*with_ibeam, record, client, clock, wait, once=once, tell=tell)
        else:
            await _by_browser(client, clock, wait, tell)
    finally:
        await client.close()


def _end_gently() -> None:
    """Let SIGTERM do what Ctrl-C does: what was begun is taken back first."""
    task = asyncio.current_task()
    if task is not None and sys.platform != "win32":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _found(credentials: Path | None) -> "tuple[Ibeam, Credentials]":
    from exchanges.ibkr.gateway_process.credentials import credentials_from_file, credentials_from_keyring
    from exchanges.ibkr.gateway_process.ibeam import find_ibeam

    known = credentials_from_keyring() if credentials is None else credentials_from_file(credentials)
    return find_ibeam(), known


async def _by_browser(client: "Client", clock: Clock, wait: int | None, tell: Tell) -> None:
    from exchanges.ibkr.gateway_process.browser_sign_in import BROWSER_SECONDS, sign_in_by_browser

    seconds = BROWSER_SECONDS if wait is None else wait
    if not await sign_in_by_browser(client, clock, tell=tell, seconds=seconds):
        print_line(f"nobody signed in within {seconds} s: the gateway keeps running at {client.base_url}")
        raise typer.Exit(1)
    print_line(f"signed in at {client.base_url}")


async def _by_ibeam(
    ibeam: "Ibeam",
    credentials: "Credentials",
    record: "GatewayRecord",
    client: "Client",
    clock: Clock,
    wait: int | None,
    *,
    once: bool,
    tell: Tell,
) -> None:
    from exchanges.ibkr.gateway_process.ibeam_sign_in import APPROVAL_SECONDS, IbeamSignIn, Outcome
    from exchanges.ibkr.gateway_process.sign_in import sign_in_state

    seconds = APPROVAL_SECONDS if wait is None else wait
    signing = IbeamSignIn(ibeam, credentials, record, client, clock, tell=tell, approval_seconds=seconds)
    state = await sign_in_state(client)
    if state.signed_in:
        print_line(f"signed in already at {client.base_url}")
    else:
        result = await signing.attempt()
        print_line(f"{result.outcome}: {result.text}")
        if result.outcome is not Outcome.VERIFIED:
            raise typer.Exit(1)
    if not once:
        await _kept(signing, client, clock, record, tell)


async def _kept(signing: "IbeamSignIn", client: "Client", clock: Clock, record: "GatewayRecord", tell: Tell) -> None:
    """Keep it signed in until Ctrl-C; the gateway stays."""
    from exchanges.ibkr.gateway_process.keeper import keep_signed_in
    from exchanges.ibkr.gateway_process.start import running_gateway

    async def alive() -> bool:
        return await running_gateway(record.port) is not None

    tell("keeping it signed in until Ctrl-C")
    try:
        await keep_signed_in(
            client, clock, attempt=signing.attempt, next_allowed=signing.next_allowed, alive=alive, tell=tell
        )
    except asyncio.CancelledError:
        print_line(f"the gateway keeps running at {client.base_url}: nobody keeps it signed in any more")
