"""Sizes, cash quantities and prices that a market accepts."""

from decimal import Decimal
from typing import Final

from horizon.errors import InvalidOrder
from horizon.model import Market, MarketKind, OrderRequest, plain

_MAY_BE_NEGATIVE: Final = frozenset({MarketKind.FUTURE, MarketKind.FUTURE_OPTION, MarketKind.OTHER})
_TAKE_CASH: Final = frozenset({MarketKind.CRYPTO, MarketKind.FOREX})


def check_size(request: OrderRequest, market: Market) -> None:
    """Raise InvalidOrder for a fraction where none is taken, and for cash where a size is wanted."""
    if request.cash_quantity is not None:
        _check_cash(request, market)
        return
    if request.size % market.lot == 0 or market.kind is MarketKind.CRYPTO:
        return
    if request.order_type not in market.rules.fractional_order_types:
        raise InvalidOrder(
            f"expected a size in multiples of {plain(market.lot)} for {market.symbol}, found {plain(request.size)}",
            rule="lot",
        )


def check_prices(request: OrderRequest, market: Market) -> None:
    """Raise InvalidOrder for a price off the market's grid or out of its bounds."""
    for what, price in (("price", request.limit), ("stop_price", request.stop_price)):
        if price is not None:
            _check_price(what, price, market)
    distances = (
        ("limit_offset", request.limit_offset),
        ("trailing amount", request.trailing.amount if request.trailing else None),
    )
    for what, distance in distances:
        increment = market.price_grid.increment_at(request.stop_price or request.price or Decimal(0))
        if distance is not None and distance % increment != 0:
            raise InvalidOrder(
                f"the {what} {plain(distance)} is not a multiple of the tick of {market.symbol}, {plain(increment)}",
                rule="tick",
            )


def _check_cash(request: OrderRequest, market: Market) -> None:
    if market.kind not in _TAKE_CASH and request.order_type not in market.rules.cash_order_types:
        raise InvalidOrder(
            f"a cash_quantity is for crypto currencies and currency pairs, and {market.symbol} is a {market.kind}: "
            "give a size",
            rule="cash_quantity",
        )
    if not request.size_is_estimated:
        raise InvalidOrder(
            f"what {plain(request.cash_quantity or request.size)} {market.currency} buy of {market.symbol} is not "
            "estimated yet: it takes a fresh quote (request.with_estimated_size)",
            rule="cash_quantity",
        )


def _check_price(what: str, price: Decimal, market: Market) -> None:
    grid = market.price_grid
    too_low = price <= 0 and market.kind not in _MAY_BE_NEGATIVE
    if too_low or (grid.lowest is not None and price < grid.lowest):
        lowest = grid.increment_at(price) if grid.lowest is None else grid.lowest
        raise InvalidOrder(
            f"expected a {what} of at least {plain(lowest)} for {market.symbol}, found {plain(price)}",
            rule="price_range",
        )
    if grid.highest is not None and price > grid.highest:
        raise InvalidOrder(
            f"expected a {what} of at most {plain(grid.highest)} for {market.symbol}, found {plain(price)}",
            rule="price_range",
        )
    if not grid.contains(price):
        raise InvalidOrder(
            f"the {what} {plain(price)} of {market.symbol} is off its tick of {plain(grid.increment_at(price))}: "
            f"the nearest prices are {plain(grid.floor(price))} and {plain(grid.ceil(price))}",
            rule="tick",
        )
