"""What a socket's subscription has to tell since it was last asked."""

from typing import Any, Protocol

from exchanges.ibkr.simulator.account_routes import pnl_rows
from exchanges.ibkr.simulator.calls import whole
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.executions import Execution
from exchanges.ibkr.simulator.order_rows import order_row, trade_row
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.snapshots import snapshot_row
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS

_STREAM_LASTS = 15 * 60 * NANOSECONDS
_ALWAYS = ("conid", "conidEx", "_updated", "server_id", "6119", "6509")


class Push(Protocol):
    """One subscription."""

    def frames(self) -> list[object]:
        """What is new since the last call."""
        ...


class MarketDataPush:
    """`smd`: the first frame is full, later ones hold what has changed. Ends after 15 minutes."""

    def __init__(self, state: State, contract: Contract, target: str, fields: list[str]) -> None:
        self._state = state
        self._contract = contract
        self._topic = f"smd+{target}"
        self._fields = fields
        self._sent: dict[str, object] = {}
        self._ends = state.now() + _STREAM_LASTS
        state.open_stream(contract.conid)

    @classmethod
    def of(cls, state: State, target: str, options: dict[str, Any]) -> "MarketDataPush | None":
        """None for a contract that there is not."""
        conid = whole(target.partition("@")[0])
        contract = state.catalogue.get(conid) if conid is not None else None
        fields = options.get("fields", [])
        if contract is None or not isinstance(fields, list):
            return None
        return cls(state, contract, target, [str(field) for field in fields])

    def frames(self) -> list[object]:
        if self._state.now() >= self._ends or not self._state.has_data(self._contract.conid):
            return []
        row = snapshot_row(self._state, self._contract, self._fields)
        changed = {key: row[key] for key in row if key not in _ALWAYS and row[key] != self._sent.get(key)}
        if not changed and self._sent:
            return []
        self._sent = row
        return [{"topic": self._topic} | {key: row[key] for key in _ALWAYS} | changed]


class OrderPush:
    """`sor`: changes from now on, of every account of the login. The first frame of an order is little more than its
    number; later ones hold what has changed. A filter of `/iserver/account/orders` silences it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._newest = 0
        self._followed: dict[int, dict[str, object]] = {}
        """The row last sent of each order that can still change."""
        for order in self._unseen():
            if state.desk.progress(order).is_open:
                self._followed[order.order_id] = order_row(state, order)

    def _unseen(self) -> list[PlacedOrder]:
        found = self._state.desk.orders_after(self._newest)
        self._newest = found[-1].order_id if found else self._newest
        return [order for order in found if order.is_listed]

    def frames(self) -> list[object]:
        if self._state.session.brokerage.order_filters:
            return []
        frames: list[object] = []
        for order in self._unseen():
            row = order_row(self._state, order)
            self._followed[order.order_id] = {}
            sparse = {key: row[key] for key in ("acct", "conid", "conidex", "orderId", "isEventTrading")}
            frames.append({"topic": "sor", "args": [sparse]})
        for order_id, sent in list(self._followed.items()):
            found = self._state.desk.find(order_id)
            if found is None or not found.is_listed or not self._state.desk.progress(found).is_open:
                del self._followed[order_id]
            if found is not None and found.is_listed:
                frames += self._changes(found, sent)
        return frames

    def _changes(self, order: PlacedOrder, sent: dict[str, object]) -> list[object]:
        row = order_row(self._state, order)
        changed = {key: row[key] for key in row if row[key] != sent.get(key)}
        if order.order_id in self._followed:
            self._followed[order.order_id] = row
        ids = {"acct": row["acct"], "conid": row["conid"], "orderId": order.order_id}
        return [{"topic": "sor", "args": [ids | changed]}] if changed else []


class TradePush:
    """`str`: executions, first without and then with their commission. Unless only new ones are wanted, those of the
    last days come first."""

    def __init__(self, state: State, options: dict[str, Any]) -> None:
        self._state = state
        executions = state.desk.books.executions
        self._newest = executions.newest
        self._incomplete: list[Execution] = []
        self._past: list[Execution] = []
        if options.get("realtimeUpdatesOnly") is not True:
            wanted = state.trading_days(whole(options.get("days")) or 1)
            self._past = [e for e in executions if state.day(e.time) in wanted]

    def frames(self) -> list[object]:
        executions = self._state.desk.books.executions
        fresh = self._past + executions.after(self._newest)
        self._past, self._newest = [], executions.newest
        rows = [trade_row(self._state, execution) for execution in fresh]
        completed = [row for e in self._incomplete if "commission" in (row := trade_row(self._state, e))]
        done = {row["execution_id"] for row in completed}
        waiting = [e for e, row in zip(fresh, rows, strict=True) if "commission" not in row]
        # A netting report never gets a commission.
        waiting = [e for e in waiting if e.commission is not None]
        self._incomplete = [e for e in self._incomplete if e.execution_id not in done] + waiting
        news = completed + rows
        return [{"topic": "str", "args": news}] if news else []


class PnlPush:
    """`spl`: profit and loss of every account, when it changes."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._sent: dict[str, object] = {}

    def frames(self) -> list[object]:
        rows = pnl_rows(self._state)
        if rows == self._sent:
            return []
        self._sent = rows
        return [{"topic": "spl", "args": rows}]
