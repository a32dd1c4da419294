"""A core on recorded quotes against the matching engine: no look-ahead, and answers take their time."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from horizon.engine.core import Core
from horizon.engine.replay import simulate
from horizon.matching import MatchingEngine, NoFees
from horizon.model import Account, AccountId, Fill, Market, Order, OrderStatus, Quote, Start, TimerFired
from horizon.strategy import Context, Strategy

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


class Probe(Strategy):
    """Buys 1 at the ask of the first quote and writes down when it sees what."""

    markets = {"spy": "SPY"}

    def __init__(self) -> None:
        self.seen: list[tuple[float, str]] = []
        self.bought = False

    def note(self, ctx: Context, what: str) -> None:
        self.seen.append(((ctx.now - T0) / SECOND, what))

    def on_start(self, ctx: Context) -> None:
        ctx.set_timer("beat", every=1.5)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.note(ctx, f"quote {quote.ask}")
        if not self.bought:
            self.bought = True
            ctx.buy(ctx.market("spy"), 1, price=quote.ask)

    def on_order(self, ctx: Context, order: Order) -> None:
        self.note(ctx, str(order.status))

    def on_fill(self, ctx: Context, fill: Fill) -> None:
        self.note(ctx, f"fill at {fill.price}")

    def on_timer(self, ctx: Context, timer: TimerFired) -> None:
        self.note(ctx, timer.name)


def run(spy: Market, venue: Any, latency: int, asks: list[float]) -> Probe:
    strategy = Probe()
    core = Core(strategy, profiles={"scripted": venue.profile}, guards=[])
    matching = MatchingEngine("scripted", fees=NoFees())
    matching.add_market(spy)
    start = Start(
        time=T0,
        run_id="r",
        markets={"spy": spy},
        accounts=(Account(exchange="scripted", account_id=AccountId("A"), cash=Decimal(1000)),),
    )

    def quotes() -> Iterator[Quote]:
        for number, ask in enumerate(asks):
            quote = Quote(spy.instrument(), T0 + number * SECOND, ask - 0.02, ask, 10.0, 10.0)
            # whatever has happened so far happened before this quote is drawn
            assert all(moment <= number for moment, _ in strategy.seen)
            yield quote

    simulate(core, start, quotes(), matching, latency=latency)
    return strategy


def test_without_latency_an_order_meets_the_quote_it_saw(spy: Market, scripted_venue: Any) -> None:
    seen = run(spy, scripted_venue, 0, [100.00, 101.00]).seen
    assert (0.0, "fill at 100") in seen


def test_with_latency_an_order_meets_the_market_as_it_is_when_it_arrives(spy: Market, scripted_venue: Any) -> None:
    """Sent at 0 s, there at 1.2 s: the ask has left the limit behind, so the order rests until 3 s."""
    seen = run(spy, scripted_venue, int(1.2 * SECOND), [100.00, 101.00, 101.00, 99.50, 99.50, 99.50]).seen
    fills = [(moment, what) for moment, what in seen if what.startswith("fill")]
    assert len(fills) == 1
    assert fills[0][0] == 4.2  # matched at 3 s, known 1.2 s later


def test_timers_fire_between_quotes_at_their_own_time(spy: Market, scripted_venue: Any) -> None:
    seen = run(spy, scripted_venue, 0, [100.0, 100.0, 100.0, 100.0]).seen
    assert [moment for moment, what in seen if what == "beat"] == [1.5]


def test_time_never_goes_back(spy: Market, scripted_venue: Any) -> None:
    seen = run(spy, scripted_venue, SECOND // 2, [100.0, 99.0, 98.0, 97.0, 100.0])
    moments = [moment for moment, _ in seen.seen]
    assert moments == sorted(moments)
    assert OrderStatus.FILLED in {what for _, what in seen.seen}
