"""What orders need to know from their neighbours, and what was sent by this object."""

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from exchanges.ibkr.confirmations import Ticket
from exchanges.ibkr.mapping.contracts import ContractFacts
from horizon.model import AccountId, ClientOrderId, Fill, MarketId, OrderRequest, VenueOrderId

MOST_REMEMBERED: Final = 10_000


class Surroundings(Protocol):
    """What orders need to know from their neighbours."""

    def ticket(self, requests: Sequence[OrderRequest]) -> Ticket:
        """The facts on which prompts about these requests are judged."""
        ...

    async def fills_of(
        self, account_id: AccountId, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None
    ) -> Sequence[Fill]:
        """Executions of one order within a week, by either id."""
        ...

    async def contract(self, market_id: MarketId) -> ContractFacts: ...


class SentOrders:
    """What was asked for, by our own ids, the oldest forgotten first.

    The venue has no id of ours for the children of a bracket: they are told apart by what was asked for. And its rows
    do not show everything that a ticket holds.
    """

    def __init__(self) -> None:
        self._requests: dict[ClientOrderId, OrderRequest] = {}

    def remember(self, requests: Sequence[OrderRequest]) -> None:
        for request in requests:
            self._requests.pop(request.client_order_id, None)
            self._requests[request.client_order_id] = request
        while len(self._requests) > MOST_REMEMBERED:
            del self._requests[next(iter(self._requests))]

    def get(self, client_order_id: ClientOrderId) -> OrderRequest | None:
        return self._requests.get(client_order_id)

    def children(self, parent: str) -> Iterator[OrderRequest]:
        """The exits of an entry."""
        return (request for request in list(self._requests.values()) if request.parent == parent)
