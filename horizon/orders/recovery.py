"""What a journal says about orders that were sent before: which of them are not settled. Pure.

The lines about an order are handed once more to a desk, which makes of them what the desk of then did. So an order
that had not been answered is PENDING again, fills are booked again once each, and nothing is asked of a venue: that
is for whoever takes the orders up (`Desk.take_up`).
"""

from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from horizon.errors import RecordingError
from horizon.model import AccountId, ClientOrderId, EarlierOrder, Fill, OrderReport, OrderRequest
from horizon.orders.desk import Desk
from horizon.ports import JournalRecord, RecordKind

_request = msgspec.json.Decoder(OrderRequest).decode
_report = msgspec.json.Decoder(OrderReport).decode
_fill = msgspec.json.Decoder(Fill).decode
_decision = msgspec.json.Decoder(dict[str, str]).decode


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """The orders of a journal, oldest first."""

    open: tuple[EarlierOrder, ...]
    """Those of which something is still expected."""
    settled: tuple[EarlierOrder, ...]
    """The others that the lines were about."""
    unmarked: tuple[ClientOrderId, ...]
    """Those of the settled ones of which the journal does not say that they are: an older version wrote it."""


def recover(records: Iterable[JournalRecord], exchange: str, account_id: AccountId) -> Recovered:
    """The orders that these lines are about. Raises RecordingError for a line that can't be read."""
    replay = _Replay(Desk(exchange, account_id, ""))
    for record in records:
        try:
            replay.take(record)
        except (msgspec.DecodeError, ValueError) as error:
            raise RecordingError(
                f"a line of the journal ({record.kind} of {record.client_order_id or 'no order'}) can't be read "
                f"({error}): what became of that order is not known; move the journal away and look at the venue",
                file="",
            ) from error
    return replay.result()


class _Replay:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._senders: dict[ClientOrderId, str] = {}
        self._marked: set[ClientOrderId] = set()

    def take(self, record: JournalRecord) -> None:
        desk, key = self._desk, record.client_order_id
        match record.kind:
            case RecordKind.INTENT if desk.order(key) is None:
                desk.submit([_request(record.payload)], record.time)
                self._senders[key] = record.subject
            case RecordKind.LINK if (linked := desk.order(ClientOrderId(record.subject))) is not None:
                self._senders[key] = self._senders.pop(linked.client_order_id)
                desk.depart_again(linked, key, record.time)
            case RecordKind.ACKNOWLEDGEMENT | RecordKind.REPORT:
                desk.apply(replace(_report(record.payload), client_order_id=key))
            case RecordKind.FILL if key:
                desk.book(replace(_fill(record.payload), client_order_id=key))
            case RecordKind.CANCEL_INTENT:
                desk.cancel(key, record.time)
            case RecordKind.REPLACE_INTENT:
                desk.change(key, _request(record.payload), record.time)
            case RecordKind.DECISION if (decided := desk.order(key)) is not None:
                if record.subject == "sent again":
                    desk.depart_again(decided, key, record.time)
                elif record.subject == "given up":
                    desk.give_up(key, _decision(record.payload).get("reason", ""), record.time)
            case RecordKind.SETTLED:
                self._marked.add(key)
            case _:
                pass
        # what the desk of then wanted done has been done, or is found out by asking
        desk.effects.clear()
        desk.records.clear()

    def result(self) -> Recovered:
        unsettled = {order.client_order_id for order in self._desk}
        found = [self._earlier(key) for key in self._senders]
        known = [each for each in found if each is not None]
        return Recovered(
            open=tuple(each for each in known if each.order.client_order_id in unsettled),
            settled=tuple(each for each in known if each.order.client_order_id not in unsettled),
            unmarked=tuple(key for key in self._senders if key not in unsettled and key not in self._marked),
        )

    def _earlier(self, key: ClientOrderId) -> EarlierOrder | None:
        order = self._desk.order(key)
        return None if order is None else replace(self._desk.earlier(order), sender=self._senders[key])
