"""Every order of the login, from its acceptance to its end, and what its fills do to the accounts.

Orders meet quotes in the matching core; here is what the gateway keeps beside it: its own numbers, cOIDs that may be
used once in 24 hours, cancels that take a moment, executions, and the netting of event contracts.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile

import msgspec

from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.ledger import ZERO, Ledger
from exchanges.ibkr.simulator.tape import Tape
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.clock import NANOSECONDS
from horizon.matching import FeesByKind, MatchingEngine, PerContract, PerShare, VenueOutput
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderRequest,
    OrderSide,
    OrderType,
    PriceGrid,
    Quote,
    TimeInForce,
    TradingHours,
    instrument,
)
from horizon.model import Side as Outcome

VENUE = "gateway"
PAYOUT = Decimal("1.00")
CANCEL_TAKES = NANOSECONDS // 2
"""A cancel of an order at the market is asked of the exchange; until its answer the order can fill."""
COID_LIFETIME = 24 * 3600 * NANOSECONDS
_SOON, _LATER, _NIGHT = 1, 30, 900
_NEAR, _NEAR_EVENT = 0.01, 0.05
"""How close a price is to the market for that: a share of it, or dollars of an event contract."""
_KEPT_EXECUTIONS = 100_000
_KEPT_ORDERS = 50_000
_FIRST_ORDER_ID = 1_370_093_238
_TYPES = {"LMT": OrderType.LIMIT, "MKT": OrderType.MARKET, "STP": OrderType.STOP, "STOP_LIMIT": OrderType.STOP_LIMIT}
_KINDS = {"STK": MarketKind.STOCK, "IND": MarketKind.INDEX, "OPT": MarketKind.OPTION}


@dataclass
class PlacedOrder:
    """One accepted order. What it has come to is asked of the matching core by its number."""

    order_id: int
    account: str
    ticket: Ticket
    contract: Contract
    placed: int
    parent_id: int | None = None
    group: str = ""
    cancel_due: int | None = None

    @property
    def key(self) -> ClientOrderId:
        return ClientOrderId(str(self.order_id))


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution report. Side `N` is a netting report: no trade, two sides of an event turned into money."""

    execution_id: str
    time: int
    account: str
    contract: Contract
    side: str
    size: Decimal
    price: Decimal
    commission: Decimal | None
    order_id: int
    order_ref: str | None
    exchange: str
    position: Decimal
    """What is held after it."""


class Desk:
    """Orders and executions of all accounts."""

    def __init__(self, catalogue: Catalogue, tape: Tape, ledgers: dict[str, Ledger]) -> None:
        self._catalogue = catalogue
        self._tape = tape
        self._ledgers = ledgers
        self._fees = FeesByKind(
            kinds={
                MarketKind.STOCK: PerShare(),
                MarketKind.OPTION: PerContract(rate=Decimal("0.65"), minimum=Decimal("1.00")),
            }
        )
        self._engine = MatchingEngine(VENUE, fees=self._fees, keep_done=2 * _KEPT_ORDERS)
        self._known: set[int] = set()
        self._orders: dict[int, PlacedOrder] = {}
        self._registered: dict[tuple[str, str], PlacedOrder] = {}
        self._next_id = _FIRST_ORDER_ID
        self.executions: deque[Execution] = deque(maxlen=_KEPT_EXECUTIONS)
        self.changed = asyncio.Event()
        """Set when an order was placed, changed or cancelled."""

    def looks_again_in(self, now: int) -> float:
        """Seconds until resting orders must be looked after though nobody asks: one
        while any is near its price or about to be cancelled, more otherwise, most while the stock market is closed."""
        working = [self._orders[int(order.client_order_id)] for order in self._engine.open_orders()]
        if any(self._is_near(order, now) for order in working):
            return _SOON
        if self._tape.session_at(now) is not None:
            return _LATER
        opens = min((s.opens for s in self._tape.sessions if s.opens > now), default=now + _NIGHT * NANOSECONDS)
        return min((opens - now) / NANOSECONDS, _NIGHT)

    def _is_near(self, order: PlacedOrder, now: int) -> bool:
        if order.cancel_due is not None:
            return True
        if not self._tape.is_open(order.contract, now):
            return False
        touch, ticket = self._tape.touch(order.ticket.conid, now), order.ticket
        price = ticket.stop if ticket.stop is not None else ticket.price
        mark = touch.mark if touch else None
        if price is None or mark is None:
            return True
        if order.contract.is_event:
            return mark - float(price) < _NEAR_EVENT
        above = mark / float(price) - 1
        # A buy limit and a sell stop wait for the market to come down, the others for it to come up.
        return above < _NEAR if (ticket.side == "BUY") == (ticket.stop is None) else above > -_NEAR

    def orders(self, account: str) -> Iterator[PlacedOrder]:
        """Every order of the account, newest first."""
        return (order for order in reversed(self._orders.values()) if order.account == account)

    def orders_after(self, order_id: int) -> list[PlacedOrder]:
        """Orders of all accounts with a higher number, oldest first."""
        newest_first = reversed(self._orders.values())
        return list(takewhile(lambda order: order.order_id > order_id, newest_first))[::-1]

    def find(self, order_id: int) -> PlacedOrder | None:
        return self._orders.get(order_id)

    def progress(self, order: PlacedOrder) -> Order:
        """What the order has come to."""
        found = self._engine.order(order.key)
        if found is None:
            raise LookupError(f"order {order.order_id} is not known to the matching core any more")
        return found

    def open_orders(self, account: str) -> list[PlacedOrder]:
        """Orders of the account that can still fill, newest first."""
        found = self._engine.open_orders(AccountId(account))
        return [self._orders[int(order.client_order_id)] for order in reversed(found)]

    def is_working(self, order: PlacedOrder, now: int) -> bool:
        """Whether an open order is at the exchange: not a child that waits, a stop not triggered, a closed market."""
        return self._tape.is_open(order.contract, now) and not self._engine.is_waiting(order.key)

    def is_registered(self, account: str, coid: str, now: int) -> bool:
        """Whether a cOID was used by this account in the last 24 hours."""
        used = self._registered.get((account, coid))
        return used is not None and now - used.placed < COID_LIFETIME

    def commission(self, contract: Contract, side: str, size: Decimal, value: Decimal) -> Decimal:
        """What an order of this size and value would be charged."""
        return self._fees.total(_market(contract, self._tape), OrderSide(side), size, value)

    def place(self, account: str, tickets: Sequence[Ticket], now: int) -> list[PlacedOrder]:
        """Take checked tickets as one group. Parents are found by cOID, in this group or before it, or by number."""
        placed: list[PlacedOrder] = []
        for ticket in tickets:
            order = PlacedOrder(
                order_id=self._next_id,
                account=account,
                ticket=ticket,
                contract=self._catalogue[ticket.conid],
                placed=now,
            )
            self._next_id += 1
            order.parent_id = self._parent_id(account, ticket)
            if any(other.in_group for other in tickets):
                order.group = f"oco-{placed[0].order_id if placed else order.order_id}"
            if ticket.coid is not None:
                self._registered[account, ticket.coid] = order
            self._orders[order.order_id] = order
            placed.append(order)
            self._show(ticket.conid, now)
        self._book(self._engine.place([_request(order) for order in placed], now))
        self._forget_the_oldest()
        self.changed.set()
        return placed

    def parent_exists(self, account: str, ticket: Ticket) -> bool:
        return ticket.parent is None or self._parent_id(account, ticket) is not None

    def modify(self, order: PlacedOrder, ticket: Ticket, now: int) -> str:
        """Change an open order. Returns the reason of a refusal, which leaves the order as it was."""
        self._show(ticket.conid, now)
        changed = PlacedOrder(order.order_id, order.account, ticket, order.contract, order.placed, group=order.group)
        out = self._engine.replace(order.key, _request(changed), now)
        refused = next((o.reason for o in out if not isinstance(o, Fill) and o.refused_change), "")
        if not refused:
            order.ticket = msgspec.structs.replace(ticket, coid=order.ticket.coid, parent=order.ticket.parent)
        self._book(out)
        self.changed.set()
        return refused

    def cancel(self, order: PlacedOrder, now: int) -> bool:
        """Ask for the end of an open order. True when that is immediate, False when the exchange must be asked."""
        self.changed.set()
        if self.is_working(order, now):
            order.cancel_due = now + CANCEL_TAKES
            return False
        self._book(self._engine.cancel(order.key, now))
        return True

    def advance(self, now: int) -> None:
        """Bring everything to `now`: days that end, cancels that take effect, quotes that fill."""
        expiry = self._engine.next_expiry
        if expiry is not None and now >= expiry:
            self._book(self._engine.expire(now))
        open_orders = [self._orders[int(o.client_order_id)] for o in self._engine.open_orders()]
        for order in open_orders:
            if order.cancel_due is not None and now >= order.cancel_due:
                self._book(self._engine.cancel(order.key, now))
        for conid in {order.ticket.conid for order in open_orders}:
            self._show(conid, now)

    def end_event(self, contract: Contract, now: int, *, pays: bool) -> None:
        """An event is decided: working orders die, and contracts turn into money."""
        for working in self._engine.open_orders():
            if working.request.market_id == str(contract.conid):
                self._book(self._engine.cancel(working.client_order_id, now))
        for ledger in self._ledgers.values():
            if ledger.position(contract.conid):
                ledger.settle(contract.conid, PAYOUT if pays else ZERO)

    def _forget_the_oldest(self) -> None:
        while len(self._orders) > _KEPT_ORDERS:
            oldest = next(iter(self._orders.values()))
            if self.progress(oldest).is_open:
                return
            del self._orders[oldest.order_id]
            if oldest.ticket.coid is not None:
                self._registered.pop((oldest.account, oldest.ticket.coid), None)

    def _parent_id(self, account: str, ticket: Ticket) -> int | None:
        if ticket.parent is None:
            return None
        parent = self._registered.get((account, ticket.parent))
        if parent is None and ticket.parent.isdigit():
            parent = self.find(int(ticket.parent))
        return parent.order_id if parent is not None and parent.account == account else None

    def _show(self, conid: int, now: int) -> None:
        """Let the matching core see the quote of the moment."""
        contract = self._catalogue[conid]
        if conid not in self._known:
            self._engine.add_market(_market(contract, self._tape))
            self._known.add(conid)
        touch = self._tape.touch(conid, now)
        if touch is None:
            return
        name = instrument(VENUE, MarketId(str(conid)), Outcome.LONG)
        quote = Quote(name, now, touch.bid, touch.ask, touch.bid_size, touch.ask_size)
        self._book(self._engine.on_quote(quote, now))

    def _book(self, outputs: Sequence[VenueOutput]) -> None:
        for fill in outputs:
            if isinstance(fill, Fill) and fill.client_order_id is not None:
                self._book_fill(self._orders[int(fill.client_order_id)], fill)

    def _book_fill(self, order: PlacedOrder, fill: Fill) -> None:
        ledger, contract = self._ledgers[order.account], order.contract
        commission = fill.commission or ZERO
        ledger.trade(contract.conid, fill.signed_size, fill.price, factor=contract.factor, commission=commission)
        side = "B" if fill.order_side is OrderSide.BUY else "S"
        self._report(order, contract, fill.trade_time, side, fill.size, fill.price, commission)
        if contract.is_event:
            pairs = ledger.pair_off(contract.conid, contract.twin, PAYOUT)
            if pairs:
                held = self._catalogue[contract.twin]
                self._report(order, held, fill.trade_time, "N", pairs, ZERO, None)
                self._report(order, contract, fill.trade_time, "N", pairs, ZERO, None)

    def _report(
        self,
        order: PlacedOrder,
        contract: Contract,
        time: int,
        side: str,
        size: Decimal,
        price: Decimal,
        commission: Decimal | None,
    ) -> None:
        number = len(self.executions) + 1
        self.executions.append(
            Execution(
                execution_id=f"0000e0d5.{order.order_id:08x}.{number:02d}.01",
                time=time,
                account=order.account,
                contract=contract,
                side=side,
                size=size,
                price=price,
                commission=commission,
                order_id=order.order_id,
                order_ref=order.ticket.coid,
                exchange=contract.main_exchange,
                position=self._ledgers[order.account].position(contract.conid),
            )
        )


def _market(contract: Contract, tape: Tape) -> Market:
    """The contract as the matching core knows it. Event contracts trade around the clock until their release."""
    hours = None if contract.is_event else TradingHours(timezone="US/Eastern", sessions=tape.sessions)
    return Market(
        exchange=VENUE,
        market_id=MarketId(str(contract.conid)),
        kind=MarketKind.EVENT if contract.is_event else _KINDS[contract.sec_type],
        symbol=contract.symbol,
        multiplier=Decimal(contract.factor),
        price_grid=PriceGrid.of("0.01"),
        hours=hours,
    )


def _request(order: PlacedOrder) -> OrderRequest:
    ticket = order.ticket
    return OrderRequest(
        exchange=VENUE,
        market_id=MarketId(str(ticket.conid)),
        side=Outcome.LONG,
        order_side=OrderSide(ticket.side),
        size=ticket.quantity,
        price=ticket.price,
        stop_price=ticket.stop,
        order_type=_TYPES[ticket.order_type],
        time_in_force=TimeInForce(ticket.tif),
        outside_rth=ticket.outside_rth,
        client_order_id=order.key,
        account_id=AccountId(order.account),
        parent=None if order.parent_id is None else ClientOrderId(str(order.parent_id)),
        group=order.group,
    )
