"""Snapshots: the preflight, a hundred conids a call, missing stays missing. And the feed that schedules them."""

import asyncio
from typing import Any

import httpx
import pytest

from exchanges.ibkr.market_data import FIELDS, PREFLIGHT_CALLS, MarketData
from exchanges.ibkr.rates import DATA_LINES, SNAPSHOT_CONIDS
from feeds.ibkr_polling import IbkrPollingFeed
from horizon.errors import ConfigurationError, InvalidOrder, Refused, VenueUnavailable
from horizon.model import Availability, Instrument, MarketId, Quote, instrument

SNAPSHOT = "GET /iserver/marketdata/snapshot"
UNSUBSCRIBE = "POST /iserver/marketdata/unsubscribe"
SPY = instrument("ibkr", "756733", "LONG")


def row(conid: int = 756733, **changes: Any) -> dict[str, Any]:
    fields = {"84": "655.88", "86": "655.90", "88": "1,300", "85": "2.4K", "6509": "RpB", "_updated": 1_775_169_600_000}
    return {"conid": conid, "conidEx": str(conid), **fields, **changes}


def cold(conid: int = 756733) -> dict[str, Any]:
    return {"conid": conid, "conidEx": str(conid)}


def names(count: int) -> list[Instrument]:
    return [instrument("ibkr", str(1000 + number), "LONG") for number in range(count)]


@pytest.fixture
def market_data(host: Any) -> MarketData:
    return MarketData(host.client, host.clock, exchange="ibkr")


async def test_a_quote_has_numbers_and_says_how_fresh_it_is(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row()])
    (quote,) = await market_data.quotes([SPY])
    assert quote == Quote(
        SPY, host.clock.now(), 655.88, 655.90, 1300.0, 2400.0, 1_775_169_600_000_000_000, Availability.LIVE
    )
    assert market_data.latest(MarketId("756733")) == quote


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("RpB", Availability.LIVE),
        ("DPB", Availability.DELAYED),
        ("ZB", Availability.FROZEN),
        ("Y", Availability.FROZEN),
        ("N", Availability.UNAVAILABLE),
        ("O", Availability.UNAVAILABLE),
        ("S", Availability.UNKNOWN),
        ("", Availability.UNKNOWN),
        (None, Availability.UNKNOWN),
    ],
)
async def test_the_availability_code_is_read(
    market_data: MarketData, host: Any, code: str | None, expected: Availability
):
    host.on(SNAPSHOT, [row(**{"6509": code})])
    (quote,) = await market_data.quotes([SPY])
    assert quote.availability is expected


async def test_the_preflight_is_repeated_until_both_sides_are_there(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [cold()], [cold() | {"84": "655.88"}], [row()])
    began = host.clock.monotonic()
    (quote,) = await market_data.quotes([SPY])
    assert (quote.bid, quote.ask) == (655.88, 655.90)
    assert len(host.calls) == 3
    assert host.clock.monotonic() - began >= 1.0


async def test_only_new_conids_are_asked_again(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row(1000), cold(1001)], [row(1001)])
    await market_data.quotes(names(2))
    assert [call.params["conids"] for call in host.calls] == ["1000,1001", "1001"]
    host.on(SNAPSHOT, [row(1000), cold(1001)])
    (first, second) = await market_data.quotes(names(2))
    assert len(host.calls) == 3
    assert first.bid is not None
    assert (second.bid, second.ask, second.bid_size) == (None, None, None)


async def test_the_preflight_ends_although_no_price_ever_comes(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [cold() | {"6509": "N"}])
    (quote,) = await market_data.quotes([SPY])
    assert len(host.calls) == PREFLIGHT_CALLS
    assert (quote.bid, quote.availability) == (None, Availability.UNAVAILABLE)
    reading = await market_data.read([SPY])
    assert "not subscribed" in reading.causes[SPY]


@pytest.mark.parametrize("count", [1, 99, 100, 101, 250])
async def test_a_call_has_at_most_a_hundred_conids(market_data: MarketData, host: Any, count: int):
    market_data.lines.limit = 250
    host.on(SNAPSHOT, lambda call: [row(int(conid)) for conid in call.params["conids"].split(",")])
    quotes = await market_data.quotes(names(count))
    assert [quote.instrument for quote in quotes] == names(count)
    assert max(len(call.params["conids"].split(",")) for call in host.calls) <= SNAPSHOT_CONIDS
    assert len(host.calls) == -(-count // SNAPSHOT_CONIDS)


async def test_both_sides_of_nothing_are_asked_once(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row()])
    quotes = await market_data.quotes([SPY, SPY])
    assert host.calls[0].params["conids"] == "756733"
    assert [quote.instrument for quote in quotes] == [SPY, SPY]


async def test_a_missing_row_and_an_unreadable_one_are_told_apart_from_the_rest(market_data: MarketData, host: Any):
    one, two, three = names(3)
    host.on(SNAPSHOT, [row(1000), row(1001, **{"84": "soon"})])
    reading = await market_data.read([one, two, three])
    assert [quote.instrument for quote in reading.quotes] == [one]
    assert "soon" in reading.causes[two]
    assert "no row" in reading.causes[three]
    with pytest.raises(Refused, match="no row"):
        await market_data.quotes([three])


async def test_words_and_foreign_instruments_are_refused_before_anything_is_asked(market_data: MarketData, host: Any):
    with pytest.raises(InvalidOrder, match="digits only"):
        await market_data.quotes([instrument("ibkr", "SPY", "LONG")])
    with pytest.raises(ConfigurationError, match="kalshi"):
        await market_data.quotes([instrument("kalshi", "1", "YES")])
    assert host.calls == []


async def test_a_snapshot_knows_a_prior_close_from_a_last_price(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row(**{"31": "C650.10", "87": "50.6M", "83": "0.54%", "7308": "0.5", "70": ""})])
    (snapshot,) = await market_data.snapshots([SPY], fields=["delta", "7741"])
    assert (snapshot.last, snapshot.last_is_prior_close, snapshot.halted) == (650.10, True, False)
    assert (snapshot.volume, snapshot.change_percent, snapshot.high) == (50_600_000.0, 0.54, None)
    assert snapshot.fields["7308"] == "0.5"
    asked = host.calls[0].params["fields"].split(",")
    assert {"7308", "7741"} <= set(asked)
    assert len(asked) == len(set(asked))


async def test_the_raw_volume_goes_before_the_rounded_one(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row(**{"31": "H650.10", "87": "50.6M", "7762": "50612345"})])
    (snapshot,) = await market_data.snapshots([SPY])
    assert (snapshot.volume, snapshot.halted) == (50_612_345.0, True)


async def test_unknown_and_too_many_fields_are_refused(market_data: MarketData, host: Any):
    with pytest.raises(ConfigurationError, match="mood"):
        await market_data.snapshots([SPY], fields=["mood"])
    with pytest.raises(ConfigurationError, match="at most 50"):
        await market_data.snapshots([SPY], fields=[str(7000 + number) for number in range(50)])
    assert host.calls == []


def test_fields_have_names():
    assert FIELDS["bid"] == "84"
    assert len(set(FIELDS.values())) == len(FIELDS)


async def test_unsubscribing_a_stream_that_is_not_open_is_no_error(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row()])
    await market_data.quotes([SPY])
    assert market_data.is_streaming
    host.on(UNSUBSCRIBE, httpx.Response(400, json={"error": "unknown"}))
    await market_data.unsubscribe([SPY])
    assert not market_data.is_streaming
    assert host.seen(UNSUBSCRIBE)[0].body == {"conid": 756733}


async def test_a_stream_the_venue_has_forgotten_answers_500_and_that_is_no_error(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row()]).on(UNSUBSCRIBE, httpx.Response(500, json={"error": "unknown"}))
    await market_data.quotes([SPY])
    await market_data.unsubscribe([SPY])
    assert not market_data.is_streaming
    host.on(UNSUBSCRIBE, httpx.Response(503, json={"error": "Service Unavailable"}))
    with pytest.raises(VenueUnavailable):
        await market_data.unsubscribe([SPY])


async def test_one_stream_too_many_is_refused_before_it_is_asked_for(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, lambda call: [row(int(conid)) for conid in call.params["conids"].split(",")])
    host.on(UNSUBSCRIBE, {"success": True})
    await market_data.quotes(names(DATA_LINES))
    with pytest.raises(ConfigurationError, match="at most 100 market-data streams at once, found 100 open and 1 more"):
        await market_data.quotes([SPY])
    assert len(host.seen(SNAPSHOT)) == 1
    await market_data.quotes(names(DATA_LINES))
    await market_data.unsubscribe(names(1))
    await market_data.quotes([SPY])
    assert len(market_data.lines) == DATA_LINES
    host.on("GET /iserver/marketdata/unsubscribeall", {"unsubscribed": True})
    await market_data.unsubscribe_all()
    assert len(market_data.lines) == 0


async def test_a_stream_that_could_not_be_closed_still_counts(market_data: MarketData, host: Any):
    host.on(SNAPSHOT, [row()]).on(UNSUBSCRIBE, httpx.Response(503, json={"error": "Service Unavailable"}))
    await market_data.quotes([SPY])
    with pytest.raises(VenueUnavailable):
        await market_data.unsubscribe([SPY])
    assert len(market_data.lines) == 1


async def test_derivatives_are_prepared_before_their_first_snapshot(host: Any):
    prepared: list[list[MarketId]] = []

    async def prepare(market_ids: Any) -> None:
        prepared.append(list(market_ids))

    market_data = MarketData(host.client, host.clock, exchange="ibkr", prepare=prepare)
    host.on(SNAPSHOT, [row()])
    await market_data.quotes([SPY])
    await market_data.quotes([SPY])
    market_data.forget()
    await market_data.quotes([SPY])
    assert prepared == [["756733"], ["756733"]]


async def test_streams_are_opened_again_after_a_new_session(host: Any):
    prepared: list[list[MarketId]] = []

    async def prepare(market_ids: Any) -> None:
        prepared.append(list(market_ids))

    market_data = MarketData(host.client, host.clock, exchange="ibkr", prepare=prepare)
    await market_data.restore()
    assert host.calls == []
    host.on(SNAPSHOT, [row(), row(1000)])
    await market_data.quotes([SPY, *names(1)])
    host.calls.clear()
    await market_data.restore()
    assert [call.params["conids"] for call in host.seen(SNAPSHOT)] == ["756733,1000"]
    assert prepared == [["756733", "1000"], ["756733", "1000"]]
    assert len(market_data.lines) == 2


async def test_a_read_before_streams_are_restored_waits_for_prices_instead_of_giving_none(
    market_data: MarketData, host: Any
):
    host.on(SNAPSHOT, [row()])
    await market_data.quotes([SPY])
    market_data.forget()
    host.on(SNAPSHOT, [{"conid": 756733}], [row()])
    [quote] = await market_data.quotes([SPY])
    assert quote.bid is not None
    host.calls.clear()
    await market_data.restore()
    assert [call.params["conids"] for call in host.seen(SNAPSHOT)] == ["756733"]


async def test_data_is_down_as_a_whole_only_when_nothing_that_was_asked_for_is_subscribed(host: Any):
    told: list[str] = []
    market_data = MarketData(host.client, host.clock, exchange="ibkr", tell=lambda cause, action: told.append(cause))
    host.on(SNAPSHOT, [row(1000, **{"6509": "N"})])
    await market_data.quotes(names(1))
    host.on(SNAPSHOT, [row()])
    await market_data.quotes([SPY])
    host.on(SNAPSHOT, [row(1000, **{"6509": "N"})])
    await market_data.quotes(names(1))
    host.on(SNAPSHOT, [row(**{"6509": "O"})])
    await market_data.quotes([SPY])
    nothing, agreement = "no market data is subscribed for what was asked for", "the yearly market-data agreement"
    assert told[:3] == [nothing, "", ""]
    assert told[3].startswith(agreement)


# -- the feed ------------------------------------------------------------------------------------------------------


async def run_for(feed: IbkrPollingFeed, host: Any, seconds: float) -> list[Quote]:
    put: list[Quote] = []
    with pytest.raises(TimeoutError):
        async with host.clock.deadline(seconds):
            await feed.run(put.append)  # type: ignore[arg-type]
    return put


@pytest.fixture
def feed(host: Any, market_data: MarketData) -> IbkrPollingFeed:
    host.on(UNSUBSCRIBE, {"success": True})
    return IbkrPollingFeed(market_data, interval=1.0, clock=host.clock, instruments=[SPY], heartbeat=None)


async def test_a_quote_is_put_only_when_it_changed(feed: IbkrPollingFeed, host: Any):
    host.on(SNAPSHOT, [row()], [row(_updated=1_775_169_601_000)], [row(**{"84": "655.87"})])
    put = await run_for(feed, host, 5.5)
    assert [quote.bid for quote in put] == [655.88, 655.87]
    assert len(host.seen(SNAPSHOT)) == 6


async def test_an_unchanged_quote_is_put_again_as_a_heartbeat(host: Any, market_data: MarketData):
    host.on(UNSUBSCRIBE, {"success": True}).on(SNAPSHOT, [row()])
    feed = IbkrPollingFeed(market_data, interval=1.0, clock=host.clock, instruments=[SPY], heartbeat=3.0)
    put = await run_for(feed, host, 9.5)
    assert len(put) == 4


async def test_a_side_that_vanished_is_put_and_an_empty_book_at_the_start_is_not(feed: IbkrPollingFeed, host: Any):
    host.on(SNAPSHOT, *[[cold()]] * PREFLIGHT_CALLS, [row()], [row(**{"84": ""})])
    put = await run_for(feed, host, 8)
    assert [(quote.bid, quote.ask) for quote in put] == [(655.88, 655.90), (None, 655.90)]


async def test_the_feed_survives_failures_and_says_why(feed: IbkrPollingFeed, host: Any):
    assert feed.health()[0].cause == "not asked yet"
    host.on(SNAPSHOT, [row()], httpx.Response(503, json={"error": "busy"}), httpx.ReadTimeout("late"))
    put = await run_for(feed, host, 2.5)
    (health,) = feed.health()
    assert len(put) == 1
    assert health.last_received == put[0].receive_time
    assert "VenueUnavailable" in health.cause
    host.on(SNAPSHOT, [row(**{"84": "655.80"})])
    put = await run_for(feed, host, 1.5)
    assert [quote.bid for quote in put] == [655.80]
    assert feed.health()[0].cause == ""


async def test_the_feed_unsubscribes_on_exit(feed: IbkrPollingFeed, host: Any):
    host.on(SNAPSHOT, [row()])
    await run_for(feed, host, 1.5)
    assert [call.body for call in host.seen(UNSUBSCRIBE)] == [{"conid": 756733}]


async def test_instruments_can_be_added_while_it_runs(feed: IbkrPollingFeed, host: Any):
    host.on(SNAPSHOT, lambda call: [row(int(conid)) for conid in call.params["conids"].split(",")])
    put: list[Any] = []
    task = asyncio.create_task(feed.run(put.append))
    await host.clock.sleep(1.5)
    await feed.subscribe(names(1))
    await host.clock.sleep(2)
    task.cancel()
    await asyncio.wait([task])
    assert {quote.instrument for quote in put} == {SPY, *names(1)}
    assert {health.instrument for health in feed.health()} == {SPY, *names(1)}


async def test_an_interval_that_would_only_burn_the_rate_limit_is_refused(host: Any, market_data: MarketData):
    with pytest.raises(ConfigurationError, match="interval"):
        IbkrPollingFeed(market_data, interval=0.0, clock=host.clock)


async def test_the_feed_waits_as_long_as_the_venue_wants(host: Any, scripted_clock: Any):
    host.on(SNAPSHOT, httpx.Response(429, json={"error": "Too Many Requests"}), [row()])
    market_data = MarketData(host.client, host.clock, exchange="ibkr")
    put: list[Any] = []
    feed = IbkrPollingFeed(market_data, clock=scripted_clock, instruments=[SPY], interval=1.0)
    task = asyncio.create_task(feed.run(put.append))
    await scripted_clock.sleep(890)
    assert len(host.seen(SNAPSHOT)) == 1
    assert "429" in feed.health()[0].cause
    await scripted_clock.sleep(20)
    assert put
    host.on(UNSUBSCRIBE, {"success": True})
    task.cancel()
    await asyncio.wait([task])
