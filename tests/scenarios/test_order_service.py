"""Orders that come straight from a user: checked, journaled, sent once, followed."""

from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError, InvalidOrder, OutcomeUnknown, Refused, VenueUnavailable
from horizon.exchange import Exchange
from horizon.guards import MaxSize
from horizon.model import ClientOrderId, Notice, NoticeLevel, Order, OrderRequest, OrderSide, OrderStatus, Side
from horizon.orders.journal import SqliteJournal
from horizon.ports import RecordKind
from horizon.simulation.scripted_clock import ScriptedClock


def buy(size: int = 2, price: str = "100.02", **rest: Any) -> OrderRequest:
    return OrderRequest(
        market_id="756733",  # type: ignore[arg-type]
        order_side=OrderSide.BUY,
        size=Decimal(size),
        price=Decimal(price),
        **rest,
    )


@pytest.fixture
async def exchange(scripted_venue: Any, scripted_clock: ScriptedClock, tmp_path: Path) -> AsyncIterator[Exchange]:
    guards = [MaxSize(10)]
    async with Exchange(
        scripted_venue, journal=tmp_path / "journal.sqlite", clock=scripted_clock, guards=guards
    ) as opened:
        yield opened


async def test_an_accepted_order_comes_back_as_the_venue_answered(exchange: Exchange) -> None:
    order = await exchange.submit(buy())
    assert order.status is OrderStatus.WORKING
    assert order.venue_order_id == f"v-{order.client_order_id}"


async def test_a_guards_refusal_is_raised_with_its_name_journaled_and_not_sent(
    exchange: Exchange, scripted_venue: Any, tmp_path: Path
) -> None:
    with pytest.raises(InvalidOrder, match="11") as refused:
        await exchange.submit(buy(11))
    assert refused.value.rule
    assert scripted_venue.calls == []
    with closing(SqliteJournal(tmp_path / "journal.sqlite")) as journal:
        kinds = [record.kind for record in journal.records()]
    assert kinds == [RecordKind.OWNER, RecordKind.REFUSED]


async def test_a_side_that_contradicts_the_market_is_refused(exchange: Exchange, scripted_venue: Any) -> None:
    with pytest.raises(InvalidOrder, match="is LONG, not YES"):
        await exchange.submit(buy(side=Side.YES))
    assert scripted_venue.calls == []


async def test_the_venues_refusal_is_raised_and_the_order_is_rejected(exchange: Exchange, scripted_venue: Any) -> None:
    scripted_venue.error = Refused("No trading permissions.")
    with pytest.raises(Refused, match="No trading permissions"):
        await exchange.submit(buy())
    key = scripted_venue.calls[0][1]
    found = await exchange.order(key)
    assert isinstance(found, Order)
    assert (found.status, found.reason) == (OrderStatus.REJECTED, "No trading permissions.")


async def test_a_venue_that_could_not_be_reached_leaves_a_rejected_order(
    exchange: Exchange, scripted_venue: Any
) -> None:
    scripted_venue.error = VenueUnavailable("nothing answers")
    with pytest.raises(VenueUnavailable):
        await exchange.submit(buy())
    assert await exchange.cancel_all() == []


async def test_an_unknown_outcome_is_raised_and_settled_in_the_background(
    exchange: Exchange, scripted_venue: Any
) -> None:
    scripted_venue.error = OutcomeUnknown("no answer", client_order_id="x")
    scripted_venue.loses_answers = True
    with pytest.raises(OutcomeUnknown):
        await exchange.submit(buy())
    key = scripted_venue.calls[0][1]
    found = await exchange.order(key)
    assert isinstance(found, Order)
    assert found.status is OrderStatus.UNKNOWN
    settled = await exchange.wait(found, lambda order: not order.is_in_doubt, timeout=60)
    assert settled.status is OrderStatus.WORKING
    assert [kind for kind, _ in scripted_venue.calls] == ["place", "find"]


async def test_a_fill_under_the_venues_id_alone_waits_for_the_order_that_has_it(
    exchange: Exchange, scripted_venue: Any
) -> None:
    scripted_venue.error = OutcomeUnknown("no answer", client_order_id="x")
    scripted_venue.loses_answers = True
    with pytest.raises(OutcomeUnknown):
        await exchange.submit(buy())
    key = scripted_venue.calls[0][1]
    order = await exchange.order(key)
    assert isinstance(order, Order)
    tell, scripted_venue.put = scripted_venue.put, lambda event: None
    scripted_venue.fill(key, Decimal(2), Decimal("100.02"), order.request)
    nameless = replace(scripted_venue.executions[0], client_order_id=None, venue_order_id=f"v-{key}")
    tell(nameless)
    tell(nameless)
    settled = await exchange.wait(order, lambda latest: latest.booked == 2, timeout=60)
    assert (settled.status, settled.booked) == (OrderStatus.FILLED, 2)


async def test_two_orders_of_a_group_under_one_id_are_refused(exchange: Exchange, scripted_venue: Any) -> None:
    twins = [buy(client_order_id=ClientOrderId("twin")) for _ in range(2)]
    with pytest.raises(InvalidOrder, match="'twin' was used before"):
        await exchange.submit_group(twins)
    assert scripted_venue.calls == []


async def test_a_cancel_returns_once_the_venue_has_confirmed(exchange: Exchange) -> None:
    order = await exchange.submit(buy())
    assert (await exchange.cancel(order)).status is OrderStatus.CANCELED


async def test_a_cancel_that_is_not_confirmed_comes_back_pending_after_the_wait(
    exchange: Exchange, scripted_venue: Any, scripted_clock: ScriptedClock
) -> None:
    scripted_venue.confirms_cancels = False
    order = await exchange.submit(buy())
    before = scripted_clock.monotonic()
    assert (await exchange.cancel(order, wait=7)).status is OrderStatus.CANCEL_PENDING
    assert scripted_clock.monotonic() - before == 7


async def test_a_refused_cancel_is_raised_and_the_order_works_on(exchange: Exchange, scripted_venue: Any) -> None:
    scripted_venue.cancel_error = Refused("OrderID 1 doesn't exist")
    order = await exchange.submit(buy())
    with pytest.raises(Refused):
        await exchange.cancel(order)
    found = await exchange.order(order.client_order_id)
    assert found.status is OrderStatus.WORKING


async def test_cancel_all_cancels_every_open_order_of_this_session(exchange: Exchange) -> None:
    for _ in range(3):
        await exchange.submit(buy())
    assert [order.status for order in await exchange.cancel_all()] == [OrderStatus.CANCELED] * 3


async def test_a_fill_is_waited_for_and_booked_once(exchange: Exchange, scripted_venue: Any) -> None:
    order = await exchange.submit(buy())
    scripted_venue.fill(order.client_order_id, Decimal(2), Decimal("100.02"), order.request)
    scripted_venue.put(scripted_venue.executions[0])
    done = await exchange.wait(order, lambda latest: latest.is_done, timeout=5)
    assert (done.status, done.booked, done.average_price) == (OrderStatus.FILLED, 2, Decimal("100.02"))


async def test_a_replaced_order_has_its_new_price(exchange: Exchange) -> None:
    order = await exchange.submit(buy())
    changed = await exchange.replace(order, price=Decimal("100.05"))
    assert changed.request.price == Decimal("100.05")


async def test_an_order_that_was_never_sent_is_not_found(exchange: Exchange) -> None:
    with pytest.raises(ConfigurationError, match="knows no order"):
        await exchange.order("nothing")


async def test_the_same_client_order_id_is_not_sent_twice(exchange: Exchange, scripted_venue: Any) -> None:
    await exchange.submit(buy(client_order_id=ClientOrderId("mine")))
    with pytest.raises(InvalidOrder, match="mine"):
        await exchange.submit(buy(client_order_id=ClientOrderId("mine")))
    assert len(scripted_venue.calls) == 1


async def test_a_wrong_account_id_lists_those_of_the_login(scripted_venue: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="DU1"):
        async with Exchange(scripted_venue, account_id="DU9", journal=tmp_path / "j.sqlite"):
            pass


async def test_a_closed_exchange_says_so_to_every_read(scripted_venue: Any, scripted_clock: ScriptedClock) -> None:
    exchange = Exchange(scripted_venue, clock=scripted_clock)
    reads: list[Any] = [
        exchange.accounts,
        exchange.account,
        exchange.positions,
        exchange.fills,
        exchange.open_orders,
        lambda: exchange.market("SPY"),
        lambda: exchange.find_markets("SPY"),
        lambda: exchange.quotes(["ibkr:756733:LONG"]),
    ]
    for read in reads:
        with pytest.raises(ConfigurationError, match="is not open: use `async with`"):
            await read()


async def test_a_venue_that_could_not_be_opened_is_closed_again(
    scripted_venue: Any, scripted_clock: ScriptedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = []

    async def fail(put: Any) -> None:
        raise VenueUnavailable("no gateway answers")

    async def close() -> None:
        closed.append(True)

    monkeypatch.setattr(scripted_venue, "open", fail)
    monkeypatch.setattr(scripted_venue, "close", close)
    with pytest.raises(VenueUnavailable, match="no gateway answers"):
        await Exchange(scripted_venue, clock=scripted_clock).open()
    assert closed == [True]


async def test_a_notice_is_in_the_log_where_no_strategy_hears_it(
    exchange: Exchange, scripted_venue: Any, caplog: pytest.LogCaptureFixture
) -> None:
    scripted_venue.put(Notice(exchange="scripted", time=0, level=NoticeLevel.WARNING, text="fills cannot be read"))
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "scripted: fills cannot be read")
    ]
