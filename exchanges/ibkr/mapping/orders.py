"""Order requests to tickets, and the venue's rows to reports."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.numbers import conid_text, count, decimal
from exchanges.ibkr.mapping.statuses import order_status
from exchanges.ibkr.wire.orders import OrderRow, PlaceRow
from horizon.errors import InvalidOrder, WireError
from horizon.model import (
    AccountId,
    ClientOrderId,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    VenueOrderId,
    plain,
)

ORDERS_PATH: Final = "/iserver/account/orders"

_ORDER_TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "STP": OrderType.STOP,
    "STOPLIMIT": OrderType.STOP_LIMIT,
    "STPLMT": OrderType.STOP_LIMIT,
    "STPLIMIT": OrderType.STOP_LIMIT,
}
"""By the letters of the venue's echo. The echo of a stop-limit order is not recorded, so its spellings are guarded."""

_TIMES: Final = {str(time): time for time in TimeInForce} | {"CLOSE": TimeInForce.DAY}
"""A filled day order reads `CLOSE`."""


def conid_number(market_id: str) -> int:
    """The conid as the number a ticket carries. Raises InvalidOrder for text such as a symbol."""
    if not market_id.isdecimal():
        raise InvalidOrder(
            f"expected a conid (digits only) as market_id, found {market_id!r}: look it up with market({market_id!r})",
            rule="market_id",
        )
    return int(market_id)


def ticket(request: OrderRequest, account_id: AccountId, *, parent: str | None = None) -> dict[str, object]:
    """One entry of `{"orders": [...]}`.

    A stop's trigger goes into `price`; a stop-limit has the limit in `price` and the trigger in `auxPrice`. A child
    names its parent's client order id and has none of its own.
    """
    body: dict[str, object] = {
        "acctId": account_id,
        "conid": conid_number(request.market_id),
        "orderType": str(request.order_type),
        "side": str(request.order_side),
        "quantity": _json_number(request.size),
        "tif": str(request.time_in_force),
        "outsideRTH": request.outside_rth,
    }
    if parent:
        body["parentId"] = parent
    else:
        body["cOID"] = request.client_order_id
    if request.order_type is OrderType.STOP and request.stop_price is not None:
        body["price"] = _json_number(request.stop_price)
    elif request.price is not None:
        body["price"] = _json_number(request.price)
        if request.stop_price is not None:
            body["auxPrice"] = _json_number(request.stop_price)
    if request.group:
        body["isSingleGroup"] = True
    return body


def change_ticket(request: OrderRequest, account_id: AccountId) -> dict[str, object]:
    """The whole ticket of a modification. It is sent by the venue's order id, so it carries no client order id."""
    body = ticket(request, account_id)
    del body["cOID"]
    return body


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
    return OrderReport(
        exchange=exchange,
        account_id=account_id,
        time=now,
        status=OrderStatus.REJECTED if failed else order_status(row.order_status),
        client_order_id=request.client_order_id,
        venue_order_id=None if order_id is None else VenueOrderId(order_id),
        size=request.size,
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


def request_of(
    row: OrderRow, contract: ContractFacts, *, exchange: str, refs: Mapping[str, str] | None = None
) -> OrderRequest | None:
    """What the row says was asked for; None where the row does not tell it all (an exotic type, a hidden price).

    `refs` gives the client order id by the venue's order id, so that a child can name its parent.
    """
    order_type = order_type_of(row)
    side = {"BUY": OrderSide.BUY, "B": OrderSide.BUY, "SELL": OrderSide.SELL, "S": OrderSide.SELL}.get(row.side or "")
    time = _TIMES.get((row.timeInForce or "").upper())
    try:
        size, price = count(row.totalSize), decimal(row.price)
        trigger = decimal(row.stop_price) or decimal(row.auxPrice)
        if order_type is None or side is None or time is None or not size:
            return None
        if order_type is OrderType.STOP:
            price, trigger = None, trigger or price
        elif order_type is OrderType.LIMIT:
            trigger = None
        elif order_type is OrderType.MARKET:
            price = trigger = None
        parent_id = conid_text(row.parentId)
        parent = None if parent_id is None else (refs or {}).get(parent_id)
        return OrderRequest(
            market_id=contract.market_id,
            side=contract.side,
            order_side=side,
            size=size,
            price=price,
            order_type=order_type,
            time_in_force=time,
            stop_price=trigger,
            outside_rth=bool(row.outsideRTH),
            client_order_id=ClientOrderId(row.order_ref or ""),
            account_id=AccountId(account_of(row)),
            exchange=exchange,
            parent=ClientOrderId(parent) if parent else None,
            group=str(row.ocaGroupId or ""),
        )
    except ValueError:
        # A row may lack what its type needs (InvalidOrder is a ValueError): the report stands without a request.
        return None


def order_type_of(row: OrderRow) -> OrderType | None:
    """The order type by either of the row's two spellings."""
    for text in (row.origOrderType, row.orderType):
        key = "".join(letter for letter in (text or "").upper() if letter.isalpha())
        if key in _ORDER_TYPES:
            return _ORDER_TYPES[key]
    return None


def price_of(row: OrderRow) -> Decimal | None:
    """The one price that tells two exits of a bracket apart; None where the row hides it."""
    try:
        return decimal(row.price)
    except ValueError as error:
        raise WireError(f"order {row.orderId}: {error}", path=ORDERS_PATH, found=repr(row)[:300]) from None


def _json_number(value: Decimal) -> int | Decimal:
    """What the client's encoder writes as a JSON number with exactly these digits, never as `1E+2`."""
    return int(value) if value == value.to_integral_value() else Decimal(plain(value))
