"""Only accounts that were named, and only accounts."""

from horizon.errors import ConfigurationError
from horizon.guards.guard import GuardView
from horizon.model import OrderRequest

_EVERYBODY = "ALL"


class AllowedAccounts:
    """Refuses an order of any account that is not in the list. Groups, models and `All` are no accounts."""

    name = "allowed_accounts"

    def __init__(self, *accounts: str) -> None:
        if not accounts:
            raise ConfigurationError("expected the ids of the accounts that may trade, found none")
        for account in accounts:
            # an adviser's models are written as ACCOUNT.MODEL
            if not account.isalnum() or account.upper() == _EVERYBODY or not any(map(str.isdigit, account)):
                raise ConfigurationError(
                    f"expected account ids such as U1234567, found {account!r}: groups, models and All are no accounts"
                )
        self.accounts = frozenset(accounts)

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if request.account_id in self.accounts:
            return None
        return f"account {request.account_id or 'without a name'} is not one of {', '.join(sorted(self.accounts))}"

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""
