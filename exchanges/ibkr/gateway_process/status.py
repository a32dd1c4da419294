"""How a gateway on this machine stands: its process, its port, its certificate, its sign-in."""

from pathlib import Path

import msgspec

from exchanges.ibkr.auth.gateway_trust import ShownCertificate, shown_certificate
from exchanges.ibkr.auth.login_note import LoginPhase, read_login_note
from exchanges.ibkr.gateway_process.record import DEFAULT_PORT, read_record
from exchanges.ibkr.gateway_process.sign_in import SignInState, gateway_client, sign_in_state
from exchanges.ibkr.gateway_process.start import running_gateway
from horizon.clock import Clock
from horizon.errors import ConfigurationError, VenueUnavailable
from horizon.net.tls import Trust


class GatewayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway on this machine."""

    port: int
    running: bool
    """A gateway that was started here is alive; one that a person started is only seen by `answers`."""
    pid: int | None = None
    started: int | None = None
    """Integer nanoseconds."""
    directory: str = ""
    log: str = ""
    answers: bool
    certificate: str = ""
    """The SHA-256 fingerprint that it shows, as `AB:CD:...`."""
    is_stock: bool | None = None
    """The one that IBKR ships."""
    is_trusted: bool | None = None
    """It is pinned, or nothing was pinned for it yet."""
    signed_in: bool | None = None
    """None when that could not be asked."""
    login: LoginPhase | None = None
    """How far the last sign-in that was started here has come."""
    text: str = ""
    """What there is to do, or why something is not known."""


async def gateway_status(
    clock: Clock, *, port: int = DEFAULT_PORT, trust: Trust | None = None, known_gateways: Path | None = None
) -> GatewayStatus:
    """Look at the gateway at a port of this machine. Nothing is changed, and nothing is trusted that was not before."""
    record = await running_gateway(port)
    url = f"https://localhost:{port}"
    note = read_login_note(url)
    status = GatewayStatus(
        port=port,
        running=record is not None,
        pid=None if record is None else record.pid,
        started=None if record is None else record.started,
        directory="" if record is None else record.directory,
        log="" if record is None else record.log,
        answers=False,
        login=None if note is None else note.phase,
    )
    try:
        shown = await shown_certificate(url, clock, known_gateways)
    except VenueUnavailable as error:
        ended = record is None and read_record(port) is not None
        text = "the gateway that was started here has ended: start it again" if ended else str(error)
        return msgspec.structs.replace(status, text=text)
    status = msgspec.structs.replace(
        status,
        answers=True,
        certificate=shown.facts.fingerprint,
        is_stock=shown.is_stock,
        is_trusted=not shown.is_changed,
    )
    if shown.is_changed and trust is None:
        return msgspec.structs.replace(status, text=_changed(shown))
    state = await _asked(url, clock, trust, known_gateways)
    told = note.action(clock.now()) if note is not None and not state.signed_in else ""
    return msgspec.structs.replace(status, signed_in=state.signed_in, text=told or state.text)


async def _asked(url: str, clock: Clock, trust: Trust | None, known_gateways: Path | None) -> SignInState:
    client = gateway_client(url, clock, trust=trust, known_gateways=known_gateways)
    try:
        return await sign_in_state(client)
    except ConfigurationError as error:
        return SignInState(signed_in=None, text=str(error))
    finally:
        await client.close()


def _changed(shown: ShownCertificate) -> str:
    return (
        f"it shows another certificate than {shown.pinned}, which was trusted before: if you changed it, run "
        f"`horizon ibkr trust https://localhost:{shown.port}`, otherwise something else answers there"
    )
