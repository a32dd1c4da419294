"""The simulator's own books: money and contracts are neither made nor lost, whatever is traded."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.simulator.ledger import Ledger

YES, NO, STOCK = 1, 2, 3
START = Decimal(10_000)
TINY = Decimal("1e-15")

prices = st.integers(2, 99).map(lambda cents: Decimal(cents) / 100)
sizes = st.integers(1, 50).map(Decimal)
purchases = st.lists(st.tuples(st.sampled_from([YES, NO]), sizes, prices), max_size=40)
trades = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool).map(Decimal),
        st.integers(1, 100_000).map(lambda cents: Decimal(cents) / 100),
        st.integers(0, 500).map(lambda cents: Decimal(cents) / 100),
    ),
    max_size=40,
)


def other(side: int) -> int:
    return NO if side == YES else YES


@given(purchases)
def test_netting_leaves_one_side_and_returns_one_dollar_for_each_pair(
    bought: list[tuple[int, Decimal, Decimal]],
) -> None:
    ledger = Ledger(START)
    paid, pairs = Decimal(0), Decimal(0)
    total = {YES: Decimal(0), NO: Decimal(0)}
    for side, size, price in bought:
        held_before = min(ledger.position(other(side)), size)
        ledger.trade(side, size, price)
        netted = ledger.pair_off(side, other(side), Decimal(1))
        assert netted == held_before, "what is netted is the smaller of what was held and what was bought"
        paid, pairs, total[side] = paid + size * price, pairs + netted, total[side] + size
        assert min(ledger.position(YES), ledger.position(NO)) == 0
        assert ledger.position(YES) - ledger.position(NO) == total[YES] - total[NO]
        assert ledger.position(YES) + ledger.position(NO) == total[YES] + total[NO] - 2 * pairs
    assert ledger.cash == START - paid + pairs
    assert_cash_is_explained(ledger)


@given(purchases, st.booleans())
def test_after_the_payout_cash_is_what_was_paid_and_what_was_right(
    bought: list[tuple[int, Decimal, Decimal]], yes_is_right: bool
) -> None:
    netting, holding = Ledger(START), Ledger(START)
    for side, size, price in bought:
        for ledger in (netting, holding):
            ledger.trade(side, size, price)
        netting.pair_off(side, other(side), Decimal(1))
    for ledger in (netting, holding):
        ledger.settle(YES, Decimal(int(yes_is_right)))
        ledger.settle(NO, Decimal(int(not yes_is_right)))
        assert_cash_is_explained(ledger)
        assert not any(held.position for held in ledger.holdings.values())
    assert netting.cash == holding.cash, "netting changes when money comes, not how much"


@given(trades)
def test_cash_changes_by_results_and_by_what_is_tied_up(done: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    ledger = Ledger(START)
    expected_cash, expected_position = START, Decimal(0)
    for signed, price, commission in done:
        ledger.trade(STOCK, signed, price, commission=commission)
        expected_cash -= signed * price + commission
        expected_position += signed
    assert (ledger.cash, ledger.position(STOCK)) == (expected_cash, expected_position)
    assert ledger.commissions == sum((commission for *_, commission in done), Decimal(0))
    assert_cash_is_explained(ledger)


@given(sizes, prices, prices, st.integers(0, 200).map(Decimal))
def test_closing_a_position_realises_the_difference_less_both_commissions(
    size: Decimal, first: Decimal, second: Decimal, commission: Decimal
) -> None:
    for direction in (1, -1):
        ledger = Ledger(START)
        ledger.trade(STOCK, direction * size, first, commission=commission)
        ledger.trade(STOCK, -direction * size, second, commission=commission)
        held = ledger.holding(STOCK)
        assert held.position == 0
        assert abs(held.cost) < TINY
        assert abs(held.realized - (direction * size * (second - first) - 2 * commission)) < TINY


def assert_cash_is_explained(ledger: Ledger) -> None:
    """Cash is the start, plus results so far, less what open positions cost."""
    results = sum((held.realized for held in ledger.holdings.values()), Decimal(0))
    tied_up = sum((held.cost for held in ledger.holdings.values()), Decimal(0))
    assert abs(ledger.cash - (START + results - tied_up)) < TINY * 1000
