"""What Interactive Brokers accepts, as pure data: the same rules live, on paper and in a backtest.

Sources: the tables of order types, times in force and increments of the Client Portal Web API (sections 4.4, 6.1 and
6.2), and ForecastEx's own rules (buy only, limit only, DAY, GTC or IOC, 0.02 to 0.99, whole contracts).
"""

from decimal import Decimal
from typing import Final

import msgspec

from horizon.errors import InvalidOrder
from horizon.model import Market, MarketKind, OrderRequest, OrderSide, OrderType, PriceGrid, TimeInForce, plain
from horizon.ports import Capabilities

FORECASTEX: Final = "FORECASTX"
"""How IBKR spells the listing exchange of ForecastEx contracts."""

LONGEST_CLIENT_ORDER_ID: Final = 40
"""The documentation allows 64 characters, users report refusals above 40: the shorter one is always safe."""

FORECASTEX_GRID: Final = PriceGrid.of("0.01", lowest="0.02", highest="0.99")
FORECASTEX_PAYOUT: Final = Decimal(1)

_FORECASTEX_TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC})
_AT_THE_OPENING: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_NOT_TRADABLE: Final = frozenset({MarketKind.INDEX})
_MAY_BE_NEGATIVE: Final = frozenset({MarketKind.FUTURE, MarketKind.FUTURE_OPTION, MarketKind.OTHER})


class IbkrProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one venue. `check` raises InvalidOrder for what Interactive Brokers would refuse."""

    name: str = "ibkr"
    capabilities: Capabilities = Capabilities(
        order_types=frozenset({OrderType.MARKET, OrderType.LIMIT, OrderType.STOP, OrderType.STOP_LIMIT}),
        times_in_force=frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.OPG}),
        replaces=True,
        brackets=True,
        short_selling=True,
        pushes_orders=False,
    )

    def check(self, request: OrderRequest, market: Market) -> None:
        """Raise InvalidOrder, with the rule's name and what to do instead; return when the venue would take it."""
        _check_identity(request, market)
        if is_forecastex(market):
            _check_forecastex(request, market)
        self._check_kind(request, market)
        _check_size(request, market)
        for what, price in (("price", request.price), ("stop_price", request.stop_price)):
            if price is not None:
                _check_price(what, price, market)

    def _check_kind(self, request: OrderRequest, market: Market) -> None:
        if market.kind in _NOT_TRADABLE:
            raise InvalidOrder(f"{market.symbol} is an {market.kind} and cannot be traded itself", rule="kind")
        if request.order_type not in self.capabilities.order_types:
            raise InvalidOrder(
                f"expected an order type of {_listed(self.capabilities.order_types)}, found {request.order_type}",
                rule="order_type",
            )
        if request.time_in_force not in self.capabilities.times_in_force:
            advice = ": use IOC, which may fill in part" if request.time_in_force is TimeInForce.FOK else ""
            raise InvalidOrder(
                f"expected a time in force of {_listed(self.capabilities.times_in_force)}, "
                f"found {request.time_in_force}{advice}",
                rule="time_in_force",
            )
        if request.time_in_force is TimeInForce.OPG and request.order_type not in _AT_THE_OPENING:
            raise InvalidOrder(
                f"an OPG order is {_listed(_AT_THE_OPENING)}, found {request.order_type}", rule="time_in_force"
            )


PROFILE: Final = IbkrProfile()


def is_forecastex(market: Market) -> bool:
    """Whether ForecastEx's rules hold: an event listed there (CME's event contracts may be sold and follow others)."""
    return market.kind is MarketKind.EVENT and market.listing_exchange == FORECASTEX


def _check_identity(request: OrderRequest, market: Market) -> None:
    if request.market_id != market.market_id:
        raise InvalidOrder(
            f"the order is for market {request.market_id}, but was checked against {market.market_id} "
            f"({market.symbol})",
            rule="market_id",
        )
    try:
        market.instrument(request.side)
    except ValueError as error:
        raise InvalidOrder(str(error), rule="side") from None
    if len(request.client_order_id) > LONGEST_CLIENT_ORDER_ID:
        raise InvalidOrder(
            f"expected a client_order_id of at most {LONGEST_CLIENT_ORDER_ID} characters, "
            f"found {len(request.client_order_id)} in {request.client_order_id!r}",
            rule="client_order_id",
        )


def _check_forecastex(request: OrderRequest, market: Market) -> None:
    if request.order_side is OrderSide.SELL:
        raise InvalidOrder(_instead_of_selling(request, market), rule="forecastex_sell")
    if request.order_type is not OrderType.LIMIT:
        raise InvalidOrder(
            f"ForecastEx takes limit orders only, found {request.order_type}: use LMT with a price below the payout",
            rule="order_type",
        )
    if request.time_in_force not in _FORECASTEX_TIMES:
        raise InvalidOrder(
            f"ForecastEx takes a time in force of {_listed(_FORECASTEX_TIMES)}, found {request.time_in_force}",
            rule="time_in_force",
        )


def _instead_of_selling(request: OrderRequest, market: Market) -> str:
    payout = market.event.payout if market.event else FORECASTEX_PAYOUT
    twin = f"the twin conid {market.event.twin}" if market.event and market.event.twin else "the opposite side"
    if request.price is None:
        price, net = f"{plain(payout)} - p", "p"
    else:
        price, net = plain(payout - request.price), plain(request.price)
    return (
        f"ForecastEx contracts cannot be sold ({market.symbol}, conid {market.market_id}): buy {twin} at {price} "
        f"instead; the pair is netted against the payout, which leaves {net}"
    )


def _check_size(request: OrderRequest, market: Market) -> None:
    if request.size % market.lot != 0:
        raise InvalidOrder(
            f"expected a size in multiples of {plain(market.lot)} for {market.symbol}, found {plain(request.size)}",
            rule="lot",
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


def _listed(values: frozenset[OrderType] | frozenset[TimeInForce]) -> str:
    return ", ".join(sorted(values))
