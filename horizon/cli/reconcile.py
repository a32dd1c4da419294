"""`horizon reconcile`: what is known here against what the venue says."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from horizon.cli.orders import reach
from horizon.cli.output import print_json, print_line

if TYPE_CHECKING:
    from horizon.orders.reconcile import Reconciliation


def command(
    account: reach.Account = None,
    accept: Annotated[
        str, typer.Option(help="Why the positions that the venue holds are right, though no fill explains them.")
    ] = "",
    profile: reach.Profile = None,
    api_url: reach.ApiUrl = None,
    certificate: reach.Certificate = None,
    journal: reach.Journal = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Compare the orders, fills and positions of an account with the venue's, and resolve what differs by its rule.

    The program that trades the account does it; without one, the account is opened for the moment. A position is read
    again over two minutes before it counts as different: ask again then. Exit code 1 when something differs.
    """
    from horizon.cli.orders.shown import as_json
    from horizon.orders.control.messages import Reconcile, ReconciledAnswer

    where = reach.Where(account=account, profile=profile, api_url=api_url, certificate=certificate, journal=journal)
    answer = asyncio.run(reach.reach(where, Reconcile(accept=accept), live=True))
    if not isinstance(answer, ReconciledAnswer):
        return
    if json:
        print_json(as_json(answer.result))
    else:
        _show(answer.result)
    if not answer.result.agrees:
        raise typer.Exit(1)


def _show(result: "Reconciliation") -> None:
    positions = "" if result.positions is None else f", {result.positions} positions"
    print_line(f"{result.account_id}: {result.orders} open orders, {result.fills} fills of a week{positions} compared")
    if result.remark:
        print_line(result.remark)
    for difference in result.differences:
        print_line(f"{difference.rule}: {difference.text}")
    for difference in result.known:
        print_line(f"still: {difference.text}")
    if result.agrees:
        print_line("nothing differs")
