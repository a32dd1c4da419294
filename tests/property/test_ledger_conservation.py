"""What no sequence of fills, repeats and nettings may change."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from horizon.accounting import Ledger
from horizon.model import (
    AccountId,
    EventTerms,
    ExecutionId,
    Fill,
    FillKind,
    Market,
    MarketId,
    MarketKind,
    OrderSide,
    PriceGrid,
    Side,
)

D = Decimal
PAYOUT = D(1)


def _market(market_id: str, side: Side, twin: str | None, multiplier: str = "1") -> Market:
    return Market(
        exchange="x",
        market_id=MarketId(market_id),
        kind=MarketKind.EVENT if twin else MarketKind.STOCK,
        symbol=market_id,
        price_grid=PriceGrid.of("0.01"),
        side=side,
        multiplier=D(multiplier),
        event=EventTerms(question="?", payout=PAYOUT, twin=MarketId(twin)) if twin else None,
    )


YES, NO = _market("yes", Side.YES, "no"), _market("no", Side.NO, "yes")
STOCK, OPTION = _market("stock", Side.LONG, None), _market("option", Side.LONG, None, "100")
INSTRUMENTS = [market.instrument() for market in (YES, NO, STOCK, OPTION)]

cents = st.decimals(min_value="0.01", max_value="999.99", places=2)
event_prices = st.decimals(min_value="0.01", max_value="0.99", places=2)
sizes = st.one_of(st.integers(1, 300).map(D), st.decimals(min_value="0.0001", max_value="99", places=4))
commissions = st.none() | st.decimals(min_value="-1", max_value="5", places=4)


@st.composite
def fills(draw: st.DrawFn, *, events_only: bool = False) -> list[Fill]:
    """Executions with ids of their own: purchases only of events, both directions elsewhere."""
    made = []
    for number in range(draw(st.integers(1, 12))):
        market = draw(st.sampled_from([YES, NO] if events_only else [YES, NO, STOCK, OPTION]))
        event = market.event is not None
        made.append(
            Fill(
                exchange="x",
                account_id=AccountId("A"),
                execution_id=ExecutionId(str(number)),
                market_id=market.market_id,
                side=market.side or Side.LONG,
                order_side=OrderSide.BUY if event else draw(st.sampled_from(OrderSide)),
                size=draw(sizes),
                price=draw(event_prices if event else cents),
                multiplier=market.multiplier,
                commission=draw(commissions),
                commission_currency=draw(st.sampled_from(["USD", "EUR"])),
                trade_time=number,
                receive_time=number,
            )
        )
    return made


def _booked(reports: list[Fill]) -> Ledger:
    ledger = Ledger()
    ledger.pair(YES, NO)
    for report in reports:
        ledger.book(report)
    return ledger


def _state(ledger: Ledger) -> tuple[object, ...]:
    return ledger.positions(), ledger.cash("USD"), ledger.cash("EUR"), ledger.fees("USD"), ledger.fees("EUR")


def _at(ledger: Ledger, winner: Side) -> Decimal:
    """Cash once the event has been decided."""
    ledger.settle(YES, winner)
    return ledger.cash()


@given(fills())
def test_cash_plus_cost_is_what_was_realized_less_fees_to_the_last_digit(reports):
    ledger = Ledger()
    ledger.pair(YES, NO)
    realized = D(0)
    for report in reports:
        booked = ledger.book(report)
        assert booked is not None
        assert booked.realized is not None
        realized += booked.realized
        cost = sum((ledger.cost(name) or D(0) for name in INSTRUMENTS), D(0))
        assert realized == sum((ledger.realized(name) for name in INSTRUMENTS), D(0))
        assert ledger.cash("USD") + cost == realized - ledger.fees("USD")
        assert ledger.cash("EUR") == -ledger.fees("EUR")


@given(fills())
def test_what_a_booking_reports_adds_up_to_the_cash_that_moved(reports):
    ledger = Ledger()
    ledger.pair(YES, NO)
    for report in reports:
        before = ledger.cash("USD"), ledger.cash("EUR")
        booked = ledger.book(report)
        assert booked is not None
        paid = {"USD": D(0), "EUR": D(0)}
        paid[report.commission_currency] = booked.fee or D(0)
        assert ledger.cash("USD") - before[0] == booked.cash - paid["USD"]
        assert ledger.cash("EUR") - before[1] == -paid["EUR"]


@given(fills(), st.randoms(use_true_random=False))
def test_repeats_and_late_commissions_in_any_order_end_in_the_same_place(reports, chance):
    shuffled = [report for report in reports for _ in range(chance.randint(1, 3))]
    shuffled += [replace(report, commission=None) for report in reports if chance.random() < 0.5]
    chance.shuffle(shuffled)
    once, often = _booked(reports), _booked(shuffled)
    assert _state(often) == _state(once)
    before = _state(often)
    assert [often.book(report) for report in shuffled] == [None] * len(shuffled)
    assert _state(often) == before


@given(fills(events_only=True))
def test_both_sides_of_an_event_are_never_held_at_once(reports):
    ledger = Ledger()
    ledger.pair(YES, NO)
    bought = {YES.instrument(): D(0), NO.instrument(): D(0)}
    for report in reports:
        ledger.book(report)
        bought[report.instrument] += report.size
        yes, no = ledger.position(YES.instrument()), ledger.position(NO.instrument())
        assert min(yes, no) == 0
        assert yes - no == bought[YES.instrument()] - bought[NO.instrument()]


@given(fills(events_only=True), st.sampled_from([Side.YES, Side.NO]))
def test_netting_changes_the_value_at_neither_outcome(reports, winner):
    apart = Ledger()
    for report in reports:
        apart.book(report)
    by_hand = sum((report.money for report in reports), D(0)) - apart.fees()
    by_hand += sum((report.size for report in reports if report.side is winner), D(0)) * PAYOUT
    netted = _booked(reports)
    assert _at(netted, winner) == by_hand
    apart.settle(NO, winner)
    apart.settle(YES, winner)
    assert apart.cash() == by_hand


@given(fills(events_only=True), st.sampled_from([Side.YES, Side.NO]))
def test_after_settlement_everything_has_been_realized(reports, winner):
    ledger = _booked(reports)
    ledger.settle(YES, winner)
    realized = ledger.realized(YES.instrument()) + ledger.realized(NO.instrument())
    assert ledger.positions() == {}
    assert ledger.cash() == realized - ledger.fees()


@given(fills(), fills())
def test_netting_reports_of_the_venue_never_change_anything(reports, noise):
    venue_netting = [
        replace(report, kind=FillKind.NETTING, execution_id=ExecutionId(f"n{i}")) for i, report in enumerate(noise)
    ]
    assert (
        _state(_booked(reports + venue_netting)) == _state(_booked(venue_netting + reports)) == _state(_booked(reports))
    )
