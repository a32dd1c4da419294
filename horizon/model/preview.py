"""What an order would cost and change, asked before it is sent."""

from decimal import Decimal

import msgspec

from horizon.model.identifiers import AccountId


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """An amount before and after an order; None where the venue did not say."""

    before: Decimal | None = None
    change: Decimal | None = None
    after: Decimal | None = None


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's estimate for an order or a bracket. Nothing was sent to a market, and nothing was confirmed.

    `amount`, `commission` and `total` are in `currency`, the market's; equity and margins are in `account_currency`,
    the account's own. What the venue did not say is None.
    """

    exchange: str
    account_id: AccountId
    currency: str
    account_currency: str
    amount: Decimal | None = None
    commission: Decimal | None = None
    """The least of it, where the venue gives a range."""
    most_commission: Decimal | None = None
    total: Decimal | None = None
    equity: Change = Change()
    initial_margin: Change = Change()
    maintenance_margin: Change = Change()
    position: Change = Change()
    warnings: tuple[str, ...] = ()
    """What the venue would warn of or ask; none of it has been answered."""
