"""The formulae against numbers found another way: brute force, finite differences, integration, other identities."""

import math
import statistics

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from horizon.errors import ConfigurationError
from horizon.hedging import (
    DigitalTerms,
    StreamingCovariance,
    call_spread_hedge,
    call_spread_shares,
    call_value,
    digital_bounds,
    digital_from_calls,
    digital_shares,
    digital_value,
    effectiveness,
    implied_price_up,
    minimum_variance_shares,
    two_state_shares,
)

prices = st.floats(1, 5000)
contracts = st.integers(-100_000, 100_000).map(float)
volatilities = st.floats(0.05, 1.0)
years = st.floats(1 / 365, 2.0)
rates = st.floats(-0.02, 0.1)


# -- two states ------------------------------------------------------------------------------------------------------


@given(contracts, st.floats(0.5, 100), prices, prices)
def test_a_two_state_hedge_is_worth_the_same_in_both_states(held, payout, up, down):
    assume(abs(up - down) > 0.01)
    shares = two_state_shares(held, payout, up, down)
    happens, does_not = held * payout + shares * up, shares * down
    assert math.isclose(happens, does_not, rel_tol=1e-9, abs_tol=1e-6)


def test_a_two_state_hedge_of_equal_prices_is_refused():
    with pytest.raises(ConfigurationError, match="different share prices"):
        two_state_shares(1, 1, 100, 100)


@given(prices, prices, st.floats(0.01, 1))
def test_the_implied_price_makes_todays_price_the_mean_of_both(price, down, probability):
    up = implied_price_up(price, probability, down)
    assert math.isclose(probability * up + (1 - probability) * down, price, rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("probability", [0, -0.1, 1.1, math.nan])
def test_the_implied_price_wants_a_probability(probability):
    with pytest.raises(ConfigurationError, match="probability"):
        implied_price_up(100, probability, 90)


# -- minimum variance ------------------------------------------------------------------------------------------------

pairs = st.lists(st.tuples(st.floats(-50, 50), st.floats(-1, 1)), min_size=2, max_size=60)


@given(pairs)
def test_streamed_covariance_is_that_of_the_whole_list(data):
    streaming = StreamingCovariance()
    for x, y in data:
        streaming.add(x, y)
    xs, ys = zip(*data, strict=True)
    assert streaming.covariance == pytest.approx(statistics.covariance(xs, ys), abs=1e-9)
    assert streaming.variance_x == pytest.approx(statistics.variance(xs), abs=1e-9)
    assert streaming.variance_y == pytest.approx(statistics.variance(ys), abs=1e-9)


@given(pairs, st.floats(1, 40))
def test_decayed_covariance_is_that_of_the_weighted_list(data, half_life):
    streaming = StreamingCovariance(half_life=half_life)
    for x, y in data:
        streaming.add(x, y)
    weights = [0.5 ** ((len(data) - 1 - i) / half_life) for i in range(len(data))]
    total = sum(weights)
    mean_x = sum(w * x for w, (x, _) in zip(weights, data, strict=True)) / total
    mean_y = sum(w * y for w, (_, y) in zip(weights, data, strict=True)) / total
    raw = sum(w * (x - mean_x) * (y - mean_y) for w, (x, y) in zip(weights, data, strict=True))
    unbiased = total - sum(w * w for w in weights) / total
    assert streaming.covariance == pytest.approx(raw / unbiased, rel=1e-6, abs=1e-9)


def test_covariance_keeps_its_digits_on_top_of_a_large_price():
    streaming = StreamingCovariance()
    for step in range(1000):
        streaming.add(1e9 + step % 2, step % 2)
    assert streaming.covariance == pytest.approx(0.25, rel=1e-2)


def test_covariance_is_unknown_before_two_pairs_and_refuses_what_is_no_number():
    streaming = StreamingCovariance()
    assert streaming.covariance is None
    streaming.add(1, 1)
    assert (streaming.covariance, streaming.variance_x, streaming.variance_y) == (None, None, None)
    with pytest.raises(ConfigurationError, match="finite"):
        streaming.add(math.nan, 1)
    assert streaming.count == 1


@given(pairs, st.floats(1, 1000), st.floats(-0.2, 0.2))
def test_no_other_number_of_shares_leaves_less_variance(data, held, shift):
    xs, ys = zip(*data, strict=True)
    assume(statistics.pvariance(xs) > 1e-3)
    best = minimum_variance_shares(held, statistics.covariance(xs, ys), statistics.variance(xs))

    def variance(shares: float) -> float:
        return statistics.variance([held * y + shares * x for x, y in data])

    assert variance(best) <= variance(best + shift * held) * (1 + 1e-9) + 1e-9
    left = effectiveness(statistics.covariance(xs, ys), statistics.variance(xs), statistics.variance(ys))
    if left is not None:
        unhedged = held * held * statistics.variance(ys)
        assert variance(best) == pytest.approx(unhedged * (1 - left), rel=1e-6, abs=1e-6 * unhedged + 1e-9)


def test_a_ridge_pulls_the_hedge_towards_nothing():
    assert minimum_variance_shares(10, 2, 4) == -5
    assert minimum_variance_shares(10, 2, 4, ridge=16) == -1
    with pytest.raises(ConfigurationError, match="variance of the share"):
        minimum_variance_shares(10, 2, 0)


# -- digital ---------------------------------------------------------------------------------------------------------


@st.composite
def digitals(draw: st.DrawFn) -> tuple[DigitalTerms, float, float, float]:
    """Terms, price, volatility and years, with the strike within three deviations of the price."""
    price, volatility, time = draw(st.floats(10, 1000)), draw(volatilities), draw(years)
    ratio = draw(st.sampled_from([0.1, 1.0, 10.0, 41.5]))
    away = draw(st.floats(-3, 3)) * volatility * math.sqrt(time)
    terms = DigitalTerms(
        threshold=price * ratio * math.exp(away),
        payout=draw(st.sampled_from([1.0, 100.0])),
        ratio=ratio,
        rate=draw(rates),
        dividend_yield=draw(st.floats(0, 0.05)),
    )
    return terms, price, volatility, time


def _value(terms: DigitalTerms, price: float, volatility: float, time: float) -> float:
    return digital_value(terms, price, volatility, time).value


@given(digitals())
def test_delta_gamma_and_vega_are_the_finite_differences_of_the_value(case):
    terms, price, volatility, time = case
    found = digital_value(terms, price, volatility, time)
    deviation = volatility * math.sqrt(time)
    step = price * deviation * 1e-4
    up, at, down = (_value(terms, price + k * step, volatility, time) for k in (1, 0, -1))
    scale = terms.payout / (price * deviation)
    assert found.delta == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-6 * scale)
    assert found.gamma == pytest.approx(
        (up - 2 * at + down) / step**2, rel=1e-3, abs=1e-5 * scale / (price * deviation)
    )
    bump = volatility * 1e-5
    vega = (_value(terms, price, volatility + bump, time) - _value(terms, price, volatility - bump, time)) / (2 * bump)
    assert found.vega == pytest.approx(vega, rel=1e-4, abs=1e-5 * terms.payout / volatility)


@given(digitals())
def test_the_probability_is_the_integral_of_the_lognormal_density_above_the_strike(case):
    terms, price, volatility, time = case
    deviation = volatility * math.sqrt(time)
    mean = math.log(price) + (terms.rate - terms.dividend_yield - volatility**2 / 2) * time
    low, high, count = math.log(terms.strike), mean + 10 * deviation, 2000
    width = (high - low) / count

    def density(x: float) -> float:
        return math.exp(-0.5 * ((x - mean) / deviation) ** 2) / (deviation * math.sqrt(2 * math.pi))

    inner = sum((4 if i % 2 else 2) * density(low + i * width) for i in range(1, count))
    simpson = width / 3 * (density(low) + inner + density(high))
    assert digital_value(terms, price, volatility, time).probability == pytest.approx(simpson, abs=1e-7)


@given(digitals())
def test_the_digital_is_the_slope_of_the_call_in_its_strike(case):
    terms, price, volatility, time = case
    step = terms.strike * volatility * math.sqrt(time) * 1e-3
    below, above = (call_value(terms, terms.strike + k * step, price, volatility, time) for k in (-1, 1))
    slope = digital_from_calls(below, above, step, payout=terms.payout)
    assert _value(terms, price, volatility, time) == pytest.approx(slope, abs=1e-5 * terms.payout)


@given(digitals(), st.floats(0.5, 2))
def test_call_and_put_differ_by_the_forward(case, moneyness):
    terms, price, volatility, time = case
    strike = price * moneyness
    forward = price * math.exp((terms.rate - terms.dividend_yield) * time)
    deviation = volatility * math.sqrt(time)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    normal = statistics.NormalDist()
    put = math.exp(-terms.rate * time) * (strike * normal.cdf(deviation - d1) - forward * normal.cdf(-d1))
    call = call_value(terms, strike, price, volatility, time)
    assert call - put == pytest.approx(math.exp(-terms.rate * time) * (forward - strike), abs=1e-9 * price)


def test_a_digital_worked_out_by_hand():
    # S = K = 100, v = 20 %, one year, no rates: d2 = -0.1, N(-0.1) = 0.460172, n(-0.1) = 0.396953
    found = digital_value(DigitalTerms(threshold=100), 100, 0.2, 1)
    assert found.probability == pytest.approx(0.460172, abs=1e-6)
    assert found.delta == pytest.approx(0.396953 / 20, abs=1e-7)
    assert found.gamma == pytest.approx(-0.396953 * 0.1 / 400, abs=1e-7)
    assert found.vega == pytest.approx(-0.396953 * 0.1 / 0.2, abs=1e-6)


def test_an_index_event_is_hedged_in_units_of_the_etf():
    on_index = digital_value(DigitalTerms(threshold=6000), 6030, 0.15, 0.02)
    on_etf = digital_value(DigitalTerms(threshold=6000, ratio=10), 603, 0.15, 0.02)
    assert on_etf.probability == pytest.approx(on_index.probability)
    assert on_etf.delta == pytest.approx(10 * on_index.delta)
    assert digital_shares(1000, on_etf) == pytest.approx(-1000 * on_etf.delta)
    assert digital_shares(-1000, on_etf) > 0


@pytest.mark.parametrize("left", [0.0, -1.0, 1e-30])
def test_with_no_time_left_the_outcome_is_decided_and_nothing_moves(left):
    terms = DigitalTerms(threshold=6000, payout=2, ratio=10)
    assert [digital_value(terms, price, 0.2, left).value for price in (600.01, 599.99)] == [2, 0]
    value = digital_value(terms, 600.01, 0.2, left)
    assert (value.delta, value.gamma, value.vega) == (0, 0, 0)


@pytest.mark.parametrize("time", [1e-14, 1e-10, 1e-6, 1.0, 1e4])
@pytest.mark.parametrize("price", [1e-6, 1.0, 599.999, 1e9])
@pytest.mark.parametrize("volatility", [1e-3, 0.2, 5.0])
def test_extreme_inputs_give_finite_numbers(time, price, volatility):
    value = digital_value(DigitalTerms(threshold=6000, ratio=10), price, volatility, time)
    assert 0 <= value.probability <= 1
    assert all(math.isfinite(number) for number in (value.value, value.delta, value.gamma, value.vega))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_price_volatility_or_ratio_that_is_not_above_zero_is_refused(bad):
    terms = DigitalTerms(threshold=100)
    with pytest.raises(ConfigurationError, match="price"):
        digital_value(terms, bad, 0.2, 1)
    with pytest.raises(ConfigurationError, match="volatility"):
        digital_value(terms, 100, bad, 1)
    with pytest.raises(ConfigurationError, match="volatility"):
        call_value(terms, 100, 100, bad, 1)
    with pytest.raises(ConfigurationError, match="ratio"):
        DigitalTerms(threshold=100, ratio=bad)


# -- call spread -----------------------------------------------------------------------------------------------------


@given(contracts, st.floats(0.1, 50), st.sampled_from([1.0, 100.0]), st.floats(0.01, 1000))
def test_the_spread_pays_what_the_contracts_pay_outside_of_its_strikes(held, half_width, multiplier, final):
    terms = DigitalTerms(threshold=1000, ratio=10)
    spread = call_spread_hedge(terms, held, half_width, multiplier=multiplier)
    payoff = multiplier * (max(final - spread.lower_strike, 0) - max(final - spread.upper_strike, 0))
    total = held * (1.0 if final > 100 else 0.0) + spread.spreads * payoff
    if not spread.lower_strike < final < spread.upper_strike:
        assert total == pytest.approx(0, abs=1e-9 * abs(held) * 1000 / half_width + 1e-9)
    else:
        assert abs(total) <= abs(held) * (0.5 + 1e-9)


@given(digitals(), st.floats(0.01, 0.9))
def test_the_bounds_from_three_calls_bracket_the_digital(case, part):
    terms, price, volatility, time = case
    width = terms.strike * part * min(1.0, volatility * math.sqrt(time))
    calls = [call_value(terms, terms.strike + k * width, price, volatility, time) for k in (-1, 0, 1)]
    low, high = digital_bounds(*calls, width, payout=terms.payout)
    value = _value(terms, price, volatility, time)
    assert low - 1e-9 * terms.payout <= value <= high + 1e-9 * terms.payout
    assert low <= digital_from_calls(calls[0], calls[2], width, payout=terms.payout) <= high


def test_call_prices_that_contradict_each_other_are_refused():
    for calls in ((5.0, 6.0, 4.0), (5.0, 4.9, 3.0), (5.0, 4.0, 4.1)):
        with pytest.raises(ConfigurationError, match="fall with the strike"):
            digital_bounds(*calls, 1.0)


@given(digitals(), st.floats(0.05, 0.5))
def test_the_shares_of_a_spread_offset_its_finite_difference(case, part):
    terms, price, volatility, time = case
    width = terms.strike * part * min(1.0, volatility * math.sqrt(time))
    spread = call_spread_hedge(terms, 100, width, multiplier=1)

    def worth(at: float) -> float:
        return spread.spreads * (
            call_value(terms, spread.lower_strike, at, volatility, time)
            - call_value(terms, spread.upper_strike, at, volatility, time)
        )

    step = price * volatility * math.sqrt(time) * 1e-4
    slope = (worth(price + step) - worth(price - step)) / (2 * step)
    shares = call_spread_shares(terms, 100, width, price, volatility, time)
    assert shares == pytest.approx(slope, rel=1e-4, abs=1e-5 * abs(spread.spreads))


@given(digitals())
def test_a_narrow_spread_has_the_delta_of_the_digital(case):
    terms, price, volatility, time = case
    width = terms.strike * volatility * math.sqrt(time) * 1e-3
    digital = digital_shares(100, digital_value(terms, price, volatility, time))
    scale = 100 * terms.payout / (price * volatility * math.sqrt(time))
    assert call_spread_shares(terms, 100, width, price, volatility, time) == pytest.approx(digital, abs=1e-4 * scale)


@given(st.floats(90, 110), st.floats(-1, 1))
def test_the_shares_of_a_spread_never_exceed_those_of_its_ramp(price, left):
    shares = call_spread_shares(DigitalTerms(threshold=100), 100, 5, price, 0.2, left)
    assert -100 / 10 - 1e-9 <= shares <= 0
    if left <= 0 and price not in (95, 105):
        assert shares == (-10 if 95 < price < 105 else 0)


def test_a_spread_wider_than_its_strike_is_refused():
    with pytest.raises(ConfigurationError, match="half width"):
        call_spread_hedge(DigitalTerms(threshold=100), 1, 100)
