"""Bars from CSV files of other makers.

Three shapes are known, told apart by their header: `Datetime,Open,High,Low,Close,Volume,...`; the three header lines
of a Yahoo Finance download (`Price,Close,...`, `Ticker,SPY,...`, `Datetime,,...`); and
`symbol,timestamp,open,high,low,close`. Columns are found by name, in any order and case; others are ignored.
Two things that downloaded files hold are passed over: a row with a dividend or a split and no price, and a stretch of
rows downloaded twice (it goes back, repeats the prices of earlier rows, and comes up to the latest row again).
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import NamedTuple, NoReturn

from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.errors import RecordingError
from horizon.model import Bar, Instrument, MarketId, Side, instrument

MINUTE = 60 * NANOSECONDS
_TIME_NAMES = ("datetime", "timestamp", "date", "time")
_PRICE_NAMES = ("open", "high", "low", "close")
_ACTION_NAMES = ("dividends", "stock splits")


class _Columns(NamedTuple):
    time: int
    prices: tuple[int, int, int, int]
    volume: int | None
    symbol: int | None
    actions: tuple[int, ...]


def read_bars(path: Path | str, *, of: Instrument | None = None) -> list[Bar]:
    """The one-minute bars of a CSV file, oldest first; `exchange_time` is the start of the bar in ns UTC.

    `volume` is None where the file has none. Without `of` the bars carry the instrument `bars:<symbol>:LONG`, by the
    file's own symbol or its name. Raises RecordingError with file and row (counted from 1, header lines included).
    """
    source = _Source(Path(path))
    try:
        with source.path.open(encoding="utf-8-sig", newline="") as lines:
            bars = list(_read(source, csv.reader(lines), of))
    except UnicodeDecodeError:
        source.fail("expected a CSV text file in UTF-8, found bytes that are not text")
    except csv.Error as error:
        source.fail(f"expected a CSV text file, found what can't be read as one ({error})")
    except OSError as error:
        source.fail(f"expected a readable CSV file: {error.strerror or error}; check the path")
    if not bars:
        source.fail("expected at least one bar below the header, found none")
    return bars


class _Source:
    """Which file and row is being read, for errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.row = 0

    def fail(self, found: str) -> NoReturn:
        place = f"{self.path.name}, row {self.row}" if self.row else str(self.path)
        raise RecordingError(f"{place}: {found}", file=str(self.path), row=self.row or None) from None


def _read(source: _Source, rows: Iterator[list[str]], of: Instrument | None) -> Iterator[Bar]:
    header = next(rows, None)
    source.row = 1
    if not header:
        source.row = 0
        source.fail("expected a CSV file with a header line, found an empty file")
    symbol = source.path.stem.partition("_")[0]
    if header[0].strip().lower() == "price":
        header, symbol = _yahoo_header(source, header, rows, symbol)
    columns = _columns(source, header)
    order = _Order(source)
    for cells in rows:
        source.row += 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) < len(header):
            source.fail(f"expected {len(header)} cells as in the header, found {len(cells)}")
        if _is_only_an_action(columns, cells):
            continue
        if columns.symbol is not None:
            if order.latest is not None and cells[columns.symbol] != symbol:
                source.fail(f"expected one symbol per file ({symbol}), found {cells[columns.symbol]!r} as well")
            symbol = cells[columns.symbol]
        bar = _bar(source, header, columns, cells, of or instrument("bars", MarketId(symbol), Side.LONG))
        if order.is_new(bar, cells[columns.time]):
            yield bar
    order.finish()


def _yahoo_header(source: _Source, header: list[str], rows: Iterator[list[str]], symbol: str) -> tuple[list[str], str]:
    """Columns and symbol of the three-line header, in which the third line names the time column."""
    ticker, third = next(rows, []), next(rows, [])
    source.row = 3
    if len(ticker) < 2 or ticker[0] != "Ticker" or not third or third[0].strip().lower() not in _TIME_NAMES:
        source.fail("expected the header lines 'Price,...', 'Ticker,...' and 'Datetime,...', found other ones")
    return [third[0], *header[1:]], ticker[1].strip() or symbol


def _columns(source: _Source, header: list[str]) -> _Columns:
    names = [cell.strip().lower() for cell in header]
    found = ", ".join(cell.strip() for cell in header)
    when = next((names.index(name) for name in _TIME_NAMES if name in names), None)
    missing = [name for name in _PRICE_NAMES if name not in names]
    if when is None:
        missing.insert(0, "Datetime")
    if when is None or missing:
        source.fail(f"expected the column {', '.join(missing)} (of Datetime, Open, High, Low, Close), found {found}")
    return _Columns(
        when,
        (names.index("open"), names.index("high"), names.index("low"), names.index("close")),
        names.index("volume") if "volume" in names else None,
        names.index("symbol") if "symbol" in names else None,
        tuple(names.index(name) for name in _ACTION_NAMES if name in names),
    )


def _is_only_an_action(columns: _Columns, cells: list[str]) -> bool:
    """Whether a row carries a dividend or split and nothing else. Such rows come with the time of the opening, after
    rows of later minutes (SPY, 2019-12-20)."""
    market = columns.prices if columns.volume is None else (*columns.prices, columns.volume)
    return not any(cells[index].strip() for index in market) and any(
        cells[index].strip() not in ("", "0", "0.0") for index in columns.actions
    )


def _bar(source: _Source, header: list[str], columns: _Columns, cells: list[str], name: Instrument) -> Bar:
    start = _time(source, cells[columns.time])
    prices = [_number(source, header[index], cells[index]) for index in columns.prices]
    for index, price in zip(columns.prices, prices, strict=True):
        if not price > 0:
            source.fail(f"expected a price above 0 in column {header[index]}, found {cells[index]!r}")
    opened, high, low, close = prices
    if high < low:
        source.fail(f"expected a high not below the low, found high {high} and low {low}")
    volume = None
    if columns.volume is not None and cells[columns.volume].strip():
        volume = _number(source, header[columns.volume], cells[columns.volume])
        if volume < 0:
            source.fail(f"expected a volume not below 0, found {cells[columns.volume]!r}")
    return Bar(name, start + MINUTE, opened, high, low, close, volume, MINUTE, start)


def _time(source: _Source, text: str) -> int:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        source.fail(f"expected a date and time such as 2025-05-09 13:44:00+00:00, found {text!r}")
    if moment.tzinfo is None:
        source.fail(f"expected a time with its zone such as 13:44:00+00:00, found {text!r}: its zone is a guess")
    return to_nanoseconds(moment)


def _number(source: _Source, column: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        source.fail(f"expected a number in column {column}, found {text!r}")
    if not isfinite(value):
        source.fail(f"expected a finite number in column {column}, found {text!r}")
    return value


class _Order:
    """Whether rows come by rising time, apart from stretches that were downloaded twice."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._prices: dict[int, tuple[float, float, float, float]] = {}
        self._before: int | None = None
        self._went_back = (0, "")
        self.latest: int | None = None

    def is_new(self, bar: Bar, text: str) -> bool:
        """True for the next bar, False for one that repeats an earlier row; fails for anything else."""
        start, prices = bar.exchange_time, (bar.open, bar.high, bar.low, bar.close)
        if start == self._before:
            self._source.fail(f"expected each minute once, found {text} a second time")
        if self.latest is not None and start <= self.latest:
            if self._before is not None and start < self._before:
                self.finish()
                self._went_back = (self._source.row, text)
            if self._prices.get(start) != prices:
                self._source.fail(f"expected rows by rising time, found {text} after a later one: sort the file")
            self._before = start
            return False
        self.finish()
        if self.latest is not None and start < self.latest + MINUTE:
            self._source.fail(f"expected bars a minute apart, found {text} sooner than that after the row before")
        self._prices[start] = prices
        self._before = self.latest = start
        return True

    def finish(self) -> None:
        """Fail where a stretch of repeated rows ended before it had come up to the latest row again."""
        if self._before != self.latest:
            self._source.row, text = self._went_back
            self._source.fail(f"expected rows by rising time, found {text} after a later one: sort the file")
