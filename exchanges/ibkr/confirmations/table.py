"""The table: what each message id stands for, how its text reads, and what is answered by default."""

import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

import msgspec

from exchanges.ibkr.confirmations.ticket import FRESH_SECONDS, Ticket
from horizon.model import OrderType


class Default(Enum):
    """What happens to a prompt when the user has not opted in."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    """An opt-in is possible."""
    OPT_IN_WITH_LIMIT = "refuse unless own limit"
    """An opt-in must bring a limit of its own."""
    NEVER = "never"


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table: what a message id stands for, how its text reads, and what to answer."""

    subject: str
    pattern: re.Pattern[str]
    default: Default
    why: str
    agrees: Callable[[Ticket], str] | None = None
    """Why the order does not agree with an acceptance; empty when it does."""


def _text(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


MARKET_ORDERS: Final = frozenset({OrderType.MARKET, OrderType.MARKET_ON_CLOSE})
"""The venue asks the same about both: they take whatever price there is."""


def _is_market_order(ticket: Ticket) -> str:
    orders = [request for request in ticket.requests if request.order_type in MARKET_ORDERS]
    if not orders:
        return "the order is not a market order"
    for request in orders:
        if ticket.fresh_quote(request.market_id) is None:
            return f"there is no live quote of {request.market_id} younger than {FRESH_SECONDS:g} s"
    return ""


_STOPS: Final = frozenset(
    {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT}
)


def _is_stop_order(ticket: Ticket) -> str:
    found = any(request.order_type in _STOPS for request in ticket.requests)
    return "" if found else "the order is not a stop order"


def _is_limit_order(ticket: Ticket) -> str:
    all_limits = all(request.order_type is OrderType.LIMIT for request in ticket.requests)
    return "" if all_limits else "the opt-in is for limit orders only"


def _has_cash_quantity(ticket: Ticket) -> str:
    return "" if ticket.cash_quantity else "the order has no cash quantity, so this is not what was asked"


def _has_allocation(ticket: Ticket) -> str:
    return "" if ticket.allocation else "no allocation over several accounts was asked for"


_FAT_FINGER: Final = "the venue's fat-finger stop"
_UNSEEN: Final = "the price was not seen"
_WRONG: Final = "wrong account, oversell or a repeat"
_UNUSUAL: Final = "an unusual instrument"

TABLE: Final[Mapping[str, Rule]] = {
    "o10151": Rule(
        subject="market-order risk",
        pattern=_text(r"\bmarket orders?\b"),
        default=Default.ACCEPT,
        why="restates the type the caller chose",
        agrees=_is_market_order,
    ),
    "o10152": Rule(
        subject="stop-order risk",
        pattern=_text(r"\bstop\b.*\border|\border.*\bstop\b"),
        default=Default.ACCEPT,
        why="restates the type the caller chose",
        agrees=_is_stop_order,
    ),
    "o10331": Rule(
        subject="stop-order types and risks",
        pattern=_text(r"\bstop order"),
        default=Default.ACCEPT,
        why="restates the type the caller chose",
        agrees=_is_stop_order,
    ),
    "o10153": Rule(
        subject="mandatory cap price",
        pattern=_text(r"mandatory cap price|may set a cap"),
        default=Default.ACCEPT,
        why="only limits the price; the capped order may not fill",
    ),
    "o10164": Rule(
        subject="cash quantity details",
        pattern=_text(r"cash quantity"),
        default=Default.ACCEPT,
        why="the order has a cash quantity",
        agrees=_has_cash_quantity,
    ),
    "o10223": Rule(
        subject="cash-quantity order",
        pattern=_text(r"cash quantity"),
        default=Default.ACCEPT,
        why="the order has a cash quantity",
        agrees=_has_cash_quantity,
    ),
    "o163": Rule(
        subject="price limit",
        pattern=_text(r"price exceeds.*percent|price percentage"),
        default=Default.OPT_IN_WITH_LIMIT,
        why=_FAT_FINGER,
    ),
    "o382": Rule(
        subject="tick size",
        pattern=_text(r"tick[- ]size limit"),
        default=Default.OPT_IN_WITH_LIMIT,
        why=_FAT_FINGER,
    ),
    "o383": Rule(
        subject="size",
        pattern=_text(r"(?<!tick )(?<!tick-)\bsize limit\b"),
        default=Default.OPT_IN_WITH_LIMIT,
        why=_FAT_FINGER,
    ),
    "o451": Rule(
        subject="value",
        pattern=_text(r"total value limit"),
        default=Default.OPT_IN_WITH_LIMIT,
        why=_FAT_FINGER,
    ),
    "o10138": Rule(
        subject="size change",
        pattern=_text(r"size modification"),
        default=Default.OPT_IN_WITH_LIMIT,
        why=_FAT_FINGER,
    ),
    "o354": Rule(
        subject="no market data",
        pattern=_text(r"without (having )?market data"),
        default=Default.REFUSE,
        why=_UNSEEN,
        agrees=_is_limit_order,
    ),
    "o403": Rule(
        subject="fills at once",
        pattern=_text(r"trigger and fill immediately"),
        default=Default.REFUSE,
        why=_UNSEEN,
        agrees=_is_limit_order,
    ),
    "o10336": Rule(
        subject="limited liquidity",
        pattern=_text(r"limited liquidity|illiquid"),
        default=Default.REFUSE,
        why=_UNSEEN,
        agrees=_is_limit_order,
    ),
    "o2137": Rule(subject="cross side", pattern=_text(r"cross[- ]?side"), default=Default.NEVER, why=_WRONG),
    "o2136": Rule(subject="mixed allocation", pattern=_text(r"allocation"), default=Default.NEVER, why=_WRONG),
    "o10334": Rule(subject="omnibus account", pattern=_text(r"omnibus"), default=Default.NEVER, why=_WRONG),
    "o10335": Rule(subject="rapid entry", pattern=_text(r"rapid entry"), default=Default.NEVER, why=_WRONG),
    "p6": Rule(
        subject="several accounts",
        pattern=_text(r"distributed over multiple accounts"),
        default=Default.ACCEPT,
        why="an allocation over several accounts was asked for",
        agrees=_has_allocation,
    ),
    "o2165": Rule(subject="fractional size", pattern=_text(r"fraction"), default=Default.REFUSE, why=_UNUSUAL),
    "o10082": Rule(subject="called bond", pattern=_text(r"called bond"), default=Default.REFUSE, why=_UNUSUAL),
    "o10288": Rule(subject="crypto market order", pattern=_text(r"crypto"), default=Default.REFUSE, why=_UNUSUAL),
    "o10332": Rule(subject="crypto order", pattern=_text(r"crypto|\bOSL\b"), default=Default.REFUSE, why=_UNUSUAL),
    "o10333": Rule(
        subject="option exercise", pattern=_text(r"option exercise|at the money"), default=Default.REFUSE, why=_UNUSUAL
    ),
    "p12": Rule(
        subject="price-management algo",
        pattern=_text(r"price management algo"),
        default=Default.NEVER,
        why='"yes" changes the order, "always" changes the account',
    ),
}
