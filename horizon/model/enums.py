"""The closed sets of words that orders, markets and market data use."""

from enum import StrEnum
from typing import NoReturn

from horizon.errors import InvalidOrder


class Side(StrEnum):
    """Which outcome is held: YES or NO of an event, LONG for everything else."""

    YES = "YES"
    NO = "NO"
    LONG = "LONG"


class OrderSide(StrEnum):
    """Whether an order adds to what is held or takes from it."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """+1 for BUY, -1 for SELL."""
        return 1 if self is OrderSide.BUY else -1

    @property
    def opposite(self) -> "OrderSide":
        return OrderSide.SELL if self is OrderSide.BUY else OrderSide.BUY


class OrderType(StrEnum):
    """How an order executes. A venue lists in its capabilities which of these it takes.

    `OrderType("STOP_LIMIT")` reads text. Another spelling raises InvalidOrder with the right name, and is never taken
    for the type it resembles.
    """

    MARKET = "MKT"
    LIMIT = "LMT"
    STOP = "STP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAIL"
    TRAILING_STOP_LIMIT = "TRAILLMT"
    MIDPRICE = "MIDPRICE"
    MARKET_ON_CLOSE = "MOC"
    LIMIT_ON_CLOSE = "LOC"
    MARKET_IF_TOUCHED = "MIT"
    LIMIT_IF_TOUCHED = "LIT"
    RELATIVE = "REL"

    @property
    def needs_price(self) -> bool:
        """Whether the order must carry a limit price."""
        return self in _LIMIT_PRICED

    @property
    def takes_price(self) -> bool:
        """Whether the order may carry a price: a limit, or the cap of MIDPRICE and REL."""
        return self in _LIMIT_PRICED or self in _CAPPED

    @property
    def needs_stop_price(self) -> bool:
        """Whether the order must carry a trigger price."""
        return self in _STOP_PRICED

    @property
    def trails(self) -> bool:
        """Whether the trigger follows the market."""
        return self in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        _unknown("order_type", cls, value, _RIGHT_ORDER_TYPES)


_LIMIT_PRICED = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.LIMIT_ON_CLOSE, OrderType.LIMIT_IF_TOUCHED})
_CAPPED = frozenset({OrderType.MIDPRICE, OrderType.RELATIVE, OrderType.TRAILING_STOP_LIMIT})
_STOP_PRICED = frozenset(
    {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED}
)
_RIGHT_ORDER_TYPES = {
    "MARKET": "MKT",
    "LIMIT": "LMT",
    "STOP": "STP",
    "STOPLOSS": "STP",
    "STPLMT": "STOP_LIMIT",
    "STPLIMIT": "STOP_LIMIT",
    "STOPLMT": "STOP_LIMIT",
    "STOPLIMIT": "STOP_LIMIT",
    "STOPLOSSLIMIT": "STOP_LIMIT",
    "TRAILINGSTOP": "TRAIL",
    "TRAILLIMIT": "TRAILLMT",
    "TRAILINGSTOPLIMIT": "TRAILLMT",
    "MID": "MIDPRICE",
    "MARKETONCLOSE": "MOC",
    "LIMITONCLOSE": "LOC",
    "MARKETIFTOUCHED": "MIT",
    "LIMITIFTOUCHED": "LIT",
    "RELATIVE": "REL",
}
"""By the letters of what people and other programs write."""


class TimeInForce(StrEnum):
    """How long an order lives. `TimeInForce("GTC")` reads text; another spelling raises InvalidOrder."""

    DAY = "DAY"
    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    OPG = "OPG"
    OVERNIGHT = "OVT"
    OVERNIGHT_AND_DAY = "OND"
    PAX = "PAX"
    """For crypto currencies alone."""

    @classmethod
    def _missing_(cls, value: object) -> NoReturn:
        _unknown("time_in_force", cls, value, _RIGHT_TIMES)


_RIGHT_TIMES = {
    "GOODTILLCANCEL": "GTC",
    "GOODTILCANCEL": "GTC",
    "GOODUNTILCANCELED": "GTC",
    "IMMEDIATEORCANCEL": "IOC",
    "FILLORKILL": "FOK",
    "GTD": "GTC, and cancel it when its time has come",
    "OPENING": "OPG",
    "OVERNIGHT": "OVT",
    "OVERNIGHTANDDAY": "OND",
    "OVERNIGHTDAY": "OND",
}


def _unknown(rule: str, names: type[StrEnum], value: object, right: dict[str, str]) -> NoReturn:
    """Refuse a word, with the one that was probably meant."""
    text = str(value)
    letters = "".join(letter for letter in text.upper() if letter.isalnum())
    known = [str(name) for name in names]
    meant = right.get(letters) or next((name for name in known if name.replace("_", "") == letters), None)
    advice = "" if meant is None else f": use {meant}"
    expected = f"expected {rule} to be one of {', '.join(sorted(known))}"
    raise InvalidOrder(f"{expected}, found {text!r}{advice}", rule=rule)


class OrderStatus(StrEnum):
    """Where an order is in its life. The sets `OPEN`, `DONE` and `IN_DOUBT` below say what each status means."""

    PENDING = "PENDING"
    """Journaled on this side; whether it arrived at the venue is not known yet."""
    WORKING = "WORKING"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCEL_PENDING = "CANCEL_PENDING"
    """A cancel was asked for; the order can still fill."""
    CANCELED = "CANCELED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    """Something was sent and the answer was lost: only the venue can say."""

    @property
    def is_open(self) -> bool:
        """It can still fill. PENDING and UNKNOWN count, because assuming otherwise could double an order."""
        return self in OPEN

    @property
    def is_done(self) -> bool:
        """It will not change again, except by a fill that arrives late."""
        return self in DONE

    @property
    def is_in_doubt(self) -> bool:
        """Whether the venue holds it is not known."""
        return self in IN_DOUBT


OPEN = frozenset(
    {
        OrderStatus.PENDING,
        OrderStatus.WORKING,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.CANCEL_PENDING,
        OrderStatus.UNKNOWN,
    }
)
DONE = frozenset(OrderStatus) - OPEN
IN_DOUBT = frozenset({OrderStatus.PENDING, OrderStatus.UNKNOWN})


class FillKind(StrEnum):
    """What an execution report stands for."""

    TRADE = "TRADE"
    NETTING = "NETTING"
    """The venue paired off opposite outcomes: no trade, nothing is booked from it."""
    EXERCISE = "EXERCISE"
    LIQUIDATION = "LIQUIDATION"
    """The venue has closed a position on its own."""


class MarketKind(StrEnum):
    STOCK = "STOCK"
    OPTION = "OPTION"
    FUTURE = "FUTURE"
    FUTURE_OPTION = "FUTURE_OPTION"
    FOREX = "FOREX"
    EVENT = "EVENT"
    INDEX = "INDEX"
    BOND = "BOND"
    FUND = "FUND"
    CFD = "CFD"
    WARRANT = "WARRANT"
    CRYPTO = "CRYPTO"
    OTHER = "OTHER"


class OptionRight(StrEnum):
    CALL = "CALL"
    PUT = "PUT"


class Availability(StrEnum):
    """How fresh market data is, in the venue's own words."""

    LIVE = "LIVE"
    DELAYED = "DELAYED"
    FROZEN = "FROZEN"
    UNAVAILABLE = "UNAVAILABLE"
    """Not subscribed or not entitled."""
    UNKNOWN = "UNKNOWN"
    """The venue did not say."""
