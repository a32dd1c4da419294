"""Price paths: deterministic, cheap to ask in any order, and true to the bars they follow."""

import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.model import Bar, Instrument, TradingSession
from horizon.recording.importers import MINUTE, read_bars
from horizon.simulation.prices import (
    TRADING_SECONDS_PER_YEAR,
    BarsPath,
    PricePath,
    SyntheticPath,
    annualised_volatility,
    us_regular_sessions,
)

START = to_nanoseconds(datetime(2025, 5, 12, 13, 30, tzinfo=UTC))
DAY = 23_400 * NANOSECONDS
RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "recordings"


def synthetic(seed: int = 1, *, symbol: str = "SPY", volatility: float = 0.2, days: int = 1) -> SyntheticPath:
    sessions = [
        TradingSession(opens=START + n * 86_400 * NANOSECONDS, closes=START + n * 86_400 * NANOSECONDS + DAY)
        for n in range(days)
    ]
    return SyntheticPath(
        symbol, seed=seed, start=START, end=sessions[-1].closes, initial=500.0, volatility=volatility, sessions=sessions
    )


def bar(minute: int, prices: tuple[float, float, float, float], volume: float | None = 100.0) -> Bar:
    start = START + minute * MINUTE
    return Bar(Instrument("bars:X:LONG"), start + MINUTE, *prices, volume, MINUTE, start)


class TestSyntheticPath:
    def test_the_same_seed_gives_the_same_path_whatever_the_order_of_asking(self) -> None:
        moments = [START + n * NANOSECONDS * 617 // 10 for n in range(300)]
        forwards, shuffled = synthetic(days=2), synthetic(days=2)
        expected = {moment: forwards.at(moment) for moment in moments}
        random.Random(5).shuffle(moments)
        assert {moment: shuffled.at(moment) for moment in moments} == expected

    def test_other_seeds_and_symbols_give_other_paths(self) -> None:
        end = START + DAY
        prices = {synthetic(1).at(end).price, synthetic(2).at(end).price, synthetic(1, symbol="QQQ").at(end).price}
        assert len(prices) == 3

    def test_it_begins_at_the_initial_price_and_holds_outside_its_time(self) -> None:
        path = synthetic()
        first = path.at(START)
        assert (first.price, first.open, first.high, first.low, first.volume, first.prior_close) == (
            500.0,
            500.0,
            500.0,
            500.0,
            0.0,
            500.0,
        )
        assert path.at(START - 10 * DAY) == first
        assert path.at(path.end + 10 * DAY) == path.at(path.end)

    def test_the_days_figures_hold_the_price_and_only_grow(self) -> None:
        path = synthetic()
        before = path.at(START)
        for second in range(0, 23_401, 13):
            point = path.at(START + second * NANOSECONDS)
            assert point.low <= point.price <= point.high
            assert point.high >= before.high
            assert point.low <= before.low
            assert point.volume is not None
            assert before.volume is not None
            assert point.volume >= before.volume
            assert point.open == 500.0
            before = point

    def test_the_price_holds_overnight_and_the_next_day_starts_from_the_close(self) -> None:
        path = synthetic(days=2)
        close, night = path.at(START + DAY), path.at(START + DAY + 3600 * NANOSECONDS)
        assert night == close
        morning = path.at(path.sessions[1].opens)
        assert (morning.price, morning.open, morning.prior_close) == (close.price, close.price, close.price)
        assert (morning.high, morning.low, morning.volume) == (close.price, close.price, 0.0)

    def test_a_session_that_ends_between_two_steps_closes_at_the_price_of_its_end(self) -> None:
        sessions = [
            TradingSession(opens=START, closes=START + 25 * NANOSECONDS // 10),
            TradingSession(opens=START + 10 * NANOSECONDS, closes=START + 20 * NANOSECONDS),
        ]
        path = SyntheticPath(
            "X", seed=3, start=START, end=sessions[1].closes, initial=10.0, volatility=5.0, sessions=sessions
        )
        assert path.at(sessions[1].opens).price == path.at(sessions[0].closes).price

    @pytest.mark.parametrize("volatility", [0.1, 0.5])
    def test_the_realised_volatility_is_the_one_asked_for(self, volatility: float) -> None:
        assert annualised_volatility(synthetic(volatility=volatility, days=5)) == pytest.approx(volatility, rel=0.06)

    def test_without_volatility_only_the_drift_moves_it(self) -> None:
        path = SyntheticPath(
            "X", seed=1, start=START, end=START + DAY, initial=100.0, volatility=0.0, drift=2.52, step=60.0
        )
        assert path.at(path.end).price == pytest.approx(100.0 * 2.718281828 ** (2.52 / 252))

    def test_a_shifted_path_is_the_same_path_at_another_time(self) -> None:
        path = synthetic()
        other_start = START + 1_000_000 * NANOSECONDS
        shifted: PricePath = path.shifted(other_start)
        assert (shifted.start, shifted.end - shifted.start) == (other_start, path.end - path.start)
        assert shifted.sessions[0].opens == other_start
        moment = 7_777 * NANOSECONDS
        assert shifted.at(other_start + moment) == path.at(START + moment)
        assert shifted.shifted(START).at(START + moment) == path.at(START + moment)

    @pytest.mark.parametrize("wrong", [{"initial": 0.0}, {"volatility": -1.0}, {"step": 0.0}, {"end": START}])
    def test_nonsense_is_refused(self, wrong: dict[str, float]) -> None:
        arguments = {"seed": 1, "start": START, "end": START + DAY, "initial": 1.0} | wrong
        with pytest.raises(ValueError, match="expected"):
            SyntheticPath("X", **arguments)  # type: ignore[arg-type]

    def test_overlapping_sessions_are_refused(self) -> None:
        sessions = [TradingSession(opens=START, closes=START + 10), TradingSession(opens=START + 5, closes=START + 20)]
        with pytest.raises(ValueError, match="overlap"):
            SyntheticPath("X", seed=1, start=START, end=START + 20, initial=1.0, sessions=sessions)


class TestBarsPath:
    def test_inside_a_bar_it_goes_to_the_nearer_extreme_first(self) -> None:
        path = BarsPath("X", [bar(0, (10.0, 16.0, 9.0, 12.0))])
        seen = {second: round(path.at(START + second * NANOSECONDS).price, 6) for second in (0, 10, 20, 30, 40, 50, 60)}
        assert seen == {0: 10.0, 10: 9.5, 20: 9.0, 30: 12.5, 40: 16.0, 50: 14.0, 60: 12.0}
        mirrored = BarsPath("X", [bar(0, (10.0, 11.0, 4.0, 8.0))])
        assert round(mirrored.at(START + 20 * NANOSECONDS).price, 6) == 11.0
        assert round(mirrored.at(START + 40 * NANOSECONDS).price, 6) == 4.0

    def test_the_days_figures_are_known_only_as_far_as_the_path_has_come(self) -> None:
        path = BarsPath("X", [bar(0, (10.0, 16.0, 9.0, 12.0)), bar(1, (12.0, 20.0, 5.0, 13.0))])
        point = path.at(START + 10 * NANOSECONDS)
        assert (point.open, point.high, round(point.low, 6)) == (10.0, 10.0, 9.5)
        assert point.volume == 16.0
        done = path.at(START + 60 * NANOSECONDS)
        assert (done.high, done.low, done.volume) == (16.0, 9.0, 100.0)
        last = path.at(path.end)
        assert (last.open, last.high, last.low, last.price, last.volume) == (10.0, 20.0, 5.0, 13.0, 200.0)

    def test_a_gap_holds_the_last_close(self) -> None:
        path = BarsPath("X", [bar(0, (10.0, 16.0, 9.0, 12.0)), bar(30, (20.0, 21.0, 19.0, 20.0))])
        assert path.at(START + 10 * MINUTE).price == 12.0
        assert path.at(START + 30 * MINUTE).price == 20.0
        assert path.at(START - MINUTE).price == 10.0
        assert path.at(START + 900 * MINUTE).price == 20.0

    def test_a_new_day_starts_its_figures_anew_and_knows_the_prior_close(self) -> None:
        path = BarsPath("X", [bar(0, (10.0, 16.0, 9.0, 12.0)), bar(1440, (30.0, 31.0, 29.0, 30.0))])
        assert path.at(START).prior_close is None
        point = path.at(START + 1440 * MINUTE)
        assert (point.open, point.high, point.low, point.volume, point.prior_close) == (30.0, 30.0, 30.0, 0.0, 12.0)

    def test_bars_without_volume_have_none(self) -> None:
        path = BarsPath("X", [bar(0, (10.0, 16.0, 9.0, 12.0), None), bar(1, (10.0, 16.0, 9.0, 12.0), None)])
        assert [path.at(START + n * MINUTE).volume for n in range(3)] == [None, None, None]

    def test_its_sessions_are_regular_new_york_hours_of_its_days_in_summer_and_winter(self) -> None:
        summer = datetime(2025, 7, 1, tzinfo=UTC).date()
        winter = datetime(2025, 12, 1, tzinfo=UTC).date()
        opens = [to_datetime(session.opens).hour for session in us_regular_sessions([summer, winter])]
        assert opens == [13, 14]
        path = BarsPath("X", [bar(0, (1.0, 1.0, 1.0, 1.0)), bar(1, (1.0, 1.0, 1.0, 1.0))])
        assert path.sessions == (TradingSession(opens=START, closes=START + DAY),)

    def test_no_bars_and_bars_out_of_order_are_refused(self) -> None:
        with pytest.raises(ValueError, match="at least one bar of X"):
            BarsPath("X", [])
        with pytest.raises(ValueError, match="out of order"):
            BarsPath("X", [bar(1, (1.0, 1.0, 1.0, 1.0)), bar(0, (1.0, 1.0, 1.0, 1.0))])

    def test_it_reaches_every_extreme_of_real_bars(self) -> None:
        file = RECORDINGS / "equities_2025-05_1m" / "SPY_1m.csv"
        if not file.exists():
            pytest.skip(f"the recorded prices are not here: {file}")
        bars = read_bars(file)
        path = BarsPath("SPY", bars)
        for one in bars:
            seen = [path.at(one.exchange_time + one.length * third // 3).price for third in range(3)]
            assert seen[0] == one.open
            assert min(*seen, one.close) == pytest.approx(one.low, rel=1e-9)
            assert max(*seen, one.close) == pytest.approx(one.high, rel=1e-9)
        assert path.at(path.end).price == bars[-1].close
        assert 0.05 < annualised_volatility(path) < 0.3
        assert annualised_volatility(bars) == pytest.approx(annualised_volatility(path), rel=0.1)


def test_volatility_needs_two_prices() -> None:
    with pytest.raises(ValueError, match="two prices"):
        annualised_volatility([bar(0, (1.0, 1.0, 1.0, 1.0))])


def test_volatility_of_bars_is_the_root_of_their_mean_squared_return_over_a_year() -> None:
    bars = [bar(n, (1.0, 1.0, 1.0, price)) for n, price in enumerate([100.0, 101.0, 100.0])]
    per_minute = 0.00995033085
    assert annualised_volatility(bars) == pytest.approx(per_minute * (TRADING_SECONDS_PER_YEAR / 60) ** 0.5)
