"""What is said at the control socket: one JSON object a line, a command and then its answer."""

from decimal import Decimal

import msgspec

from horizon.model import MarketQuery, Order, OrderReport, OrderSide, OrderType, Position, Side, TimeInForce
from horizon.orders.owner import Owner
from horizon.orders.reconcile import Reconciliation

VERSION = 1
LONGEST_LINE = 4 * 1024 * 1024


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    """How the owner stands."""


class Submit(msgspec.Struct, frozen=True, kw_only=True, tag="submit"):
    """One order. The owner looks the market up and applies its guards."""

    query: MarketQuery
    order_side: OrderSide
    size: Decimal
    price: Decimal | None = None
    stop_price: Decimal | None = None
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.DAY
    side: Side | None = None
    outside_rth: bool = False


class Replace(msgspec.Struct, frozen=True, kw_only=True, tag="replace"):
    """A new size (the total, fills included) or price of a working order."""

    order_id: str
    size: Decimal | None = None
    price: Decimal | None = None


class Cancel(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    """By the order's own id or the venue's."""

    order_id: str


class CancelAll(msgspec.Struct, frozen=True, kw_only=True, tag="cancel_all"):
    protective: bool = False
    everywhere: bool = False
    """Orders that were placed elsewhere too."""


class Kill(msgspec.Struct, frozen=True, kw_only=True, tag="kill"):
    """Pull the kill switch, and cancel as CancelAll does."""

    reason: str
    protective: bool = False
    everywhere: bool = False


class ResetKill(msgspec.Struct, frozen=True, kw_only=True, tag="reset_kill"):
    """Let orders pass again."""


class ListOrders(msgspec.Struct, frozen=True, kw_only=True, tag="orders"):
    """Orders that can still fill, wherever they were placed."""


class ListPositions(msgspec.Struct, frozen=True, kw_only=True, tag="positions"):
    """Everything the account holds."""


class Reconcile(msgspec.Struct, frozen=True, kw_only=True, tag="reconcile"):
    """Compare the account with its venue now, and resolve what differs."""

    accept: str = ""
    """Why the positions that the venue holds are right; empty to compare only."""


Command = Status | Submit | Replace | Cancel | CancelAll | Kill | ResetKill | ListOrders | ListPositions | Reconcile
CHANGES = (Submit, Replace, Cancel, CancelAll, Kill)
"""Commands after which something may be different at the venue, even when no answer comes."""


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="status"):
    owner: Owner
    strategy: str
    """The strategy that trades; empty when none does."""
    ready: bool
    """Whether orders can be sent now."""
    reason: str = ""
    killed: str = ""
    """Why the kill switch is pulled; empty while it is not."""
    open_orders: int


class OrdersAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="orders"):
    """Orders as they are after a command."""

    orders: tuple[Order, ...] = ()
    kept: tuple[Order, ...] = ()
    problems: tuple[str, ...] = ()
    killed: str = ""


class ReportsAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="reports"):
    reports: tuple[OrderReport, ...]


class PositionsAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="positions"):
    positions: tuple[Position, ...]


class ReconciledAnswer(msgspec.Struct, frozen=True, kw_only=True, tag="reconciled"):
    result: Reconciliation


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """An error of `horizon.errors`, with what is needed to raise it again."""

    error: str
    message: str
    detail: str = ""
    """The rule of an InvalidOrder, the code of a Refused, the client order id of an OutcomeUnknown."""


Answer = StatusAnswer | OrdersAnswer | ReportsAnswer | PositionsAnswer | ReconciledAnswer | Failure


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    version: int = VERSION
    command: Command


class Said(msgspec.Struct, frozen=True, kw_only=True):
    version: int = VERSION
    answer: Answer


class AnyVersion(msgspec.Struct, frozen=True, kw_only=True):
    """What a line of any version holds."""

    version: int
