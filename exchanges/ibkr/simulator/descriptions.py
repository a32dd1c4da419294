"""A contract in the gateway's words: the texts and rows that several endpoints share."""

from datetime import date
from decimal import Decimal

from exchanges.ibkr.simulator.contracts import Contract, expiry_text, occ_symbol

_SIDES = {"C": "YES", "P": "NO"}


def strike_text(strike: float) -> str:
    return f"{strike:g}"


def position_description(contract: Contract) -> str:
    """`contractDesc` of a position."""
    if contract.is_event:
        return local_symbol(contract)
    if contract.sec_type == "FUT":
        return order_name(contract)
    if contract.sec_type in ("OPT", "FOP"):
        month = date(int(contract.expiry[:4]), int(contract.expiry[4:6]), 1).strftime("%b%Y").upper()
        strike = strike_text(contract.strike)
        return f"{contract.symbol:<6} {month} {strike} {contract.right} [{occ_symbol(contract)} {contract.factor}]"
    return contract.symbol


def local_symbol(contract: Contract) -> str:
    if contract.is_event:
        side = _SIDES[contract.right]
        return f"{contract.symbol} {expiry_text(contract.expiry)} {strike_text(contract.strike)} {side}"
    if contract.sec_type == "FUT":
        # ESZ6
        month = "FGHJKMNQUVXZ"[int(contract.expiry[4:6]) - 1]
        return f"{contract.symbol}{month}{contract.expiry[3]}"
    if contract.sec_type == "CASH":
        return contract.trading_class
    return occ_symbol(contract) if contract.sec_type in ("OPT", "FOP") else contract.symbol


def order_name(contract: Contract) -> str:
    """How an order's description names what is traded."""
    if contract.sec_type == "FUT":
        day = date(int(contract.expiry[:4]), int(contract.expiry[4:6]), 1)
        return f"{contract.symbol} {day:%b%Y}"
    return contract.symbol if contract.sec_type == "STK" else local_symbol(contract)


def price_text(contract: Contract, price: Decimal | float) -> str:
    """`600.00`; with as many decimals as the contract is quoted with."""
    return f"{price:.{contract.digits}f}"


def increment_rules(contract: Contract) -> list[dict[str, float]]:
    """`incrementRules`, as several answers carry them."""
    return [{"lowerEdge": edge, "increment": float(step)} for edge, step in contract.increments]


def secdef_row(contract: Contract) -> dict[str, object]:
    """One row of `/trsrv/secdef`; enriched positions carry the same keys."""
    derived = contract.is_derivative
    return {
        "incrementRules": increment_rules(contract),
        "displayRule": {
            "magnification": 0,
            "displayRuleStep": [{"decimalDigits": 2, "lowerEdge": 0.0, "wholeDigits": 4}],
        },
        "conid": contract.conid,
        "currency": contract.currency,
        "chineseName": contract.name,
        "allExchanges": contract.valid_exchanges.removeprefix("SMART,"),
        "listingExchange": contract.main_exchange,
        "countryCode": "US" if contract.is_us else "",
        "name": contract.name,
        "assetClass": contract.sec_type,
        "expiry": contract.expiry or None,
        "lastTradingDay": contract.expiry or None,
        "group": None,
        "putOrCall": contract.right or None,
        "sector": None,
        "sectorGroup": None,
        "strike": strike_text(contract.strike),
        "ticker": contract.symbol,
        "undConid": contract.underlying,
        "multiplier": float(contract.multiplier or 0),
        "type": "" if derived else contract.type,
        "hasOptions": contract.has_options,
        "fullName": local_symbol(contract),
        "isUS": contract.is_us,
        "isEventContract": contract.is_event,
    }
