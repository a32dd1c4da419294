"""Prices as guards need them: exact, and with what an event's other side says."""

import math
from decimal import Decimal
from typing import Protocol

from horizon.model import ZERO, Instrument, Market, OrderRequest, OrderSide, OrderType, Quote, Side, exact, instrument
from horizon.model import split_instrument as split


class Prices(Protocol):
    """Where markets and quotes are found."""

    def market(self, instrument: Instrument) -> Market | None: ...
    def quote(self, instrument: Instrument) -> Quote | None: ...


def sides(quote: Quote | None) -> list[Decimal]:
    """Bid and ask, as far as they are there and numbers."""
    if quote is None:
        return []
    return [exact(side) for side in (quote.bid, quote.ask) if side is not None and math.isfinite(side)]


def middle(quote: Quote | None) -> Decimal | None:
    """The mid; the one side of a one-sided quote stands in for it."""
    found = sides(quote)
    return sum(found, ZERO) / len(found) if found else None


def mark(prices: Prices, name: Instrument) -> Decimal | None:
    """What one unit is worth now: the mid, for an event without a quote of its own the payout less the other side."""
    own = middle(prices.quote(name))
    market = prices.market(name)
    if own is not None or market is None or market.event is None:
        return own
    other = twin_of(market, name)
    opposite = None if other is None else middle(prices.quote(other))
    return None if opposite is None else highest_event_price(market) - opposite


def highest_event_price(market: Market) -> Decimal:
    """The payout of an event contract in price units."""
    return ZERO if market.event is None else market.event.payout / market.multiplier


def twin_of(market: Market, name: Instrument) -> Instrument | None:
    """The instrument of an event's other side; None where there is none, or it is not known."""
    if market.event is None:
        return None
    exchange, market_id, side = split(name)
    other = Side.NO if side == Side.YES else Side.YES
    if market.side is None:
        return instrument(exchange, market_id, other)
    return None if market.event.twin is None else instrument(exchange, market.event.twin, other)


def dearest(request: OrderRequest, quote: Quote | None, market: Market) -> Decimal | None:
    """The highest price at which the order is to be reckoned with; None when nothing tells.

    A purchase costs at most its limit. A sale can trade above its limit, and other types have none, so these take the
    highest of their own prices and the quote's. An event contract is never worth more than its payout.
    """
    limit = request.limit
    if limit is not None and request.order_side is OrderSide.BUY:
        return abs(limit)
    own = [abs(price) for price in (limit, request.stop_price) if price is not None]
    found = max(own + [abs(price) for price in sides(quote)], default=None)
    if market.event is None:
        return found
    most = highest_event_price(market)
    return most if found is None else min(found, most)


def with_size(request: OrderRequest, quote: Quote | None, market: Market) -> OrderRequest:
    """An order for an amount of money with the most that it can buy or sell, by the lowest price that is known."""
    if request.cash_quantity is None or request.size_is_estimated:
        return request
    found = [] if request.limit is None else [request.limit]
    if not found or request.order_side is OrderSide.BUY:
        found += sides(quote)
    lowest = min((price for price in found if price > 0), default=None)
    if lowest is None:
        return request
    return request.with_estimated_size(lowest * market.multiplier, market.lot)


def needs_a_price(request: OrderRequest) -> bool:
    """Whether the market decides at what price the order trades."""
    return request.limit is None or request.order_type in (OrderType.MIDPRICE, OrderType.RELATIVE)
