"""One order as the gateway keeps it, and as the matching core knows it."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal
from zoneinfo import ZoneInfo

from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.tape import Tape
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.clock import to_datetime
from horizon.model import (
    AccountId,
    ClientOrderId,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderRequest,
    OrderSide,
    OrderType,
    PriceGrid,
    TimeInForce,
    TradingHours,
    Trailing,
)
from horizon.model import Side as Outcome

VENUE = "gateway"
EASTERN = ZoneInfo("US/Eastern")
_QUARTER_ENDS_AT = 16
_KINDS = {
    "STK": MarketKind.STOCK,
    "IND": MarketKind.INDEX,
    "OPT": MarketKind.OPTION,
    "FUT": MarketKind.FUTURE,
    "FOP": MarketKind.FUTURE_OPTION,
    "CASH": MarketKind.FOREX,
    "CRYPTO": MarketKind.CRYPTO,
}
Origin = Literal["api", "elsewhere", "liquidation"]


@dataclass
class PlacedOrder:
    """One accepted order. What it has come to is asked of the matching core by its number, once it has got there."""

    order_id: int
    account: str
    ticket: Ticket
    contract: Contract
    placed: int
    parent_id: int | None = None
    group: str = ""
    cancel_due: int | None = None
    origin: Origin = "api"
    entered: bool = False
    """At the exchange, or what of it can be seen from here."""
    held_for: str = ""
    """The request number of a server prompt without whose answer it does not go on."""
    uses_price_management: bool | None = None
    ended_early: Order | None = None
    """How it ended without having been at the exchange."""
    ends: int | None = None
    """When the system cancels it."""
    is_listed: bool = True
    """Whether the gateway remembers it; the exchange does anyway."""
    ignores_cancels: bool = False

    @property
    def works_outside(self) -> bool:
        """Whether it may trade outside of regular hours."""
        return self.ticket.outside_rth or self.ticket.tif in ("OVT", "OND")

    @property
    def key(self) -> ClientOrderId:
        return ClientOrderId(str(self.order_id))


def market_of(contract: Contract, tape: Tape) -> Market:
    """The contract as the matching core knows it. What never closes has no hours."""
    hours = None if contract.never_closes else TradingHours(timezone="US/Eastern", sessions=tape.all_sessions)
    finest = min(step for _, step in contract.increments)
    return Market(
        exchange=VENUE,
        market_id=MarketId(str(contract.conid)),
        kind=MarketKind.EVENT if contract.is_event else _KINDS[contract.sec_type],
        symbol=contract.symbol,
        multiplier=Decimal(contract.factor),
        price_grid=PriceGrid.of(str(finest)),
        lot=contract.lot,
        hours=hours,
    )


def request_of(order: PlacedOrder) -> OrderRequest:
    """The order as the matching core takes it."""
    ticket, kind = order.ticket, order.ticket.kind
    return OrderRequest(
        exchange=VENUE,
        market_id=MarketId(str(ticket.conid)),
        side=Outcome.LONG,
        order_side=OrderSide(ticket.side),
        size=ticket.quantity,
        price=ticket.price,
        stop_price=ticket.stop,
        order_type=kind.type,
        time_in_force=TimeInForce(ticket.tif),
        outside_rth=ticket.outside_rth,
        trailing=_trailing(ticket),
        limit_offset=ticket.offset if kind.type is OrderType.RELATIVE else None,
        all_or_none=ticket.all_or_none,
        client_order_id=order.key,
        account_id=AccountId(order.account),
        parent=None if order.parent_id is None else ClientOrderId(str(order.parent_id)),
        group=order.group,
    )


def _trailing(ticket: Ticket) -> Trailing | None:
    if not ticket.kind.trails:
        return None
    if ticket.trails_by == "%":
        return Trailing(percent=ticket.trailing)
    return Trailing(amount=ticket.trailing)


def end_of_next_quarter(now: int) -> datetime:
    """When a GTC order given now is cancelled by the system: at the close on the last day of the next quarter."""
    today = to_datetime(now).astimezone(EASTERN).date()
    # Months counted from year 0; a quarter ends before the month that follows it.
    month = today.year * 12 + (today.month - 1) // 3 * 3 + 6
    last = date(month // 12, month % 12 + 1, 1) - timedelta(days=1)
    return datetime(last.year, last.month, last.day, _QUARTER_ENDS_AT, tzinfo=EASTERN)
