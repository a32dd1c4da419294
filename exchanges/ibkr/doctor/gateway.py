"""The gateway's program on this machine, and who reaches its port."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from exchanges.ibkr.certificate_look import CertificateLook, Trusted
from exchanges.ibkr.doctor.check import Check, Result, failed, of_error, ok, skipped, warning
from exchanges.ibkr.gateway_process.directory import gateway_directory
from exchanges.ibkr.gateway_process.exposure import port_exposure
from exchanges.ibkr.gateway_process.java import find_java
from exchanges.ibkr.gateway_process.ports import listener_at
from exchanges.ibkr.gateway_process.record import read_record
from horizon.clock import Clock
from horizon.errors import ConfigurationError
from horizon.net.known_gateways import reason
from horizon.net.tls import is_loopback

_SECONDS: Final = 10.0
_SOON: Final = 14.0
"""Days before its end from which on a certificate should be replaced."""


async def port_check(host: str, port: int, clock: Clock) -> Check:
    """Whether anybody listens, and who."""
    name = "port"
    here = is_loopback(host)
    try:
        async with clock.deadline(_SECONDS), clock.in_flight():
            _, writer = await asyncio.open_connection(host, port)
        writer.transport.abort()
    except TimeoutError:
        return failed(name, f"{host}:{port} takes no connection in {_SECONDS:.0f} s", "check the address and firewalls")
    except OSError as error:
        remedy = "check the address and the network"
        if here:
            remedy = "start the gateway with `horizon ibkr gateway start --dir DIR`, or correct url in the settings"
        why = "the connection was refused" if isinstance(error, ConnectionRefusedError) else reason(error)
        return failed(name, f"nobody listens at {host}:{port} ({why})", remedy)
    who = await listener_at(port) if here else ""
    return ok(name, f"{host}:{port} takes connections{f', {who}' if who else ''}")


async def program_checks(clock: Clock, port: int, directory: Path | None, *, answers: bool) -> AsyncIterator[Check]:
    """Java, and the folder of the gateway. Where a gateway answers already, neither is needed right now."""
    bad = Result.WARNING if answers else Result.FAILED
    try:
        java = await find_java(clock)
    except ConfigurationError as error:
        yield of_error("java", error, bad)
    else:
        yield ok("java", f"{java.version} at {java.path}")
    name = "gateway folder"
    try:
        record = read_record(port)
        if directory is None and record is None:
            yield skipped(name, "name it with --gateway-dir: no gateway was started here at this port")
            return
        found = gateway_directory(directory or Path(record.directory if record is not None else ""))
    except ConfigurationError as error:
        yield of_error(name, error, bad)
    else:
        yield ok(name, str(found.path))


async def exposure_check(clock: Clock, port: int) -> Check:
    """Whether other machines get through to the gateway."""
    name = "exposure"
    found = await port_exposure(clock, port=port)
    for each in found:
        if each.exposed:
            what, _, remedy = each.warning.partition("; ")
            return warning(name, what, remedy)
    if not found:
        return skipped(name, "this machine has no address but loopback")
    return ok(name, f"port {port} admits nobody at {', '.join(each.address for each in found)}")


def certificate_check(found: CertificateLook, now: int, *, accept_stock_certificate: bool) -> Check:
    """Whether the certificate is the one that is trusted."""
    name, url = "certificate", f"https://{found.host}:{found.port}"
    here = is_loopback(found.host)
    print_ = found.fingerprint
    days = found.expires_in_days(now)
    match found.trusted:
        case Trusted.PLAIN:
            return warning(
                name, "plain http: no certificate", "let the gateway speak TLS, unless it is a simulated one"
            )
        case Trusted.CHANGED:
            return failed(
                name,
                f"{print_} is not the pinned {found.pinned or 'one of the settings'}, and nothing is sent there",
                f"if you changed it, run `horizon ibkr trust {url}`; otherwise something else answers there",
            )
        case Trusted.UNVERIFIED:
            return failed(
                name,
                f"{print_} does not pass the check of this machine",
                f"compare it on the gateway's machine, then run `horizon ibkr trust {url}`",
            )
        case _:
            pass
    if found.is_stock and not here and not accept_stock_certificate:
        return failed(
            name,
            f"{print_}, the one that IBKR ships with every gateway, at another host: its private key is public",
            "give that gateway one of its own (sslCert in conf.yaml), or tunnel its port to this machine",
        )
    if found.trusted in (Trusted.VERIFIED, Trusted.FILE) and days is not None and days < _SOON:
        return warning(name, f"{print_} ends in {days:.0f} days", "replace it before")
    how = "the first request pins it" if found.trusted is Trusted.FIRST_USE else found.trusted.value
    if found.is_stock:
        return ok(name, f"{print_} ({how}), the one that IBKR ships: good enough on this machine")
    return ok(name, f"{print_} ({how})")
