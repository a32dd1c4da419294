"""One order as the simulated venue keeps it, and the report that tells of it."""

from dataclasses import dataclass, field
from decimal import Decimal

from horizon.matching.kinds import AT_CLOSE, PEGGED, TRAILING, TRIGGERED
from horizon.model import (
    ZERO,
    Instrument,
    Market,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradingHours,
    TradingSession,
    VenueOrderId,
)


@dataclass(slots=True, eq=False)
class WorkingOrder:
    """What the venue knows of one order. Only the engine changes it."""

    request: OrderRequest
    market: Market
    instrument: Instrument
    venue_order_id: VenueOrderId
    sequence: int
    """Time priority: smaller came first. A change of price, or more size, gives a new one."""
    placed: int
    updated: int
    expires: int | None
    held: bool = False
    """A child whose parent has not filled yet."""
    triggered: bool = False
    stop: Decimal | None = None
    """The trigger at present; that of a trailing order follows the market."""
    peg: Decimal | None = None
    """The limit at present of an order whose limit follows the market."""
    met: bool = False
    """It has met a quote while it could trade: from then on it rests, and fills at its own price."""
    status: OrderStatus = OrderStatus.WORKING
    filled: Decimal = ZERO
    notional: Decimal = ZERO
    """Sum of price x size over its fills."""
    charged: Decimal = ZERO
    reason: str = ""
    is_buy: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_buy = self.request.order_side is OrderSide.BUY

    @property
    def is_open(self) -> bool:
        return self.status.is_open

    @property
    def remaining(self) -> Decimal:
        return self.request.size - self.filled

    @property
    def awaits_trigger(self) -> bool:
        return not self.triggered and self.request.order_type in TRIGGERED

    @property
    def trails(self) -> bool:
        return self.request.order_type in TRAILING

    @property
    def is_pegged(self) -> bool:
        return self.request.order_type in PEGGED

    @property
    def limit(self) -> Decimal | None:
        """The price it may not pass; None for a market order, and for a stop order once triggered."""
        kind = self.request.order_type
        if kind in PEGGED:
            return self.peg
        if kind is OrderType.TRAILING_STOP_LIMIT:
            return self._trailing_limit()
        return self.request.price if kind.needs_price else None

    def _trailing_limit(self) -> Decimal | None:
        """As far beyond the trigger as it was at the start."""
        request = self.request
        offset = request.limit_offset
        if offset is None and request.price is not None and request.stop_price is not None:
            offset = (request.price - request.stop_price) * request.order_side.sign
        if self.stop is None or offset is None:
            return None
        return self.stop + offset * request.order_side.sign

    @property
    def priority(self) -> tuple[bool, Decimal, int]:
        """Sort key on its side: market orders first, then the better price, then the earlier order."""
        limit = self.limit
        if limit is None:
            return (False, ZERO, self.sequence)
        return (True, -limit if self.is_buy else limit, self.sequence)

    def may_trade(self, now: int) -> bool:
        """Whether its market is open to it. Hours that are not known, or that do not reach `now`, count as open."""
        if self.held or self.request.order_type in AT_CLOSE or (self.expires is not None and now >= self.expires):
            return False
        hours, time_in_force = self.market.hours, self.request.time_in_force
        if time_in_force is TimeInForce.OPG:
            return _opened_since(hours, self.placed, now)
        if hours is None or not hours.covers(now):
            return True
        session = hours.session_at(now)
        if session is None:
            return False
        if time_in_force is TimeInForce.OVERNIGHT:
            return not session.regular
        return session.regular or self.request.outside_rth or time_in_force is TimeInForce.OVERNIGHT_AND_DAY

    def report(self, now: int, reason: str = "", *, refused_change: bool = False) -> OrderReport:
        return OrderReport(
            exchange=self.request.exchange,
            account_id=self.request.account_id,
            time=now,
            status=self.status,
            client_order_id=self.request.client_order_id,
            venue_order_id=self.venue_order_id,
            filled=self.filled,
            size=self.request.size,
            average_price=self.average_price,
            reason=reason,
            refused_change=refused_change,
        )

    @property
    def average_price(self) -> Decimal | None:
        return self.notional / self.filled if self.filled else None

    def as_order(self) -> Order:
        return Order(
            request=self.request,
            status=self.status,
            venue_order_id=self.venue_order_id,
            filled=self.filled,
            booked=self.filled,
            average_price=self.average_price,
            reason=self.reason,
            created_time=self.placed,
            updated_time=self.updated,
        )


def expiry(request: OrderRequest, hours: TradingHours | None, now: int) -> int | None:
    """When an order placed at `now` ends by itself; None when it does not, or when the sessions are not known."""
    if request.order_type in AT_CLOSE:
        return day_order_expiry(hours, now, outside_rth=False)
    if request.time_in_force is TimeInForce.DAY:
        return day_order_expiry(hours, now, outside_rth=request.outside_rth)
    ahead = [] if hours is None else [s for s in hours.sessions if s.regular and s.opens > now]
    next_day = min(ahead, key=lambda session: session.opens, default=None)
    if next_day is None:
        return None
    return {TimeInForce.OVERNIGHT: next_day.opens, TimeInForce.OVERNIGHT_AND_DAY: next_day.closes}.get(
        request.time_in_force
    )


def day_order_expiry(hours: TradingHours | None, now: int, *, outside_rth: bool) -> int | None:
    """When a DAY order placed at `now` ends: the close of the session that is open to it, or of the next one. With
    `outside_rth` the sessions that follow without a gap belong to the day, up to the next regular one. None where no
    such session is known."""
    if hours is None:
        return None
    ahead = sorted(
        (session for session in hours.sessions if session.closes > now and (session.regular or outside_rth)),
        key=lambda session: session.opens,
    )
    return _end_of_day(ahead) if ahead else None


def _end_of_day(sessions: list[TradingSession]) -> int:
    closes, had_regular = sessions[0].closes, sessions[0].regular
    for session in sessions[1:]:
        if session.opens > closes or (had_regular and session.regular):
            break
        closes, had_regular = max(closes, session.closes), had_regular or session.regular
    return closes


def _opened_since(hours: TradingHours | None, placed: int, now: int) -> bool:
    """Whether a regular session has opened after the order was placed. Without known hours any later quote counts."""
    if hours is None:
        return now > placed
    session = hours.session_at(now)
    return session is not None and session.regular and session.opens > placed
