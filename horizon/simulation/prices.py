"""Price paths for simulators: drawn from a seed, or following recorded bars.

A path can be asked for any moment in any order, and the same path always gives the same answer. Prices are floats and
unrounded; who quotes from a path puts them on the market's grid.
"""

import random
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time
from itertools import pairwise
from math import ceil, exp, log, sqrt
from typing import Protocol
from zoneinfo import ZoneInfo

import msgspec

from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.model import Bar, TradingSession

TRADING_SECONDS_PER_YEAR = 252 * 6.5 * 3600
"""Volatilities here are per square root of a year of regular trading: 252 days of 6.5 hours. Time to an event is to be
counted in the same seconds."""
_NEW_YORK = "America/New_York"
_OPENS, _CLOSES = time(9, 30), time(16, 0)


class PricePoint(msgspec.Struct, frozen=True, gc=False):
    """The price at one moment, and the trading day so far."""

    price: float
    open: float
    high: float
    low: float
    volume: float | None
    """None where the source has no volumes."""
    prior_close: float | None
    """None on the first day of a recording: nothing is known of the day before."""


class PricePath(Protocol):
    """One symbol's price over time. `start` and `end` are integer nanoseconds UTC; outside of them, and between
    sessions, the nearest price before holds (the first price where there is none)."""

    @property
    def symbol(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def sessions(self) -> tuple[TradingSession, ...]: ...
    def at(self, now: int) -> PricePoint: ...
    def shifted(self, start: int) -> "PricePath":
        """The same path, moved in time so that it begins at `start`."""
        ...


class _ShiftedPath:
    """Another path, later or earlier by `delta` ns. It shares the points already drawn."""

    def __init__(self, path: PricePath, delta: int) -> None:
        self._path = path
        self._delta = delta
        self.symbol = path.symbol
        self.start = path.start + delta
        self.end = path.end + delta
        self.sessions = tuple(
            TradingSession(opens=s.opens + delta, closes=s.closes + delta, regular=s.regular) for s in path.sessions
        )

    def at(self, now: int) -> PricePoint:
        return self._path.at(now - self._delta)

    def shifted(self, start: int) -> PricePath:
        return _ShiftedPath(self._path, start - self._path.start)


class _Day:
    """The drawn points of one session, from its first moment on, and what the day had come to at each of them."""

    __slots__ = ("highs", "length", "lows", "opens", "points", "prices", "prior_close", "volumes")

    def __init__(self, session: TradingSession, step: int, first: float, prior_close: float) -> None:
        self.opens = session.opens
        self.length = session.closes - session.opens
        self.points = ceil(self.length / step) + 1
        self.prior_close = prior_close
        self.prices, self.highs, self.lows, self.volumes = [first], [first], [first], [0.0]


class SyntheticPath:
    """A geometric random walk (Black and Scholes' model of a price), the same for the same seed.

    `volatility` and `drift` are per year of trading (see TRADING_SECONDS_PER_YEAR), `step` is in seconds, `start` and
    `end` in ns. Trading is one session from start to end unless `sessions` are given; between sessions the price holds.
    Between two steps the price moves on a straight line. Points are drawn once, when they are first needed.
    """

    def __init__(
        self,
        symbol: str,
        *,
        seed: int,
        start: int,
        end: int,
        initial: float,
        volatility: float = 0.2,
        drift: float = 0.0,
        step: float = 1.0,
        mean_volume: float = 500.0,
        sessions: Sequence[TradingSession] = (),
    ) -> None:
        if not (initial > 0 and volatility >= 0 and step > 0 and mean_volume > 0):
            raise ValueError(
                "expected initial, step and mean_volume above 0 and volatility not below 0, found "
                f"initial={initial}, step={step}, mean_volume={mean_volume}, volatility={volatility}"
            )
        if not end > start:
            raise ValueError(f"expected a path that ends after it starts, found start={start} and end={end}")
        self.symbol = symbol
        self.start = start
        self.end = end
        self.sessions = tuple(sessions) or (TradingSession(opens=start, closes=end),)
        if any(a.closes > b.opens for a, b in pairwise(self.sessions)):
            raise ValueError("expected sessions in order and apart from each other, found some that overlap")
        self._opens = [session.opens for session in self.sessions]
        self._step = round(step * NANOSECONDS)
        years = step / TRADING_SECONDS_PER_YEAR
        self._trend = (drift - volatility * volatility / 2) * years
        self._spread = volatility * sqrt(years)
        self._volume_rate = 1 / (mean_volume * step)
        self._random = random.Random(f"{symbol}:{seed}")
        self._days = [_Day(self.sessions[0], self._step, initial, initial)]

    def at(self, now: int) -> PricePoint:
        """The price at `now` (ns) and the figures of the session that is open, or was the last to be."""
        now = min(now, self.end)
        return self._point(self._day(max(bisect_right(self._opens, now) - 1, 0)), now)

    def shifted(self, start: int) -> PricePath:
        return _ShiftedPath(self, start - self.start)

    def _point(self, day: _Day, now: int) -> PricePoint:
        elapsed = min(max(now - day.opens, 0), day.length)
        before, part = divmod(elapsed, self._step)
        after = min(before + 1, day.points - 1)
        self._draw(day, after)
        share = part / self._step
        price = day.prices[before] + (day.prices[after] - day.prices[before]) * share
        return PricePoint(
            price,
            day.prices[0],
            max(day.highs[before], price),
            min(day.lows[before], price),
            float(int(day.volumes[before] + (day.volumes[after] - day.volumes[before]) * share)),
            day.prior_close,
        )

    def _day(self, index: int) -> _Day:
        while len(self._days) <= index:
            last = self._days[-1]
            self._draw(last, last.points - 1)
            close = self._point(last, last.opens + last.length).price
            self._days.append(_Day(self.sessions[len(self._days)], self._step, close, close))
        return self._days[index]

    def _draw(self, day: _Day, index: int) -> None:
        """Extend the day up to point `index`. Points are drawn in order, so that the order of asking is no matter."""
        gauss, expovariate = self._random.gauss, self._random.expovariate
        for _ in range(len(day.prices), index + 1):
            price = day.prices[-1] * exp(self._trend + self._spread * gauss(0.0, 1.0))
            day.prices.append(price)
            day.highs.append(max(day.highs[-1], price))
            day.lows.append(min(day.lows[-1], price))
            day.volumes.append(day.volumes[-1] + expovariate(self._volume_rate))


class _BarPoint(msgspec.Struct, frozen=True, gc=False):
    """One bar, with the day as it stood when the bar began."""

    bar: Bar
    corners: tuple[float, float, float, float]
    """The prices at the beginning of each third of the bar, and at its end."""
    open: float
    high: float
    low: float
    volume: float | None
    prior_close: float | None


class BarsPath:
    """Recorded bars, followed inside each bar: from its open to the nearer extreme, to the other one, to its close, a
    third of the bar's time each. Between bars the last close holds.

    Sessions are the regular hours of the US stock exchanges (09:30 to 16:00 in New York) of each day in the file.
    Raises ValueError without bars or with bars that are not in order.
    """

    def __init__(self, symbol: str, bars: Sequence[Bar]) -> None:
        if not bars:
            raise ValueError(f"expected at least one bar of {symbol}, found none")
        self.symbol = symbol
        self._starts = [bar.exchange_time for bar in bars]
        if any(a >= b for a, b in pairwise(self._starts)):
            raise ValueError(f"expected the bars of {symbol} by rising time, found some out of order")
        self.start = self._starts[0]
        self.end = bars[-1].exchange_time + bars[-1].length
        zone = ZoneInfo(_NEW_YORK)
        days = [to_datetime(bar.exchange_time).astimezone(zone).date() for bar in bars]
        self.sessions = us_regular_sessions(dict.fromkeys(days))
        self._points = list(_day_figures(bars, days))

    def at(self, now: int) -> PricePoint:
        """The price at `now` (ns) and the figures of the day (in New York) of the last bar that has begun."""
        point = self._points[max(bisect_right(self._starts, now) - 1, 0)]
        bar = point.bar
        share = min(max((now - bar.exchange_time) / bar.length, 0.0), 1.0)
        third = min(int(share * 3), 2)
        reached = point.corners[: third + 1]
        price = reached[-1] + (point.corners[third + 1] - reached[-1]) * (share * 3 - third)
        if share == 1.0:
            reached, price = point.corners, bar.close
        volume = point.volume
        if volume is not None and bar.volume is not None:
            volume += float(int(bar.volume * share))
        return PricePoint(
            price,
            point.open,
            max(point.high, *reached, price),
            min(point.low, *reached, price),
            volume,
            point.prior_close,
        )

    def shifted(self, start: int) -> PricePath:
        return _ShiftedPath(self, start - self.start)


def _day_figures(bars: Sequence[Bar], days: Sequence[date]) -> Iterable[_BarPoint]:
    prior_close: float | None = None
    before: Bar | None = None
    day: date | None = None
    opened = high = low = 0.0
    volume: float | None = None
    for bar, bar_day in zip(bars, days, strict=True):
        if bar_day != day:
            prior_close = before.close if before is not None else None
            day, opened, high, low, volume = bar_day, bar.open, bar.open, bar.open, 0.0
        down_first = bar.open - bar.low <= bar.high - bar.open
        extremes = (bar.low, bar.high) if down_first else (bar.high, bar.low)
        known = None if bar.volume is None else volume
        yield _BarPoint(bar, (bar.open, *extremes, bar.close), opened, high, low, known, prior_close)
        high, low = max(high, bar.high, bar.open, bar.close), min(low, bar.low, bar.open, bar.close)
        volume = None if volume is None or bar.volume is None else volume + bar.volume
        before = bar


def us_regular_sessions(days: Iterable[date]) -> tuple[TradingSession, ...]:
    """09:30 to 16:00 in New York of each given day, in the given order. Early closes are not known here."""
    zone = ZoneInfo(_NEW_YORK)
    return tuple(
        TradingSession(
            opens=to_nanoseconds(datetime.combine(day, _OPENS, zone)),
            closes=to_nanoseconds(datetime.combine(day, _CLOSES, zone)),
        )
        for day in days
    )


def annualised_volatility(source: PricePath | Sequence[Bar], *, step: float = 60.0) -> float:
    """Realised volatility per square root of a year of trading, from returns inside sessions (bars: inside a run of
    bars less than an hour apart): sqrt(sum of squared log returns / sum of their times). `step` is in seconds.

    Overnight moves are left out, because overnight time is. Raises ValueError where there is no return to measure.
    """
    squares = seconds = 0.0
    for series in _from_bars(source) if isinstance(source, Sequence) else _from_path(source, round(step * NANOSECONDS)):
        for (time_before, before), (time_after, after) in pairwise(series):
            squares += log(after / before) ** 2
            seconds += (time_after - time_before) / NANOSECONDS
    if seconds <= 0:
        raise ValueError("expected at least two prices of one session to measure a volatility, found fewer")
    return sqrt(squares / seconds * TRADING_SECONDS_PER_YEAR)


def _from_path(path: PricePath, step: int) -> Iterable[list[tuple[int, float]]]:
    for session in path.sessions:
        opens, closes = max(session.opens, path.start), min(session.closes, path.end)
        yield [(moment, path.at(moment).price) for moment in range(opens, closes + 1, step)]


def _from_bars(bars: Sequence[Bar]) -> Iterable[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for bar in bars:
        closed = bar.exchange_time + bar.length
        if run and closed - run[-1][0] >= 3600 * NANOSECONDS:
            yield run
            run = []
        run.append((closed, bar.close))
    yield run
