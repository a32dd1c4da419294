"""Positions over pages, fills of one account, balances: cold answers are not taken for nothing."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.ibkr.mapping import portfolio
from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.trades import fill as map_fill
from exchanges.ibkr.venue import IbkrVenue
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.portfolio import SummaryValue
from exchanges.ibkr.wire.trades import TradeRow
from horizon.errors import ConfigurationError, VenueUnavailable, WireError
from horizon.model import AccountId, FillKind, MarketId, MarketKind, OrderSide, Side

ACCOUNT = AccountId("DU1234567")
TRADES = "GET /iserver/account/trades"
PORTFOLIO = "GET /portfolio/accounts"


def info(conid: int, **changes: Any) -> dict[str, Any]:
    return {"con_id": conid, "symbol": f"S{conid}", "instrument_type": "STK", "currency": "USD", **changes}


def stock(conid: int, size: float = 1.0, **changes: Any) -> dict[str, Any]:
    return {
        "acctId": ACCOUNT,
        "conid": conid,
        "contractDesc": f"S{conid}",
        "position": size,
        "mktPrice": 10.5,
        "avgPrice": 10.0,
        "currency": "USD",
        "assetClass": "STK",
        "multiplier": None,
        **changes,
    }


def event(conid: int, right: str) -> dict[str, Any]:
    return stock(conid, assetClass="OPT", multiplier=1.0, isEventContract=True, putOrCall=right, contractDesc="FES")


def page(number: int) -> str:
    return f"GET /portfolio/{ACCOUNT}/positions/{number}"


@pytest.fixture
def venue(host: Any) -> IbkrVenue:
    host.on(PORTFOLIO, [{"accountId": ACCOUNT, "currency": "USD", "accountAlias": "mine"}])
    return IbkrVenue(host.client, host.session, host.clock)


@pytest.mark.parametrize("rows", [0, 1, 99, 100, 101, 250])
async def test_every_position_of_every_page_is_read(venue: IbkrVenue, host: Any, rows: int):
    everything = [stock(1000 + number) for number in range(rows)]
    for number in range(rows // 100 + 1):
        host.on(page(number), everything[number * 100 : number * 100 + 100])
    found = await venue.positions(ACCOUNT)
    assert [position.market_id for position in found] == [str(1000 + number) for number in range(rows)]


async def test_the_venues_cache_of_positions_is_thrown_away_once_it_is_primed(venue: IbkrVenue, host: Any):
    host.on(f"POST /portfolio/{ACCOUNT}/positions/invalidate", {"message": "success"})
    await venue.refresh_positions(ACCOUNT)
    assert host.paths[-2:] == [PORTFOLIO, f"POST /portfolio/{ACCOUNT}/positions/invalidate"]
    with pytest.raises(ConfigurationError):
        await venue.refresh_positions(AccountId("All"))


@pytest.mark.parametrize(
    ("flag", "kind"), [("1", FillKind.LIQUIDATION), (True, FillKind.LIQUIDATION), ("0", FillKind.TRADE)]
)
def test_a_liquidation_is_told_from_a_trade(flag: str | bool, kind: FillKind):
    row = TradeRow(
        execution_id="e", side="S", size=2.0, price="10", trade_time_r=1_000, conid=1001, liquidation_trade=flag
    )
    contract = ContractFacts(market_id=MarketId("1001"), kind=MarketKind.STOCK, symbol="S1001")
    assert map_fill(row, contract, ACCOUNT, exchange="ibkr", now=1).kind is kind


@pytest.mark.parametrize("pages", [1, 2])
async def test_a_page_that_repeats_itself_does_not_loop(venue: IbkrVenue, host: Any, pages: int):
    everything = [stock(1000 + number) for number in range(100 * pages)]
    for number in range(pages + 1):
        start = min(number, pages - 1) * 100
        host.on(page(number), everything[start : start + 100])
    assert len(await venue.positions(ACCOUNT)) == 100 * pages


async def test_the_portfolio_is_primed_before_positions_and_once(venue: IbkrVenue, host: Any):
    host.on(page(0), [stock(1)])
    await venue.positions(ACCOUNT)
    await venue.positions(ACCOUNT)
    assert host.paths[0] == PORTFOLIO
    assert host.paths.count(PORTFOLIO) == 1


async def test_an_empty_first_answer_is_asked_again(venue: IbkrVenue, host: Any):
    host.on(page(0), [], [stock(1)])
    assert len(await venue.positions(ACCOUNT)) == 1
    host.on(page(0), [])
    assert await venue.positions(ACCOUNT) == []
    assert len(host.seen(page(0))) == 3


async def test_closed_positions_and_foreign_rows_are_left_out(venue: IbkrVenue, host: Any):
    host.on(page(0), [stock(1, 0.0), stock(2, -5.0), stock(3, acctId="DU7654321")])
    (position,) = await venue.positions(ACCOUNT)
    assert (position.market_id, position.size, position.side, position.multiplier) == ("2", -5, Side.LONG, 1)


async def test_a_sparse_derivative_is_read_again_and_then_asked_for(venue: IbkrVenue, host: Any):
    sparse = stock(7, assetClass="OPT", multiplier=None)
    option = info(7, instrument_type="OPT", multiplier="100", right="CALL", strike="440")
    host.on(page(0), [sparse]).on("GET /iserver/contract/7/info-and-rules", option)
    (position,) = await venue.positions(ACCOUNT)
    assert (position.side, position.multiplier) == (Side.LONG, 100)
    assert len(host.seen(page(0))) > 1


async def test_an_enriched_event_row_needs_no_question(venue: IbkrVenue, host: Any):
    host.on(page(0), [event(7, "C"), event(8, "P")])
    found = await venue.positions(ACCOUNT)
    assert [(position.side, position.multiplier) for position in found] == [(Side.YES, 1), (Side.NO, 1)]


async def test_a_multiplier_is_never_guessed_from_the_security_type(venue: IbkrVenue, host: Any):
    host.on(page(0), [stock(7, assetClass="OPT", multiplier=0.0)])
    host.on("GET /iserver/contract/7/info-and-rules", info(7, instrument_type="OPT", multiplier=None))
    with pytest.raises(WireError, match="multiplier"):
        await venue.positions(ACCOUNT)


def trade(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "execution_id": f"x{number}",
        "symbol": "SPY",
        "side": "B",
        "trade_time_r": 1_700_000_000_000 + number * 1000,
        "size": 1.0,
        "price": "600.00",
        "account": ACCOUNT,
        "conid": 1,
        "order_id": 5,
        **changes,
    }


@pytest.fixture
def trading(venue: IbkrVenue, host: Any) -> IbkrVenue:
    host.on("GET /iserver/contract/1/info-and-rules", info(1))
    return venue


async def test_a_cold_trades_read_is_not_taken_for_no_fills(trading: IbkrVenue, host: Any):
    host.on(TRADES, [], [trade(1)])
    assert len(await trading.fills(ACCOUNT)) == 1
    host.on(TRADES, [])
    assert await trading.fills(ACCOUNT) == []
    assert len(host.seen(TRADES)) == 3


async def test_fills_are_of_one_account_and_oldest_first(trading: IbkrVenue, host: Any):
    host.on(TRADES, [trade(3), trade(1), trade(2, account="DU7654321")])
    assert [fill.execution_id for fill in await trading.fills(ACCOUNT)] == ["x1", "x3"]


async def test_an_execution_listed_twice_is_one_fill_with_its_commission(trading: IbkrVenue, host: Any):
    host.on(TRADES, [trade(1), trade(1, commission="1.02"), trade(1)])
    (fill,) = await trading.fills(ACCOUNT)
    assert fill.commission == Decimal("1.02")


async def test_a_commission_that_is_not_there_yet_is_none(trading: IbkrVenue, host: Any):
    host.on(TRADES, [trade(1), trade(2, commission="1.00 EUR")])
    fresh, reported = await trading.fills(ACCOUNT)
    assert fresh.commission is None
    assert (reported.commission, reported.commission_currency) == (1, "EUR")


async def test_sparse_rows_wait_for_their_money(trading: IbkrVenue, host: Any):
    host.on(TRADES, [trade(1, size=""), trade(2, price=None), trade(3)])
    assert [fill.execution_id for fill in await trading.fills(ACCOUNT)] == ["x3"]


async def test_a_netting_report_is_no_trade(trading: IbkrVenue, host: Any):
    contract = info(1, instrument_type="OPT", exchange="FORECASTX", right="PUT", multiplier="1")
    host.on("GET /iserver/contract/1/info-and-rules", contract).on(TRADES, [trade(1, side="N", price="1.00")])
    (fill,) = await trading.fills(ACCOUNT)
    assert (fill.kind, fill.side, fill.multiplier) == (FillKind.NETTING, Side.NO, 1)


@pytest.mark.parametrize("days", [0, 8])
async def test_the_venue_keeps_a_week_of_fills(trading: IbkrVenue, days: int):
    with pytest.raises(ConfigurationError, match="1 to 7"):
        await trading.fills(ACCOUNT, days)


async def test_a_contract_is_looked_up_once(trading: IbkrVenue, host: Any):
    host.on(TRADES, [trade(1), trade(2)])
    await trading.fills(ACCOUNT)
    await trading.fills(ACCOUNT)
    assert len(host.seen("GET /iserver/contract/1/info-and-rules")) == 1


SUMMARY = f"GET /portfolio/{ACCOUNT}/summary"
LEDGER = f"GET /portfolio/{ACCOUNT}/ledger"


async def test_balances_leave_segments_out_and_missing_amounts_none(venue: IbkrVenue, host: Any):
    host.on(
        SUMMARY,
        {
            "netliquidation": {"amount": 1000.5, "currency": "USD", "isNull": False, "timestamp": 1_775_000_000},
            "netliquidation-s": {"amount": 900.0, "currency": "USD", "isNull": False, "timestamp": 1_775_000_000_000},
            "buyingpower": {"amount": 0.0, "isNull": True},
        },
    )
    host.on(
        LEDGER,
        {
            "USD": {"cashbalance": 10.25, "settledcash": 9.0, "exchangerate": 1, "timestamp": 1_775_000_000},
            "EUR": {"cashbalance": 5.0, "exchangerate": 1.1},
            "BASE": {"cashbalance": 15.75, "netliquidationvalue": 1000.5, "exchangerate": 1},
        },
    )
    account = await venue.balances(ACCOUNT)
    assert (account.net_liquidation, account.buying_power, account.cash) == (Decimal("1000.5"), None, None)
    assert account.base is not None
    assert account.base.net_liquidation == Decimal("1000.5")
    euro = account.balance("EUR")
    assert euro is not None
    assert (euro.cash, euro.settled_cash, euro.exchange_rate) == (5, None, Decimal("1.1"))
    assert (account.is_live, account.alias) == (False, "mine")


async def test_a_cold_ledger_is_asked_again_and_not_an_empty_account(venue: IbkrVenue, host: Any):
    host.on(SUMMARY, {}, {"netliquidation": {"amount": 1.0}}).on(LEDGER, {}, {"BASE": {"cashbalance": 1.0}})
    assert (await venue.balances(ACCOUNT)).net_liquidation == 1
    host.on(SUMMARY, {})
    with pytest.raises(VenueUnavailable, match="stayed empty"):
        await venue.balances(ACCOUNT)


async def test_accounts_say_whether_they_are_live(venue: IbkrVenue):
    (account,) = await venue.accounts()
    assert (account.account_id, account.is_live, account.currency) == (ACCOUNT, False, "USD")


@pytest.mark.parametrize(
    ("account_id", "words", "told", "retirement", "master"),
    [
        ("U1234567", {"type": "INDIVIDUAL"}, None, False, False),
        ("U1234567", {"type": "IRA-ROTH"}, None, True, False),
        ("U1234567", {"acctCustType": "Traditional IRA"}, None, True, False),
        ("U1234567", {}, "IRA ROTH NEW", True, False),
        ("U1234567", {"type": "ADMIRAL", "acctCustType": "SEPARATE"}, "INDIVIDUAL", False, False),
        ("F1234567", {}, None, False, True),
        ("DF1234567", {}, None, False, True),
        ("I1234567", {}, None, False, True),
        ("DU1234567", {}, None, False, False),
    ],
)
def test_retirement_and_master_accounts_are_told_apart(
    account_id: str, words: dict[str, str], told: str | None, retirement: bool, master: bool
):
    row = PortfolioAccount(accountId=account_id, **words)
    summary = {} if told is None else {"accounttype": SummaryValue(value=told)}
    account = portfolio.account(AccountId(account_id), row, exchange="ibkr", is_live=None, summary=summary)
    assert (account.is_retirement, account.is_master) == (retirement, master)


async def test_an_account_of_somebody_else_is_named_with_ours(venue: IbkrVenue, host: Any):
    with pytest.raises(ConfigurationError, match="use one of DU1234567"):
        await venue.positions(AccountId("U1"))
    with pytest.raises(ConfigurationError, match="several accounts"):
        await venue.fills(AccountId("All"))
    assert host.calls == []


CONTRACT = ContractFacts(market_id=MarketId("1"), kind=MarketKind.STOCK, symbol="SPY")
money = st.decimals(min_value=0, max_value=10_000, places=2)


@given(price=money, commission=st.none() | money, named=st.booleans(), sell=st.booleans(), size=st.integers(1, 10_000))
def test_prices_and_commissions_keep_every_digit(
    price: Decimal, commission: Decimal | None, named: bool, sell: bool, size: int
):
    text = None if commission is None else f"{commission:,} USD" if named else str(commission)
    row = TradeRow(
        execution_id="x",
        side="S" if sell else "B",
        trade_time_r=1_700_000_000_000,
        size=float(size),
        price=str(price),
        commission=text,
        conid=1,
    )
    fill = map_fill(row, CONTRACT, ACCOUNT, exchange="ibkr", now=1)
    assert (fill.price, fill.commission, fill.size) == (price, commission, size)
    assert fill.order_side is (OrderSide.SELL if sell else OrderSide.BUY)
    assert fill.money == (price * size if sell else -price * size)


@given(rows=st.integers(0, 320), clamped=st.booleans())
def test_paging_finds_every_row_and_ends(rows: int, clamped: bool):
    """A venue may answer a page past the end with nothing, or with its last page again."""
    from exchanges.ibkr.account import PAGE_ROWS, AccountReader
    from exchanges.ibkr.wire.portfolio import PositionRow

    class Pages:
        asked = 0

        async def get(self, path: str, answer: object, **rest: object) -> list[PositionRow]:
            self.asked += 1
            number = int(path.rsplit("/", 1)[1])
            last = max((rows - 1) // PAGE_ROWS, 0)
            start = (min(number, last) if clamped else number) * PAGE_ROWS
            return [PositionRow(conid=number) for number in range(start, min(start + PAGE_ROWS, rows))]

    pages = Pages()
    reader = AccountReader(pages, None, None, None, None, exchange="ibkr")  # type: ignore[arg-type]
    found = asyncio.run(reader._all_pages(ACCOUNT))
    assert [row.conid for row in found] == list(range(rows))
    assert pages.asked <= rows // PAGE_ROWS + 1
