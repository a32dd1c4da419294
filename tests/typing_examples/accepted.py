"""What a user's type checker must accept, with the types it must see."""

from decimal import Decimal
from typing import assert_type

from horizon import (
    Clock,
    Context,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderRequest,
    OrderSide,
    OrderStatus,
    PriceGrid,
    Quote,
    Strategy,
    SystemClock,
    exact,
)


class Buyer(Strategy):
    markets = {"spy": "SPY"}

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        if quote.ask is not None and ctx.exposure(quote.instrument) == 0:
            assert_type(quote.ask, float)
            order = ctx.buy(ctx.market("spy"), 1, price=quote.ask)
            assert_type(order, Order)
            assert_type(order.status, OrderStatus)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        assert_type(fill.price, Decimal)
        assert_type(fill.commission, Decimal | None)
        ctx.log(f"{fill.size} at {fill.price}")


spy = Market(
    exchange="ibkr",
    market_id=MarketId("756733"),
    kind=MarketKind.STOCK,
    symbol="SPY",
    price_grid=PriceGrid.of("0.01"),
)
assert_type(spy.instrument(), Instrument)
request = OrderRequest(market_id=spy.market_id, order_side=OrderSide.BUY, size=exact("1"), price=exact("500.10"))
assert_type(request.price, Decimal | None)
clock: Clock = SystemClock()
assert_type(clock.now(), int)
