"""Which news changes an order, and which is stale."""

from decimal import Decimal

import pytest

from horizon.model import (
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Side,
    VenueOrderId,
)
from horizon.orders.lifecycle import ALLOWED, apply_report, book_fill, cancel_requested, is_settled

REQUEST = OrderRequest(
    exchange="x",
    account_id=AccountId("A"),
    market_id=MarketId("1"),
    order_side=OrderSide.BUY,
    size=Decimal(10),
    price=Decimal("5.00"),
    client_order_id=ClientOrderId("c1"),
)


def report(status: OrderStatus, **rest: object) -> OrderReport:
    return OrderReport(
        exchange="x", account_id=AccountId("A"), time=2, status=status, client_order_id=ClientOrderId("c1"), **rest
    )


def fill(size: int, price: str = "5.00", execution: str = "e1") -> Fill:
    return Fill(
        exchange="x",
        account_id=AccountId("A"),
        execution_id=ExecutionId(execution),
        market_id=MarketId("1"),
        side=Side.LONG,
        order_side=OrderSide.BUY,
        size=Decimal(size),
        price=Decimal(price),
        trade_time=3,
        receive_time=3,
        venue_order_id=VenueOrderId("v1"),
    )


def order(status: OrderStatus, filled: int = 0) -> Order:
    return Order(request=REQUEST, status=status, filled=Decimal(filled))


@pytest.mark.parametrize("before", list(OrderStatus))
@pytest.mark.parametrize("reported", list(OrderStatus))
def test_a_status_moves_only_along_the_table(before: OrderStatus, reported: OrderStatus) -> None:
    after = apply_report(order(before), report(reported)).status
    if reported is OrderStatus.FILLED:
        assert after is OrderStatus.FILLED
    elif reported in ALLOWED[before]:
        assert after is reported
    else:
        assert after is before


def test_stale_news_gives_the_same_object() -> None:
    working = apply_report(order(OrderStatus.PENDING), report(OrderStatus.WORKING))
    assert apply_report(working, report(OrderStatus.WORKING)) is working


def test_a_late_working_report_does_not_revive_a_cancelled_order() -> None:
    assert apply_report(order(OrderStatus.CANCELED), report(OrderStatus.WORKING)).status is OrderStatus.CANCELED


def test_what_has_filled_never_shrinks() -> None:
    half = apply_report(order(OrderStatus.WORKING), report(OrderStatus.WORKING, filled=Decimal(5)))
    assert half.status is OrderStatus.PARTIALLY_FILLED
    assert apply_report(half, report(OrderStatus.WORKING, filled=Decimal(2))).filled == 5


def test_a_filled_report_without_a_size_means_all_of_it() -> None:
    done = apply_report(order(OrderStatus.WORKING), report(OrderStatus.FILLED))
    assert done.filled == 10
    assert not is_settled(done)  # the executions themselves are still to be booked


def test_a_fill_after_a_cancel_is_booked_and_the_order_stays_cancelled() -> None:
    late = book_fill(order(OrderStatus.CANCELED), fill(4))
    assert (late.status, late.filled, late.booked) == (OrderStatus.CANCELED, 4, 4)
    assert is_settled(late)


def test_the_fills_that_complete_a_cancelled_order_make_it_filled() -> None:
    assert book_fill(order(OrderStatus.CANCELED), fill(10)).status is OrderStatus.FILLED


def test_the_average_price_is_weighted_by_what_was_booked() -> None:
    after = book_fill(book_fill(order(OrderStatus.WORKING), fill(4, "5.00")), fill(6, "4.50", "e2"))
    assert after.average_price == Decimal("4.70")
    assert after.status is OrderStatus.FILLED
    assert is_settled(after)


def test_a_refused_cancel_leaves_the_order_working() -> None:
    asked = cancel_requested(order(OrderStatus.WORKING), 5)
    assert asked.status is OrderStatus.CANCEL_PENDING
    refused = apply_report(asked, report(OrderStatus.WORKING, refused_change=True, reason="too late"))
    assert (refused.status, refused.reason) == (OrderStatus.WORKING, "too late")


def test_a_cancel_does_not_hide_that_an_order_is_in_doubt() -> None:
    assert cancel_requested(order(OrderStatus.UNKNOWN), 5).status is OrderStatus.UNKNOWN


def test_a_smaller_total_at_the_venue_is_filled_by_less() -> None:
    done = apply_report(order(OrderStatus.WORKING), report(OrderStatus.WORKING, filled=Decimal(6), size=Decimal(6)))
    assert done.status is OrderStatus.FILLED


def test_more_than_was_asked_for_is_booked_as_it_came() -> None:
    done = book_fill(order(OrderStatus.WORKING), fill(11))
    assert (done.status, done.filled, done.booked) == (OrderStatus.FILLED, 11, 11)


def test_an_order_that_was_given_up_and_arrives_after_all_is_taken_up_again() -> None:
    lost = apply_report(order(OrderStatus.UNKNOWN), report(OrderStatus.REJECTED, reason="never reached the venue"))
    found = apply_report(lost, report(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1")))
    assert (found.status, found.venue_order_id) == (OrderStatus.WORKING, "v1")


def test_an_order_that_the_venue_itself_rejected_stays_rejected() -> None:
    refused = apply_report(
        order(OrderStatus.PENDING), report(OrderStatus.REJECTED, venue_order_id=VenueOrderId("v1"), reason="no")
    )
    late = apply_report(refused, report(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1")))
    assert late.status is OrderStatus.REJECTED


def test_why_an_order_was_in_doubt_is_forgotten_once_it_is_not() -> None:
    doubtful = apply_report(order(OrderStatus.PENDING), report(OrderStatus.UNKNOWN, reason="no answer in 30 s"))
    assert doubtful.reason == "no answer in 30 s"
    assert apply_report(doubtful, report(OrderStatus.WORKING)).reason == ""


def test_a_cancel_whose_answer_was_lost_puts_the_order_in_doubt() -> None:
    asked = cancel_requested(order(OrderStatus.WORKING), 5)
    assert apply_report(asked, report(OrderStatus.UNKNOWN, reason="cancel in doubt")).status is OrderStatus.UNKNOWN
