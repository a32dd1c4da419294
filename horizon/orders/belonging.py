"""Whose an order is that the venue lists: ours, by all that the journal has, or somebody else's."""

from collections.abc import Callable, Sequence

from horizon.model import AccountId, ClientOrderId, Fill, OrderReport, VenueOrderId
from horizon.ports import Journal, RecordKind

_MOST_IDS = 20_000
_OF_OURS = frozenset({RecordKind.INTENT, RecordKind.ACKNOWLEDGEMENT, RecordKind.REPORT, RecordKind.FILL})


class Belonging:
    """Ids of orders, ours and the venue's, with whether they are ours. Keeps the latest twenty thousand."""

    def __init__(self, journal: Journal, account_id: AccountId) -> None:
        self._journal = journal
        self._account_id = account_id
        self._ours: dict[str, bool] = {}

    def note(self, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None) -> None:
        """An order is ours."""
        self._ours[client_order_id] = True
        if venue_order_id:
            self._ours[venue_order_id] = True

    def is_ours(self, client_order_id: ClientOrderId | None, venue_order_id: VenueOrderId | None) -> bool:
        """Whether either id is one of ours, by what was noted and learned."""
        return any(self._ours.get(each, False) for each in (client_order_id, venue_order_id) if each)

    def learn(self, news: Sequence[OrderReport | Fill], *, known: Callable[[ClientOrderId | None], bool]) -> None:
        """Look up the ids that nothing is known of, all at once: the journal is read from its start for them.

        `known` says whether a client order id needs no looking up.
        """
        while len(self._ours) > _MOST_IDS:
            del self._ours[next(iter(self._ours))]
        strange = {
            each
            for one in news
            if not known(one.client_order_id) and not self.is_ours(one.client_order_id, one.venue_order_id)
            for each in (one.client_order_id, one.venue_order_id)
            if each and each not in self._ours
        }
        if not strange:
            return
        self._ours |= dict.fromkeys(strange, False)
        for record in self._journal.records(account_id=self._account_id):
            if record.client_order_id and record.kind in _OF_OURS:
                for each in (record.client_order_id, record.venue_order_id):
                    if each is not None and each in strange:
                        self._ours[each] = True
