"""Finding orders: by our own id, or all of an account. A cold or partial answer is never taken for "nothing"."""

from collections.abc import Sequence
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping import orders as mapping
from exchanges.ibkr.mapping.echoes import as_it_stands, request_of
from exchanges.ibkr.mapping.lookup import by_reference, find_row
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.orders.gtc import GtcNotices
from exchanges.ibkr.orders.surroundings import SentOrders, Surroundings
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.wire.orders import LiveOrders, OrderRow
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, VenueError, VenueUnavailable
from horizon.model import (
    ZERO,
    AccountId,
    ClientOrderId,
    Fill,
    FillKind,
    MarketId,
    OrderReport,
    OrderRequest,
    OrderStatus,
)
from horizon.net.rates import Priority

COLD_CALLS: Final = 6
COLD_PAUSE: Final = 1.0
"""Seconds before the order list is read again that was not ready."""
MOST_ROWS: Final = 1_000
"""The order list ends there, so a longer one proves nothing about what it lacks."""
SETTLED_SECONDS: Final = 60.0
"""So long after its last fill, an order that the list does not show is over: the list is seconds old at most."""


class OrderFinder:
    """Looks orders up in the venue's list of the day and in its trades."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        selection: AccountSelection,
        surroundings: Surroundings,
        sent: SentOrders,
        gtc: GtcNotices,
        *,
        exchange: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._selection = selection
        self._surroundings = surroundings
        self._sent = sent
        self._gtc = gtc
        self._exchange = exchange

    async def find_order(
        self, account_id: AccountId, client_order_id: ClientOrderId, request: OrderRequest | None = None
    ) -> OrderReport | None:
        """The order that was sent under this id; None only when it is surely absent.

        Looks in today's order list, then in a week of trades. A child of a bracket has no id at the venue: it is
        found through its parent and its price, for which its `request` must be known (given here, or placed by this
        object). The report's request is that request with the size and prices that the venue shows, so that it equals
        a change that was taken. Raises VenueUnavailable when absence is not proven.
        """
        asked = request or self._sent.get(client_order_id)
        rows = await self._rows(account_id, Priority.RECOVERY)
        row = find_row(rows, client_order_id, asked)
        if row is not None:
            return mapping.report(
                row,
                exchange=self._exchange,
                now=self._clock.now(),
                client_order_id=client_order_id,
                request=None if asked is None else as_it_stands(row, asked),
            )
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
        reports = [await self._report_of(row, rows, refs) for row in rows]
        self._gtc.seen(row for row, report in zip(rows, reports, strict=True) if report.status.is_open)
        return reports

    # -- inside --------------------------------------------------------------------------------------------------

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
        asked = self._sent.get(ClientOrderId(name or ""))
        request = None if asked is None else as_it_stands(row, asked)
        conid = conid_text(row.conid)
        if asked is None and conid is not None:
            try:
                contract = await self._surroundings.contract(MarketId(conid))
                request = request_of(row, contract, exchange=self._exchange, refs=refs)
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
        for request in self._sent.children(parent):
            if _is(row, rows, request.client_order_id, request):
                return request.client_order_id
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
        if request is not None and not request.size_is_estimated and filled >= request.size:
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


def _is(row: OrderRow, rows: Sequence[OrderRow], name: ClientOrderId, request: OrderRequest) -> bool:
    try:
        return find_row(rows, name, request) is row
    except VenueUnavailable:
        # Two exits look the same: the rows are reported under the venue's ids alone.
        return False
