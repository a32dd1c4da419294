"""The rows of a placing answer: what kind each is, and which order it is about."""

from collections.abc import Sequence

from exchanges.ibkr.wire.orders import PlaceRow
from horizon.model import OrderRequest


def is_question(row: PlaceRow) -> bool:
    """Whether the venue wants a yes or no; the row's `id` is then the reply id, not an order id."""
    return row.id is not None and row.order_id is None and (row.message is not None or row.messageIds is not None)


def is_advanced_reject(row: PlaceRow) -> bool:
    """Whether the venue holds the order behind a prompt with options of its own."""
    return row.reqId is not None and row.order_id is None


def texts(row: PlaceRow) -> tuple[str, ...]:
    """The texts of a question."""
    return (row.message,) if isinstance(row.message, str) else tuple(row.message or ())


def matched(rows: Sequence[PlaceRow], requests: Sequence[OrderRequest]) -> list[tuple[OrderRequest, PlaceRow]]:
    """Each row with its request: by the client order id it carries, the others by their place among what is left."""
    by_id = {row.local_order_id: row for row in rows if row.local_order_id}
    named = [(request, by_id[request.client_order_id]) for request in requests if request.client_order_id in by_id]
    taken = {id(row) for _, row in named}
    left = [request for request in requests if request.client_order_id not in by_id]
    free = [row for row in rows if id(row) not in taken]
    return [*named, *zip(left, free, strict=False)]
