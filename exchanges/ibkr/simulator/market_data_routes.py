"""Snapshots, history, and the end of market data streams."""

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, bad_request, unknown_failure, whole
from exchanges.ibkr.simulator.history import history
from exchanges.ibkr.simulator.snapshots import snapshot_row
from exchanges.ibkr.simulator.state import State

_MOST_CONIDS, _MOST_FIELDS = 100, 50


def snapshot(state: State, call: Call) -> object:
    """One row per conid. The first request for a conid opens its data and brings nothing but the conid."""
    conids = [part for part in call.query.get("conids", "").split(",") if part]
    fields = [part for part in call.query.get("fields", "").split(",") if part]
    if not conids:
        raise bad_request("conids is required")
    if len(conids) > _MOST_CONIDS or len(fields) > _MOST_FIELDS:
        raise bad_request(f"at most {_MOST_CONIDS} conids and {_MOST_FIELDS} fields per request")
    return [row for text in conids if (row := _row(state, text, fields)) is not None]


def _row(state: State, text: str, fields: list[str]) -> dict[str, object] | None:
    conid = whole(text.split("@", maxsplit=1)[0])
    contract = state.catalogue.get(conid) if conid is not None else None
    if conid is None or contract is None:
        return None
    bare: dict[str, object] = {"conidEx": text, "conid": conid}
    brokerage = state.session.brokerage
    if contract.underlying and contract.underlying not in brokerage.searched:
        # Data of a derivative needs a search for its underlying first.
        return bare
    if conid not in brokerage.streams:
        state.open_stream(conid)
        return bare
    return snapshot_row(state, contract, fields) if state.has_data(conid) else bare


def unsubscribe(state: State, call: Call) -> object:
    conid = whole(call.object().get("conid"))
    if conid is None or state.session.brokerage.streams.pop(conid, None) is None:
        raise Refusal(500, {"error": "unknown"})
    return {"success": True}


def unsubscribe_all(state: State, _call: Call) -> object:
    state.session.brokerage.streams.clear()
    return {"unsubscribed": True}


def chart(state: State, call: Call) -> object:
    conid = call.number("conid")
    contract = state.catalogue.get(conid) if conid is not None else None
    if contract is None:
        raise unknown_failure()
    return history(state, contract, call)


ROUTES = (
    Route("GET", "/iserver/marketdata/snapshot", Needs.ACCOUNTS, snapshot),
    Route("GET", "/iserver/marketdata/history", Needs.ACCOUNTS, chart),
    Route("POST", "/iserver/marketdata/unsubscribe", Needs.BROKERAGE, unsubscribe),
    Route("GET", "/iserver/marketdata/unsubscribeall", Needs.BROKERAGE, unsubscribe_all),
)
