"""When an order that never reached its venue is sent again by itself. Pure."""

from enum import StrEnum

from horizon.model import Order, OrderStatus

_SECOND = 1_000_000_000
WITHIN_SECONDS = 30
"""After its first departure; later, a person or the strategy decides."""
FRESH = 10 * _SECOND
"""A quote older than this (ns) is no quote to send an order again on."""


class SendAgain(StrEnum):
    """What becomes of an order that is proven not to be at the venue."""

    NEVER = "never"
    SAME_ID = "same id"
    """Within 30 s it is sent once more, if every guard still lets it pass."""
    NEW_ID = "new id"
    """So too when the venue has had a request under its id, which is then burnt: under a new one."""


def why_not(order: Order, now: int, *, alone: bool, sent_twice: bool, burnt: bool, policy: SendAgain) -> str | None:
    """Why an order in doubt is not sent again; None when it may be, as far as the order itself goes."""
    age = (now - order.created_time) / _SECOND
    if order.status is not OrderStatus.UNKNOWN:
        return f"it is {order.status}"
    if policy is SendAgain.NEVER:
        return "orders are not sent again here"
    if order.venue_order_id is not None:
        return "the venue had taken it"
    if sent_twice and not (burnt and policy is SendAgain.NEW_ID):
        return "it was sent twice already"
    if not alone:
        return "it was part of a group, or its sender is gone"
    if burnt and policy is not SendAgain.NEW_ID:
        return "the venue has had a request under its id"
    if age > WITHIN_SECONDS:
        return f"it was first sent {age:.0f} s ago, and {WITHIN_SECONDS} s are the limit"
    return None
