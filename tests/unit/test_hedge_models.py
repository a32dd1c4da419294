"""The four hedge models: what they refuse, when they have no answer, and that NO is the mirror of YES."""

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from horizon.errors import ConfigurationError
from horizon.hedging import (
    CallSpreadDelta,
    DigitalDelta,
    DigitalTerms,
    MinimumVariance,
    TwoState,
    call_spread_shares,
    digital_shares,
    digital_value,
)
from horizon.model import EventTerms, Market, MarketId, MarketKind, PriceGrid, Quote, Side

RELEASE = datetime(2026, 11, 20, 21, tzinfo=UTC)
SPY = Market(
    exchange="x", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
TERMS = EventTerms(
    question="above 6000?", payout=Decimal(1), threshold=Decimal(6000), strike=Decimal(6000), release_time=RELEASE
)
YES = Market(
    exchange="x",
    market_id=MarketId("10"),
    kind=MarketKind.EVENT,
    symbol="EVT",
    price_grid=PriceGrid.of("0.01"),
    side=Side.YES,
    event=TERMS,
)
NO = replace(YES, market_id=MarketId("11"), side=Side.NO)
ORDINAL = replace(YES, event=replace(TERMS, threshold=None, strike=Decimal(3), strike_label="JB Pritzker"))
DAY_BEFORE = int((RELEASE - timedelta(days=1)).timestamp()) * 1_000_000_000


def stock(mid: float, time: int = 0) -> Quote:
    return Quote(SPY.instrument(), time, mid - 0.01, mid + 0.01)


def event(mid: float, time: int = 0, market: Market = YES) -> Quote:
    return Quote(market.instrument(), time, mid - 0.01, mid + 0.01)


def prepared(model, market=YES, hedge=SPY):
    model.prepare(market, market.side, hedge)
    return model


def test_the_digital_model_counts_time_to_the_release_and_prices_in_the_etf():
    model = prepared(DigitalDelta(volatility=0.15, ratio=10))
    found = model.shares(Decimal(1000), None, stock(601), DAY_BEFORE)
    value = digital_value(DigitalTerms(threshold=6000, ratio=10), 601, 0.15, 1 / 365)
    assert float(found) == pytest.approx(digital_shares(1000, value), rel=1e-9)
    assert found < -10


def test_without_a_release_time_the_last_trade_time_counts():
    model = prepared(DigitalDelta(volatility=0.15, ratio=10))
    other = prepared(
        DigitalDelta(volatility=0.15, ratio=10),
        replace(YES, event=replace(TERMS, release_time=None, last_trade_time=RELEASE)),
    )
    answers = {m.shares(Decimal(1000), None, stock(601), DAY_BEFORE) for m in (model, other)}
    assert len(answers) == 1


def test_the_spread_model_stays_within_its_ramp_in_the_last_second():
    model = prepared(CallSpreadDelta(volatility=0.15, half_width=1, ratio=10))
    found = model.shares(Decimal(1000), None, stock(600), DAY_BEFORE)
    expected = call_spread_shares(DigitalTerms(threshold=6000, ratio=10), 1000, 1, 600, 0.15, 1 / 365)
    assert float(found) == pytest.approx(expected, rel=1e-9)
    last_second = DAY_BEFORE + 86_399 * 1_000_000_000
    assert model.shares(Decimal(1000), None, stock(600), last_second) == pytest.approx(-500, rel=1e-3)
    digital = prepared(DigitalDelta(volatility=0.15, ratio=10))
    assert abs(digital.shares(Decimal(1000), None, stock(600), last_second)) > 5000


@pytest.mark.parametrize(
    "model", [DigitalDelta(volatility=0.2, ratio=10), CallSpreadDelta(volatility=0.2, half_width=5, ratio=10)]
)
class TestAModelOfAPriceLevel:
    def test_refuses_an_event_whose_strike_only_counts_the_outcomes(self, model):
        with pytest.raises(ConfigurationError, match=r"JB Pritzker.*without a threshold"):
            prepared(model, ORDINAL)

    def test_refuses_a_market_that_is_no_event(self, model):
        with pytest.raises(ConfigurationError, match="expected an event market"):
            model.prepare(SPY, Side.LONG, SPY)

    def test_refuses_an_event_without_a_moment_of_its_outcome(self, model):
        with pytest.raises(ConfigurationError, match="release time"):
            prepared(model, replace(YES, event=replace(TERMS, release_time=None)))

    def test_has_no_answer_without_a_price(self, model):
        prepared(model)
        assert model.shares(Decimal(1), None, None, DAY_BEFORE) is None
        assert model.shares(Decimal(1), None, Quote(SPY.instrument(), 0, 600.0, None), DAY_BEFORE) is None

    def test_holds_for_no_what_it_holds_for_yes_with_the_other_sign(self, model):
        prepared(model)
        yes = model.shares(Decimal(500), None, stock(602), DAY_BEFORE)
        assert model.shares(Decimal(-500), None, stock(602), DAY_BEFORE) == -yes
        assert yes < 0

    def test_needs_fewer_contracts_of_a_hedge_with_a_multiplier(self, model):
        prepared(model)
        shares = model.shares(Decimal(500), None, stock(602), DAY_BEFORE)
        prepared(model, YES, replace(SPY, multiplier=Decimal(50)))
        assert float(model.shares(Decimal(500), None, stock(602), DAY_BEFORE)) == pytest.approx(float(shares) / 50)


def test_a_spread_that_does_not_fit_below_the_strike_is_refused_before_trading():
    with pytest.raises(ConfigurationError, match="half width"):
        prepared(CallSpreadDelta(volatility=0.2, half_width=600, ratio=10))


def test_the_two_state_model_holds_the_same_at_every_quote():
    model = prepared(TwoState(price_up=610, price_down=590))
    assert model.shares(Decimal(1000), None, None, 0) == -50
    assert model.shares(Decimal(-1000), event(0.4), stock(600), 9) == 50
    assert model.shares(Decimal(0), None, None, 0) == 0


def test_the_two_state_model_needs_fewer_contracts_of_a_hedge_with_a_multiplier():
    model = prepared(TwoState(price_up=6100, price_down=5900), YES, replace(SPY, multiplier=Decimal(5)))
    assert model.shares(Decimal(1000), None, None, 0) == -1


def test_two_states_with_one_price_are_refused_when_the_model_is_made():
    with pytest.raises(ConfigurationError, match="different share prices"):
        TwoState(price_up=600, price_down=600)


def _walk(model, market, held, moves=200):
    """Feed common moves with a slope of 0.02 per unit of price, plus noise; the last answer."""
    chance = random.Random(7)
    price, answer = 600.0, None
    for time in range(1, moves):
        price += chance.gauss(0, 0.2)
        yes = 0.5 + 0.02 * (price - 600) + chance.gauss(0, 0.0005)
        quote = event(yes if market.side is Side.YES else 1 - yes, time, market)
        answer = model.shares(held, quote, stock(price, time), time)
    return answer


def test_the_minimum_variance_model_finds_the_slope_of_the_moves():
    model = prepared(MinimumVariance(warm_up=30))
    assert float(_walk(model, YES, Decimal(1000))) == pytest.approx(-20, rel=0.05)
    assert model.effectiveness == pytest.approx(0.97, abs=0.03)


def test_the_minimum_variance_of_no_is_found_from_the_quotes_of_no():
    found = _walk(prepared(MinimumVariance(warm_up=30), NO), NO, Decimal(-1000))
    assert float(found) == pytest.approx(20, rel=0.05)


def test_the_minimum_variance_model_has_no_answer_before_it_is_warm():
    model = prepared(MinimumVariance(warm_up=30))
    assert _walk(model, YES, Decimal(1000), moves=31) is None
    assert model.moves.count == 29
    assert MinimumVariance().effectiveness is None
    assert _walk(prepared(MinimumVariance(warm_up=30)), YES, Decimal(1000), moves=32) is not None


def test_a_move_is_counted_only_when_both_quotes_are_new_and_whole():
    model = prepared(MinimumVariance(warm_up=2))
    model.shares(Decimal(1), event(0.5, 1), stock(600, 1), 1)
    model.shares(Decimal(1), event(0.5, 1), stock(601, 2), 2)
    model.shares(Decimal(1), event(0.6, 3), stock(600, 1), 3)
    model.shares(Decimal(1), Quote(YES.instrument(), 4, None, 0.6), stock(601, 4), 4)
    model.shares(Decimal(1), None, stock(601, 4), 4)
    assert model.moves.count == 0
    model.shares(Decimal(1), event(0.52, 5), stock(601, 5), 5)
    assert model.moves.count == 1


def test_a_share_that_does_not_move_gives_no_answer():
    model = prepared(MinimumVariance(warm_up=2))
    for time in range(1, 10):
        assert model.shares(Decimal(1), event(0.5 + time / 100, time), stock(600, time), time) is None


@pytest.mark.parametrize(
    "make",
    [
        lambda: MinimumVariance(warm_up=1),
        lambda: MinimumVariance(ridge=-1),
        lambda: MinimumVariance(half_life=0),
        lambda: DigitalDelta(volatility=0),
        lambda: DigitalDelta(volatility=0.2, ratio=-1),
        lambda: CallSpreadDelta(volatility=0.2, half_width=0),
    ],
)
def test_parameters_that_make_no_sense_are_refused(make):
    with pytest.raises(ConfigurationError, match="expected"):
        make()
