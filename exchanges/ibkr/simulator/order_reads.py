"""Reading orders and executions: lists that are cold at first, that a filter sticks to, and that can be old."""

from collections.abc import Iterator

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, whole
from exchanges.ibkr.simulator.order_rows import order_row, status_row, trade_row
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.state import State

_MOST_ROWS = 1000
_MOST_DAYS = 7


def _account_asked(state: State, call: Call) -> str:
    """The account a read is about: the one asked for, else the selected one."""
    return state.known_account(call.query.get("accountId") or state.selected)


def live_orders(state: State, call: Call) -> object:
    """Today's orders of one account. The first read of a session is empty and says so by `snapshot: false`."""
    account, session = _account_asked(state, call), state.session.brokerage
    if call.flag("force"):
        session.order_filters = frozenset()
        session.read.discard(f"orders {account}")
        state.views.forget_lists()
    if "filters" in call.query:
        # Sticks for the session, and silences the socket's orders.
        session.order_filters = frozenset(call.query["filters"].lower().replace("_", "").split(","))
    if session.is_cold(f"orders {account}"):
        return {"orders": [], "snapshot": False}
    wanted = session.order_filters - {"sortbytime"}
    rows = [row for row in listed_rows(state, account) if not wanted or str(row["status"]).lower() in wanted]
    return {"orders": rows, "snapshot": not state.habits.lists_with_snapshot_false}


def listed_rows(state: State, account: str) -> list[dict[str, object]]:
    """The list of an account, as new as it happens to be."""
    now = state.now()
    rows = state.views.list_in_stock(account, now)
    if rows is None:
        rows = _rows_now(state, account)
        state.views.keep_list(account, rows, now)
    return rows


def _rows_now(state: State, account: str) -> list[dict[str, object]]:
    """Open orders, and as many of the day's others as there is room for, newest first."""
    listed = {order.order_id: order for order in state.desk.open_orders(account) if _is_shown(state, order)}
    for order in _done_today(state, account):
        if len(listed) >= _MOST_ROWS:
            break
        listed[order.order_id] = order
    return [order_row(state, listed[order_id]) for order_id in sorted(listed, reverse=True)]


def _is_shown(state: State, order: PlacedOrder) -> bool:
    return order.is_listed and order.order_id not in state.views.missing


def _done_today(state: State, account: str) -> Iterator[PlacedOrder]:
    today = state.day(state.now())
    for order in state.desk.orders(account):
        progress = state.desk.progress(order)
        if not progress.is_open and state.day(progress.updated_time) == today and _is_shown(state, order):
            yield order


def order_status(state: State, call: Call) -> object:
    order_id = whole(call.path["order"])
    order = state.desk.find(order_id) if order_id is not None else None
    if order is None or not order.is_listed or order.account != state.selected:
        raise Refusal(503, {"error": "Service Unavailable", "statusCode": 503})
    return status_row(state, order)


def trades(state: State, call: Call) -> object:
    """Executions of the last days, newest first. The first read of a session is empty."""
    account = _account_asked(state, call)
    if state.session.brokerage.is_cold(f"trades {account}"):
        return []
    days = state.trading_days(min(max(call.number("days") or 1, 1), _MOST_DAYS))
    executions, keeps_corrected = state.desk.books.executions, state.habits.keeps_corrected_rows
    return [
        trade_row(state, execution)
        for execution in reversed(executions)
        if execution.account == account
        and state.day(execution.time) in days
        and (keeps_corrected or not executions.is_corrected(execution))
    ]


ROUTES = (
    Route("GET", "/iserver/account/orders", Needs.ACCOUNTS, live_orders),
    Route("GET", "/iserver/account/order/status/{order}", Needs.ACCOUNTS, order_status),
    Route("GET", "/iserver/account/trades", Needs.ACCOUNTS, trades),
)
