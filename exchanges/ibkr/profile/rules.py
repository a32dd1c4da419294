"""The rules of one order in one market."""

from typing import Final

import msgspec

from exchanges.ibkr.profile.amounts import check_prices, check_size
from exchanges.ibkr.profile.forecastex import check_forecastex, is_forecastex
from exchanges.ibkr.profile.kinds import check_kind
from horizon.errors import InvalidOrder
from horizon.model import Market, OrderRequest, OrderType, TimeInForce
from horizon.ports import Capabilities

LONGEST_CLIENT_ORDER_ID: Final = 40
"""The documentation allows 64 characters, users report refusals above 40: the shorter one is always safe."""


class IbkrProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The rules of one venue. `check` raises InvalidOrder for what Interactive Brokers would refuse."""

    name: str = "ibkr"
    capabilities: Capabilities = Capabilities(
        order_types=frozenset(OrderType),
        times_in_force=frozenset(TimeInForce) - {TimeInForce.FOK},
        replaces=True,
        brackets=True,
    )

    def check(self, request: OrderRequest, market: Market) -> None:
        """Raise InvalidOrder, with the rule's name and what to do instead; return when the venue would take it."""
        _check_identity(request, market)
        if is_forecastex(market):
            check_forecastex(request, market)
        self.capabilities.check(request)
        check_kind(request, market)
        check_size(request, market)
        check_prices(request, market)


PROFILE: Final = IbkrProfile()


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
