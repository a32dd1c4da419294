"""Symbols to contracts: exactly one, or an error that lists the candidates."""

from decimal import Decimal
from typing import Any

import httpx
import pytest

from exchanges.ibkr.mapping.choice import month_code
from exchanges.ibkr.mapping.contracts import event_side, facts, multiplier, price_grid
from exchanges.ibkr.venue import IbkrVenue
from exchanges.ibkr.wire.contracts import ContractInfo, ContractRules, IncrementRule
from horizon.errors import ConfigurationError, WireError
from horizon.model import MarketId, MarketKind, MarketQuery, OptionRight, Side

STOCKS = "GET /trsrv/stocks"
SEARCH = "GET /iserver/secdef/search"
STRIKES = "GET /iserver/secdef/strikes"
INFO = "GET /iserver/secdef/info"
HOURS = "GET /contract/trading-schedule"


def contract(conid: int, **changes: Any) -> dict[str, Any]:
    return {
        "con_id": conid,
        "symbol": "SPY",
        "company_name": "SPDR S&P 500 ETF TRUST",
        "instrument_type": "STK",
        "currency": "USD",
        "exchange": "SMART",
        "rules": {"increment": 0.01},
        **changes,
    }


def listing(conid: int, exchange: str, *, us: bool) -> dict[str, Any]:
    return {"conid": conid, "exchange": exchange, "isUS": us}


def stocks(*listings: dict[str, Any], symbol: str = "SPY") -> dict[str, Any]:
    return {symbol: [{"name": "SPDR S&P 500 ETF TRUST", "assetClass": "STK", "contracts": list(listings)}]}


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    host.on(HOURS, {"error": "no schedule"})
    for conid, changes in {
        1: {},
        2: {"currency": "MXN"},
        3: {"currency": "USD"},
        4: {"currency": "CHF"},
    }.items():
        host.on(f"GET /iserver/contract/{conid}/info-and-rules", contract(conid, **changes))
    return IbkrVenue(host.client, host.session, host.clock)


async def test_the_one_us_listing_is_meant_by_a_symbol(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(2, "MEXI", us=False), listing(1, "ARCA", us=True)))
    market = await venue.market("SPY")
    assert (market.market_id, market.listing_exchange, market.currency) == ("1", "ARCA", "USD")
    assert market.hours is None


async def test_a_lower_case_symbol_is_found_too(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(1, "ARCA", us=True)))
    assert (await venue.market("spy")).market_id == "1"


async def test_a_foreign_listing_is_taken_where_it_is_the_only_one(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(2, "MEXI", us=False)))
    assert (await venue.market("SPY")).market_id == "2"


async def test_several_listings_are_ambiguous_and_listed(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(2, "MEXI", us=False), listing(4, "EBS", us=False)))
    with pytest.raises(ConfigurationError) as caught:
        await venue.market("SPY")
    for word in ("2 SPY", "MEXI", "MXN", "4 SPY", "EBS", "CHF", "SPDR"):
        assert word in str(caught.value)


async def test_two_us_listings_are_ambiguous(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(1, "ARCA", us=True), listing(3, "NYSE", us=True)))
    with pytest.raises(ConfigurationError, match="2 markets"):
        await venue.market("SPY")


async def test_exchange_and_currency_narrow_the_choice(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(2, "MEXI", us=False), listing(1, "ARCA", us=True)))
    assert (await venue.market(MarketQuery(symbol="SPY", listing_exchange="MEXI"))).market_id == "2"
    assert (await venue.market(MarketQuery(symbol="SPY", currency="mxn"))).market_id == "2"
    with pytest.raises(ConfigurationError, match="no market"):
        await venue.market(MarketQuery(symbol="SPY", currency="JPY"))


async def test_all_listings_are_found_us_first(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(2, "MEXI", us=False), listing(1, "ARCA", us=True)))
    found = await venue.find_markets(MarketQuery(symbol="SPY", kind=MarketKind.STOCK))
    assert [market.market_id for market in found] == ["1", "2"]


@pytest.mark.parametrize("nothing", [{}, {"NOPE": []}, {"error": "no symbol"}])
async def test_an_unknown_symbol_is_a_clear_error(venue: IbkrVenue, host: Any, nothing: Any):
    host.on(STOCKS, nothing).on(SEARCH, httpx.Response(400, json={"error": "no match"}))
    with pytest.raises(ConfigurationError, match="no market matches symbol=NOPE"):
        await venue.market("NOPE")
    assert await venue.find_markets(MarketQuery(symbol="NOPE", kind=MarketKind.STOCK)) == []


async def test_an_index_is_found_where_no_stock_has_the_symbol(venue: IbkrVenue, host: Any):
    rows = [{"conid": "416904", "symbol": "SPX", "description": "CBOE", "sections": [{"secType": "IND"}]}]
    host.on(STOCKS, {}).on(SEARCH, rows)
    host.on("GET /iserver/contract/416904/info-and-rules", contract(416904, symbol="SPX", instrument_type="IND"))
    market = await venue.market("SPX")
    assert (market.kind, market.listing_exchange) == (MarketKind.INDEX, "CBOE")


async def test_text_where_a_conid_belongs_says_so(venue: IbkrVenue, host: Any):
    with pytest.raises(ConfigurationError, match="digits only"):
        await venue.market(MarketQuery(market_id=MarketId("SPY")))
    assert host.calls == []


async def test_a_conid_nobody_knows_says_so(venue: IbkrVenue, host: Any):
    host.on("GET /iserver/contract/9/info-and-rules", {"error": "conid 9 not found"})
    with pytest.raises(ConfigurationError, match="conid 9"):
        await venue.market(MarketQuery(market_id=MarketId("9")))


async def test_a_market_is_read_once(venue: IbkrVenue, host: Any):
    host.on(STOCKS, stocks(listing(1, "ARCA", us=True)))
    assert await venue.market("SPY") is await venue.market("SPY")
    assert len(host.seen("GET /iserver/contract/1/info-and-rules")) == 1


async def test_another_exchange_is_not_ours(venue: IbkrVenue):
    with pytest.raises(ConfigurationError, match="kalshi"):
        await venue.market(MarketQuery(symbol="SPY", exchange="kalshi"))


async def test_an_option_is_searched_before_its_strikes(venue: IbkrVenue, host: Any):
    rows = [
        {"conid": "1", "symbol": "SPY", "sections": [{"secType": "STK"}, {"secType": "OPT", "months": "JAN27;FEB27"}]}
    ]
    host.on(SEARCH, rows).on(STRIKES, {"call": [600, 605], "put": [600]})
    host.on(
        INFO,
        [
            {"conid": 50, "symbol": "SPY", "maturityDate": "20270115", "right": "C", "strike": 600.0},
            {"conid": 51, "symbol": "SPY", "maturityDate": "20270122", "right": "C", "strike": 600.0},
        ],
    )
    host.on(
        "GET /iserver/contract/50/info-and-rules",
        contract(50, instrument_type="OPT", multiplier="100", right="CALL", strike="600", maturity_date="20270115"),
    )
    query = MarketQuery(
        symbol="SPY", kind=MarketKind.OPTION, expiry="20270115", strike=Decimal(600), right=OptionRight.CALL
    )
    market = await venue.market(query)
    assert (market.market_id, market.kind, market.multiplier) == ("50", MarketKind.OPTION, 100)
    assert market.option is not None
    assert (market.option.right, market.option.strike, market.option.expiry) == (OptionRight.CALL, 600, "20270115")
    paths = host.paths
    assert paths.index(SEARCH) < paths.index(STRIKES) < paths.index(INFO)
    assert host.seen(STRIKES)[0].params["month"] == "JAN27"


async def test_an_option_without_expiry_or_strike_says_what_is_missing(venue: IbkrVenue, host: Any):
    with pytest.raises(ConfigurationError, match="expiry"):
        await venue.market(MarketQuery(symbol="SPY", kind=MarketKind.OPTION))
    assert host.calls == []


async def test_a_future_is_found_by_its_expiry(venue: IbkrVenue, host: Any):
    rows = [
        {"symbol": "ES", "conid": 61, "expirationDate": 20270319},
        {"symbol": "ES", "conid": 60, "expirationDate": 20261218},
    ]
    host.on("GET /trsrv/futures", {"ES": rows})
    host.on(
        "GET /iserver/contract/60/info-and-rules",
        contract(60, symbol="ES", instrument_type="FUT", multiplier="50", rules={"increment": 0.25}),
    )
    market = await venue.market(MarketQuery(symbol="ES", kind=MarketKind.FUTURE, expiry="202612"))
    assert (market.market_id, market.multiplier) == ("60", 50)
    assert market.price_grid.contains(Decimal("6000.25"))


async def test_a_currency_pair_is_found(venue: IbkrVenue, host: Any):
    host.on("GET /iserver/currency/pairs", {"USD": [{"symbol": "EUR.USD", "conid": 12087792, "ccyPair": "EUR"}]})
    host.on(
        "GET /iserver/contract/12087792/info-and-rules",
        contract(12087792, symbol="EUR", instrument_type="CASH", rules={"increment": 0.00005}),
    )
    market = await venue.market(MarketQuery(symbol="EUR.USD", kind=MarketKind.FOREX))
    assert (market.kind, market.multiplier) == (MarketKind.FOREX, 1)
    with pytest.raises(ConfigurationError, match=r"EUR\.USD"):
        await venue.market(MarketQuery(symbol="EURUSD", kind=MarketKind.FOREX))


@pytest.mark.parametrize("raw", [None, "", 0.0, "0"])
def test_a_stock_without_a_multiplier_has_one(raw: Any):
    assert multiplier(raw, "STK", "1", path="/") == 1


@pytest.mark.parametrize("security_type", ["OPT", "FUT", "FOP", "WAR"])
@pytest.mark.parametrize("raw", [None, "", 0.0, "0", "many"])
def test_a_derivative_without_a_multiplier_is_an_error(security_type: str, raw: Any):
    with pytest.raises(WireError, match="multiplier"):
        multiplier(raw, security_type, "1", path="/")


def test_an_event_is_an_option_with_multiplier_one():
    found = facts(
        ContractInfo(
            con_id=7,
            symbol="FES",
            instrument_type="OPT",
            exchange="FORECASTX",
            currency="USD",
            multiplier="1",
            right="PUT",
        )
    )
    assert (found.kind, found.side, found.multiplier) == (MarketKind.EVENT, Side.NO, 1)


def test_an_option_of_a_stock_is_no_event():
    found = facts(
        ContractInfo(
            con_id=7, symbol="SPY", instrument_type="OPT", exchange="SMART", currency="USD", multiplier="100", right="C"
        )
    )
    assert (found.kind, found.side, found.multiplier) == (MarketKind.OPTION, Side.LONG, 100)


def test_a_cme_event_is_told_by_its_trading_class():
    found = facts(
        ContractInfo(
            con_id=7,
            symbol="NQ",
            instrument_type="FOP",
            exchange="CME",
            trading_class="ECNQ",
            currency="USD",
            multiplier="1",
            right="C",
        )
    )
    assert (found.kind, found.side) == (MarketKind.EVENT, Side.YES)
    assert event_side("?") is None


def test_increments_by_price_range_are_kept():
    rules = ContractRules(
        increment=0.01,
        incrementRules=[
            IncrementRule(lowerEdge=1.0, increment=0.01),
            IncrementRule(lowerEdge=0.0, increment=0.0001),
        ],
    )
    grid = price_grid(rules, "1")
    assert grid.contains(Decimal("0.1234"))
    assert not grid.contains(Decimal("12.3456"))


@pytest.mark.parametrize(("text", "code"), [("20270115", "JAN27"), ("202612", "DEC26")])
def test_month_codes(text: str, code: str):
    assert month_code(text) == code


@pytest.mark.parametrize("text", ["JAN27", "202613", "2027", ""])
def test_other_expiries_are_refused(text: str):
    with pytest.raises(ConfigurationError, match="YYYYMM"):
        month_code(text)
