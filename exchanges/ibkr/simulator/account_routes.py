"""The accounts of the login: list, selection, summary and P&L."""

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.valuation import Valuation

_PROPERTIES = {
    "hasChildAccounts": False,
    "supportsCashQty": True,
    "liteUnderPro": False,
    "noFXConv": False,
    "isProp": False,
    "supportsFractions": False,
    "allowCustomerTime": False,
    "autoFx": False,
}
_ASSET_TYPES = "STK,CFD,OPT,FOP,WAR,FUT,BAG,PDC,CASH,IND,BOND,BILL,FUND,SLB,News,CMDTY,IOPT,ICU,ICS,PHYSS,CRYPTO"
_FEATURES = {
    "showGFIS": True,
    "showEUCostReport": False,
    "allowEventContract": True,
    "allowFXConv": True,
    "allowFinancialLens": False,
    "allowMTA": True,
    "allowTypeAhead": True,
    "allowEventTrading": True,
    "snapshotRefreshTimeout": 30,
    "liteUser": False,
    "showWebNews": True,
    "research": True,
    "debugPnl": True,
    "showTaxOpt": True,
    "showImpactDashboard": True,
    "allowDynAccount": False,
    "allowCrypto": False,
    "allowFA": False,
    "allowLiteUnderPro": False,
    "allowedAssetTypes": _ASSET_TYPES,
    "restrictTradeSubscription": False,
    "showUkUserLabels": False,
    "sideBySide": True,
}
_CHART_PERIODS = {"STK": ["*"], "OPT": ["2h", "1d", "2d", "1w", "1m"], "IND": ["*"]}


def overview(state: State) -> dict[str, object]:
    """What `/iserver/accounts` answers, and the `act` frame carries."""
    return {
        "accounts": list(state.accounts),
        "acctProps": {account: dict(_PROPERTIES) for account in state.accounts},
        "aliases": {account: account for account in state.accounts},
        "allowFeatures": dict(_FEATURES),
        "chartPeriods": dict(_CHART_PERIODS),
        "groups": [],
        "profiles": [],
        "selectedAccount": state.selected,
        "serverInfo": state.session.server,
        "sessionId": state.session.id,
        "isFT": False,
        "isPaper": state.session.is_paper,
    }


def accounts(state: State, _call: Call) -> object:
    other = state.session.other
    if other is not None and other.looks_well:
        return {}
    state.session.brokerage.accounts_queried = True
    return overview(state)


def switch(state: State, call: Call) -> object:
    wanted = call.object().get("acctId")
    if wanted is None:
        raise Refusal(400, {"error": "Bad Request: acctId is required", "statusCode": 400})
    if wanted not in state.accounts:
        raise Refusal(500, {"error": "Invalid account ID"})
    if wanted == state.selected:
        return {"success": "Account already set"}
    state.selected = wanted
    return {"set": True, "acctId": wanted}


def summary(state: State, call: Call) -> object:
    value, owned = state.value(call.path["account"]), state.accounts[call.path["account"]].ledger
    margin, balances = float(value.margin), {"USD": owned.cash, **owned.currencies}
    equity, available = float(round(value.equity)), float(round(value.available))
    return {
        "accountType": "",
        "status": "",
        "balance": available,
        "SMA": available,
        "buyingPower": float(round(value.buying_power)),
        "availableFunds": available,
        "excessLiquidity": available,
        "netLiquidationValue": equity,
        "equityWithLoanValue": equity,
        "regTLoan": 0.0,
        "securitiesGVP": float(round(value.gross)),
        "totalCashValue": float(round(value.cash)),
        "accruedInterest": 0.0,
        "regTMargin": margin,
        "initialMargin": margin,
        "maintenanceMargin": margin,
        "cashBalances": [
            {"currency": currency, "balance": float(amount), "settledCash": float(amount)}
            for currency, amount in balances.items()
        ],
    }


def _formatted(value: Valuation) -> dict[str, dict[str, str]]:
    available, equity = f"{value.available:,.0f} USD", f"{value.equity:,.0f} USD"
    margin = f"{value.margin:,.0f} USD"
    leverage = f"{value.gross / value.equity:.2f}" if value.equity else "0.00"
    return {
        "available_funds": {
            "current_available": available,
            "current_excess": available,
            "buying_power": f"{value.buying_power:,.0f} USD",
            "leverage": leverage,
            "look_ahead_available": available,
            "look_ahead_excess": available,
        },
        "balances": {
            "net_liquidation": equity,
            "equity_with_loan": equity,
            "cash": f"{value.cash:,.0f} USD",
            "MTD Interest": "0 USD",
            "previous_day_equity_with_loan": f"{value.opening_equity:,.0f} USD",
        },
        "margins": {
            "current_initial": margin,
            "current_maint": margin,
            "look_ahead_initial": margin,
            "look_ahead_maint": margin,
            "RegT Margin": margin,
        },
    }


def summary_part(state: State, call: Call) -> object:
    """Numbers as formatted text, per segment. All trading here is in the securities segment."""
    part, value = call.path["part"], state.value(call.path["account"])
    if part == "market_value":
        return {
            "USD": {
                "total_cash": f"{value.cash:,.0f}",
                "stock": f"{value.stocks:,.0f}",
                "options": f"{value.options:,.0f}",
                "futures": "0",
                "net_liquidation": f"{value.equity:,.0f}",
                "unrealized_pnl": f"{value.unrealized:,.0f}",
                "realized_pnl": f"{value.realized:,.0f}",
            }
        }
    found = _formatted(value).get(part)
    if found is None:
        raise Refusal(400, {"error": "Bad Request: unknown summary", "statusCode": 400})
    empty = {key: "0.00" if key == "leverage" else "0 USD" for key in found}
    return {"total": found, "Crypto at Paxos": empty, "commodities": empty, "securities": found}


def partitioned_pnl(state: State, _call: Call) -> object:
    if state.session.brokerage.is_cold("pnl"):
        return {"upnl": {}}
    return {"upnl": pnl_rows(state)}


def pnl_rows(state: State) -> dict[str, object]:
    """P&L of every account, as the endpoint and the `spl` frames show it."""
    rows: dict[str, object] = {}
    for account in state.accounts:
        value = state.value(account)
        rows[f"{account}.Core"] = {
            "rowType": 1,
            "dpl": round(float(value.equity - value.opening_equity), 2),
            "nl": round(float(value.equity), 2),
            "upl": round(float(value.unrealized), 2),
            "uel": round(float(value.available), 2),
            "mv": round(float(value.market_value), 2),
        }
    return rows


ROUTES = (
    Route("GET POST", "/iserver/accounts", Needs.BROKERAGE, accounts),
    Route("POST", "/iserver/account", Needs.ACCOUNTS, switch),
    Route("GET", "/iserver/account/pnl/partitioned", Needs.ACCOUNTS, partitioned_pnl),
    Route("GET", "/iserver/account/{account}/summary", Needs.ACCOUNTS, summary),
    Route("GET", "/iserver/account/{account}/summary/{part}", Needs.ACCOUNTS, summary_part),
)
