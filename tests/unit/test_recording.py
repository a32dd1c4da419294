"""A recording is read back as it was written, whole checkpoints only, and damage is said."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from horizon.errors import RecordingError
from horizon.model import (
    AccountId,
    Availability,
    Bar,
    Book,
    ClientOrderId,
    CoreEvent,
    ExecutionId,
    Fill,
    Instrument,
    Market,
    MarketId,
    MarketKind,
    Notice,
    NoticeLevel,
    OrderReport,
    OrderRequest,
    OrderSide,
    OrderStatus,
    PriceGrid,
    PromptAnswered,
    Quote,
    SessionState,
    SessionTier,
    Side,
    Start,
    Stop,
    TierState,
    TimerFired,
    Trade,
    instrument,
)
from horizon.ports import Recording
from horizon.recording import Recorder, RecordingReader
from horizon.recording.schema import COLUMNS, Part

SPY = Market(
    exchange="sim", market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY", price_grid=PriceGrid.of("0.01")
)
NAME = SPY.instrument()
ACCOUNT = AccountId("A")


def request(number: int) -> OrderRequest:
    return OrderRequest(
        market_id=MarketId("1"),
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=Decimal("100.10"),
        client_order_id=ClientOrderId(f"order-{number}"),
        exchange="sim",
    )


EVERY_KIND: list[CoreEvent] = [
    Start(time=1, run_id="r", markets={"spy": SPY}, accounts=()),
    Quote(NAME, 2, 99.5, None, 10.0, None, None, Availability.DELAYED),
    Trade(NAME, 3, 99.7, 5.0, 3),
    Bar(NAME, 4, 1.0, 2.0, 0.5, 1.5, None, 60, 0),
    Book(NAME, 5, ((99.0, 1.0), (98.0, 2.0)), ((100.0, 3.0),)),
    TimerFired(name="t", time=6),
    OrderReport(
        exchange="sim",
        account_id=ACCOUNT,
        time=7,
        status=OrderStatus.PARTIALLY_FILLED,
        client_order_id=ClientOrderId("order-0"),
        filled=Decimal("1.50"),
        average_price=Decimal("99.10"),
    ),
    Fill(
        exchange="sim",
        account_id=ACCOUNT,
        execution_id=ExecutionId("x"),
        market_id=MarketId("1"),
        side=Side.LONG,
        order_side=OrderSide.SELL,
        size=Decimal("1.50"),
        price=Decimal("99.10"),
        commission=None,
        trade_time=8,
        receive_time=9,
    ),
    SessionState(exchange="sim", time=10, ready=True, tiers=(TierState(tier=SessionTier.GATEWAY, up=True, since=1),)),
    Notice(exchange="sim", time=11, level=NoticeLevel.WARNING, text="text"),
    PromptAnswered(
        exchange="sim",
        account_id=ACCOUNT,
        time=12,
        client_order_id="order-0",
        message_ids=("o163",),
        messages=("sure?",),
        accepted=True,
        reason="policy",
    ),
    Quote(NAME, 13, 1.0, 2.0),
    Stop(time=14, reason="end"),
]


def read(directory: Path) -> list[CoreEvent]:
    return [event for batch in RecordingReader(directory).batches() for event in batch]


def record(directory: Path, events: list[CoreEvent], part_rows: int = 50_000) -> None:
    with Recorder(directory, markets=[SPY], metadata={"seed": "7"}, part_rows=part_rows) as recorder:
        for event in events:
            recorder.record(event)


@pytest.mark.parametrize("part_rows", [1, 2, 5, 13, 50_000])
def test_every_kind_of_event_comes_back_in_order_whatever_the_size_of_a_part(tmp_path: Path, part_rows: int) -> None:
    record(tmp_path, EVERY_KIND, part_rows)
    assert read(tmp_path) == EVERY_KIND


def test_a_reader_is_a_recording(tmp_path: Path) -> None:
    record(tmp_path, EVERY_KIND)
    reader = RecordingReader(tmp_path)
    as_port: Recording = reader
    assert list(as_port.markets()) == [SPY]
    assert reader.metadata == {"seed": "7"}
    assert reader.closed
    assert reader.events == len(EVERY_KIND)


def test_instruments_come_back_interned(tmp_path: Path) -> None:
    record(tmp_path, EVERY_KIND)
    for event in read(tmp_path):
        if isinstance(event, Quote | Trade):
            assert event.instrument is instrument("sim", "1", "LONG")


def test_the_requests_come_back_in_order(tmp_path: Path) -> None:
    sent = [request(number) for number in range(5)]
    with Recorder(tmp_path, markets=[]) as recorder:
        for number, one in enumerate(sent):
            recorder.record(TimerFired(name="t", time=number))
            recorder.record_request(one)
            if number == 2:
                recorder.flush()
    assert list(RecordingReader(tmp_path).requests()) == sent


def test_batches_are_bounded_and_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("horizon.recording.reader.BATCH_ROWS", 7)
    events: list[CoreEvent] = []
    for number in range(100):
        events.append(Quote(NAME, number, float(number)))
        if number % 9 == 0:
            events.append(TimerFired(name="t", time=number))
    record(tmp_path, events, part_rows=40)
    batches = list(RecordingReader(tmp_path).batches())
    assert max(map(len, batches)) == 7
    assert [event for batch in batches for event in batch] == events


def test_an_empty_run_is_a_recording_of_nothing(tmp_path: Path) -> None:
    record(tmp_path, [])
    assert read(tmp_path) == []
    assert list(RecordingReader(tmp_path).requests()) == []


def test_a_run_that_was_never_closed_is_read_up_to_its_last_checkpoint(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, markets=[SPY], part_rows=4)
    for event in EVERY_KIND:
        recorder.record(event)
    reader = RecordingReader(tmp_path)
    assert not reader.closed
    assert read(tmp_path) == EVERY_KIND[:12]


def test_a_run_killed_in_the_middle_keeps_its_checkpoints(tmp_path: Path) -> None:
    script = f"""
import os
from horizon.model import Quote
from horizon.recording import Recorder
recorder = Recorder({str(tmp_path / "run")!r}, markets=[], part_rows=10)
for number in range(25):
    recorder.record(Quote("sim:1:LONG", number, 1.0))
os._exit(9)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 9
    assert [event.receive_time for event in read(tmp_path / "run") if isinstance(event, Quote)] == list(range(20))


def test_a_checkpoint_that_was_being_written_is_not_counted(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, markets=[], part_rows=10)
    for number in range(20):
        recorder.record(Quote(NAME, number))
    path = tmp_path / "checkpoints.jsonl"
    path.write_bytes(path.read_bytes()[:-10])
    assert len(read(tmp_path)) == 10


def test_nothing_with_a_temporary_name_is_left(tmp_path: Path) -> None:
    record(tmp_path, EVERY_KIND)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoints.jsonl",
        "events-00000.parquet",
        "fills-00000.parquet",
        "orders-00000.parquet",
        "quotes-00000.parquet",
        "run.json",
        "trades-00000.parquet",
    ]


def test_fills_and_reports_are_columns_with_exact_text_for_research(tmp_path: Path) -> None:
    import polars

    record(tmp_path, EVERY_KIND)
    fills = polars.read_parquet(tmp_path / "fills-00000.parquet")
    assert fills.columns == list(COLUMNS[Part.FILLS])
    row = fills.row(0, named=True)
    assert (row["seq"], row["size"], row["price"], row["commission"]) == (7, "1.50", "99.10", None)
    assert (row["instrument"], row["order_side"]) == ("sim:1:LONG", "SELL")
    report = polars.read_parquet(tmp_path / "orders-00000.parquet").row(0, named=True)
    assert (report["status"], report["filled"], report["size"]) == ("PARTIALLY_FILLED", "1.50", None)
    assert report["refused_change"] is False


def test_a_directory_that_holds_a_recording_is_not_written_over(tmp_path: Path) -> None:
    record(tmp_path, EVERY_KIND)
    with pytest.raises(RecordingError, match="without a recording"):
        Recorder(tmp_path, markets=[])
    assert read(tmp_path) == EVERY_KIND


def test_what_is_no_event_is_refused(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, markets=[])
    with pytest.raises(TypeError, match="CoreEvent, found str"):
        recorder.record("quote")  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_full_disk_is_an_error_and_what_was_there_stays_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    recorder = Recorder(tmp_path, markets=[], part_rows=10)
    for number in range(15):
        recorder.record(Quote(NAME, number))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, broken, full)
        with pytest.raises(RecordingError, match="No space left on device") as caught:
            recorder.flush()
    assert caught.value.file.endswith("quotes-00001.parquet")
    assert len(read(tmp_path)) == 10
    recorder.close()
    assert len(read(tmp_path)) == 15
    assert not list(tmp_path.glob(".*"))


def test_a_full_disk_while_the_checkpoint_is_noted_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, markets=[], part_rows=10)
    for number in range(15):
        recorder.record(Quote(NAME, number))
    real, calls = os.fsync, 0

    def fails_third(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:  # the part, its directory, then the checkpoint's line
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails_third)
        with pytest.raises(RecordingError, match=r"checkpoints\.jsonl"):
            recorder.flush()
    assert len(read(tmp_path)) == 10
    recorder.close()
    assert [event.receive_time for event in read(tmp_path) if isinstance(event, Quote)] == list(range(15))


def test_a_place_that_can_not_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingError, match="could not"):
        Recorder(tmp_path / "file" / "run", markets=[])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _edit(change: Callable[[dict[str, object]], None]) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        run = json.loads(path.read_text())
        change(run)
        path.write_text(json.dumps(run))

    return apply


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("quotes-00000.parquet", _flip, "not those that were written"),
        ("events-00000.parquet", Path.unlink, "can't be read"),
        ("checkpoints.jsonl", Path.unlink, "can't be read"),
        ("checkpoints.jsonl", lambda path: path.write_text("{}\n"), "row 1: the recording is damaged"),
        ("checkpoints.jsonl", lambda path: path.write_text(""), "expected 13 events, found 0"),
        ("run.json", Path.unlink, "expected a recording in"),
        ("run.json", lambda path: path.write_text("not json"), "damaged"),
        ("run.json", _edit(lambda run: run.update(schema=99)), "newer Horizon"),
        ("run.json", _edit(lambda run: run.update(markets=3)), "damaged"),
    ],
)
def test_damage_is_named_with_its_file(tmp_path: Path, name: str, damage: Callable[[Path], None], says: str) -> None:
    record(tmp_path, EVERY_KIND)
    damage(tmp_path / name)
    with pytest.raises(RecordingError, match=says) as caught:
        read(tmp_path)
    assert Path(caught.value.file).name == name


def test_a_directory_without_a_recording_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"run\.json can't be read"):
        RecordingReader(tmp_path / "nowhere")


def test_an_event_of_another_version_is_named_with_its_row(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, markets=[])
    recorder.record(TimerFired(name="t", time=1))
    recorder._events.append((1, 2, "from_the_future", "{}"))
    recorder._next_seq += 1
    recorder.close()
    with pytest.raises(RecordingError, match=r"row 2.*from_the_future") as caught:
        read(tmp_path)
    assert caught.value.row == 2


def test_importing_the_recording_package_does_not_load_polars() -> None:
    script = "import sys, horizon.recording; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_a_name_that_is_used_by_thousands_of_quotes_is_one_object(tmp_path: Path) -> None:
    record(tmp_path, [Quote(Instrument("sim:1:LONG"), number) for number in range(1000)])
    assert len({id(event.instrument) for event in read(tmp_path) if isinstance(event, Quote)}) == 1
