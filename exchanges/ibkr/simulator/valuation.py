"""What an account is worth at the prices of the moment."""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.ledger import ZERO, Holding, Ledger
from exchanges.ibkr.simulator.tape import Touch

STOCK_MARGIN = Decimal("0.5")
"""Initial margin of a stock position (Regulation T), the only margin rule here. Event contracts and options are paid
in full, a future with a share of what it stands for."""
FUTURE_MARGIN = Decimal("0.1")


class Valuation(msgspec.Struct, frozen=True, kw_only=True):
    """Money in USD. `market_value` is signed, `gross` is not."""

    cash: Decimal
    """In all currencies."""
    stocks: Decimal
    options: Decimal
    """And whatever else is held."""
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
        return self.notional - self.holding.unpaid

    @property
    def notional(self) -> Decimal:
        """What the position stands for: of a future more than it is worth."""
        return self.holding.position * self.price * self.contract.factor

    @property
    def margin(self) -> Decimal:
        return abs(self.notional) * margin_share(self.contract)

    @property
    def unrealized(self) -> Decimal:
        return self.notional - self.holding.cost


def margin_share(contract: Contract) -> Decimal:
    """How much of a position's worth is tied up as margin."""
    return {"STK": STOCK_MARGIN, "FUT": FUTURE_MARGIN}.get(contract.sec_type, Decimal(1))


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


def value_of(ledger: Ledger, rows: list[Mark], opening_equity: Decimal | None, converted: Decimal = ZERO) -> Valuation:
    """The account's figures. Without a known opening, the day starts at what is there now. `converted` is what other
    currencies are worth."""
    cash = ledger.cash + converted
    stocks = sum((row.value for row in rows if row.contract.sec_type == "STK"), ZERO)
    options = sum((row.value for row in rows if row.contract.sec_type != "STK"), ZERO)
    gross = sum((abs(row.value) for row in rows), ZERO)
    margin = sum((row.margin for row in rows), ZERO)
    return Valuation(
        cash=cash,
        stocks=stocks,
        options=options,
        gross=gross,
        margin=margin,
        realized=sum((row.holding.realized for row in rows), ZERO),
        unrealized=sum((row.unrealized for row in rows if row.holding.position), ZERO),
        opening_equity=cash + stocks + options if opening_equity is None else opening_equity,
    )
