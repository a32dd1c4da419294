"""No order without a price to compare it with."""

from collections.abc import Collection

from horizon.guards.guard import GuardView, is_exit
from horizon.guards.limits import positive
from horizon.guards.prices import needs_a_price, sides
from horizon.model import Availability, Number, OrderRequest, plain


class ReferencePrice:
    """Refuses an order while its market has no quote that is live and at most `max_age` seconds old.

    `availability` says which kinds of quotes will do, `limit_orders=False` asks only for orders at whose price the
    market decides. Exits pass: to be rid of a position can be right without a price, too.
    """

    name = "reference_price"

    def __init__(
        self,
        max_age: Number = 30,
        *,
        availability: Collection[Availability] = (Availability.LIVE,),
        limit_orders: bool = True,
    ) -> None:
        self.max_age = positive(max_age, "the age of a reference price in seconds")
        self.availability = frozenset(availability)
        self.limit_orders = limit_orders

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if not (self.limit_orders or needs_a_price(request)) or is_exit(request, view):
            return None
        quote = view.quote(request.instrument)
        if quote is None or not sides(quote):
            return f"there is no quote of {request.instrument} to compare the order with: subscribe to market data"
        if quote.availability not in self.availability:
            wanted = " or ".join(sorted(self.availability))
            return (
                f"the quote of {request.instrument} is {quote.availability}, not {wanted}: subscribe to live market "
                "data, or allow it with ReferencePrice(availability=...)"
            )
        age = (view.now - quote.receive_time) / 1e9
        if age <= self.max_age:
            return None
        most = plain(self.max_age)
        return f"the quote of {request.instrument} is {age:.1f} s old, more than {most} s: wait for a new one"

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""
