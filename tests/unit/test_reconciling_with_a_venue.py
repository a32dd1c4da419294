"""The comparison of an account with its venue: what differs, and by which rule it is resolved."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from horizon.clock import NANOSECONDS
from horizon.model import (
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    FillKind,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Position,
    Side,
    VenueOrderId,
    instrument,
)
from horizon.orders.agreed import Agreed, agree
from horizon.orders.reconcile import (
    Difference,
    FillElsewhere,
    FillMissed,
    Here,
    OrderAlive,
    OrderChanged,
    OrderDiffers,
    OrderElsewhere,
    OrderGone,
    PositionDiffers,
    Reconciliation,
    Rule,
    compare_fills,
    compare_orders,
    compare_positions,
    name_of,
)

EXCHANGE, ACCOUNT, SPY = "venue", AccountId("DU1"), MarketId("756733")
NAME = instrument(EXCHANGE, SPY, Side.LONG)
NOW = 1_763_478_000 * NANOSECONDS
LONG_AGO = NOW - 600 * NANOSECONDS


def order(key: str = "a-1", status: OrderStatus = OrderStatus.WORKING, **rest: Any) -> Order:
    request = OrderRequest(
        exchange=EXCHANGE,
        account_id=ACCOUNT,
        client_order_id=ClientOrderId(key),
        market_id=SPY,
        order_side=OrderSide.BUY,
        size=Decimal(10),
        price=Decimal(100),
    )
    known: dict[str, Any] = {"venue_order_id": VenueOrderId(f"v-{key}"), "updated_time": LONG_AGO, **rest}
    return Order(request=request, status=status, **known)


def report(key: str | None = "a-1", status: OrderStatus = OrderStatus.WORKING, **rest: Any) -> OrderReport:
    known: dict[str, Any] = {"venue_order_id": VenueOrderId(f"v-{key}"), "size": Decimal(10), **rest}
    return OrderReport(
        exchange=EXCHANGE,
        account_id=ACCOUNT,
        time=NOW,
        status=status,
        client_order_id=None if key is None else ClientOrderId(key),
        **known,
    )


def fill(name: str = "e1", key: str | None = "a-1", size: int = 4, **rest: Any) -> Fill:
    known: dict[str, Any] = {"trade_time": LONG_AGO, "order_side": OrderSide.BUY, "market_id": SPY, **rest}
    return Fill(
        exchange=EXCHANGE,
        account_id=ACCOUNT,
        execution_id=ExecutionId(name),
        side=Side.LONG,
        size=Decimal(size),
        price=Decimal(100),
        receive_time=NOW,
        client_order_id=None if key is None else ClientOrderId(key),
        **known,
    )


def held(size: int, market_id: str = SPY) -> Position:
    return Position(
        exchange=EXCHANGE, account_id=ACCOUNT, market_id=MarketId(market_id), size=Decimal(size), symbol="SPY"
    )


def here(*orders: Order, ours: Sequence[str] = (), seen: Sequence[str] = (), since: int = 0) -> Here:
    known = {each.client_order_id: each for each in orders}
    return Here(
        since=since,
        open_orders=[each for each in orders if each.is_open],
        order=lambda key: None if key is None else known.get(key),
        is_ours=lambda key, venue_order_id: key in known or key in ours or venue_order_id in ours,
        seen=frozenset(seen),
    )


def test_an_order_that_both_sides_see_alike_is_no_difference() -> None:
    assert compare_orders(here(order()), [report()], read_at=NOW) == []


@pytest.mark.parametrize(
    "said",
    [
        report(status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(4)),
        report(status=OrderStatus.CANCEL_PENDING),
        report(filled=Decimal(10)),
    ],
)
def test_what_the_venue_knows_more_of_an_order_is_adopted(said: OrderReport) -> None:
    (found,) = compare_orders(here(order()), [said], read_at=NOW)
    assert isinstance(found, OrderDiffers)
    assert (found.rule, found.report) == (Rule.ADOPT, said)


def test_a_list_that_is_behind_what_was_told_already_is_no_difference() -> None:
    known = order(status=OrderStatus.PARTIALLY_FILLED, filled=Decimal(4))
    assert compare_orders(here(known), [report(filled=Decimal(0))], read_at=NOW) == []


def test_an_order_in_doubt_that_the_venue_lists_is_adopted() -> None:
    doubtful = order(status=OrderStatus.UNKNOWN, venue_order_id=None)
    (found,) = compare_orders(here(doubtful), [report()], read_at=NOW)
    assert isinstance(found, OrderDiffers)


def test_an_order_without_a_client_id_at_the_venue_is_known_by_the_venues_own() -> None:
    said = report(None, venue_order_id=VenueOrderId("v-a-1"))
    assert compare_orders(here(order()), [said], read_at=NOW) == []


def test_a_working_order_that_the_venue_does_not_list_is_looked_up() -> None:
    (found,) = compare_orders(here(order()), [], read_at=NOW)
    assert isinstance(found, OrderGone)
    assert found.rule is Rule.ADOPT


@pytest.mark.parametrize(
    "young",
    [
        order(updated_time=NOW - 5 * NANOSECONDS),
        order(status=OrderStatus.PENDING, venue_order_id=None),
        order(status=OrderStatus.UNKNOWN, venue_order_id=None),
    ],
)
def test_what_is_just_sent_or_in_doubt_is_not_taken_for_gone(young: Order) -> None:
    assert compare_orders(here(young), [], read_at=NOW) == []


def test_an_order_that_is_over_here_and_works_at_the_venue_is_told() -> None:
    over = order(status=OrderStatus.CANCELED)
    (found,) = compare_orders(here(over), [report()], read_at=NOW)
    assert isinstance(found, OrderAlive)
    (forgotten,) = compare_orders(here(ours=["a-1"]), [report()], read_at=NOW)
    assert isinstance(forgotten, OrderAlive)
    assert forgotten.rule is Rule.WARN
    just = order(status=OrderStatus.CANCELED, updated_time=NOW - NANOSECONDS)
    assert compare_orders(here(just), [report()], read_at=NOW) == [], "the list is older than the cancel"


def test_an_order_that_was_only_concluded_to_be_over_is_adopted_again() -> None:
    concluded = order(status=OrderStatus.CANCELED, concluded=True)
    (found,) = compare_orders(here(concluded), [report()], read_at=NOW)
    assert isinstance(found, OrderDiffers)


def test_an_order_that_works_on_another_size_was_changed_elsewhere() -> None:
    (found,) = compare_orders(here(order()), [report(size=Decimal(7))], read_at=NOW)
    assert isinstance(found, OrderChanged)
    assert "10" in found.text
    assert "7" in found.text


def test_an_order_that_nobody_here_has_sent_is_told() -> None:
    (found,) = compare_orders(here(), [report("tws", request=order("tws").request)], read_at=NOW)
    assert isinstance(found, OrderElsewhere)
    assert found.rule is Rule.WARN
    assert "BUY 10 of venue:756733:LONG" in found.text


def test_a_fill_of_ours_that_was_not_reported_is_booked() -> None:
    (found,) = compare_fills(here(order()), [fill()], None, read_at=NOW)
    assert isinstance(found, FillMissed)
    assert (found.rule, found.ours) == (Rule.BOOK, True)


def test_a_fill_that_was_reported_or_may_still_be_is_no_difference() -> None:
    young = fill("e2", trade_time=NOW - 5 * NANOSECONDS)
    assert compare_fills(here(order(), seen=["e1"]), [fill(), young], None, read_at=NOW) == []


def test_a_fill_from_elsewhere_is_booked_and_told() -> None:
    found = compare_fills(here(), [fill(key=None)], None, read_at=NOW)
    assert [type(each) for each in found] == [FillMissed, FillElsewhere]
    assert [each.rule for each in found] == [Rule.BOOK, Rule.WARN]


def test_what_happened_before_the_start_is_not_booked_but_told_when_it_is_new() -> None:
    strange = fill(key=None)
    before = agree(LONG_AGO - NANOSECONDS, {}, [], "")
    assert compare_fills(here(since=NOW), [strange], None, read_at=NOW) == []
    (found,) = compare_fills(here(since=NOW), [strange], before, read_at=NOW)
    assert isinstance(found, FillElsewhere)
    after = agree(NOW, {NAME: Decimal(4)}, [strange], "")
    assert compare_fills(here(since=NOW), [strange], after, read_at=NOW) == []


def test_a_liquidation_is_called_one() -> None:
    liquidated = fill(key=None, kind=FillKind.LIQUIDATION, order_side=OrderSide.SELL)
    found = compare_fills(here(seen=["e1"]), [liquidated], None, read_at=NOW)
    assert [each.text for each in found] == ["the venue has liquidated: SELL 4 756733 at 100 (execution e1)"]


def test_a_report_of_netting_is_neither_missed_nor_strange() -> None:
    assert compare_fills(here(), [fill(key=None, kind=FillKind.NETTING)], None, read_at=NOW) == []


def test_a_position_that_fills_explain_agrees() -> None:
    agreed = agree(LONG_AGO, {NAME: Decimal(3)}, [fill("before")], "")
    new = fill("after", size=2, trade_time=NOW)
    assert compare_positions(agreed, [fill("before"), new], [held(5)]) == []


def test_a_position_that_no_fill_explains_differs_until_the_venue_agrees() -> None:
    agreed = agree(NOW, {NAME: Decimal(3)}, [], "")
    (found,) = compare_positions(agreed, [], [held(5)])
    assert (found.here, found.there, found.confirmed, found.rule) == (Decimal(3), Decimal(5), False, Rule.WARN)
    assert "read again" in found.text
    assert compare_positions(agreed, [], [held(3)]) == []


def test_a_position_in_two_parts_is_their_sum_and_a_vanished_one_is_flat() -> None:
    agreed = agree(NOW, {NAME: Decimal(5), instrument(EXCHANGE, MarketId("1"), Side.LONG): Decimal(1)}, [], "")
    (found,) = compare_positions(agreed, [], [held(2), held(3)])
    assert (found.here, found.there) == (Decimal(1), Decimal(0))


def test_a_corrected_execution_counts_once() -> None:
    agreed = agree(LONG_AGO, {}, [], "")
    wrong = fill("e.01", size=4, series="e", revision=1)
    right = fill("e.02", size=3, series="e", revision=2)
    assert agreed.after([wrong, right]) == agreed.after([right, wrong]) == {NAME: Decimal(3)}


def test_a_netted_event_closes_both_sides() -> None:
    yes, no = MarketId("11"), MarketId("12")
    agreed = agree(LONG_AGO, {instrument(EXCHANGE, yes, Side.LONG): Decimal(4)}, [], "")
    sell: dict[str, Any] = {"kind": FillKind.NETTING, "order_side": OrderSide.SELL}
    fills = [fill("b", market_id=no), fill("n", market_id=yes, **sell), fill("n", market_id=no, **sell)]
    assert agreed.after(fills) == {}


def test_what_was_agreed_on_comes_back_from_its_json() -> None:
    agreed = agree(NOW, {NAME: Decimal("1.50")}, [fill(trade_time=NOW)], "as they were")
    assert msgspec.json.decode(msgspec.json.encode(agreed), type=Agreed) == agreed


def test_a_reconciliation_comes_back_from_its_json() -> None:
    differences: tuple[Difference, ...] = (
        OrderDiffers(order=order(), report=report()),
        OrderGone(order=order()),
        OrderAlive(report=report()),
        OrderChanged(order=order(), report=report()),
        OrderElsewhere(report=report()),
        FillMissed(fill=fill(), ours=True),
        FillElsewhere(fill=fill()),
        PositionDiffers(instrument=NAME, here=Decimal(1), there=Decimal(2)),
    )
    result = Reconciliation(
        exchange=EXCHANGE, account_id=ACCOUNT, time=NOW, orders=1, fills=1, positions=1, differences=differences
    )
    assert msgspec.json.decode(msgspec.json.encode(result), type=Reconciliation) == result
    assert not result.agrees
    assert len({name_of(each) for each in differences}) == 7, "an order that differs or is gone has one name"
