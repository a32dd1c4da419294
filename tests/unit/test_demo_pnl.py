"""The demo's P&L lines, against sums done by hand."""

from decimal import Decimal

import pytest

from horizon.cli.demo.pnl import PnlCurve, Sample, variance_removed
from horizon.model import (
    AccountId,
    ExecutionId,
    Fill,
    FillKind,
    Instrument,
    MarketId,
    OrderSide,
    Quote,
    Side,
    TradingHours,
    TradingSession,
    split_instrument,
)

EVENT, STOCK = Instrument("x:e:YES"), Instrument("x:s:LONG")


def fill(
    name: Instrument, size: int, price: str, execution: str, commission: str | None = None, **rest: object
) -> Fill:
    exchange, market_id, side = split_instrument(name)
    return Fill(
        exchange=exchange,
        account_id=AccountId("A"),
        execution_id=ExecutionId(execution),
        market_id=MarketId(market_id),
        side=Side(side),
        order_side=OrderSide.BUY if size > 0 else OrderSide.SELL,
        size=Decimal(abs(size)),
        price=Decimal(price),
        commission=None if commission is None else Decimal(commission),
        trade_time=0,
        receive_time=0,
        **rest,  # type: ignore[arg-type]
    )


def curve(hours: TradingHours | None = None) -> PnlCurve:
    pnl = PnlCurve(EVENT, STOCK, hours)
    for each in (fill(EVENT, 100, "0.50", "1", "0"), fill(STOCK, -6, "600", "2")):
        pnl.take(each)
    return pnl


def poll(pnl: PnlCurve, time: int, event: float, stock: float) -> None:
    pnl.take(Quote(EVENT, time, event - 0.01, event + 0.01))
    pnl.take(Quote(STOCK, time, stock - 0.01, stock + 0.01))


def test_both_lines_are_marked_at_the_mid_after_fees() -> None:
    pnl = curve()
    poll(pnl, 1, 0.60, 602.0)
    pnl.take(fill(STOCK, -6, "600", "2", "1.00"))  # the same execution again, now with its commission
    assert pnl.unhedged == Decimal("10.00")  # 100 x (0.60 - 0.50)
    assert pnl.hedged == Decimal("10.00") - 12 - 1  # less 6 x 2.00 and the commission


def test_an_execution_counts_once_and_netting_never() -> None:
    pnl = curve()
    pnl.take(fill(EVENT, 100, "0.50", "1", "0"))
    pnl.take(fill(EVENT, 100, "0.00", "9", kind=FillKind.NETTING))
    assert pnl.event.size == 100


def test_quotes_of_one_poll_are_one_sample() -> None:
    pnl = curve()
    for time in (1, 2, 3):
        poll(pnl, time, 0.50 + time / 100, 600.0)
    assert [sample.time for sample in pnl.samples] == [1, 2]
    assert pnl.samples[0].unhedged == pytest.approx(1.0)


def test_nothing_is_sampled_while_the_shares_do_not_trade() -> None:
    pnl = curve(TradingHours(timezone="UTC", sessions=(TradingSession(opens=2, closes=3),)))
    for time in (1, 2, 3, 4):
        poll(pnl, time, 0.5, 600.0)
    assert [sample.time for sample in pnl.samples] == [2]


def test_a_position_without_a_price_has_no_value() -> None:
    assert curve().unhedged is None


def test_the_variance_that_a_half_hedge_removes_is_three_quarters() -> None:
    samples = [Sample(n, float(n % 5 * 10), float(n % 5 * 5)) for n in range(49)]
    assert variance_removed(samples) == Decimal("0.75")
    assert variance_removed(samples[:20]) is None
