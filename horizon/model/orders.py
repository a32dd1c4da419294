"""Orders: what is asked for, what is known about it, and what a venue reports."""

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal

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


class Algo(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's own execution algorithm, by the venue's names for it and for its parameters."""

    name: str
    parameters: Mapping[str, str | bool | int] = {}
    """A number with a fraction is given as text."""

    def __post_init__(self) -> None:
        if not self.name:
            raise InvalidOrder("expected the name of an algo, found none", rule="algo")
        for name, value in self.parameters.items():
            if not name or not isinstance(value, str | bool | int):
                raise InvalidOrder(
                    f"expected text, a whole number or a boolean for algo parameter {name!r}, found {value!r}: "
                    "give a number with a fraction as text",
                    rule="algo",
                )

    def __hash__(self) -> int:
        return hash((self.name, frozenset(self.parameters.items())))


class OrderRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What one order asks for.

    `size` is in contracts or shares, `price` and `stop_price` in the market's price units; ints, floats and numeric
    text are taken by their shortest decimal text. Either a `size` or a `cash_quantity` is given. `client_order_id` is
    made when absent. `exchange` is filled in by the Exchange that gets the request, and required when an engine has
    several. Raises InvalidOrder for what no venue could accept.
    """

    market_id: MarketId
    side: Side = Side.LONG
    order_side: OrderSide
    size: Decimal = ZERO
    """What limits and positions are computed with. For a cash quantity it is 0 until it is estimated."""
    price: Decimal | None = None
    """The limit; of a MIDPRICE or REL order the cap, which may be left out."""
    order_type: OrderType = OrderType.LIMIT
    time_in_force: TimeInForce = TimeInForce.DAY
    stop_price: Decimal | None = None
    """The trigger; of a trailing order where it starts from."""
    trailing: Trailing | None = None
    limit_offset: Decimal | None = None
    """In price units: how far the limit of a TRAILLMT order stays beyond its trigger, in place of a price, and how
    much better than the best price of its own side a REL order is."""
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
    cash_quantity: Decimal | None = None
    """How much money of the market's currency to spend or to collect, in place of a size."""
    size_is_estimated: bool = False
    """`size` was made from the cash quantity and a price (`with_estimated_size`)."""
    convert_currency: bool = False
    """A purchase or sale of currency that leaves no position in the pair; its amount is the cash quantity."""
    route: str = ""
    """The exchange to send the order to, where the venue would otherwise choose one itself."""
    algo: Algo | None = None
    all_or_none: bool = False
    manual_indicator: bool | None = None
    """Whether a person entered the order; US futures must say so."""
    ext_operator: str = ""
    """Who entered the order, or runs the program that did; US futures must say so."""

    def __post_init__(self) -> None:
        for name in ("size", "price", "stop_price", "limit_offset", "cash_quantity"):
            value = getattr(self, name)
            if value is not None:
                try:
                    force_setattr(self, name, exact(value, name))
                except ValueError as error:
                    raise InvalidOrder(str(error), rule=name) from None
        # text is refused by these with the right name, instead of failing later on
        force_setattr(self, "order_type", OrderType(self.order_type))
        force_setattr(self, "time_in_force", TimeInForce(self.time_in_force))
        if not isinstance(self.market_id, str) or not self.market_id:
            found = repr(self.market_id) if self.market_id else "none"
            raise InvalidOrder(f"expected a market_id as text, found {found}: take market.market_id", rule="market_id")
        self._check_size()
        self._check_prices()
        self._check_trailing()

    def _check_size(self) -> None:
        if self.cash_quantity is None:
            if self.size is None:
                raise InvalidOrder("expected a size above 0, found none", rule="size")
            if not self.size > 0:
                raise InvalidOrder(
                    f"expected a size above 0, found {self.size}: the direction goes into order_side", rule="size"
                )
            if self.size_is_estimated:
                raise InvalidOrder("a size is estimated only for a cash_quantity, found none", rule="cash_quantity")
            if self.convert_currency:
                raise InvalidOrder(
                    "a currency conversion says how much money in cash_quantity, found a size", rule="convert_currency"
                )
            return
        if not self.cash_quantity > 0:
            raise InvalidOrder(
                f"expected a cash_quantity above 0, found {self.cash_quantity}: the direction goes into order_side",
                rule="cash_quantity",
            )
        if self.size != 0 and not self.size_is_estimated:
            raise InvalidOrder(
                f"expected a size or a cash_quantity, found both ({self.size} and {self.cash_quantity}): "
                "leave one of them out",
                rule="cash_quantity",
            )
        if self.size_is_estimated and not self.size > 0:
            raise InvalidOrder(f"expected an estimated size above 0, found {self.size}", rule="size")

    def _check_prices(self) -> None:
        kind = self.order_type
        if kind.needs_price and self.price is None:
            raise InvalidOrder(f"a {kind} order needs a price, found none", rule="price")
        if not kind.takes_price and self.price is not None:
            raise InvalidOrder(f"a {kind} order has no price, found {self.price}: {_in_place_of(kind)}", rule="price")
        if kind.needs_stop_price and self.stop_price is None:
            raise InvalidOrder(f"a {kind} order needs a stop_price, found none", rule="stop_price")
        if not kind.needs_stop_price and not kind.trails and self.stop_price is not None:
            raise InvalidOrder(f"a {kind} order has no stop_price, found {self.stop_price}", rule="stop_price")

    def _check_trailing(self) -> None:
        kind, offset = self.order_type, self.limit_offset
        if kind.trails and self.trailing is None:
            raise InvalidOrder(
                f"a {kind} order needs trailing, an amount or a percent, found none: Trailing(amount=...)",
                rule="trailing",
            )
        if not kind.trails and self.trailing is not None:
            raise InvalidOrder(f"trailing goes with TRAIL and TRAILLMT, found order type {kind}", rule="trailing")
        if offset is not None and (offset < 0 or kind not in _WITH_AN_OFFSET):
            raise InvalidOrder(
                f"expected a limit_offset of 0 or more, on TRAILLMT or REL alone, found {offset} on {kind}",
                rule="limit_offset",
            )
        if kind is OrderType.TRAILING_STOP_LIMIT:
            if self.stop_price is None:
                raise InvalidOrder(
                    f"a {kind} order needs a stop_price, where it starts from, found none", rule="stop_price"
                )
            if (self.price is None) == (offset is None):
                raise InvalidOrder(
                    f"a {kind} order needs a price or a limit_offset, found {'neither' if offset is None else 'both'}",
                    rule="limit_offset",
                )

    def with_estimated_size(self, price: Decimal, lot: Decimal = Decimal(1)) -> "OrderRequest":
        """The request with the most that its cash quantity can buy or sell at `price` (money per unit of size),
        rounded up to a lot. Without a cash quantity, the request itself."""
        if self.cash_quantity is None:
            return self
        if not price > 0:
            raise InvalidOrder(f"expected a price above 0 to estimate a size from, found {price}", rule="cash_quantity")
        size = (self.cash_quantity / price / lot).to_integral_value(ROUND_CEILING) * lot
        return msgspec.structs.replace(self, size=size, size_is_estimated=True)

    @property
    def limit(self) -> Decimal | None:
        """The limit price, also where it is given as an offset from the trigger."""
        if self.order_type is OrderType.TRAILING_STOP_LIMIT and self.limit_offset is not None:
            start = self.stop_price if self.stop_price is not None else ZERO
            return start + self.limit_offset * self.order_side.sign
        return self.price

    @property
    def instrument(self) -> Instrument:
        return instrument(self.exchange, self.market_id, self.side)

    @property
    def signed_size(self) -> Decimal:
        """Size with the sign of its direction: above 0 for BUY."""
        return self.size if self.order_side is OrderSide.BUY else -self.size


_WITH_AN_OFFSET = frozenset({OrderType.TRAILING_STOP_LIMIT, OrderType.RELATIVE})


def _in_place_of(kind: OrderType) -> str:
    """What somebody may have meant who gave a price to an order type that has none."""
    if kind is OrderType.MARKET:
        return "use LMT, or leave it out"
    if kind is OrderType.MARKET_ON_CLOSE:
        return "use LOC, or leave it out"
    return "its trigger goes into stop_price"


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
    concluded: bool = False
    """Its end was concluded from what the venue's lists lack: the venue's word that it works on counts more."""
    cleared: bool = False
    """A person has looked into what was wrong with it."""

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

    @property
    def is_overfilled(self) -> bool:
        """Whether more has filled than was asked for. Of an estimated size that is not known."""
        return self.request.cash_quantity is None and self.filled > self.request.size


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
    """What is asked for now: by the venue's own row, or once a change was accepted."""
    absent: bool = False
    """The venue surely does not have the order: the status is what follows from that."""
    burnt: bool = False
    """The venue has had a request under this client order id, so the id can't be used for another."""
    interrupted: bool = False
    """Whoever sent it has stopped waiting for it: it is not sent again by itself."""
    doubtful_change: bool = False
    """A change was sent and its answer was lost: the order lives, as it was or as it was to become."""
