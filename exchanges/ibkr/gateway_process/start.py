"""Starting the gateway, and waiting until it answers."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from exchanges.ibkr.gateway_process.configuration import write_configuration
from exchanges.ibkr.gateway_process.directory import RUN_SCRIPT, GatewayDirectory, gateway_directory
from exchanges.ibkr.gateway_process.java import Java, find_java
from exchanges.ibkr.gateway_process.log_file import fresh_log, quoted
from exchanges.ibkr.gateway_process.own_certificate import OwnCertificate, own_certificate
from exchanges.ibkr.gateway_process.ports import refuse_taken_port
from exchanges.ibkr.gateway_process.processes import Process, end_group, group_members, still_running
from exchanges.ibkr.gateway_process.record import (
    DEFAULT_PORT,
    GatewayRecord,
    forget_record,
    read_record,
    write_record,
)
from horizon.clock import Clock
from horizon.errors import ConfigurationError, VenueUnavailable
from horizon.net.known_gateways import normalized, remember
from horizon.net.tls import fetch_fingerprint

Tell = Callable[[str], None]
"""Shows the person who waits one line about what happens."""

START_SECONDS: Final = 60.0
"""It takes about 3 s on a quick machine (measured, Java 17)."""
PATIENCE: Final = 10.0
"""Seconds between asking the gateway to end and killing it."""
_BETWEEN_LOOKS: Final = 0.2
# Leaves at once, so that the gateway is nobody's child: it outlives this program, and nobody has to collect it.
_LAUNCHER: Final = '"$@" </dev/null >>"$0" 2>&1 & echo $!'
_KEPT_FROM_THE_GATEWAY: Final = ("IBKR_", "IBEAM_", "HORIZON_")


async def start_gateway(
    directory: Path,
    clock: Clock,
    *,
    port: int = DEFAULT_PORT,
    own: bool = True,
    tell: Tell,
    seconds: float = START_SECONDS,
    known_gateways: Path | None = None,
) -> GatewayRecord:
    """Start IBKR's gateway as a process of its own, and return once it answers over TLS. One that was started before
    and still runs is left as it is.

    `own` gives it a certificate of its own when keytool is there, and pins that for this machine. Raises
    ConfigurationError for what the user has to correct, VenueUnavailable when it ends or stays silent, with the last
    lines of its log.
    """
    chosen = gateway_directory(directory)
    running = await running_gateway(port)
    if running is not None:
        tell(f"a gateway runs at port {port} already (pid {running.pid}): it is used")
        await _until_it_answers(running, clock, seconds, "; end it with `horizon ibkr gateway stop`")
        return running
    java = await find_java(clock)
    await refuse_taken_port(port)
    certificate = await _certificate(chosen, java, own, clock, tell)
    configuration = write_configuration(chosen, port, certificate)
    log = fresh_log(port)
    tell(f"starting the gateway in {chosen.path} with Java {java.version}")
    record = GatewayRecord(
        port=port,
        directory=str(chosen.path),
        log=str(log),
        started=clock.now(),
        processes=await _launch(chosen, java, configuration, log, clock),
        certificate="" if certificate is None else str(certificate.pem),
    )
    write_record(record)
    try:
        shown = await _until_it_answers(record, clock, seconds, " and was ended")
        record = replace(record, processes=await _all_processes(record))
        _check_certificate(certificate, shown)
    except BaseException:
        await end_group(record.processes, clock, patience=PATIENCE)
        forget_record(port)
        raise
    write_record(record)
    if certificate is not None:
        # made here a moment ago, so nobody has to be asked
        for name in ("localhost", "127.0.0.1"):
            remember(name, port, certificate.fingerprint, known_gateways)
    tell(f"the gateway answers at {record.base_url} (pid {record.pid}, log {log})")
    return record


async def running_gateway(port: int) -> GatewayRecord | None:
    """The gateway that was started here at a port and is still running."""
    record = read_record(port)
    if record is None:
        return None
    return record if await still_running(record.processes) else None


async def _certificate(
    directory: GatewayDirectory, java: Java, own: bool, clock: Clock, tell: Tell
) -> OwnCertificate | None:
    if not own:
        return None
    keytool = java.keytool
    if keytool is None:
        tell("no keytool beside this Java: the gateway shows IBKR's own certificate, good on this machine only")
        return None
    return await own_certificate(directory, keytool, clock)


async def _launch(
    directory: GatewayDirectory, java: Java, configuration: str, log: Path, clock: Clock
) -> tuple[Process, ...]:
    """The run script; or what it left running, if it has ended already."""
    # unzip does not always keep the script executable
    shell = shutil.which("bash") or "/bin/sh"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_FROM_THE_GATEWAY)}
    environment["PATH"] = f"{java.folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    async with clock.in_flight():
        launcher = await asyncio.create_subprocess_exec(
            "/bin/sh", "-c", _LAUNCHER, str(log), shell, RUN_SCRIPT, configuration,
            cwd=directory.path,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
        output, _ = await launcher.communicate()
    pid = int(output)
    # in a session of its own, whose group has the number of the launcher
    members = await group_members(launcher.pid)
    if not members:
        raise VenueUnavailable(f"the gateway ended before it answered; {quoted(log)}")
    return tuple(process for process in members if process.pid == pid) or members


async def _until_it_answers(record: GatewayRecord, clock: Clock, seconds: float, otherwise: str) -> str:
    """The fingerprint of the certificate that it shows."""
    log = Path(record.log)
    until = clock.monotonic() + seconds
    while True:
        try:
            return await fetch_fingerprint("localhost", record.port, clock)
        except VenueUnavailable:
            if not await group_members(record.processes[0].group):
                raise VenueUnavailable(f"the gateway ended before it answered; {quoted(log)}") from None
            if clock.monotonic() >= until:
                raise VenueUnavailable(
                    f"the gateway did not answer at port {record.port} in {seconds:.0f} s{otherwise}; {quoted(log)}"
                ) from None
        await clock.sleep(_BETWEEN_LOOKS)


async def _all_processes(record: GatewayRecord) -> tuple[Process, ...]:
    script = record.processes[0]
    others = [process for process in await group_members(script.group) if process != script]
    return (script, *sorted(others, key=lambda process: process.pid))


def _check_certificate(certificate: OwnCertificate | None, shown: str) -> None:
    if certificate is not None and normalized(shown) != normalized(certificate.fingerprint):
        raise ConfigurationError(
            f"expected the gateway to show the certificate that was made for it, {certificate.fingerprint}, found "
            f"{shown}: its {RUN_SCRIPT} does not take the configuration it is given, as copies before 2020 did not; "
            f"download the current one"
        )
