"""Which row of the venue's order list is about one of our orders."""

from collections.abc import Sequence

from exchanges.ibkr.mapping.echoes import order_type_of
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.mapping.orders import price_of, report
from exchanges.ibkr.wire.orders import OrderRow
from horizon.errors import VenueUnavailable
from horizon.model import ClientOrderId, OrderRequest


def by_reference(rows: Sequence[OrderRow], client_order_id: str) -> OrderRow | None:
    """The row of an id; where the venue lists several, an entry goes before a child, and one that lives before one
    that is over."""
    found = [row for row in rows if row.order_ref == client_order_id]
    return min(found, key=_unlikely, default=None)


def find_row(rows: Sequence[OrderRow], client_order_id: ClientOrderId, request: OrderRequest | None) -> OrderRow | None:
    """The row of one of our orders; a child is found by its parent, direction, type and price.

    Raises VenueUnavailable when two children cannot be told apart.
    """
    if request is None or request.parent is None:
        return by_reference(rows, client_order_id)
    parent = by_reference(rows, request.parent)
    if parent is None:
        return None
    price = request.limit if request.limit is not None else request.stop_price
    if request.order_type.trails:
        # its row shows where the trigger has moved to
        price = None
    found = [
        row
        for row in rows
        if conid_text(row.parentId) == str(parent.orderId)
        and row.side == request.order_side
        and order_type_of(row) in (None, request.order_type)
        and (price is None or price_of(row) in (None, price))
    ]
    if len(found) > 1:
        raise VenueUnavailable(
            f"{len(found)} exits of order {request.parent} look the same, so {client_order_id} cannot be told apart: "
            "look at the venue's own screen"
        )
    return found[0] if found else None


def _unlikely(row: OrderRow) -> tuple[bool, bool]:
    return conid_text(row.parentId) is not None, report(row, exchange="", now=0).status.is_done
