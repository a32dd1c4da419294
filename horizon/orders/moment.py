"""What guards look at when an order comes straight from a person or a program."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from horizon.accounting import Day, Ledger
from horizon.guards.prices import mark
from horizon.model import (
    ZERO,
    Account,
    DayProfit,
    Fill,
    Instrument,
    Market,
    MarketId,
    Order,
    OrderRequest,
    Position,
    Quote,
    split_instrument,
)
from horizon.orders.desk import Desk


class Books:
    """Ledger, trading day and account of an order service, from what the venue reported at its start."""

    def __init__(self, account: Account, positions: Sequence[Position], known: Sequence[Fill], now: int) -> None:
        self.account = account
        self.read_at = now
        self.ledger = Ledger()
        self.ledger.start(positions, [account], known)
        self.day = Day(self.ledger)
        self.day.start(now, positions, known)


class Moment:
    """The moment at which an order is about to leave, or `replaces` another."""

    def __init__(
        self,
        desk: Desk,
        books: Books,
        markets: Mapping[MarketId, Market],
        quotes: Mapping[Instrument, Quote],
        *,
        now: int,
        leaving: Sequence[OrderRequest] = (),
        replaces: Order | None = None,
    ) -> None:
        self._desk = desk
        self._books = books
        self._markets = markets
        self._quotes = quotes
        self._now = now
        self._leaving = leaving
        self._replaces = replaces
        self._without = () if replaces is None else (replaces.client_order_id,)
        if now >= books.day.ends:
            books.day.turn(now, self._mark)

    @property
    def now(self) -> int:
        return self._now

    def market(self, instrument: Instrument) -> Market | None:
        return self._markets.get(split_instrument(instrument)[1])

    def quote(self, instrument: Instrument) -> Quote | None:
        return self._quotes.get(instrument)

    def position(self, instrument: Instrument) -> Decimal:
        return self._books.ledger.position(instrument)

    def worst_case(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        low, high = self._desk.extremes(instrument, without=self._without, also=self._leaving)
        held = self.position(instrument) - self._filled_before(instrument)
        return held + low, held + high

    def unsettled(self, exchange: str, instrument: Instrument | None = None) -> list[Order]:
        return self._desk.unsettled(instrument, without=self._without, also=self._leaving)

    def account(self, exchange: str) -> Account | None:
        return self._books.account

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._books.ledger.cash_at(exchange, currency)

    def settled_cash(self, exchange: str, currency: str) -> Decimal | None:
        return self._books.ledger.settled_at(exchange, currency)

    def day_profit(self) -> DayProfit:
        return self._books.day.profit(self._mark)

    def _filled_before(self, instrument: Instrument) -> Decimal:
        """What the order that is to be changed has filled: the changed one asks for it again."""
        order = self._replaces
        if order is None or order.instrument != instrument:
            return ZERO
        return order.filled * order.request.order_side.sign

    def _mark(self, name: Instrument) -> Decimal | None:
        return mark(self, name)
