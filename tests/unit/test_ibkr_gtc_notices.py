"""The venue cancels GTC orders by itself at the end of a quarter, and says so to nobody who polls."""

from datetime import UTC, datetime
from typing import Any

from exchanges.ibkr.orders import GtcNotices
from exchanges.ibkr.wire.orders import OrderRow
from horizon.clock import to_nanoseconds
from horizon.model import MarketId, NoticeLevel, OrderRequest, OrderSide, OrderType, TimeInForce
from horizon.simulation.scripted_clock import ScriptedClock

DECEMBER = to_nanoseconds(datetime(2025, 12, 2, 15, tzinfo=UTC))
DAY = 86_400.0


def milliseconds(*date: int) -> int:
    return to_nanoseconds(datetime(*date, 15, tzinfo=UTC)) // 1_000_000  # type: ignore[misc,arg-type]


def request(time: TimeInForce) -> OrderRequest:
    return OrderRequest(
        market_id=MarketId("1"),
        order_side=OrderSide.BUY,
        size=1,  # type: ignore[arg-type]
        order_type=OrderType.MARKET,
        time_in_force=time,
    )


def row(order_id: int, changed: int | str | None, time: str = "GTC", ref: str | None = "mine") -> OrderRow:
    return OrderRow(orderId=order_id, timeInForce=time, lastExecutionTime_r=changed, order_ref=ref)


class Told:
    def __init__(self) -> None:
        self.notices: list[tuple[str, NoticeLevel]] = []

    def __call__(self, text: str, level: NoticeLevel) -> None:
        self.notices.append((text, level))


def notices(clock: ScriptedClock) -> tuple[GtcNotices, Told]:
    told = Told()
    return GtcNotices(clock, told), told


async def test_the_day_is_told_once_until_it_is_another():
    clock = ScriptedClock(DECEMBER)
    async with clock.running():
        gtc, told = notices(clock)
        for times in ([TimeInForce.DAY], [TimeInForce.DAY, TimeInForce.GTC], [TimeInForce.GTC]):
            gtc.sending([request(time) for time in times])
        await clock.sleep(40 * DAY)
        gtc.sending([request(TimeInForce.GTC)])
    days: list[Any] = [(text.split()[-1], level) for text, level in told.notices]
    assert days == [("2026-03-31", NoticeLevel.INFO), ("2026-06-30", NoticeLevel.INFO)]


async def test_an_order_is_warned_of_once_within_thirty_days_of_its_end():
    clock = ScriptedClock(DECEMBER)
    async with clock.running():
        gtc, told = notices(clock)
        near = row(7, milliseconds(2025, 8, 1))
        for _ in range(2):
            gtc.seen([near])
        assert told.notices == [
            (
                "GTC order mine is cancelled by the venue after 2025-12-31 at the latest: send it again after that",
                NoticeLevel.WARNING,
            )
        ]
        gtc.seen([row(8, str(milliseconds(2025, 9, 30)), ref=None)])
        assert "GTC order 8" in told.notices[-1][0]


async def test_orders_that_end_later_or_otherwise_and_rows_without_a_date_are_passed_over():
    clock = ScriptedClock(DECEMBER)
    async with clock.running():
        gtc, told = notices(clock)
        gtc.seen(
            [
                row(1, milliseconds(2025, 10, 1)),
                row(2, milliseconds(2025, 8, 1), time="DAY"),
                row(3, None),
                row(4, milliseconds(2025, 2, 1)),
            ]
        )
    assert told.notices == []


async def test_an_order_whose_end_was_far_is_warned_of_when_it_comes_near():
    clock = ScriptedClock(to_nanoseconds(datetime(2025, 11, 14, tzinfo=UTC)))
    async with clock.running():
        gtc, told = notices(clock)
        far = row(7, milliseconds(2025, 8, 1))
        gtc.seen([far])
        assert told.notices == []
        await clock.sleep(20 * DAY)
        gtc.seen([far])
    assert len(told.notices) == 1
