"""An adviser's order is for one client."""

from horizon.guards.guard import GuardView
from horizon.model import OrderRequest


class SubAccount:
    """Refuses an order of an adviser's or broker's master account: it would be allocated to the accounts below."""

    name = "sub_account"

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        account = view.account(request.exchange)
        if account is None or not account.is_master:
            return None
        return (
            f"{account.account_id} is a master account, and what it trades is allocated to others: choose the account "
            "that is meant with account_id="
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""
