"""What unsettled orders can still do to a position. Pure."""

from collections.abc import Container, Iterable
from decimal import Decimal

from msgspec.structs import replace

from horizon.model import ZERO, ClientOrderId, Order, OrderRequest, OrderSide


def on_the_way(orders: Iterable[Order]) -> Decimal:
    """Signed size that orders will add if they fill, and fills that are reported but not booked yet.

    Exits that wait for their entry, or that cancel each other, are left out: at most one of them happens, and it
    closes what is held.
    """
    total = ZERO
    for order in orders:
        pending = order.filled - order.booked
        if order.request.parent is None and not order.request.group:
            pending += order.remaining
        total += pending * order.request.order_side.sign
    return total


def extremes(orders: Iterable[Order], *, without: Container[ClientOrderId] = ()) -> tuple[Decimal, Decimal]:
    """Signed sizes (lowest, highest) that orders could add if the worst of them fill.

    `without` leaves out what remains of some orders.
    """
    certain = lowest = highest = ZERO
    exits: dict[str, tuple[Decimal, Decimal]] = {}
    for order in orders:
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


def at_worst(order: Order, change: OrderRequest | None) -> Order:
    """The order with the larger size and the more eager price of what it is and what a change makes of it.

    Until the venue has agreed or refused, the change may have happened.
    """
    own = order.request
    if change is None:
        return order
    prices = [price for price in (own.price, change.price) if price is not None]
    eager = max if own.order_side is OrderSide.BUY else min
    price = eager(prices) if own.price is not None else None
    return replace(order, request=replace(own, size=max(own.size, change.size), price=price))
