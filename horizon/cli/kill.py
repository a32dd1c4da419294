"""`horizon kill`: stop trading, here and now, with or without the program that trades."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from horizon.cli.orders import reach
from horizon.cli.orders.cancelling import Everywhere, Protective
from horizon.cli.output import errors, print_line
from horizon.clock import SystemClock
from horizon.errors import HorizonError

if TYPE_CHECKING:
    from horizon.orders.control.messages import Answer, Kill


def command(
    account: reach.Account = None,
    reason: Annotated[str, typer.Option(help="Why; every refused order says so.")] = "horizon kill",
    protective: Protective = False,
    everywhere: Everywhere = False,
    reset: Annotated[bool, typer.Option("--reset", help="Let orders pass again.")] = False,
    profile: reach.Profile = None,
    api_url: reach.ApiUrl = None,
    certificate: reach.Certificate = None,
    journal: reach.Journal = None,
) -> None:
    """Refuse every new order of an account, or of all, until --reset, and cancel what works.

    Works without the program that trades: the switch is a file, and the account is opened here when nobody else has it.
    Exit code 1 when the switch is pulled and not everything could be cancelled.
    """
    from horizon.orders.control.messages import Kill

    where = reach.Where(account=account, profile=profile, api_url=api_url, certificate=certificate, journal=journal)
    if reset:
        _reset(account)
        return
    _pull(account, reason)
    wanted = Kill(reason=reason, protective=protective, everywhere=everywhere)
    if not asyncio.run(_cancel(where, wanted)):
        raise typer.Exit(1)


def _pull(account: str | None, reason: str) -> None:
    from horizon.orders.kill_file import KillFile

    switch = KillFile(reach.EXCHANGE, account or "")
    pulled = switch.pull(reason, now=SystemClock().now())
    print_line(f"the kill switch of {account or 'all accounts'} is pulled ({pulled.reason}): {switch.path}")


def _reset(account: str | None) -> None:
    from horizon.orders.kill_file import KillFile, pulled_switches

    switches = [KillFile(reach.EXCHANGE, account)] if account else pulled_switches()
    for switch in switches:
        if switch.reset():
            print_line(f"reset: {switch.path}")
    print_line("orders may leave again")


async def _cancel(where: reach.Where, wanted: "Kill") -> bool:
    """Whether everything that was to be cancelled is."""
    from horizon.orders.control.client import OwnerGone, ask_owner

    whole, asked = True, False
    for journal in reach.journals(where):
        try:
            owner, answer = await ask_owner(journal, wanted, SystemClock())
        except OwnerGone:
            continue
        except HorizonError as error:
            _warn(f"{reach.account_of(journal)}: {error}")
            whole = False
        else:
            print_line(f"process {owner.pid}, which trades {owner.account_id}, has stopped")
            whole = _show(answer) and whole
        asked = True
    return whole if asked else await _by_itself(where, wanted)


async def _by_itself(where: reach.Where, wanted: "Kill") -> bool:
    """Nobody who trades could be asked: open each account that was ever traded here, or the one that is meant."""
    accounts: list[str | None] = [where.account]
    if where.journal is None and (known := reach.journals(where)):
        accounts = [reach.account_of(each) for each in known]
    whole = True
    for account in accounts:
        try:
            answer = await reach.by_itself(msgspec.structs.replace(where, account=account), wanted, live=True)
        except HorizonError as error:
            _warn(f"nothing new leaves, but orders at the venue were not cancelled: {error}")
            whole = False
        else:
            whole = _show(answer) and whole
    return whole


def _show(answer: "Answer") -> bool:
    from horizon.cli.orders.shown import show_orders
    from horizon.orders.control.messages import OrdersAnswer

    if not isinstance(answer, OrdersAnswer):
        return False
    if not answer.orders:
        print_line("no orders of ours to cancel")
    return show_orders(answer, json=False) and all(order.is_done for order in answer.orders)


def _warn(text: str) -> None:
    errors.print(f"warning: {text}", markup=False, soft_wrap=True)
