"""The top of one instrument's book: what is shown, what of it has been taken, and which orders it could concern."""

from decimal import Decimal
from math import inf

from horizon.matching.kinds import STOPS, TOUCHED
from horizon.matching.working import WorkingOrder
from horizon.model import ZERO, OrderType, Quote, TimeInForce, exact


class Book:
    """One instrument's quote and its open orders.

    `concerns` is asked on every quote of a backtest, so it compares floats only; limits and shown prices are floats of
    short decimal texts, and turning a text into a float keeps its order, so nothing is missed.
    """

    __slots__ = (
        "_ask_taken",
        "_best_buy",
        "_best_sell",
        "_bid_taken",
        "_buy_stop",
        "_restless",
        "_sell_stop",
        "_stale",
        "orders",
        "quote",
    )

    def __init__(self) -> None:
        self.quote: Quote | None = None
        self.orders: list[WorkingOrder] = []
        self._ask_taken = self._bid_taken = ZERO
        self._find_thresholds()

    def show(self, quote: Quote) -> None:
        """Take a new quote. A side whose price or size differs is there to be taken anew."""
        before = self.quote
        if before is not None:
            if self._ask_taken and (quote.ask != before.ask or quote.ask_size != before.ask_size):
                self._ask_taken = ZERO
            if self._bid_taken and (quote.bid != before.bid or quote.bid_size != before.bid_size):
                self._bid_taken = ZERO
        self.quote = quote

    def concerns(self, quote: Quote) -> bool:
        """Whether a quote could fill or trigger any open order."""
        if not self.orders:
            return False
        if self._stale:
            self._find_thresholds()
        if self._restless:
            return True
        bid, ask = quote.bid, quote.ask
        return (ask is not None and (ask <= self._best_buy or ask >= self._buy_stop)) or (
            bid is not None and (bid >= self._best_sell or bid <= self._sell_stop)
        )

    def shown(self, *, to_buy: bool) -> Decimal | None:
        """The price at which the other side is shown, if it is."""
        if self.quote is None:
            return None
        price = self.quote.ask if to_buy else self.quote.bid
        return None if price is None else _decimal(price)

    def available(self, *, to_buy: bool, lot: Decimal) -> Decimal | None:
        """What is left of the shown size in whole lots; None where the size was not sent, which bounds nothing."""
        if self.quote is None:
            return ZERO
        size = self.quote.ask_size if to_buy else self.quote.bid_size
        if size is None:
            return None
        left = _decimal(size) - (self._ask_taken if to_buy else self._bid_taken)
        return max(left - left % lot, ZERO)

    def take(self, size: Decimal, *, to_buy: bool) -> None:
        if to_buy:
            self._ask_taken += size
        else:
            self._bid_taken += size

    def orders_changed(self) -> None:
        """To be called after any change to the orders; the thresholds are found again when they are next needed."""
        self._stale = True

    def by_priority(self) -> list[WorkingOrder]:
        """The open orders, each side by its priority."""
        return sorted(self.orders, key=lambda order: order.priority)

    def triggers(self, order: WorkingOrder) -> bool:
        """Whether the quote shown sets an order off: a stop by an ask at or above it (a buy) or a bid at or below it,
        an order that waits to be touched the other way round. The quote is the only price known here, so it stands in
        for the last trade."""
        price = self.shown(to_buy=order.is_buy)
        if price is None or order.stop is None:
            return False
        if order.request.order_type in TOUCHED:
            return price <= order.stop if order.is_buy else price >= order.stop
        return price >= order.stop if order.is_buy else price <= order.stop

    def trail(self, order: WorkingOrder) -> None:
        """Let the trigger of a trailing order follow the quote: down with the ask for a buy, up with the bid."""
        price, trailing = self.shown(to_buy=order.is_buy), order.request.trailing
        if price is None or trailing is None:
            return
        distance = trailing.amount if trailing.amount is not None else price * (trailing.percent or ZERO) / 100
        grid = order.market.price_grid
        if order.is_buy:
            follows = grid.ceil(price + distance)
            order.stop = follows if order.stop is None else min(order.stop, follows)
        else:
            follows = grid.floor(price - distance)
            order.stop = follows if order.stop is None else max(order.stop, follows)

    def peg(self, order: WorkingOrder) -> None:
        """Let the limit of a pegged order follow the quote: to the middle, rounded to its own side, or to the best
        price of its own side, bettered by its offset; never beyond its cap."""
        own, other = self.shown(to_buy=not order.is_buy), self.shown(to_buy=order.is_buy)
        if own is None or (other is None and order.request.order_type is OrderType.MIDPRICE):
            return
        grid, request = order.market.price_grid, order.request
        if request.order_type is OrderType.MIDPRICE and other is not None:
            limit = (own + other) / 2
        else:
            limit = own + (request.limit_offset or ZERO) * request.order_side.sign
        if request.price is not None:
            limit = min(limit, request.price) if order.is_buy else max(limit, request.price)
        order.peg = grid.floor(limit) if order.is_buy else grid.ceil(limit)

    def _find_thresholds(self) -> None:
        self._stale = False
        self._best_buy, self._best_sell = -inf, inf
        self._buy_stop, self._sell_stop = inf, -inf
        self._restless = False
        for order in self.orders:
            if order.held:
                continue
            if order.is_pegged or (order.awaits_trigger and (order.trails or order.stop is None)):
                self._restless = True
            elif order.awaits_trigger and order.stop is not None:
                self._await(float(order.stop), to_buy=order.is_buy, rises=order.request.order_type in STOPS)
            elif order.limit is None or not order.met or order.request.time_in_force is TimeInForce.OPG:
                self._restless = True
            elif order.is_buy:
                self._best_buy = max(self._best_buy, float(order.limit))
            else:
                self._best_sell = min(self._best_sell, float(order.limit))

    def _await(self, trigger: float, *, to_buy: bool, rises: bool) -> None:
        """Look out for a trigger. An order that waits to be touched looks out for what a limit order looks out for."""
        if to_buy and rises:
            self._buy_stop = min(self._buy_stop, trigger)
        elif to_buy:
            self._best_buy = max(self._best_buy, trigger)
        elif rises:
            self._sell_stop = max(self._sell_stop, trigger)
        else:
            self._best_sell = min(self._best_sell, trigger)


def _decimal(value: float) -> Decimal:
    """The shortest decimal text of a float; 4.0 is 4."""
    return Decimal(int(value)) if value % 1 == 0 else exact(value)
