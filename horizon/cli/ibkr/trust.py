"""`horizon ibkr trust`: look at a gateway's certificate and pin it."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from horizon.cli.output import print_line
from horizon.clock import SystemClock

if TYPE_CHECKING:
    from exchanges.ibkr.auth.gateway_trust import ShownCertificate


def command(
    url: Annotated[str, typer.Argument(help="The gateway's address.")] = "https://localhost:5000",
    accept_stock_certificate: Annotated[
        bool,
        typer.Option(
            "--accept-stock-certificate",
            help="Trust IBKR's own certificate on another host, although its private key is public.",
        ),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Show the certificate of a gateway, and pin it: nothing else is accepted at that address from then on."""
    from exchanges.ibkr.auth.gateway_trust import refuse_stock_elsewhere, shown_certificate, trust_shown
    from horizon.net.known_gateways import known_gateways_file

    shown = asyncio.run(shown_certificate(url, SystemClock()))
    _show(shown)
    if shown.is_pinned:
        print_line("it is trusted already: nothing to do")
        return
    refuse_stock_elsewhere(shown, accept_stock_certificate=accept_stock_certificate)
    if shown.verifies and not shown.is_changed:
        print_line("it passes the ordinary check of this machine: it needs no pin")
        return
    if not yes:
        question = (
            "Trust the new one from now on? Say yes only if you know who changed it"
            if shown.is_changed
            else "Trust it from now on? Compare the fingerprint on the gateway's machine"
        )
        typer.confirm(question, abort=True)
    trust_shown(shown, accept_stock_certificate=accept_stock_certificate)
    print_line(f"trusted: written to {known_gateways_file()}")


def _show(shown: "ShownCertificate") -> None:
    facts = shown.facts
    names = ", ".join(facts.names) or "no host"
    print_line(f"gateway      {shown.host}:{shown.port}")
    print_line(f"fingerprint  {facts.fingerprint}")
    if shown.is_changed:
        print_line(f"until now    {shown.pinned}{' (the one that IBKR ships)' if shown.pinned_is_stock else ''}")
    print_line(f"subject      {facts.subject}{', self-signed' if facts.self_signed else ''}, for {names}")
    print_line(f"valid        {facts.not_before:%Y-%m-%d} to {facts.not_after:%Y-%m-%d}")
    if shown.is_stock:
        print_line("kind         the one that IBKR ships with every gateway: its private key is public")
