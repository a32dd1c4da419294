"""An order that the venue surely does not have: sent once more under its id within 30 s, or ended with the reason."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.model import (
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    MarketId,
    NoticeLevel,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    Side,
    VenueOrderId,
)
from horizon.orders.again import SendAgain
from horizon.orders.desk import Desk
from horizon.orders.effects import Cancel, Find, Send, Tell
from horizon.orders.recovery import recover
from horizon.ports import JournalRecord, RecordKind

A = AccountId("A")
SECOND = 1_000_000_000


class Sent:
    """One order that has left and whose answer was lost, with everything the desk did about it."""

    def __init__(self, again: SendAgain = SendAgain.SAME_ID) -> None:
        self.desk = Desk("x", A, "run", again=again)
        self.request = self.desk.complete(
            OrderRequest(market_id=MarketId("1"), order_side=OrderSide.BUY, size=3, price=5)
        )
        self.key = self.request.client_order_id
        self.desk.submit([self.request], 0)
        self.journal: list[JournalRecord] = []

    def hears(self, status: OrderStatus, *, at: int = 1, **rest: object) -> Order | None:
        return self.desk.apply(
            OrderReport(exchange="x", account_id=A, time=at * SECOND, status=status, client_order_id=self.key, **rest)
        )

    def is_lost(self, **rest: object) -> "Sent":
        self.hears(OrderStatus.UNKNOWN, reason="no answer", **rest)
        return self

    @property
    def order(self) -> Order:
        found = self.desk.order(self.key)
        assert found is not None
        return found

    def fill(
        self, size: int, name: str = "e1", key: ClientOrderId | None = None, commission: Decimal | None = None
    ) -> None:
        self.desk.book(
            Fill(
                exchange="x",
                account_id=A,
                execution_id=ExecutionId(name),
                market_id=MarketId("1"),
                side=Side.LONG,
                order_side=OrderSide.BUY,
                size=Decimal(size),
                price=Decimal(5),
                commission=commission,
                trade_time=9,
                receive_time=9,
                client_order_id=key or self.key,
            )
        )

    @property
    def kinds(self) -> list[tuple[str, str]]:
        return [(str(line.kind), line.subject) for line in self.desk.records]

    def told(self) -> list[tuple[NoticeLevel, str]]:
        return [(effect.level, effect.text) for effect in self.desk.effects if isinstance(effect, Tell)]


def test_it_is_sent_once_more_under_the_same_id_and_then_no_more() -> None:
    sent = Sent().is_lost()
    again = sent.desk.send_again(sent.key, 11 * SECOND)
    assert again is not None
    assert (again.status, again.client_order_id) == (OrderStatus.PENDING, sent.key)
    sends = [effect for effect in sent.desk.effects if isinstance(effect, Send)]
    assert [send.requests for send in sends] == [(sent.request,)] * 2
    assert ("decision", "sent again") in sent.kinds
    sent.is_lost()
    assert sent.desk.why_not_again(sent.key, 20 * SECOND) == "it was sent twice already"
    assert sent.desk.send_again(sent.key, 20 * SECOND) is None


@pytest.mark.parametrize(("seconds", "may"), [(29, True), (30, True), (31, False)])
def test_it_is_sent_again_only_within_thirty_seconds_of_its_first_departure(seconds: int, may: bool) -> None:
    sent = Sent().is_lost()
    assert (sent.desk.send_again(sent.key, seconds * SECOND) is not None) is may


def test_one_that_is_to_be_cancelled_is_not_sent_again() -> None:
    sent = Sent().is_lost()
    sent.desk.cancel(sent.key, 2)
    assert sent.desk.why_not_again(sent.key, 3) == "it was to be cancelled"


def test_a_part_of_a_group_is_not_sent_again_alone() -> None:
    desk = Desk("x", A, "run")
    group = [
        desk.complete(OrderRequest(market_id=MarketId("1"), order_side=OrderSide.BUY, size=1, price=5))
        for _ in range(2)
    ]
    desk.submit(group, 0)
    key = group[0].client_order_id
    desk.apply(OrderReport(exchange="x", account_id=A, time=1, status=OrderStatus.UNKNOWN, client_order_id=key))
    assert "part of a group" in (desk.why_not_again(key, 2) or "")


def test_one_that_is_not_sent_again_ends_with_the_reason_and_a_decision_in_the_journal() -> None:
    sent = Sent().is_lost()
    sent.hears(OrderStatus.REJECTED, absent=True, reason="never reached the venue; not sent again: the price has moved")
    assert (sent.order.status, sent.order.concluded) == (OrderStatus.REJECTED, True)
    assert "the price has moved" in sent.order.reason
    assert sent.kinds[-2:] == [("decision", "not sent again"), ("settled", "")]


def test_one_that_arrives_after_all_is_taken_up_and_told_and_its_cancel_leaves() -> None:
    sent = Sent().is_lost()
    sent.desk.cancel(sent.key, 2)
    sent.hears(OrderStatus.REJECTED, absent=True)
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    assert sent.order.status is OrderStatus.CANCEL_PENDING
    assert isinstance(sent.desk.effects[-1], Cancel)
    assert ["arrived at the venue after all" in text for _, text in sent.told()] == [True]


def test_an_absence_that_was_concluded_before_the_order_was_seen_counts_no_more() -> None:
    sent = Sent().is_lost()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.hears(OrderStatus.REJECTED, absent=True)
    assert sent.order.status is OrderStatus.WORKING


def test_a_burnt_id_is_not_used_again_unless_a_new_one_is_wanted() -> None:
    sent = Sent().is_lost(burnt=True)
    assert sent.desk.why_not_again(sent.key, 2) == "the venue has had a request under its id"


def test_under_a_new_id_both_ids_find_the_order_and_fills_under_either_are_booked_once() -> None:
    sent = Sent(SendAgain.NEW_ID).is_lost(burnt=True)
    again = sent.desk.send_again(sent.key, 11 * SECOND)
    assert again is not None
    assert again.client_order_id != sent.key
    assert sent.order == again
    sent.fill(1, "e1", sent.key)
    sent.fill(2, "e2", again.client_order_id)
    sent.fill(2, "e2", again.client_order_id)
    assert (sent.order.status, sent.order.booked) == (OrderStatus.FILLED, 3)
    assert ("link", sent.key) in sent.kinds
    (story,) = recover(sent.desk.records, "x", A).settled
    assert (story.former_ids, story.order.booked, len(story.fills)) == ((sent.key,), 3, 2)


def test_a_market_with_an_order_in_doubt_is_blocked_and_others_are_not() -> None:
    sent = Sent().is_lost()
    assert "is in doubt (no answer)" in (sent.desk.why_blocked(MarketId("1")) or "")
    assert sent.desk.why_blocked(MarketId("2")) is None
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    assert sent.desk.why_blocked(MarketId("1")) is None


# -- more than was asked for -----------------------------------------------------------------------------------------


def test_an_overfill_is_shouted_and_blocks_its_market_over_a_restart_until_a_person_has_looked() -> None:
    sent = Sent()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.fill(2)
    assert sent.told() == []
    sent.fill(2, "e2")
    ((level, text),) = sent.told()
    assert level is NoticeLevel.ERROR
    assert "asked for 3 and 4 have filled" in text
    restarted = Desk("x", A, "next")
    restarted.take_up(recover(sent.desk.records, "x", A).open, 10)
    assert "asked for 3" in (restarted.why_blocked(MarketId("1")) or "")
    cleared = restarted.give_up(sent.key, "the position is as it should be", 11)
    assert cleared is not None
    assert (cleared.status, cleared.booked) == (OrderStatus.FILLED, 4)
    assert restarted.why_blocked(MarketId("1")) is None
    assert recover([*sent.desk.records, *restarted.records], "x", A).open == ()


def test_a_larger_size_that_was_agreed_to_is_no_overfill() -> None:
    sent = Sent()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.desk.change(sent.key, replace(sent.request, size=Decimal(5)), 2)
    sent.hears(OrderStatus.WORKING, doubtful_change=True, reason="no answer")
    assert isinstance(sent.desk.effects[-1], Find)
    # until it is known, the larger size is what limits reckon with
    assert sent.desk.extremes(sent.request.instrument) == (0, 5)
    assert sent.desk.change(sent.key, sent.request, 3) is None
    as_found = replace(sent.request, size=Decimal(5))
    sent.hears(OrderStatus.WORKING, size=Decimal(5), request=as_found)
    sent.fill(5)
    assert (sent.order.request.size, sent.order.status, sent.told()) == (5, OrderStatus.FILLED, [])


def test_a_change_that_never_arrived_leaves_the_order_as_it_was_and_is_told() -> None:
    sent = Sent()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.desk.change(sent.key, replace(sent.request, size=Decimal(5)), 2)
    sent.hears(OrderStatus.WORKING, doubtful_change=True)
    sent.hears(OrderStatus.WORKING, size=Decimal(3), request=sent.request)
    assert (sent.order.request.size, sent.order.status) == (3, OrderStatus.WORKING)
    assert ["did not reach the venue" in text for _, text in sent.told()] == [True]
    assert sent.desk.extremes(sent.request.instrument) == (0, 3)


def test_a_size_that_somebody_else_has_changed_is_kept_as_the_venue_has_it() -> None:
    sent = Sent()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.hears(OrderStatus.WORKING, at=40, size=Decimal(2))
    assert sent.order.request.size == 2
    assert ["not with size 3" in text for _, text in sent.told()] == [True]


def test_a_commission_that_comes_later_is_noted_once_and_changes_no_size() -> None:
    sent = Sent()
    sent.hears(OrderStatus.WORKING, venue_order_id=VenueOrderId("v1"))
    sent.fill(2)
    for _ in range(2):
        sent.fill(2, commission=Decimal("1.00"))
    lines = [line for line in sent.desk.records if line.kind is RecordKind.FILL]
    assert (sent.order.booked, len(lines)) == (2, 2)
