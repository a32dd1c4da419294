"""The simulated venue: takes orders and quotes, gives reports and fills.

How it trades, in full:

- A crossing order takes what is shown at the shown price, up to the shown size. Size taken is gone until a quote shows
  that side with another price or size. A size that was not sent bounds nothing.
- What is left of a limit order rests, and fills at its own price once the other side reaches it. What is left of a
  market order waits for the next quote. Nothing walks the book: only its top is known.
- Price, then time. Orders do not trade with each other.
- A buy stop is set off by an ask at or above it, a sell stop by a bid at or below it; MIT and LIT the other way round.
  The trigger of a trailing order follows the best quote since it was placed, and its limit keeps its distance.
- A MIDPRICE order is a limit order at the middle of the quote, REL one at the best price of its own side, bettered by
  its offset. A quote meets the limit that the quote before it has made, then makes the next.
- MOC and LOC trade at the close of the regular session, at the last quote and without regard to its size.
- An all-or-none order trades in one piece or waits.
- Orders trade in regular sessions, with `outside_rth` in every session. Hours that are not known count as open.
- DAY ends at the close of the session, IOC at once, OPG after the first quote of the next regular session. OVT trades
  outside of regular sessions until the next one opens, OND until that one closes.
- Children wait until their parent is done. If it filled in part, they work for that part; if not at all, they are
  cancelled with it. The children of one parent are a group, unless they name one.
- Of a group, a fill takes its size off the others; an order with nothing left is cancelled. A parent and its own
  children are not counted as members of one group.
"""

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from horizon.matching.admission import change_refusal, refusal
from horizon.matching.book import Book
from horizon.matching.fees import FeeModel
from horizon.matching.kinds import AT_CLOSE
from horizon.matching.working import WorkingOrder, expiry
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    Instrument,
    Market,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Quote,
    Side,
    TimeInForce,
    VenueOrderId,
)

VenueOutput = OrderReport | Fill


class MatchingEngine:
    """One venue's books. Every call takes `now` (ns) and returns what the venue would tell, in order.

    Ids are counters behind `prefix`, so the same calls give the same ids. The last `keep_done` orders that are done
    stay known to `order()`; older ones are forgotten.
    """

    def __init__(self, exchange: str, *, fees: FeeModel, prefix: str = "M", keep_done: int = 10_000) -> None:
        self.exchange = exchange
        self._fees = fees
        self._prefix = prefix
        self._keep_done = keep_done
        self._markets: dict[MarketId, Market] = {}
        self._books: dict[Instrument, Book] = {}
        self._open: dict[ClientOrderId, WorkingOrder] = {}
        self._done: dict[ClientOrderId, WorkingOrder] = {}
        self._sequence = 0
        self._executions = 0
        self._next_expiry: int | None = None

    @property
    def next_expiry(self) -> int | None:
        """When the next DAY order ends, for a shell's timer."""
        return self._next_expiry

    def add_market(self, market: Market) -> None:
        """Make a market known, or bring what is known of it (its hours) up to date."""
        self._markets[market.market_id] = market
        for side in (market.side,) if market.side is not None else (Side.YES, Side.NO):
            self._books.setdefault(market.instrument(side), Book())
        for order in self._open.values():
            if order.request.market_id == market.market_id:
                order.market = market
                if order.expires is None:
                    self._set_expiry(order, order.placed)

    def on_quote(self, quote: Quote, now: int) -> list[VenueOutput]:
        """What a new quote sets off. Quotes of markets that were not added are passed over."""
        out: list[VenueOutput] = []
        if self._next_expiry is not None and now >= self._next_expiry:
            out.extend(self.expire(now))
        book = self._books.get(quote.instrument)
        if book is None:
            return out
        book.show(quote)
        if book.concerns(quote):
            for order in book.by_priority():
                self._work(order, now, out)
            book.orders_changed()
        return out

    def place(self, group: Sequence[OrderRequest], now: int, *, meets_quote: bool = True) -> list[VenueOutput]:
        """Take one order, or several as one call. The first `len(group)` reports answer the requests in their order:
        WORKING, or REJECTED with a reason; what follows is what they set off. A parent stands before its children.

        A client order id that is in use is answered by `refused_change`: the order that has it lives on. Without
        `meets_quote` they wait for the next quote, whatever the last one was.
        """
        taken: list[WorkingOrder] = []
        out: list[VenueOutput] = []
        for request in group:
            known = self._find(request.client_order_id)
            if known is not None:
                reason = f"the client order id {request.client_order_id} is in use"
                out.append(known.report(now, reason, refused_change=True))
                continue
            market = self._markets.get(request.market_id)
            reason = self._refusal(request, market)
            if reason or market is None:
                out.append(_rejected(request, now, reason))
                continue
            order = self._accept(request, market, now)
            taken.append(order)
            out.append(order.report(now))
        for order in taken:
            if meets_quote:
                self._work(order, now, out)
            self._books[order.instrument].orders_changed()
        return out

    def cancel(self, client_order_id: ClientOrderId, now: int, *, reason: str = "") -> list[VenueOutput]:
        """Take an order off the book; children that wait for it go with it."""
        return self._end(client_order_id, OrderStatus.CANCELED, reason, now)

    def reject(self, client_order_id: ClientOrderId, reason: str, now: int) -> list[VenueOutput]:
        """Refuse an order that was taken before, as an exchange behind the venue does."""
        return self._end(client_order_id, OrderStatus.REJECTED, reason, now)

    def _end(self, client_order_id: ClientOrderId, status: OrderStatus, reason: str, now: int) -> list[VenueOutput]:
        order = self._find(client_order_id)
        if order is None or not order.is_open:
            return [self._refused(client_order_id, order, now)]
        out: list[VenueOutput] = []
        self._finish(order, status, reason, now, out)
        return out

    def execute(self, client_order_id: ClientOrderId, size: Decimal, price: Decimal, now: int) -> list[VenueOutput]:
        """Let an order trade for a reason that no quote shows. One that is done trades too, and one may trade more
        than it asked for: venues do both. Raises LookupError for an order that is not known."""
        order = self._find(client_order_id)
        if order is None:
            raise LookupError(f"expected an order of this venue, found none with the client order id {client_order_id}")
        out: list[VenueOutput] = []
        self._fill(order, size, price, now, out)
        self._books[order.instrument].orders_changed()
        return out

    def replace(self, client_order_id: ClientOrderId, request: OrderRequest, now: int) -> list[VenueOutput]:
        """Change size (the total, fills included), prices, type or time in force of an open order. It keeps its ids,
        parent and group; a new price or more size costs it its place in time. Refusals leave it as it was."""
        order = self._find(client_order_id)
        if order is None or not order.is_open:
            return [self._refused(client_order_id, order, now)]
        old = order.request
        reason = change_refusal(old, request) or refusal(request, order.market)
        if not reason and request.size <= order.filled:
            reason = f"expected a size above the {order.filled} already filled, found {request.size}"
        if reason:
            return [order.report(now, reason, refused_change=True)]
        order.request = msgspec.structs.replace(
            request, client_order_id=client_order_id, parent=old.parent, group=old.group
        )
        if (request.price, request.stop_price, request.order_type) != (old.price, old.stop_price, old.order_type):
            order.met = False
            order.stop, order.peg = request.stop_price, None
        if not order.met or request.size > old.size:
            self._sequence += 1
            order.sequence = self._sequence
        order.updated = now
        self._set_expiry(order, now)
        out: list[VenueOutput] = [order.report(now)]
        self._work(order, now, out)
        self._books[order.instrument].orders_changed()
        return out

    def expire(self, now: int) -> list[VenueOutput]:
        """End the DAY orders whose session has closed."""
        out: list[VenueOutput] = []
        for order in list(self._open.values()):
            if not order.is_open or order.expires is None or now < order.expires:
                continue
            if order.request.order_type in AT_CLOSE:
                self._cross_at_close(order, now, out)
            if order.is_open:
                self._finish(order, OrderStatus.EXPIRED, "its trading day has ended", now, out)
        self._next_expiry = min((o.expires for o in self._open.values() if o.expires is not None), default=None)
        return out

    def open_orders(self, account_id: AccountId | None = None) -> list[Order]:
        """Every order that can still fill, oldest first; of one account, or of all."""
        return [order.as_order() for order in self._open.values() if account_id in (None, order.request.account_id)]

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        """One order as the venue knows it, open or recently done."""
        order = self._find(client_order_id)
        return None if order is None else order.as_order()

    def is_waiting(self, client_order_id: ClientOrderId) -> bool:
        """Whether an open order is not at the market yet: a child of an open parent, a stop not set off, an order for
        the opening or the close."""
        order = self._open.get(client_order_id)
        if order is None:
            return False
        waits_for_auction = order.request.time_in_force is TimeInForce.OPG or order.request.order_type in AT_CLOSE
        return order.held or order.awaits_trigger or waits_for_auction

    def _find(self, client_order_id: ClientOrderId | None) -> WorkingOrder | None:
        if client_order_id is None:
            return None
        return self._open.get(client_order_id) or self._done.get(client_order_id)

    def _refusal(self, request: OrderRequest, market: Market | None) -> str:
        if not request.client_order_id:
            return "expected a client order id, found none"
        if request.exchange != self.exchange:
            return f"expected an order for {self.exchange}, found one for {request.exchange!r}"
        reason = refusal(request, market)
        if reason or request.parent is None:
            return reason
        parent = self._find(request.parent)
        if parent is None:
            return f"expected the parent {request.parent} before its children, found no such order"
        if not parent.is_open and parent.status is not OrderStatus.FILLED:
            return f"the parent {request.parent} is {parent.status}"
        return ""

    def _accept(self, request: OrderRequest, market: Market, now: int) -> WorkingOrder:
        parent = self._find(request.parent)
        self._sequence += 1
        order = WorkingOrder(
            request=request,
            market=market,
            instrument=request.instrument,
            venue_order_id=VenueOrderId(f"{self._prefix}{self._sequence}"),
            sequence=self._sequence,
            placed=now,
            updated=now,
            expires=None,
            held=parent is not None and parent.is_open,
            stop=request.stop_price,
        )
        self._set_expiry(order, now)
        self._open[request.client_order_id] = order
        book = self._books[order.instrument]
        book.orders.append(order)
        book.orders_changed()
        return order

    def _set_expiry(self, order: WorkingOrder, now: int) -> None:
        order.expires = expiry(order.request, order.market.hours, now)
        if order.expires is not None and (self._next_expiry is None or order.expires < self._next_expiry):
            self._next_expiry = order.expires

    def _work(self, order: WorkingOrder, now: int, out: list[VenueOutput]) -> None:
        """Trigger an order and let it meet the quote, as far as both are possible."""
        if not order.is_open or order.held:
            return
        book = self._books[order.instrument]
        if order.may_trade(now) and book.quote is not None:
            if order.awaits_trigger and order.trails:
                book.trail(order)
            if order.awaits_trigger and book.triggers(order):
                order.triggered = True
                order.updated = now
                out.append(order.report(now, "its stop price was reached"))
            if order.is_pegged and order.peg is None:
                book.peg(order)
            if not order.awaits_trigger:
                self._meet(order, book, now, out)
                if order.is_open and order.met and order.request.time_in_force is TimeInForce.OPG:
                    self._finish(order, OrderStatus.EXPIRED, "not filled at the opening", now, out)
            if order.is_pegged:
                book.peg(order)
        if order.is_open and order.request.time_in_force is TimeInForce.IOC:
            self._finish(order, OrderStatus.CANCELED, "not filled at once", now, out)

    def _meet(self, order: WorkingOrder, book: Book, now: int, out: list[VenueOutput]) -> None:
        shown = book.shown(to_buy=order.is_buy)
        if shown is None:
            return
        limit, rested, order.met = order.limit, order.met, True
        if limit is None and order.is_pegged:
            return
        if limit is not None and (shown > limit if order.is_buy else shown < limit):
            return
        left = book.available(to_buy=order.is_buy, lot=order.market.lot)
        size = order.remaining if left is None else min(order.remaining, left)
        if size > 0 and (size == order.remaining or not order.request.all_or_none):
            book.take(size, to_buy=order.is_buy)
            self._fill(order, size, limit if rested and limit is not None else shown, now, out)

    def _cross_at_close(self, order: WorkingOrder, now: int, out: list[VenueOutput]) -> None:
        """Trade at the last quote, which stands in for the closing price."""
        if order.held:
            return
        shown, limit = self._books[order.instrument].shown(to_buy=order.is_buy), order.limit
        if shown is not None and (limit is None or (shown <= limit if order.is_buy else shown >= limit)):
            self._fill(order, order.remaining, shown, now, out)

    def _fill(self, order: WorkingOrder, size: Decimal, price: Decimal, now: int, out: list[VenueOutput]) -> None:
        request, market = order.request, order.market
        order.filled += size
        order.notional += size * price
        total = self._fees.total(market, request.order_side, order.filled, order.notional * market.multiplier)
        commission, order.charged = total - order.charged, total
        order.updated = now
        self._executions += 1
        out.append(
            Fill(
                exchange=self.exchange,
                account_id=request.account_id,
                execution_id=ExecutionId(f"{self._prefix}X{self._executions}"),
                market_id=request.market_id,
                side=request.side,
                order_side=request.order_side,
                size=size,
                price=price,
                currency=market.currency,
                multiplier=market.multiplier,
                commission=commission,
                commission_currency=market.currency,
                trade_time=now,
                receive_time=now,
                venue_order_id=order.venue_order_id,
                client_order_id=request.client_order_id,
                symbol=market.symbol,
            )
        )
        was_open = order.is_open
        if was_open and order.remaining > 0:
            order.status = OrderStatus.PARTIALLY_FILLED
        elif not was_open and order.remaining <= 0:
            order.status = OrderStatus.FILLED
        if not was_open or order.remaining > 0:
            out.append(order.report(now))
        self._reduce_group(order, size, now, out)
        if was_open and order.remaining <= 0:
            self._finish(order, OrderStatus.FILLED, "", now, out)

    def _reduce_group(self, filled: WorkingOrder, size: Decimal, now: int, out: list[VenueOutput]) -> None:
        """Take a fill's size off the other orders of its group."""
        for other in self._group_of(filled):
            if other.remaining <= size:
                self._finish(other, OrderStatus.CANCELED, "another order of its group has filled", now, out)
            else:
                self._resize(other, other.request.size - size, "another order of its group has filled", now, out)

    def _group_of(self, order: WorkingOrder) -> list[WorkingOrder]:
        """The other open orders of its group."""
        request = order.request
        name = request.group or request.parent
        if not name:
            return []
        return [
            other
            for other in self._open.values()
            if other is not order
            and (other.request.group or other.request.parent) == name
            and other.request.account_id == request.account_id
            and other.request.parent != request.client_order_id
            and request.parent != other.request.client_order_id
        ]

    def _resize(self, order: WorkingOrder, size: Decimal, reason: str, now: int, out: list[VenueOutput]) -> None:
        order.request = msgspec.structs.replace(order.request, size=size)
        order.updated = now
        out.append(order.report(now, reason))

    def _finish(self, order: WorkingOrder, status: OrderStatus, reason: str, now: int, out: list[VenueOutput]) -> None:
        """End an order, report it, and settle what hangs on it."""
        order.status, order.reason, order.updated = status, reason, now
        client_order_id = order.request.client_order_id
        del self._open[client_order_id]
        self._done[client_order_id] = order
        while len(self._done) > self._keep_done:
            del self._done[next(iter(self._done))]
        book = self._books[order.instrument]
        book.orders.remove(order)
        book.orders_changed()
        out.append(order.report(now, reason))
        children = [o for o in self._open.values() if o.held and o.request.parent == client_order_id]
        for child in children:
            self._release(child, order, now, out)

    def _release(self, child: WorkingOrder, parent: WorkingOrder, now: int, out: list[VenueOutput]) -> None:
        """Let a child work for what its parent has filled."""
        if not child.is_open:
            return
        if parent.filled == ZERO:
            self._finish(child, OrderStatus.CANCELED, f"its parent is {parent.status}", now, out)
            return
        child.held = False
        if parent.remaining > 0 and child.request.size > parent.filled:
            self._resize(child, parent.filled, "its parent filled in part", now, out)
        self._work(child, now, out)
        self._books[child.instrument].orders_changed()

    def _refused(self, client_order_id: ClientOrderId, order: WorkingOrder | None, now: int) -> OrderReport:
        if order is not None:
            return order.report(now, f"the order is {order.status} already", refused_change=True)
        return OrderReport(
            exchange=self.exchange,
            account_id=AccountId(""),
            time=now,
            status=OrderStatus.PENDING,
            client_order_id=client_order_id,
            reason=f"expected an order of this venue, found none with the client order id {client_order_id}",
            refused_change=True,
        )


def _rejected(request: OrderRequest, now: int, reason: str) -> OrderReport:
    return OrderReport(
        exchange=request.exchange,
        account_id=request.account_id,
        time=now,
        status=OrderStatus.REJECTED,
        client_order_id=request.client_order_id,
        filled=ZERO,
        size=request.size,
        reason=reason,
    )
