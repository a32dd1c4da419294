"""Orders at Interactive Brokers: a request becomes one call, an answer becomes reports. No order state is kept.

The answer to placing comes in several shapes (reference, section 6.3): rows of accepted orders, questions that must be
answered before anything else is sent, rows that failed, an advanced reject, an error text. All of them end here in
one report per request, or in an error that says whether anything may have been accepted.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from exchanges.ibkr.client import Client
from exchanges.ibkr.confirmations import Policy, Ticket
from exchanges.ibkr.conversation import Conversation
from exchanges.ibkr.mapping import orders as mapping
from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.lookup import by_reference, find_row
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.mapping.replies import matched
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.wire.orders import CancelAnswer, LiveOrders, OrderRow, PlaceRow
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, InvalidOrder, OutcomeUnknown, Refused, VenueError, VenueUnavailable
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    MarketId,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    VenueOrderId,
)
from horizon.net.rates import Priority
from horizon.ports import Confirm

COLD_CALLS: Final = 6
COLD_PAUSE: Final = 1.0
"""Seconds before the order list is read again that was not ready."""
MOST_ROWS: Final = 1_000
"""The order list ends there, so a longer one proves nothing about what it lacks."""
SETTLED_SECONDS: Final = 60.0
"""So long after its last fill, an order that the list does not show is over: the list is seconds old at most."""
MOST_CHILDREN: Final = 10_000


class Surroundings(Protocol):
    """What orders need to know from their neighbours."""

    def ticket(self, requests: Sequence[OrderRequest]) -> Ticket:
        """The facts on which prompts about these requests are judged."""
        ...

    async def fills_of(self, account_id: AccountId, client_order_id: ClientOrderId) -> Sequence[Fill]:
        """Executions of one order within a week."""
        ...

    async def contract(self, market_id: MarketId) -> ContractFacts: ...


class Orders:
    """Sends, changes, cancels and finds orders of one login."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        selection: AccountSelection,
        surroundings: Surroundings,
        *,
        exchange: str,
        policy: Policy,
    ) -> None:
        self._client = client
        self._clock = clock
        self._selection = selection
        self._surroundings = surroundings
        self._exchange = exchange
        self._conversation = Conversation(client, clock, exchange=exchange, policy=policy, ticket=surroundings.ticket)
        # The venue has no id of ours for the children of a bracket: they are told apart by what was asked for.
        self._children: dict[ClientOrderId, OrderRequest] = {}

    # -- sending -------------------------------------------------------------------------------------------------

    async def place(self, group: Sequence[OrderRequest], confirm: Confirm) -> list[OrderReport]:
        """Send one order, or a bracket or group, as one call. One report per request, in the same order.

        Raises Refused or ConfirmationRefused when nothing was accepted, OutcomeUnknown when something may have been.
        """
        account_id = _one_account(group)
        self._selection.check(account_id)
        ordered = sorted(group, key=lambda request: request.parent is not None)
        by_id = {request.client_order_id: request for request in ordered}
        bodies = [mapping.ticket(request, account_id, parent=_parent(request, by_id)) for request in ordered]
        self._remember(ordered)
        path = f"/iserver/account/{account_id}/orders"
        rows = await self._conversation.hold(path, {"orders": bodies}, ordered, account_id, confirm)
        reports = self._reports(rows, ordered, account_id)
        return [reports[request.client_order_id] for request in group]

    async def replace(self, order: Order, request: OrderRequest, confirm: Confirm) -> OrderReport:
        """Change a working order into `request`; its size is the total, fills included. A refusal changes nothing."""
        account_id = _one_account([request])
        order_id = await self._venue_order_id(order)
        path = f"/iserver/account/{account_id}/order/{order_id}"
        rows = await self._conversation.hold(
            path, mapping.change_ticket(request, account_id), [request], account_id, confirm
        )
        if not rows:
            raise OutcomeUnknown(
                f"the venue's answer to changing order {order_id} is empty: look the order up",
                client_order_id=request.client_order_id,
            )
        if mapping.is_failed(rows[0]):
            raise Refused(
                f"the venue refused to change order {order_id}: {mapping.failure_text(rows[0])}",
                code=rows[0].order_status or "",
                text=mapping.failure_text(rows[0]),
            )
        self._remember([request])
        return mapping.placed(rows[0], request, account_id, exchange=self._exchange, now=self._clock.now())

    async def withdraw(self, order: Order) -> OrderReport:
        """Ask for a cancel. The acknowledgement is not the end: the report is CANCEL_PENDING, and a fill can come.

        Raises Refused for an order that the venue does not know or that is over.
        """
        account_id = _one_account([order.request])
        order_id = await self._venue_order_id(order)
        answer = await self._client.delete(
            f"/iserver/account/{account_id}/order/{order_id}",
            CancelAnswer,
            client_order_id=order.client_order_id,
        )
        if answer.error:
            raise Refused(f"the venue refused to cancel order {order_id}: {answer.error}", text=answer.error)
        return OrderReport(
            exchange=self._exchange,
            account_id=account_id,
            time=self._clock.now(),
            status=OrderStatus.CANCEL_PENDING,
            client_order_id=order.client_order_id,
            venue_order_id=order_id,
        )

    # -- looking -------------------------------------------------------------------------------------------------

    async def find_order(
        self, account_id: AccountId, client_order_id: ClientOrderId, request: OrderRequest | None = None
    ) -> OrderReport | None:
        """The order that was sent under this id; None only when it is surely absent.

        Looks in today's order list, then in a week of trades. A child of a bracket has no id at the venue: it is
        found through its parent and its price, for which its `request` must be known (given here, or placed by this
        object). Raises VenueUnavailable when absence is not proven.
        """
        asked = request or self._children.get(client_order_id)
        rows = await self._rows(account_id, Priority.RECOVERY)
        row = find_row(rows, client_order_id, asked)
        if row is not None:
            return mapping.report(row, exchange=self._exchange, now=self._clock.now(), client_order_id=client_order_id)
        if asked is not None and asked.parent is not None:
            parent = by_reference(rows, asked.parent)
            if parent is None and await self._traded(account_id, asked.parent):
                raise VenueUnavailable(
                    f"order {asked.parent} has traded but is not in the order list, so its exit {client_order_id} "
                    "cannot be looked up: ask again"
                )
        else:
            fills = await self._traded(account_id, client_order_id)
            if fills:
                return self._from_fills(fills, account_id, client_order_id, asked)
        if len(rows) >= MOST_ROWS:
            raise VenueUnavailable(
                f"order {client_order_id} is not among the first {MOST_ROWS} of the day: its absence is not proven"
            )
        return None

    async def open_orders(self, account_id: AccountId) -> list[OrderReport]:
        """Every order of this account that can still fill, wherever it was placed, with what was asked for."""
        return [report for report in await self.todays_orders(account_id) if report.status.is_open]

    async def todays_orders(self, account_id: AccountId, priority: Priority = Priority.POLLING) -> list[OrderReport]:
        """Every order of the day of this account, done ones included."""
        rows = await self._rows(account_id, priority)
        refs = {str(row.orderId): row.order_ref for row in rows if row.order_ref}
        return [await self._report_of(row, rows, refs) for row in rows]

    # -- inside --------------------------------------------------------------------------------------------------

    def _remember(self, requests: Sequence[OrderRequest]) -> None:
        for request in requests:
            if request.parent is not None:
                self._children[request.client_order_id] = request
        while len(self._children) > MOST_CHILDREN:
            del self._children[next(iter(self._children))]

    def _reports(
        self, rows: Sequence[PlaceRow], requests: Sequence[OrderRequest], account_id: AccountId
    ) -> dict[ClientOrderId, OrderReport]:
        """One report per request. A request whose order no row mentions is UNKNOWN: brackets come with fewer rows."""
        now = self._clock.now()
        # One failed row for a whole bracket is its entry's, without which its exits cannot exist.
        complete = len(rows) == len(requests) or all(request.parent for request in requests[1:])
        if rows and complete and all(mapping.is_failed(row) for row in rows):
            text = " ".join(dict.fromkeys(mapping.failure_text(row) for row in rows))
            raise Refused(f"the venue refused the order: {text}", code=rows[0].order_status or "Failed", text=text)
        reports: dict[ClientOrderId, OrderReport] = {}
        for request, row in matched(rows, requests):
            reports[request.client_order_id] = mapping.placed(
                row, request, account_id, exchange=self._exchange, now=now
            )
        for request in requests:
            if request.client_order_id not in reports:
                reports[request.client_order_id] = OrderReport(
                    exchange=self._exchange,
                    account_id=account_id,
                    time=now,
                    status=OrderStatus.UNKNOWN,
                    client_order_id=request.client_order_id,
                    reason="the venue's answer does not mention this order",
                )
        return reports

    async def _rows(self, account_id: AccountId, priority: Priority) -> list[OrderRow]:
        """Today's rows of one account. A session's first answer is empty and means nothing, so it is repeated."""
        seen = False
        for call in range(COLD_CALLS):
            if call:
                await self._clock.sleep(COLD_PAUSE)
            async with self._selection.of(account_id, priority):
                # Never with filters: a filter sticks to the session and hides later changes.
                answer = await self._client.get(
                    mapping.ORDERS_PATH, LiveOrders, params={"accountId": account_id}, priority=priority
                )
            if answer.snapshot or (answer.orders and seen):
                return [row for row in answer.orders if mapping.account_of(row) in ("", account_id)]
            seen = bool(answer.orders)
        raise VenueUnavailable(f"the venue's order list was not ready in {COLD_CALLS} reads: ask again")

    async def _report_of(self, row: OrderRow, rows: Sequence[OrderRow], refs: dict[str, str]) -> OrderReport:
        name = self._name_of(row, rows, refs)
        request = None
        conid = conid_text(row.conid)
        if conid is not None:
            try:
                contract = await self._surroundings.contract(MarketId(conid))
                request = mapping.request_of(row, contract, exchange=self._exchange, refs=refs)
            except (ConfigurationError, VenueError, VenueUnavailable):
                # The contract is gone or not readable: the order is reported all the same, without its request.
                request = None
        return mapping.report(
            row, exchange=self._exchange, now=self._clock.now(), client_order_id=name, request=request
        )

    def _name_of(self, row: OrderRow, rows: Sequence[OrderRow], refs: dict[str, str]) -> str | None:
        """Our id of a row. A child that this object placed is told by its parent; it never has its parent's id."""
        parent = refs.get(conid_text(row.parentId) or "")
        if parent is None:
            return row.order_ref
        for name, request in self._children.items():
            if request.parent == parent and _is(row, rows, name, request):
                return name
        return row.order_ref if row.order_ref != parent else None

    async def _traded(self, account_id: AccountId, client_order_id: ClientOrderId) -> list[Fill]:
        fills = await self._surroundings.fills_of(account_id, client_order_id)
        return [fill for fill in fills if fill.kind is FillKind.TRADE]

    def _from_fills(
        self,
        fills: Sequence[Fill],
        account_id: AccountId,
        client_order_id: ClientOrderId,
        request: OrderRequest | None,
    ) -> OrderReport:
        """What trades alone prove: the size that filled. The status only when nothing can have been missed."""
        filled = sum((fill.size for fill in fills), ZERO)
        now = self._clock.now()
        status, reason = OrderStatus.PENDING, "found among the trades, not in the order list"
        if request is not None and filled >= request.size:
            status = OrderStatus.FILLED
        elif now - fills[-1].trade_time > SETTLED_SECONDS * NANOSECONDS:
            status, reason = OrderStatus.CANCELED, f"no longer in the order list; {filled} had filled"
        spent = sum((fill.size * fill.price for fill in fills), ZERO)
        return OrderReport(
            exchange=self._exchange,
            account_id=account_id,
            time=now,
            status=status,
            client_order_id=client_order_id,
            venue_order_id=fills[-1].venue_order_id,
            filled=filled,
            average_price=spent / filled if filled else None,
            reason=reason,
        )

    async def _venue_order_id(self, order: Order) -> VenueOrderId:
        """The venue's id of an order, looked up when its acknowledgement never arrived."""
        if order.venue_order_id is not None:
            return order.venue_order_id
        report = await self.find_order(order.request.account_id, order.client_order_id, order.request)
        if report is None or report.venue_order_id is None:
            raise Refused(
                f"order {order.client_order_id} is not known to the venue: nothing to change or cancel", code="absent"
            )
        return report.venue_order_id


def _is(row: OrderRow, rows: Sequence[OrderRow], name: ClientOrderId, request: OrderRequest) -> bool:
    try:
        return find_row(rows, name, request) is row
    except VenueUnavailable:
        # Two exits look the same: the rows are reported under the venue's ids alone.
        return False


def _one_account(group: Sequence[OrderRequest]) -> AccountId:
    if not group:
        raise InvalidOrder("expected at least one order to place, found none", rule="group")
    accounts = {request.account_id for request in group}
    if len(accounts) != 1 or not group[0].account_id:
        raise InvalidOrder(
            f"expected orders of one named account in a group, found {', '.join(sorted(map(repr, accounts)))}",
            rule="account_id",
        )
    missing = [request for request in group if not request.client_order_id]
    if missing:
        raise InvalidOrder("expected a client_order_id on every order, found none on one", rule="client_order_id")
    return group[0].account_id


def _parent(request: OrderRequest, by_id: dict[ClientOrderId, OrderRequest]) -> str | None:
    if request.parent is None:
        return None
    parent = by_id.get(request.parent)
    if parent is None or parent.parent is not None:
        raise InvalidOrder(
            f"order {request.client_order_id} names the parent {request.parent}, which is not an entry of the same "
            "group: a bracket goes out as one call",
            rule="parent",
        )
    return request.parent
