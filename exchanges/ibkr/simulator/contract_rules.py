"""What a contract can be ordered with, as the gateway tells it."""

from decimal import Decimal

from exchanges.ibkr.simulator.algos import algo_ids
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.descriptions import increment_rules
from exchanges.ibkr.simulator.order_kinds import KINDS, OUTSIDE, goes_with, order_types, times_in_force
from exchanges.ibkr.simulator.state import State


def rules_of(state: State, contract: Contract) -> dict[str, object]:
    """The body of `/iserver/contract/rules`."""
    touch = state.touch(contract.conid)
    price = touch.mark if touch else None
    allowed, increment = order_types(contract), contract.increment(Decimal(str(price or 0)))
    types = [KINDS[name].rule for name in allowed]
    by_cash = contract.sec_type in ("CASH", "CRYPTO")
    found: dict[str, object] = {
        "algoEligible": bool(algo_ids(contract)),
        "overnightEligible": "OVT" in times_in_force(contract),
        "allOrNoneEligible": contract.sec_type == "STK",
        "costReport": False,
        "canTradeAcctIds": list(state.accounts) if contract.is_us and contract.sec_type != "IND" else [],
        "error": None,
        "orderTypes": types,
        "orderTypesOutside": [KINDS[name].rule for name in allowed if name in OUTSIDE],
        "ibAlgoTypes": ["limit", "market"] if algo_ids(contract) else [],
        "fraqTypes": types if contract.lot < 1 else [],
        "cqtTypes": types if by_cash or contract.sec_type == "STK" else [],
        "modTypes": types,
        "tifTypes": [_time_rule(contract, allowed, name) for name in times_in_force(contract)],
        "defaultSize": 100 if contract.sec_type == "STK" else 1,
        "sizeIncrement": 100 if contract.sec_type == "STK" else 1,
        "cashSize": 0.0,
        "cashCcy": "USD",
        "increment": float(increment),
        "incrementDigits": contract.digits,
        "incrementType": 0,
        "incrementRules": increment_rules(contract),
        "tifDefaults": {"TIF": "DAY", "SIZE": "100.00"},
        "forceOrderPreview": False,
        "preview": True,
        "hasSecondary": not contract.is_event,
        "negativeCapable": False,
        "displaySize": None,
        "fraqInt": 0,
    }
    if price is not None:
        found |= dict.fromkeys(("limitPrice", "stopprice"), round(price, contract.digits))
    return found


def _time_rule(contract: Contract, allowed: tuple[str, ...], time_in_force: str) -> str:
    """`IOC/MARKET,LIMIT,a`: the order types where not all go with it, `o` outside of regular hours, `a` for algos."""
    good = [name for name in allowed if goes_with(name, time_in_force)]
    # An order at the close is a day order by its type; rules do not name it among the times.
    usual = [name for name in allowed if name not in ("MOC", "LOC")]
    parts = [KINDS[name].rule.upper() for name in good] if time_in_force == "IOC" or len(good) < len(usual) else ["o"]
    return f"{time_in_force}/{','.join([*parts, *(['a'] if algo_ids(contract) else [])])}"
