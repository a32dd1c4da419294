"""Which accounts a login has, and the one that order and trade reads are about.

Reads of orders and trades answer for the account that is selected in the session. With several accounts on one login
a read of the wrong one looks exactly like "no such order", so selecting and reading happen under one lock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from exchanges.ibkr.client import Client
from exchanges.ibkr.session import Session
from exchanges.ibkr.wire.session import Message
from horizon.errors import ConfigurationError, VenueUnavailable
from horizon.model import AccountId
from horizon.net.rates import Priority

_EVERY_ACCOUNT = "ALL"


class AccountSelection:
    """The lock over the selected account, and the check that an account is one of the login."""

    def __init__(self, client: Client, session: Session) -> None:
        self._client = client
        self._session = session
        self._lock = asyncio.Lock()

    def check(self, account_id: str) -> None:
        """Raise ConfigurationError, with the accounts of the login, for anything that is not one of them."""
        names = [account.account_id for account in self._session.accounts]
        if account_id in names:
            return
        what = "stands for several accounts" if account_id.upper() == _EVERY_ACCOUNT else "is not one of this login"
        raise ConfigurationError(
            f"account {account_id!r} {what}: use one of {', '.join(names) or '(none: the session is not open)'}"
        )

    @asynccontextmanager
    async def of(self, account_id: AccountId, priority: Priority = Priority.POLLING) -> AsyncIterator[None]:
        """A block whose reads are about `account_id`. Raises ConfigurationError for a foreign account."""
        self.check(account_id)
        async with self._lock:
            if len(self._session.accounts) > 1 and self._session.selected_account != account_id:
                await self._select(account_id, priority)
            yield

    async def _select(self, account_id: AccountId, priority: Priority) -> None:
        # Until the venue has agreed, nothing is known about which one is selected.
        self._session.selected_account = None
        answer = await self._client.post("/iserver/account", Message, body={"acctId": account_id}, priority=priority)
        if answer.set is False or answer.acctId not in (None, account_id):
            raise VenueUnavailable(
                f"the venue selected account {answer.acctId!r} instead of {account_id}: nothing was read"
            )
        self._session.selected_account = account_id
