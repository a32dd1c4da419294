"""Reading a recording: the events as the core was handed them, in bounded memory."""

import io
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from horizon.errors import RecordingError
from horizon.model import Availability, CoreEvent, Market, OrderRequest, Quote, Trade
from horizon.recording.payloads import decode_event, decode_request
from horizon.recording.schema import CHECKPOINT_FILE, COLUMNS, RUN_FILE, SCHEMA, Checkpoint, Metric, Part, Run, RunState

if TYPE_CHECKING:
    import polars

BATCH_ROWS = 65_536
_AVAILABILITY = {str(member): member for member in Availability}


class _SchemaOnly(msgspec.Struct):
    schema: int


class RecordingReader:
    """A `horizon.ports.Recording` in a directory that a `Recorder` has written, closed or not.

    Raises RecordingError, with the file, for what is missing, damaged or written by a newer version.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self._run = self._read_run()
        self._checkpoints = self._read_checkpoints()

    @property
    def metadata(self) -> dict[str, str]:
        """What the run said about itself."""
        return dict(self._run.metadata)

    @property
    def closed(self) -> bool:
        """Whether the run came to its end. Otherwise it is still going on, or died: what follows the last checkpoint
        is not there."""
        return self._run.state is RunState.CLOSED

    @property
    def events(self) -> int:
        """How many events there are to read."""
        return sum(checkpoint.events for checkpoint in self._checkpoints)

    def markets(self) -> Sequence[Market]:
        return self._run.markets

    def batches(self) -> Iterator[list[CoreEvent]]:
        """Every event in the order in which the core was handed them, at most BATCH_ROWS at a time."""
        for checkpoint in self._checkpoints:
            frames = {
                part: frame
                for part in (Part.QUOTES, Part.TRADES, Part.EVENTS)
                if (frame := self._frame(part, checkpoint)) is not None
            }
            if sum(frame.height for frame in frames.values()) != checkpoint.events:
                raise self._damaged(CHECKPOINT_FILE, f"checkpoint {checkpoint.number} lacks events")
            end = checkpoint.first + checkpoint.events
            for first in range(checkpoint.first, end, BATCH_ROWS):
                yield self._batch(checkpoint, frames, first, min(first + BATCH_ROWS, end))

    def requests(self) -> Iterator[OrderRequest]:
        """Every order request that the core sent, in order."""
        for checkpoint in self._checkpoints:
            frame = self._frame(Part.REQUESTS, checkpoint)
            if frame is None:
                continue
            for row, payload in enumerate(frame["payload"].to_list()):
                try:
                    yield decode_request(payload)
                except (msgspec.DecodeError, ValueError) as error:
                    raise self._damaged(Part.REQUESTS.file(checkpoint.number), str(error), row) from error

    def metrics(self) -> Iterator[Metric]:
        """Every figure of the strategy's own, in the order in which they were given."""
        for checkpoint in self._checkpoints:
            frame = self._frame(Part.METRICS, checkpoint)
            for seq, time, name, value, exact in (
                () if frame is None else frame.select(list(COLUMNS[Part.METRICS])).iter_rows()
            ):
                yield Metric(seq, time, name, value if exact is None else Decimal(exact))

    def _batch(
        self, checkpoint: Checkpoint, frames: "dict[Part, polars.DataFrame]", first: int, end: int
    ) -> list[CoreEvent]:
        seqs: list[int] = []
        events: list[CoreEvent] = []
        kinds = 0
        for part, frame in frames.items():
            seq = frame["seq"]
            low, high = int(seq.search_sorted(first)), int(seq.search_sorted(end))
            if low == high:
                continue
            kinds += 1
            rows = frame.slice(low, high - low)
            seqs += rows["seq"].to_list()
            events += self._events(part, checkpoint, rows, low)
        if kinds > 1:
            order = sorted(range(len(seqs)), key=seqs.__getitem__)
            events = [events[index] for index in order]
        return events

    def _events(self, part: Part, checkpoint: Checkpoint, rows: "polars.DataFrame", offset: int) -> Sequence[CoreEvent]:
        if part is Part.EVENTS:
            return self._decoded(checkpoint, rows, offset)
        columns = [rows[name].to_list() for name in COLUMNS[part] if name != "seq"]
        columns[0] = list(map(sys.intern, columns[0]))
        try:
            columns[-1] = list(map(_AVAILABILITY.__getitem__, columns[-1]))
        except KeyError as error:
            raise self._damaged(part.file(checkpoint.number), f"found availability {error}") from error
        make: Callable[..., Quote | Trade] = Quote if part is Part.QUOTES else Trade
        return list(map(make, *columns))

    def _decoded(self, checkpoint: Checkpoint, rows: "polars.DataFrame", offset: int) -> list[CoreEvent]:
        events: list[CoreEvent] = []
        for row, (kind, payload) in enumerate(zip(rows["kind"].to_list(), rows["payload"].to_list(), strict=True)):
            try:
                events.append(decode_event(kind, payload))
            except (msgspec.DecodeError, ValueError) as error:
                raise self._damaged(Part.EVENTS.file(checkpoint.number), str(error), offset + row) from error
        return events

    def _frame(self, part: Part, checkpoint: Checkpoint) -> "polars.DataFrame | None":
        """A checkpoint's part, if it has one."""
        name = part.file(checkpoint.number)
        if name not in checkpoint.parts:
            return None
        import polars

        content = self._read(name)
        if zlib.crc32(content) != checkpoint.parts[name]:
            raise self._damaged(name, "its contents are not those that were written")
        try:
            frame = polars.read_parquet(io.BytesIO(content))
        except polars.exceptions.PolarsError as error:
            raise self._damaged(name, str(error)) from error
        missing = COLUMNS[part].keys() - set(frame.columns)
        if missing:
            raise self._damaged(name, f"it lacks the column {', '.join(sorted(missing))}")
        return frame

    def _read_run(self) -> Run:
        content = self._read(RUN_FILE)
        try:
            schema = msgspec.json.decode(content, type=_SchemaOnly).schema
            if schema > SCHEMA:
                raise RecordingError(
                    f"{self.directory / RUN_FILE}: expected schema {SCHEMA} or older, found {schema}: "
                    "it was written by a newer Horizon; update this one",
                    file=str(self.directory / RUN_FILE),
                )
            return msgspec.json.decode(content, type=Run)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._damaged(RUN_FILE, str(error)) from error

    def _read_checkpoints(self) -> list[Checkpoint]:
        path = self.directory / CHECKPOINT_FILE
        if not path.exists() and self._run.events in (None, 0) and self._run.requests in (None, 0):
            return []
        *lines, torn = self._read(CHECKPOINT_FILE).split(b"\n")
        found: list[Checkpoint] = []
        for row, line in enumerate(lines):
            try:
                found.append(msgspec.json.decode(line, type=Checkpoint))
            except msgspec.DecodeError as error:
                raise self._damaged(CHECKPOINT_FILE, str(error), row) from error
        events = sum(checkpoint.events for checkpoint in found)
        expected = self._run.events
        if torn and self.closed:
            raise self._damaged(CHECKPOINT_FILE, "its last line is cut off", len(lines))
        if expected is not None and events != expected:
            raise self._damaged(CHECKPOINT_FILE, f"expected {expected} events, found {events}")
        return found

    def _read(self, name: str) -> bytes:
        path = self.directory / name
        try:
            return path.read_bytes()
        except OSError as error:
            raise RecordingError(
                f"expected a recording in {self.directory}, and {name} can't be read: {error.strerror or error}",
                file=str(path),
            ) from error

    def _damaged(self, name: str, found: str, row: int | None = None) -> RecordingError:
        path = self.directory / name
        place = f"{path}, row {row + 1}" if row is not None else str(path)
        return RecordingError(
            f"{place}: the recording is damaged: {found}", file=str(path), row=None if row is None else row + 1
        )
