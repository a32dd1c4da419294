"""What a user's type checker must refuse: every line that ends in `# refused`, and no other."""

from horizon import (
    ClientOrderId,
    Context,
    Order,
    OrderRequest,
    OrderSide,
    Quote,
    Strategy,
    VenueOrderId,
    exact,
)


def cancel(ctx: Context, order: Order) -> None:
    ctx.cancel(order.client_order_id)
    ctx.cancel(order.venue_order_id)  # refused
    ctx.cancel(VenueOrderId("12"))  # refused
    ctx.order("text")  # refused
    ctx.order(ClientOrderId("text"))


class WrongSignature(Strategy):
    def on_quote(self, ctx: Context, quote: Order) -> None: ...  # refused


def change(order: Order, quote: Quote) -> None:
    order.reason = "read-only"  # refused
    quote.bid = 1.0  # refused


def spread(quote: Quote) -> float:
    return quote.ask - quote.bid  # refused


OrderRequest("756733", OrderSide.BUY, exact(1))  # refused
OrderRequest(market_id="756733", order_side=OrderSide.BUY, size=exact(1))  # refused
