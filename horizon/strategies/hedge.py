"""Hold event contracts and keep them hedged with shares."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from typing import Protocol

from horizon.errors import ConfigurationError
from horizon.guards.limits import positive
from horizon.model import (
    ZERO,
    Availability,
    ClientOrderId,
    Fill,
    Instrument,
    Market,
    MarketQuery,
    Number,
    Order,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    exact,
)
from horizon.strategy import Context, Strategy

_AT_THE_VENUE = frozenset({OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED})
_LONGEST_PAUSE = 300.0
"""Seconds."""


class HedgeModel(Protocol):
    """From what is held and two quotes to the shares to hold. `horizon.hedging` has four of them."""

    def prepare(self, event: Market, side: Side, stock: Market) -> None:
        """Called once before trading. Raises ConfigurationError for an event that the model can't hedge."""
        ...

    def shares(
        self, contracts: Decimal, event_quote: Quote | None, stock_quote: Quote | None, now: int
    ) -> Decimal | None:
        """Signed shares for `contracts` (above 0 YES, below 0 NO) of the event; None while there is no answer."""
        ...


class HedgeStrategy(Strategy):
    """Buys `contracts` of one side of an event at the ask and holds shares against them as `model` says.

    `contracts` is what shall be held in total: what is there at the start counts. Shares are traded when the target is
    `band` or more away from position plus working orders, in whole `lot`s, never beyond `cap` on either side. One
    order at a time per market: the next waits until the last is resolved. A limit order that the market has left
    behind is cancelled and sent anew. After an order that was refused, or ended without being asked to, the market
    rests for `retry_after` seconds, twice as long each time until an order is accepted again.

    Hedges are limit orders `cross` price steps through the quote, or market orders. Nothing is sent on a quote older
    than `max_quote_age` seconds, nor, with `live_only`, on one that the venue does not call live; the latter is logged.

    `target` and `hedge_error` (target minus position) are in shares, None before the model has an answer.
    `max_hedge_error` is the largest |hedge_error| seen at a quote since the position was first within the band.
    """

    name = "hedge"

    def __init__(
        self,
        *,
        event: MarketQuery | str,
        stock: MarketQuery | str,
        contracts: Number,
        model: HedgeModel,
        side: Side = Side.YES,
        band: Number = 1,
        lot: Number = 1,
        cap: Number | None = None,
        order_type: OrderType = OrderType.LIMIT,
        cross: int = 1,
        retry_after: float = 5.0,
        max_quote_age: float = 30.0,
        live_only: bool = True,
    ) -> None:
        self.markets = {"event": event, "stock": stock}
        self.model = model
        self.side = side
        self.contracts = positive(contracts, "the contracts to hold")
        self.band = positive(band, "the band in shares")
        self.lot = positive(lot, "the lot in shares")
        self.cap = None if cap is None else positive(cap, "the cap in shares")
        if side not in (Side.YES, Side.NO):
            raise ConfigurationError(f"expected YES or NO as the side to hold, found {side}")
        if order_type not in (OrderType.LIMIT, OrderType.MARKET):
            raise ConfigurationError(f"expected limit or market orders for the hedge, found {order_type}")
        if cross < 0:
            raise ConfigurationError(f"expected a number of price steps of 0 or more to cross, found {cross}")
        if not retry_after >= 0:
            raise ConfigurationError(f"expected seconds of 0 or more to wait after a refusal, found {retry_after}")
        if not max_quote_age > 0:
            raise ConfigurationError(f"expected an age of quotes above 0 s, found {max_quote_age}")
        self.max_quote_age = max_quote_age
        self.live_only = live_only
        self._told: dict[Instrument, Availability] = {}
        self.order_type = order_type
        self.cross = cross
        self.retry_after = retry_after
        self.target: Decimal | None = None
        self.hedge_error: Decimal | None = None
        self.max_hedge_error = ZERO
        self._hedged = False
        self._paused_until: dict[Instrument, int] = {}
        self._failures: dict[Instrument, int] = {}
        self._asked_to_cancel: set[ClientOrderId] = set()

    def on_start(self, ctx: Context) -> None:
        """Check that the two markets can be what they are meant to be."""
        self._event_market, self._stock_market = ctx.market("event"), ctx.market("stock")
        try:
            self._event = self._event_market.instrument(self.side)
        except ValueError as error:
            raise ConfigurationError(str(error)) from None
        self._stock = self._stock_market.instrument()
        if self.lot % self._stock_market.lot:
            raise ConfigurationError(
                f"expected a lot in multiples of {self._stock_market.lot}, the lot of {self._stock_market.symbol}, "
                f"found {self.lot}"
            )
        if self.contracts % self._event_market.lot:
            raise ConfigurationError(
                f"expected contracts in multiples of {self._event_market.lot}, found {self.contracts}"
            )
        self.model.prepare(self._event_market, self.side, self._stock_market)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """Enter at the event's quotes, hedge at both."""
        if quote.instrument == self._event:
            self._enter(ctx, quote)
        elif quote.instrument != self._stock:
            return
        self._aim(ctx)
        self._measure(ctx)
        self._hedge(ctx)

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """What is held has changed: hedge at the quotes that are known."""
        if fill.instrument in (self._event, self._stock):
            self._aim(ctx)
            self._hedge(ctx)

    def on_order(self, ctx: Context, order: Order) -> None:
        """Rest after an order that failed; otherwise go on with what waited for this one."""
        if order.instrument not in (self._event, self._stock):
            return
        if order.status in _AT_THE_VENUE or order.status is OrderStatus.FILLED:
            self._failures.pop(order.instrument, None)
        if not order.is_done:
            return
        asked = order.client_order_id in self._asked_to_cancel
        self._asked_to_cancel.discard(order.client_order_id)
        if order.status is not OrderStatus.FILLED and not asked:
            self._rest(ctx, order)
        elif order.instrument == self._stock:
            self._hedge(ctx)

    # -- the event side ------------------------------------------------------------------------------------------

    def _enter(self, ctx: Context, quote: Quote) -> None:
        if quote.ask is None or not self._is_usable(ctx, quote):
            return
        if ctx.unresolved(self._event):
            self._cancel_left_behind(ctx, self._event_market, quote)
            return
        missing = self.contracts - ctx.position(self._event)
        if missing > 0 and self._may_send(ctx, self._event):
            price = self._event_market.price_grid.ceil(_price(quote.ask))
            self._watch(ctx, ctx.buy(self._event_market, missing, price=price, side=self.side))

    # -- the stock side ------------------------------------------------------------------------------------------

    def _aim(self, ctx: Context) -> None:
        held = ctx.position(self._event)
        wanted = self.model.shares(
            -held if self.side is Side.NO else held, ctx.quote(self._event), ctx.quote(self._stock), ctx.now
        )
        if wanted is not None:
            self.target = self._allowed(wanted)

    def _allowed(self, wanted: Decimal) -> Decimal:
        """In whole lots, and within the cap."""
        target = _in_lots(wanted, self.lot, ROUND_HALF_EVEN)
        if self.cap is not None and abs(target) > self.cap:
            return _in_lots(self.cap, self.lot, ROUND_DOWN).copy_sign(target)
        return target

    def _measure(self, ctx: Context) -> None:
        if self.target is None:
            return
        self.hedge_error = self.target - ctx.position(self._stock)
        self._hedged = self._hedged or (abs(self.hedge_error) < self.band and ctx.position(self._event) != 0)
        if self._hedged:
            self.max_hedge_error = max(self.max_hedge_error, abs(self.hedge_error))

    def _hedge(self, ctx: Context) -> None:
        quote = ctx.quote(self._stock)
        if self.target is None or quote is None or not self._is_usable(ctx, quote):
            return
        if ctx.unresolved(self._stock):
            self._cancel_left_behind(ctx, self._stock_market, quote)
            return
        change = self.target - ctx.exposure(self._stock)
        size = _in_lots(abs(change), self.lot, ROUND_HALF_EVEN)
        if abs(change) < self.band or not size or not self._may_send(ctx, self._stock):
            return
        touched = quote.ask if change > 0 else quote.bid
        if touched is None:
            return
        price = self._through(touched, 1 if change > 0 else -1) if self.order_type is OrderType.LIMIT else None
        send = ctx.buy if change > 0 else ctx.sell
        self._watch(ctx, send(self._stock_market, size, price=price))

    def _through(self, touched: float, direction: int) -> Decimal:
        """A price `cross` steps worse than the quote, but not below the first step."""
        grid, price = self._stock_market.price_grid, _price(touched)
        step = grid.increment_at(price)
        start = grid.ceil(price) if direction > 0 else grid.floor(price)
        return max(start + direction * self.cross * step, step)

    # -- both sides ----------------------------------------------------------------------------------------------

    def _cancel_left_behind(self, ctx: Context, market: Market, quote: Quote) -> None:
        """Cancel a limit order that the quote has moved away from; what may still be arriving is left alone."""
        for order in ctx.orders(quote.instrument):
            price = order.request.price
            if order.status not in _AT_THE_VENUE or order.request.parent is not None or price is None:
                continue
            if order.request.order_side is OrderSide.BUY:
                behind = quote.ask is not None and price < market.price_grid.ceil(_price(quote.ask))
            else:
                behind = quote.bid is not None and price > market.price_grid.floor(_price(quote.bid))
            if behind:
                self._asked_to_cancel.add(order.client_order_id)
                ctx.cancel(order)

    def _is_usable(self, ctx: Context, quote: Quote) -> bool:
        """Whether a price may be acted on: young enough, and live unless the user said otherwise."""
        fresh = ctx.now - quote.receive_time <= self.max_quote_age * 1e9
        if self.live_only and quote.availability is not Availability.LIVE:
            if self._told.get(quote.instrument) is not quote.availability:
                self._told[quote.instrument] = quote.availability
                ctx.log(
                    f"quotes of {quote.instrument} are {quote.availability}, not LIVE: nothing is sent on them "
                    "(live_only=False would)"
                )
            return False
        self._told.pop(quote.instrument, None)
        return fresh

    def _may_send(self, ctx: Context, instrument: Instrument) -> bool:
        return ctx.now >= self._paused_until.get(instrument, 0)

    def _watch(self, ctx: Context, order: Order) -> None:
        """A guard's refusal comes back at once, as an order that is REJECTED already."""
        if order.status is OrderStatus.REJECTED:
            self._rest(ctx, order)

    def _rest(self, ctx: Context, order: Order) -> None:
        failures = self._failures.get(order.instrument, 0)
        self._failures[order.instrument] = failures + 1
        seconds = min(self.retry_after * 2.0 ** min(failures, 16), _LONGEST_PAUSE)
        self._paused_until[order.instrument] = ctx.now + int(seconds * 1e9)
        ctx.log(
            f"{order.request.order_side} {order.request.size} of {order.instrument} is {order.status}: "
            f"{order.reason or 'no reason given'}; the next is sent in {seconds:.0f} s at the earliest"
        )


def _price(value: float) -> Decimal:
    """A quote's price without the noise of float arithmetic: 0.5100000000000001 is 0.51."""
    return exact(round(value, 9))


def _in_lots(value: Decimal, lot: Decimal, rounding: str) -> Decimal:
    return (value / lot).to_integral_value(rounding) * lot
