"""What an account is worth at the prices of the moment."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.ledger import ZERO, Holding, Ledger
from exchanges.ibkr.simulator.tape import Touch

STOCK_MARGIN = Decimal("0.5")
"""Initial margin of a stock position (Regulation T), the only margin rule here. Event contracts and options are paid
in full."""


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """Money in USD. `market_value` is signed, `gross` is not."""

    cash: Decimal
    stocks: Decimal
    options: Decimal
    gross: Decimal
    margin: Decimal
    realized: Decimal
    unrealized: Decimal
    opening_equity: Decimal
    """At the start of the trading day."""

    @property
    def market_value(self) -> Decimal:
        return self.stocks + self.options

    @property
    def equity(self) -> Decimal:
        return self.cash + self.market_value

    @property
    def available(self) -> Decimal:
        return self.equity - self.margin

    @property
    def buying_power(self) -> Decimal:
        return max(self.available / STOCK_MARGIN, ZERO)


class Mark(msgspec.Struct, frozen=True):
    """One position at one moment."""

    contract: Contract
    holding: Holding
    price: Decimal

    @property
    def value(self) -> Decimal:
        return self.holding.position * self.price * self.contract.factor

    @property
    def unrealized(self) -> Decimal:
        return self.value - self.holding.cost


def marks(ledger: Ledger, catalogue: Catalogue, touch: Callable[[int], Touch | None]) -> list[Mark]:
    """Every conid that was ever held. A contract without a price is marked at what it cost."""
    rows = []
    for conid, holding in ledger.holdings.items():
        contract = catalogue[conid]
        quoted = touch(conid)
        mark = quoted.mark if quoted else None
        price = Decimal(str(mark)) if mark is not None else abs(holding.average_cost) / contract.factor
        rows.append(Mark(contract, holding, price))
    return rows


def value_of(ledger: Ledger, rows: list[Mark], opening_equity: Decimal | None) -> Valuation:
    """The account's figures. Without a known opening, the day starts at what is there now."""
    stocks = sum((row.value for row in rows if row.contract.sec_type == "STK"), ZERO)
    options = sum((row.value for row in rows if row.contract.sec_type != "STK"), ZERO)
    gross = sum((abs(row.value) for row in rows), ZERO)
    margin = sum((abs(row.value) * (STOCK_MARGIN if row.contract.sec_type == "STK" else 1) for row in rows), ZERO)
    return Valuation(
        cash=ledger.cash,
        stocks=stocks,
        options=options,
        gross=gross,
        margin=margin,
        realized=sum((row.holding.realized for row in rows), ZERO),
        unrealized=sum((row.unrealized for row in rows if row.holding.position), ZERO),
        opening_equity=ledger.cash + stocks + options if opening_equity is None else opening_equity,
    )
