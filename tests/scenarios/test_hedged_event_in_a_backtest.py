"""Core, guards, ledger, hedge model and strategy together, against the matching engine on a made-up day."""

import random
import statistics
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.engine.core import Core
from horizon.engine.replay import simulate
from horizon.guards import MaxPosition, default_guards
from horizon.hedging import CallSpreadDelta, DigitalDelta
from horizon.matching import FeesByKind, MatchingEngine, PerShare
from horizon.model import (
    Account,
    AccountId,
    EventTerms,
    Fill,
    Market,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderStatus,
    PriceGrid,
    Quote,
    Side,
    Start,
)
from horizon.strategies import HedgeStrategy

D = Decimal
SECOND = 1_000_000_000
CLOSE = datetime(2026, 11, 20, 21, tzinfo=UTC)
OPEN = int((CLOSE - timedelta(hours=6)).timestamp()) * SECOND
VOLATILITY = 0.15
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
YES = Market(
    exchange="x",
    market_id=MarketId("10"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01", lowest="0.02", highest="0.99"),
    side=Side.YES,
    event=EventTerms(
        question="S&P 500 above 6000 at the close?",
        payout=D(1),
        twin=MarketId("11"),
        threshold=D(6000),
        release_time=CLOSE,
    ),
)
NO = replace(
    YES, market_id=MarketId("11"), side=Side.NO, event=replace(YES.event, twin=MarketId("10")) if YES.event else None
)


class Permissive:
    """A venue's rules that refuse nothing: what is refused here comes from the guards."""

    name = "x"

    def check(self, request: OrderRequest, market: Market) -> None:
        return None


class Watched(HedgeStrategy):
    """Keeps what it is told, and how much was open in a market whenever something happened."""

    def __init__(self, **options):
        super().__init__(**options)
        self.fills: list[Fill] = []
        self.refused: list[str] = []
        self.most_open = 0

    def on_quote(self, ctx, quote):
        super().on_quote(ctx, quote)
        self.most_open = max(self.most_open, len(ctx.orders(quote.instrument)))

    def on_fill(self, ctx, fill):
        self.fills.append(fill)
        super().on_fill(ctx, fill)

    def on_order(self, ctx, order):
        if order.status is OrderStatus.REJECTED:
            self.refused.append(order.reason)
        super().on_order(ctx, order)


def a_day(seed: int, event: Market) -> list[Quote]:
    """A quote of share and event every 20 s until five minutes before the close; event prices by NormalDist."""
    chance, price, quotes = random.Random(seed), 600.0, []
    year = 365 * 24 * 3600.0
    for seconds in range(0, 6 * 3600 - 300, 20):
        left = 6 * 3600 - seconds
        price *= 1 + chance.gauss(0, VOLATILITY * (20 / year) ** 0.5)
        z = (price / 600 - 1) / (VOLATILITY * (left / year) ** 0.5)
        yes = min(max(statistics.NormalDist().cdf(z), 0.03), 0.97)
        fair = yes if event.side is Side.YES else 1 - yes
        now = OPEN + seconds * SECOND
        quotes.append(Quote(SPY.instrument(), now, round(price - 0.01, 2), round(price + 0.01, 2), 400.0, 400.0))
        quotes.append(Quote(event.instrument(), now, round(fair - 0.01, 2), round(fair + 0.01, 2), 300.0, 300.0))
    return quotes


def run(seed: int, event: Market = YES, *, guards=None, **options) -> tuple[Core, Watched, list[Quote]]:
    quotes = a_day(seed, event)
    options = {"model": CallSpreadDelta(volatility=VOLATILITY, half_width=1.5, ratio=10), **options}
    strategy = Watched(event="EVT", stock="SPY", contracts=1000, side=event.side, band=20, cap=800, **options)
    core = Core(strategy, profiles={"x": Permissive()}, guards=default_guards() if guards is None else guards)
    matching = MatchingEngine("x", fees=FeesByKind(kinds={MarketKind.STOCK: PerShare()}))
    for market in (SPY, event):
        matching.add_market(market)
    account = Account(exchange="x", account_id=AccountId("A"), cash=D(1_000_000))
    start = Start(time=OPEN, run_id="r", markets={"event": event, "stock": SPY}, accounts=(account,))
    simulate(core, start, quotes, matching, latency=SECOND // 10)
    assert core.failure is None, core.log
    return core, strategy, quotes


@pytest.mark.parametrize("event", [YES, NO], ids=["yes", "no"])
def test_the_contracts_are_bought_and_stay_hedged(event):
    core, strategy, _ = run(3, event)
    assert core.position(event.instrument()) == 1000
    sold = [fill for fill in strategy.fills if fill.instrument == SPY.instrument()]
    assert len(sold) > 10
    assert sold[0].order_side is (OrderSide.SELL if event is YES else OrderSide.BUY)
    assert strategy.refused == []
    assert strategy.most_open == 1
    assert abs(strategy.hedge_error) < 60
    assert 0 < strategy.max_hedge_error < 500


def test_the_ledger_agrees_with_its_fills_to_the_cent():
    core, strategy, _ = run(3)
    money = sum((fill.money - (fill.commission or 0) for fill in strategy.fills), D(0))
    assert core.ledger.cash() == D(1_000_000) + money
    assert core.ledger.fees() == sum((fill.commission or 0 for fill in strategy.fills), D(0)) > 0
    for instrument in (SPY.instrument(), YES.instrument()):
        held = sum((fill.signed_size for fill in strategy.fills if fill.instrument == instrument), D(0))
        assert core.position(instrument) == held


def test_hedging_takes_away_most_of_the_variance():
    alone, hedged = [], []
    for seed in range(12):
        core, strategy, quotes = run(seed)
        last = {quote.instrument: quote.mid for quote in quotes}
        entry = sum(fill.money for fill in strategy.fills if fill.instrument == YES.instrument())
        alone.append(float(entry) + 1000 * last[YES.instrument()])
        hedged.append(float(core.ledger.equity(last) + core.ledger.fees() - 1_000_000))
    assert statistics.pvariance(hedged) < 0.25 * statistics.pvariance(alone)


def test_the_same_events_give_the_same_run():
    one, other = run(5)[1], run(5)[1]
    assert one.fills == other.fills
    assert one.max_hedge_error == other.max_hedge_error


def test_a_guard_that_refuses_the_hedge_leaves_it_undone_and_says_so():
    core, _, _ = run(3, guards=[MaxPosition(1000), *default_guards()])
    assert core.log == []
    core, _, _ = run(3, guards=[_NoStock()], model=DigitalDelta(volatility=VOLATILITY, ratio=10))
    assert core.position(SPY.instrument()) == 0
    assert "no_stock: not today" in core.log[0][1]
    assert len(core.log) < 100


class _NoStock:
    name = "no_stock"

    def check(self, request, view):
        return "not today" if request.instrument == SPY.instrument() else None

    def sent(self, request, now):
        assert request.instrument != SPY.instrument()
