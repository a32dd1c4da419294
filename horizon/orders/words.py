"""Orders in words, for people."""

from horizon.model import OrderRequest, plain


def describe(request: OrderRequest) -> str:
    """What an order asks for: `BUY 3 of ibkr:756733:LONG, LMT at 100.02, DAY`."""
    price = f" at {plain(request.price)}" if request.price is not None else ""
    stop = f", stop {plain(request.stop_price)}" if request.stop_price is not None else ""
    cash = request.cash_quantity
    size = plain(request.size) if cash is None else f"for {plain(cash)} of money"
    return (
        f"{request.order_side} {size} of {request.instrument}, {request.order_type}{price}{stop}, "
        f"{request.time_in_force}"
    )
