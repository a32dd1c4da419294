"""Order statuses of Interactive Brokers, and what each means here.

| venue | here | why |
|---|---|---|
| PendingSubmit | WORKING | the venue has it and it can fill at any moment |
| PreSubmitted | WORKING | accepted, waiting for a trigger, an opening or a parent |
| Submitted | WORKING | at the destination |
| Filled | FILLED | PARTIALLY_FILLED while the row still shows a remainder |
| PendingCancel, PreCancelled | CANCEL_PENDING | a cancel was taken; a fill can still arrive |
| Cancelled | CANCELED | EXPIRED where the venue's reason says "order expired" |
| WarnState | WORKING | held behind a prompt of the venue: it can still be released |
| Inactive | WORKING or REJECTED | see below |
| Failed | REJECTED | only in the rows of a placing answer, with order_id -1 |
| anything else | UNKNOWN | the venue must be asked again; never guessed |

`Inactive` is documented as "created, not transmitted, or rejected at the destination", and is also seen for a moment
right after a submit and on bracket children whose parent waits. Calling a live order dead could double it, so it
counts as WORKING unless the row itself proves the end: the venue's own reason, a description that begins with
"Rejected" or "Cancelled", or an `order_ccp_status` word that says so.

WORKING becomes PARTIALLY_FILLED when something has filled and something remains.
"""

from decimal import Decimal
from typing import Final

from horizon.model import OrderStatus

_BY_WORD: Final = {
    "pendingsubmit": OrderStatus.WORKING,
    "presubmitted": OrderStatus.WORKING,
    "submitted": OrderStatus.WORKING,
    "filled": OrderStatus.FILLED,
    "pendingcancel": OrderStatus.CANCEL_PENDING,
    "precancelled": OrderStatus.CANCEL_PENDING,
    "cancelled": OrderStatus.CANCELED,
    "warnstate": OrderStatus.WORKING,
    "inactive": OrderStatus.WORKING,
    "failed": OrderStatus.REJECTED,
    # Not in the documented list; other parts of the same API and user reports spell the end of an order so.
    "rejected": OrderStatus.REJECTED,
    "expired": OrderStatus.EXPIRED,
    "canceled": OrderStatus.CANCELED,
}
_DEAD_WORDS: Final = frozenset({"rejected", "cancelled", "canceled", "expired", "failed"})
_EXPIRED: Final = "order expired"


def order_status(
    word: str | None,
    *,
    ccp: str | None = None,
    reason: str | None = None,
    description: str | None = None,
    filled: Decimal | None = None,
    remaining: Decimal | None = None,
) -> OrderStatus:
    """The status of an order row. `reason` is `order_cancellation_by_system_reason`, `description` is `orderDesc`."""
    key = _key(word)
    status = _BY_WORD.get(key, OrderStatus.UNKNOWN)
    if key == "inactive" and _is_dead(ccp, reason, description):
        status = OrderStatus.REJECTED
    expired = _EXPIRED in (reason or "").casefold()
    if status in (OrderStatus.CANCELED, OrderStatus.REJECTED) and expired:
        return OrderStatus.EXPIRED
    rest = remaining is not None and remaining > 0
    if status is OrderStatus.FILLED and rest:
        return OrderStatus.PARTIALLY_FILLED
    if status is OrderStatus.WORKING and filled is not None and filled > 0:
        return OrderStatus.PARTIALLY_FILLED
    return status


def _is_dead(ccp: str | None, reason: str | None, description: str | None) -> bool:
    started = _key((description or "").split(":", 1)[0])
    return bool(reason) or _key(ccp) in _DEAD_WORDS or started in _DEAD_WORDS


def _key(word: str | None) -> str:
    return (word or "").replace("_", "").replace(" ", "").casefold()
