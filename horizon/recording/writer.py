"""Writing a recording: everything a core is handed, and the order requests it sends."""

import io
import zlib
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec

from horizon.errors import RecordingError
from horizon.model import CoreEvent, Fill, Market, OrderReport, OrderRequest, Quote, Trade
from horizon.recording.files import append_line, write_whole
from horizon.recording.payloads import encode_request, event_row
from horizon.recording.schema import CHECKPOINT_FILE, COLUMNS, RUN_FILE, Checkpoint, Part, Run, RunState

_encode = msgspec.json.Encoder().encode


class Recorder:
    """Records one run into a directory, in the shape that `horizon.recording.schema` describes.

    Rows are collected and written as one checkpoint when there are `part_rows` of them, on `flush()` and on `close()`.
    A run that dies keeps all its finished checkpoints. Raises RecordingError when the directory holds a recording
    already, or can't be written; what is there stays readable, and the rows are kept for the next attempt.
    """

    def __init__(
        self,
        directory: Path | str,
        *,
        markets: Sequence[Market],
        metadata: Mapping[str, str] | None = None,
        part_rows: int = 50_000,
    ) -> None:
        self.directory = Path(directory)
        self._run = Run(metadata=dict(metadata or {}), markets=tuple(markets))
        self._part_rows = part_rows
        self._room = part_rows
        self._next_seq = 0
        self._first_seq = 0
        self._requests_sent = 0
        self._checkpoints = 0
        self._quotes: list[Quote] = []
        self._quote_seqs: list[int] = []
        self._trades: list[Trade] = []
        self._trade_seqs: list[int] = []
        self._events: list[tuple[int, int, str, str]] = []
        self._fills: list[tuple[int, Fill]] = []
        self._orders: list[tuple[int, OrderReport]] = []
        self._requests: list[tuple[int, int, str, str]] = []
        self._metrics: list[tuple[int, int, str, float, str | None]] = []
        self._closed = False
        if (self.directory / RUN_FILE).exists():
            raise RecordingError(
                f"expected a directory without a recording, found one in {self.directory}: choose another",
                file=str(self.directory),
            )
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._failure(self.directory, error) from error
        self._write(RUN_FILE, _encode(self._run))

    @property
    def events(self) -> int:
        """How many events have been recorded."""
        return self._next_seq

    def record(self, event: CoreEvent) -> None:
        """Note the next event that the core is handed."""
        seq = self._next_seq
        if type(event) is Quote:
            self._quotes.append(event)
            self._quote_seqs.append(seq)
        elif type(event) is Trade:
            self._trades.append(event)
            self._trade_seqs.append(seq)
        else:
            self._events.append((seq, *event_row(event)))
            if type(event) is Fill:
                self._fills.append((seq, event))
            elif type(event) is OrderReport:
                self._orders.append((seq, event))
        self._next_seq = seq + 1
        self._room -= 1
        if self._room <= 0:
            self.flush()

    def record_request(self, request: OrderRequest) -> None:
        """Note the next order request that the core sends."""
        row = (self._requests_sent, self._next_seq, str(request.client_order_id), encode_request(request))
        self._requests.append(row)
        self._requests_sent += 1

    def record_metric(self, time: int, name: str, value: float | Decimal) -> None:
        """Note a figure that the strategy gave while it handled the last event."""
        exact = str(value) if isinstance(value, Decimal) else None
        self._metrics.append((self._next_seq - 1, time, name, float(value), exact))
        self._room -= 1
        if self._room <= 0:
            self.flush()

    def flush(self) -> None:
        """Write what has been collected as one checkpoint; it is on disk when this returns."""
        self._room = self._part_rows
        tables = {part: columns for part, columns in self._tables().items() if any(columns.values())}
        if not tables:
            return
        sums: dict[str, int] = {}
        for part, columns in tables.items():
            content = _parquet(part, columns)
            name = part.file(self._checkpoints)
            self._write(name, content)
            sums[name] = zlib.crc32(content)
        line = Checkpoint(
            number=self._checkpoints, first=self._first_seq, events=self._next_seq - self._first_seq, parts=sums
        )
        path = self.directory / CHECKPOINT_FILE
        try:
            append_line(path, _encode(line))
        except OSError as error:
            raise self._failure(path, error) from error
        self._checkpoints += 1
        self._first_seq = self._next_seq
        for collected in (self._quotes, self._quote_seqs, self._trades, self._trade_seqs):
            collected.clear()
        for rows in (self._events, self._fills, self._orders, self._requests, self._metrics):
            rows.clear()

    def close(self) -> None:
        """Write what is left, and note that the run came to its end. Closing twice is fine."""
        if self._closed:
            return
        self.flush()
        ended = msgspec.structs.replace(
            self._run, state=RunState.CLOSED, events=self._next_seq, requests=self._requests_sent
        )
        self._write(RUN_FILE, _encode(ended))
        self._closed = True

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _tables(self) -> dict[Part, dict[str, list[Any]]]:
        return {
            Part.QUOTES: _market_data(Part.QUOTES, self._quote_seqs, self._quotes),
            Part.TRADES: _market_data(Part.TRADES, self._trade_seqs, self._trades),
            Part.EVENTS: _columns(Part.EVENTS, self._events),
            Part.REQUESTS: _columns(Part.REQUESTS, self._requests),
            Part.FILLS: _research(Part.FILLS, self._fills),
            Part.ORDERS: _research(Part.ORDERS, self._orders),
            Part.METRICS: _columns(Part.METRICS, self._metrics),
        }

    def _write(self, name: str, content: bytes) -> None:
        path = self.directory / name
        try:
            write_whole(path, content)
        except OSError as error:
            raise self._failure(path, error) from error

    def _failure(self, path: Path, error: OSError) -> RecordingError:
        return RecordingError(
            f"expected to write {path}, and could not: {error.strerror or error}; what was written before is whole",
            file=str(path),
        )


def _market_data(part: Part, seqs: Sequence[int], rows: Sequence[Quote] | Sequence[Trade]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"seq": list(seqs)}
    for name in COLUMNS[part]:
        if name != "seq":
            columns[name] = [getattr(row, name) for row in rows]
    return columns


def _columns(part: Part, rows: Sequence[tuple[Any, ...]]) -> dict[str, list[Any]]:
    names = COLUMNS[part]
    return {name: [row[index] for row in rows] for index, name in enumerate(names)}


def _research(part: Part, rows: Sequence[tuple[int, Fill | OrderReport]]) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"seq": [seq for seq, _ in rows]}
    for name, kind in COLUMNS[part].items():
        if name != "seq":
            values = (getattr(row, name) for _, row in rows)
            columns[name] = [str(value) if kind is str and value is not None else value for value in values]
    return columns


def _parquet(part: Part, columns: Mapping[str, list[Any]]) -> bytes:
    import polars

    content = io.BytesIO()
    polars.DataFrame(columns, schema=COLUMNS[part]).write_parquet(content, compression="zstd", compression_level=1)
    return content.getvalue()
