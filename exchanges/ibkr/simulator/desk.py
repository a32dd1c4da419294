"""Every order of the login, from its acceptance to its end, and what its fills do to the accounts.

Orders meet quotes in the matching core; here is what the gateway keeps beside it: its own numbers, the way to the
exchange, cOIDs that may be used once in 24 hours, cancels that take a moment, and what the system cancels itself.
"""

import asyncio
from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import takewhile

import msgspec

from exchanges.ibkr.simulator.bookkeeping import Bookkeeping
from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.ledger import Ledger
from exchanges.ibkr.simulator.nearness import LATER, NIGHT, SOON, is_near
from exchanges.ibkr.simulator.notices import DO_NOT, Notices
from exchanges.ibkr.simulator.placed_orders import (
    EASTERN,
    VENUE,
    Origin,
    PlacedOrder,
    end_of_next_quarter,
    market_of,
    request_of,
)
from exchanges.ibkr.simulator.registry import Registry
from exchanges.ibkr.simulator.tape import Tape
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.matching import FeesByKind, MatchingEngine, PerContract, PerShare, VenueOutput
from horizon.model import (
    AccountId,
    Fill,
    MarketId,
    MarketKind,
    Order,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    instrument,
)
from horizon.model import Side as Outcome

_KEPT_ORDERS = 50_000
_FIRST_ORDER_ID = 1_370_093_238
_NEVER = 1 << 62
EXPIRED = "Cancelled by System: order expired"
_AT_CLOSE = (OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE)


class Desk:
    """Orders and executions of all accounts."""

    def __init__(
        self,
        catalogue: Catalogue,
        tape: Tape,
        ledgers: dict[str, Ledger],
        *,
        habits: Habits | None = None,
        fills_by_hand: bool = False,
    ) -> None:
        self._catalogue = catalogue
        self._tape = tape
        self._habits = habits or Habits()
        self._fills_by_hand = fills_by_hand
        self._fees = FeesByKind(
            kinds={
                MarketKind.STOCK: PerShare(),
                MarketKind.OPTION: PerContract(rate=Decimal("0.65"), minimum=Decimal("1.00")),
                MarketKind.FUTURE: PerContract(rate=Decimal("2.25")),
                MarketKind.FUTURE_OPTION: PerContract(rate=Decimal("2.25")),
                MarketKind.FOREX: PerContract(rate=Decimal(0), minimum=Decimal("2.00")),
                MarketKind.CRYPTO: PerContract(rate=Decimal(0), minimum=Decimal("1.75")),
            }
        )
        self._engine = MatchingEngine(VENUE, fees=self._fees, keep_done=2 * _KEPT_ORDERS)
        self._known: set[int] = set()
        self._orders: dict[int, PlacedOrder] = {}
        self._on_the_way: list[tuple[int, list[PlacedOrder]]] = []
        """Orders that are not at the exchange yet, and when they get there."""
        self._next_id = _FIRST_ORDER_ID
        self.registry = Registry()
        self.notices = Notices()
        self.books = Bookkeeping(catalogue, ledgers)
        self.changed = asyncio.Event()
        """Set when an order was placed, changed or cancelled."""

    # --- looking

    def looks_again_in(self, now: int) -> float:
        """Seconds until resting orders must be looked after though nobody asks: one
        while any is near its price or about to be cancelled, more otherwise, most while the stock market is closed."""
        due = [moment for moment, _ in self._on_the_way if moment < _NEVER]
        if due:
            return min(max((min(due) - now) / NANOSECONDS, 0.0), SOON)
        working = [self._orders[int(order.client_order_id)] for order in self._engine.open_orders()]
        if any(is_near(order, self._tape, now) for order in working):
            return SOON
        if self._tape.is_trading(now):
            return LATER
        opens = min((s.opens for s in self._tape.sessions if s.opens > now), default=now + NIGHT * NANOSECONDS)
        return min((opens - now) / NANOSECONDS, NIGHT)

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
        if order.ended_early is not None:
            return order.ended_early
        if not order.entered:
            return Order(
                request=request_of(order),
                status=OrderStatus.WORKING,
                created_time=order.placed,
                updated_time=order.placed,
            )
        found = self._engine.order(order.key)
        if found is None:
            raise LookupError(f"order {order.order_id} is not known to the matching core any more")
        return found

    def open_orders(self, account: str) -> list[PlacedOrder]:
        """Orders of the account that can still fill, newest first."""
        entered = {int(order.client_order_id) for order in self._engine.open_orders(AccountId(account))}
        waiting = {
            o.order_id for _, group in self._on_the_way for o in group if o.account == account and not o.ended_early
        }
        return [self._orders[order_id] for order_id in sorted(entered | waiting, reverse=True)]

    def active_on(self, account: str, conid: int, side: str) -> int:
        """How many orders of one side are open in a contract."""
        return sum((o.ticket.conid, o.ticket.side) == (conid, side) for o in self.open_orders(account))

    def is_working(self, order: PlacedOrder, now: int) -> bool:
        """Whether an open order is at the exchange: not a child that waits, a stop not triggered, a closed market."""
        is_open = self._tape.is_open(order.contract, now, outside=order.works_outside)
        if order.ticket.tif == "OVT":
            is_open = is_open and self._tape.session_at(now) is None
        return order.entered and is_open and not self._engine.is_waiting(order.key)

    def commission(self, contract: Contract, side: str, size: Decimal, value: Decimal) -> Decimal:
        """What an order of this size and value would be charged."""
        return self._fees.total(market_of(contract, self._tape), OrderSide(side), size, value)

    # --- placing

    def place(
        self,
        account: str,
        tickets: Sequence[Ticket],
        now: int,
        *,
        origin: Origin = "api",
        held: bool = False,
        trades_at: Decimal | None = None,
    ) -> list[PlacedOrder]:
        """Take checked tickets as one group. Parents are found by cOID, in this group or before it, or by number.
        With `held` a server prompt keeps them from the exchange; with `trades_at` they trade there and then."""
        placed: list[PlacedOrder] = []
        for ticket in tickets:
            order = PlacedOrder(
                order_id=self._next_id,
                account=account,
                ticket=ticket,
                contract=self._catalogue[ticket.conid],
                placed=now,
                origin=origin,
            )
            self._next_id += 1
            order.parent_id = self._parent_id(account, ticket)
            if any(other.in_group for other in tickets):
                order.group = f"oco-{placed[0].order_id if placed else order.order_id}"
            if ticket.coid is not None and origin == "api":
                self.registry.keep(account, ticket.coid, order)
            if ticket.tif == "GTC":
                self._announce_the_end(order, now)
            self._orders[order.order_id] = order
            placed.append(order)
        if trades_at is not None:
            self._trade(placed, trades_at, now)
        elif held or self._habits.acknowledges_after:
            takes = _NEVER if held else round(self._habits.acknowledges_after * NANOSECONDS)
            self._on_the_way.append((now + takes, placed))
        else:
            self._enter(placed, now)
        self._forget_the_oldest()
        self.changed.set()
        return placed

    def _announce_the_end(self, order: PlacedOrder, now: int) -> None:
        ends = end_of_next_quarter(now)
        order.ends = to_nanoseconds(ends)
        ticket, contract = order.ticket, order.contract
        price = "" if ticket.price is None else f" {ticket.price:.{contract.digits}f}"
        what = f"{ticket.side} {ticket.quantity.normalize():f} {contract.symbol} {contract.listing_exchange}"
        when = f"{ends:%Y%m%d %H:%M:%S} {ends.tzname()}"
        self.notices.tell(f"Order {what} {ticket.kind.text}{price} will be automatically canceled at {when}")

    def _trade(self, orders: Sequence[PlacedOrder], price: Decimal, now: int) -> None:
        for order in orders:
            order.entered = True
            self._know(order.contract)
            self._engine.place([request_of(order)], now, meets_quote=False)
            self.execute(order, order.ticket.quantity, price, now)

    def _enter(self, orders: Sequence[PlacedOrder], now: int) -> None:
        """They get to the exchange."""
        alive = [order for order in orders if order.ended_early is None]
        for order in alive:
            order.entered = True
            self._show(order.ticket.conid, now)
        out = self._engine.place([request_of(order) for order in alive], now)
        for order, report in zip(alive, out, strict=False):
            if not isinstance(report, Fill) and report.status is OrderStatus.REJECTED:
                # The matching core keeps none of those, such as the child of a parent that has died.
                order.entered = False
                self._end_early(order, now, report.reason, OrderStatus.REJECTED)
        self._book(out)

    def release(self, order_id: int, choice: str, now: int) -> None:
        """A server prompt was answered: its order goes on."""
        for entry in list(self._on_the_way):
            if any(order.order_id == order_id for order in entry[1]):
                self._on_the_way.remove(entry)
                for order in entry[1]:
                    order.held_for = ""
                    order.uses_price_management = choice != DO_NOT
                self._enter(entry[1], now)
        self.changed.set()

    def parent_exists(self, account: str, ticket: Ticket) -> bool:
        return ticket.parent is None or self._parent_id(account, ticket) is not None

    def _parent_id(self, account: str, ticket: Ticket) -> int | None:
        if ticket.parent is None:
            return None
        parent = self.registry.order(account, ticket.parent)
        if parent is None and ticket.parent.isdigit():
            parent = self.find(int(ticket.parent))
        return parent.order_id if parent is not None and parent.account == account else None

    # --- changing and ending

    def modify(self, order: PlacedOrder, ticket: Ticket, now: int) -> str:
        """Change an open order. Returns the reason of a refusal, which leaves the order as it was."""
        kept = msgspec.structs.replace(ticket, coid=order.ticket.coid, parent=order.ticket.parent)
        self.changed.set()
        if not order.entered:
            order.ticket = kept
            return ""
        self._show(ticket.conid, now)
        changed = PlacedOrder(order.order_id, order.account, ticket, order.contract, order.placed, group=order.group)
        out = self._engine.replace(order.key, request_of(changed), now)
        refused = next((o.reason for o in out if not isinstance(o, Fill) and o.refused_change), "")
        if not refused:
            order.ticket = kept
        self._book(out)
        return refused

    def cancel(self, order: PlacedOrder, now: int) -> bool:
        """Ask for the end of an open order. True when that is immediate, False when the exchange must be asked."""
        self.changed.set()
        if not order.entered and order.held_for:
            self._end_early(order, now, "")
            return True
        if not order.entered or order.ignores_cancels or self.is_working(order, now):
            order.cancel_due = now + round(self._habits.cancel_takes * NANOSECONDS)
            return False
        self._book(self._engine.cancel(order.key, now))
        return True

    def _end_early(self, order: PlacedOrder, now: int, reason: str, status: OrderStatus = OrderStatus.CANCELED) -> None:
        order.ended_early = msgspec.structs.replace(
            self.progress(order), status=status, reason=reason, updated_time=now
        )
        for child in [o for _, group in self._on_the_way for o in group if o.parent_id == order.order_id]:
            if child.ended_early is None:
                self._end_early(child, now, "")
        self._on_the_way = [entry for entry in self._on_the_way if any(o.ended_early is None for o in entry[1])]

    def end_by_system(self, order: PlacedOrder, reason: str, now: int) -> None:
        """Cancel an order as the system does, with the reason it gives."""
        if not order.entered:
            self._end_early(order, now, reason)
        else:
            self._book(self._engine.cancel(order.key, now, reason=reason))
        self.changed.set()

    def reject(self, order: PlacedOrder, reason: str, now: int) -> None:
        """The exchange refuses an order that the gateway had taken."""
        if not order.entered:
            self._end_early(order, now, reason, OrderStatus.REJECTED)
        else:
            self._book(self._engine.reject(order.key, reason, now))
        self.changed.set()

    def execute(self, order: PlacedOrder, size: Decimal, price: Decimal, now: int) -> None:
        """Let an order trade, whatever is quoted and however it stands. One on its way gets there first."""
        if order.ended_early is not None:
            raise LookupError(f"order {order.order_id} ended before it got to the exchange: it can't trade")
        for entry in list(self._on_the_way):
            if order in entry[1]:
                self._on_the_way.remove(entry)
                self._enter(entry[1], now)
        self._book(self._engine.execute(order.key, size, price, now))
        self.changed.set()

    def advance(self, now: int) -> None:
        """Bring everything to `now`: orders that arrive, days that end, cancels that take effect, quotes that fill."""
        for entry in [entry for entry in self._on_the_way if entry[0] <= now]:
            self._on_the_way.remove(entry)
            self._enter(entry[1], now)
        self._end_unanswered(now)
        self._end_days(now)
        open_orders = [self._orders[int(o.client_order_id)] for o in self._engine.open_orders()]
        today = f"{to_datetime(now).astimezone(EASTERN):%Y%m%d}"
        for order in open_orders:
            if order.cancel_due is not None and now >= order.cancel_due and not order.ignores_cancels:
                self._book(self._engine.cancel(order.key, now))
            elif (order.ends is not None and now >= order.ends) or (order.contract.expiry or today) < today:
                self.end_by_system(order, EXPIRED, now)
        for conid in {order.ticket.conid for order in open_orders}:
            self._show(conid, now)

    def _end_unanswered(self, now: int) -> None:
        """A server prompt that nobody has answered by the next day is the end of its order."""
        for _, orders in list(self._on_the_way):
            for order in orders:
                placed, today = (to_datetime(time).astimezone(EASTERN).date() for time in (order.placed, now))
                if order.held_for and order.ended_early is None and placed < today:
                    self._end_early(order, now, "", OrderStatus.EXPIRED)

    def _end_days(self, now: int) -> None:
        expiry = self._engine.next_expiry
        if expiry is None or now < expiry:
            return
        for order in self._engine.open_orders():
            # An order at the close needs the last quote of the day, however late somebody looks.
            if order.request.order_type in _AT_CLOSE:
                self._show(int(order.request.market_id), expiry - 1)
        self._book(self._engine.expire(now))

    def end_event(self, contract: Contract, now: int, *, pays: bool) -> None:
        """An event is decided: working orders die, and contracts turn into money."""
        for working in self._engine.open_orders():
            if working.request.market_id == str(contract.conid):
                self._book(self._engine.cancel(working.client_order_id, now))
        self.books.settle(contract, pays=pays)

    def _forget_the_oldest(self) -> None:
        while len(self._orders) > _KEPT_ORDERS:
            oldest = next(iter(self._orders.values()))
            if self.progress(oldest).is_open:
                return
            del self._orders[oldest.order_id]
            if oldest.ticket.coid is not None:
                self.registry.forget(oldest.account, oldest.ticket.coid)

    def _know(self, contract: Contract) -> None:
        if contract.conid not in self._known:
            self._engine.add_market(market_of(contract, self._tape))
            self._known.add(contract.conid)

    def _show(self, conid: int, now: int) -> None:
        """Let the matching core see the quote of the moment."""
        self._know(self._catalogue[conid])
        touch = None if self._fills_by_hand else self._tape.touch(conid, now)
        if touch is None:
            return
        name = instrument(VENUE, MarketId(str(conid)), Outcome.LONG)
        quote = Quote(name, now, touch.bid, touch.ask, touch.bid_size, touch.ask_size)
        self._book(self._engine.on_quote(quote, now))

    def _book(self, outputs: Sequence[VenueOutput]) -> None:
        for fill in outputs:
            if isinstance(fill, Fill) and fill.client_order_id is not None:
                self.books.book(self._orders[int(fill.client_order_id)], fill)
