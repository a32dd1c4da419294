"""Horizon: one trading strategy over several venues.

These are the public names. The vocabulary, the errors and the strategy surface are imported at once; whatever needs a
network, a disk or an event loop is imported when it is first asked for, so that `import horizon` stays light.
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from horizon._siblings import check_siblings

# First: with a stranger in the place of `feeds` or `exchanges`, later errors would be far from their cause.
check_siblings(Path(__file__).resolve().parent.parent)

from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    ConfirmationRefused,
    HorizonError,
    InvalidOrder,
    NeedsLogin,
    Outcome,
    OutcomeUnknown,
    RateLimited,
    RecordingError,
    Refused,
    SessionError,
    TokenExpired,
    VenueError,
    VenueUnavailable,
    WireError,
)
from horizon.model import (
    DONE,
    IN_DOUBT,
    OPEN,
    ZERO,
    Account,
    AccountId,
    Algo,
    Availability,
    Balance,
    Bar,
    Book,
    Change,
    ClientOrderId,
    CoreEvent,
    DayProfit,
    EventTerms,
    ExecutionId,
    Fill,
    FillKind,
    Instrument,
    Market,
    MarketEvent,
    MarketId,
    MarketKind,
    MarketQuery,
    MarketRules,
    Notice,
    NoticeLevel,
    Number,
    OptionRight,
    OptionTerms,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Position,
    Preview,
    PriceGrid,
    PriceStep,
    PromptAnswered,
    Quote,
    SessionState,
    SessionTier,
    Side,
    Snapshot,
    Start,
    Stop,
    TierState,
    TimeInForce,
    TimerFired,
    Trade,
    TradingHours,
    TradingSession,
    Trailing,
    VenueOrderId,
    exact,
    instrument,
    plain,
    split_instrument,
)
from horizon.strategy import Context, Strategy

if TYPE_CHECKING:
    from exchanges import InteractiveBrokers
    from horizon.clock import Clock, SystemClock
    from horizon.engine.run import RunResult, run, run_async
    from horizon.exchange import Exchange

_LAZY = {
    "Clock": "horizon.clock",
    "Exchange": "horizon.exchange",
    "InteractiveBrokers": "exchanges",
    "RunResult": "horizon.engine.run",
    "SystemClock": "horizon.clock",
    "run": "horizon.engine.run",
    "run_async": "horizon.engine.run",
}

__all__ = [
    "DONE",
    "IN_DOUBT",
    "OPEN",
    "ZERO",
    "Account",
    "AccountId",
    "Algo",
    "Availability",
    "Balance",
    "Bar",
    "Book",
    "BrokerageSessionDown",
    "Change",
    "ClientOrderId",
    "Clock",
    "Competing",
    "ConfigurationError",
    "ConfirmationRefused",
    "Context",
    "CoreEvent",
    "DayProfit",
    "EventTerms",
    "Exchange",
    "ExecutionId",
    "Fill",
    "FillKind",
    "HorizonError",
    "Instrument",
    "InteractiveBrokers",
    "InvalidOrder",
    "Market",
    "MarketEvent",
    "MarketId",
    "MarketKind",
    "MarketQuery",
    "MarketRules",
    "NeedsLogin",
    "Notice",
    "NoticeLevel",
    "Number",
    "OptionRight",
    "OptionTerms",
    "Order",
    "OrderReport",
    "OrderRequest",
    "OrderSide",
    "OrderStatus",
    "OrderType",
    "Outcome",
    "OutcomeUnknown",
    "Position",
    "Preview",
    "PriceGrid",
    "PriceStep",
    "PromptAnswered",
    "Quote",
    "RateLimited",
    "RecordingError",
    "Refused",
    "RunResult",
    "SessionError",
    "SessionState",
    "SessionTier",
    "Side",
    "Snapshot",
    "Start",
    "Stop",
    "Strategy",
    "SystemClock",
    "TierState",
    "TimeInForce",
    "TimerFired",
    "TokenExpired",
    "Trade",
    "TradingHours",
    "TradingSession",
    "Trailing",
    "VenueError",
    "VenueOrderId",
    "VenueUnavailable",
    "WireError",
    "exact",
    "instrument",
    "plain",
    "run",
    "run_async",
    "split_instrument",
]


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'horizon' has no public name {name!r}")
    value = globals()[name] = getattr(import_module(_LAZY[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
