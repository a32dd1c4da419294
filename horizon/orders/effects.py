"""What a desk wants done at the venue. A shell commits the journal, then carries these out."""

import msgspec

from horizon.model import AccountId, ClientOrderId, NoticeLevel, Order, OrderRequest, VenueOrderId


class Send(msgspec.Struct, frozen=True, kw_only=True, tag="send"):
    """Place these requests as one call."""

    exchange: str
    account_id: AccountId
    requests: tuple[OrderRequest, ...]


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    exchange: str
    account_id: AccountId
    order: Order


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag="replace"):
    """Change `order` into `request`; a size is the total, fills included."""

    exchange: str
    account_id: AccountId
    order: Order
    request: OrderRequest


class Find(msgspec.Struct, frozen=True, kw_only=True, tag="find"):
    """Ask the venue what became of an order whose outcome is not known.

    With a `venue_order_id` the venue has had the order: what is in doubt is only whether it works on.
    """

    exchange: str
    account_id: AccountId
    client_order_id: ClientOrderId
    request: OrderRequest
    sent: int
    """When it first left (ns)."""
    venue_order_id: VenueOrderId | None = None
    soon: bool = False
    """At once: what the venue lists cannot be older than what is known."""


class Tell(msgspec.Struct, frozen=True, kw_only=True, tag="tell"):
    """Say something to the person who watches."""

    exchange: str
    account_id: AccountId
    level: NoticeLevel
    text: str


Effect = Send | Cancel | Replace | Find | Tell
