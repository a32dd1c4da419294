"""Why the simulated venue refuses an order, or a change to one."""

from horizon.matching.kinds import AT_CLOSE
from horizon.model import Market, OrderRequest, OrderType, TimeInForce, plain

ORDER_TYPES = frozenset(OrderType)
TIMES_IN_FORCE = frozenset(TimeInForce) - {TimeInForce.FOK}
_AT_THE_OPENING = frozenset({OrderType.MARKET, OrderType.LIMIT})


def refusal(request: OrderRequest, market: Market | None) -> str:
    """One sentence why the request can't be taken; empty when it can."""
    if market is None:
        return f"expected a market of this venue, found {request.market_id}"
    if market.side is not None and request.side is not market.side:
        return f"expected side {market.side} for market {request.market_id}, found {request.side}"
    if request.order_type not in ORDER_TYPES:
        return f"expected an order type of {_listed(ORDER_TYPES)}, found {request.order_type}"
    if request.time_in_force not in TIMES_IN_FORCE:
        return f"expected a time in force of {_listed(TIMES_IN_FORCE)}, found {request.time_in_force}"
    if request.order_type in AT_CLOSE and request.time_in_force is not TimeInForce.DAY:
        return f"expected DAY for an order at the close, found {request.time_in_force}"
    if request.time_in_force is TimeInForce.OPG and request.order_type not in _AT_THE_OPENING:
        return f"expected MKT or LMT for an order at the opening, found {request.order_type}"
    if request.cash_quantity is not None:
        return f"expected a size, found a cash quantity of {plain(request.cash_quantity)}: only sizes are simulated"
    if request.algo is not None:
        return f"expected an order without an algo, found {request.algo.name}: algos are not simulated"
    if request.size % market.lot != 0:
        return f"expected a size in multiples of {plain(market.lot)}, found {plain(request.size)}"
    for name, price in (("price", request.price), ("stop_price", request.stop_price)):
        if price is not None and not market.price_grid.contains(price):
            below, above = market.price_grid.floor(price), market.price_grid.ceil(price)
            return f"expected a {name} on the market's grid ({plain(below)} or {plain(above)}), found {plain(price)}"
    return ""


def change_refusal(old: OrderRequest, new: OrderRequest) -> str:
    """One sentence why an open order can't become `new`; empty when it can."""
    for name in ("exchange", "account_id", "market_id", "side", "order_side"):
        was, wanted = getattr(old, name), getattr(new, name)
        if was != wanted:
            return f"an open order keeps its {name} ({was}), found {wanted}: cancel it and place another"
    return ""


def _listed(names: frozenset[OrderType] | frozenset[TimeInForce]) -> str:
    return ", ".join(sorted(names))
