"""`horizon orders cancel` and `cancel-all`. They lower the risk, so a live account needs no further consent."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from horizon.cli.orders import reach
from horizon.cli.output import print_line

if TYPE_CHECKING:
    from horizon.orders.control.messages import Command

Protective = Annotated[bool, typer.Option("--protective", help="Protective orders too: stops and exits of brackets.")]
Everywhere = Annotated[bool, typer.Option("--everywhere", help="Orders that were placed elsewhere too.")]


def cancel(
    order: Annotated[str, typer.Argument(help="The order's own id, or the venue's.")],
    account: reach.Account = None,
    profile: reach.Profile = None,
    api_url: reach.ApiUrl = None,
    certificate: reach.Certificate = None,
    journal: reach.Journal = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Cancel one order, and wait for the venue to confirm."""
    from horizon.orders.control.messages import Cancel

    where = reach.Where(account=account, profile=profile, api_url=api_url, certificate=certificate, journal=journal)
    _do(where, Cancel(order_id=order), json=json)


def cancel_all(
    protective: Protective = False,
    everywhere: Everywhere = False,
    account: reach.Account = None,
    profile: reach.Profile = None,
    api_url: reach.ApiUrl = None,
    certificate: reach.Certificate = None,
    journal: reach.Journal = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on one line.")] = False,
) -> None:
    """Cancel the orders of one account that were sent from here, by this program or an earlier one."""
    from horizon.orders.control.messages import CancelAll

    where = reach.Where(account=account, profile=profile, api_url=api_url, certificate=certificate, journal=journal)
    _do(where, CancelAll(protective=protective, everywhere=everywhere), json=json)


def _do(where: reach.Where, command: "Command", *, json: bool) -> None:
    from horizon.cli.orders.shown import show_orders
    from horizon.orders.control.messages import OrdersAnswer

    answer = asyncio.run(reach.reach(where, command, live=True))
    if isinstance(answer, OrdersAnswer) and not answer.orders and not json:
        print_line("no orders of ours to cancel")
    if isinstance(answer, OrdersAnswer) and not show_orders(answer, json=json):
        raise typer.Exit(1)
