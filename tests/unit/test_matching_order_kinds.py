"""The simulated venue's less common order types and times in force, one by one."""

from decimal import Decimal
from typing import Any

import pytest

from horizon.matching import MatchingEngine, NoFees, VenueOutput
from horizon.model import (
    AccountId,
    ClientOrderId,
    Fill,
    Market,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    PriceGrid,
    Quote,
    TimeInForce,
    TradingHours,
    TradingSession,
    Trailing,
    plain,
)

HOUR = 3_600_000_000_000
A = ClientOrderId("a")
BUY, SELL = OrderSide.BUY, OrderSide.SELL
T = OrderType
HOURS = TradingHours(
    timezone="UTC",
    sessions=(
        TradingSession(opens=9 * HOUR, closes=16 * HOUR),
        TradingSession(opens=16 * HOUR, closes=20 * HOUR, regular=False),
        TradingSession(opens=33 * HOUR, closes=40 * HOUR),
    ),
)
SPY = Market(
    exchange="sim",
    market_id=MarketId("1"),
    kind=MarketKind.STOCK,
    symbol="SPY",
    price_grid=PriceGrid.of("0.01"),
    hours=HOURS,
)


@pytest.fixture
def engine() -> MatchingEngine:
    engine = MatchingEngine("sim", fees=NoFees())
    engine.add_market(SPY)
    return engine


def order(side: OrderSide, kind: OrderType, *, name: str = "a", size: int = 10, **more: Any) -> OrderRequest:
    return OrderRequest(
        exchange="sim",
        account_id=AccountId("A"),
        market_id=SPY.market_id,
        client_order_id=ClientOrderId(name),
        order_side=side,
        size=Decimal(size),
        order_type=kind,
        **more,
    )


def quote(bid: float, ask: float, size: float = 100) -> Quote:
    return Quote(SPY.instrument(), 0, bid, ask, size, size)


def fills(out: list[VenueOutput]) -> list[tuple[str, str]]:
    return [(plain(f.size), plain(f.price)) for f in out if isinstance(f, Fill)]


def meet(engine: MatchingEngine, request: OrderRequest, *quotes: tuple[float, float]) -> list[list[tuple[str, str]]]:
    """The fills after each quote; the order is placed at the first."""
    engine.on_quote(quote(*quotes[0]), 10 * HOUR)
    found = [fills(engine.place([request], 10 * HOUR))]
    return found + [fills(engine.on_quote(quote(*each), 10 * HOUR + n)) for n, each in enumerate(quotes[1:], start=1)]


@pytest.mark.parametrize(
    ("request_", "quotes", "filled"),
    [
        (order(BUY, T.MARKET_IF_TOUCHED, stop_price=99), [(100, 101), (99, 100), (98, 99)], ["99"]),
        (order(SELL, T.MARKET_IF_TOUCHED, stop_price=102), [(100, 101), (101, 102), (102, 103)], ["102"]),
        (order(BUY, T.LIMIT_IF_TOUCHED, stop_price=99, price=98), [(100, 101), (98, 99), (97, 98)], ["98"]),
        (order(SELL, T.LIMIT_IF_TOUCHED, stop_price=102, price=103), [(100, 101), (102, 103), (104, 105)], ["103"]),
        (
            order(SELL, T.TRAILING_STOP, trailing=Trailing(amount=Decimal(2))),
            [(100, 101), (105, 106), (103, 104)],
            ["103"],
        ),
        (
            order(BUY, T.TRAILING_STOP, trailing=Trailing(percent=Decimal(1))),
            [(99, 100), (89, 90), (90, 90.9)],
            ["90.9"],
        ),
        (
            order(SELL, T.TRAILING_STOP, trailing=Trailing(amount=Decimal(2)), stop_price=97),
            [(100, 101), (98, 99), (99, 100)],
            ["98"],
        ),
        (order(BUY, T.MIDPRICE), [(100, 102), (100, 101.5), (99.9, 100.5)], ["100.75"]),
        (order(BUY, T.MIDPRICE, price=100), [(100, 102), (99, 100.5), (98, 99.5)], ["99.75"]),
        (order(SELL, T.MIDPRICE), [(100, 102), (101, 103)], ["101"]),
        (order(BUY, T.RELATIVE, limit_offset=Decimal("0.1")), [(100, 102), (99, 100.1)], ["100.1"]),
        (order(SELL, T.RELATIVE), [(100, 102), (102, 104)], ["102"]),
    ],
)
def test_an_order_waits_for_its_condition_and_fills_at_the_price_it_gives(
    engine: MatchingEngine, request_: OrderRequest, quotes: list[tuple[float, float]], filled: list[str]
) -> None:
    by_quote = meet(engine, request_, *quotes)
    last = max(n for n, each in enumerate(by_quote) if each)
    assert [price for each in by_quote for _, price in each] == filled
    assert by_quote[0] == []
    assert last == len(quotes) - (2 if request_.stop_price == 97 else 1)


@pytest.mark.parametrize("price", [{"price": Decimal(97)}, {"limit_offset": Decimal(1)}])
def test_the_limit_of_a_trailing_stop_keeps_its_distance_from_the_trigger(
    engine: MatchingEngine, price: dict[str, Decimal]
) -> None:
    trailing = Trailing(amount=Decimal(2))
    request = order(SELL, T.TRAILING_STOP_LIMIT, trailing=trailing, stop_price=98, **price)
    meets = meet(engine, request, (100, 101), (110, 111), (106, 107), (107, 108))
    assert meets == [[], [], [], [("10", "107")]], "triggered at 108, with its limit at 107"


def test_a_market_on_close_order_fills_at_the_last_quote_whatever_its_size(engine: MatchingEngine) -> None:
    by_quote = meet(engine, order(BUY, T.MARKET_ON_CLOSE, size=1000), (100, 101), (102, 103))
    assert by_quote == [[], []]
    assert engine.is_waiting(A)
    assert fills(engine.expire(16 * HOUR)) == [("1000", "103")]


def test_a_limit_on_close_order_that_the_close_does_not_reach_expires(engine: MatchingEngine) -> None:
    meet(engine, order(SELL, T.LIMIT_ON_CLOSE, price=104), (100, 101), (102, 103))
    assert fills(engine.expire(16 * HOUR)) == []
    found = engine.order(A)
    assert found is not None
    assert found.status is OrderStatus.EXPIRED


def test_an_all_or_none_order_trades_in_one_piece_or_waits(engine: MatchingEngine) -> None:
    engine.on_quote(quote(100, 101, size=5), 10 * HOUR)
    assert fills(engine.place([order(BUY, T.LIMIT, price=102, all_or_none=True)], 10 * HOUR)) == []
    assert fills(engine.on_quote(quote(100, 101.5, size=10), 10 * HOUR + 1)) == [("10", "102")]


def test_an_overnight_order_trades_outside_of_regular_hours_until_the_next_opening(engine: MatchingEngine) -> None:
    engine.place([order(BUY, T.LIMIT, price=101, time_in_force=TimeInForce.OVERNIGHT)], 10 * HOUR)
    engine.place([order(BUY, T.LIMIT, price=90, time_in_force=TimeInForce.OVERNIGHT, name="b")], 10 * HOUR)
    assert fills(engine.on_quote(quote(99, 100), 11 * HOUR)) == []
    assert fills(engine.on_quote(quote(99, 100, size=20), 17 * HOUR)) == [("10", "100")]
    assert engine.expire(33 * HOUR)
    found = engine.order(ClientOrderId("b"))
    assert found is not None
    assert found.status is OrderStatus.EXPIRED


def test_an_overnight_and_day_order_ends_with_the_day_that_follows(engine: MatchingEngine) -> None:
    engine.place([order(BUY, T.LIMIT, price=90, time_in_force=TimeInForce.OVERNIGHT_AND_DAY)], 10 * HOUR)
    assert engine.expire(33 * HOUR) == []
    assert engine.next_expiry == 40 * HOUR


def test_a_change_starts_a_trailing_stop_anew(engine: MatchingEngine) -> None:
    trailing = Trailing(amount=Decimal(2))
    meet(engine, order(SELL, T.TRAILING_STOP, trailing=trailing), (100, 101), (110, 111))
    wider = Trailing(amount=Decimal(5))
    engine.replace(A, order(SELL, T.TRAILING_STOP, trailing=wider, stop_price=90), 11 * HOUR)
    assert fills(engine.on_quote(quote(107, 108), 11 * HOUR)) == [], "it trails from 105 now"
    assert fills(engine.on_quote(quote(105, 106), 11 * HOUR)) == [("10", "105")]


def test_an_execution_that_no_quote_shows_is_booked_also_after_a_cancel_and_beyond_the_size(
    engine: MatchingEngine,
) -> None:
    engine.place([order(BUY, T.LIMIT, price=100)], 10 * HOUR)
    assert fills(engine.execute(A, Decimal(4), Decimal(99), 10 * HOUR)) == [("4", "99")]
    engine.cancel(A, 11 * HOUR, reason="asked for")
    engine.execute(A, Decimal(1), Decimal(99), 12 * HOUR)
    found = engine.order(A)
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.CANCELED, Decimal(5))
    engine.execute(A, Decimal(7), Decimal(98), 12 * HOUR)
    found = engine.order(A)
    assert found is not None
    assert (found.status, found.filled) == (OrderStatus.FILLED, Decimal(12))
    with pytest.raises(LookupError, match="none with the client order id b"):
        engine.execute(ClientOrderId("b"), Decimal(1), Decimal(1), 12 * HOUR)


def test_an_order_can_be_refused_after_it_was_taken(engine: MatchingEngine) -> None:
    engine.place([order(BUY, T.LIMIT, price=100)], 10 * HOUR)
    engine.reject(A, "no shares to borrow", 11 * HOUR)
    found = engine.order(A)
    assert found is not None
    assert (found.status, found.reason) == (OrderStatus.REJECTED, "no shares to borrow")
