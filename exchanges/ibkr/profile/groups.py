"""What may go out in one call: one order, one bracket, or one group of which one cancels the others."""

from collections.abc import Mapping, Sequence

from horizon.errors import InvalidOrder
from horizon.model import ClientOrderId, OrderRequest


def check_group(requests: Sequence[OrderRequest]) -> None:
    """Raise InvalidOrder for orders that have nothing to do with each other, and for exits that are none."""
    by_id = {request.client_order_id: request for request in requests}
    entries = [request for request in requests if request.parent is None]
    for request in requests:
        if request.parent is not None:
            _check_exit(request, by_id)
    if len(entries) > 1 and (len({entry.group for entry in entries}) > 1 or not entries[0].group):
        raise InvalidOrder(
            f"one call takes one order, one bracket or one group, found {len(entries)} orders that do not share a "
            "group: give them the same group, or send them one by one",
            rule="group",
        )
    groups = {request.group for request in requests if request.group}
    if len(groups) > 1:
        raise InvalidOrder(f"one call takes one group, found {', '.join(sorted(groups))}", rule="group")


def _check_exit(request: OrderRequest, by_id: Mapping[ClientOrderId, OrderRequest]) -> None:
    parent = by_id.get(request.parent) if request.parent is not None else None
    if parent is None or parent.parent is not None:
        raise InvalidOrder(
            f"order {request.client_order_id} names the parent {request.parent}, which is not an entry of the same "
            "group: a bracket goes out as one call",
            rule="parent",
        )
    if request.market_id == parent.market_id and request.order_side is parent.order_side:
        raise InvalidOrder(
            f"the exit {request.client_order_id} is a {request.order_side} as its entry is: an exit of a "
            f"{parent.order_side} is a {parent.order_side.opposite}",
            rule="parent",
        )
