"""Bars from CSV files: the shapes that are read, and what is said of files that can't be."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from horizon.clock import to_nanoseconds
from horizon.errors import RecordingError
from horizon.model import instrument
from horizon.recording.importers import MINUTE, read_bars

RECORDINGS = Path(__file__).parents[3] / "shared" / "data" / "recordings"

PLAIN = """Datetime,Open,High,Low,Close,Volume,Dividends,Stock Splits
2019-12-13 11:00:00-05:00,316.54,316.62,316.4,316.5,0.0,0.0,0.0
2019-12-13 11:01:00-05:00,316.53,316.77,316.47,316.65,269778.0,0.0,0.0
2019-12-13 11:04:00-05:00,316.55,316.56,316.53,316.55,389765.0,0.0,0.0
"""
YAHOO = """Price,Close,High,Low,Open,Volume
Ticker,SPY,SPY,SPY,SPY,SPY
Datetime,,,,,
2025-05-09 13:44:00+00:00,566.21,566.60,566.12,566.59,0
2025-05-09 13:45:00+00:00,566.34,566.57,566.06,566.25,158733
"""
INDEX = """symbol,timestamp,open,high,low,close
I_SPX,2024-04-19 15:45:00+00:00,4994.12,4995.05,4993.9,4995.03
I_SPX,2024-04-19 15:46:00+00:00,4995.0,4995.97,4994.81,4995.3
"""


def write(folder: Path, text: str, name: str = "SPY_1m.csv") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def at(*when: int) -> int:
    return to_nanoseconds(datetime(*when, tzinfo=UTC))  # type: ignore[misc, arg-type]


def test_columns_by_name_with_a_zone_in_each_time(tmp_path: Path) -> None:
    bars = read_bars(write(tmp_path, PLAIN))
    assert [bar.exchange_time for bar in bars] == [
        at(2019, 12, 13, 16, 0),
        at(2019, 12, 13, 16, 1),
        at(2019, 12, 13, 16, 4),
    ]
    second = bars[1]
    assert (second.open, second.high, second.low, second.close, second.volume) == (
        316.53,
        316.77,
        316.47,
        316.65,
        269778.0,
    )
    assert (second.length, second.receive_time) == (MINUTE, second.exchange_time + MINUTE)
    assert second.instrument == "bars:SPY:LONG"


def test_the_three_header_lines_of_yahoo(tmp_path: Path) -> None:
    (first, _) = read_bars(write(tmp_path, YAHOO, "prices.csv"))
    assert (first.open, first.high, first.low, first.close, first.volume) == (566.59, 566.60, 566.12, 566.21, 0.0)
    assert first.instrument == "bars:SPY:LONG"


def test_an_index_without_volume(tmp_path: Path) -> None:
    (first, _) = read_bars(write(tmp_path, INDEX))
    assert (first.close, first.volume, first.instrument) == (4995.03, None, "bars:I_SPX:LONG")


def test_bars_can_be_given_an_instrument(tmp_path: Path) -> None:
    spy = instrument("ibkr", "756733", "LONG")
    assert {bar.instrument for bar in read_bars(write(tmp_path, PLAIN), of=spy)} == {spy}


@pytest.mark.parametrize(
    "change", [lambda text: "\ufeff" + text, lambda text: text.replace("\n", "\r\n"), lambda text: text + "\n\n"]
)
def test_byte_order_marks_line_ends_and_blank_lines_are_no_matter(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    assert len(read_bars(write(tmp_path, change(PLAIN)))) == 3


def test_a_row_that_only_holds_a_dividend_is_passed_over_wherever_it_stands(tmp_path: Path) -> None:
    text = PLAIN + "2019-12-13 09:30:00-05:00,,,,,,1.57,0.0\n"
    assert len(read_bars(write(tmp_path, text))) == 3


ROWS = PLAIN.splitlines()[1:]


def test_a_stretch_that_was_downloaded_twice_is_read_once(tmp_path: Path) -> None:
    more = "2019-12-13 11:05:00-05:00,1,1,1,1,0,0,0\n"
    again = ROWS[1].replace("269778.0", "0.0")
    bars = read_bars(write(tmp_path, PLAIN + again + "\n" + ROWS[2] + "\n" + more))
    assert [bar.exchange_time for bar in bars] == sorted({bar.exchange_time for bar in bars})
    assert len(bars) == 4
    assert bars[1].volume == 269778.0


@pytest.mark.parametrize(
    ("text", "row", "says"),
    [
        (PLAIN.replace("Close", "Last"), 1, "expected the column close .*found Datetime, Open, High, Low, Last"),
        (PLAIN.replace("Datetime", "When").replace("Low,", "Bottom,"), 1, "expected the column Datetime, low"),
        (PLAIN.replace("316.77", "n/a"), 3, "a number in column High, found 'n/a'"),
        (PLAIN.replace("316.77", ""), 3, "a number in column High, found ''"),
        (PLAIN.replace("316.77", "NaN"), 3, "finite number in column High, found 'NaN'"),
        (PLAIN.replace("316.77", "inf"), 3, "finite number in column High"),
        (PLAIN.replace("316.77", "316.46"), 3, "a high not below the low, found high 316.46 and low 316.47"),
        (PLAIN.replace("316.47", "0"), 3, "a price above 0 in column Low, found '0'"),
        (PLAIN.replace("316.47", "-1"), 3, "a price above 0 in column Low"),
        (PLAIN.replace("269778.0", "-5"), 3, "a volume not below 0, found '-5'"),
        (PLAIN.replace("269778.0", "many"), 3, "a number in column Volume, found 'many'"),
        (PLAIN.replace("2019-12-13 11:01:00-05:00", "yesterday"), 3, "a date and time such as .*found 'yesterday'"),
        (PLAIN.replace("11:01:00-05:00", "11:01:00"), 3, "a time with its zone .*found '2019-12-13 11:01:00'"),
        (PLAIN.replace("13 11:01", "12 11:01"), 3, "rows by rising time, found 2019-12-12 11:01:00-05:00"),
        (PLAIN.replace("11:01:00", "11:00:00"), 3, "each minute once, found 2019-12-13 11:00:00-05:00 a second"),
        (PLAIN.replace("11:01:00", "11:00:30"), 3, "bars a minute apart, found 2019-12-13 11:00:30"),
        (PLAIN + ROWS[2] + "\n", 5, "each minute once"),
        (PLAIN + ROWS[0] + "\n", 5, "rows by rising time"),
        (PLAIN + ROWS[0] + "\n2019-12-13 11:09:00-05:00,1,1,1,1,0,0,0\n", 5, "rows by rising time"),
        (PLAIN + ROWS[1] + "\n" + ROWS[0] + "\n" + ROWS[2] + "\n", 5, "rows by rising time"),
        (PLAIN + "2019-12-13 11:05:00-05:00,1,1\n", 5, "8 cells as in the header, found 3"),
        (PLAIN + "2019-12-13 11:05:00-05:00,,,,,,0.0,0.0\n", 5, "a number in column Open, found ''"),
        (INDEX.replace("I_SPX,2024-04-19 15:46", "I_NDX,2024-04-19 15:46"), 3, "one symbol per file"),
        (YAHOO.replace("Ticker", "Tock"), 3, "expected the header lines"),
        ("<html><body>no</body></html>", 1, "expected the column Datetime, open, high, low, close"),
    ],
)
def test_a_bad_file_is_said_with_file_and_row(tmp_path: Path, text: str, row: int, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecordingError, match=says) as caught:
        read_bars(path)
    assert (caught.value.file, caught.value.row) == (str(path), row)
    assert str(caught.value).startswith(f"SPY_1m.csv, row {row}: ")


def test_a_file_without_rows_or_without_anything_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="found an empty file"):
        read_bars(write(tmp_path, ""))
    with pytest.raises(RecordingError, match="at least one bar below the header"):
        read_bars(write(tmp_path, PLAIN.splitlines()[0] + "\n"))


def test_a_path_that_is_no_csv_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file or directory; check the path"):
        read_bars(tmp_path / "missing.csv")
    with pytest.raises(RecordingError, match="expected a readable CSV file"):
        read_bars(tmp_path)
    binary = tmp_path / "prices.parquet"
    binary.write_bytes(b"PAR1\xff\xfe\x00\x80")
    with pytest.raises(RecordingError, match="bytes that are not text"):
        read_bars(binary)


@pytest.mark.parametrize(
    ("file", "bars", "volumes"),
    [
        ("equities_2019-12_1m/SPY.csv", 8360, True),
        ("equities_2019-12_1m/TLT.csv", 6798, True),
        ("equities_2025-05_1m/SPY_1m.csv", 1946, True),
        ("equities_2025-05_1m/NVDA_1m.csv", 1944, True),
        ("index_minutes_2024_2025/I_SPX_1m_windows.csv", 1175, False),
    ],
)
def test_real_files_are_read_whole(file: str, bars: int, volumes: bool) -> None:
    path = RECORDINGS / file
    if not path.exists():
        pytest.skip(f"the recorded prices are not here: {path}")
    found = read_bars(path)
    assert len(found) == bars
    assert all((bar.volume is not None) == volumes for bar in found)
    times = [bar.exchange_time for bar in found]
    assert times == sorted(set(times))
