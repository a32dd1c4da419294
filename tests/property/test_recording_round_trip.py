"""Whatever a core was handed comes back equal, bit for bit, in the same order."""

import math
import struct
import tempfile
from decimal import Decimal
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from horizon.model import (
    AccountId,
    Availability,
    Bar,
    CancelAsked,
    ClientOrderId,
    CoreEvent,
    ExecutionId,
    Fill,
    Instrument,
    KillSwitched,
    MarketId,
    OrderReport,
    OrderRequest,
    OrdersAsked,
    OrderSide,
    OrderStatus,
    OrderType,
    Quote,
    Side,
    TimeInForce,
    TimerFired,
    Trade,
)
from horizon.recording import Recorder, RecordingReader

names = st.sampled_from(["sim:1:LONG", "venue:a:b:YES", "sim:é:NO"]).map(Instrument)
times = st.integers(min_value=-(2**62), max_value=2**62)
maybe_time = st.none() | times
any_float = st.floats(allow_nan=True, allow_infinity=True)
maybe_float = st.none() | any_float
finite = st.floats(allow_nan=False, allow_infinity=False)
availability = st.sampled_from(Availability)
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=0, max_value=10**9)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)

quotes = st.builds(Quote, names, times, maybe_float, maybe_float, maybe_float, maybe_float, maybe_time, availability)
trades = st.builds(Trade, names, times, any_float, maybe_float, maybe_time, availability)
bars = st.builds(Bar, names, times, finite, finite, finite, finite, st.none() | finite, times, times, availability)
reports = st.builds(
    OrderReport,
    exchange=texts,
    account_id=texts.map(AccountId),
    time=times,
    status=st.sampled_from(OrderStatus),
    client_order_id=st.none() | texts.map(ClientOrderId),
    filled=st.none() | amounts,
    average_price=st.none() | amounts,
    reason=texts,
    refused_change=st.booleans(),
)
fills = st.builds(
    Fill,
    exchange=texts,
    account_id=texts.map(AccountId),
    execution_id=texts.map(ExecutionId),
    market_id=texts.map(MarketId),
    side=st.sampled_from(Side),
    order_side=st.sampled_from(OrderSide),
    size=amounts,
    price=amounts,
    commission=st.none() | amounts,
    trade_time=times,
    receive_time=times,
)
timers = st.builds(TimerFired, name=texts, time=times)
requests = st.builds(
    OrderRequest,
    market_id=st.just(MarketId("1")),
    side=st.sampled_from(Side),
    order_side=st.sampled_from(OrderSide),
    size=st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=1, max_value=10**6),
    price=amounts,
    order_type=st.just(OrderType.LIMIT),
    time_in_force=st.sampled_from(TimeInForce),
    client_order_id=texts.map(ClientOrderId),
    parent=st.none() | texts.map(ClientOrderId),
    outside_rth=st.booleans(),
)

asked = st.one_of(
    st.builds(OrdersAsked, time=times, exchange=texts, requests=st.lists(requests, max_size=2).map(tuple)),
    st.builds(CancelAsked, time=times, exchange=texts, client_order_ids=st.lists(texts.map(ClientOrderId)).map(tuple)),
    st.builds(KillSwitched, time=times, exchange=texts, pulled=st.booleans(), reason=texts),
)
events: st.SearchStrategy[CoreEvent] = st.one_of(quotes, quotes, trades, bars, reports, fills, timers, asked)


def bits(value: object) -> object:
    """A value that is equal only where the bits are: NaN is itself, and -0.0 is not 0.0."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    if isinstance(value, Decimal):
        return str(value)
    return value


def fields(event: object) -> tuple[object, ...]:
    names = getattr(event, "__struct_fields__", ())
    return (type(event), *(bits(getattr(event, name)) for name in names))


@settings(max_examples=60, deadline=None)
@given(events=st.lists(events, max_size=30), part_rows=st.integers(1, 12))
def test_events_round_trip_exactly(events: list[CoreEvent], part_rows: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with Recorder(Path(directory), markets=[], part_rows=part_rows) as recorder:
            for event in events:
                recorder.record(event)
        back = [event for batch in RecordingReader(directory).batches() for event in batch]
    assert [fields(event) for event in back] == [fields(event) for event in events]


@settings(max_examples=40, deadline=None)
@given(sent=st.lists(requests, max_size=20), flush_after=st.integers(0, 20))
def test_requests_round_trip_exactly(sent: list[OrderRequest], flush_after: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with Recorder(Path(directory), markets=[]) as recorder:
            for number, request in enumerate(sent):
                recorder.record_request(request)
                if number == flush_after:
                    recorder.flush()
        back = list(RecordingReader(directory).requests())
    assert [fields(request) for request in back] == [fields(request) for request in sent]


@settings(max_examples=40, deadline=None)
@given(
    given=st.lists(st.tuples(quotes, st.lists(st.floats(width=64) | amounts, max_size=3)), max_size=15),
    part_rows=st.integers(1, 8),
)
def test_metrics_round_trip_exactly_with_their_event(
    given: list[tuple[Quote, list[float | Decimal]]], part_rows: int
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        with Recorder(Path(directory), markets=[], part_rows=part_rows) as recorder:
            for quote, figures in given:
                recorder.record(quote)
                for figure in figures:
                    recorder.record_metric(quote.receive_time, "figure", figure)
        back = [(metric.seq, bits(metric.value)) for metric in RecordingReader(directory).metrics()]
    assert back == [(seq, bits(figure)) for seq, (_, figures) in enumerate(given) for figure in figures]
