"""The life of an order: which status may follow which, and what a report or a fill makes of an order. Pure.

Reports arrive late, twice and out of order. So a status only moves along `ALLOWED`, what has filled only grows, and
a fill is booked whatever the status says: an order that was cancelled can turn out to have filled before.
"""

from decimal import Decimal

from msgspec.structs import replace

from horizon.model import DONE, IN_DOUBT, Fill, Order, OrderReport, OrderStatus

_S = OrderStatus
ALLOWED: dict[OrderStatus, frozenset[OrderStatus]] = {
    _S.PENDING: frozenset(OrderStatus) - {_S.PENDING},
    _S.UNKNOWN: frozenset(OrderStatus) - {_S.PENDING, _S.UNKNOWN},
    _S.WORKING: frozenset({_S.PARTIALLY_FILLED, _S.FILLED, _S.CANCEL_PENDING, _S.CANCELED, _S.REJECTED, _S.EXPIRED}),
    _S.PARTIALLY_FILLED: frozenset({_S.FILLED, _S.CANCEL_PENDING, _S.CANCELED, _S.REJECTED, _S.EXPIRED}),
    # unknown: the answer to the cancel was lost, so the order may work on
    _S.CANCEL_PENDING: frozenset({_S.FILLED, _S.CANCELED, _S.REJECTED, _S.EXPIRED, _S.UNKNOWN}),
    # late fills can complete an order that was reported dead
    _S.CANCELED: frozenset({_S.FILLED}),
    _S.REJECTED: frozenset({_S.FILLED}),
    _S.EXPIRED: frozenset({_S.FILLED}),
    _S.FILLED: frozenset(),
}
"""From each status, the statuses that may follow. What is not listed is stale news and changes nothing."""


def apply_report(order: Order, report: OrderReport, *, size: Decimal | None = None) -> Order:
    """The order after a report: the same object when the report says nothing new.

    `size` is what may have to fill until the order is over, where a change on its way may have made it more.
    """
    if report.size is not None and report.size > 0:
        size = report.size
    revived = _arrived_after_all(order, report)
    filled = max(order.filled, _reported_fill(order, report))
    status = order.status
    if report.refused_change:
        if status is _S.CANCEL_PENDING:
            status = _S.PARTIALLY_FILLED if filled else _S.WORKING
    elif report.status in ALLOWED[status] or revived:
        status = report.status
    return _settled(
        order,
        size=order.request.size if size is None else size,
        status=status,
        filled=filled,
        concluded=status in DONE and (order.concluded or report.absent),
        venue_order_id=order.venue_order_id or report.venue_order_id,
        average_price=report.average_price if report.average_price is not None else order.average_price,
        # why an order was in doubt means nothing once it no longer is
        reason=report.reason or ("" if order.is_in_doubt and status not in IN_DOUBT else order.reason),
        time=report.time,
    )


def book_fill(order: Order, fill: Fill, *, replaced: Fill | None = None, size: Decimal | None = None) -> Order:
    """The order after one booked execution. The caller sees to it that an execution is booked once.

    `replaced` is the report of the same execution that this one corrects, `size` as for `apply_report`.
    """
    before, spent, filled = order.booked, (order.average_price or Decimal(0)) * order.booked, order.filled
    if replaced is not None:
        before, filled = before - replaced.size, filled - replaced.size + fill.size
        spent -= replaced.price * replaced.size
    booked = before + fill.size
    return _settled(
        order,
        size=order.request.size if size is None else size,
        status=order.status,
        filled=max(filled, booked),
        booked=booked,
        venue_order_id=order.venue_order_id or fill.venue_order_id,
        average_price=(spent + fill.price * fill.size) / booked if booked else None,
        reason=order.reason,
        time=fill.receive_time,
    )


def sent_again(order: Order, now: int) -> Order:
    """The order once it is on its way for a second time."""
    return replace(order, status=_S.PENDING, reason="", updated_time=now)


def cancel_requested(order: Order, now: int) -> Order:
    """The order once a cancel is on its way; in doubt stays in doubt, because that is the stronger warning."""
    if order.is_in_doubt or _S.CANCEL_PENDING not in ALLOWED[order.status]:
        return order
    return replace(order, status=_S.CANCEL_PENDING, updated_time=now)


def _arrived_after_all(order: Order, report: OrderReport) -> bool:
    """Whether the venue works on an order that was given up because the venue did not have it."""
    return (
        order.status in DONE
        and (order.concluded or (order.status is _S.REJECTED and order.venue_order_id is None))
        and report.venue_order_id is not None
        and report.status in (_S.WORKING, _S.PARTIALLY_FILLED, _S.CANCEL_PENDING)
    )


def _reported_fill(order: Order, report: OrderReport) -> Decimal:
    if report.filled is not None:
        return report.filled
    return order.request.size if report.status is _S.FILLED else order.filled


def _settled(
    order: Order,
    *,
    size: Decimal,
    status: OrderStatus,
    filled: Decimal,
    time: int,
    booked: Decimal | None = None,
    **rest: object,
) -> Order:
    """The new state, with the status that what has filled implies."""
    # of an order for an amount of money, the size is an estimate at best
    if filled >= size and status is not _S.FILLED and order.request.cash_quantity is None:
        status = _S.FILLED
    elif filled > 0 and (status is _S.WORKING or (status in IN_DOUBT and filled > order.filled)):
        # what has filled before says nothing about an order of which something is in doubt now
        status = _S.PARTIALLY_FILLED
    changed = replace(order, status=status, filled=filled, booked=order.booked if booked is None else booked, **rest)
    if changed == order:
        return order
    return replace(changed, updated_time=max(order.updated_time, time))


def is_settled(order: Order) -> bool:
    """Nothing more is expected: done, every reported fill has been booked, and nothing is left to look into."""
    return order.status in DONE and order.booked >= order.filled and (order.cleared or not order.is_overfilled)
