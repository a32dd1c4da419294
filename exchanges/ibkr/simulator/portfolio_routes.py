"""Portfolio reads: accounts, positions, summary, ledger, allocation."""

import math

from exchanges.ibkr.simulator.calls import Call, Needs, Route, unknown_failure, whole
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.descriptions import position_description, secdef_row
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.valuation import Mark, Valuation

PAGE = 100
_SUBACCOUNT_PAGE = 20
_OPENED = 1769922000000
_BASE = "BASE"


def account_row(state: State, account: str) -> dict[str, object]:
    return {
        "id": account,
        "PrepaidCrypto-Z": False,
        "PrepaidCrypto-P": False,
        "brokerageAccess": True,
        "accountId": account,
        "accountVan": account,
        "accountTitle": "Horizon Simulation",
        "displayName": "Horizon Simulation",
        "accountAlias": None,
        "accountStatus": _OPENED,
        "currency": "USD",
        "type": "DEMO" if state.session.is_paper else "INDIVIDUAL",
        "tradingType": "STKNOPT",
        "businessType": "INDEPENDENT",
        "category": "",
        "ibEntity": "IBLLC-US",
        "faclient": False,
        "clearingStatus": "O",
        "covestor": False,
        "noClientTrading": False,
        "trackVirtualFXPortfolio": False,
        "acctCustType": "INDIVIDUAL",
        "parent": {"mmc": [], "accountId": "", "isMParent": False, "isMChild": False, "isMultiplex": False},
        "desc": account,
    }


def accounts(state: State, _call: Call) -> object:
    state.session.portfolio_queried = True
    return [account_row(state, account) for account in state.accounts]


def subaccounts_paged(state: State, call: Call) -> object:
    state.session.portfolio_queried = True
    page = call.number("page") or 0
    rows = [account_row(state, account) for account in state.accounts]
    shown = rows[page * _SUBACCOUNT_PAGE : (page + 1) * _SUBACCOUNT_PAGE]
    metadata = {"total": len(rows), "pageSize": _SUBACCOUNT_PAGE, "pageNum": page}
    return {"metadata": metadata, "subaccounts": shown}


def meta(state: State, call: Call) -> object:
    return account_row(state, state.known_account(call.path["account"]))


def _position_row(account: str, mark: Mark) -> dict[str, object]:
    """The sparse row that a first read gives."""
    contract, held = mark.contract, mark.holding
    average = float(held.average_cost)
    return {
        "acctId": account,
        "conid": contract.conid,
        "contractDesc": position_description(contract),
        "position": float(held.position),
        "mktPrice": float(mark.price),
        "mktValue": round(float(mark.value), 2),
        "currency": contract.currency,
        "avgCost": average,
        "avgPrice": average / contract.factor,
        "realizedPnl": round(float(held.realized), 2),
        "unrealizedPnl": round(float(mark.unrealized), 2),
        "exchs": None,
        "expiry": contract.expiry or None,
        "putOrCall": contract.right or None,
        "multiplier": None,
        "strike": contract.strike,
        "exerciseStyle": None,
        "conExchMap": [],
        "assetClass": contract.sec_type,
        "undConid": contract.underlying,
        "model": "",
    }


def _enriched(row: dict[str, object], contract: Contract) -> dict[str, object]:
    base = {
        f"base{name[0].upper()}{name[1:]}": row[name]
        for name in ("mktValue", "mktPrice", "avgCost", "avgPrice", "realizedPnl", "unrealizedPnl")
    }
    definition = {key: value for key, value in secdef_row(contract).items() if key != "assetClass"}
    return row | base | definition | {"time": 30, "pageSize": PAGE}


def _open_marks(state: State, account: str) -> list[Mark]:
    return [mark for mark in state.marks(account) if mark.holding.position]


def _shown_marks(state: State, account: str) -> list[Mark]:
    """What the backend has in stock, which can be what was held before the last fills."""
    return [mark for mark in state.shown_marks(account) if mark.holding.position]


def positions(state: State, call: Call) -> object:
    """One page of a hundred. The first read of a page is sparse, unless the caller waits for the definitions."""
    account = state.known_account(call.path["account"])
    page = whole(call.path["page"])
    if page is None or page < 0:
        raise unknown_failure()
    shown = _sorted(_shown_marks(state, account), call)[page * PAGE : (page + 1) * PAGE]
    rows = [_position_row(account, mark) for mark in shown]
    cold = state.session.brokerage.is_cold(f"positions {account} {page}")
    if cold and not call.flag("waitForSecDef"):
        return rows
    return [_enriched(row, mark.contract) for row, mark in zip(rows, shown, strict=True)]


def _sorted(rows: list[Mark], call: Call) -> list[Mark]:
    if call.query.get("sort") == "position":
        return sorted(rows, key=lambda row: row.holding.position, reverse=call.query.get("direction") == "d")
    return rows


def position(state: State, call: Call) -> object:
    account = state.known_account(call.path["account"])
    rows = [m for m in _shown_marks(state, account) if m.contract.conid == whole(call.path["conid"])]
    return [_enriched(_position_row(account, mark), mark.contract) for mark in rows]


def position_everywhere(state: State, call: Call) -> object:
    """The position in every account; a segment `...C` repeats the same position under another name."""
    found: dict[str, object] = {}
    for account in state.accounts:
        for mark in _shown_marks(state, account):
            if mark.contract.conid == whole(call.path["conid"]):
                found[account] = [_enriched(_position_row(account, mark), mark.contract)]
                found[account + "C"] = [_position_row(account + "C", mark)]
    return found


def positions_now(state: State, call: Call) -> object:
    """`/portfolio2`: never cold, full precision, conid as text."""
    account = state.known_account(call.path["account"])
    return [
        {
            "position": float(mark.holding.position),
            "conid": str(mark.contract.conid),
            "avgCost": float(mark.holding.average_cost),
            "avgPrice": float(mark.holding.average_cost) / mark.contract.factor,
            "currency": mark.contract.currency,
            "description": position_description(mark.contract),
            "isLastToLoq": False,
            "marketPrice": float(mark.price),
            "marketValue": float(mark.value),
            "realizedPnl": float(mark.holding.realized),
            "secType": mark.contract.sec_type,
            "timestamp": state.seconds(),
            "unrealizedPnl": float(mark.unrealized),
            "assetClass": mark.contract.sec_type,
            "sector": None,
            "group": None,
            "model": "",
        }
        for mark in _open_marks(state, account)
    ]


def invalidate(state: State, call: Call) -> object:
    state.views.invalidate(state.known_account(call.path["account"]))
    return {"message": "success"}


def combos(state: State, call: Call) -> object:
    state.known_account(call.path["account"])
    return []


def summary(state: State, call: Call) -> object:
    account = state.known_account(call.path["account"])
    value = state.value(account)
    amounts = {
        "netliquidation": value.equity,
        "totalcashvalue": value.cash,
        "buyingpower": value.buying_power,
        "availablefunds": value.available,
        "excessliquidity": value.available,
        "equitywithloanvalue": value.equity,
        "previousdayequitywithloanvalue": value.opening_equity,
        "grosspositionvalue": value.gross,
        "fullinitmarginreq": value.margin,
        "initmarginreq": value.margin,
        "maintmarginreq": value.margin,
        "regtequity": value.equity,
        "sma": value.available,
        "settledcash": value.cash,
    }
    found: dict[str, object] = {
        "accountcode": _summary_text(state, account),
        "accountready": _summary_text(state, "true"),
        "accounttype": _summary_text(state, "INDIVIDUAL"),
    }
    nothing = {"accruedcash": 0.0, "billable": 0.0}
    for suffix in ("", "-s"):
        for name, amount in amounts.items():
            found[name + suffix] = _summary_amount(state, round(float(amount), 2), "USD")
        for name, zero in nothing.items():
            found[name + suffix] = _summary_amount(state, zero, "USD")
    cushion = float(value.available / value.equity) if value.equity else 0.0
    return found | {"cushion": _summary_amount(state, round(cushion, 6), None)}


def _summary_amount(state: State, amount: float, currency: str | None) -> dict[str, object]:
    return {
        "amount": amount,
        "currency": currency,
        "isNull": False,
        "timestamp": state.seconds(),
        "value": str(amount),
        "severity": 0,
    }


def _summary_text(state: State, text: str) -> dict[str, object]:
    return _summary_amount(state, 0.0, None) | {"value": text}


def ledger(state: State, call: Call) -> object:
    """By currency, and BASE. The first read of a session has nothing in it yet."""
    account = state.known_account(call.path["account"])
    if state.session.brokerage.is_cold(f"ledger {account}"):
        return {}
    value, owned = state.value(account), state.accounts[account].ledger
    rows = {currency: _ledger_row(state, account, value, currency) for currency in ("USD", _BASE)}
    rows["USD"] |= {"settledcash": round(float(owned.cash), 2), "cashbalance": round(float(owned.cash), 2)}
    for currency, amount in owned.currencies.items():
        rows[currency] = _currency_row(rows["USD"], currency, float(amount), float(state.rate(currency)))
    return rows


def _currency_row(usd: dict[str, object], currency: str, amount: float, rate: float) -> dict[str, object]:
    """The row of money in another currency: everything else is held in dollars."""
    nothing = {name: 0.0 for name, value in usd.items() if isinstance(value, float)}
    money = dict.fromkeys(("settledcash", "cashbalance", "netliquidationvalue"), round(amount, 2))
    return usd | nothing | money | {"exchangerate": rate, "currency": currency, "secondkey": currency}


def _ledger_row(state: State, account: str, value: Valuation, currency: str) -> dict[str, object]:
    row: dict[str, object] = dict.fromkeys(
        (
            "commoditymarketvalue",
            "futuremarketvalue",
            "corporatebondsmarketvalue",
            "warrantsmarketvalue",
            "interest",
            "moneyfunds",
            "funds",
            "issueroptionsmarketvalue",
            "futuresonlypnl",
            "tbondsmarketvalue",
            "futureoptionmarketvalue",
            "cashbalancefxsegment",
            "tbillsmarketvalue",
            "dividends",
            "cryptocurrencyvalue",
        ),
        0.0,
    )
    return row | {
        "settledcash": round(float(value.cash), 2),
        "cashbalance": round(float(value.cash), 2),
        "netliquidationvalue": round(float(value.equity), 2),
        "stockmarketvalue": round(float(value.stocks), 2),
        "stockoptionmarketvalue": round(float(value.options), 2),
        "unrealizedpnl": round(float(value.unrealized), 2),
        "realizedpnl": round(float(value.realized), 2),
        "exchangerate": 1,
        "sessionid": 1,
        "currency": currency,
        "acctcode": account,
        "key": "LedgerList",
        "secondkey": currency,
        "timestamp": state.seconds(),
        "severity": 0,
    }


def allocation(state: State, call: Call) -> object:
    return _allocation(state, [state.known_account(call.path["account"])])


def allocation_of_several(state: State, call: Call) -> object:
    wanted = call.object().get("acctIds")
    if not isinstance(wanted, list):
        raise unknown_failure()
    return _allocation(state, [state.known_account(str(account)) for account in wanted])


def _allocation(state: State, accounts: list[str]) -> object:
    by_class: dict[str, float] = {}
    for account in accounts:
        by_class["CASH"] = by_class.get("CASH", 0.0) + float(state.accounts[account].ledger.cash)
        for mark in _open_marks(state, account):
            kind = mark.contract.sec_type
            by_class[kind] = by_class.get(kind, 0.0) + float(mark.value)
    others = math.fsum(value for kind, value in by_class.items() if kind != "CASH")
    return {
        "assetClass": _long_and_short(by_class),
        "sector": _long_and_short({"Others": others}),
        "group": _long_and_short({"Others": others}),
    }


def _long_and_short(values: dict[str, float]) -> dict[str, dict[str, float]]:
    return {
        "long": {name: round(value, 2) for name, value in values.items() if value > 0},
        "short": {name: round(value, 2) for name, value in values.items() if value < 0},
    }


ROUTES = (
    Route("GET", "/portfolio/accounts", Needs.LOGIN, accounts),
    Route("GET", "/portfolio/subaccounts", Needs.LOGIN, accounts),
    Route("GET", "/portfolio/subaccounts2", Needs.LOGIN, subaccounts_paged),
    Route("GET", "/portfolio/positions/{conid}", Needs.PORTFOLIO, position_everywhere),
    Route("POST", "/portfolio/allocation", Needs.PORTFOLIO, allocation_of_several),
    Route("GET", "/portfolio/{account}/meta", Needs.PORTFOLIO, meta),
    Route("GET", "/portfolio/{account}/summary", Needs.PORTFOLIO, summary),
    Route("GET", "/portfolio/{account}/ledger", Needs.PORTFOLIO, ledger),
    Route("GET", "/portfolio/{account}/allocation", Needs.PORTFOLIO, allocation),
    Route("GET", "/portfolio/{account}/positions/{page}", Needs.PORTFOLIO, positions),
    Route("POST", "/portfolio/{account}/positions/invalidate", Needs.PORTFOLIO, invalidate),
    Route("GET", "/portfolio/{account}/position/{conid}", Needs.PORTFOLIO, position),
    Route("GET", "/portfolio/{account}/combo/positions", Needs.PORTFOLIO, combos),
    Route("GET", "/portfolio2/{account}/positions", Needs.PORTFOLIO, positions_now),
)
