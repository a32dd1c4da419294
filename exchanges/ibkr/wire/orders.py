"""Placing, changing, cancelling and listing orders."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Flag, Number


class PlaceRow(msgspec.Struct, frozen=True):
    """A row of the answer to placing, modifying or replying: an acknowledgement, a failure, or a question.

    Ask for `list[PlaceRow]`: the client turns an answer that is one object into a list of one.
    An acknowledgement has `order_id` and `order_status`; a failed row has `order_id: "-1"` and `text`; a question has
    `id` (the reply id, not an order id), `message` and `messageIds`; an advanced reject has `prompt` and `reqId`.
    """

    order_id: Conid | None = None
    order_status: str | None = None
    local_order_id: str | None = None
    """The client order id; on brackets the way to tell the rows apart."""
    parent_order_id: Conid | None = None
    encrypt_message: str | None = None
    text: str | None = None
    warning_message: str | None = None
    error: str | None = None
    id: str | None = None
    message: list[str] | str | None = None
    messageIds: list[str] | None = None
    messageOptions: list[str] | None = None
    isSuppressed: bool | None = None
    orderId: Conid | None = None
    reqId: Conid | None = None
    dismissable: list[str] | None = None
    options: list[str] | None = None
    type: str | None = None
    messageId: str | None = None
    prompt: bool | None = None


class CancelAnswer(msgspec.Struct, frozen=True):
    """`DELETE /iserver/account/{id}/order/{orderId}`. The request was taken; the order is not yet cancelled."""

    msg: str | None = None
    order_id: Conid | None = None
    conid: Conid | None = None
    """-1 when the cancel was immediate."""
    account: str | None = None
    error: str | None = None


class OrderRow(msgspec.Struct, frozen=True):
    """A row of `GET /iserver/account/orders`, and of the `sor` topic, whose rows are sparse."""

    orderId: Conid
    acct: str | None = None
    account: str | None = None
    conid: Conid | None = None
    conidex: str | None = None
    parentId: Conid | None = None
    order_ref: str | None = None
    """The client order id."""
    status: str | None = None
    order_ccp_status: str | None = None
    side: str | None = None
    """`BUY` or `SELL`."""
    orderType: str | None = None
    origOrderType: str | None = None
    timeInForce: str | None = None
    """`CLOSE` on a filled day order."""
    totalSize: Number = None
    remainingQuantity: Number = None
    """On a cancelled order, still the original size."""
    filledQuantity: Number = None
    sizeAndFills: str | None = None
    totalCashSize: Number = None
    cashCcy: str | None = None
    price: Number = None
    """`""` on a market order."""
    auxPrice: Number = None
    stop_price: Number = None
    avgPrice: Number = None
    outsideRTH: Flag = None
    orderDesc: str | None = None
    description1: str | None = None
    description2: str | None = None
    ticker: str | None = None
    secType: str | None = None
    companyName: str | None = None
    listingExchange: str | None = None
    exchange: str | None = None
    ocaGroupId: str | None = None
    lastExecutionTime: Number = None
    """`YYMMDDhhmmss` in UTC."""
    lastExecutionTime_r: Number = None
    """Milliseconds."""
    isEventTrading: Flag = None
    order_cancellation_by_system_reason: str | None = None
    warning_message: str | None = None


class LiveOrders(msgspec.Struct, frozen=True):
    """`GET /iserver/account/orders`. A session's first answer is empty with `snapshot: false`: it means nothing."""

    orders: list[OrderRow] = []
    snapshot: bool | None = None


class OrderStatusAnswer(msgspec.Struct, frozen=True):
    """`GET /iserver/account/order/status/{orderId}`: mostly texts, and `side` is `B` or `S`."""

    order_id: Conid
    conid: Conid | None = None
    conidex: str | None = None
    symbol: str | None = None
    side: str | None = None
    account: str | None = None
    order_clearing_account: str | None = None
    order_type: str | None = None
    order_status: str | None = None
    order_ccp_status: str | None = None
    order_status_description: str | None = None
    tif: str | None = None
    size: Number = None
    """What remains."""
    total_size: Number = None
    cum_fill: Number = None
    average_price: Number = None
    limit_price: Number = None
    stop_price: Number = None
    currency: str | None = None
    sec_type: str | None = None
    order_ref: str | None = None
    order_time: Number = None
    outside_rth: Flag = None
    size_and_fills: str | None = None
    order_description: str | None = None
    order_not_editable: bool | None = None
    cannot_cancel_order: bool | None = None


class WhatIfAmount(msgspec.Struct, frozen=True, gc=False):
    """`"1,977.60 USD (10 Shares)"`, `"1 USD"`."""

    amount: Number = None
    commission: Number = None
    total: Number = None


class WhatIfChange(msgspec.Struct, frozen=True, gc=False):
    """A balance before and after; texts with commas."""

    current: Number = None
    change: Number = None
    after: Number = None


class WhatIf(msgspec.Struct, frozen=True):
    """`POST /iserver/account/{id}/orders/whatif`."""

    amount: WhatIfAmount | None = None
    equity: WhatIfChange | None = None
    initial: WhatIfChange | None = None
    maintenance: WhatIfChange | None = None
    position: WhatIfChange | None = None
    warn: str | None = None
    error: str | None = None
