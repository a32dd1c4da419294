"""The accounts of a login, and whether each is live or paper."""

import re
from collections.abc import Awaitable, Callable

import msgspec

from exchanges.ibkr.client import Client
from exchanges.ibkr.wire.accounts import BrokerageAccounts, PortfolioAccount
from horizon.errors import BrokerageSessionDown, ConfigurationError
from horizon.model import AccountId
from horizon.net.rates import Priority

_LIVE_LOGIN, _PAPER_LOGIN = 1, 2


class LoginAccount(msgspec.Struct, frozen=True):
    """One account of the login."""

    account_id: AccountId
    is_live: bool | None
    """None when nothing tells: such an account is not traded without being asked for."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What the venue says about a login once its brokerage session is open."""

    accounts: tuple[LoginAccount, ...] = ()
    portfolio: tuple[PortfolioAccount, ...] = ()
    """Reading them is also what opens every other portfolio call."""
    selected: AccountId | None = None


async def ask_accounts(client: Client) -> BrokerageAccounts:
    """`/iserver/accounts`, which the venue wants before orders, snapshots and account calls."""
    return await client.get("/iserver/accounts", BrokerageAccounts, priority=Priority.KEEPALIVE)


async def read_login(client: Client, login_type: Callable[[], Awaitable[int | None]]) -> Login:
    """Both lists of accounts, which primes every other call. `login_type` (1 live, 2 paper) is asked only when the
    accounts do not say whether they are paper.

    Raises BrokerageSessionDown while the venue lists no account, ConfigurationError when the signs of live and paper
    contradict each other.
    """
    brokerage = await ask_accounts(client)
    rows = await client.get("/portfolio/accounts", list[PortfolioAccount], priority=Priority.KEEPALIVE)
    kind = await login_type() if brokerage.isPaper is None else None
    return Login(accounts=login_accounts(brokerage, kind), portfolio=tuple(rows), selected=selected_in(brokerage))


def login_accounts(brokerage: BrokerageAccounts, login_type: int | None) -> tuple[LoginAccount, ...]:
    """The accounts that can be traded, each live or paper; raises as `read_login` does."""
    groups = {"All", *(group for group in (*brokerage.groups, *brokerage.profiles) if isinstance(group, str))}
    accounts = tuple(
        LoginAccount(AccountId(name), is_live(name, is_paper=brokerage.isPaper, login_type=login_type))
        for name in brokerage.accounts
        if name not in groups
    )
    if not accounts:
        raise BrokerageSessionDown("the venue lists no account for this login yet: ask again in a minute")
    return accounts


def selected_in(brokerage: BrokerageAccounts) -> AccountId | None:
    """The account that order and trade reads are about."""
    return AccountId(brokerage.selectedAccount) if brokerage.selectedAccount else None


def is_live(account_id: str, *, is_paper: bool | None, login_type: int | None) -> bool | None:
    """Whether an account is live, by every sign that is present; None when there is no sign.

    The signs: `isPaper` of the accounts answer, LOGIN_TYPE of the sign-in (1 live, 2 paper), and the account id (`DU`
    and digits or letters is paper, `U` and digits is live). Raises ConfigurationError when they contradict each other.
    """
    signs: dict[str, bool] = {}
    if is_paper is not None:
        signs[f"isPaper {str(is_paper).lower()}"] = not is_paper
    if login_type in (_LIVE_LOGIN, _PAPER_LOGIN):
        signs[f"login type {login_type}"] = login_type == _LIVE_LOGIN
    if account_id.startswith("DU"):
        signs[f"account id {account_id}"] = False
    elif re.fullmatch(r"U\d+[A-Z]?", account_id):
        signs[f"account id {account_id}"] = True
    if len(set(signs.values())) > 1:
        told = ", ".join(f"{sign} says {'live' if live else 'paper'}" for sign, live in signs.items())
        raise ConfigurationError(
            f"expected every sign of live or paper to agree for {account_id}, found: {told}; nothing is traded until "
            f"they do: check which user is signed in"
        )
    return next(iter(signs.values()), None)
