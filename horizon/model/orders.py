"""Orders: what is asked for, what is known about it, and what a venue reports."""

from decimal import Decimal

import msgspec
from msgspec.structs import force_setattr

from horizon.errors import InvalidOrder
from horizon.model.enums import OrderSide, OrderStatus, OrderType, Side, TimeInForce
from horizon.model.identifiers import AccountId, ClientOrderId, Instrument, MarketId, VenueOrderId, instrument
from horizon.model.money import ZERO, exact


class Trailing(msgspec.Struct, frozen=True, kw_only=True):
    """How a trailing stop follows: by an amount of price, or by percent of it."""

    amount: Decimal | None = None
    percent: Decimal | None = None

    def __post_init__(self) -> None:
        given = self.amount if self.amount is not None else self.percent
        if (self.amount is None) == (self.percent is None) or given is None or not given > 0:
            raise InvalidOrder("expected a trailing amount or a trailing percent above 0", rule="trailing")


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one order asks for.

    `size` is in contracts or shares, `price` and `stop_price` in the market's price units; ints, floats and numeric
    text are taken by their shortest decimal text. `client_order_id` is made when absent. `exchange` is filled in by
    the Exchange that gets the request, and required when an engine has several.
    Raises InvalidOrder for what no venue could accept.
    """

    market_id: MarketId
    side: Side = Side.LONG
    order_side: OrderSide
    size: Decimal
    price: Decimal | None = None
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    stop_price: Decimal | None = None
    trailing: Trailing | None = None
    outside_rth: bool = False
    """Allowed to work outside the regular session."""
    client_order_id: ClientOrderId = ClientOrderId("")
    account_id: AccountId = AccountId("")
    exchange: str = ""
    parent: ClientOrderId | None = None
    """Works only once this order has filled (the exits of a bracket)."""
    group: str = ""
    """Orders of one group cancel each other: the first to fill cancels the rest."""
    protective: bool = False
    """Stays at the venue when trading stops (a stop that guards a position)."""

    def __post_init__(self) -> None:
        for name in ("size", "price", "stop_price"):
            value = getattr(self, name)
            if value is not None:
                try:
                    force_setattr(self, name, exact(value, name))
                except ValueError as error:
                    raise InvalidOrder(str(error), rule=name) from None
        if not isinstance(self.market_id, str) or not self.market_id:
            found = repr(self.market_id) if self.market_id else "none"
            raise InvalidOrder(f"expected a market_id as text, found {found}: take market.market_id", rule="market_id")
        if self.size is None:
            raise InvalidOrder("expected a size above 0, found none", rule="size")
        if not self.size > 0:
            raise InvalidOrder(
                f"expected a size above 0, found {self.size}: the direction goes into order_side", rule="size"
            )
        self._check_prices()

    def _check_prices(self) -> None:
        kind = self.order_type
        if kind.needs_price and self.price is None:
            raise InvalidOrder(f"a {kind} order needs a price, found none", rule="price")
        if kind is OrderType.MARKET and self.price is not None:
            raise InvalidOrder(
                f"a {kind} order has no price, found {self.price}: use LMT, or leave it out", rule="price"
            )
        if kind.needs_stop_price and self.stop_price is None:
            raise InvalidOrder(f"a {kind} order needs a stop_price, found none", rule="stop_price")
        if not kind.needs_stop_price and self.stop_price is not None and self.trailing is None:
            raise InvalidOrder(f"a {kind} order has no stop_price, found {self.stop_price}", rule="stop_price")
        trails = kind in (OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT)
        if trails != (self.trailing is not None):
            raise InvalidOrder(f"trailing goes with TRAIL and TRAILLMT, found order type {kind}", rule="trailing")

    @property
    def instrument(self) -> Instrument:
        return instrument(self.exchange, self.market_id, self.side)

    @property
    def signed_size(self) -> Decimal:
        """Size with the sign of its direction: above 0 for BUY."""
        return self.size if self.order_side is OrderSide.BUY else -self.size


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about an order at one moment. A newer state is a new object."""

    request: OrderRequest
    status: OrderStatus = OrderStatus.PENDING
    venue_order_id: VenueOrderId | None = None
    filled: Decimal = ZERO
    """The most that any report or the booked fills have shown."""
    booked: Decimal = ZERO
    """The sum of fills booked one by one."""
    average_price: Decimal | None = None
    reason: str = ""
    """Why it was rejected, cancelled or is in doubt, in the words of whoever said so."""
    created_time: int = 0
    updated_time: int = 0

    @property
    def client_order_id(self) -> ClientOrderId:
        return self.request.client_order_id

    @property
    def instrument(self) -> Instrument:
        return self.request.instrument

    @property
    def remaining(self) -> Decimal:
        """What can still fill: 0 once the order is done."""
        return max(self.request.size - self.filled, ZERO) if self.status.is_open else ZERO

    @property
    def is_open(self) -> bool:
        return self.status.is_open

    @property
    def is_done(self) -> bool:
        return self.status.is_done

    @property
    def is_in_doubt(self) -> bool:
        return self.status.is_in_doubt


class OrderReport(msgspec.Struct, frozen=True, kw_only=True, tag="order_report"):
    """What a venue, or whoever asked it, says about one order at one moment.

    At least one of the two ids is there. `status` PENDING means that the report says nothing about the status.
    """

    exchange: str
    account_id: AccountId
    time: int
    status: OrderStatus
    client_order_id: ClientOrderId | None = None
    venue_order_id: VenueOrderId | None = None
    filled: Decimal | None = None
    size: Decimal | None = None
    """Total size at the venue, fills included."""
    average_price: Decimal | None = None
    reason: str = ""
    refused_change: bool = False
    """A modification or cancel was refused: the order lives on as it was."""
    request: OrderRequest | None = None
    """What is asked for now: by the venue's row of an order placed elsewhere, or once a change was accepted."""
