"""ForecastEx's own rules: contracts are bought and never sold, at a limit, in whole contracts."""

from decimal import Decimal
from typing import Final

from horizon.errors import InvalidOrder
from horizon.model import Market, MarketKind, OrderRequest, OrderSide, OrderType, PriceGrid, TimeInForce, plain

FORECASTEX: Final = "FORECASTX"
"""How IBKR spells the listing exchange of ForecastEx contracts."""

FORECASTEX_GRID: Final = PriceGrid.of("0.01", lowest="0.02", highest="0.99")
FORECASTEX_PAYOUT: Final = Decimal(1)

_TIMES: Final = frozenset({TimeInForce.DAY, TimeInForce.GTC, TimeInForce.IOC})


def is_forecastex(market: Market) -> bool:
    """Whether ForecastEx's rules hold: an event listed there (CME's event contracts may be sold and follow others)."""
    return market.kind is MarketKind.EVENT and market.listing_exchange == FORECASTEX


def check_forecastex(request: OrderRequest, market: Market) -> None:
    """Raise InvalidOrder for what ForecastEx does not take; a sale is told what to buy instead."""
    if request.order_side is OrderSide.SELL:
        raise InvalidOrder(_instead_of_selling(request, market), rule="forecastex_sell")
    if request.order_type is not OrderType.LIMIT:
        raise InvalidOrder(
            f"ForecastEx takes limit orders only, found {request.order_type}: use LMT with a price below the payout",
            rule="order_type",
        )
    if request.time_in_force not in _TIMES:
        raise InvalidOrder(
            f"ForecastEx takes a time in force of {', '.join(sorted(_TIMES))}, found {request.time_in_force}",
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
