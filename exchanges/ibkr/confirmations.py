"""The default answers to Interactive Brokers' confirmation prompts, as a table.

A prompt is accepted only if every message id in it is in the table, every text matches its id's pattern (ids have been
seen with other texts: o10164 as a market-order confirmation, o10223 as a cap price, o10151 and o10153 about cash
quantities), and the order itself agrees. A prompt that quotes a numeric limit is the venue's fat-finger stop: it is
accepted only where the user opted in for that id together with a stricter limit of their own.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum
from typing import Final

import msgspec

from horizon.errors import ConfigurationError
from horizon.model import Availability, MarketId, OrderRequest, OrderSide, OrderType, Quote, exact

FRESH_SECONDS: Final = 5.0
"""A market order is confirmed only against a live quote that is younger than this."""

LAST_HOP: Final = 5
"""Prompts follow each other; chains of three have been seen. The sixth is answered no."""


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
        age = (self.now - quote.receive_time) / 1e9
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


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The policy's answer to one prompt, with its reason."""

    accepted: bool
    reason: str


def _text(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.DOTALL)


def _is_market_order(ticket: Ticket) -> str:
    orders = [request for request in ticket.requests if request.order_type is OrderType.MARKET]
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

_CASH: Final = re.compile(r"cash[- ]quantity", re.IGNORECASE)
_QUOTES_A_LIMIT: Final = re.compile(
    r"(exceeds?|limit of|constraint of|maximum of|more than|greater than)\D{0,80}\d", re.IGNORECASE | re.DOTALL
)
_ABOUT_CASH: Final = frozenset({"o10164", "o10223"})


class Policy:
    """Answers prompts by the table, plus the ids for which the user opted in.

    `accept` maps a message id to the limit under which it may be accepted; text in place of an `OptIn` is the reason
    alone, which is enough only for ids that are no fat-finger stop. Raises ConfigurationError for an id that the
    table does not know or never accepts.
    """

    def __init__(self, accept: Mapping[str, OptIn | str] | None = None) -> None:
        self._accept = {
            message_id: OptIn(because=value) if isinstance(value, str) else value
            for message_id, value in (accept or {}).items()
        }
        for message_id, opt_in in self._accept.items():
            _check_opt_in(message_id, opt_in)

    def advise(self, ticket: Ticket, message_ids: Sequence[str], messages: Sequence[str], *, hop: int = 1) -> Advice:
        """Yes only if every id is in the table, every text reads as its id says, and the order agrees."""
        if hop > LAST_HOP:
            return _no(f"this is prompt number {hop} in a row; at most {LAST_HOP} are answered with yes")
        if not message_ids or not all(message_ids):
            return _no("the prompt has no message id, or an empty one")
        if not any(text.strip() for text in messages):
            return _no("the prompt has no text")
        reasons = []
        for message_id, texts in _texts_by_id(message_ids, messages):
            advice = self._advise_one(ticket, message_id, texts)
            if not advice.accepted:
                return advice
            reasons.append(advice.reason)
        if stray := _unexplained(message_ids, messages):
            return _no(f"no known message id explains this text: {_short(stray)}")
        return Advice(accepted=True, reason="; ".join(reasons))

    def _advise_one(self, ticket: Ticket, message_id: str, texts: Sequence[str]) -> Advice:
        rule = TABLE.get(message_id)
        if rule is None:
            return _no(f"{message_id} is not a known message id")
        fitting = [text for text in texts if _reads_as(message_id, rule, text)]
        if not fitting:
            return _no(f"{message_id} stands for {rule.subject}, but the text reads otherwise: {_short(texts[0])}")
        opted_in = self._accept.get(message_id)
        if opted_in is None and rule.default is not Default.ACCEPT:
            return _no(f"{message_id} ({rule.subject}) is refused by default: {rule.why}")
        if rule.default is not Default.OPT_IN_WITH_LIMIT and any(_QUOTES_A_LIMIT.search(text) for text in fitting):
            return _no(f"{message_id} ({rule.subject}) quotes a numeric limit: {_short(fitting[0])}")
        objection = rule.agrees(ticket) if rule.agrees is not None else ""
        if not objection and opted_in is not None:
            objection = opted_in.objection(ticket)
        if objection:
            return _no(f"{message_id} ({rule.subject}): {objection}")
        why = rule.why if opted_in is None else f"opted in{': ' + opted_in.because if opted_in.because else ''}"
        return Advice(accepted=True, reason=f"{message_id} ({rule.subject}): {why}")


def _check_opt_in(message_id: str, opt_in: OptIn) -> None:
    rule = TABLE.get(message_id)
    if rule is None:
        raise ConfigurationError(
            f"cannot opt in to {message_id!r}: it is not a known message id; known are {', '.join(sorted(TABLE))}"
        )
    if rule.default is Default.NEVER:
        raise ConfigurationError(f"cannot opt in to {message_id} ({rule.subject}): {rule.why}")
    if rule.default is Default.OPT_IN_WITH_LIMIT and not opt_in.has_limit:
        raise ConfigurationError(
            f"an opt-in to {message_id} ({rule.subject}) needs a limit of your own: give OptIn a max_size, "
            "max_value or max_deviation"
        )


def _texts_by_id(message_ids: Sequence[str], messages: Sequence[str]) -> list[tuple[str, Sequence[str]]]:
    """Each id with the texts that may be its own: the one at its place, or all when the two lists do not pair up."""
    if len(message_ids) == len(messages):
        return [(message_id, (text,)) for message_id, text in zip(message_ids, messages, strict=True)]
    return [(message_id, messages) for message_id in message_ids]


def _unexplained(message_ids: Sequence[str], messages: Sequence[str]) -> str:
    """A text that reads as none of the ids; such a text could ask for anything."""
    known = [(message_id, TABLE[message_id]) for message_id in message_ids]
    for text in messages:
        if not any(_reads_as(message_id, rule, text) for message_id, rule in known):
            return text or "(empty)"
    return ""


def _reads_as(message_id: str, rule: Rule, text: str) -> bool:
    if message_id not in _ABOUT_CASH and _CASH.search(text):
        return False
    return rule.pattern.search(text) is not None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:197]}..."


def _no(reason: str) -> Advice:
    return Advice(accepted=False, reason=reason)
