"""What is known about an order when the venue asks about it, and a user's own limits for saying yes."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import msgspec

from horizon.clock import NANOSECONDS
from horizon.errors import ConfigurationError
from horizon.model import Availability, MarketId, OrderRequest, OrderSide, Quote, exact

FRESH_SECONDS: Final = 5.0
"""A market order is confirmed only against a live quote that is younger than this."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What the policy may know about the order, or the bracket or group of orders, that a prompt is about."""

    requests: tuple[OrderRequest, ...]
    now: int = 0
    quotes: Mapping[MarketId, Quote] = {}
    """The latest quote of each market, where one is known."""
    multipliers: Mapping[MarketId, Decimal] = {}
    cash_quantity: bool = False
    allocation: bool = False
    """Whether a financial advisor's allocation was asked for."""

    def fresh_quote(self, market_id: MarketId) -> Quote | None:
        """The live quote of a market, if it is younger than `FRESH_SECONDS`."""
        quote = self.quotes.get(market_id)
        if quote is None or quote.availability is not Availability.LIVE:
            return None
        age = (self.now - quote.receive_time) / NANOSECONDS
        return quote if age < FRESH_SECONDS else None


class OptIn(msgspec.Struct, frozen=True, kw_only=True):
    """A user's own, stricter limit under which a refused prompt is accepted. Every limit that is given must hold.

    `max_size` is in contracts or shares, `max_value` in the market's currency (price x size x multiplier),
    `max_deviation` is the fraction by which a limit price may be worse than the middle of a fresh live quote (0.02 is
    two percent). `because` is shown with the answer.
    """

    max_size: Decimal | None = None
    max_value: Decimal | None = None
    max_deviation: Decimal | None = None
    because: str = ""

    def __post_init__(self) -> None:
        for name in ("max_size", "max_value", "max_deviation"):
            value = getattr(self, name)
            if value is None:
                continue
            try:
                limit = exact(value, name)
            except ValueError as error:
                raise ConfigurationError(f"a confirmation opt-in: {error}") from None
            if not limit > 0:
                raise ConfigurationError(f"a confirmation opt-in needs a {name} above 0, found {value}")
            msgspec.structs.force_setattr(self, name, limit)

    @property
    def has_limit(self) -> bool:
        return any(value is not None for value in (self.max_size, self.max_value, self.max_deviation))

    def objection(self, ticket: Ticket) -> str:
        """Why an order of the ticket is outside these limits; empty when all are inside."""
        for request in ticket.requests:
            for check in (self._size, self._value, self._deviation):
                if found := check(request, ticket):
                    return found
        return ""

    def _size(self, request: OrderRequest, ticket: Ticket) -> str:
        if self.max_size is not None and request.size > self.max_size:
            return f"size {request.size} is above the own limit of {self.max_size}"
        return ""

    def _value(self, request: OrderRequest, ticket: Ticket) -> str:
        if self.max_value is None:
            return ""
        price = request.price or request.stop_price
        multiplier = ticket.multipliers.get(request.market_id)
        if price is None or multiplier is None:
            return "the order's value is not known, so the own limit cannot be checked"
        value = abs(price) * request.size * multiplier
        return f"value {value} is above the own limit of {self.max_value}" if value > self.max_value else ""

    def _deviation(self, request: OrderRequest, ticket: Ticket) -> str:
        if self.max_deviation is None or request.price is None:
            return "" if self.max_deviation is None else "without a limit price the own limit cannot be checked"
        quote = ticket.fresh_quote(request.market_id)
        middle = None if quote is None else quote.mid
        if middle is None or middle <= 0:
            return f"there is no live quote younger than {FRESH_SECONDS:g} s to check the own limit against"
        worse = (request.price - exact(middle)) * request.order_side.sign
        if worse > self.max_deviation * exact(middle):
            direction = "above" if request.order_side is OrderSide.BUY else "below"
            return f"price {request.price} is more than {self.max_deviation} {direction} the middle of {middle:g}"
        return ""
