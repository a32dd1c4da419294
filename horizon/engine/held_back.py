"""What guards look at when orders leave at last that were held back. Pure."""

from decimal import Decimal

from horizon.guards import GuardView
from horizon.model import Account, DayProfit, Instrument, Market, Order, OrderRequest, Quote
from horizon.orders.desk import Desk
from horizon.orders.effects import Send


class HeldBack:
    """The moment as `view` sees it, without the orders of `effect`, which are among the open ones already."""

    def __init__(self, view: GuardView, desk: Desk, effect: Send) -> None:
        self._view = view
        self._desk = desk
        self._ids = frozenset(request.client_order_id for request in effect.requests)
        self.passed: list[OrderRequest] = []
        """A limit holds for a group as a whole."""

    @property
    def now(self) -> int:
        return self._view.now

    def market(self, instrument: Instrument) -> Market | None:
        return self._view.market(instrument)

    def quote(self, instrument: Instrument) -> Quote | None:
        return self._view.quote(instrument)

    def position(self, instrument: Instrument) -> Decimal:
        return self._view.position(instrument)

    def unsettled(self, exchange: str, instrument: Instrument | None = None) -> list[Order]:
        return self._desk.unsettled(instrument, without=self._ids, also=self.passed)

    def account(self, exchange: str) -> Account | None:
        return self._view.account(exchange)

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._view.cash(exchange, currency)

    def settled_cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._view.settled_cash(exchange, currency)

    def day_profit(self) -> DayProfit:
        return self._view.day_profit()

    def worst_case(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        held = self.position(instrument)
        low, high = self._desk.extremes(instrument, without=self._ids, also=self.passed)
        return held + low, held + high
