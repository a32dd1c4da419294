"""Guards that reckon with orders, cash and the day's result, on a real desk and ledger."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError
from horizon.guards import (
    ActiveOrders,
    AllowedAccounts,
    DailyLoss,
    DuplicateWindow,
    Guard,
    MaxNotional,
    MaxPosition,
    MaxSize,
    OneAtATime,
    ReferencePrice,
    Retirement,
    SettledCash,
    SubAccount,
    Wash,
    check_all,
    default_guards,
    guards_for,
    live_guards,
    require_mandatory,
    with_size,
)
from horizon.model import (
    Account,
    AccountId,
    Availability,
    Balance,
    ClientOrderId,
    EventTerms,
    ExecutionId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    Order,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Position,
    PriceGrid,
    Quote,
    Side,
)
from horizon.orders.desk import Desk
from horizon.orders.moment import Books, Moment

SECOND = 1_000_000_000
DAY = 86_400 * SECOND
NOON = 20_000 * DAY + 17 * 3600 * SECOND
"""At New York."""
ACCOUNT = AccountId("U1")
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
EPD = replace(SPY, market_id=MarketId("2"), symbol="EPD")
SAP = replace(SPY, market_id=MarketId("3"), symbol="SAP", currency="EUR")
ES = replace(SPY, market_id=MarketId("4"), symbol="ES", kind=MarketKind.FUTURE, multiplier=Decimal(50))
EURUSD = replace(SPY, market_id=MarketId("5"), symbol="EUR.USD", kind=MarketKind.FOREX)
YES = Market(
    exchange="x",
    market_id=MarketId("11"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01"),
    side=Side.YES,
    event=EventTerms(question="?", payout=Decimal(1), twin=MarketId("12")),
)
NO = replace(
    YES,
    market_id=MarketId("12"),
    side=Side.NO,
    event=EventTerms(question="?", payout=Decimal(1), twin=MarketId("11")),
)
MARKETS = {market.market_id: market for market in (SPY, EPD, SAP, ES, EURUSD, YES, NO)}


def account(**changes: Any) -> Account:
    rows = (
        Balance(currency="USD", cash=Decimal(10_000), settled_cash=Decimal(8_000)),
        Balance(currency="EUR", cash=Decimal(500), settled_cash=Decimal(500), exchange_rate=Decimal("1.10")),
    )
    return replace(Account(exchange="x", account_id=ACCOUNT, is_live=True, balances=rows), **changes)


class Table:
    """A desk with its books, and prices."""

    def __init__(
        self,
        *,
        held: Sequence[tuple[Market, int, str]] = (),
        known: Sequence[Fill] = (),
        of: Account | None = None,
        now: int = NOON,
    ) -> None:
        self.now = now
        self.desk = Desk("x", ACCOUNT, "run")
        positions = [
            Position(
                exchange="x",
                account_id=ACCOUNT,
                market_id=market.market_id,
                side=market.side or Side.LONG,
                size=Decimal(size),
                average_price=Decimal(price),
                market_price=Decimal(price),
                currency=market.currency,
                multiplier=market.multiplier,
            )
            for market, size, price in held
        ]
        self.books = Books(of or account(), positions, known, now)
        self.quotes: dict[Instrument, Quote] = {}
        self.executions = 0

    def quote(self, market: Market, bid: float | None, ask: float | None, **changes: Any) -> None:
        name = market.instrument()
        self.quotes[name] = replace(Quote(name, self.now, bid, ask), **changes)

    def moment(self, *, replaces: Order | None = None) -> Moment:
        return Moment(self.desk, self.books, MARKETS, self.quotes, now=self.now, replaces=replaces)

    def place(self, request: OrderRequest, *, works: bool = True) -> Order:
        (order,) = self.desk.submit([self.desk.complete(request)], self.now)
        if works:
            self.report(order, OrderStatus.WORKING)
        return self.latest(order)

    def latest(self, order: Order) -> Order:
        found = self.desk.order(order.client_order_id)
        assert found is not None
        return found

    def report(self, order: Order, status: OrderStatus, **more: Any) -> None:
        self.desk.apply(
            OrderReport(
                exchange="x",
                account_id=ACCOUNT,
                time=self.now,
                status=status,
                client_order_id=order.client_order_id,
                **more,
            )
        )

    def fill(self, market: Market, size: int, price: str, *, order: Order | None = None, commission: str = "0") -> None:
        self.executions += 1
        fill = execution(market, size, price, key=f"e{self.executions}", commission=commission, time=self.now)
        if order is not None:
            fill = replace(fill, client_order_id=order.client_order_id)
            self.desk.book(fill)
        self.books.ledger.book(fill)

    def ask(self, guard: Guard, request: OrderRequest, *, replaces: Order | None = None) -> str | None:
        return guard.check(self.desk.complete(request), self.moment(replaces=replaces))


def execution(market: Market, size: int, price: str, *, key: str, commission: str, time: int) -> Fill:
    return Fill(
        exchange="x",
        account_id=ACCOUNT,
        execution_id=ExecutionId(key),
        market_id=market.market_id,
        side=market.side or Side.LONG,
        order_side=OrderSide.BUY if size > 0 else OrderSide.SELL,
        size=Decimal(abs(size)),
        price=Decimal(price),
        currency=market.currency,
        commission_currency=market.currency,
        multiplier=market.multiplier,
        commission=Decimal(commission),
        trade_time=time,
        receive_time=time,
    )


def buy(market: Market, size: object, price: str | None = None, **more: Any) -> OrderRequest:
    return OrderRequest(
        market_id=market.market_id,
        side=market.side or Side.LONG,
        size=Decimal(str(size)),
        price=None if price is None else Decimal(price),
        **{"order_side": OrderSide.BUY, "order_type": OrderType.MARKET if price is None else OrderType.LIMIT, **more},
    )


def sell(market: Market, size: object, price: str | None = None, **more: Any) -> OrderRequest:
    return buy(market, size, price, order_side=OrderSide.SELL, **more)


def cash(market: Market, amount: int, price: str | None = None) -> OrderRequest:
    return replace(buy(market, 1, price), size=Decimal(0), cash_quantity=Decimal(amount))


# -- the day's loss --------------------------------------------------------------------------------------------------


def test_a_day_that_has_lost_its_limit_lets_only_exits_leave_until_the_next_day() -> None:
    table, guard = Table(held=[(SPY, 100, "50")]), DailyLoss(300)
    table.quote(SPY, 47.0, 47.02)
    assert table.ask(guard, buy(SPY, 1, "47")) is None  # 299 below what it was worth
    table.quote(SPY, 46.98, 47.0)
    refusal = table.ask(guard, buy(SPY, 1, "47"))
    assert refusal == "the day has lost 301 USD, and the limit is 300: only exits leave until 2024-10-05 04:00 UTC"
    assert table.ask(guard, sell(SPY, 100, "46")) is None
    assert table.ask(guard, sell(SPY, 101, "46")) is not None


def test_a_recovery_on_the_same_day_does_not_open_trading_again_and_the_next_day_does() -> None:
    table, guard = Table(held=[(SPY, 100, "50")]), DailyLoss(300)
    table.quote(SPY, 40.0, 40.0)
    assert table.ask(guard, buy(SPY, 1, "40")) is not None
    table.quote(SPY, 60.0, 60.0)
    assert "has lost 1000 USD" in str(table.ask(guard, buy(SPY, 1, "60")))
    table.now += DAY
    assert table.ask(guard, buy(SPY, 1, "60")) is None


def test_the_loss_counts_fills_and_commissions_and_what_was_traded_before_the_start() -> None:
    known = [
        execution(SPY, 100, "50", key="k1", commission="1", time=NOON - 60 * SECOND),
        execution(SPY, -100, "49", key="k2", commission="1", time=NOON - 30 * SECOND),
        execution(SPY, -100, "1", key="yesterday", commission="0", time=NOON - DAY),
    ]
    table = Table(known=known)
    assert table.moment().day_profit().by_currency["USD"] == Decimal(-102)
    table.fill(SPY, 10, "50", commission="1")
    table.quote(SPY, 49.0, 49.0)
    assert table.moment().day_profit().by_currency["USD"] == Decimal(-113)
    assert "has lost 113 USD" in str(table.ask(DailyLoss(113), buy(SPY, 1, "49")))


def test_what_was_held_overnight_and_sold_before_the_start_counts_from_its_first_known_price() -> None:
    sold = execution(SPY, -100, "50", key="k", commission="2", time=NOON - 60 * SECOND)
    assert Table(known=[sold]).moment().day_profit().by_currency["USD"] == Decimal(-2)


def test_a_loss_in_another_currency_is_converted_at_the_accounts_rate() -> None:
    table = Table(held=[(SAP, 100, "10")])
    table.quote(SAP, 7.0, 7.0)
    assert "has lost 330 USD" in str(table.ask(DailyLoss(330), buy(SPY, 1, "10")))
    assert table.ask(DailyLoss(331), buy(SPY, 1, "10")) is None


def test_a_loss_that_is_not_known_lets_only_exits_leave() -> None:
    table = Table()
    table.fill(SPY, 10, "50")
    assert "there is no price of x:1:LONG" in str(table.ask(DailyLoss(100), buy(SPY, 1, "50")))
    assert table.ask(DailyLoss(100), sell(SPY, 10, "50")) is None
    without_rate = Table(of=account(balances=(account().balances[0],)))
    without_rate.fill(SAP, 10, "50")
    without_rate.quote(SAP, 49.0, 49.0)
    assert "no rate from EUR to USD" in str(without_rate.ask(DailyLoss(100), buy(SPY, 1, "50")))


def test_what_a_run_neither_trades_nor_quotes_is_worth_what_it_was() -> None:
    table = Table(held=[(SAP, 100, "10")])
    assert table.moment().day_profit().by_currency.get("EUR", 0) == 0
    assert table.moment().day_profit().unpriced == ()


def test_an_event_is_valued_by_its_other_side_where_only_that_one_is_quoted() -> None:
    table = Table(held=[(NO, 100, "0.50")])
    table.quote(YES, 0.69, 0.71)
    assert table.moment().day_profit().by_currency["USD"] == Decimal(-20)


# -- duplicates ------------------------------------------------------------------------------------------------------


def test_an_order_like_one_that_just_left_is_refused_until_the_window_is_over() -> None:
    table, guard = Table(), DuplicateWindow(5)
    first = table.desk.complete(buy(SPY, 10, "50"))
    guard.sent(first, table.now)
    table.now += 3 * SECOND
    refusal = table.ask(guard, buy(SPY, 10, "50"))
    assert refusal is not None
    assert "run-1 is the same (BUY 10 of x:1:LONG) and left 3.0 s ago, less than 5 s" in refusal
    for other in (sell(SPY, 10, "50"), buy(SPY, 11, "50"), buy(SPY, 10, "50.01"), buy(EPD, 10, "50"), buy(SPY, 10)):
        assert table.ask(guard, other) is None
    assert table.ask(guard, replace(first, order_type=first.order_type)) is None, "the order itself, changed back"
    table.now += 2 * SECOND
    assert table.ask(guard, buy(SPY, 10, "50")) is None


# -- reference price -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("availability", [each for each in Availability if each is not Availability.LIVE])
def test_a_quote_that_is_not_live_is_no_reference_unless_it_is_allowed(availability: Availability) -> None:
    table = Table()
    table.quote(SPY, 50.0, 50.0, availability=availability)
    assert f"is {availability}, not LIVE" in str(table.ask(ReferencePrice(), buy(SPY, 1, "50")))
    assert table.ask(ReferencePrice(availability=[availability]), buy(SPY, 1, "50")) is None


def test_an_order_needs_a_quote_that_is_young_enough() -> None:
    table = Table(held=[(SPY, 10, "50")])
    assert "there is no quote" in str(table.ask(ReferencePrice(), buy(SPY, 1, "50")))
    table.quote(SPY, 50.0, 50.0)
    table.now += 30 * SECOND
    assert table.ask(ReferencePrice(30), buy(SPY, 1, "50")) is None
    table.now += SECOND
    assert "31.0 s old, more than 30 s" in str(table.ask(ReferencePrice(30), buy(SPY, 1, "50")))
    assert table.ask(ReferencePrice(30), sell(SPY, 10)) is None, "an exit passes"
    assert table.ask(ReferencePrice(30, limit_orders=False), buy(SPY, 1, "50")) is None
    assert table.ask(ReferencePrice(30, limit_orders=False), buy(SPY, 1)) is not None


# -- active orders, one at a time --------------------------------------------------------------------------------------


def test_the_order_above_the_limit_of_active_orders_is_refused_on_its_side_and_market_only() -> None:
    table, guard = Table(), ActiveOrders(2)
    table.place(buy(SPY, 1, "49"))
    table.place(buy(SPY, 1, "48"), works=False)
    assert "2 BUY orders of x:1:LONG are active, and the limit is 2" in str(table.ask(guard, buy(SPY, 1, "47")))
    assert table.ask(guard, sell(SPY, 1, "60")) is None
    assert table.ask(guard, buy(EPD, 1, "47")) is None


def test_one_at_a_time_waits_for_what_is_in_doubt_and_for_fills_that_are_not_booked() -> None:
    table, guard = Table(), OneAtATime(SPY.instrument())
    order = table.place(buy(SPY, 10, "50"), works=False)
    table.report(order, OrderStatus.UNKNOWN)
    assert "run-1 of x:1:LONG is UNKNOWN and not resolved yet" in str(table.ask(guard, sell(SPY, 1, "50")))
    assert table.ask(guard, buy(EPD, 1, "50")) is None
    assert table.ask(OneAtATime(), buy(SPY, 1, "50")) is not None
    table.report(order, OrderStatus.FILLED, filled=Decimal(10))
    assert "is FILLED and not resolved yet" in str(table.ask(guard, sell(SPY, 1, "50")))
    table.fill(SPY, 10, "50", order=order)
    assert table.ask(guard, sell(SPY, 1, "50")) is None


# -- wash ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("resting", "new", "meets"),
    [
        (sell(SPY, 5, "50"), buy(SPY, 5, "50"), True),
        (sell(SPY, 5, "50"), buy(SPY, 5, "49.99"), False),
        (sell(SPY, 5, "50"), buy(SPY, 5), True),
        (buy(SPY, 5, "50"), sell(SPY, 5, "50.01"), False),
        (buy(SPY, 5, "50"), sell(SPY, 5, "49"), True),
        (buy(SPY, 5, "50"), buy(SPY, 5, "51"), False),
        (sell(SPY, 5, "50"), buy(EPD, 5, "60"), False),
        (sell(SPY, 5, stop_price=Decimal(40), order_type=OrderType.STOP), buy(SPY, 5, "50"), False),
        (buy(YES, 5, "0.60"), buy(NO, 5, "0.41"), True),
        (buy(YES, 5, "0.60"), buy(NO, 5, "0.40"), False),
        (buy(NO, 5, "0.41"), buy(YES, 5, "0.60"), True),
        (buy(YES, 5, "0.60"), buy(YES, 5, "0.60"), False),
    ],
)
def test_an_order_that_would_trade_with_an_own_one_is_refused(
    resting: OrderRequest, new: OrderRequest, meets: bool
) -> None:
    table = Table()
    table.place(resting)
    refusal = table.ask(Wash(), new)
    assert (refusal is not None) is meets
    assert refusal is None or "would trade with the own order run-1" in refusal


def test_buyers_of_both_sides_meet_at_the_payout_where_a_venue_takes_no_fee_for_the_pair() -> None:
    table = Table()
    table.place(buy(YES, 5, "0.60"))
    assert table.ask(Wash(pair_fee=0), buy(NO, 5, "0.40")) is not None
    with pytest.raises(ConfigurationError, match="0 or more"):
        Wash(pair_fee=-1)


def test_the_orders_of_one_bracket_do_not_meet() -> None:
    table = Table()
    entry = table.place(buy(SPY, 5, "50"))
    assert table.ask(Wash(), sell(SPY, 5, "50", parent=entry.client_order_id)) is None


def test_an_order_in_doubt_can_be_met() -> None:
    table = Table()
    table.report(table.place(sell(SPY, 5, "50"), works=False), OrderStatus.UNKNOWN)
    assert table.ask(Wash(), buy(SPY, 5, "50")) is not None


# -- accounts --------------------------------------------------------------------------------------------------------


def test_only_accounts_of_the_list_trade() -> None:
    table = Table()
    assert table.ask(AllowedAccounts("U1", "U2"), buy(SPY, 1, "50")) is None
    assert table.ask(AllowedAccounts("U2"), buy(SPY, 1, "50")) == "account U1 is not one of U2"


@pytest.mark.parametrize("name", ["All", "ALL", "", "Growth", "U1.Core", "my group 1"])
def test_groups_models_and_all_are_no_accounts(name: str) -> None:
    with pytest.raises(ConfigurationError, match="groups, models and All are no accounts"):
        AllowedAccounts("U1", name)


def test_an_allow_list_needs_an_account() -> None:
    with pytest.raises(ConfigurationError, match="found none"):
        AllowedAccounts()


def test_a_master_account_does_not_trade_for_others_unasked() -> None:
    assert "is a master account" in str(Table(of=account(is_master=True)).ask(SubAccount(), buy(SPY, 1, "50")))
    assert Table().ask(SubAccount(), buy(SPY, 1, "50")) is None


# -- cash ------------------------------------------------------------------------------------------------------------


def test_purchases_are_paid_with_what_has_settled_and_is_not_promised_yet() -> None:
    table, guard = Table(), SettledCash()
    assert table.ask(guard, buy(SPY, 80, "100")) is None
    assert "8000.01 USD are needed and 8000 are left" in str(table.ask(guard, buy(SPY, 1, "8000.01")))
    table.place(buy(SPY, 30, "100"))
    table.report(table.place(buy(EPD, 20, "100"), works=False), OrderStatus.UNKNOWN)
    assert table.ask(guard, buy(SPY, 30, "100")) is None
    assert "3100 USD are needed and 3000 are left of 8000 that have settled" in str(
        table.ask(guard, buy(SPY, 31, "100"))
    )
    assert table.ask(SettledCash(unsettled=True), buy(SPY, 50, "100")) is None


def test_a_sale_brings_nothing_that_has_settled_and_a_purchase_is_gone_at_once() -> None:
    table = Table(held=[(SPY, 100, "50")])
    table.fill(SPY, -100, "50", commission="1")
    assert table.books.ledger.settled_at("x") == Decimal(7_999)
    assert table.books.ledger.cash_at("x") == Decimal(14_999)
    table.fill(SPY, 20, "50")
    assert table.books.ledger.settled_at("x") == Decimal(6_999)


def test_purchases_of_the_day_that_have_not_settled_are_taken_from_the_venues_settled_cash() -> None:
    bought = execution(SPY, 100, "60", key="k", commission="0", time=NOON - SECOND)
    table = Table(known=[bought])
    assert table.books.ledger.settled_at("x") == Decimal(2_000)
    assert table.books.ledger.cash_at("x") == Decimal(10_000)


def test_a_partly_filled_order_promises_what_is_not_booked_yet() -> None:
    table = Table()
    order = table.place(buy(SPY, 60, "100"))
    table.fill(SPY, 20, "100", order=order)
    # 2,000 are spent and 4,000 promised of 8,000
    assert table.ask(SettledCash(), buy(EPD, 20, "100")) is None
    assert table.ask(SettledCash(), buy(EPD, "20.01", "100")) is not None


def test_each_currency_is_counted_alone() -> None:
    table, guard = Table(), SettledCash()
    assert table.ask(guard, buy(SAP, 5, "100")) is None
    assert "510 EUR are needed and 500 are left" in str(table.ask(guard, buy(SAP, 5, "102")))
    assert table.ask(guard, sell(EURUSD, 500, "1.1")) is None
    assert "501 EUR are needed" in str(table.ask(guard, sell(EURUSD, 501, "1.1")))
    assert table.ask(guard, buy(EURUSD, 7000, "1.1")) is None
    assert "8800 USD are needed" in str(table.ask(guard, buy(EURUSD, 8000, "1.1")))


def test_a_venue_that_has_not_said_what_has_settled_lets_no_purchase_pass() -> None:
    table = Table(of=account(balances=(Balance(currency="USD", cash=Decimal(10_000)),)))
    assert "has not said how much USD is there and has settled" in str(table.ask(SettledCash(), buy(SPY, 1, "1")))
    assert "0 are left" in str(table.ask(SettledCash(), buy(SAP, 1, "1")))
    assert "no price" in str(Table().ask(SettledCash(), buy(SPY, 1)))


# -- retirement accounts ---------------------------------------------------------------------------------------------


def test_a_retirement_account_is_never_short_borrows_nothing_and_holds_no_partnerships() -> None:
    table, guard = Table(held=[(SPY, 10, "50")]), Retirement()
    assert table.ask(guard, sell(SPY, 10, "50")) is None
    assert "could become -1 (now 10, open orders counted)" in str(table.ask(guard, sell(SPY, 11, "50")))
    assert "8050 USD are needed" in str(table.ask(guard, buy(SPY, 161, "50")))
    assert "EPD is not allowed in a retirement account" in str(table.ask(guard, buy(EPD, 1, "30")))
    assert table.ask(Retirement(prohibited=()), buy(EPD, 1, "30")) is None
    table.place(sell(SPY, 4, "55"))
    assert "could become -1" in str(table.ask(guard, sell(SPY, 7, "50")))


def test_the_exits_of_a_bracket_are_no_shorts() -> None:
    table = Table()
    entry = table.place(buy(SPY, 10, "50"))
    assert table.ask(Retirement(), sell(SPY, 10, "60", parent=entry.client_order_id)) is None


def test_a_future_needs_twice_its_margin_in_settled_cash() -> None:
    table = Table()
    assert "margin of ES is not known" in str(table.ask(Retirement(), buy(ES, 1, "5000")))
    guard = Retirement(futures_margin={"es": 2000})
    assert table.ask(guard, buy(ES, 2, "5000")) is None
    assert table.ask(guard, sell(ES, 2, "5000")) is None
    assert "12000 USD of margin are needed" in str(table.ask(guard, buy(ES, 3, "5000")))
    table.place(buy(ES, 2, "5000"))
    assert table.ask(guard, buy(ES, 1, "5000")) is not None
    long = Table(held=[(ES, 9, "5000")])
    assert long.ask(guard, sell(ES, 9, "5000")) is None, "an exit passes, margin or not"


# -- sizes and money -------------------------------------------------------------------------------------------------


def test_an_event_costs_its_price_and_never_more_than_its_payout() -> None:
    table = Table()
    assert table.ask(MaxNotional(60), buy(YES, 100, "0.60")) is None
    assert "notional 61 USD" in str(table.ask(MaxNotional(60), buy(YES, 100, "0.61")))
    assert table.ask(MaxNotional(100), buy(YES, 100)) is None
    assert "notional 101 USD" in str(table.ask(MaxNotional(100), buy(YES, 101)))


def test_a_price_in_cents_costs_what_the_multiplier_says() -> None:
    # 5,000 bushels quoted in cents: what the venue calls a price magnifier of 100 is in the multiplier
    corn = replace(ES, market_id=MarketId("6"), symbol="ZC", multiplier=Decimal(50))
    table = Table()
    moment = Moment(table.desk, table.books, {corn.market_id: corn}, {}, now=NOON)
    refusal = MaxNotional(20_000).check(table.desk.complete(buy(corn, 1, "450")), moment)
    assert refusal == "notional 22500 USD (1 ZC at 450) is above the limit of 20000"


def test_a_cash_quantity_is_compared_as_money_and_by_the_most_that_it_can_buy() -> None:
    table = Table()
    request = table.desk.complete(cash(SPY, 1000))
    assert "not known, because there is no price" in str(MaxSize(10).check(request, table.moment()))
    assert "not known, because there is no price" in str(MaxPosition(10).check(request, table.moment()))
    assert "cash quantity of SPY" in str(MaxNotional(999).check(request, table.moment()))
    table.quote(SPY, 100.0, 100.5)
    sized = with_size(request, table.quotes[SPY.instrument()], SPY)
    assert (sized.size, sized.size_is_estimated) == (Decimal(10), True)
    assert MaxSize(10).check(sized, table.moment()) is None
    assert MaxSize(9).check(sized, table.moment()) is not None
    assert with_size(request, None, SPY) is request
    assert with_size(cash(SPY, 1000, "50"), None, SPY).size == 20


# -- changes of orders -----------------------------------------------------------------------------------------------


def test_the_total_of_a_change_is_not_counted_on_top_of_what_has_filled() -> None:
    table, guard = Table(), MaxPosition(100)
    order = table.place(buy(SPY, 100, "50"))
    table.fill(SPY, 60, "50", order=order)
    order = table.latest(order)
    assert table.ask(guard, replace(order.request, price=Decimal(51)), replaces=order) is None
    assert "could become 101" in str(table.ask(guard, replace(order.request, size=Decimal(101)), replaces=order))
    table.report(order, OrderStatus.PARTIALLY_FILLED, filled=Decimal(70))
    assert table.ask(guard, order.request, replaces=table.latest(order)) is None


def test_a_change_that_may_have_happened_counts_at_its_worst() -> None:
    table = Table()
    order = table.place(buy(SPY, 10, "50"))
    table.desk.change(order.client_order_id, replace(order.request, size=Decimal(90), price=Decimal(55)), table.now)
    assert table.moment().worst_case(SPY.instrument()) == (0, 90)
    assert "could become 101" in str(table.ask(MaxPosition(100), buy(SPY, 11, "50")))
    assert table.ask(Wash(), sell(SPY, 5, "54")) is not None
    table.report(order, OrderStatus.WORKING, refused_change=True)
    assert table.moment().worst_case(SPY.instrument()) == (0, 10)
    assert table.ask(Wash(), sell(SPY, 5, "54")) is None


# -- sets of guards --------------------------------------------------------------------------------------------------


def test_a_live_account_names_the_limits_that_nobody_has_set() -> None:
    with pytest.raises(ConfigurationError, match="max_size, max_notional, max_position, daily_loss"):
        require_mandatory(None, "U1")
    with pytest.raises(ConfigurationError, match=r"not set: daily_loss;"):
        require_mandatory(default_guards(), "U1")
    guards = live_guards(max_size=1, max_notional=2, max_position=3, max_daily_loss=4)
    require_mandatory(guards, "U1")
    assert "reference_price" in {guard.name for guard in guards}


def test_an_account_adds_the_guards_it_demands_and_takes_none_away() -> None:
    own: list[Guard] = [MaxSize(1), ReferencePrice(5), Retirement(prohibited=["X"])]
    everything = account(is_live=None, is_retirement=True, is_master=True)
    assert [guard.name for guard in guards_for(everything, [])] == ["reference_price", "retirement", "sub_account"]
    assert guards_for(everything, own)[:3] == tuple(own)
    assert [guard.name for guard in guards_for(everything, own)[3:]] == ["sub_account"]
    assert guards_for(account(is_live=False), own) == tuple(own)


def test_a_guard_on_a_group_sees_what_was_let_through_before() -> None:
    table = Table()
    first = table.desk.complete(buy(SPY, 60, "50"))
    moment = Moment(table.desk, table.books, MARKETS, {}, now=NOON, leaving=[first])
    second = replace(first, client_order_id=ClientOrderId("second"))
    assert check_all([MaxPosition(100)], second, moment) is not None
    assert check_all([SettledCash()], replace(second, size=Decimal(101)), moment) is not None
    assert check_all([ActiveOrders(1)], second, moment) is not None
