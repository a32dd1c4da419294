"""What a guard is, what it may look at, and how several are asked."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from horizon.model import Instrument, Market, OrderRequest, OrderSide, Quote


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
        """The lowest and the highest position, if every open or in-doubt order filled on the bad side."""
        ...


class Guard(Protocol):
    """One limit. A guard holds no order state; what it counts it is told by `sent`.

    One whose answer depends on how many orders were counted says so with `counts_orders = True`: it is not asked again
    about an order that was held back, because that order is among them.
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
    return request.parent is not None or request.protective or reduces(request, view)
