"""ForecastEx: pairs by underlying, expiration and strike; thresholds only where there truly is a number."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from exchanges.ibkr.mapping.events import pairs, payout, price_grid, threshold, trading_hours
from exchanges.ibkr.venue import IbkrVenue
from exchanges.ibkr.wire.forecast import (
    ForecastContract,
    ForecastDay,
    ForecastIncrement,
    ForecastInterval,
    ForecastRules,
    ForecastSchedules,
)
from horizon.clock import to_nanoseconds
from horizon.errors import ConfigurationError, WireError
from horizon.model import MarketId, MarketKind, MarketQuery, Side

TREE = "GET /forecast/category/tree"
MARKET = "GET /forecast/contract/market"
DETAILS = "GET /forecast/contract/details"
RULES = "GET /forecast/contract/rules"
SCHEDULES = "GET /forecast/contract/schedules"
SEARCH = "GET /iserver/secdef/search"
STRIKES = "GET /iserver/secdef/strikes"
INFO = "GET /iserver/secdef/info"
EXPIRATION = "20261204"


def side(conid: int, strike: float, label: str, expiration: str = EXPIRATION) -> dict[str, Any]:
    return {
        "conid": float(conid),
        "side": "N" if conid % 2 else "Y",
        "expiration": expiration,
        "strike": strike,
        "strike_label": label,
        "underlying_conid": 700,
        "party": "undocumented",
    }


def tree(*symbols: str) -> dict[str, Any]:
    refs = [
        {"name": f"Market of {symbol}", "symbol": symbol, "exchange": "FORECASTX", "conid": 700, "product_conid": 701}
        for symbol in symbols
    ]
    return {
        "categories": {
            "g1": {"name": "Root", "is_restricted": False},
            "g2": {"name": "Leaf", "parent_id": "g1", "markets": refs},
        }
    }


def details(call: Any) -> dict[str, Any]:
    conid = int(call.params["conid"])
    yes = conid - conid % 2
    strikes = {100: (5900.0, "Above 5,900"), 102: (6000.0, "Above 6,000"), 104: (6100.0, "Above 6,100")}
    strike, label = strikes.get(yes, (1.0, "JB Pritzker"))
    return {
        "conid_yes": yes,
        "conid_no": yes + 1,
        "question": f"Will it be {label.lower()}?",
        "strike": strike,
        "strike_label": label,
        "symbol": "FES",
        "exchange": "FORECASTX",
        "expiration": EXPIRATION,
        "market_name": "S&P 500 close",
        "measured_period": "Dec04'26",
        "underlying_conid": 700,
        "payout": 1.0,
        "is_restricted": False,
    }


def rules(call: Any) -> dict[str, Any]:
    found = details(call)
    return {
        "asset_class": "OPT",
        "product_code": "FES",
        "threshold": found["strike_label"].removeprefix("Above "),
        "last_trade_time": 1796414400.0,
        "release_time": 1796414400,
        "payout_time": 1796421600,
        "payout": "$1.00",
        "price_increment": "$0.01",
        "price_increments": [{"lower_edge": "0.0", "increment": "$0.01"}],
        "market_rules_link": "https://example.com/rules.pdf",
    }


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    host.on(TREE, tree("FES", "CPI"))
    host.on(
        MARKET,
        {
            "symbol": "FES",
            "payout": 1.0,
            "contracts": [
                side(100 + number * 2 + twin, 5900.0 + 100 * number, f"Above {5900 + 100 * number:,}")
                for number in range(3)
                for twin in (0, 1)
            ],
        },
    )
    host.on(DETAILS, details).on(RULES, rules)
    host.on(SCHEDULES, {"timezone": "US/Central", "trading_schedules": []})
    for conid in range(100, 112):
        host.on(
            f"GET /iserver/contract/{conid}/info-and-rules",
            {
                "con_id": conid,
                "symbol": "FES",
                "instrument_type": "OPT",
                "exchange": "FORECASTX",
                "currency": "USD",
                "multiplier": "1",
                "right": "PUT" if conid % 2 else "CALL",
            },
        )
    return IbkrVenue(host.client, host.session, host.clock)


def query(**changes: Any) -> MarketQuery:
    return MarketQuery(**{"symbol": "FES", "kind": MarketKind.EVENT, **changes})


async def test_a_threshold_and_a_side_are_one_market_with_its_terms(venue: IbkrVenue):
    market = await venue.market(query(threshold=Decimal(6000), side=Side.YES))
    assert (market.market_id, market.side, market.multiplier, market.currency) == ("102", Side.YES, 1, "USD")
    assert (market.kind, market.listing_exchange) == (MarketKind.EVENT, "FORECASTX")
    event = market.event
    assert event is not None
    assert (event.twin, event.threshold, event.strike, event.payout) == ("103", 6000, 6000, 1)
    assert event.question == "Will it be above 6,000?"
    assert event.release_time == datetime(2026, 12, 4, 20, 0, tzinfo=UTC)
    assert event.payout_time == datetime(2026, 12, 4, 22, 0, tzinfo=UTC)
    assert (event.measured_period, event.underlying_id) == ("Dec04'26", "700")
    grid = market.price_grid
    assert (grid.lowest, grid.highest) == (Decimal("0.02"), Decimal("0.99"))
    assert grid.contains(Decimal("0.57"))


async def test_the_nearest_threshold_reads_the_rules_of_one_pair_only(venue: IbkrVenue, host: Any):
    found = await venue.find_markets(query(nearest_threshold=Decimal(6030)))
    assert [(market.market_id, market.side) for market in found] == [("102", Side.YES), ("103", Side.NO)]
    assert len(host.seen(RULES)) == 1


async def test_without_a_threshold_every_pair_is_found(venue: IbkrVenue):
    assert len(await venue.find_markets(query())) == 6
    assert len(await venue.find_markets(query(side=Side.NO))) == 3
    assert await venue.find_markets(query(expiry="202701")) == []


async def test_several_markets_are_ambiguous_and_listed_with_their_questions(venue: IbkrVenue):
    with pytest.raises(ConfigurationError) as caught:
        await venue.market(query())
    assert "102 FES (YES Above 6,000" in str(caught.value)


async def test_no_such_threshold_is_a_clear_error(venue: IbkrVenue):
    with pytest.raises(ConfigurationError, match="no market matches"):
        await venue.market(query(threshold=Decimal(1)))


async def test_either_conid_leads_to_its_own_side_of_the_pair(venue: IbkrVenue):
    no = await venue.market(MarketQuery(market_id=MarketId("103")))
    assert (no.side, no.market_id) == (Side.NO, "103")
    assert no.event is not None
    assert no.event.twin == "102"


async def test_products_are_found_by_code_and_by_words(venue: IbkrVenue, host: Any):
    assert [ref.symbol for ref in await venue.forecasts.products()] == ["FES", "CPI"]
    assert [ref.symbol for ref in await venue.forecasts.products("market of cpi")] == ["CPI"]
    assert len(host.seen(TREE)) == 1


async def test_an_ordinal_strike_is_never_a_threshold(venue: IbkrVenue, host: Any):
    host.on(MARKET, {"contracts": [side(110, 1.0, "JB Pritzker"), side(111, 1.0, "JB Pritzker")]})
    (yes, no) = await venue.find_markets(query())
    for market in (yes, no):
        assert market.event is not None
        assert (market.event.threshold, market.event.strike) == (None, 1)
        assert market.event.strike_label == "JB Pritzker"
    assert await venue.find_markets(query(threshold=Decimal(1))) == []


def walked(conid: int, right: str, **changes: Any) -> dict[str, Any]:
    return {
        "conid": conid,
        "symbol": "FES",
        "secType": "OPT",
        "right": right,
        "strike": 3.125,
        "maturityDate": "20261217",
        "multiplier": "1",
        **changes,
    }


@pytest.mark.parametrize(
    "unserved", [httpx.Response(404, content=b"<html><h1>Resource not found</h1></html>"), {"error": "not allowed"}]
)
async def test_the_options_walk_finds_the_pairs_where_forecast_is_not_served(
    venue: IbkrVenue, host: Any, unserved: Any
):
    host.on(TREE, unserved)
    row = {
        "conid": "700",
        "symbol": "FES",
        "companyName": "S&P 500",
        "sections": [{"secType": "IND", "exchange": "FORECASTX;"}, {"secType": "EC"}],
        "opt": "20261217",
    }
    other = {"conid": "1", "symbol": "FES", "sections": [{"secType": "STK"}]}
    host.on(SEARCH, [other, row]).on(STRIKES, {"call": [3.125], "put": [3.125]})
    host.on(INFO, [walked(110, "C"), walked(111, "P")])
    yes, no = await venue.find_markets(query())
    assert (yes.side, yes.event and yes.event.twin, no.side) == (Side.YES, "111", Side.NO)
    assert (yes.multiplier, yes.event and yes.event.threshold) == (1, None)
    assert host.seen(STRIKES)[0].params["month"] == "DEC26"
    assert host.paths.index(SEARCH) < host.paths.index(STRIKES)


async def test_the_walk_refuses_a_contract_without_a_multiplier(venue: IbkrVenue, host: Any):
    host.on(TREE, {"error": "not allowed"})
    row = {
        "conid": "700",
        "symbol": "FES",
        "sections": [{"secType": "IND", "exchange": "FORECASTX;"}],
        "opt": "20261217",
    }
    host.on(SEARCH, [row]).on(STRIKES, {"call": [3.125], "put": []})
    host.on(INFO, [walked(110, "C", multiplier=None)])
    with pytest.raises(WireError, match="multiplier"):
        await venue.find_markets(query())


def contract(
    conid: int, which: str, strike: Any, expiration: str = EXPIRATION, underlying: int = 1
) -> ForecastContract:
    return ForecastContract(conid=conid, side=which, strike=strike, expiration=expiration, underlying_conid=underlying)


def test_pairs_agree_in_underlying_expiration_and_strike():
    found = pairs(
        [
            contract(1, "Y", 5.0),
            contract(2, "N", 5.0),
            contract(3, "Y", "5.25"),
            contract(4, "N", 5.25),
            contract(5, "Y", 5.0, "20270101"),
            contract(6, "N", 5.0, EXPIRATION, 2),
        ]
    )
    assert [(pair.yes, pair.no) for pair in found] == [("1", "2"), ("3", "4")]


def test_two_contracts_of_one_side_are_not_guessed():
    with pytest.raises(WireError, match="one Y contract"):
        pairs([contract(1, "Y", 5.0), contract(2, "Y", 5.0), contract(3, "N", 5.0)])


def test_negative_and_missing_strikes():
    found = pairs([contract(1, "Y", -0.5), contract(2, "N", -0.5), contract(3, "Y", None), contract(4, "?", 1.0)])
    assert [(pair.strike, pair.yes) for pair in found] == [(Decimal("-0.5"), "1")]


@pytest.mark.parametrize(
    ("label", "stated", "expected"),
    [
        ("Above 6,000", "6000", "6000"),
        ("Above 6,000", None, "6000"),
        ("6,000", "6,000", "6000"),
        ("Above 3.125%", "3.125%", "3.125"),
        ("At least 2.4M", None, "2400000"),
        (">= 70", None, "70"),
        ("70 or more", None, "70"),
        ("Above -0.5%", None, "-0.5"),
        (None, "6000", "6000"),
        ("", "6000", "6000"),
        ("Above 6,000", "6100", None),
        ("JB Pritzker", "1", None),
        ("JB Pritzker", "JB Pritzker", None),
        ("Below 6,000", "6000", None),
        ("under 5%", None, None),
        ("3 to 5", None, None),
        (None, None, None),
        ("", "", None),
    ],
)
def test_a_threshold_is_a_number_above_which_yes_pays(label: str | None, stated: str | None, expected: str | None):
    found = threshold(label, stated)
    assert found == (None if expected is None else Decimal(expected))


def test_a_question_about_less_has_no_threshold():
    assert threshold("6,000", "6000", "Will the close be below 6,000?") is None


def test_increments_come_from_the_rules_or_are_a_cent():
    assert price_grid(None).increment_at(Decimal("0.5")) == Decimal("0.01")
    rules_ = ForecastRules(price_increment="$0.05")
    assert price_grid(rules_).increment_at(Decimal("0.5")) == Decimal("0.05")
    ranged = ForecastRules(
        price_increments=[
            ForecastIncrement(lower_edge="0.5", increment="$0.02"),
            ForecastIncrement(lower_edge="0.0", increment="$0.01"),
        ]
    )
    assert price_grid(ranged).increment_at(Decimal("0.6")) == Decimal("0.02")
    assert price_grid(ranged).highest == Decimal("0.99")


def test_a_payout_is_read_and_never_assumed():
    assert payout(None, 1.0, path="/") == 1
    assert payout("$100.00", path="/") == 100
    with pytest.raises(WireError, match="payout"):
        payout(None, "", path="/")


def at(text: str) -> int:
    return to_nanoseconds(datetime.fromisoformat(text))


def test_weekly_intervals_are_dated_in_their_own_zone_and_run_through_midnight():
    night = [ForecastInterval("12:00 AM", "4:15 PM"), ForecastInterval("4:16 PM", "11:59 PM")]
    week = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
    schedule = ForecastSchedules(
        timezone="US/Central", trading_schedules=[ForecastDay(day_of_week=day, trading_times=night) for day in week]
    )
    hours = trading_hours(schedule, at("2025-11-18T15:00:00+00:00"))
    assert hours is not None
    assert hours.session_at(at("2025-11-18T15:00:00-06:00")) is not None
    assert hours.session_at(at("2025-11-18T16:15:30-06:00")) is None
    assert hours.session_at(at("2025-11-18T23:59:30-06:00")) is not None
    assert hours.session_at(at("2025-11-19T00:00:00-06:00")) is not None


def test_a_schedule_in_an_unknown_zone_is_not_guessed():
    assert trading_hours(ForecastSchedules(timezone="Mars/Olympus", trading_schedules=[]), 0) is None
    assert trading_hours(ForecastSchedules(timezone=None, trading_schedules=[]), 0) is None


def test_an_unreadable_hour_is_an_error():
    day = ForecastDay(day_of_week="Thursday", trading_times=[ForecastInterval("noon", "4 PM")])
    with pytest.raises(WireError, match="noon"):
        trading_hours(ForecastSchedules(timezone="US/Central", trading_schedules=[day]), 0)
