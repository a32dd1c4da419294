"""What `horizon ibkr status` shows to a person."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from horizon.cli.output import print_line, results
from horizon.clock import to_datetime

if TYPE_CHECKING:
    from exchanges.ibkr.certificate_look import CertificateLook
    from exchanges.ibkr.resets import ResetWindow
    from exchanges.ibkr.session_look import Look
    from horizon.cli.ibkr.status_view import StatusView
    from horizon.net.rates import Budget

_COMPETING = {True: "yes, another program of the same user", False: "no", None: "not known"}
_FIRST_USE = "not pinned yet"
_BUSY = 0.5
"""A rule of which so much is used is worth a line."""


def print_status(seen: "StatusView") -> None:
    """One line of facts each, and a table of the tiers."""
    look, status = seen.look, seen.look.status
    profile = "" if seen.profile is None else f", profile {seen.profile}"
    known = look.seen is not None or look.note is not None
    stands = "ready" if status.state.ready else "not ready" if known else "not asked"
    print_line(f"session      {stands}, at {status.base_url}{profile}")
    if status.state.reason and all(tier.up for tier in status.tiers):
        print_line(f"because      {status.state.reason}")
    if status.tiers:
        results.print(_tiers(look), soft_wrap=False)
    print_line(f"accounts     {_accounts(look)}")
    print_line(f"competing    {_COMPETING[look.competing]}")
    print_line(f"kept alive   {_kept(look)}")
    print_line(f"signs in     {_signs_in(look)}")
    print_line(f"requests     {_budget(status.budget)}")
    print_line(f"penalty      {_penalty(status.budget, status.time)}")
    certificate = seen.certificate_problem if seen.certificate is None else _certificate(seen.certificate, look)
    print_line(f"certificate  {certificate}")
    if status.window is not None:
        print_line(f"reset now    {_window(status.window)}")
    print_line(f"next reset   {_window(status.next_reset)}")


def age_text(seconds: float) -> str:
    """`12 s`, `5 min`, `3 h`, `2 days`"""
    for unit, size in (("days", 172_800), ("h", 7_200), ("min", 120)):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _tiers(look: "Look") -> Table:
    table = Table(box=None, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0))
    for name in ("tier", "", "for", "why, and what to do"):
        table.add_column(name, overflow="fold")
    for tier in look.status.tiers:
        cause = f"{tier.cause}: {tier.action}" if tier.cause and tier.action else tier.cause or tier.action
        if tier.act_until is not None:
            cause += f" (until {to_datetime(tier.act_until).astimezone():%H:%M:%S})"
        # without the word of the program that keeps the session, nobody knows since when
        age = age_text(look.status.age(tier)) if look.note is not None else "-"
        mark = Text("up", style="green") if tier.up else Text("down", style="red")
        table.add_row(Text(tier.tier.replace("_", " ")), mark, Text(age), Text(cause))
    return table


def _accounts(look: "Look") -> str:
    kinds = {True: "LIVE", False: "paper", None: "paper or live: not known"}
    known = [f"{each.account_id} ({kinds[each.is_live]})" for each in look.status.accounts]
    return ", ".join(known) or "not known: they are listed once the brokerage session is established"


def _kept(look: "Look") -> str:
    if look.note is None:
        return "no program of this user on this machine has left word of it"
    age = look.status.keep_alive_age
    return f"by the program with pid {look.note.pid}" + ("" if age is None else f", {age_text(age)} ago")


def _signs_in(look: "Look") -> str:
    status = look.status
    parts = ["a person, in a browser" if status.signs_in == "LocalGateway" else f"by itself ({status.signs_in})"]
    if status.token_expires is not None:
        parts.append(f"token until {to_datetime(status.token_expires).astimezone():%Y-%m-%d %H:%M:%S %Z}")
    if look.sign_ins_left is not None:
        left = f"{look.sign_ins_left} of 2 sign-ins left this hour"
        if look.next_sign_in is not None:
            left += f", the next at {to_datetime(look.next_sign_in).astimezone():%H:%M:%S}"
        parts.append(left)
    return ", ".join(parts)


def _budget(budget: "Budget") -> str:
    first = next((rule for rule in budget.rules if rule.limit is not None), None)
    parts = [] if first is None else [f"{first.used} of {first.limit} a second"]
    parts += [
        f"{rule.name} {rule.used} of {rule.limit}"
        for rule in budget.rules[1:]
        if rule.limit is not None and rule.used >= rule.limit * _BUSY
    ]
    return (
        f"{', '.join(parts)} used now, by all programs of this user together"
        if budget.shared
        else f"{', '.join(parts)} used now"
    )


def _penalty(budget: "Budget", now: int) -> str:
    if budget.closed_for <= 0:
        return "none"
    until = to_datetime(now + round(budget.closed_for * 1e9)).astimezone()
    return f"IBKR has answered 429 and takes nothing for {age_text(budget.closed_for)} more, until {until:%H:%M:%S}"


def _certificate(found: "CertificateLook", look: "Look") -> str:
    if not found.fingerprint:
        return "none: plain http, on this machine"
    how = found.trusted.value
    if found.trusted == _FIRST_USE and look.seen is not None:
        how = "pinned just now, at first use on this machine"
    stock = ", the one that IBKR ships with every gateway" if found.is_stock else ""
    changed = f", NOT the pinned {found.pinned}" if found.pinned else ""
    return f"{found.fingerprint} ({how}{stock}{changed})"


def _window(window: "ResetWindow") -> str:
    start, end = to_datetime(window.start), to_datetime(window.end)
    here = f"{start.astimezone():%a %H:%M} to {end.astimezone():%H:%M %Z}"
    there = f"{start:%a %H:%M} to {end:%H:%M} UTC"
    return f"{window.kind.value}, {here}" + ("" if here.endswith("UTC") else f" ({there})")
