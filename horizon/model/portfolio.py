"""What has been traded and what is held."""

from decimal import Decimal

import msgspec

from horizon.model.enums import FillKind, OrderSide, Side
from horizon.model.identifiers import (
    AccountId,
    ClientOrderId,
    ExecutionId,
    Instrument,
    MarketId,
    VenueOrderId,
    instrument,
)


class Fill(msgspec.Struct, frozen=True, kw_only=True, tag="fill"):
    """One execution. `price` is in the market's price units; money is price x size x multiplier in `currency`.

    The same execution can be reported again with its commission: `execution_id` is the key.
    """

    exchange: str
    account_id: AccountId
    execution_id: ExecutionId
    market_id: MarketId
    side: Side
    order_side: OrderSide
    size: Decimal
    price: Decimal
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)
    commission: Decimal | None = None
    """A cost is positive. None until the venue has reported it."""
    commission_currency: str = "USD"
    trade_time: int
    receive_time: int
    venue_order_id: VenueOrderId | None = None
    client_order_id: ClientOrderId | None = None
    kind: FillKind = FillKind.TRADE
    symbol: str = ""
    series: str = ""
    """Where a venue corrects executions: what all revisions of one have in common. The highest `revision` counts."""
    revision: int = 0

    @property
    def instrument(self) -> Instrument:
        return instrument(self.exchange, self.market_id, self.side)

    def corrects(self, other: "Fill") -> bool:
        """Whether this takes the place of another report of the same execution."""
        return (
            bool(self.series)
            and (self.series, self.market_id) == (other.series, other.market_id)
            and (self.revision > other.revision)
        )

    @property
    def signed_size(self) -> Decimal:
        return self.size if self.order_side is OrderSide.BUY else -self.size

    @property
    def money(self) -> Decimal:
        """What the trade moved in cash before commission: below 0 for a purchase."""
        return -self.signed_size * self.price * self.multiplier


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """What one account holds of one instrument; `size` below 0 is short. Prices in price units."""

    exchange: str
    account_id: AccountId
    market_id: MarketId
    side: Side = Side.LONG
    size: Decimal
    average_price: Decimal | None = None
    market_price: Decimal | None = None
    market_value: Decimal | None = None
    currency: str = "USD"
    multiplier: Decimal = Decimal(1)
    realized_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    symbol: str = ""

    @property
    def instrument(self) -> Instrument:
        return instrument(self.exchange, self.market_id, self.side)


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One currency of an account (or `BASE`: everything in the account's own currency)."""

    currency: str
    cash: Decimal
    settled_cash: Decimal | None = None
    net_liquidation: Decimal | None = None
    realized_pnl: Decimal | None = None
    unrealized_pnl: Decimal | None = None
    exchange_rate: Decimal = Decimal(1)


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One account as the venue reports it."""

    exchange: str
    account_id: AccountId
    currency: str = "USD"
    is_live: bool | None = None
    """True where real money trades; None where the venue has not said, which counts as live."""
    net_liquidation: Decimal | None = None
    cash: Decimal | None = None
    available_funds: Decimal | None = None
    buying_power: Decimal | None = None
    initial_margin: Decimal | None = None
    maintenance_margin: Decimal | None = None
    balances: tuple[Balance, ...] = ()
    alias: str = ""
    is_retirement: bool = False
    """Whether the venue calls it a retirement account (an IRA). False proves nothing."""
    is_master: bool = False
    """Whether it stands above other accounts, so that an order of it is allocated to them."""

    def balance(self, currency: str) -> Balance | None:
        """The row of one currency; `BASE` for the total."""
        return next((row for row in self.balances if row.currency == currency), None)

    @property
    def base(self) -> Balance | None:
        return self.balance("BASE")


class DayProfit(msgspec.Struct, frozen=True, kw_only=True):
    """What one trading day has brought so far by fills, commissions and the latest prices; a loss is below 0."""

    ends: int
    """Integer nanoseconds UTC at which the next day begins."""
    by_currency: dict[str, Decimal]
    unpriced: tuple[Instrument, ...] = ()
    """What was traded and has no price, so that the amounts leave it out."""
