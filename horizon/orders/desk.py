"""The desk: the only holder of order state, for one account at one exchange. Pure.

A desk takes requests, reports and fills, keeps what is known about each order, and leaves two lists behind: effects
(what the shell is to do at the venue) and records (what must be in the journal before it does).
"""

from collections.abc import Container, Iterable, Iterator, Sequence
from decimal import Decimal

import msgspec
from msgspec.structs import replace

from horizon.errors import InvalidOrder
from horizon.model import (
    AccountId,
    ClientOrderId,
    EarlierOrder,
    Fill,
    Instrument,
    MarketId,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    VenueOrderId,
)
from horizon.orders import exposure
from horizon.orders.again import SendAgain, why_not
from horizon.orders.changes import Changes
from horizon.orders.effects import Cancel, Effect, Find, Replace, Send, Tell
from horizon.orders.kept import KeptOrders
from horizon.orders.lifecycle import apply_report, book_fill, cancel_requested, sent_again
from horizon.ports import JournalRecord, RecordKind

_encode = msgspec.json.Encoder().encode


class Desk:
    """Order state of one account. `run_id` prefixes the client order ids, so it must be new for every run.

    `sender` is the strategy whose orders these are; empty for those that come straight from a person.
    """

    def __init__(
        self,
        exchange: str,
        account_id: AccountId,
        run_id: str,
        *,
        sender: str = "",
        again: SendAgain = SendAgain.SAME_ID,
    ) -> None:
        self.exchange = exchange
        self.account_id = account_id
        self.effects: list[Effect] = []
        self.records: list[JournalRecord] = []
        self._run_id = run_id
        self._sender = sender
        self._again = again
        self._count = 0
        self._kept = KeptOrders()
        self._changes = Changes()
        self._waiting_fills: dict[VenueOrderId, list[Fill]] = {}
        self._cancels: set[ClientOrderId] = set()
        """Orders whose cancel is on its way; one that was refused may be asked for again."""
        self._alone: set[ClientOrderId] = set()
        """Orders that left here by themselves: of a group, no part is sent again without the others."""
        self._sent_twice: set[ClientOrderId] = set()
        self._burnt: set[ClientOrderId] = set()
        self._senders: dict[ClientOrderId, str] = {}
        """Whose the orders are that this desk has taken up."""

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
            self._kept.keep(order)
            self._record(now, RecordKind.INTENT, request, order, subject=self._sender)
            orders.append(order)
        if len(orders) == 1 and requests[0].parent is None and not requests[0].group:
            self._alone.add(orders[0].client_order_id)
        self._send(requests)
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
        self._kept.remember(order)
        payload = {"request": request, "rule": rule, "reason": reason}
        self._record(now, RecordKind.REFUSED, payload, order, subject=rule)
        return order

    def note(self, kind: RecordKind, subject: str, payload: bytes, now: int) -> None:
        """A line for this account's journal that is about no order."""
        self._record(now, kind, msgspec.Raw(payload), None, subject=subject)

    def cancel(self, client_order_id: ClientOrderId, now: int) -> Order | None:
        """Ask for a cancel, once. None when there is nothing to cancel.

        For an order in doubt nothing goes out yet: the cancel leaves when the venue turns out to have the order.
        """
        order = self._kept.get(client_order_id)
        if order is None or order.is_done or order.client_order_id in self._cancels:
            return None
        self._cancels.add(order.client_order_id)
        self._record(now, RecordKind.CANCEL_INTENT, {}, order)
        return order if order.is_in_doubt else self._withdraw(order, now)

    def change(self, client_order_id: ClientOrderId, request: OrderRequest, now: int) -> Order | None:
        """Ask the venue to change an order into `request`. The order keeps its state until the venue agrees.

        None when the order is over or in doubt, or while another change of it is on its way.
        """
        order = self._kept.get(client_order_id)
        if order is None or order.is_done or order.is_in_doubt or self._changes.asked(order.client_order_id):
            return None
        key = order.client_order_id
        request = replace(request, exchange=self.exchange, account_id=self.account_id, client_order_id=key)
        self._changes.ask(key, request)
        self._record(now, RecordKind.REPLACE_INTENT, request, order)
        self.effects.append(Replace(exchange=self.exchange, account_id=self.account_id, order=order, request=request))
        return order

    def send_again(self, client_order_id: ClientOrderId, now: int) -> Order | None:
        """Send an order once more that the venue does not have: under its id, or under a new one when it is burnt.

        None when `why_not_again` has a reason against it.
        """
        order = self._kept.get(client_order_id)
        if order is None or self.why_not_again(client_order_id, now) is not None:
            return None
        burnt = order.client_order_id in self._burnt
        order = self.depart_again(order, self.next_id() if burnt else order.client_order_id, now)
        self._send([order.request])
        return order

    def depart_again(self, order: Order, under: ClientOrderId, now: int) -> Order:
        """The order on its way for the second time, under an id of which the one it had becomes a former one."""
        former = order.client_order_id
        order = sent_again(order, now)
        if under == former:
            self._kept.keep(order)
            self._record(now, RecordKind.DECISION, {"reason": "never reached the venue"}, order, subject="sent again")
        else:
            order = replace(order, request=replace(order.request, client_order_id=under))
            self._kept.rename(order, former)
            self._record(now, RecordKind.LINK, order.request, order, subject=former)
            self._record(now, RecordKind.INTENT, order.request, order, subject=self._sender)
            self._note_settled(former, now)
        self._sent_twice.add(under)
        return order

    # -- what comes back -----------------------------------------------------------------------------------------

    def apply(self, report: OrderReport) -> Order | None:
        """The order when the report changed it; None for stale news and for orders that are not this desk's."""
        known = self._kept.find(report.client_order_id, report.venue_order_id)
        if known is None:
            return None
        if report.absent and (known.is_done or known.venue_order_id != report.venue_order_id):
            # concluded before other news of it came
            return None
        key = known.client_order_id
        if report.burnt:
            self._burnt.add(key)
        if report.interrupted:
            self._alone.discard(key)
        if report.refused_change and not known.is_in_doubt:
            self._cancels.discard(key)
        asked = self._changes.asked(key)
        request, remark = self._changes.settle(known, report)
        change_is_over = asked is not None and self._changes.asked(key) is None
        order = known if request is None else replace(known, request=request)
        changed = self._proven(apply_report(order, report, size=self._at_worst(order).request.size))
        if report.doubtful_change and changed.is_open:
            self._look_up(changed)
        if remark:
            self._tell(NoticeLevel.WARNING, f"order {key}: {remark}")
        if changed == known and not change_is_over:
            return None
        arrived = known.venue_order_id is None and changed.venue_order_id is not None
        self._record(report.time, RecordKind.ACKNOWLEDGEMENT if arrived else RecordKind.REPORT, report, changed)
        if report.absent:
            self._record(report.time, RecordKind.DECISION, {"reason": report.reason}, changed, subject="not sent again")
        if known.is_done and (changed.is_open or known.concluded) and changed.status is not known.status:
            text = f"order {key} was taken for lost and has arrived at the venue after all: it is {changed.status}"
            self._tell(NoticeLevel.WARNING, text)
        changed = self._keep(changed, known, report.time)
        for fill in self._waiting_fills.pop(changed.venue_order_id, ()) if changed.venue_order_id else ():
            changed = self.book(fill) or changed
        return changed

    def book(self, fill: Fill) -> Order | None:
        """The order after an execution; None when it is nobody's yet, or changes nothing.

        An execution is booked once, however often it is reported; a commission that comes later is noted, and a
        correction takes the place of what it corrects. A fill can arrive before the answer that names its venue order
        id: it is kept and booked then.
        """
        order = self._kept.find(fill.client_order_id, fill.venue_order_id)
        if order is None:
            self._record(fill.receive_time, RecordKind.FILL, fill, None)
            if fill.venue_order_id is not None and fill.client_order_id is None:
                self._waiting_fills.setdefault(fill.venue_order_id, []).append(fill)
            return None
        executions = self._kept.executions(order.client_order_id)
        known = executions.get(fill.execution_id)
        if known is not None:
            if known.commission is None and fill.commission is not None:
                executions[fill.execution_id] = fill
                self._record(fill.receive_time, RecordKind.FILL, fill, order)
            return None
        if any(each.corrects(fill) for each in executions.values()):
            return None
        replaced = next((each for each in executions.values() if fill.corrects(each)), None)
        if replaced is not None:
            del executions[replaced.execution_id]
        executions[fill.execution_id] = fill
        self._record(fill.receive_time, RecordKind.FILL, fill, order)
        booked = book_fill(order, fill, replaced=replaced, size=self._at_worst(order).request.size)
        return self._keep(self._proven(booked), order, fill.receive_time)

    # -- orders of before ----------------------------------------------------------------------------------------

    def take_up(self, earlier: Sequence[EarlierOrder], now: int) -> list[Order]:
        """Take over orders that were sent before, and have each looked up: what has become of it is not known.

        One that may or may not have left is in doubt; the others count as they were last known.
        """
        orders = []
        for each in earlier:
            order, key = each.order, each.order.client_order_id
            self._senders[key] = each.sender
            self._alone.discard(key)
            self._kept.executions(key).update({fill.execution_id: fill for fill in each.fills})
            if each.cancel_asked and (order.is_open or order.concluded):
                self._cancels.add(key)
            if each.change is not None and order.is_open:
                self._changes.ask(key, each.change)
                self._changes.doubt(key)
                self._doubt(order, order.status, now, change=True)
            for former in each.former_ids:
                self._kept.rename(order, former)
            if order.status in (OrderStatus.PENDING, OrderStatus.CANCEL_PENDING):
                order = self._doubt(order, OrderStatus.UNKNOWN, now)
            self._kept.keep(order)
            if self._kept.is_live(key):
                self._look_up(order, soon=True)
                orders.append(order)
        return orders

    def mark_settled(self, client_order_ids: Iterable[ClientOrderId], now: int) -> None:
        """Note in the journal that nothing more is expected of these orders of before."""
        for key in client_order_ids:
            self._note_settled(key, now)

    def hand_over(self) -> list[EarlierOrder]:
        """Every order that is not settled, for another desk to take up."""
        return [self.earlier(order) for order in self._kept]

    def earlier(self, order: Order) -> EarlierOrder:
        """An order of this desk with all that is known beside its state."""
        key = order.client_order_id
        return EarlierOrder(
            order=order,
            fills=tuple(self._kept.executions(key).values()),
            sender=self._senders.get(key, self._sender),
            cancel_asked=key in self._cancels,
            change=self._changes.asked(key),
            former_ids=self._kept.former_ids(key),
        )

    def give_up(self, client_order_id: ClientOrderId, reason: str, now: int) -> Order | None:
        """A person has looked: an order in doubt is over, one that filled beyond its size is as it should be.

        None when nothing is wrong with the order. The venue's own word that it works still counts more.
        """
        order = self._kept.get(client_order_id)
        if order is None or not (order.status is OrderStatus.UNKNOWN or (order.is_overfilled and not order.cleared)):
            return None
        changed = replace(order, cleared=order.is_overfilled, updated_time=now)
        if order.status is OrderStatus.UNKNOWN:
            changed = replace(changed, status=OrderStatus.CANCELED, concluded=True, reason=f"given up: {reason}")
        self._record(now, RecordKind.DECISION, {"reason": reason}, changed, subject="given up")
        return self._keep(changed, order, now)

    # -- what is known -------------------------------------------------------------------------------------------

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        """The latest state; orders long done are forgotten."""
        return self._kept.get(client_order_id)

    def why_not_again(self, client_order_id: ClientOrderId, now: int) -> str | None:
        """Why an order that the venue does not have is not sent again; None when guards and session may decide."""
        order = self._kept.get(client_order_id)
        if order is None:
            return "it is not known"
        key = order.client_order_id
        if key in self._cancels:
            return "it was to be cancelled"
        return why_not(
            order,
            now,
            alone=key in self._alone,
            sent_twice=key in self._sent_twice,
            burnt=key in self._burnt,
            policy=self._again,
        )

    def why_blocked(self, market_id: MarketId) -> str | None:
        """Why nothing new may leave in a market: what an order there has done is not known, or is too much."""
        order = self._kept.alarming(market_id)
        if order is None:
            return None
        if order.is_overfilled:
            return (
                f"order {order.client_order_id} asked for {order.request.size} and {order.filled} have filled: compare "
                "positions with the venue's own screen, then clear the order"
            )
        return f"order {order.client_order_id} is in doubt ({order.reason}): wait until the venue has said what it did"

    def is_of(self, sender: str, client_order_id: ClientOrderId) -> bool:
        """Whether an order was sent by this desk, or by an earlier run of the same sender."""
        return self._senders.get(client_order_id, self._sender) == sender

    def cancel_is_asked(self, client_order_id: ClientOrderId) -> bool:
        """Whether an order is to be cancelled, which a shell may do by not sending it at all."""
        return client_order_id in self._cancels

    def knows(self, fill: Fill) -> bool:
        """Whether the fill belongs to an order of this desk."""
        return self._kept.find(fill.client_order_id, fill.venue_order_id) is not None

    def open_orders(self, instrument: Instrument | None = None) -> list[Order]:
        """Orders that can still fill, oldest first."""
        kept = self._kept if instrument is None else self._kept.of(instrument)
        return [order for order in kept if order.is_open]

    def unresolved(self, instrument: Instrument) -> bool:
        """Whether an order of this instrument is open, in doubt, or has reported fills that are not booked.

        The exits of a bracket do not count before their entry has filled: they are meant to rest.
        """
        return any(order.request.parent is None for order in self._kept.of(instrument))

    @property
    def awaits_reports(self) -> bool:
        """Whether any order can still change."""
        return any(order.is_open for order in self._kept)

    @property
    def awaits_fills(self) -> bool:
        """Whether any order is live or has fills that are reported but not booked."""
        return bool(self._kept)

    def on_the_way(self, instrument: Instrument) -> Decimal:
        """Signed size that orders will add if they fill, and fills that are reported but not booked yet."""
        return exposure.on_the_way(self._kept.of(instrument))

    def extremes(
        self, instrument: Instrument, *, without: Container[ClientOrderId] = (), also: Sequence[OrderRequest] = ()
    ) -> tuple[Decimal, Decimal]:
        """Signed sizes (lowest, highest) that open and in-doubt orders could add if the worst of them fill.

        `without` leaves out what remains of some orders: the one that a change would take the place of, or those that
        are about to leave at last. `also` are requests that are about to leave.
        """
        leaving = [Order(request=request) for request in also if request.instrument == instrument]
        kept = [self._at_worst(order) for order in self._kept.of(instrument)]
        return exposure.extremes((*kept, *leaving), without=without)

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
        kept = self._kept if instrument is None else self._kept.of(instrument)
        leaving = [Order(request=each) for each in also if instrument in (None, each.instrument)]
        return [self._at_worst(order) for order in kept if order.client_order_id not in without] + leaving

    def _at_worst(self, order: Order) -> Order:
        return exposure.at_worst(order, self._changes.asked(order.client_order_id))

    def _proven(self, order: Order) -> Order:
        """The order as a change made it, once more has filled than it asked for before: the change has happened."""
        change = self._changes.asked(order.client_order_id)
        if change is None or not order.request.size < order.filled <= change.size:
            return order
        return replace(order, request=change)

    # -- asking the venue ----------------------------------------------------------------------------------------

    def _send(self, requests: Sequence[OrderRequest]) -> None:
        self.effects.append(Send(exchange=self.exchange, account_id=self.account_id, requests=tuple(requests)))

    def _withdraw(self, order: Order, now: int) -> Order:
        marked = cancel_requested(order, now)
        self._kept.keep(marked)
        self.effects.append(Cancel(exchange=self.exchange, account_id=self.account_id, order=marked))
        return marked

    def _look_up(self, order: Order, *, soon: bool = False) -> None:
        self.effects.append(
            Find(
                exchange=self.exchange,
                account_id=self.account_id,
                client_order_id=order.client_order_id,
                request=order.request,
                sent=order.created_time,
                venue_order_id=order.venue_order_id,
                soon=soon,
            )
        )

    def _tell(self, level: NoticeLevel, text: str) -> None:
        self.effects.append(Tell(exchange=self.exchange, account_id=self.account_id, level=level, text=text))

    def _doubt(self, order: Order, status: OrderStatus, now: int, *, change: bool = False) -> Order:
        """An order, or its change, of which the venue's answer was never seen."""
        report = OrderReport(
            exchange=self.exchange,
            account_id=self.account_id,
            time=now,
            status=status,
            client_order_id=order.client_order_id,
            reason="its sender ended before the venue's answer was seen",
            doubtful_change=change,
        )
        doubtful = apply_report(order, report)
        self._record(now, RecordKind.REPORT, report, doubtful)
        return doubtful

    # -- keeping -------------------------------------------------------------------------------------------------

    def _keep(self, changed: Order, before: Order, now: int) -> Order:
        """Keep a new state, and do what follows from it."""
        key = changed.client_order_id
        if self._kept.keep(changed):
            if not changed.concluded:
                # what is taken for lost may arrive yet, and its cancel is wanted then
                self._cancels.discard(key)
            self._alone.discard(key)
            self._changes.forget(key)
            self._note_settled(key, now)
        if changed.is_overfilled and not before.is_overfilled:
            why = self.why_blocked(changed.request.market_id)
            self._tell(NoticeLevel.ERROR, f"{why}. Until then nothing new is sent in this market")
        if changed.status is OrderStatus.UNKNOWN and before.status is not OrderStatus.UNKNOWN:
            self._look_up(changed)
        if (before.is_in_doubt or before.concluded) and key in self._cancels and _can_be_cancelled(changed):
            return self._withdraw(changed, now)
        return changed

    def _note_settled(self, key: ClientOrderId, now: int) -> None:
        self._record(now, RecordKind.SETTLED, {}, None, client_order_id=key)

    def _record(
        self,
        now: int,
        kind: RecordKind,
        payload: object,
        order: Order | None,
        subject: str = "",
        client_order_id: ClientOrderId | None = None,
    ) -> None:
        venue_order_id = None if order is None else order.venue_order_id
        key = client_order_id or (ClientOrderId("") if order is None else order.client_order_id)
        self.records.append(
            JournalRecord(
                time=now,
                exchange=self.exchange,
                account_id=self.account_id,
                kind=kind,
                client_order_id=key,
                venue_order_id=venue_order_id,
                subject=subject,
                payload=_encode(payload),
            )
        )

    def __iter__(self) -> Iterator[Order]:
        """Every order that is not settled, oldest first."""
        return iter(self._kept)


def _can_be_cancelled(order: Order) -> bool:
    return order.status in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED)
