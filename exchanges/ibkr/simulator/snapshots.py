"""A snapshot row: market data fields by number, nearly all of them text."""

from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.descriptions import local_symbol, price_text
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.tape import Touch
from horizon.clock import NANOSECONDS

_SLOW_FIELDS = frozenset({"7282", "7293", "7294", "7289", "7290", "7291"})
"""Reference data that comes a second later than prices."""
_SLOW_TAKES = 14 * NANOSECONDS // 10
_EXCHANGE_LETTER = "Q"
_CLOSED_CODE, _OPEN_CODE, _NO_DATA_CODE = "ZpB", "RpB", "N"
_PERIOD = 100_000


def _price(contract: Contract, value: float | None) -> str | None:
    return None if value is None else price_text(contract, value)


def _size(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"


def volume_text(value: float | None) -> str | None:
    """Below ten thousand in full with commas; above that `10.1K` and `50.6M`."""
    if value is None or value < 10_000:
        return _size(value)
    unit, letter = (1_000_000, "M") if value >= 999_500 else (1_000, "K")
    return f"{value / unit:.1f}{letter}" if value < 100 * unit else f"{value / unit:,.0f}{letter}"


def _last(state: State, contract: Contract, touch: Touch) -> str | None:
    """The last price; before the day's opening the prior close stands in for it, marked by a C."""
    now = state.now()
    if touch.last is None:
        return None
    ahead = [session for session in state.tape.sessions if session.opens > now]
    in_session = state.tape.session_at(now) is not None
    if not in_session and ahead and state.day(ahead[0].opens) == state.day(now):
        return f"C{price_text(contract, touch.last)}"
    return price_text(contract, touch.last)


def values(state: State, contract: Contract) -> dict[str, object]:
    """Every field that there is something to say about; what is None is not sent."""
    touch = state.touch(contract.conid)
    fields: dict[str, object] = {
        "55": contract.symbol,
        "6004": "",
        "6008": contract.conid,
        "6070": contract.sec_type,
        "6457": contract.underlying or None,
        "7051": contract.name,
        "7094": f"{contract.conid}@{'FORECASTX' if contract.is_event else 'SMART'}",
        "7184": "1" if contract.is_us and contract.sec_type != "IND" else "0",
        "7219": local_symbol(contract),
        "7220": local_symbol(contract),
        "7221": contract.main_exchange,
        "7768": "1" if contract.is_us and contract.sec_type != "IND" else "0",
        "201": contract.right or None,
        "6073": contract.expiry or None,
    }
    if touch is None:
        return fields | {"6509": _NO_DATA_CODE}
    fields |= {
        "6509": _OPEN_CODE if state.tape.is_open(contract, state.now(), outside=True) else _CLOSED_CODE,
        "84": _price(contract, touch.bid),
        "86": _price(contract, touch.ask),
        "88": _size(touch.bid_size),
        "85": _size(touch.ask_size),
        "7635": None
        if touch.mark is None
        else f"{touch.mark:.4g}"
        if contract.is_event
        else _price(contract, touch.mark),
    }
    return fields if contract.is_event else fields | _stock_fields(state, contract, touch)


def _stock_fields(state: State, contract: Contract, touch: Touch) -> dict[str, object]:
    change = None if touch.prior_close is None or touch.last is None else touch.last - touch.prior_close
    percent = change / touch.prior_close * 100 if change is not None and touch.prior_close else None
    return {
        "31": _last(state, contract, touch),
        "70": _price(contract, touch.high),
        "71": _price(contract, touch.low),
        "82": _price(contract, change),
        "83": None if percent is None else f"{percent:.2f}%",
        "87": volume_text(touch.volume),
        "7762": None if touch.volume is None else f"{touch.volume:.0f}",
        "7295": _price(contract, touch.open),
        "7296": _price(contract, touch.last),
        "7741": _price(contract, touch.prior_close),
        "7057": _EXCHANGE_LETTER,
        "7058": _EXCHANGE_LETTER,
        "7068": _EXCHANGE_LETTER,
        "7059": "100",
    }


def snapshot_row(state: State, contract: Contract, fields: list[str]) -> dict[str, object]:
    """The row of a contract whose data has arrived. The availability code comes along without being asked for."""
    known = values(state, contract)
    asked = state.session.brokerage.streams.get(contract.conid, 0)
    is_early = state.now() - asked < _SLOW_TAKES
    touch = state.touch(contract.conid)
    updated = touch.time if touch else state.now()
    row: dict[str, object] = {
        "conidEx": str(contract.conid),
        "conid": contract.conid,
        "_updated": updated // 1_000_000,
        "server_id": str(contract.conid % _PERIOD),
        "6119": "q0",
        "6509": known["6509"],
    }
    for field in fields:
        value = known.get(field)
        if value is not None and not (is_early and field in _SLOW_FIELDS):
            row[field] = value
    return row
