"""What is known here against what the venue says: a list of differences, each with the rule that resolves it. Pure.

Nothing is overwritten in silence. What the venue knows better is adopted or booked by the same way as any other news
of it; of the rest a person is told. Positions are compared with those that were agreed on last, moved by every fill
since (`Agreed`): a difference is one that no fill of the account explains.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from horizon.clock import NANOSECONDS
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    Instrument,
    Order,
    OrderReport,
    OrderStatus,
    Position,
    VenueOrderId,
    plain,
)
from horizon.orders.agreed import Agreed
from horizon.orders.lifecycle import apply_report
from horizon.orders.words import describe

LIST_AGE = 60
"""Seconds by which a venue's lists may be behind what it has told already: younger news is not compared with them."""


class Rule(StrEnum):
    """What is done about a difference."""

    ADOPT = "adopt"
    """The venue's word on an order is taken, once it is looked up where that is needed."""
    BOOK = "book"
    """The fill is booked."""
    WARN = "warn"
    """A person is told; nothing is changed."""


class OrderDiffers(msgspec.Struct, frozen=True, kw_only=True, tag="order_differs"):
    """The venue knows more of an order of ours."""

    order: Order
    report: OrderReport
    rule: Rule = Rule.ADOPT

    @property
    def text(self) -> str:
        order, report = self.order, self.report
        there = f"{report.status}, {plain(report.filled or ZERO)} filled"
        return (
            f"order {order.client_order_id} is {order.status}, {plain(order.filled)} filled here and {there} at the "
            "venue: the venue's word is taken"
        )


class OrderGone(msgspec.Struct, frozen=True, kw_only=True, tag="order_gone"):
    """An order that works here is not among the venue's open ones."""

    order: Order
    rule: Rule = Rule.ADOPT

    @property
    def text(self) -> str:
        return (
            f"order {self.order.client_order_id} is {self.order.status} here and not among the venue's open orders: it "
            "is looked up"
        )


class OrderAlive(msgspec.Struct, frozen=True, kw_only=True, tag="order_alive"):
    """The venue works on an order of ours that is over by all that is known here."""

    report: OrderReport
    rule: Rule = Rule.WARN

    @property
    def text(self) -> str:
        report = self.report
        return (
            f"order {report.client_order_id or report.venue_order_id} is over by the journal, and the venue has it as "
            f"{report.status}: look at the venue's own screen, and cancel it with `horizon orders cancel "
            f"{report.venue_order_id}` if it is not wanted"
        )


class OrderChanged(msgspec.Struct, frozen=True, kw_only=True, tag="order_changed"):
    """The venue works on another size than was asked for here."""

    order: Order
    report: OrderReport
    rule: Rule = Rule.WARN

    @property
    def text(self) -> str:
        return (
            f"order {self.order.client_order_id} asked for {plain(self.order.request.size)}, and the venue works on "
            f"{plain(self.report.size or ZERO)}: it was changed elsewhere"
        )


class OrderElsewhere(msgspec.Struct, frozen=True, kw_only=True, tag="order_elsewhere"):
    """An open order of the account that nobody here has sent."""

    report: OrderReport
    rule: Rule = Rule.WARN

    @property
    def text(self) -> str:
        what = "" if self.report.request is None else f" ({describe(self.report.request)})"
        return f"order {self.report.venue_order_id} was placed elsewhere and is {self.report.status}{what}"


class FillMissed(msgspec.Struct, frozen=True, kw_only=True, tag="fill_missed"):
    """An execution that has not been reported here."""

    fill: Fill
    ours: bool
    rule: Rule = Rule.BOOK

    @property
    def text(self) -> str:
        whose = f"of order {self.fill.client_order_id or self.fill.venue_order_id}" if self.ours else "placed elsewhere"
        return f"{_fill(self.fill)}, {whose}, was not reported here: it is booked"


class FillElsewhere(msgspec.Struct, frozen=True, kw_only=True, tag="fill_elsewhere"):
    """An execution of an order that nobody here has sent."""

    fill: Fill
    rule: Rule = Rule.WARN

    @property
    def text(self) -> str:
        if self.fill.kind is FillKind.LIQUIDATION:
            return f"the venue has liquidated: {_fill(self.fill)}"
        return f"{_fill(self.fill)} was not traded from here"


class PositionDiffers(msgspec.Struct, frozen=True, kw_only=True, tag="position_differs"):
    """What is held is not what was agreed on last and the fills since come to."""

    instrument: Instrument
    symbol: str = ""
    here: Decimal
    there: Decimal
    confirmed: bool = False
    """Read three times over two minutes, from fresh figures: before that, the venue's positions may be old."""
    rule: Rule = Rule.WARN

    @property
    def text(self) -> str:
        name = f"{self.symbol} ({self.instrument})" if self.symbol else self.instrument
        known = f"position of {name}: {plain(self.here)} by the fills, {plain(self.there)} at the venue"
        if not self.confirmed:
            return f"{known}; its positions may be old, so it is read again"
        return f"{known}, and no fill explains it: look at the venue's own screen, then accept what it holds"


Difference = (
    OrderDiffers | OrderGone | OrderAlive | OrderChanged | OrderElsewhere | FillMissed | FillElsewhere | PositionDiffers
)


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one comparison with the venue."""

    exchange: str
    account_id: AccountId
    time: int
    orders: int
    """Open orders at the venue that were compared."""
    fills: int
    positions: int | None
    """None when they were not compared: `remark` says why."""
    differences: tuple[Difference, ...] = ()
    """What was found now, with the rule by which it was resolved."""
    known: tuple[Difference, ...] = ()
    """What a person was told of before, and is still so."""
    remark: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing is different."""
        return not (self.differences or self.known)


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """What is known on this side. The two functions answer for orders that are over, too."""

    since: int
    """From then on every fill is to be reported here; those of before are in the positions that began with it."""
    open_orders: Sequence[Order]
    order: Callable[[ClientOrderId | None], Order | None]
    is_ours: Callable[[ClientOrderId | None, VenueOrderId | None], bool]
    seen: Container[str]
    """Executions that were reported here."""


def compare_orders(here: Here, reports: Sequence[OrderReport], *, read_at: int) -> list[Difference]:
    """The differences between our orders and the venue's list of open ones, whose read began at `read_at` (ns)."""
    found: list[Difference] = []
    listed: set[str] = set()
    for report in reports:
        known = here.order(report.client_order_id) or _by_venue_id(here.open_orders, report.venue_order_id)
        if known is not None:
            listed.add(known.client_order_id)
            found += _of_ours(known, report, read_at)
        elif here.is_ours(report.client_order_id, report.venue_order_id):
            found.append(OrderAlive(report=report))
        else:
            found.append(OrderElsewhere(report=report))
    for order in here.open_orders:
        if order.client_order_id not in listed and order.status in _AT_THE_VENUE and _is_old(order, read_at):
            found.append(OrderGone(order=order))
    return found


def compare_fills(here: Here, fills: Iterable[Fill], agreed: Agreed | None, *, read_at: int) -> list[Difference]:
    """The executions that nobody here has heard of, and those that were not traded from here.

    Without anything agreed on, what was traded before `here.since` was there before us. What is younger than a minute
    when the reading begins (`read_at`, ns) may still be reported by itself.
    """
    found: list[Difference] = []
    for fill in fills:
        if fill.kind is FillKind.NETTING:
            continue
        new = fill.trade_time >= here.since
        ours = here.is_ours(fill.client_order_id, fill.venue_order_id)
        if new and fill.execution_id not in here.seen and fill.trade_time + LIST_AGE * NANOSECONDS < read_at:
            found.append(FillMissed(fill=fill, ours=ours))
        if not ours and (new if agreed is None else not agreed.has(fill)):
            found.append(FillElsewhere(fill=fill))
    return found


def compare_positions(agreed: Agreed, fills: Iterable[Fill], positions: Sequence[Position]) -> list[PositionDiffers]:
    """What the venue holds against what was agreed on and the fills since come to. Unconfirmed."""
    expected = agreed.after(fills)
    held = sizes(positions)
    symbols = {position.instrument: position.symbol for position in positions}
    return [
        PositionDiffers(
            instrument=name, symbol=symbols.get(name, ""), here=expected.get(name, ZERO), there=held.get(name, ZERO)
        )
        for name in sorted({*expected, *held})
        if expected.get(name, ZERO) != held.get(name, ZERO)
    ]


def name_of(difference: Difference) -> str:
    """What a difference is about: it is told once under this name."""
    match difference:
        case OrderDiffers(order=order) | OrderGone(order=order):
            return f"order {order.client_order_id}"
        case OrderChanged(order=order, report=report):
            return f"size {order.client_order_id} {report.size}"
        case OrderAlive(report=report):
            return f"alive {report.venue_order_id}"
        case OrderElsewhere(report=report):
            return f"elsewhere {report.venue_order_id or report.client_order_id}"
        case FillMissed(fill=fill):
            return f"missed {fill.execution_id}"
        case FillElsewhere(fill=fill):
            return f"fill {fill.execution_id}"
        case PositionDiffers():
            return f"position {difference.instrument} {difference.there - difference.here}"


def sizes(positions: Iterable[Position]) -> dict[Instrument, Decimal]:
    """What is held of each instrument; an account can hold one in several parts."""
    held: dict[Instrument, Decimal] = {}
    for position in positions:
        held[position.instrument] = held.get(position.instrument, ZERO) + position.size
    return {name: size for name, size in held.items() if size}


_AT_THE_VENUE = frozenset({OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCEL_PENDING})
"""Orders on their way or in doubt are looked up by those who sent them."""


def _of_ours(order: Order, report: OrderReport, read_at: int) -> list[Difference]:
    after = apply_report(order, report)
    if (after.status, after.filled, after.venue_order_id) != (order.status, order.filled, order.venue_order_id):
        return [OrderDiffers(order=order, report=report)]
    if order.is_done:
        return [OrderAlive(report=report)] if _is_old(order, read_at) else []
    asked, works_on = order.request, report.size
    if works_on and works_on != asked.size and asked.cash_quantity is None and _is_old(order, read_at):
        return [OrderChanged(order=order, report=report)]
    return []


def _is_old(order: Order, read_at: int) -> bool:
    """Whether the venue's list must have what is known of the order."""
    return order.updated_time + LIST_AGE * NANOSECONDS < read_at


def _by_venue_id(orders: Sequence[Order], venue_order_id: VenueOrderId | None) -> Order | None:
    if venue_order_id is None:
        return None
    return next((order for order in orders if order.venue_order_id == venue_order_id), None)


def _fill(fill: Fill) -> str:
    what = fill.symbol or fill.market_id
    return f"{fill.order_side} {plain(fill.size)} {what} at {plain(fill.price)} (execution {fill.execution_id})"
