"""What an order would cost, asked of the venue before it is sent. Nothing it returns is ever confirmed."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from exchanges.ibkr.client import Client
from exchanges.ibkr.conversation import Conversation
from exchanges.ibkr.mapping.previews import preview_of
from exchanges.ibkr.mapping.replies import texts
from exchanges.ibkr.mapping.tickets import ticket
from exchanges.ibkr.profile import check_group
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.wire.orders import PlaceRow, WhatIf
from horizon.errors import WireError
from horizon.model import AccountId, OrderRequest, Preview
from horizon.net.rates import Priority


class Previews:
    """Asks what an order, or a bracket, would cost and change."""

    def __init__(
        self, client: Client, selection: AccountSelection, conversation: Conversation, *, exchange: str
    ) -> None:
        self._client = client
        self._selection = selection
        self._conversation = conversation
        self._exchange = exchange

    async def preview(
        self, group: Sequence[OrderRequest], account_id: AccountId, *, currency: str, account_currency: str
    ) -> Preview:
        """The venue's estimate. A question in its place becomes a warning, and is left unanswered.

        The markets' snapshots must have been asked for before. Raises Refused when the venue would refuse the order,
        and WireError for an estimate that cannot be read.
        """
        self._selection.check(account_id)
        ordered = sorted(group, key=lambda request: request.parent is not None)
        check_group(ordered)
        path = f"/iserver/account/{account_id}/orders/whatif"
        bodies = [ticket(request, account_id, parent=request.parent) for request in ordered]
        if len(bodies) == 1:
            # an id that the venue has seen is spent, and this is not the order yet
            del bodies[0]["cOID"]
        async with self._conversation.none_open():
            answer = await self._client.post(path, object, body={"orders": bodies}, priority=Priority.ORDER)
        bare = Preview(
            exchange=self._exchange, account_id=account_id, currency=currency, account_currency=account_currency
        )
        try:
            if isinstance(answer, list):
                rows = msgspec.convert(answer, list[PlaceRow])
                return replace(bare, warnings=tuple(text for row in rows for text in texts(row)))
            return preview_of(msgspec.convert(answer, WhatIf), bare)
        except ValueError as error:
            raise WireError(f"POST {path}: {error}", path=path, found=repr(answer)[:300]) from None
