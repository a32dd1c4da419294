"""What a person agrees to on the command line: an account with real money, and the limits of a run."""

import sys
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from horizon.errors import ConfigurationError
from horizon.guards import Guard, default_guards, live_guards

Live = Annotated[bool, typer.Option("--live", help="Trade real money: asks for the account id to be typed.")]
YesLive = Annotated[
    str | None,
    typer.Option("--yes-live", metavar="ACCOUNT", help="As --live, with the account id said here: for services."),
]
Limit = str | None
MaxSize = Annotated[Limit, typer.Option(help="Most shares or contracts of one order.")]
MaxNotional = Annotated[Limit, typer.Option(help="Most money that one order moves.")]
MaxPosition = Annotated[Limit, typer.Option(help="Most held of one instrument, long or short.")]
MaxDailyLoss = Annotated[Limit, typer.Option(help="Loss of a day after which only exits leave.")]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits that were given, as they were typed."""

    max_size: Limit = None
    max_notional: Limit = None
    max_position: Limit = None
    max_daily_loss: Limit = None

    def guards(self, *, live: bool) -> Sequence[Guard] | None:
        """The guards of the run; None for the default. With real money every limit has to be given."""
        given = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        if not live:
            return default_guards(**given) if given else None
        missing = [f"--{name.replace('_', '-')}" for name in self.__struct_fields__ if name not in given]
        if missing:
            raise ConfigurationError(
                f"trading real money needs limits, and there is no default: add {', '.join(missing)}"
            )
        return live_guards(**given)


def agreed_account(live: bool, yes_live: str | None, account: str | None) -> str | None:
    """The account for which a person has agreed to real money, typed now or said; None when that was not asked for.

    Raises ConfigurationError when it is another one than `account`, or when nobody is there to type it.
    """
    if not live and yes_live is None:
        return None
    typed = yes_live
    if typed is None:
        if not sys.stdin.isatty():
            raise ConfigurationError("--live asks a person, and nobody can type here: use --yes-live ACCOUNT")
        typed = typer.prompt("Orders will trade real money. Type the account id to go on", err=True)
    typed = typed.strip()
    if not typed or (account is not None and account != typed):
        wanted = f"account id {account}" if account else "account id"
        raise ConfigurationError(
            f"expected the {wanted} to be typed for real money, found {typed!r}: nothing was started"
        )
    return typed
