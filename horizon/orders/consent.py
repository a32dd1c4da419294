"""Whether anything may be changed at an account, as far as its owner has agreed."""

import msgspec

from horizon.errors import ConfigurationError
from horizon.model import Account


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """`live` agrees to orders with real money, `read_only` forbids every change anywhere."""

    live: bool = False
    read_only: bool = False

    def __post_init__(self) -> None:
        if self.live and self.read_only:
            raise ConfigurationError("expected live=True or read_only=True, found both: leave one of them out")

    def reason_against(self, account: Account) -> str:
        """Why nothing may be sent; empty when it may. An account that does not say that it is paper counts as live."""
        if self.read_only:
            return f"{account.account_id} is opened with read_only=True: nothing is sent that changes anything"
        if account.is_live is False or self.live:
            return ""
        kind = "is a live account" if account.is_live else "is not known to be a paper account"
        return (
            f"{account.account_id} {kind}: no order is sent without consent, which is live=True together with limits "
            "(horizon.guards.live_guards), or horizon run --live"
        )

    def require(self, account: Account) -> None:
        """Raise ConfigurationError unless changes may be sent."""
        if reason := self.reason_against(account):
            raise ConfigurationError(reason)
