"""Cash of each account by currency: what is there, and what of it has settled. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from horizon.model import ZERO, Account, Fill, FillKind


class AccountCash:
    """Cash and settled cash per exchange and currency, from what the venue reported and what was booked since.

    Settled cash only falls: by every purchase and commission, while what a sale brings in settles on a later day and
    counts once the venue reports it. Venues leave trades that have not settled yet out of the settled cash they
    report, so the purchases among the fills that are known at the start are taken from it too.
    """

    def __init__(self) -> None:
        self._cash: dict[tuple[str, str], Decimal] = {}
        self._settled: dict[tuple[str, str], Decimal | None] = {}
        self._reported: set[str] = set()

    def start(self, accounts: Iterable[Account], known: Iterable[Fill]) -> None:
        """Begin with what the venue holds; `known` fills are in its cash already."""
        for account in accounts:
            for row in account.balances:
                if row.currency != "BASE":
                    key = account.exchange, row.currency
                    self._cash[key] = row.cash
                    self._settled[key] = row.settled_cash
                    self._reported.add(account.exchange)
            if account.exchange not in self._reported and account.cash is not None:
                self._cash[account.exchange, account.currency] = account.cash
        for fill in known:
            if fill.kind is not FillKind.NETTING:
                self._spend(fill.exchange, fill.currency, fill.money)
                self._spend(fill.exchange, fill.commission_currency, -(fill.commission or ZERO))

    def move(self, exchange: str, currency: str, money: Decimal) -> None:
        """Book money that came in, or went out (below 0)."""
        key = exchange, currency
        self._cash[key] = self._cash.get(key, ZERO) + money
        self._spend(exchange, currency, money)

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        """What is there, settled or not; None when the venue has not said."""
        found = self._cash.get((exchange, currency))
        return ZERO if found is None and exchange in self._reported else found

    def settled(self, exchange: str, currency: str) -> Decimal | None:
        """What may be spent without waiting for a sale to settle; None when the venue has not said."""
        key = exchange, currency
        if key not in self._settled:
            return ZERO if exchange in self._reported else None
        settled = self._settled[key]
        return None if settled is None else min(settled, self._cash.get(key, ZERO))

    def _spend(self, exchange: str, currency: str, money: Decimal) -> None:
        if money < 0 and exchange in self._reported:
            settled = self._settled.get((exchange, currency), ZERO)
            self._settled[exchange, currency] = None if settled is None else settled + money
