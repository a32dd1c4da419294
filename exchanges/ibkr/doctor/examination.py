"""The whole chain, from Python to a price. Each link that fails is told, and what can still be looked at is."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

from exchanges.ibkr.auth.gateway_trust import gateway_address
from exchanges.ibkr.auth.protocol import CountsSignIns
from exchanges.ibkr.certificate_look import CertificateLook, look_at_certificate
from exchanges.ibkr.client import Client
from exchanges.ibkr.connection import connection, usual_url
from exchanges.ibkr.doctor.check import Check, Result, failed, of_error, ok, skipped, warning
from exchanges.ibkr.doctor.gateway import certificate_check, exposure_check, port_check, program_checks
from exchanges.ibkr.doctor.machine import limits_file, machine_checks
from exchanges.ibkr.doctor.market_data import data_checks
from exchanges.ibkr.doctor.session import clock_check, reset_check, session_checks
from exchanges.ibkr.session_look import look
from exchanges.ibkr.session_note import SessionNotes
from exchanges.ibkr.session_table import Seen
from exchanges.ibkr.settings import Chosen, choose, given, key_problems, of_connection
from horizon.clock import Clock, to_datetime
from horizon.errors import ConfigurationError, HorizonError
from horizon.net.tls import is_loopback

_SESSION: Final = ("reset", "login", "clock", "session", "competing", "accounts", "trading")
_DATA: Final = ("market data SPY", "market data ForecastEx")
_TIMEOUT: Final = 10.0


async def examine(
    clock: Clock,
    *,
    profile: str | None = None,
    url: str | None = None,
    gateway_dir: Path | None = None,
    sign_in: bool = False,
) -> AsyncIterator[Check]:
    """Each check as soon as it is made. Nothing is changed at the venue, and nothing secret is told."""
    for check in machine_checks():
        yield check
    try:
        chosen = choose(profile)
    except ConfigurationError as error:
        yield of_error("settings", error)
        yield skipped("everything else", "the settings must be right first")
        return
    for check in _settings(chosen):
        yield check
    client, keys = _client(chosen, url, clock)
    for check in keys:
        yield check
    place = url or chosen.settings.url or (usual_url(None) if client is None else client.base_url)
    try:
        async for check in _chain(chosen, place, client, clock, gateway_dir, sign_in=sign_in):
            yield check
    finally:
        if client is not None:
            await client.close()


def _client(chosen: Chosen, url: str | None, clock: Clock) -> tuple[Client | None, list[Check]]:
    problems = key_problems(chosen.settings)
    if problems:
        return None, [of_error(f"keys: {name}", error) for name, error in problems.items()]
    try:
        arguments = of_connection(given(chosen.settings, {"api_url": url}))
    except ConfigurationError as error:
        return None, [of_error("keys", error)]
    try:
        client = connection(arguments.pop("api_url"), clock, shared=True, timeout=_TIMEOUT, **arguments)
    except ConfigurationError as error:
        return None, [of_error("connection", error)]
    if client.auth.person_signs_in:
        return client, [skipped("keys", "a gateway needs none")]
    return client, [ok("keys", f"read for {type(client.auth).__name__}")]


def _settings(chosen: Chosen) -> tuple[Check, ...]:
    if chosen.file is None:
        found = "no file of profiles, so everything is as usual"
    else:
        found = f"profile {chosen.profile or 'none'} of {chosen.file}"
    if chosen.variables:
        found += f", with {', '.join(chosen.variables)}"
    unread = tuple(warning("environment", text, "correct its name, or unset it") for text in chosen.unread)
    return (ok("settings", found), *unread)


async def _chain(
    chosen: Chosen, url: str, client: Client | None, clock: Clock, gateway_dir: Path | None, *, sign_in: bool
) -> AsyncIterator[Check]:
    try:
        _, host, port = gateway_address(url)
    except ConfigurationError as error:
        yield of_error("port", error)
        return
    here = is_loopback(host)
    yield limits_file(url)
    reached = await port_check(host, port, clock)
    answers = reached.result is Result.OK
    if here and chosen.settings.auth in (None, "gateway"):
        async for check in program_checks(clock, port, gateway_dir, answers=answers):
            yield check
    yield reached
    trusted = False
    if answers:
        found, check = await _certificate(chosen, url, clock)
        trusted = found is not None and check.result is not Result.FAILED
        yield check
        if here:
            yield await exposure_check(clock, port)
    else:
        for name in ("certificate", "exposure"):
            yield skipped(name, "nobody listens at the port")
    why = (
        "nobody listens at the port"
        if not answers
        else "nothing is sent before the certificate is trusted"
        if not trusted
        else "what to connect with must be right first"
    )
    if client is None or not answers or not trusted:
        for name in (*_SESSION, *_DATA):
            yield skipped(name, why)
        return
    async for check in _session(chosen, client, clock, sign_in=sign_in):
        yield check


async def _certificate(chosen: Chosen, url: str, clock: Clock) -> tuple[CertificateLook | None, Check]:
    settings = chosen.settings
    try:
        found = await look_at_certificate(url, clock, certificate=settings.certificate)
    except HorizonError as error:
        return None, of_error("certificate", error)
    return found, certificate_check(found, clock.now(), accept_stock_certificate=settings.accept_stock_certificate)


async def _session(chosen: Chosen, client: Client, clock: Clock, *, sign_in: bool) -> AsyncIterator[Check]:
    penalty = client.limiter.budget().closed_for
    if penalty > 0:
        until = to_datetime(clock.now() + round(penalty * 1e9)).astimezone()
        yield failed(
            "penalty",
            f"IBKR has answered 429 to a program of this user, and takes nothing for {penalty / 60:.0f} min more",
            f"wait until {until:%H:%M:%S}, then ask less often",
        )
        for name in (*_SESSION, *_DATA):
            yield skipped(name, "no request is sent while the penalty lasts")
        return
    yield ok("penalty", "none")
    note = SessionNotes(client.base_url, client.auth).read()
    seen = await look(client, clock, region=chosen.settings.region, note=note, sign_in=sign_in)
    yield reset_check(seen)
    checks = list(session_checks(seen))
    yield checks[0]
    signs = isinstance(client.auth, CountsSignIns)
    yield clock_check(client.latest, clock.now(), signs=signs)
    for check in checks[1:]:
        yield check
    if seen.seen is not Seen.ESTABLISHED:
        why = "nobody was asked" if seen.seen is None else "there is data once the brokerage session is established"
        for name in _DATA:
            yield skipped(name, why)
        return
    async for check in data_checks(client, clock):
        yield check
