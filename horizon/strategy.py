"""What a strategy author writes against.

    class Buyer(Strategy):
        markets = {"spy": "SPY"}

        def on_quote(self, ctx, quote):
            if ctx.exposure(quote.instrument) == 0 and quote.ask is not None:
                ctx.buy(ctx.market("spy"), 1, price=quote.ask)

Callbacks are plain methods, do no input or output, and never wait. The same object runs live, in replay and in a
backtest, so it asks `ctx.now` for the time and nothing else.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar, Protocol

import msgspec

from horizon.model import (
    Account,
    Bar,
    Book,
    ClientOrderId,
    Fill,
    Instrument,
    Market,
    MarketQuery,
    Notice,
    Number,
    Order,
    OrderRequest,
    Quote,
    SessionState,
    Side,
    TimeInForce,
    TimerFired,
    Trade,
)


class Context(Protocol):
    """What a callback may ask for and do."""

    @property
    def now(self) -> int:
        """The time of the event being handled: integer nanoseconds UTC."""
        ...

    @property
    def state(self) -> Any:
        """The strategy's own `State`, as the last run on this account left it.

        Change it in place. It is saved with the orders that the same callback sends: before they leave.
        """
        ...

    @property
    def account(self) -> Account:
        """The trading account as read at the start."""
        ...

    def market(self, name: str) -> Market:
        """The market declared under `name`."""
        ...

    def quote(self, instrument: Instrument) -> Quote | None:
        """The latest quote, if any has arrived."""
        ...

    def position(self, instrument: Instrument) -> Decimal:
        """What is held by booked fills; below 0 is short."""
        ...

    def exposure(self, instrument: Instrument) -> Decimal:
        """Position plus everything that is on its way: working orders, and fills reported but not booked yet."""
        ...

    def unresolved(self, instrument: Instrument) -> bool:
        """Whether any order in this instrument is still open or in doubt, or has fills that are not booked yet."""
        ...

    def cash(self, currency: str = "USD") -> Decimal:
        """Cash by booked fills, starting from the account's balance."""
        ...

    def order(self, client_order_id: ClientOrderId) -> Order | None: ...
    def orders(self, instrument: Instrument | None = None) -> Sequence[Order]:
        """Orders of the account that are open or in doubt, oldest first: also those that earlier runs have left."""
        ...

    def submit(self, request: OrderRequest) -> Order:
        """Send an order. A guard's refusal is an order with status REJECTED and its reason."""
        ...

    def submit_group(self, requests: Sequence[OrderRequest]) -> Sequence[Order]:
        """Send several orders as one call: a bracket (children name their `parent`) or orders of one `group`."""
        ...

    def buy(
        self,
        market: Market,
        size: Number,
        *,
        price: Number | None = None,
        side: Side | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        """A limit order when a price is given, otherwise a market order. The price is put on the market's grid,
        never above what was asked."""
        ...

    def sell(
        self,
        market: Market,
        size: Number,
        *,
        price: Number | None = None,
        side: Side | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        """As `buy`; the price is put on the market's grid, never below what was asked."""
        ...

    def bracket(
        self,
        market: Market,
        size: Number,
        *,
        take_profit: Number,
        stop_loss: Number,
        price: Number | None = None,
        sell: bool = False,
    ) -> Sequence[Order]:
        """Entry, take-profit limit and protective stop as one group: the exits work once the entry has filled."""
        ...

    def cancel(self, order: Order | ClientOrderId) -> None: ...
    def cancel_all(self, instrument: Instrument | None = None) -> None:
        """Cancel this strategy's working orders, those of an earlier run that were taken up included."""
        ...

    def set_timer(self, name: str, *, at: int | None = None, every: float | None = None) -> None:
        """Fire once `at` a time (ns), or `every` so many seconds. Setting a name again replaces it."""
        ...

    def cancel_timer(self, name: str) -> None: ...
    def log(self, text: str) -> None:
        """A line for the person who watches."""
        ...

    def metric(self, name: str, value: Number) -> None:
        """A figure of the strategy's own, kept in the recording with the event that it belongs to."""
        ...

    def stop(self, reason: str) -> None:
        """End the run after this callback, as if a person had asked for it."""
        ...


class Strategy:
    """Base of every strategy: override what is needed. Raising stops trading and shows the traceback."""

    markets: Mapping[str, MarketQuery | str] = {}
    """What to trade, by the names the strategy uses; text is a symbol. Resolved before `on_start`."""
    name: ClassVar[str] = ""
    """What its state is filed under; the name of its class when empty."""
    State: ClassVar[type[msgspec.Struct] | None] = None
    """What must survive a restart: a struct whose fields have defaults, at most 64 KiB as JSON. See `ctx.state`."""

    def on_start(self, ctx: Context) -> None:
        """Markets, account and positions are known."""

    def on_quote(self, ctx: Context, quote: Quote) -> None: ...
    def on_trade(self, ctx: Context, trade: Trade) -> None: ...
    def on_bar(self, ctx: Context, bar: Bar) -> None: ...
    def on_book(self, ctx: Context, book: Book) -> None: ...
    def on_order(self, ctx: Context, order: Order) -> None:
        """An order of this run changed."""

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        """A fill was booked: `ctx.position` already holds it."""

    def on_timer(self, ctx: Context, timer: TimerFired) -> None: ...
    def on_session(self, ctx: Context, session: SessionState) -> None: ...
    def on_notice(self, ctx: Context, notice: Notice) -> None: ...
    def on_stop(self, ctx: Context, reason: str) -> None:
        """The run ends; orders sent from here are not executed."""
