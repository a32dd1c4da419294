"""What a guard is, what it may look at, and how several are asked."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Protocol

from horizon.model import ZERO, Account, DayProfit, Instrument, Market, Order, OrderRequest, OrderSide, Quote, plain


class GuardView(Protocol):
    """What is known at the moment an order is about to leave."""

    @property
    def now(self) -> int:
        """Integer nanoseconds UTC."""
        ...

    def market(self, instrument: Instrument) -> Market | None: ...
    def quote(self, instrument: Instrument) -> Quote | None: ...
    def position(self, instrument: Instrument) -> Decimal: ...
    def worst_case(self, instrument: Instrument) -> tuple[Decimal, Decimal]:
        """The lowest and the highest position, if every open or in-doubt order filled on the bad side.

        For a change of an order, as if what it has filled had not happened: its size is the total, fills included.
        """
        ...

    def unsettled(self, exchange: str, instrument: Instrument | None = None) -> Sequence[Order]:
        """Orders that can still fill, are in doubt or about to leave, or have fills that are not booked yet.

        The ones that are asked about are not among them, nor is the order that a change takes the place of.
        """
        ...

    def account(self, exchange: str) -> Account | None:
        """The account that trades there, as it was read at the start."""
        ...

    def cash(self, exchange: str, currency: str) -> Decimal | None:
        """Cash by booked fills, settled or not; None when the venue has not said what there was."""
        ...

    def settled_cash(self, exchange: str, currency: str) -> Decimal | None:
        """What of it may be spent without waiting for a sale to settle."""
        ...

    def day_profit(self) -> DayProfit:
        """What the trading day has brought so far, over all accounts of the run."""
        ...


class Guard(Protocol):
    """One limit. A guard holds no order state; what it counts it is told by `sent`.

    One whose answer depends on how many orders were counted says so with `counts_orders = True`: it is not asked again
    about an order that was held back, because that order is among them. One that needs to know what was traded earlier
    on the day of the start says so with `counts_the_day = True`.
    """

    @property
    def name(self) -> str:
        """What a refusal is filed under."""
        ...

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        """None lets the order pass; text refuses it, naming the limit and the offending value."""
        ...

    def sent(self, request: OrderRequest, now: int) -> None:
        """Told after every guard let the order pass, at the moment it leaves (ns)."""
        ...


def check_all(guards: Iterable[Guard], request: OrderRequest, view: GuardView) -> tuple[str, str] | None:
    """The name and the text of the first guard that refuses, or None."""
    for guard in guards:
        refusal = guard.check(request, view)
        if refusal is not None:
            return guard.name, refusal
    return None


def check_again(guards: Iterable[Guard], request: OrderRequest, view: GuardView) -> tuple[str, str] | None:
    """As `check_all`, for an order that passed and was counted before, but has not left since."""
    return check_all((each for each in guards if not getattr(each, "counts_orders", False)), request, view)


def reduces(request: OrderRequest, view: GuardView) -> bool:
    """Whether the order can only bring the position closer to zero, whatever else that is open fills first."""
    position = view.position(request.instrument)
    lowest, highest = view.worst_case(request.instrument)
    if request.order_side is OrderSide.BUY:
        return position < 0 and highest + request.size <= 0
    return position > 0 and lowest - request.size >= 0


def is_exit(request: OrderRequest, view: GuardView) -> bool:
    """Whether the order leaves a position: it reduces one, or it waits for the entry it belongs to."""
    return request.protective or entry_of(request, view) is not None or reduces(request, view)


def entry_of(request: OrderRequest, view: GuardView) -> Order | None:
    """The open order that must fill before this one works; None when it works at once."""
    if request.parent is None:
        return None
    for order in view.unsettled(request.exchange, request.instrument):
        if order.client_order_id == request.parent and order.is_open:
            return order
    return None


def reach(request: OrderRequest, view: GuardView) -> Decimal:
    """The furthest position, towards the side the order moves it, after it and the worst of everything else filled.

    An exit works only once its entry has filled, and of several exits of one entry only one happens.
    """
    direction = request.order_side.sign
    lowest, highest = view.worst_case(request.instrument)
    edge = (highest if direction > 0 else lowest) * direction
    entry = entry_of(request, view)
    if entry is None:
        return (edge + request.size) * direction
    exits = [
        order.remaining
        for order in view.unsettled(request.exchange, request.instrument)
        if order.request.parent == request.parent and order.request.order_side is request.order_side
    ]
    counted = max(exits, default=ZERO)
    entered = entry.remaining if entry.request.order_side is not request.order_side else ZERO
    return (edge - entered - counted + max(counted, request.size)) * direction


def unsized(request: OrderRequest) -> str | None:
    """Why a cash quantity can't be compared with a limit on sizes, while nobody has estimated its size."""
    if request.size > 0:
        return None
    return (
        f"how much {plain(request.cash_quantity or request.size)} of money buy is not known, because there is no "
        "price: subscribe to quotes, or give a size"
    )
