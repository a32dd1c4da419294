"""The venue's own record of an account, by which a soak counts duplicates and losses."""

from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.executions import Execution
from exchanges.ibkr.simulator.placed_orders import Origin
from exchanges.ibkr.simulator.state import State
from horizon.model import OrderStatus


class OrderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One order that was accepted, however it ended and whether a list still shows it."""

    order_id: int
    coid: str | None
    parent_id: int | None
    conid: int
    side: str
    order_type: str
    size: Decimal
    price: Decimal | None
    origin: Origin
    placed: int
    status: OrderStatus
    filled: Decimal
    executions: tuple[Execution, ...]
    """Each once, as it was last corrected; netting reports are left out."""

    @property
    def executed(self) -> Decimal:
        return sum((execution.size for execution in self.executions), Decimal(0))


class AccountRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the venue has ever taken from an account, and what came of it."""

    account: str
    cash: Decimal
    positions: Mapping[int, Decimal]
    orders: tuple[OrderRecord, ...]
    """Oldest first."""
    received: Mapping[str, int]
    """How many requests have brought each cOID, refused and voided ones included."""

    def of(self, coid: str) -> list[OrderRecord]:
        """The orders that were accepted under a cOID: one, or none; more would be the venue's fault."""
        return [order for order in self.orders if order.coid == coid and order.origin == "api"]

    @property
    def never_placed(self) -> list[str]:
        """cOIDs that were received and came to nothing: refused, declined, voided or expired."""
        placed = {order.coid for order in self.orders}
        return [coid for coid in self.received if coid not in placed]

    @property
    def repeated(self) -> dict[str, int]:
        """cOIDs that came more than once."""
        return {coid: times for coid, times in self.received.items() if times > 1}


def record_of(state: State, account: str) -> AccountRecord:
    """The record as it is now."""
    ledger, desk = state.accounts[state.known_account(account)].ledger, state.desk
    by_order: dict[int, list[Execution]] = defaultdict(list)
    for execution in desk.books.executions.true():
        if execution.account == account and execution.side != "N":
            by_order[execution.order_id].append(execution)
    orders = []
    for order in list(desk.orders(account))[::-1]:
        progress = desk.progress(order)
        orders.append(
            OrderRecord(
                order_id=order.order_id,
                coid=order.ticket.coid,
                parent_id=order.parent_id,
                conid=order.ticket.conid,
                side=order.ticket.side,
                order_type=order.ticket.order_type,
                size=progress.request.size,
                price=order.ticket.price,
                origin=order.origin,
                placed=order.placed,
                status=progress.status,
                filled=progress.filled,
                executions=tuple(by_order[order.order_id]),
            )
        )
    return AccountRecord(
        account=account,
        cash=ledger.cash,
        positions={conid: held.position for conid, held in ledger.holdings.items() if held.position},
        orders=tuple(orders),
        received=desk.registry.times_received(account),
    )
