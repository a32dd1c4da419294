"""What a callback sees of the core: the implementation of `horizon.strategy.Context`. Pure."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

from msgspec.structs import replace

from horizon.accounting import Ledger
from horizon.engine.timers import Timers
from horizon.errors import ConfigurationError
from horizon.model import (
    Account,
    ClientOrderId,
    Instrument,
    Market,
    Number,
    Order,
    OrderRequest,
    OrderSide,
    OrderType,
    Quote,
    Side,
    Start,
    TimeInForce,
    exact,
)
from horizon.orders.desk import Desk


class CoreState(Protocol):
    """What a callback's verbs rest on: the core, seen from a callback."""

    now: int
    start: Start | None
    ledger: Ledger
    timers: Timers
    log: list[tuple[int, str]]
    stop_requested: str | None
    metric_sink: Callable[[int, str, float | Decimal], None] | None

    @property
    def state(self) -> Any: ...
    @property
    def markets(self) -> Mapping[str, Market]: ...
    @property
    def desks(self) -> Mapping[str, Desk]: ...
    def quote(self, instrument: Instrument) -> Quote | None: ...
    def position(self, instrument: Instrument) -> Decimal: ...
    def exposure(self, instrument: Instrument) -> Decimal: ...
    def unresolved(self, instrument: Instrument) -> bool: ...
    def order(self, client_order_id: ClientOrderId) -> Order | None: ...
    def orders(self, instrument: Instrument | None = None) -> list[Order]: ...
    def own_orders(self, instrument: Instrument | None = None) -> list[Order]: ...
    def submit(self, requests: Sequence[OrderRequest]) -> list[Order]: ...
    def cancel(self, client_order_id: ClientOrderId) -> None: ...


class CoreContext:
    """A thin door to the core, with the verbs a strategy author uses."""

    def __init__(self, core: CoreState) -> None:
        self._core = core

    @property
    def now(self) -> int:
        return self._core.now

    @property
    def state(self) -> Any:
        return self._core.state

    @property
    def account(self) -> Account:
        start = self._core.start
        if start is None or not start.accounts:
            raise ConfigurationError("there is no account before on_start")
        return start.accounts[0]

    def market(self, name: str) -> Market:
        try:
            return self._core.markets[name]
        except KeyError:
            known = ", ".join(sorted(self._core.markets)) or "none"
            raise ConfigurationError(
                f"expected one of the strategy's markets ({known}), found {name!r}: declare it in `markets`"
            ) from None

    def quote(self, instrument: Instrument) -> Quote | None:
        return self._core.quote(instrument)

    def position(self, instrument: Instrument) -> Decimal:
        return self._core.position(instrument)

    def exposure(self, instrument: Instrument) -> Decimal:
        return self._core.exposure(instrument)

    def unresolved(self, instrument: Instrument) -> bool:
        return self._core.unresolved(instrument)

    def cash(self, currency: str = "USD") -> Decimal:
        return self._core.ledger.cash(currency)

    def order(self, client_order_id: ClientOrderId) -> Order | None:
        return self._core.order(client_order_id)

    def orders(self, instrument: Instrument | None = None) -> Sequence[Order]:
        return self._core.orders(instrument)

    def submit(self, request: OrderRequest) -> Order:
        return self._core.submit([request])[0]

    def submit_group(self, requests: Sequence[OrderRequest]) -> Sequence[Order]:
        return self._core.submit(requests)

    def buy(
        self,
        market: Market,
        size: Number,
        *,
        price: Number | None = None,
        side: Side | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        return self.submit(_entry(market, size, OrderSide.BUY, price, side, time_in_force))

    def sell(
        self,
        market: Market,
        size: Number,
        *,
        price: Number | None = None,
        side: Side | None = None,
        time_in_force: TimeInForce = TimeInForce.DAY,
    ) -> Order:
        return self.submit(_entry(market, size, OrderSide.SELL, price, side, time_in_force))

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
        direction = OrderSide.SELL if sell else OrderSide.BUY
        entry = _entry(market, size, direction, price, None, TimeInForce.DAY)
        desk = self._core.desks[market.exchange]
        parent = desk.next_id()
        grid = market.price_grid
        away, near = (grid.ceil, grid.floor) if direction is OrderSide.BUY else (grid.floor, grid.ceil)
        target = replace(
            entry,
            order_side=direction.opposite,
            price=away(exact(take_profit, "take_profit")),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            parent=parent,
            protective=True,
        )
        stop = replace(target, price=None, stop_price=near(exact(stop_loss, "stop_loss")), order_type=OrderType.STOP)
        return self.submit_group([replace(entry, client_order_id=parent), target, stop])

    def cancel(self, order: Order | ClientOrderId) -> None:
        self._core.cancel(order.client_order_id if isinstance(order, Order) else order)

    def cancel_all(self, instrument: Instrument | None = None) -> None:
        for order in self._core.own_orders(instrument):
            self._core.cancel(order.client_order_id)

    def set_timer(self, name: str, *, at: int | None = None, every: float | None = None) -> None:
        self._core.timers.set(name, now=self._core.now, at=at, every=every)

    def cancel_timer(self, name: str) -> None:
        self._core.timers.cancel(name)

    def log(self, text: str) -> None:
        self._core.log.append((self._core.now, text))

    def metric(self, name: str, value: Number) -> None:
        kept = value if type(value) is float else exact(value, f"metric {name!r}")
        if self._core.metric_sink is not None:
            self._core.metric_sink(self._core.now, name, kept)

    def stop(self, reason: str) -> None:
        self._core.stop_requested = self._core.stop_requested or reason


def _entry(
    market: Market,
    size: Number,
    direction: OrderSide,
    price: Number | None,
    side: Side | None,
    time_in_force: TimeInForce,
) -> OrderRequest:
    limit = None
    if price is not None:
        asked = exact(price, "price")
        limit = market.price_grid.floor(asked) if direction is OrderSide.BUY else market.price_grid.ceil(asked)
    chosen = side or market.side
    if chosen is None:
        raise ConfigurationError(f"{market.symbol} has two sides: say side=Side.YES or side=Side.NO")
    return OrderRequest(
        exchange=market.exchange,
        market_id=market.market_id,
        side=chosen,
        order_side=direction,
        size=exact(size, "size"),
        price=limit,
        order_type=OrderType.MARKET if limit is None else OrderType.LIMIT,
        time_in_force=time_in_force,
    )
