"""The desk: the only holder of order state, for one account at one exchange. Pure.

A desk takes requests, reports and fills, keeps what is known about each order, and leaves two lists behind: effects
(what the shell is to do at the venue) and records (what must be in the journal before it does).
"""

from collections import deque
from collections.abc import Container, Iterator, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from horizon.errors import InvalidOrder
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    Fill,
    Instrument,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    VenueOrderId,
)
from horizon.orders.effects import Cancel, Effect, Find, Replace, Send
from horizon.orders.lifecycle import apply_report, book_fill, cancel_requested, is_settled
from horizon.ports import JournalRecord, RecordKind

_encode = msgspec.json.Encoder().encode
_REMEMBERED = 2_000


class Desk:
    """Order state of one account. `run_id` prefixes the client order ids, so it must be new for every run."""

    def __init__(self, exchange: str, account_id: AccountId, run_id: str) -> None:
        self.exchange = exchange
        self.account_id = account_id
        self.effects: list[Effect] = []
        self.records: list[JournalRecord] = []
        self._run_id = run_id
        self._count = 0
        self._live: dict[ClientOrderId, Order] = {}
        self._by_instrument: dict[Instrument, dict[ClientOrderId, Order]] = {}
        self._by_venue_id: dict[VenueOrderId, ClientOrderId] = {}
        self._past: dict[ClientOrderId, Order] = {}
        self._past_ids: deque[ClientOrderId] = deque()
        self._waiting_fills: dict[VenueOrderId, list[Fill]] = {}
        self._changes: dict[ClientOrderId, OrderRequest] = {}
        self._cancels: set[ClientOrderId] = set()
        """Orders whose cancel is on its way; one that was refused may be asked for again."""

    # -- what goes out -------------------------------------------------------------------------------------------

    def complete(self, request: OrderRequest) -> OrderRequest:
        """The request with exchange, account and a client order id filled in."""
        return replace(
            request,
            exchange=self.exchange,
            account_id=request.account_id or self.account_id,
            client_order_id=request.client_order_id or self.next_id(),
        )

    def next_id(self) -> ClientOrderId:
        """A client order id that this run has not used."""
        self._count += 1
        return ClientOrderId(f"{self._run_id}-{self._count}")

    def submit(self, requests: Sequence[OrderRequest], now: int) -> list[Order]:
        """Orders in PENDING, and one Send for all of them. The requests must be complete."""
        new: set[ClientOrderId] = set()
        for request in requests:
            if request.client_order_id in new or self.order(request.client_order_id) is not None:
                raise InvalidOrder(
                    f"client order id {request.client_order_id!r} was used before: leave it out, or make a new one",
                    rule="client_order_id",
                )
            new.add(request.client_order_id)
        orders = []
        for request in requests:
            order = Order(request=request, created_time=now, updated_time=now)
            self._keep(order)
            self._record(now, RecordKind.INTENT, request, request.client_order_id)
            orders.append(order)
        self.effects.append(
            Send(exchange=self.exchange, account_id=self.account_id, requests=tuple(o.request for o in orders))
        )
        return orders

    def refuse(self, request: OrderRequest, rule: str, reason: str, now: int) -> Order:
        """An order that is REJECTED on this side; it is journaled and never leaves."""
        order = Order(
            request=request,
            status=OrderStatus.REJECTED,
            reason=f"{rule}: {reason}",
            created_time=now,
            updated_time=now,
        )
        self._remember(order)
        self._record(
            now,
            RecordKind.REFUSED,
            {"request": request, "rule": rule, "reason": reason},
            order.client_order_id,
            subject=rule,
        )
        return order

    def note(self, kind: RecordKind, subject: str, payload: bytes, now: int) -> None:
        """A line for this account's journal that is about no order."""
        self._record(now, kind, msgspec.Raw(payload), None, subject=subject)

    def cancel(self, client_order_id: ClientOrderId, now: int) -> Order | None:
        """Ask for a cancel, once. None when there is nothing to cancel.

        For an order in doubt nothing goes out yet: the cancel leaves when the venue turns out to have the order.
        """
        order = self._live.get(client_order_id)
        if order is None or order.is_done or client_order_id in self._cancels:
            return None
        self._cancels.add(client_order_id)
        self._record(now, RecordKind.CANCEL_INTENT, {}, client_order_id, order.venue_order_id)
        return order if order.is_in_doubt else self._withdraw(order, now)

    def change(self, client_order_id: ClientOrderId, request: OrderRequest, now: int) -> Order | None:
        """Ask the venue to change an order into `request`. The order keeps its state until the venue agrees."""
        order = self._live.get(client_order_id)
        if order is None or order.is_done or order.is_in_doubt:
            return None
        request = replace(request, exchange=self.exchange, account_id=self.account_id, client_order_id=client_order_id)
        self._changes[client_order_id] = request
        self._record(now, RecordKind.REPLACE_INTENT, request, client_order_id, order.venue_order_id)
        self.effects.append(Replace(exchange=self.exchange, account_id=self.account_id, order=order, request=request))
        return order

    # -- what comes back -----------------------------------------------------------------------------------------

    def apply(self, report: OrderReport) -> Order | None:
        """The order when the report changed it; None for stale news and for orders that are not this desk's."""
        order = self._find(report.client_order_id, report.venue_order_id)
        if order is None:
            return None
        if report.refused_change and not order.is_in_doubt:
            self._cancels.discard(order.client_order_id)
        asked = self._changes.get(order.client_order_id)
        if asked is not None and report.refused_change:
            del self._changes[order.client_order_id]
        elif asked is not None and report.request == asked:
            order = replace(order, request=self._changes.pop(order.client_order_id))
        changed = apply_report(order, report)
        if changed == self.order(order.client_order_id):
            return None
        self._keep(changed)
        arrived = order.venue_order_id is None and changed.venue_order_id is not None
        kind = RecordKind.ACKNOWLEDGEMENT if arrived else RecordKind.REPORT
        self._record(report.time, kind, report, changed.client_order_id, changed.venue_order_id)
        if changed.status is OrderStatus.UNKNOWN and order.status is not OrderStatus.UNKNOWN:
            self._look_up(changed)
        for fill in self._waiting_fills.pop(changed.venue_order_id, ()) if changed.venue_order_id else ():
            changed = book_fill(changed, fill)
            self._keep(changed)
        if order.is_in_doubt and changed.client_order_id in self._cancels and _can_be_cancelled(changed):
            changed = self._withdraw(changed, report.time)
        return changed

    def book(self, fill: Fill) -> Order | None:
        """The order after an execution, which the caller has checked to be new; None when it is nobody's yet.

        A fill can arrive before the answer that names its venue order id: it is kept and booked then.
        """
        self._record(fill.receive_time, RecordKind.FILL, fill, fill.client_order_id, fill.venue_order_id)
        order = self._find(fill.client_order_id, fill.venue_order_id)
        if order is None:
            if fill.venue_order_id is not None and fill.client_order_id is None:
                self._waiting_fills.setdefault(fill.venue_order_id, []).append(fill)
            return None
        changed = book_fill(order, fill)
        self._keep(changed)
        return changed

    # -- what is known -------------------------------------------------------------------------------------------

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        """The latest state; orders long done are forgotten."""
        return self._live.get(client_order_id) or self._past.get(client_order_id)

    def cancel_is_asked(self, client_order_id: ClientOrderId) -> bool:
        """Whether an order is to be cancelled, which a shell may do by not sending it at all."""
        return client_order_id in self._cancels

    def knows(self, fill: Fill) -> bool:
        """Whether the fill belongs to an order of this desk."""
        return self._find(fill.client_order_id, fill.venue_order_id) is not None

    def open_orders(self, instrument: Instrument | None = None) -> list[Order]:
        """Orders that can still fill, oldest first."""
        kept = self._live if instrument is None else self._by_instrument.get(instrument, {})
        return [order for order in kept.values() if order.is_open]

    def unsettled(
        self,
        instrument: Instrument | None = None,
        *,
        without: Container[ClientOrderId] = (),
        also: Sequence[OrderRequest] = (),
    ) -> list[Order]:
        """Orders that can still fill, are in doubt, or have fills that are not booked; changes at their worst.

        `without` and `also` as for `extremes`.
        """
        kept = self._live if instrument is None else self._by_instrument.get(instrument, {})
        leaving = [Order(request=each) for each in also if instrument in (None, each.instrument)]
        return [self._at_worst(order) for key, order in kept.items() if key not in without] + leaving

    def unresolved(self, instrument: Instrument) -> bool:
        """Whether an order of this instrument is open, in doubt, or has reported fills that are not booked.

        The exits of a bracket do not count before their entry has filled: they are meant to rest.
        """
        return any(order.request.parent is None for order in self._by_instrument.get(instrument, {}).values())

    @property
    def awaits_reports(self) -> bool:
        """Whether any order can still change."""
        return any(order.is_open for order in self._live.values())

    @property
    def awaits_fills(self) -> bool:
        """Whether any order is live or has fills that are reported but not booked."""
        return bool(self._live)

    def on_the_way(self, instrument: Instrument) -> Decimal:
        """Signed size that orders will add if they fill, and fills that are reported but not booked yet.

        Exits that wait for their entry, or that cancel each other, are left out: at most one of them happens, and it
        closes what is held.
        """
        total = ZERO
        for order in self._by_instrument.get(instrument, {}).values():
            pending = order.filled - order.booked
            if order.request.parent is None and not order.request.group:
                pending += order.remaining
            total += pending * order.request.order_side.sign
        return total

    def extremes(
        self, instrument: Instrument, *, without: Container[ClientOrderId] = (), also: Sequence[OrderRequest] = ()
    ) -> tuple[Decimal, Decimal]:
        """Signed sizes (lowest, highest) that open and in-doubt orders could add if the worst of them fill.

        `without` leaves out what remains of some orders: the one that a change would take the place of, or those that
        are about to leave at last. `also` are requests that are about to leave.
        """
        certain = lowest = highest = ZERO
        exits: dict[str, tuple[Decimal, Decimal]] = {}
        leaving = [Order(request=request) for request in also if request.instrument == instrument]
        for order in (*map(self._at_worst, self._by_instrument.get(instrument, {}).values()), *leaving):
            sign = order.request.order_side.sign
            certain += (order.filled - order.booked) * sign
            signed = ZERO if order.client_order_id in without else order.remaining * sign
            one_of = order.request.group or order.request.parent
            if one_of:
                low, high = exits.get(one_of, (ZERO, ZERO))
                exits[one_of] = (min(low, signed), max(high, signed))
            else:
                lowest, highest = lowest + min(signed, ZERO), highest + max(signed, ZERO)
        lowest += sum((low for low, _ in exits.values()), ZERO)
        highest += sum((high for _, high in exits.values()), ZERO)
        return certain + lowest, certain + highest

    def _at_worst(self, order: Order) -> Order:
        """The order with the larger size and the more eager price of what it is and what a change makes of it.

        Until the venue has agreed or refused, the change may have happened.
        """
        asked, own = self._changes.get(order.client_order_id), order.request
        if asked is None:
            return order
        prices = [price for price in (own.price, asked.price) if price is not None]
        eager = max if own.order_side is OrderSide.BUY else min
        price = eager(prices) if own.price is not None else None
        return replace(order, request=replace(own, size=max(own.size, asked.size), price=price))

    # -- asking the venue ----------------------------------------------------------------------------------------

    def _withdraw(self, order: Order, now: int) -> Order:
        marked = cancel_requested(order, now)
        self._keep(marked)
        self.effects.append(Cancel(exchange=self.exchange, account_id=self.account_id, order=marked))
        return marked

    def _look_up(self, order: Order) -> None:
        self.effects.append(
            Find(
                exchange=self.exchange,
                account_id=self.account_id,
                client_order_id=order.client_order_id,
                request=order.request,
                venue_order_id=order.venue_order_id,
            )
        )

    # -- keeping -------------------------------------------------------------------------------------------------

    def _find(self, client_id: ClientOrderId | None, venue_id: VenueOrderId | None) -> Order | None:
        if client_id:
            found = self.order(client_id)
            if found is not None:
                return found
        known = self._by_venue_id.get(venue_id) if venue_id else None
        return self.order(known) if known else None

    def _keep(self, order: Order) -> None:
        key = order.client_order_id
        if order.venue_order_id:
            self._by_venue_id[order.venue_order_id] = key
        if is_settled(order):
            self._cancels.discard(key)
            self._live.pop(key, None)
            if key in (peers := self._by_instrument.get(order.instrument, {})):
                del peers[key]
            self._remember(order)
        else:
            self._past.pop(key, None)
            self._live[key] = order
            self._by_instrument.setdefault(order.instrument, {})[key] = order

    def _remember(self, order: Order) -> None:
        if order.client_order_id not in self._past:
            self._past_ids.append(order.client_order_id)
        self._past[order.client_order_id] = order
        while len(self._past_ids) > _REMEMBERED:
            forgotten = self._past.pop(self._past_ids.popleft(), None)
            if forgotten is not None and forgotten.venue_order_id:
                self._by_venue_id.pop(forgotten.venue_order_id, None)

    def _record(
        self,
        now: int,
        kind: RecordKind,
        payload: object,
        client_order_id: ClientOrderId | None,
        venue_order_id: VenueOrderId | None = None,
        subject: str = "",
    ) -> None:
        self.records.append(
            JournalRecord(
                time=now,
                exchange=self.exchange,
                account_id=self.account_id,
                kind=kind,
                client_order_id=client_order_id or ClientOrderId(""),
                venue_order_id=venue_order_id,
                subject=subject,
                payload=_encode(payload),
            )
        )

    def __iter__(self) -> Iterator[Order]:
        """Every order that is not settled, oldest first."""
        return iter(self._live.values())


def _can_be_cancelled(order: Order) -> bool:
    return order.status in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
