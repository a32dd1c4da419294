"""Every recorded answer is decoded by the type that the adapter uses for it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest

from exchanges.ibkr.wire import (
    accounts,
    advisors,
    alerts,
    contracts,
    frames,
    market_data,
    orders,
    performance,
    portfolio,
    scanner,
    session,
    trades,
)
from exchanges.ibkr.wire.errors import Problem, find_problem

SAMPLES = Path(__file__).parents[3] / "shared" / "data" / "ibkr_samples"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the recorded answers are not beside the repository")

TYPES: dict[str, Any] = {
    "conduit__Accounts__GET-account-summary": accounts.BrokerageSummary,
    "conduit__Accounts__GET-account-summary-available-funds": accounts.SummarySegments,
    "conduit__Accounts__GET-account-summary-balances": accounts.SummarySegments,
    "conduit__Accounts__GET-account-summary-margins": accounts.SummarySegments,
    "conduit__Accounts__GET-account-summary-market-value": accounts.SummarySegments,
    "conduit__Accounts__GET-iserver-accounts": accounts.BrokerageAccounts,
    "conduit__Accounts__GET-search-dynamic-account": accounts.AccountSearch,
    "conduit__Accounts__POST-set-dynamic-account": session.Message,
    "conduit__Accounts__POST-switch-account": session.Message,
    "conduit__Alerts__GET-alert-detail": alerts.Alert,
    "conduit__Alerts__GET-alerts-list": list[alerts.AlertRow],
    "conduit__Contracts__GET-bond-filters": contracts.BondFilters,
    "conduit__Contracts__GET-contract-algos": contracts.Algos,
    "conduit__Contracts__GET-contract-info": contracts.ContractInfo,
    "conduit__Contracts__GET-contract-info-and-rules": contracts.ContractInfo,
    "conduit__Contracts__GET-currency-pairs": contracts.CurrencyPairs,
    "conduit__Contracts__GET-exchangerate": contracts.ExchangeRate,
    "conduit__Contracts__GET-secdef-info": list[contracts.SecdefInfoRow],
    "conduit__Contracts__GET-secdef-search": list[contracts.SearchRow],
    "conduit__Contracts__GET-secdef-strikes": contracts.Strikes,
    "conduit__Contracts__GET-trading-schedule": contracts.TradingSchedule,
    "conduit__Contracts__GET-trsrv-all-conids": list[contracts.ListedConid],
    "conduit__Contracts__GET-trsrv-futures": contracts.Futures,
    "conduit__Contracts__GET-trsrv-secdef": contracts.Securities,
    "conduit__Contracts__GET-trsrv-stocks": contracts.Stocks,
    "conduit__Contracts__POST-contract-rules": contracts.ContractRules,
    "conduit__Contracts__POST-secdef-search": list[contracts.SearchRow],
    "conduit__Fyi__GET-unread-count": alerts.UnreadCount,
    "conduit__MarketData__GET-history": market_data.History,
    "conduit__MarketData__GET-scanner-params": scanner.ScannerParameters,
    "conduit__MarketData__GET-snapshot": list[market_data.SnapshotRow],
    "conduit__MarketData__GET-unsubscribeall": session.Message,
    "conduit__MarketData__POST-scanner-run": scanner.ScanResult,
    "conduit__MarketData__POST-unsubscribe": session.Message,
    "conduit__Orders__DELETE-cancel-order": orders.CancelAnswer,
    "conduit__Orders__DELETE-cancel-order-with-account": orders.CancelAnswer,
    "conduit__Orders__GET-coldread-trades-populated": list[trades.TradeRow],
    "conduit__Orders__GET-live-orders": orders.LiveOrders,
    "conduit__Orders__GET-live-orders-bracket-oca": orders.LiveOrders,
    "conduit__Orders__GET-live-orders-cancelled": orders.LiveOrders,
    "conduit__Orders__GET-live-orders-empty": orders.LiveOrders,
    "conduit__Orders__GET-live-orders-force-cleared": orders.LiveOrders,
    "conduit__Orders__GET-live-orders-primed-empty": orders.LiveOrders,
    "conduit__Orders__GET-order-status": orders.OrderStatusAnswer,
    "conduit__Orders__GET-trades": list[trades.TradeRow],
    "conduit__Orders__GET-trades-empty": list[trades.TradeRow],
    "conduit__Orders__POST-dismiss-notification": str,
    "conduit__Orders__POST-modify-order-submitted": list[orders.PlaceRow],
    "conduit__Orders__POST-place-bracket-partial-reject": list[orders.PlaceRow],
    "conduit__Orders__POST-place-bracket-submitted": list[orders.PlaceRow],
    "conduit__Orders__POST-place-order-confirmation": list[orders.PlaceRow],
    "conduit__Orders__POST-place-order-submitted": list[orders.PlaceRow],
    "conduit__Orders__POST-reply-submitted": list[orders.PlaceRow],
    "conduit__Orders__POST-whatif-order": orders.WhatIf,
    "conduit__Portfolio__GET-coldread-positions-enriched": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-coldread-positions-sparse": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-iserver-account-pnl-partitioned": portfolio.PnlPartitioned,
    "conduit__Portfolio__GET-portfolio-accounts": list[accounts.PortfolioAccount],
    "conduit__Portfolio__GET-portfolio-allocation": portfolio.Allocation,
    "conduit__Portfolio__GET-portfolio-combo-positions-empty": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-portfolio-ledger": portfolio.Ledger,
    "conduit__Portfolio__GET-portfolio-meta": accounts.PortfolioAccount,
    "conduit__Portfolio__GET-portfolio-position-by-conid": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-portfolio-positions-by-conid": portfolio.PositionsOfConid,
    "conduit__Portfolio__GET-portfolio-positions-empty": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-portfolio-positions-page0": list[portfolio.PositionRow],
    "conduit__Portfolio__GET-portfolio-subaccounts": list[accounts.PortfolioAccount],
    "conduit__Portfolio__GET-portfolio-summary": portfolio.Summary,
    "conduit__Portfolio__GET-portfolio2-positions": list[portfolio.FreshPositionRow],
    "conduit__Portfolio__GET-subaccounts2": list[accounts.PortfolioAccount],
    "conduit__Portfolio__GET-subaccounts2-wrapper": accounts.SubaccountPage,
    "conduit__Portfolio__POST-pa-allperiods": performance.AllPeriods,
    "conduit__Portfolio__POST-pa-performance": performance.Performance,
    "conduit__Portfolio__POST-pa-transactions": performance.Transactions,
    "conduit__Portfolio__POST-portfolio-consolidated-allocation": portfolio.Allocation,
    "conduit__Portfolio__POST-portfolio-invalidate": session.Message,
    "conduit__Scanner__GET-scanner-params": scanner.ScannerParameters,
    "conduit__Scanner__POST-hmds-scanner": scanner.HistoricalScan,
    "conduit__Scanner__POST-scanner-run": scanner.ScanResult,
    "conduit__Session__GET-auth-status": session.AuthStatus,
    "conduit__Session__POST-ssodh-init": session.AuthStatus,
    "conduit__Session__POST-suppress": session.Message,
    "conduit__Session__POST-suppress-reset": session.Message,
    "conduit__Session__POST-tickle": session.Tickle,
    "cpapi_ws_frames": list[frames.Frame],
    "ibind__accounts": list[accounts.PortfolioAccount],
    "ibind__auth_status": session.AuthStatus,
    "ibind__fa_model_list": advisors.AdvisorModels,
    "ibind__fa_model_positions": advisors.ModelPositions,
    # These three hold several answers in one file, by symbol or order id, or without their envelope.
    "ibind__history": dict[str, market_data.History],
    "ibind__order_status": dict[str, orders.OrderStatusAnswer],
    "ibind__live_orders": list[orders.OrderRow],
    "ibind__ledger": portfolio.Ledger,
    "ibind__positions": list[portfolio.PositionRow],
    "ibind__stocks": contracts.Stocks,
    "ibind__tickle": session.Tickle,
    "ibkrdotnet__get-md-history.live": market_data.History,
    "ibkrdotnet__get-open-orders.live": orders.LiveOrders,
    "ibkrdotnet__get-order-status.live": orders.OrderStatusAnswer,
    "ibkrdotnet__get-performance.live": performance.Performance,
    "ibkrdotnet__get-scanner-results.live": scanner.ScanResult,
    "ibkrdotnet__get-trade-history.live": list[trades.TradeRow],
    "ibkrdotnet__get-transactions.live": performance.Transactions,
    "ibkrdotnet__ws_ntf_blt.live": list[frames.Frame],
}
"""The wire type of each recorded answer."""

ERROR_CASES = "cpapi_order_reply_and_errors"
NOT_ANSWERS = {"ibkrdotnet__oauth1a_vectors": "test vectors for signing, which belong to OAuth 1.0a"}


def sample_names() -> list[str]:
    return sorted(path.name.removesuffix(".json") for path in SAMPLES.glob("*.json")) if SAMPLES.is_dir() else []


def body(name: str) -> bytes:
    recorded = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return json.dumps(recorded["Response"]["Body"] if name.startswith("conduit__") else recorded).encode()


def unread_keys(kind: Any, value: Any) -> Iterator[str]:
    """`Struct.key` for every key of a recorded answer that its struct does not have."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, inner in value.items():
            if key in fields:
                yield from unread_keys(fields[key], inner)
            else:
                yield f"{kind.__name__}.{key}"
    elif get_origin(kind) is list and isinstance(value, list):
        for inner in value:
            yield from unread_keys(get_args(kind)[0], inner)
    elif get_origin(kind) is dict and isinstance(value, dict):
        for inner in value.values():
            yield from unread_keys(get_args(kind)[1], inner)
    else:
        for option in get_args(kind):
            yield from unread_keys(option, value)


def test_every_sample_has_a_type() -> None:
    assert set(sample_names()) == {*TYPES, ERROR_CASES, *NOT_ANSWERS}


@pytest.mark.parametrize("name", [name for name in sample_names() if name in TYPES])
def test_a_recorded_answer_is_decoded_whole(name: str) -> None:
    content = body(name)
    decoded = msgspec.json.decode(content, type=TYPES[name])
    again = json.loads(msgspec.json.encode(decoded))
    assert_holds(json.loads(content), again)


def assert_holds(recorded: Any, decoded: Any) -> None:
    """Whatever the struct kept is what was recorded, row by row."""
    if isinstance(recorded, dict) and isinstance(decoded, dict):
        for key, value in decoded.items():
            if key in recorded:
                assert_holds(recorded[key], value)
            else:
                assert value in (None, [], {}), key
    elif isinstance(recorded, list) and isinstance(decoded, list):
        assert len(recorded) == len(decoded)
        for before, after in zip(recorded, decoded, strict=True):
            assert_holds(before, after)
    else:
        assert recorded == decoded


def test_the_keys_that_nobody_reads_are_the_known_ones() -> None:
    """When the venue sends something new, it shows here: read it, or add it to the list."""
    unread = {key for name, kind in TYPES.items() for key in unread_keys(kind, json.loads(body(name)))}
    assert unread == set(UNREAD)


@pytest.mark.parametrize("name", ["cpapi_ws_frames", "ibkrdotnet__ws_ntf_blt.live"])
def test_frame_arguments_are_decoded_by_topic(name: str) -> None:
    decoded = 0
    for frame in msgspec.json.decode(body(name), type=list[frames.Frame]):
        if frame.topic in frames.ARGUMENTS and frame.error is None:
            arguments = msgspec.json.decode(frame.args, type=frames.ARGUMENTS[frame.topic])
            assert arguments
            decoded += 1
    assert decoded >= 3


def test_periods_are_decoded_out_of_their_mixed_envelope() -> None:
    answer = msgspec.json.decode(body("conduit__Portfolio__POST-pa-allperiods"), type=performance.AllPeriods)
    account = answer[answer["included"][0]]
    week = msgspec.convert(account["7D"], performance.PeriodPerformance)
    assert len(week.dates) == len(week.nav) == len(week.cps)


ERRORS = {
    "business reject": Problem.REFUSED,
    "duplicate cOID": Problem.REFUSED,
    "reply declined": Problem.REFUSED,
    "reply expired": Problem.REFUSED,
    "cancel unknown": Problem.REFUSED,
    "accounts not queried": Problem.NOT_PRIMED,
    "no brokerage session": Problem.NO_BRIDGE,
    "not authenticated": Problem.SIGNED_OUT,
}


def test_documented_errors_are_found_whatever_their_status() -> None:
    seen = set()
    for case in json.loads((SAMPLES / f"{ERROR_CASES}.json").read_text("utf-8")):
        content = json.dumps(case["body"]).encode()
        for status in case["status"] if isinstance(case["status"], list) else [case["status"]]:
            finding = find_problem(status, "", content)
            if case["case"] in ERRORS:
                assert finding is not None
                assert finding.problem is ERRORS[case["case"]]
                assert finding.text == case["body"]["error"].strip()
            else:
                # A question and a failed row are answers, which the order module reads.
                assert finding is None
                rows = msgspec.json.decode(content, type=list[orders.PlaceRow])
                assert rows[0].id or rows[0].order_id == "-1"
        seen.add(case["case"])
    assert seen == {*ERRORS, "reply needed", "bad parent"}


def test_the_list_of_unread_keys_is_sorted() -> None:
    assert sorted(UNREAD) == UNREAD
    assert all(re.fullmatch(r"\w+\..+", key) for key in UNREAD)


UNREAD: list[str] = [
    "AdvisorModel.bootstrapped",
    "AdvisorModel.customIndex",
    "AdvisorModels.subscriptionStatus",
    "Alert.alert_default_type",
    "Alert.alert_mta_currency",
    "Alert.alert_mta_defaults",
    "Alert.alert_play_audio",
    "Alert.alert_send_message",
    "Alert.alert_show_popup",
    "Alert.bg_color",
    "Alert.condition_outside_rth",
    "Alert.condition_size",
    "Alert.fg_color",
    "Alert.itws_orders_only",
    "Alert.order_not_editable",
    "Alert.tool_id",
    "AuthStatus.MAC",
    "AuthStatus.hardware_info",
    "BrokerageAccounts.chartPeriods",
    "BrokerageAccounts.sessionId",
    "ContractInfo.cfi_code",
    "ContractInfo.classifier",
    "ContractInfo.contract_clarification_type",
    "ContractInfo.is_zero_commission_security",
    "ContractInfo.underlying_issuer",
    "Features.allowFXConv",
    "Features.allowFinancialLens",
    "Features.allowLiteUnderPro",
    "Features.allowMTA",
    "Features.allowTypeAhead",
    "Features.debugPnl",
    "Features.research",
    "Features.restrictTradeSubscription",
    "Features.showEUCostReport",
    "Features.showGFIS",
    "Features.showImpactDashboard",
    "Features.showTaxOpt",
    "Features.showUkUserLabels",
    "Features.showWebNews",
    "Features.sideBySide",
    "Frame.id",
    "Frame.success",
    "FreshPositionRow.group",
    "FreshPositionRow.sector",
    "History.chartAnnotations",
    "LedgerRow.endofbundle",
    "LedgerRow.key",
    "LedgerRow.sessionid",
    "LedgerRow.severity",
    "ModelCash.instrumentImbalance",
    "ModelPosition.actualRangeMax",
    "ModelPosition.actualRangeMin",
    "ModelPosition.dlv",
    "ModelPosition.flags",
    "ModelPosition.instrumentImbalance",
    "ModelPosition.mismatchType",
    "ModelPositions.reqID",
    "ModelPositions.stkOnly",
    "ModelPositions.subscriptionStatus",
    "OrderRow.bgColor",
    "OrderRow.fgColor",
    "OrderRow.supportsTaxOpt",
    "OrderStatusAnswer.alert_active",
    "OrderStatusAnswer.all_or_none",
    "OrderStatusAnswer.allowed_duplicate_opposite",
    "OrderStatusAnswer.available_chart_periods",
    "OrderStatusAnswer.avg_fill_price",
    "OrderStatusAnswer.bg_color",
    "OrderStatusAnswer.child_order_type",
    "OrderStatusAnswer.clearing_id",
    "OrderStatusAnswer.clearing_name",
    "OrderStatusAnswer.company_name",
    "OrderStatusAnswer.contract_description_1",
    "OrderStatusAnswer.deactivate_order",
    "OrderStatusAnswer.editable_fields",
    "OrderStatusAnswer.exit_strategy_chart_description",
    "OrderStatusAnswer.exit_strategy_display_price",
    "OrderStatusAnswer.exit_strategy_tool_availability",
    "OrderStatusAnswer.fg_color",
    "OrderStatusAnswer.fill_price",
    "OrderStatusAnswer.filled_quantity",
    "OrderStatusAnswer.is_event_trading",
    "OrderStatusAnswer.last_fill_price",
    "OrderStatusAnswer.listing_exchange",
    "OrderStatusAnswer.option_acct",
    "OrderStatusAnswer.order_desc",
    "OrderStatusAnswer.order_description_with_contract",
    "OrderStatusAnswer.price",
    "OrderStatusAnswer.remaining_quantity",
    "OrderStatusAnswer.request_id",
    "OrderStatusAnswer.server_id",
    "OrderStatusAnswer.sub_type",
    "OrderStatusAnswer.total_cash_size",
    "OrderStatusAnswer.use_price_mgmt_algo",
    "PortfolioAccount.PrepaidCrypto-P",
    "PortfolioAccount.PrepaidCrypto-Z",
    "PositionRow.allExchanges",
    "PositionRow.chineseName",
    "PositionRow.conExchMap",
    "PositionRow.countryCode",
    "PositionRow.displayRule",
    "PositionRow.exchs",
    "PositionRow.exerciseStyle",
    "PositionRow.group",
    "PositionRow.hasOptions",
    "PositionRow.incrementRules",
    "PositionRow.isUS",
    "PositionRow.sector",
    "PositionRow.sectorGroup",
    "PositionRow.time",
    "ScanRow.available_chart_periods",
    "SecurityRow.group",
    "SecurityRow.sector",
    "SecurityRow.sectorGroup",
    "TradeRow.clearing_id",
    "TradeRow.clearing_name",
    "TradeRow.supports_tax_opt",
]
"""What the venue sends and nobody here needs."""
