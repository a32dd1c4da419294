"""A limit on what a trading day may cost."""

from datetime import UTC, datetime
from decimal import Decimal

from horizon.guards.guard import GuardView, is_exit
from horizon.guards.limits import positive
from horizon.model import ZERO, Account, DayProfit, Number, OrderRequest, plain


class DailyLoss:
    """Once the day has lost `limit`, refuses every order but exits until the next trading day.

    The loss is realised and unrealised, by booked fills, commissions and the latest prices, of everything the run
    trades, in the currency of the account; other currencies at the rates that the account had at the start. The day is
    the calendar day of New York. What came back in the meantime does not open trading again. While something that was
    traded has no price, or a rate is missing, the loss is not known, and only exits pass.

    It is looked at when an order is about to leave, exits included.
    """

    name = "daily_loss"
    counts_the_day = True

    def __init__(self, limit: Number) -> None:
        self.limit = positive(limit, "the largest loss of a day")
        self._closed_until = 0
        self._lost = ""

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        unknown = self._look(view.day_profit(), view.account(request.exchange), view.now)
        if is_exit(request, view):
            return None
        if view.now < self._closed_until:
            until = datetime.fromtimestamp(self._closed_until // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M UTC")
            return (
                f"the day has lost {self._lost}, and the limit is {plain(self.limit)}: only exits leave until {until}"
            )
        return unknown

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""

    def _look(self, day: DayProfit, account: Account | None, now: int) -> str | None:
        """Close for the day when the loss is reached. The text says why it can't be told."""
        if now < self._closed_until:
            return None
        if day.unpriced:
            return f"what the day has lost is not known: there is no price of {', '.join(day.unpriced)}"
        profit = ZERO
        home = "USD" if account is None else account.currency
        for currency, amount in day.by_currency.items():
            rate = _rate(account, currency, home)
            if amount and rate is None:
                return f"what the day has lost is not known: there is no rate from {currency} to {home}"
            profit += amount * (rate or ZERO)
        if -profit >= self.limit:
            self._closed_until = day.ends
            self._lost = f"{plain(-profit)} {home}"
        return None


def _rate(account: Account | None, currency: str, home: str) -> Decimal | None:
    if currency == home:
        return Decimal(1)
    row = None if account is None else account.balance(currency)
    return None if row is None else row.exchange_rate
