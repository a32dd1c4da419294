"""A sign-in by a person in a browser: where to do it, and waiting until it is done."""

import asyncio
import os
import sys
import webbrowser
from collections.abc import Callable
from typing import Final

from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, write_login_note
from exchanges.ibkr.client import Client
from exchanges.ibkr.gateway_process.sign_in import sign_in_state, wait_for_sign_in
from horizon.clock import NANOSECONDS, Clock, to_datetime

BROWSER_SECONDS: Final = 600
"""How long a person is waited for by default."""

OpenBrowser = Callable[[str], bool]
"""Shows an address to the person at this machine; whether it could."""


async def sign_in_by_browser(
    client: Client,
    clock: Clock,
    *,
    tell: Callable[[str], None],
    seconds: int = BROWSER_SECONDS,
    show: OpenBrowser | None = None,
) -> bool:
    """Open the login page, or say where it is, and wait until the gateway is signed in; whether it is in time.

    The sign-in has to be made on the gateway's own machine. `show` opens the page; by default the user's browser.
    """
    address = client.base_url
    state = await sign_in_state(client)
    if state.signed_in:
        _note(address, clock, LoginPhase.VERIFIED)
        tell("signed in already")
        return True
    until = clock.now() + seconds * NANOSECONDS
    _note(address, clock, LoginPhase.STARTED, until)
    shown = await asyncio.to_thread(show or open_browser, address)
    opened = "the login page is open in your browser" if shown else "open the login page in a browser on this machine"
    port = address.rpartition(":")[2]
    tell(f"{opened}: {address}")
    if not shown:
        tell(f"from another machine: ssh -L {port}:localhost:{port} THIS-MACHINE, then open it there")
    tell(f"waiting for the sign-in until {to_datetime(until):%H:%M:%S} UTC; approve it on the phone when it asks")
    if await wait_for_sign_in(client, clock, until, tell):
        _note(address, clock, LoginPhase.VERIFIED)
        return True
    _note(address, clock, LoginPhase.REFUSED)
    return False


def open_browser(address: str) -> bool:
    """Open an address in the user's browser, where there is a screen; a text browser would take over the terminal."""
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    return has_screen and webbrowser.open(address)


def _note(address: str, clock: Clock, phase: LoginPhase, until: int | None = None) -> None:
    text = {
        LoginPhase.STARTED: f"sign in at {address} in a browser",
        LoginPhase.REFUSED: f"sign in at {address} in a browser: nobody did in time",
    }.get(phase, "")
    write_login_note(address, LoginNote(phase=phase, since=clock.now(), until=until, text=text))
