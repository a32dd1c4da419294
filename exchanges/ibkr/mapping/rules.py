"""What the venue lists for a contract: order types and times in force, by its own names for them."""

from collections.abc import Sequence
from typing import Final

from exchanges.ibkr.wire.contracts import ContractRules
from horizon.model import MarketRules, OrderType, TimeInForce

_ORDER_TYPES: Final = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "midprice": OrderType.MIDPRICE,
    "stop": OrderType.STOP,
    "stop_limit": OrderType.STOP_LIMIT,
    "mit": OrderType.MARKET_IF_TOUCHED,
    "lit": OrderType.LIMIT_IF_TOUCHED,
    "trailing_stop": OrderType.TRAILING_STOP,
    "trailing_stop_limit": OrderType.TRAILING_STOP_LIMIT,
    "relative": OrderType.RELATIVE,
    "marketonclose": OrderType.MARKET_ON_CLOSE,
    "limitonclose": OrderType.LIMIT_ON_CLOSE,
}
_TIMES: Final = {str(time): time for time in TimeInForce}


def market_rules(rules: ContractRules | None) -> MarketRules:
    """The lists of a contract; names that are not documented are passed over."""
    if rules is None:
        return MarketRules()
    # `IOC/MARKET,LIMIT,a`: what stands before the slash is the time in force
    words = [text.partition("/")[0] for text in rules.tifTypes]
    return MarketRules(
        order_types=_types(rules.orderTypes),
        outside_order_types=_types(rules.orderTypesOutside),
        fractional_order_types=_types(rules.fraqTypes or ()),
        cash_order_types=_types(rules.cqtTypes or ()),
        times_in_force=tuple(_TIMES[word] for word in words if word in _TIMES),
        algos=rules.algoEligible,
        all_or_none=rules.allOrNoneEligible,
        overnight=rules.overnightEligible,
    )


def _types(names: Sequence[str]) -> tuple[OrderType, ...]:
    return tuple(_ORDER_TYPES[name] for name in names if name in _ORDER_TYPES)
