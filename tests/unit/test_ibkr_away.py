"""What changed while a session was away: positions that fills explain are no news."""

from decimal import Decimal
from random import Random
from typing import Any

from exchanges.ibkr.attempts import Attempts
from exchanges.ibkr.away import Holdings
from horizon.clock import NANOSECONDS
from horizon.model import AccountId, ExecutionId, Fill, MarketId, OrderSide, Position, Side
from horizon.simulation.scripted_clock import ScriptedClock

ACCOUNT = AccountId("DU1")
READ = 1_763_478_000_000_000_000


def position(market_id: str, size: int, symbol: str = "") -> Position:
    return Position(
        exchange="ibkr",
        account_id=ACCOUNT,
        market_id=MarketId(market_id),
        side=Side.LONG,
        size=Decimal(size),
        symbol=symbol,
    )


def fill(market_id: str, size: int, seconds: float, **changes: Any) -> Fill:
    side = OrderSide.BUY if size > 0 else OrderSide.SELL
    fields: dict[str, Any] = {
        "exchange": "ibkr",
        "account_id": ACCOUNT,
        "execution_id": ExecutionId(f"{market_id}/{seconds}"),
        "market_id": MarketId(market_id),
        "side": Side.LONG,
        "order_side": side,
        "size": Decimal(abs(size)),
        "price": Decimal(10),
        "trade_time": READ + round(seconds * NANOSECONDS),
        "receive_time": READ,
    }
    return Fill(**(fields | changes))


def changes(before: list[Position], after: list[Position], fills: list[Fill]) -> list[str]:
    holdings = Holdings()
    holdings.read(ACCOUNT, before, READ)
    return holdings.changes(ACCOUNT, after, fills)


def test_a_change_without_a_fill_is_told_with_both_sizes() -> None:
    before = [position("1", 100, "SPY"), position("2", 5, "IBM")]
    after = [position("1", 120, "SPY"), position("3", -7)]
    assert changes(before, after, []) == ["3 0 -> -7", "IBM 5 -> 0", "SPY 100 -> 120"]


def test_a_change_that_fills_explain_is_no_news() -> None:
    before, after = [position("1", 100, "SPY")], [position("1", 90, "SPY")]
    assert changes(before, after, [fill("1", 30, 60), fill("1", -40, 90)]) == []
    assert changes(before, after, [fill("1", 30, 60)]) == ["SPY 100 -> 90"]
    assert changes(before, after, [fill("2", -10, 60)]) == ["SPY 100 -> 90"]


def test_fills_from_before_the_first_read_may_be_in_it_or_not() -> None:
    before, old = [position("1", 100, "SPY")], fill("1", 20, -30)
    assert changes(before, [position("1", 100, "SPY")], [old]) == []
    assert changes(before, [position("1", 120, "SPY")], [old]) == []
    assert changes(before, [position("1", 140, "SPY")], [old]) == ["SPY 100 -> 140"]
    assert changes(before, [position("1", 120, "SPY")], [fill("1", 20, -3_600)]) == ["SPY 100 -> 120"]


def test_an_account_that_was_never_read_has_nothing_to_compare() -> None:
    assert Holdings().changes(ACCOUNT, [position("1", 1)], []) == []


async def test_pauses_between_attempts_grow_to_a_limit_and_begin_anew_after_a_calm() -> None:
    clock = ScriptedClock(READ)
    attempts = Attempts(clock, Random(3), first=5, most=60, calm=600)
    assert attempts.is_due
    pauses = []
    for _ in range(8):
        attempts.make()
        assert not attempts.is_due
        pauses.append(attempts.wait)
        await clock.advance(attempts.wait + 0.001)
        assert attempts.is_due
    for pause, planned in zip(pauses, [5, 10, 20, 40, 60, 60, 60, 60], strict=True):
        assert 0.75 * planned <= pause <= 1.25 * planned
    assert len({round(pause / planned, 6) for pause, planned in zip(pauses[4:], [60] * 4, strict=True)}) == 4
    await clock.advance(601)
    assert not attempts.is_recent
    attempts.make()
    assert attempts.wait <= 1.25 * 5
