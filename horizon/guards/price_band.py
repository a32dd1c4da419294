"""A limit on how far from the market a price may be."""

from decimal import Decimal

from horizon.guards.guard import GuardView, is_exit
from horizon.guards.limits import positive
from horizon.guards.prices import middle
from horizon.model import MarketKind, Number, OrderRequest, OrderSide, plain


class PriceBand:
    """Refuses a limit price further from the quote's mid than `fraction` of it.

    `event_band`, in price units, takes the place of the fraction for event contracts, whose prices run from 0 to the
    payout. The one side of a one-sided quote stands in for the mid. An entry without a quote is refused. An exit
    passes without one, and may lie as far on the patient side as it likes: a take-profit is meant to be far away.
    """

    name = "price_band"

    def __init__(self, fraction: Number, *, event_band: Number | None = None) -> None:
        self.fraction = positive(fraction, "the price band as a fraction of the mid")
        self.event_band = None if event_band is None else positive(event_band, "the price band of event contracts")

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if request.price is None:
            return None
        leaves = is_exit(request, view)
        mid = middle(view.quote(request.instrument))
        if mid is None:
            if leaves:
                return None
            return f"price {plain(request.price)} can't be compared with the market: there is no quote yet"
        market = view.market(request.instrument)
        event = market is not None and market.kind is MarketKind.EVENT
        width = self.event_band if event and self.event_band is not None else self.fraction * abs(mid)
        distance = request.price - mid
        if leaves:
            distance = max(distance if request.order_side is OrderSide.BUY else -distance, Decimal(0))
        if abs(distance) <= width:
            return None
        return (
            f"price {plain(request.price)} is {plain(abs(distance))} away from the market at {plain(mid)}, "
            f"beyond the band of {plain(width)}"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""
