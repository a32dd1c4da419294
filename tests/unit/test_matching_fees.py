"""What a simulated venue charges, per order however many fills it took."""

from decimal import Decimal

import pytest

from horizon.matching import FeeModel, FeesByKind, MatchingEngine, NoFees, PerContract, PerShare
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    Market,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderType,
    PriceGrid,
    Quote,
)


def market(kind: MarketKind = MarketKind.STOCK, multiplier: int = 1) -> Market:
    return Market(
        exchange="sim",
        market_id=MarketId("1"),
        kind=kind,
        symbol="X",
        price_grid=PriceGrid.of("0.01"),
        multiplier=Decimal(multiplier),
        currency="EUR",
    )


@pytest.mark.parametrize(
    ("size", "price", "expected"),
    [
        (100, "500", "1.00"),  # 0.50 by the share, so the minimum
        (1000, "25", "5.000"),
        (10, "0.20", "0.0200"),  # the maximum of 1 % lies under the minimum, and holds
        (10_000, "0.20", "20.0000"),
    ],
)
def test_ibkr_fixed_pricing_of_us_stocks(size: int, price: str, expected: str) -> None:
    total = PerShare().total(market(), OrderSide.BUY, Decimal(size), Decimal(price) * size)
    assert total == Decimal(expected)


def test_contracts_are_charged_one_by_one_with_a_minimum() -> None:
    model = PerContract(rate=Decimal("0.65"), minimum=Decimal("1.00"))
    charges = [model.total(market(), OrderSide.SELL, Decimal(size), Decimal(1)) for size in (1, 2, 10)]
    assert charges == [Decimal("1.00"), Decimal("1.30"), Decimal("6.50")]


def test_a_venue_charges_by_the_kind_of_market() -> None:
    model: FeeModel = FeesByKind(kinds={MarketKind.OPTION: PerContract(rate=Decimal(1))})
    sizes = (OrderSide.BUY, Decimal(3), Decimal(30))
    assert model.total(market(MarketKind.OPTION), *sizes) == 3
    assert model.total(market(MarketKind.EVENT), *sizes) == 0
    assert NoFees().total(market(), *sizes) == 0


def test_the_minimum_is_charged_once_per_order_over_its_fills() -> None:
    engine = MatchingEngine("sim", fees=PerShare())
    stock = market()
    engine.add_market(stock)
    engine.place(
        [
            OrderRequest(
                exchange="sim",
                account_id=AccountId("A"),
                market_id=stock.market_id,
                client_order_id=ClientOrderId("a"),
                order_side=OrderSide.BUY,
                size=Decimal(300),
                order_type=OrderType.MARKET,
            )
        ],
        0,
    )
    fills = [
        item
        for now in (1, 2, 3)
        for item in engine.on_quote(Quote(stock.instrument(), now, 50.0, 51.0 + now, 100.0, 100.0), now)
        if isinstance(item, Fill)
    ]
    assert [fill.commission for fill in fills] == [Decimal("1.00"), Decimal("0.00"), Decimal("0.500")]
    assert {fill.commission_currency for fill in fills} == {"EUR"}


def test_a_multiplier_counts_in_the_value_that_bounds_a_commission() -> None:
    engine = MatchingEngine("sim", fees=PerShare(rate=Decimal(10)))
    contract = market(multiplier=100)
    engine.add_market(contract)
    engine.on_quote(Quote(contract.instrument(), 0, 1.0, 2.0, 10.0, 10.0), 0)
    out = engine.place(
        [
            OrderRequest(
                exchange="sim",
                account_id=AccountId("A"),
                market_id=contract.market_id,
                client_order_id=ClientOrderId("a"),
                order_side=OrderSide.BUY,
                size=Decimal(1),
                price=Decimal(2),
            )
        ],
        1,
    )
    (fill,) = [item for item in out if isinstance(item, Fill)]
    assert fill.commission == Decimal("2.00")  # 1 % of 1 x 2 x 100
    assert fill.money == -200
