"""What was recorded at Interactive Brokers, mapped: the values a trader would read off the venue's own screen."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from exchanges.ibkr.mapping import contracts, orders, portfolio, quotes, replies, trades
from exchanges.ibkr.mapping.echoes import request_of
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.contracts import ContractInfo, TradingSchedule
from exchanges.ibkr.wire.market_data import SnapshotFields, SnapshotRow
from exchanges.ibkr.wire.orders import LiveOrders, PlaceRow
from exchanges.ibkr.wire.portfolio import Ledger, PositionRow, Summary
from exchanges.ibkr.wire.trades import TradeRow
from horizon.errors import WireError
from horizon.model import (
    AccountId,
    Availability,
    ClientOrderId,
    FillKind,
    Instrument,
    MarketId,
    MarketKind,
    OrderRequest,
    OrderSide,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)

T = TypeVar("T")
NOW = 1_800_000_000_000_000_000
SPY = contracts.ContractFacts(market_id=MarketId("756733"), kind=MarketKind.STOCK, symbol="SPY")


@pytest.fixture
def samples(shared_data: Path) -> Path:
    return shared_data / "ibkr_samples"


def body(samples: Path, name: str) -> Any:
    found = json.loads((samples / f"{name}.json").read_bytes())
    return found["Response"]["Body"] if isinstance(found, dict) and "Response" in found else found


def decoded(samples: Path, name: str, answer_type: type[T]) -> T:
    return msgspec.json.decode(json.dumps(body(samples, name)).encode(), type=answer_type)


def test_a_contract_with_rules_is_a_market(samples: Path):
    info = decoded(samples, "conduit__Contracts__GET-contract-info-and-rules", ContractInfo)
    market = contracts.market(info, exchange="ibkr")
    assert (market.market_id, market.kind, market.symbol) == ("265598", MarketKind.STOCK, "AAPL")
    assert (market.currency, market.multiplier) == ("USD", 1)
    assert market.price_grid.increment_at(Decimal(255)) == Decimal("0.01")


def test_a_contract_without_rules_is_no_market(samples: Path):
    info = decoded(samples, "conduit__Contracts__GET-contract-info", ContractInfo)
    assert contracts.facts(info).multiplier == 1
    with pytest.raises(WireError, match="price increments"):
        contracts.market(info, exchange="ibkr")


def test_a_schedule_has_regular_and_extended_sessions(samples: Path):
    hours = contracts.trading_hours(decoded(samples, "conduit__Contracts__GET-trading-schedule", TradingSchedule))
    assert hours.timezone == "US/Eastern"
    open_ = hours.session_at(1_775_140_000 * 10**9)
    early = hours.session_at(1_775_120_000 * 10**9)
    assert open_ is not None
    assert open_.regular
    assert early is not None
    assert not early.regular
    assert hours.session_at(1_775_200_000 * 10**9) is None


def test_a_snapshot_row_is_a_quote_and_a_snapshot(samples: Path):
    name = Instrument("ibkr:756733:LONG")
    (row,) = decoded(samples, "conduit__MarketData__GET-snapshot", list[SnapshotRow])
    quote = quotes.quote(row, name, NOW)
    assert (quote.bid, quote.ask, quote.ask_size, quote.bid_size) == (655.88, 655.90, 100.0, 200.0)
    assert quote.exchange_time == 1_775_169_600_000_000_000
    assert quote.availability is Availability.UNKNOWN
    (fields,) = decoded(samples, "conduit__MarketData__GET-snapshot", list[SnapshotFields])
    snapshot = quotes.snapshot(fields, name, NOW)
    assert (snapshot.last, snapshot.volume, snapshot.high, snapshot.low) == (655.89, 50_000_000.0, 658.20, 645.11)
    assert snapshot.change_percent == 0.54
    assert not snapshot.last_is_prior_close
    assert snapshot.fields["84"] == "655.88"


def test_live_trades_are_fills_with_their_commissions(samples: Path):
    rows = decoded(samples, "conduit__Orders__GET-coldread-trades-populated", list[TradeRow])
    sold, bought = (trades.fill(row, SPY, AccountId("U9990001"), exchange="ibkr", now=NOW) for row in rows)
    assert (sold.order_side, sold.size, sold.price, sold.commission) == (
        OrderSide.SELL,
        1,
        Decimal("751.69"),
        Decimal("1.02"),
    )
    assert (bought.order_side, bought.commission, bought.client_order_id) == (
        OrderSide.BUY,
        1,
        "fill-buy-c1-172806",
    )
    assert bought.trade_time == 1_783_618_091_000_000_000
    assert bought.kind is FillKind.TRADE
    assert bought.venue_order_id == "1843450719"


def test_the_most_trusted_trade_sample_maps_too(samples: Path):
    (row,) = decoded(samples, "ibkrdotnet__get-trade-history.live", list[TradeRow])
    fill = trades.fill(row, SPY, AccountId("DU1234567"), exchange="ibkr", now=NOW)
    assert (fill.execution_id, fill.size, fill.price) == ("0000dc8f.6b9035f5.01.01", 1, Decimal("317.56"))
    assert fill.client_order_id is None


def test_a_row_without_money_is_not_complete(samples: Path):
    (row,) = decoded(samples, "conduit__Orders__GET-trades", list[TradeRow])
    assert trades.is_complete(row)
    assert not trades.is_complete(msgspec.structs.replace(row, size=""))
    with pytest.raises(WireError, match="size, price and time"):
        trades.fill(row, SPY, AccountId("U1234567"), exchange="ibkr", now=NOW)


def test_a_filled_market_order_row(samples: Path):
    (row,) = decoded(samples, "ibkrdotnet__get-open-orders.live", LiveOrders).orders
    report = orders.report(row, exchange="ibkr", now=NOW)
    assert (report.status, report.filled, report.size, report.average_price) == (
        OrderStatus.FILLED,
        1,
        1,
        Decimal("317.56"),
    )
    request = request_of(row, SPY, exchange="ibkr")
    assert request is not None
    assert (request.order_type, request.price, request.time_in_force) == (OrderType.MARKET, None, TimeInForce.DAY)


def test_an_expired_order_row(samples: Path):
    (row,) = decoded(samples, "conduit__Orders__GET-live-orders-cancelled", LiveOrders).orders
    report = orders.report(row, exchange="ibkr", now=NOW)
    assert report.status is OrderStatus.EXPIRED
    assert report.reason == "Cancelled by System: order expired"
    assert report.filled == 0


def test_a_bracket_and_an_oca_group_row_by_row(samples: Path):
    rows = decoded(samples, "conduit__Orders__GET-live-orders-bracket-oca", LiveOrders).orders
    refs = {str(row.orderId): row.order_ref for row in rows if row.order_ref}
    requests = [request_of(row, SPY, exchange="ibkr", refs=refs) for row in rows]
    assert all(request is not None for request in requests)
    entry, profit, stop, *oca = (request for request in requests if request is not None)
    assert (entry.price, entry.parent, entry.client_order_id) == (1, None, "conduit-bracket-001")
    assert (profit.price, profit.parent, profit.client_order_id) == (2, "conduit-bracket-001", "")
    assert (stop.order_type, stop.price, stop.stop_price) == (OrderType.STOP, None, Decimal("0.50"))
    assert {request.group for request in oca} == {"oco-636441077"}
    statuses = [orders.report(row, exchange="ibkr", now=NOW).status for row in rows]
    assert statuses == [OrderStatus.WORKING] * 3 + [OrderStatus.CANCELED] * 2


def a_request() -> OrderRequest:
    return OrderRequest(
        market_id=MarketId("756733"),
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=Decimal(1),
        client_order_id=ClientOrderId("Parent"),
        account_id=AccountId("U1234567"),
        exchange="ibkr",
    )


def test_placing_answers_are_told_apart(samples: Path):
    names = {
        "conduit__Orders__POST-place-order-submitted": OrderStatus.WORKING,
        "conduit__Orders__POST-place-bracket-submitted": OrderStatus.WORKING,
        "conduit__Orders__POST-modify-order-submitted": OrderStatus.WORKING,
        "conduit__Orders__POST-reply-submitted": OrderStatus.WORKING,
    }
    for name, status in names.items():
        (row,) = decoded(samples, name, list[PlaceRow])
        assert not replies.is_question(row)
        report = orders.placed(row, a_request(), AccountId("U1234567"), exchange="ibkr", now=NOW)
        assert report.status is status
        assert report.venue_order_id
    (question,) = decoded(samples, "conduit__Orders__POST-place-order-confirmation", list[PlaceRow])
    assert replies.is_question(question)
    assert "without market data" in replies.texts(question)[0]


def test_a_partly_rejected_bracket_keeps_both_stories(samples: Path):
    failed, inactive = decoded(samples, "conduit__Orders__POST-place-bracket-partial-reject", list[PlaceRow])
    assert orders.is_failed(failed)
    assert "minimum variation of 100" in orders.failure_text(failed)
    assert not orders.is_failed(inactive)
    report = orders.placed(inactive, a_request(), AccountId("U1234567"), exchange="ibkr", now=NOW)
    assert (report.status, report.venue_order_id) == (OrderStatus.WORKING, "1760268467")


@pytest.mark.parametrize("name", ["sparse", "enriched"])
def test_cold_and_warm_positions_say_the_same(samples: Path, name: str):
    rows = decoded(samples, f"conduit__Portfolio__GET-coldread-positions-{name}", list[PositionRow])
    found = []
    for row in rows:
        facts = portfolio.facts_in(row)
        assert facts is not None
        found.append(portfolio.position(row, facts, AccountId("U9990001"), exchange="ibkr"))
    assert [(position.symbol, position.size, position.multiplier, position.side) for position in found] == [
        ("QQQ", 5, 1, Side.LONG),
        ("SPY", 48, 1, Side.LONG),
    ]
    assert found[1].average_price == Decimal("659.81625")


def test_every_recorded_positions_page_maps_or_asks_for_its_contract(samples: Path):
    for name in ("conduit__Portfolio__GET-portfolio-positions-page0", "ibind__positions"):
        for row in decoded(samples, name, list[PositionRow]):
            facts = portfolio.facts_in(row)
            if facts is None:
                assert contracts.is_derivative(row.assetClass)
            else:
                assert portfolio.position(row, facts, AccountId("U1"), exchange="ibkr").size is not None


def test_summary_and_ledger_are_an_account(samples: Path):
    (row,) = decoded(samples, "conduit__Portfolio__GET-portfolio-accounts", list[PortfolioAccount])
    account = portfolio.account(
        AccountId(row.accountId),
        row,
        exchange="ibkr",
        is_live=False,
        summary=decoded(samples, "conduit__Portfolio__GET-portfolio-summary", Summary),
        ledger=decoded(samples, "conduit__Portfolio__GET-portfolio-ledger", Ledger),
    )
    assert account.currency == "USD"
    assert account.net_liquidation is not None
    assert account.base is not None
    assert {balance.currency for balance in account.balances} >= {"BASE", "USD"}


def test_a_second_ledger_maps_too(samples: Path):
    ledger = decoded(samples, "ibind__ledger", Ledger)
    account = portfolio.account(AccountId("U1"), None, exchange="ibkr", is_live=None, ledger=ledger)
    assert account.base is not None
    assert account.net_liquidation is None
