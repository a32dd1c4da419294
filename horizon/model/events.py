"""What a core is handed beside market data, reports and fills. All of it is recorded and can be replayed."""

from enum import StrEnum

import msgspec

from horizon.model.identifiers import AccountId, ClientOrderId
from horizon.model.market import Market
from horizon.model.market_data import MarketEvent
from horizon.model.orders import Order, OrderReport, OrderRequest
from horizon.model.portfolio import Account, Fill, Position


class SessionTier(StrEnum):
    """The tiers of a session, from the outside in."""

    TOKEN = "token"  # noqa: S105  the name of a tier, not a secret
    GATEWAY = "gateway"
    BROKERAGE = "brokerage"
    MARKET_DATA = "market_data"


class TierState(msgspec.Struct, frozen=True, kw_only=True):
    """One tier: whether it is up, since when (ns), why, and what to do when it is not."""

    tier: SessionTier
    up: bool
    since: int
    cause: str = ""
    action: str = ""
    act_until: int | None = None
    """Until when (ns) a person has to act, if there is such a moment."""
    needs_person: bool = False
    """It stays down until a person acts: worth waking somebody. What mends itself is not."""


class SessionState(msgspec.Struct, frozen=True, kw_only=True, tag="session"):
    """The session of one exchange, tier by tier. `ready` says whether orders can be sent."""

    exchange: str
    time: int
    ready: bool
    tiers: tuple[TierState, ...] = ()
    reason: str = ""
    """When not ready: the cause and what to do, in one sentence."""
    holding: bool = False
    """Orders are taken now and leave when the session is ready again: only where the user asked for that."""


class NoticeLevel(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Notice(msgspec.Struct, frozen=True, kw_only=True, tag="notice"):
    """Something a person should know: a bulletin, a warning of the venue, a watchdog's report."""

    exchange: str
    time: int
    level: NoticeLevel
    text: str
    account_id: AccountId | None = None


class PromptAnswered(msgspec.Struct, frozen=True, kw_only=True, tag="prompt"):
    """A confirmation prompt and the answer it got."""

    exchange: str
    account_id: AccountId
    time: int
    client_order_id: str
    message_ids: tuple[str, ...]
    messages: tuple[str, ...]
    accepted: bool
    reason: str
    hop: int = 1


class TimerFired(msgspec.Struct, frozen=True, kw_only=True, tag="timer"):
    """A strategy's timer; `time` is when it was due."""

    name: str
    time: int


class EarlierOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was sent before, of which something is still expected."""

    order: Order
    fills: tuple[Fill, ...] = ()
    """What has been booked of it."""
    sender: str = ""
    """The strategy that sent it; empty for an order that came straight from a person."""
    cancel_asked: bool = False
    change: OrderRequest | None = None
    """What it is to become: the venue's answer has not been seen."""
    former_ids: tuple[ClientOrderId, ...] = ()
    """Client order ids that it had before, under which the venue may still report."""


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """The first event: what the run begins with. The run id makes client order ids unique and repeatable."""

    time: int
    run_id: str
    markets: dict[str, Market]
    """By the name under which the strategy declared each; the other side of an event is there as `NAME.twin`."""
    accounts: tuple[Account, ...]
    positions: tuple[Position, ...] = ()
    known_fills: tuple[Fill, ...] = ()
    """Fills that are in `positions` and the accounts' cash already: reported again, they change nothing."""
    state: str = ""
    """The strategy's own state as its last run saved it, as JSON; empty for a first run."""
    state_revision: int = 0
    kill_switch: str = ""
    """Why no order may leave, when the kill switch is pulled already."""
    orders: tuple[EarlierOrder, ...] = ()
    """Orders of earlier runs, and of persons, that are still open or not settled."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop"):
    """The last event: the strategy is told, working entry orders are cancelled."""

    time: int
    reason: str


class OrdersAsked(msgspec.Struct, frozen=True, kw_only=True, tag="orders_asked"):
    """Orders that a person sends from outside while the strategy runs; the strategy hears of them in `on_order`."""

    time: int
    exchange: str
    requests: tuple[OrderRequest, ...]


class CancelAsked(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_asked"):
    """Orders of this run that a person cancels from outside."""

    time: int
    exchange: str
    client_order_ids: tuple[ClientOrderId, ...]


class KillSwitched(msgspec.Struct, frozen=True, kw_only=True, tag="kill_switched"):
    """The kill switch was pulled or reset from outside. Pulled, working orders are cancelled."""

    time: int
    exchange: str
    pulled: bool
    reason: str = ""
    cancel_protective: bool = False
    """Protective orders too; they stay otherwise."""


Instruction = OrdersAsked | CancelAsked | KillSwitched
"""What a person asks for from outside while a strategy runs."""

CoreEvent = (
    MarketEvent
    | OrderReport
    | Fill
    | SessionState
    | Notice
    | PromptAnswered
    | TimerFired
    | Start
    | Stop
    | OrdersAsked
    | CancelAsked
    | KillSwitched
)
