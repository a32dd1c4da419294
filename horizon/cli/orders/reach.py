"""The way from a command to an account: through the program that trades it, or by opening it for the moment."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from horizon.cli.output import errors
from horizon.clock import SystemClock
from horizon.directories import state_directory
from horizon.errors import ConfigurationError
from horizon.guards import Guard

if TYPE_CHECKING:
    from horizon.orders.control.messages import Answer, Command

EXCHANGE = "ibkr"
"""The only exchange so far."""

Account = Annotated[str | None, typer.Option(help="Account id, instead of the profile's.")]
Profile = Annotated[str | None, typer.Option(help="How to sign in: a table of ibkr.toml; otherwise its default.")]
ApiUrl = Annotated[str | None, typer.Option(help="The gateway or API to use, instead of the profile's.")]
Certificate = Annotated[str | None, typer.Option(help="PEM file or sha256 fingerprint of the gateway's certificate.")]
Journal = Annotated[Path | None, typer.Option(help="The account's journal, where it is not the usual one.")]


class Where(msgspec.Struct, frozen=True, kw_only=True):
    """Which account, and how to sign in where nobody trades it."""

    account: str | None = None
    profile: str | None = None
    api_url: str | None = None
    certificate: str | None = None
    journal: Path | None = None


def journals(where: Where) -> list[Path]:
    """The journal that is meant, or every one there is when no account was named."""
    from horizon.orders.claim import journal_path

    if where.journal is not None:
        return [where.journal]
    account = where.account or _account_of_settings(where.profile)
    if account is not None:
        return [journal_path(EXCHANGE, account)]
    return sorted((state_directory() / "orders").glob(f"{EXCHANGE}-*.sqlite"))


def account_of(journal: Path) -> str:
    """The account whose usual journal this is."""
    return journal.stem.removeprefix(f"{EXCHANGE}-")


async def reach(
    where: Where, command: "Command", *, live: bool = False, guards: Sequence[Guard] | None = None
) -> "Answer":
    """The answer of the program that trades the account, or of this one when there is none.

    `live` is consent for this program alone: one that trades has its own.
    """
    from horizon.orders.control.client import OwnerGone, ask_owner

    clock, found = SystemClock(), []
    for journal in _owned(where):
        try:
            found.append(await ask_owner(journal, command, clock))
        except OwnerGone:
            continue
    if found:
        owner, answer = found[0]
        errors.print(f"asked process {owner.pid}, which trades {owner.account_id}", markup=False, soft_wrap=True)
        return answer
    return await by_itself(where, command, live=live, guards=guards)


def _owned(where: Where) -> list[Path]:
    """The journal whose owner is to be asked; several are one too many to send an order to."""
    from horizon.orders.owner import owner_of

    owned = [journal for journal in journals(where) if owner_of(journal) is not None]
    if len(owned) > 1:
        accounts = ", ".join(map(account_of, owned))
        raise ConfigurationError(f"several accounts are traded here ({accounts}): say which with --account")
    return owned


async def by_itself(where: Where, command: "Command", *, live: bool, guards: Sequence[Guard] | None = None) -> "Answer":
    """Open the account, do it, and close. Raises what opening and the command raise."""
    from exchanges.ibkr.exchange import InteractiveBrokers
    from horizon.orders.control.messages import ListOrders, ListPositions

    reads = isinstance(command, ListOrders | ListPositions)
    broker = InteractiveBrokers.from_settings(
        where.profile,
        api_url=where.api_url,
        account_id=where.account,
        certificate=where.certificate,
        journal=where.journal,
        live=live and not reads,
        read_only=reads,
        guards=guards,
    )
    async with broker:
        return await broker.obey(command)


def _account_of_settings(profile: str | None) -> str | None:
    from exchanges.ibkr.settings import choose

    return choose(profile).settings.account_id
