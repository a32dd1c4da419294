"""Whatever a program sends as an order, the gateway answers in its own way: it takes it, asks, or refuses."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchanges.ibkr.simulator import Habits, Simulator
from exchanges.ibkr.simulator.calls import Call, Refusal
from exchanges.ibkr.simulator.order_kinds import KINDS, TIMES_IN_FORCE
from exchanges.ibkr.simulator.order_reads import listed_rows
from exchanges.ibkr.simulator.order_routes import modify, place, what_if
from horizon.simulation.scripted_clock import ScriptedClock

ONE = "DU1234567"
SPY, ES, EURUSD, BTC, EVENT = 756733, 515416632, 12087792, 479624278, 860100053

numbers = st.one_of(
    st.sampled_from([0, -1, 1, 2, 0.5, 599.99, 600, 600.25, 1.07, 0.55, 1e-9, 1e18, "600", "", "many", None, True]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(10**20), 10**20),
)
junk = st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.integers(-5, 5), st.lists(st.integers(), max_size=1))
known = {
    "conid": st.sampled_from([SPY, ES, EURUSD, BTC, EVENT, 1, str(SPY)]),
    "conidex": st.sampled_from([f"{SPY}@NASDAQ", f"{SPY}@MOON", "x", f"{ES}"]),
    "orderType": st.sampled_from([*KINDS, "STP_LMT", "mkt"]),
    "side": st.sampled_from(["BUY", "SELL", "Sell", "HOLD"]),
    "tif": st.sampled_from([*TIMES_IN_FORCE, "PAX", "GTD"]),
    "trailingType": st.sampled_from(["amt", "%", "pct"]),
    "strategy": st.sampled_from(["Vwap", "Adaptive", "Magic"]),
    "strategyParameters": st.dictionaries(st.sampled_from(["maxPctVol", "adaptivePriority", "x"]), numbers),
    "isSingleGroup": st.booleans(),
    "isCcyConv": st.booleans(),
    "outsideRTH": st.booleans(),
    "allOrNone": st.booleans(),
    "manualIndicator": st.booleans(),
    "extOperator": st.just("robot"),
    "cOID": st.sampled_from(["a", "b", "x" * 70]),
    "parentId": st.sampled_from(["a", "nobody", "1370093239"]),
    "acctId": st.sampled_from([ONE, "All"]),
} | dict.fromkeys(("price", "auxPrice", "trailingAmt", "quantity", "cashQty", "fxQty"), numbers)
usual = {"conid", "orderType", "side", "tif", "quantity", "price"}
tickets = st.fixed_dictionaries(
    {key: known[key] for key in usual}, optional={key: known[key] for key in known if key not in usual}
)
anything = st.one_of(tickets, st.dictionaries(st.sampled_from(sorted(known)), junk), junk)


def call(path: dict[str, str], body: object) -> Call:
    return Call(method="POST", path=path, query={}, body=msgspec.json.encode(body))


def answered(handle: Any, state: Any, asked: Call) -> Any:
    """The answer, or the body of the refusal; anything else would be a crash."""
    try:
        return handle(state, asked)
    except Refusal as refusal:
        return refusal.body


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(anything, min_size=1, max_size=3), st.booleans())
def test_any_ticket_is_taken_asked_about_or_refused(orders: list[Any], late: bool) -> None:
    habits = Habits(acknowledges_after=1.0 if late else 0.0)
    state = Simulator(clock=ScriptedClock(1_700_000_000_000_000_000), prompts=False, habits=habits).state
    answered(what_if, state, call({"account": ONE}, {"orders": orders}))
    answer = answered(place, state, call({"account": ONE}, {"orders": orders}))
    assert isinstance(answer, list | dict | str)
    for order in list(state.desk.orders(ONE)):
        for ticket in orders:
            answered(modify, state, call({"account": ONE, "order": str(order.order_id)}, ticket))
    state.advance()
    assert len(listed_rows(state, ONE)) == len(list(state.desk.orders(ONE)))
    assert msgspec.json.encode(listed_rows(state, ONE))
