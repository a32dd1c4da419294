"""Once every difference is resolved by its rule, a second comparison with the same venue finds nothing."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from horizon.clock import NANOSECONDS
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    MarketId,
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
from horizon.orders.desk import Desk
from horizon.orders.reconcile import (
    Difference,
    FillMissed,
    Here,
    OrderDiffers,
    OrderGone,
    PositionDiffers,
    Rule,
    compare_fills,
    compare_orders,
    compare_positions,
    name_of,
)

EXCHANGE, ACCOUNT = "venue", AccountId("DU1")
BEGAN, NOW = 1_000 * NANOSECONDS, 5_000 * NANOSECONDS
SIZE = Decimal(10)
NAMES = [f"r-{number}" for number in range(1, 5)]
STRANGERS = ["tws-1", "tws-2"]

statuses = st.sampled_from(
    [OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED, OrderStatus.CANCEL_PENDING, OrderStatus.CANCELED]
)
at_the_venue = st.dictionaries(
    st.sampled_from(NAMES + STRANGERS), st.tuples(statuses, st.integers(0, 10), st.sampled_from([7, 10]))
)
local_states = st.lists(
    st.sampled_from([None, OrderStatus.WORKING, OrderStatus.UNKNOWN, OrderStatus.CANCELED]), min_size=4, max_size=4
)
executions = st.lists(
    st.tuples(st.sampled_from(NAMES + STRANGERS), st.integers(1, 5), st.booleans(), st.sampled_from(["1", "2"])),
    max_size=6,
)
positions = st.dictionaries(st.sampled_from(["1", "2", "3"]), st.integers(-5, 5))


def report(key: str, status: OrderStatus, filled: Decimal = ZERO, size: Decimal = SIZE) -> OrderReport:
    return OrderReport(
        exchange=EXCHANGE,
        account_id=ACCOUNT,
        time=BEGAN,
        status=status,
        client_order_id=ClientOrderId(key),
        venue_order_id=VenueOrderId(f"v-{key}"),
        filled=filled,
        size=size,
    )


class Account:
    """One desk, what is known beside it, and the rules carried out on it."""

    def __init__(self, states: list[OrderStatus | None]) -> None:
        self.desk = Desk(EXCHANGE, ACCOUNT, "r")
        self.seen: set[str] = set()
        self.told: set[str] = set()
        self.agreed: Agreed = agree(BEGAN, {}, [], "")
        for key, state in zip(NAMES, states, strict=True):
            request = OrderRequest(
                market_id=MarketId("1"),
                order_side=OrderSide.BUY,
                size=SIZE,
                price=Decimal(1),
                client_order_id=ClientOrderId(key),
            )
            self.desk.submit([self.desk.complete(request)], BEGAN)
            if state is not None:
                self.desk.apply(report(key, state))

    def compare(self, reports: list[OrderReport], fills: list[Fill], held: list[Position]) -> list[Difference]:
        here = Here(
            since=BEGAN,
            open_orders=self.desk.open_orders(),
            order=lambda key: None if key is None else self.desk.order(key),
            is_ours=lambda key, venue_order_id: key is not None and self.desk.order(key) is not None,
            seen=self.seen,
        )
        found: list[Difference] = [
            *compare_orders(here, reports, read_at=NOW),
            *compare_fills(here, fills, self.agreed, read_at=NOW),
            *compare_positions(self.agreed, fills, held),
        ]
        return [each for each in found if not (each.rule is Rule.WARN and name_of(each) in self.told)]

    def resolve(self, differences: list[Difference], fills: list[Fill], held: list[Position]) -> None:
        for each in differences:
            match each:
                case OrderDiffers(order=order, report=said):
                    self.desk.apply(replace(said, client_order_id=order.client_order_id))
                case OrderGone(order=order):
                    ended = report(order.client_order_id, OrderStatus.CANCELED, order.filled)
                    self.desk.apply(replace(ended, absent=True, venue_order_id=order.venue_order_id))
                case FillMissed(fill=fill):
                    self.seen.add(fill.execution_id)
                    self.desk.book(fill)
                case PositionDiffers():
                    self.agreed = agree(NOW, {row.instrument: row.size for row in held if row.size}, fills, "seen")
                case _:
                    self.told.add(name_of(each))


@given(states=local_states, venue=at_the_venue, traded=executions, holds=positions)
def test_a_second_comparison_finds_nothing_once_every_difference_is_resolved(
    states: list[OrderStatus | None],
    venue: dict[str, tuple[OrderStatus, int, int]],
    traded: list[tuple[str, int, bool, str]],
    holds: dict[str, int],
) -> None:
    reports = [
        report(key, status, Decimal(min(filled, size)), Decimal(size))
        for key, (status, filled, size) in venue.items()
        if status.is_open
    ]
    fills = [
        Fill(
            exchange=EXCHANGE,
            account_id=ACCOUNT,
            execution_id=ExecutionId(f"e{number}"),
            market_id=MarketId(market),
            side=Side.LONG,
            order_side=OrderSide.BUY if bought else OrderSide.SELL,
            size=Decimal(size),
            price=Decimal(1),
            trade_time=BEGAN + NANOSECONDS,
            receive_time=BEGAN + NANOSECONDS,
            client_order_id=ClientOrderId(key),
        )
        for number, (key, size, bought, market) in enumerate(traded)
    ]
    held = [
        Position(exchange=EXCHANGE, account_id=ACCOUNT, market_id=MarketId(market), size=Decimal(size))
        for market, size in holds.items()
    ]
    account = Account(states)
    # what one rule has brought to light (a fill that ends an order) may be another difference: there is an end to it
    for _ in range(3):
        account.resolve(account.compare(reports, fills, held), fills, held)
    assert account.compare(reports, fills, held) == []
    assert account.agreed.after(fills) == {
        instrument(EXCHANGE, MarketId(market), Side.LONG): Decimal(size) for market, size in holds.items() if size
    }
