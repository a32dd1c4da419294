"""`horizon orders list`: what can still fill at the venue, wherever it was placed."""

import asyncio
from typing import Annotated

import typer

from horizon.cli.orders import reach
from horizon.cli.output import print_json, print_line


def command(
    account: reach.Account = None,
    profile: reach.Profile = None,
    api_url: reach.ApiUrl = None,
    certificate: reach.Certificate = None,
    journal: reach.Journal = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Orders that can still fill, by the venue's own list."""
    from horizon.cli.orders.shown import as_json, report_line
    from horizon.orders.control.messages import ListOrders, ReportsAnswer

    where = reach.Where(account=account, profile=profile, api_url=api_url, certificate=certificate, journal=journal)
    answer = asyncio.run(reach.reach(where, ListOrders()))
    reports = answer.reports if isinstance(answer, ReportsAnswer) else ()
    if json:
        print_json({"orders": [as_json(report) for report in reports]})
        return
    for report in reports:
        print_line(report_line(report))
    if not reports:
        print_line("no open orders")
