"""The ledger on small cases worked out by hand."""

from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.accounting import Ledger
from horizon.errors import ConfigurationError
from horizon.model import (
    Account,
    AccountId,
    Balance,
    EventTerms,
    ExecutionId,
    Fill,
    FillKind,
    Market,
    MarketId,
    MarketKind,
    OrderSide,
    Position,
    PriceGrid,
    Side,
)

D = Decimal
ACCOUNT = AccountId("DU1")
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
YES = Market(
    exchange="x",
    market_id=MarketId("10"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01"),
    side=Side.YES,
    event=EventTerms(question="above?", payout=D(1), twin=MarketId("11")),
)
NO = replace(
    YES,
    market_id=MarketId("11"),
    side=Side.NO,
    event=EventTerms(question="above?", payout=D(1), twin=MarketId("10")),
)
S, Y, N = SPY.instrument(), YES.instrument(), NO.instrument()
_executions = iter(range(1_000_000))


def fill(signed: str, price: str, market: Market = SPY, *, commission: str | None = "0", **other: object) -> Fill:
    size = D(signed)
    made = Fill(
        exchange=market.exchange,
        account_id=ACCOUNT,
        execution_id=ExecutionId(str(next(_executions))),
        market_id=market.market_id,
        side=market.side or Side.LONG,
        order_side=OrderSide.BUY if size > 0 else OrderSide.SELL,
        size=abs(size),
        price=D(price),
        multiplier=market.multiplier,
        commission=None if commission is None else D(commission),
        trade_time=0,
        receive_time=0,
    )
    return replace(made, **other) if other else made


def paired() -> Ledger:
    ledger = Ledger()
    ledger.pair(NO, YES)
    return ledger


# -- average cost ----------------------------------------------------------------------------------------------------


def test_purchases_average_their_cost_and_sales_realize_against_it():
    ledger = Ledger()
    ledger.book(fill("10", "100"))
    booked = ledger.book(fill("10", "110"))
    assert booked is not None
    assert (booked.position, booked.average_price, booked.cash, booked.realized) == (20, 105, -1100, 0)
    sold = ledger.book(fill("-5", "120"))
    assert sold is not None
    assert (sold.position, sold.average_price, sold.cash, sold.realized) == (15, 105, 600, 75)
    assert (ledger.position(S), ledger.average_price(S), ledger.realized(S)) == (15, 105, 75)
    assert ledger.cash() == -1000 - 1100 + 600


def test_a_short_position_gains_when_it_is_bought_back_lower():
    ledger = Ledger()
    ledger.book(fill("-10", "100"))
    assert (ledger.position(S), ledger.average_price(S), ledger.cost(S)) == (-10, 100, -1000)
    ledger.book(fill("4", "90"))
    assert (ledger.position(S), ledger.average_price(S), ledger.realized(S)) == (-6, 100, 40)


def test_an_order_that_flips_the_position_opens_the_rest_at_its_own_price():
    ledger = Ledger()
    ledger.book(fill("10", "100"))
    booked = ledger.book(fill("-15", "110"))
    assert booked is not None
    assert (booked.position, booked.average_price, booked.realized) == (-5, 110, 100)


def test_a_flat_position_has_no_average_price_and_no_cost():
    ledger = Ledger()
    ledger.book(fill("3", "100"))
    ledger.book(fill("-3", "101"))
    assert ledger.average_price(S) is None
    assert ledger.cost(S) == 0
    assert ledger.positions() == {}


def test_closing_everything_leaves_no_crumb_of_cost_behind():
    ledger = Ledger()
    ledger.book(fill("1", "0.12345678901234"))
    ledger.book(fill("-1", "0.12345678901234"))
    assert (ledger.cost(S), ledger.realized(S), ledger.cash()) == (0, 0, 0)


def test_money_counts_the_multiplier_and_prices_do_not():
    option = replace(SPY, market_id=MarketId("2"), multiplier=D(100))
    ledger = Ledger()
    ledger.book(fill("2", "1.50", option))
    assert ledger.cash() == -300
    assert ledger.average_price(option.instrument()) == D("1.5")
    ledger.book(fill("-2", "2.00", option))
    assert ledger.realized(option.instrument()) == 100


# -- commissions and repeats -----------------------------------------------------------------------------------------


def test_a_repeated_execution_is_booked_once():
    ledger, execution = Ledger(), fill("10", "100", commission="1.02")
    assert ledger.book(execution) is not None
    assert ledger.book(execution) is None
    assert ledger.book(replace(execution, receive_time=5, commission=D("9"))) is None
    assert (ledger.position(S), ledger.cash(), ledger.fees()) == (10, D("-1001.02"), D("1.02"))


def test_a_commission_that_arrives_later_is_charged_once_and_is_no_new_fill():
    ledger, early = Ledger(), fill("10", "100", commission=None)
    first = ledger.book(early)
    assert first is not None
    assert first.new
    assert first.fee is None
    assert ledger.book(early) is None
    late = ledger.book(replace(early, commission=D("1.02")))
    assert late is not None
    assert not late.new
    assert (late.cash, late.realized, late.fee, late.position) == (0, 0, D("1.02"), 10)
    assert ledger.book(replace(early, commission=D("1.02"))) is None
    assert ledger.book(early) is None
    assert (ledger.position(S), ledger.cash(), ledger.fees()) == (10, D("-1001.02"), D("1.02"))


def test_a_commission_of_zero_is_known_and_a_rebate_adds_to_cash():
    ledger, free = Ledger(), fill("1", "100", commission="0")
    ledger.book(free)
    assert ledger.book(replace(free, commission=D(1))) is None
    ledger.book(fill("1", "100", commission="-0.25"))
    assert (ledger.cash(), ledger.fees()) == (D("-199.75"), D("-0.25"))


def test_the_same_execution_id_at_another_venue_or_account_is_another_execution():
    ledger, one = Ledger(), fill("1", "100")
    ledger.book(one)
    assert ledger.book(replace(one, exchange="y")) is not None
    assert ledger.book(replace(one, account_id=AccountId("DU2"))) is not None


def test_currencies_are_kept_apart():
    ledger = Ledger()
    ledger.book(fill("10", "20", currency="EUR", commission="3", commission_currency="USD"))
    assert (ledger.cash("EUR"), ledger.cash("USD"), ledger.fees("EUR"), ledger.fees("USD")) == (-200, -3, 0, 3)
    assert ledger.equity({S: 21.0}, "EUR") == 10
    assert ledger.equity({}, "USD") == -3


# -- the start -------------------------------------------------------------------------------------------------------


def test_a_ledger_starts_from_positions_and_balances_and_leaves_the_total_row_out():
    account = Account(
        exchange="x",
        account_id=ACCOUNT,
        cash=D(999),
        balances=(
            Balance(currency="BASE", cash=D(160)),
            Balance(currency="USD", cash=D(100)),
            Balance(currency="EUR", cash=D(50)),
        ),
    )
    held = Position(
        exchange="x", account_id=ACCOUNT, market_id=SPY.market_id, size=D(10), average_price=D(90), multiplier=D(1)
    )
    ledger = Ledger()
    ledger.start([held], [account])
    assert (ledger.cash("USD"), ledger.cash("EUR"), ledger.cash("BASE")) == (100, 50, 0)
    ledger.book(fill("-10", "95"))
    assert (ledger.realized(S), ledger.cash("USD")) == (50, 1050)


def test_an_account_without_rows_per_currency_starts_from_its_one_figure():
    ledger = Ledger()
    ledger.start([], [Account(exchange="x", account_id=ACCOUNT, currency="CHF", cash=D(7))])
    assert ledger.cash("CHF") == 7


def test_what_an_opening_position_had_cost_stays_unknown_until_it_is_flat():
    held = Position(exchange="x", account_id=ACCOUNT, market_id=SPY.market_id, size=D(10))
    ledger = Ledger()
    ledger.start([held])
    assert ledger.cost(S) is None
    sold = ledger.book(fill("-4", "100"))
    assert sold is not None
    assert sold.realized is None
    assert ledger.average_price(S) is None
    flipped = ledger.book(fill("-8", "100"))
    assert flipped is not None
    assert (flipped.position, flipped.average_price, flipped.realized) == (-2, 100, None)
    assert ledger.realized(S) == 0
    ledger.book(fill("2", "90"))
    assert ledger.realized(S) == 20


def test_fills_that_the_opening_numbers_hold_already_are_not_booked():
    ledger, known = Ledger(), fill("10", "100")
    ledger.start([Position(exchange="x", account_id=ACCOUNT, market_id=SPY.market_id, size=D(10))], known=[known])
    assert ledger.book(known) is None
    assert ledger.position(S) == 10


def test_a_ledger_with_bookings_is_not_started_again():
    ledger = Ledger()
    ledger.book(fill("1", "1"))
    with pytest.raises(ConfigurationError, match="make a new one"):
        ledger.start()


def test_equity_is_unknown_while_something_held_has_no_price():
    ledger = Ledger()
    ledger.start([], [Account(exchange="x", account_id=ACCOUNT, cash=D(1000))])
    ledger.book(fill("5", "100"))
    assert ledger.equity({}) is None
    assert ledger.equity({S: 101.1}) == D("1005.5")
    ledger.book(fill("-5", "102"))
    assert ledger.equity({}) == 1010


# -- event pairs -----------------------------------------------------------------------------------------------------


def test_buying_the_other_side_turns_pairs_into_their_payout():
    ledger = paired()
    ledger.book(fill("100", "0.52", YES))
    booked = ledger.book(fill("40", "0.49", NO))
    assert booked is not None
    assert (booked.netted, booked.position, booked.cash) == (40, 0, D("-19.6") + 40)
    assert booked.realized == 40 * (1 - D("0.52") - D("0.49"))
    assert (ledger.position(Y), ledger.position(N)) == (60, 0)
    assert ledger.average_price(Y) == D("0.52")
    assert ledger.cash() == D("-52") + D("20.4")
    assert (ledger.realized(Y), ledger.realized(N)) == (D("-0.4"), 0)


def test_an_oversize_purchase_of_the_other_side_flips_the_holding():
    ledger = paired()
    ledger.book(fill("10", "0.60", NO))
    booked = ledger.book(fill("25", "0.41", YES))
    assert booked is not None
    assert (booked.netted, booked.position, booked.average_price) == (10, 15, D("0.41"))
    assert (ledger.position(Y), ledger.position(N)) == (15, 0)


def test_netting_reports_of_the_venue_book_nothing():
    ledger = paired()
    ledger.book(fill("10", "0.60", NO))
    ledger.book(fill("10", "0.41", YES))
    before = ledger.cash()
    assert ledger.book(fill("-10", "1", NO, kind=FillKind.NETTING)) is None
    assert ledger.book(fill("-10", "1", YES, kind=FillKind.NETTING)) is None
    assert ledger.cash() == before == D("10") - D("6") - D("4.1")
    assert ledger.positions() == {}


def test_without_a_pair_both_sides_are_kept():
    ledger = Ledger()
    ledger.book(fill("10", "0.60", NO))
    ledger.book(fill("10", "0.41", YES))
    assert (ledger.position(Y), ledger.position(N)) == (10, 10)
    ledger.pair(YES, NO)
    assert (ledger.position(Y), ledger.position(N), ledger.cash()) == (0, 0, D("-0.1"))


def test_opening_positions_on_both_sides_are_netted_and_their_unknown_cost_realizes_nothing():
    ledger = paired()
    ledger.start(
        [
            Position(exchange="x", account_id=ACCOUNT, market_id=m.market_id, side=m.side or Side.LONG, size=D(s))
            for m, s in ((YES, "7"), (NO, "3"))
        ]
    )
    assert (ledger.position(Y), ledger.position(N), ledger.cash()) == (4, 0, 3)
    assert (ledger.realized(Y), ledger.cost(Y)) == (0, None)


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (YES, SPY, "YES and a NO"),
        (YES, YES, "YES and a NO"),
        (YES, replace(NO, exchange="y"), "twin"),
        (YES, replace(NO, market_id=MarketId("12")), "twin"),
        (YES, replace(NO, event=None), "event terms"),
        (YES, replace(NO, currency="EUR"), "one payout"),
        (YES, replace(NO, event=EventTerms(question="?", payout=D(100), twin=MarketId("10"))), "one payout"),
    ],
)
def test_markets_that_are_not_each_others_twin_make_no_pair(one, other, said):
    with pytest.raises(ConfigurationError, match=said):
        Ledger().pair(one, other)


# -- settlement ------------------------------------------------------------------------------------------------------


def test_settlement_pays_the_side_that_is_right_and_closes_both():
    ledger = paired()
    ledger.book(fill("10", "0.60", NO))
    assert ledger.settle(YES, Side.NO) == 10
    assert (ledger.position(N), ledger.realized(N), ledger.cash()) == (0, 4, 4)
    assert ledger.settle(YES, Side.NO) == 0
    ledger = paired()
    ledger.book(fill("10", "0.60", NO))
    assert ledger.settle(NO, Side.YES) == 0
    assert (ledger.position(N), ledger.realized(N), ledger.cash()) == (0, -6, -6)


def test_a_market_with_one_id_for_both_sides_settles_both():
    both = replace(YES, market_id=MarketId("20"), side=None)
    ledger = Ledger()
    ledger.book(replace(fill("5", "0.5", both), side=Side.YES))
    ledger.book(replace(fill("8", "0.5", both), side=Side.NO))
    assert ledger.settle(both, Side.NO) == 8
    assert ledger.positions() == {}


def test_only_an_event_settles_and_only_to_one_of_its_sides():
    with pytest.raises(ConfigurationError, match="event market"):
        Ledger().settle(SPY, Side.YES)
    with pytest.raises(ConfigurationError, match="YES or NO"):
        Ledger().settle(YES, Side.LONG)
