"""The polling of orders and fills: what changed, once, for as long as it is expected."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from exchanges.ibkr.stream import INTERVAL, OrderStream
from horizon.errors import BrokerageSessionDown, RateLimited, VenueUnavailable
from horizon.model import (
    AccountId,
    ExecutionId,
    Fill,
    MarketId,
    Notice,
    NoticeLevel,
    OrderReport,
    OrderSide,
    OrderStatus,
    Side,
    VenueOrderId,
)
from horizon.simulation.scripted_clock import ScriptedClock

ACCOUNT = AccountId("DU1")
REPORT = OrderReport(
    exchange="ibkr",
    account_id=ACCOUNT,
    time=1,
    status=OrderStatus.WORKING,
    venue_order_id=VenueOrderId("7"),
)
FILL = Fill(
    exchange="ibkr",
    account_id=ACCOUNT,
    execution_id=ExecutionId("x"),
    market_id=MarketId("1"),
    side=Side.LONG,
    order_side=OrderSide.BUY,
    size=Decimal(1),
    price=Decimal(600),
    trade_time=1,
    receive_time=1,
)


class Lists:
    """The two lists of a venue; an exception in place of rows is raised."""

    def __init__(self) -> None:
        self.orders: Any = []
        self.fills: Any = []
        self.reads: list[str] = []

    async def read_orders(self, account_id: AccountId) -> Any:
        self.reads.append("orders")
        return self._given(self.orders)

    async def read_fills(self, account_id: AccountId, days: int) -> Any:
        self.reads.append("fills")
        return self._given(self.fills)

    @staticmethod
    def _given(value: Any) -> Any:
        if isinstance(value, Exception):
            raise value
        return value


class Watching:
    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.lists = Lists()
        self.put: list[Any] = []
        self.stream = OrderStream(self.lists.read_orders, self.lists.read_fills, clock, exchange="ibkr")

    async def rounds(self, count: int) -> None:
        await self.clock.sleep(INTERVAL * count)


@pytest.fixture
async def watching(scripted_clock: ScriptedClock) -> AsyncIterator[Watching]:
    found = Watching(scripted_clock)
    task = asyncio.create_task(found.stream.run(found.put.append))
    yield found
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_nothing_is_read_before_something_is_expected(watching: Watching):
    await watching.rounds(3)
    assert watching.lists.reads == []


async def test_only_what_is_expected_is_read(watching: Watching):
    watching.stream.watch(ACCOUNT, orders=False, fills=True)
    await watching.rounds(3)
    assert set(watching.lists.reads) == {"fills"}
    watching.stream.watch(ACCOUNT, orders=False, fills=False)
    await watching.rounds(1)
    before = len(watching.lists.reads)
    await watching.rounds(5)
    assert len(watching.lists.reads) == before


async def test_what_has_not_changed_is_put_once(watching: Watching):
    watching.lists.orders = [REPORT]
    watching.lists.fills = [FILL]
    watching.stream.watch(ACCOUNT, orders=True, fills=True)
    await watching.rounds(2)
    watching.lists.orders = [replace(REPORT, time=99)]
    watching.lists.fills = [replace(FILL, receive_time=99)]
    await watching.rounds(2)
    assert watching.put == [REPORT, FILL]


async def test_a_change_and_a_late_commission_are_put_again(watching: Watching):
    watching.lists.orders, watching.lists.fills = [REPORT], [FILL]
    watching.stream.watch(ACCOUNT, orders=True, fills=True)
    await watching.rounds(2)
    filled = replace(REPORT, status=OrderStatus.FILLED, filled=Decimal(1))
    charged = replace(FILL, commission=Decimal("1.02"))
    watching.lists.orders, watching.lists.fills = [filled], [charged]
    await watching.rounds(2)
    assert watching.put == [REPORT, FILL, filled, charged]


@pytest.mark.parametrize("error", [VenueUnavailable("the venue sleeps"), RuntimeError("a defect")])
async def test_a_failure_is_told_once_and_survived(watching: Watching, error: Exception):
    watching.lists.orders, watching.lists.fills = error, [FILL]
    watching.stream.watch(ACCOUNT, orders=True, fills=True)
    await watching.rounds(5)
    (notice,) = [event for event in watching.put if isinstance(event, Notice)]
    assert notice.level is NoticeLevel.WARNING
    assert str(error) in notice.text
    assert FILL in watching.put
    watching.lists.orders = [REPORT]
    await watching.rounds(2)
    assert REPORT in watching.put
    assert [event.level for event in watching.put if isinstance(event, Notice)][-1] is NoticeLevel.INFO


async def test_a_penalty_is_waited_for_without_reading_and_without_a_word(watching: Watching):
    watching.lists.orders = watching.lists.fills = RateLimited("429", retry_after=900, penalty=True)
    watching.stream.watch(ACCOUNT, orders=True, fills=True)
    await watching.clock.sleep(890)
    assert watching.lists.reads == ["orders", "fills"]
    watching.lists.orders, watching.lists.fills = [REPORT], []
    await watching.clock.sleep(20)
    assert watching.put == [REPORT]


async def test_a_read_that_waits_too_long_for_its_turn_is_told_once_although_its_text_counts_seconds(
    watching: Watching,
):
    watching.stream.watch(ACCOUNT, orders=True, fills=False)
    for seconds in (7, 6, 5):
        watching.lists.orders = RateLimited(f"over its rate for {seconds} s more", retry_after=seconds)
        await watching.clock.sleep(10)
    assert len(watching.lists.reads) >= 3
    assert [event.level for event in watching.put] == [NoticeLevel.WARNING]


async def test_a_session_that_is_down_is_told_by_the_session_alone(watching: Watching):
    watching.lists.orders = watching.lists.fills = BrokerageSessionDown("no bridge")
    watching.stream.watch(ACCOUNT, orders=True, fills=True)
    await watching.rounds(3)
    assert len(watching.lists.reads) >= 4
    assert watching.put == []
