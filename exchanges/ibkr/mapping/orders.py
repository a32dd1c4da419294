"""The venue's rows about orders to reports."""

from decimal import Decimal
from typing import Final

from exchanges.ibkr.mapping.numbers import conid_text, count, decimal
from exchanges.ibkr.mapping.statuses import order_status
from exchanges.ibkr.wire.orders import OrderRow, OrderStatusAnswer, PlaceRow
from horizon.errors import WireError
from horizon.model import AccountId, ClientOrderId, OrderReport, OrderRequest, OrderStatus, VenueOrderId

ORDERS_PATH: Final = "/iserver/account/orders"
STATUS_PATH: Final = "/iserver/account/order/status"


def is_failed(row: PlaceRow) -> bool:
    """Whether a row of a placing answer says that its order was not taken."""
    return conid_text(row.order_id) is None or (row.order_status or "").casefold() == "failed"


def failure_text(row: PlaceRow) -> str:
    """The venue's own words about a failed row."""
    texts = [text for text in (row.text, row.error, row.warning_message) if text and text != "-1"]
    return " ".join(dict.fromkeys(texts)) or "the venue gave no reason"


def placed(row: PlaceRow, request: OrderRequest, account_id: AccountId, *, exchange: str, now: int) -> OrderReport:
    """The report on one order of a placing, changing or confirming answer."""
    failed = is_failed(row)
    order_id = conid_text(row.order_id)
    status = OrderStatus.REJECTED if failed else order_status(row.order_status)
    if request.size_is_estimated and status is OrderStatus.FILLED:
        # how much has filled is not said here, and the estimate does not tell
        status = OrderStatus.WORKING
    return OrderReport(
        exchange=exchange,
        account_id=account_id,
        time=now,
        status=status,
        client_order_id=request.client_order_id,
        venue_order_id=None if order_id is None else VenueOrderId(order_id),
        # an estimated size is ours, not the venue's
        size=None if request.size_is_estimated else request.size,
        reason=failure_text(row) if failed else row.text or row.warning_message or "",
    )


def account_of(row: OrderRow) -> str:
    """The account of an order row."""
    return row.acct or row.account or ""


def order_id_of(row: OrderRow) -> VenueOrderId:
    """The venue's order id, a number on the wire."""
    return VenueOrderId(str(row.orderId))


def report(
    row: OrderRow,
    *,
    exchange: str,
    now: int,
    client_order_id: str | None = None,
    request: OrderRequest | None = None,
) -> OrderReport:
    """What a row of the order list says, under the id that the caller has settled. Raises WireError for unreadable
    sizes."""
    try:
        filled, remaining, total = count(row.filledQuantity), count(row.remainingQuantity), count(row.totalSize)
        average = decimal(row.avgPrice)
    except ValueError as error:
        raise WireError(f"order {row.orderId}: {error}", path=ORDERS_PATH, found=repr(row)[:300]) from None
    status = order_status(
        row.status,
        ccp=row.order_ccp_status,
        reason=row.order_cancellation_by_system_reason,
        description=row.orderDesc,
        filled=filled,
        remaining=remaining,
    )
    reason = row.order_cancellation_by_system_reason or row.warning_message or ""
    if not reason and status is OrderStatus.UNKNOWN:
        reason = f"the venue says {row.status!r}, which is not a documented status"
    return OrderReport(
        exchange=exchange,
        account_id=AccountId(account_of(row)),
        time=now,
        status=status,
        client_order_id=ClientOrderId(client_order_id) if client_order_id else None,
        venue_order_id=order_id_of(row),
        filled=filled,
        size=total,
        average_price=average if average else None,
        reason=reason,
        request=request,
    )


def status_report(
    answer: OrderStatusAnswer, account_id: AccountId, client_order_id: ClientOrderId, *, exchange: str, now: int
) -> OrderReport:
    """What the venue's answer about one order says. Raises WireError for unreadable sizes."""
    try:
        filled, remaining, total = count(answer.cum_fill), count(answer.size), count(answer.total_size)
        average = decimal(answer.average_price)
    except ValueError as error:
        raise WireError(f"order {answer.order_id}: {error}", path=STATUS_PATH, found=repr(answer)[:300]) from None
    return OrderReport(
        exchange=exchange,
        account_id=account_id,
        time=now,
        status=order_status(
            answer.order_status, description=answer.order_status_description, filled=filled, remaining=remaining
        ),
        client_order_id=client_order_id,
        venue_order_id=VenueOrderId(str(answer.order_id)),
        filled=filled,
        size=total,
        average_price=average if average else None,
    )


def price_of(row: OrderRow) -> Decimal | None:
    """The one price that tells two exits of a bracket apart; None where the row hides it."""
    try:
        return decimal(row.price)
    except ValueError as error:
        raise WireError(f"order {row.orderId}: {error}", path=ORDERS_PATH, found=repr(row)[:300]) from None
