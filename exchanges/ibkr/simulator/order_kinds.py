"""The order types and times in force that there are, what they are called where, and what may be ordered with them."""

import msgspec

from exchanges.ibkr.simulator.contracts import Contract
from horizon.model import OrderType


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """One order type."""

    type: OrderType
    text: str
    """`orderType` of a live order. `Limit`, `Market` and `Stop` are recorded, the others are not."""
    rule: str
    """Its name in a contract's rules."""
    has_limit: bool = False
    has_cap: bool = False
    """A price may be given and need not be."""
    has_trigger: bool = False
    trails: bool = False
    risk: str = ""
    """`stop` or `market`: what is asked before it is taken."""

    @property
    def original(self) -> str:
        """`origOrderType` of a live order and `order_type` of its status."""
        return self.rule.upper()


KINDS = {
    "LMT": Kind(type=OrderType.LIMIT, text="Limit", rule="limit", has_limit=True),
    "MKT": Kind(type=OrderType.MARKET, text="Market", rule="market", risk="market"),
    "STP": Kind(type=OrderType.STOP, text="Stop", rule="stop", has_trigger=True, risk="stop"),
    "STOP_LIMIT": Kind(
        type=OrderType.STOP_LIMIT, text="Stop Limit", rule="stop_limit", has_limit=True, has_trigger=True, risk="stop"
    ),
    "MIDPRICE": Kind(type=OrderType.MIDPRICE, text="MidPrice", rule="midprice", has_cap=True),
    "TRAIL": Kind(type=OrderType.TRAILING_STOP, text="Trailing Stop", rule="trailing_stop", trails=True, risk="stop"),
    "TRAILLMT": Kind(
        type=OrderType.TRAILING_STOP_LIMIT,
        text="Trailing Stop Limit",
        rule="trailing_stop_limit",
        has_limit=True,
        has_trigger=True,
        trails=True,
        risk="stop",
    ),
    "MOC": Kind(type=OrderType.MARKET_ON_CLOSE, text="Market on Close", rule="marketonclose", risk="market"),
    "LOC": Kind(type=OrderType.LIMIT_ON_CLOSE, text="Limit on Close", rule="limitonclose", has_limit=True),
    "MIT": Kind(type=OrderType.MARKET_IF_TOUCHED, text="Market if Touched", rule="mit", has_trigger=True),
    "LIT": Kind(type=OrderType.LIMIT_IF_TOUCHED, text="Limit if Touched", rule="lit", has_limit=True, has_trigger=True),
    "REL": Kind(type=OrderType.RELATIVE, text="Relative", rule="relative", has_cap=True),
}
TIMES_IN_FORCE = ("DAY", "GTC", "IOC", "OPG", "OVT", "OND")
_EVERYWHERE = ("LMT", "MKT", "STP", "STOP_LIMIT")
_TYPES = {
    "STK": tuple(KINDS),
    "OPT": (*_EVERYWHERE, "MIDPRICE", "TRAIL", "TRAILLMT", "MIT", "LIT", "REL"),
    "FUT": (*_EVERYWHERE, "TRAIL", "TRAILLMT", "MIT", "LIT"),
    "FOP": (*_EVERYWHERE, "TRAIL", "TRAILLMT", "MIT", "LIT"),
    "CASH": (*_EVERYWHERE, "TRAIL", "TRAILLMT", "MIT", "LIT", "REL"),
    "CRYPTO": ("LMT", "MKT"),
}
_TIMES = {"STK": TIMES_IN_FORCE, "CRYPTO": ("DAY", "GTC", "IOC", "PAX")}
_USUAL_TIMES = ("DAY", "GTC", "IOC")
_TIMES_OF_TYPES = {"OPG": ("MKT", "LMT"), "OVT": ("LMT",), "OND": ("LMT",)}
_ONLY_DAY = ("MOC", "LOC")
OUTSIDE = ("LMT", "STP", "STOP_LIMIT", "TRAIL", "TRAILLMT", "MIT", "LIT")
"""What may work outside of regular hours."""


def order_types(contract: Contract) -> tuple[str, ...]:
    """The types that a contract can be ordered with."""
    return ("LMT",) if contract.is_event else _TYPES.get(contract.sec_type, ())


def times_in_force(contract: Contract) -> tuple[str, ...]:
    return _USUAL_TIMES if contract.is_event else _TIMES.get(contract.sec_type, _USUAL_TIMES)


def goes_with(order_type: str, time_in_force: str) -> bool:
    """Whether a time in force that a contract has is good for this order type."""
    if order_type in _ONLY_DAY:
        return time_in_force == "DAY"
    return order_type in _TIMES_OF_TYPES.get(time_in_force, (order_type,))
