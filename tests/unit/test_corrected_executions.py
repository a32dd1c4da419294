"""A correction takes the place of what it corrects, once, whatever comes first and how often."""

from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.trades import fill as fill_of
from exchanges.ibkr.wire.trades import TradeRow
from horizon.accounting import Ledger
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    instrument,
)
from horizon.orders.desk import Desk

SPY = instrument("ibkr", "756733", "LONG")


def execution(
    name: str, *, size: float = 3, price: str = "10.00", commission: str | None = "1.00", **rest: Any
) -> Fill:
    row = TradeRow(
        execution_id=name,
        side=rest.pop("side", "B"),
        size=size,
        price=price,
        commission=commission,
        conid=756733,
        order_ref="c1",
        trade_time_r=1_700_000_000_000,
        **rest,
    )
    contract = ContractFacts(market_id=MarketId("756733"), kind=MarketKind.STOCK, symbol="SPY")
    return fill_of(row, contract, AccountId("A"), exchange="ibkr", now=1)


ORIGINAL = execution("0000e0d5.6a56b360.01.01")
CORRECTED = execution("0000e0d5.6a56b360.01.02", size=2, price="11.00", commission="0.50")
OTHER = execution("0000e0d5.6a56b360.02.01", size=1, price="10.00")
REPORTS = (ORIGINAL, CORRECTED, OTHER)
ORDERS = sorted({*permutations([0, 1, 2, 0, 1])})


@pytest.mark.parametrize("order", ORDERS)
def test_position_cash_and_fees_are_those_of_the_reports_that_count(order: tuple[int, ...]) -> None:
    ledger = Ledger()
    for each in order:
        ledger.book(REPORTS[each])
    assert ledger.position(SPY) == 3
    assert ledger.cash() == -(2 * 11 + 10) - Decimal("1.50")
    assert ledger.fees() == Decimal("1.50")


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_has_filled_what_the_reports_that_count_say(order: tuple[int, ...]) -> None:
    desk = Desk("ibkr", AccountId("A"), "run")
    request = OrderRequest(
        market_id=MarketId("756733"), order_side=OrderSide.BUY, size=9, price=12, client_order_id=ClientOrderId("c1")
    )
    desk.submit([desk.complete(request)], 1)
    for each in order:
        desk.book(REPORTS[each])
    found = desk.order(ClientOrderId("c1"))
    assert found is not None
    assert (found.booked, found.filled) == (3, 3)


def test_a_correction_of_what_the_first_positions_held_already_moves_the_difference() -> None:
    ledger = Ledger()
    ledger.start(known=[ORIGINAL])
    ledger.book(CORRECTED)
    assert ledger.position(SPY) == -1  # of the three that were held at the start, two were bought
    assert ledger.cash() == 30 + 1 - 22 - Decimal("0.50")


def test_a_commission_that_comes_after_a_correction_is_booked_once() -> None:
    ledger = Ledger()
    late = execution("0000e0d5.6a56b360.01.02", size=2, price="11.00", commission=None)
    for fill in (ORIGINAL, late, late, CORRECTED, CORRECTED, ORIGINAL):
        ledger.book(fill)
    assert (ledger.position(SPY), ledger.fees()) == (2, Decimal("0.50"))


@given(st.text("0123456789abcdef.", max_size=30))
def test_only_ids_of_four_groups_are_taken_for_revisions(name: str) -> None:
    fill = execution(name)
    groups = name.split(".")
    assert bool(fill.series) == (len(groups) == 4 and groups[-1].isdecimal())


def test_the_same_ids_of_two_contracts_are_two_executions() -> None:
    legs = [CORRECTED, ORIGINAL]
    assert legs[0].corrects(legs[1])
    elsewhere = Fill(
        **{name: getattr(ORIGINAL, name) for name in Fill.__struct_fields__} | {"market_id": MarketId("5")}
    )
    assert not legs[0].corrects(elsewhere)


@pytest.mark.parametrize(
    ("description", "side"),
    [("Bot 1 @ 0.00", OrderSide.BUY), ("Sold 1 @ 0.00", OrderSide.SELL), (None, OrderSide.SELL)],
)
def test_an_exercise_has_the_direction_that_its_description_tells(description: str | None, side: OrderSide) -> None:
    fill = execution("x", side="EXER", order_description=description)
    assert (fill.kind, fill.order_side) == (FillKind.EXERCISE, side)
