"""What a recording looks like on disk (schema 2).

A recording is a directory:

    run.json                    schema, state ("running" or "closed"), metadata, markets; totals once closed
    checkpoints.jsonl           one line per finished checkpoint: its first event, its number of events, and the CRC-32
                                of each of its parts; a checkpoint counts once its line is there, whole
    quotes-00000.parquet        seq, instrument, receive_time, bid, ask, bid_size, ask_size, exchange_time, availability
    trades-00000.parquet        seq, instrument, receive_time, price, size, exchange_time, availability
    events-00000.parquet        seq, time, kind, payload: every other event, as JSON
    requests-00000.parquet      number, after, client_order_id, payload: the order requests the core sent, as JSON;
                                `after` is how many events had been handed to the core by then
    fills-00000.parquet         the fills among the events, in columns, for research
    orders-00000.parquet        the order reports among the events, in columns, for research
    metrics-00000.parquet       seq, time, name, value, exact: the strategy's own figures; `seq` is the event whose
                                callback gave it, and `exact` the decimal text of one that was not given as a float

The number in a name is the checkpoint's; a checkpoint has the parts it has rows for. `seq` counts every event the core
was handed, over all kinds, from 0: together the first three kinds hold each seq once. Times are integer nanoseconds
UTC; what was not sent is null; floats are IEEE doubles, stored as they are; Decimals are text (`0.10` stays `0.10`).

Schema 1 is read as well: it has no metrics, no instructions from outside among its events, and no state at its start.
"""

from decimal import Decimal
from enum import StrEnum

import msgspec

from horizon.model import Market

SCHEMA = 2
RUN_FILE = "run.json"
CHECKPOINT_FILE = "checkpoints.jsonl"


class Part(StrEnum):
    """The kinds of part, by the beginning of their file names."""

    QUOTES = "quotes"
    TRADES = "trades"
    EVENTS = "events"
    REQUESTS = "requests"
    FILLS = "fills"
    ORDERS = "orders"
    METRICS = "metrics"

    def file(self, checkpoint: int) -> str:
        return f"{self.value}-{checkpoint:05d}.parquet"


_MARKET_DATA_END: dict[str, type] = {"exchange_time": int, "availability": str}

COLUMNS: dict[Part, dict[str, type]] = {
    Part.QUOTES: {
        "seq": int,
        "instrument": str,
        "receive_time": int,
        "bid": float,
        "ask": float,
        "bid_size": float,
        "ask_size": float,
        **_MARKET_DATA_END,
    },
    Part.TRADES: {
        "seq": int,
        "instrument": str,
        "receive_time": int,
        "price": float,
        "size": float,
        **_MARKET_DATA_END,
    },
    Part.EVENTS: {"seq": int, "time": int, "kind": str, "payload": str},
    Part.REQUESTS: {"number": int, "after": int, "client_order_id": str, "payload": str},
    Part.FILLS: {
        "seq": int,
        "trade_time": int,
        "receive_time": int,
        "exchange": str,
        "account_id": str,
        "instrument": str,
        "market_id": str,
        "symbol": str,
        "side": str,
        "order_side": str,
        "size": str,
        "price": str,
        "currency": str,
        "multiplier": str,
        "commission": str,
        "commission_currency": str,
        "kind": str,
        "execution_id": str,
        "venue_order_id": str,
        "client_order_id": str,
    },
    Part.ORDERS: {
        "seq": int,
        "time": int,
        "exchange": str,
        "account_id": str,
        "client_order_id": str,
        "venue_order_id": str,
        "status": str,
        "filled": str,
        "size": str,
        "average_price": str,
        "reason": str,
        "refused_change": bool,
    },
    Part.METRICS: {"seq": int, "time": int, "name": str, "value": float, "exact": str},
}


class Metric(msgspec.Struct, frozen=True, gc=False):
    """A figure that a strategy gave with `ctx.metric`. `value` is a float when it was given as one."""

    seq: int
    """Of the event whose callback gave it."""
    time: int
    name: str
    value: float | Decimal


class RunState(StrEnum):
    RUNNING = "running"
    CLOSED = "closed"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of `run.json`."""

    schema: int = SCHEMA
    state: RunState = RunState.RUNNING
    metadata: dict[str, str] = {}
    markets: tuple[Market, ...] = ()
    events: int | None = None
    """How many events the whole run has; None until it is closed."""
    requests: int | None = None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `checkpoints.jsonl`."""

    number: int
    first: int
    """The seq of its first event."""
    events: int
    parts: dict[str, int]
    """CRC-32 of each part, by file name."""
