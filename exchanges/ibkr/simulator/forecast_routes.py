"""The second way to event contracts: `/forecast/*`."""

from exchanges.ibkr.simulator.calls import Call, Needs, Route, unknown_failure
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.events import EXCHANGE, NAME, PRODUCT, SYMBOL, UNDERLYING, threshold_text
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS

_ECONOMY, _INDICES, _DAILY = "g137001", "g137002", "g137003"
_RULES_LINK = "https://forecastex.example/terms/SPXC-TermsandConditions.pdf"
_SIDES = {"C": "Y", "P": "N"}
_DAYS = ("Saturday", "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday")


def category_tree(_state: State, _call: Call) -> object:
    """Three levels; the leaf holds the market. Roots have no `parent_id`."""
    market = {
        "name": NAME,
        "symbol": SYMBOL,
        "exchange": EXCHANGE,
        "is_restricted": False,
        "conid": UNDERLYING,
        "product_conid": PRODUCT,
    }
    return {
        "categories": {
            _ECONOMY: {"name": "Financial Markets", "is_restricted": False, "markets": []},
            _INDICES: {"name": "Equity Indices", "parent_id": _ECONOMY, "is_restricted": False},
            _DAILY: {"name": "S&P 500", "parent_id": _INDICES, "is_restricted": False, "markets": [market]},
        }
    }


def market(state: State, call: Call) -> object:
    if call.number("underlyingConid") != UNDERLYING:
        raise unknown_failure()
    state.session.brokerage.searched.add(UNDERLYING)
    return {
        "market_name": NAME,
        "exchange": EXCHANGE,
        "symbol": SYMBOL,
        "logo_category": _DAILY,
        "exclude_historical_data": True,
        "payout": 1.0,
        "contracts": [_contract_row(state, contract) for contract in state.product.contracts],
    }


def _contract_row(state: State, contract: Contract) -> dict[str, object]:
    day = state.product.day
    return {
        "conid": contract.conid,
        "side": _SIDES[contract.right],
        "expiration": contract.expiry,
        "strike": contract.strike,
        "strike_label": f"Above {threshold_text(contract.strike)}",
        "expiry_label": f"{day:%B} {day.day}, {day.year}",
        "underlying_conid": UNDERLYING,
        "time_specifier": f"{day.year}.{day.month}.{day.day}",
    }


def _event_contract(state: State, call: Call) -> Contract:
    conid = call.number("conid")
    contract = state.catalogue.get(conid) if conid is not None else None
    if contract is None or not contract.is_event:
        raise unknown_failure()
    state.session.brokerage.searched.add(UNDERLYING)
    return contract


def details(state: State, call: Call) -> object:
    """The pair behind either conid."""
    contract = _event_contract(state, call)
    yes, no = (contract.conid, contract.twin) if contract.right == "C" else (contract.twin, contract.conid)
    return {
        "conid_yes": yes,
        "conid_no": no,
        "question": state.product.question(contract),
        "side": _SIDES[contract.right],
        "strike_label": f"Above {threshold_text(contract.strike)}",
        "strike": contract.strike,
        "exchange": EXCHANGE,
        "expiration": contract.expiry,
        "symbol": SYMBOL,
        "category": _ECONOMY,
        "logo_category": _DAILY,
        "measured_period": state.product.measured_period,
        "market_name": NAME,
        "underlying_conid": UNDERLYING,
        "payout": 1.0,
        "product_conid": PRODUCT,
        "is_restricted": False,
    }


def rules(state: State, call: Call) -> object:
    """Times in seconds; money as text."""
    contract = _event_contract(state, call)
    release = state.product.release // NANOSECONDS
    return {
        "asset_class": "OPT",
        "description": f"{state.product.question(contract)} The index is taken as ten times the price of SPY.",
        "market_name": NAME,
        "measured_period": state.product.measured_period,
        "threshold": threshold_text(contract.strike),
        "source_agency": "Horizon simulator",
        "data_and_resolution_link": _RULES_LINK,
        "last_trade_time": release,
        "product_code": SYMBOL,
        "market_rules_link": _RULES_LINK,
        "release_time": release,
        "payout_time": state.product.payout // NANOSECONDS,
        "payout": "$1.00",
        "price_increment": "$0.01",
        "price_increments": [{"lower_edge": "0.0", "increment": "$0.01"}],
        "exchange_timezone": "US/Central",
    }


def schedules(state: State, call: Call) -> object:
    """A week of two intervals a day, with a minute between them."""
    _event_contract(state, call)
    times = [{"open": "12:00 AM", "close": "4:15 PM"}, {"open": "4:16 PM", "close": "11:59 PM"}]
    return {
        "timezone": "US/Central",
        "trading_schedules": [{"day_of_week": day, "trading_times": times} for day in _DAYS],
    }


ROUTES = (
    Route("GET", "/forecast/category/tree", Needs.BROKERAGE, category_tree),
    Route("GET", "/forecast/contract/market", Needs.BROKERAGE, market),
    Route("GET", "/forecast/contract/details", Needs.BROKERAGE, details),
    Route("GET", "/forecast/contract/rules", Needs.BROKERAGE, rules),
    Route("GET", "/forecast/contract/schedules", Needs.BROKERAGE, schedules),
)
