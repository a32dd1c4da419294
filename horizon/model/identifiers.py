"""Identifiers as types: a client order id can't be passed where a venue's own id is meant."""

import sys
from typing import NewType

AccountId = NewType("AccountId", str)
MarketId = NewType("MarketId", str)
"""The venue's own id of a market as text; at Interactive Brokers the conid."""
Instrument = NewType("Instrument", str)
"""`exchange:market_id:side`, interned, so that comparing two of them is comparing two pointers."""
ClientOrderId = NewType("ClientOrderId", str)
"""Made on this side before an order leaves; the key by which the venue is asked about it."""
VenueOrderId = NewType("VenueOrderId", str)
"""Given by the venue once it has taken the order."""
ExecutionId = NewType("ExecutionId", str)


def instrument(exchange: str, market_id: str, side: str) -> Instrument:
    """The interned instrument of one side of a market."""
    return Instrument(sys.intern(f"{exchange}:{market_id}:{side}"))


def split_instrument(name: Instrument) -> tuple[str, MarketId, str]:
    """`(exchange, market_id, side)` of an instrument; the market id may itself hold colons."""
    exchange, _, rest = name.partition(":")
    market_id, _, side = rest.rpartition(":")
    return exchange, MarketId(market_id), side
