"""Finding orders: by our own id, or all of an account. A cold or partial answer is never taken for "nothing"."""

from collections.abc import Sequence
from typing import Final

import msgspec

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping import orders as mapping
from exchanges.ibkr.mapping.echoes import as_it_stands, request_of
from exchanges.ibkr.mapping.lookup import by_reference, find_row
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.orders.days import is_of_the_venues_day
from exchanges.ibkr.orders.gtc import GtcNotices
from exchanges.ibkr.orders.surroundings import SentOrders, Surroundings
from exchanges.ibkr.resets import Region
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.shared_reads import SharedReads
from exchanges.ibkr.wire.orders import LiveOrders, OrderRow, OrderStatusAnswer
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, Refused, VenueError, VenueUnavailable
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
    VenueOrderId,
)
from horizon.net.rates import Priority

COLD_CALLS: Final = 6
COLD_PAUSE: Final = 1.0
"""Seconds before the order list is read again that was not ready."""
MOST_ROWS: Final = 1_000
"""The order list ends there, so a longer one proves nothing about what it lacks."""
SETTLED_SECONDS: Final = 60.0
"""So long after its last fill, an order that the list does not show is over: the list is seconds old at most."""


APART: Final = 5.0
"""Seconds between two lists that prove an absence: the venue's own list may be that old."""


class _Listing(msgspec.Struct, frozen=True):
    """The order list as it was read at a moment of the clock (seconds)."""

    rows: list[OrderRow]
    length: int
    complete: bool
    read_at: float


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
        region: Region,
    ) -> None:
        self._client = client
        self._region: Region = region
        self._lists = SharedReads(self._read_list)
        self._clock = clock
        self._selection = selection
        self._surroundings = surroundings
        self._sent = sent
        self._gtc = gtc
        self._exchange = exchange

    async def find_order(
        self,
        account_id: AccountId,
        client_order_id: ClientOrderId,
        request: OrderRequest | None = None,
        *,
        venue_order_id: VenueOrderId | None = None,
        sent: int | None = None,
    ) -> OrderReport | None:
        """The order that was sent under this id; None only when it is surely absent.

        Looks in today's order list, in a week of trades, where the venue's own id is known at the order's status, and
        then in the order list again. A child of a bracket has no id at the venue: it is found through its parent and
        its price, for which its `request` must be known (given here, or placed by this object). The report's request
        is that request with the size and prices that the venue shows, so that it equals a change that was taken.

        Absence is believed after two complete lists at least five seconds apart, and only of an order that was sent
        on the venue's day; what the venue has had is believed to be over then on any day. Raises VenueUnavailable
        when it is not proven.
        """
        asked = request or self._sent.get(client_order_id)
        first = await self._lists.fresh(account_id)
        found = (
            self._listed(first.rows, client_order_id, asked, venue_order_id)
            or await self._traded_or_known(first.rows, account_id, client_order_id, asked, venue_order_id)
            or await self._status_of(account_id, client_order_id, venue_order_id)
        )
        if found is not None:
            return found
        await self._clock.sleep(max(first.read_at + APART - self._clock.monotonic(), 0.0))
        second = await self._lists.fresh(account_id)
        found = self._listed(second.rows, client_order_id, asked, venue_order_id)
        if found is not None:
            return found
        name = f"order {client_order_id}"
        if MOST_ROWS in (first.length, second.length):
            raise VenueUnavailable(f"{name} is not among the first {MOST_ROWS} of the day: its absence is not proven")
        if not (first.complete and second.complete):
            raise VenueUnavailable(f"{name} is not in a list that is not complete: its absence is not proven")
        now = self._clock.now()
        if venue_order_id is None and sent is not None and not is_of_the_venues_day(sent, now, self._region):
            raise VenueUnavailable(
                f"{name} is not in the list of today, and was sent on another day of the venue or before a reset: its "
                "absence is not proven, look at the venue's own screen"
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

    def _listed(
        self,
        rows: Sequence[OrderRow],
        client_order_id: ClientOrderId,
        asked: OrderRequest | None,
        venue_order_id: VenueOrderId | None,
    ) -> OrderReport | None:
        row = next((each for each in rows if mapping.order_id_of(each) == venue_order_id), None)
        row = row or find_row(rows, client_order_id, asked)
        if row is None:
            return None
        return mapping.report(
            row,
            exchange=self._exchange,
            now=self._clock.now(),
            client_order_id=client_order_id,
            request=None if asked is None else as_it_stands(row, asked),
        )

    async def _traded_or_known(
        self,
        rows: Sequence[OrderRow],
        account_id: AccountId,
        client_order_id: ClientOrderId,
        asked: OrderRequest | None,
        venue_order_id: VenueOrderId | None,
    ) -> OrderReport | None:
        """What trades tell of an order that is not in the list. Raises VenueUnavailable when they contradict it."""
        if asked is not None and asked.parent is not None and venue_order_id is None:
            parent = by_reference(rows, asked.parent)
            if parent is None and await self._traded(account_id, asked.parent):
                raise VenueUnavailable(
                    f"order {asked.parent} has traded but is not in the order list, so its exit {client_order_id} "
                    "cannot be looked up: ask again"
                )
            return None
        fills = await self._traded(account_id, client_order_id, venue_order_id)
        return self._from_fills(fills, account_id, client_order_id, asked) if fills else None

    async def _status_of(
        self, account_id: AccountId, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None
    ) -> OrderReport | None:
        """What the venue says about an order whose id it has given; None when it says that it does not know."""
        if venue_order_id is None:
            return None
        try:
            async with self._selection.of(account_id, Priority.RECOVERY):
                answer = await self._client.get(
                    f"{mapping.STATUS_PATH}/{venue_order_id}", OrderStatusAnswer, priority=Priority.RECOVERY
                )
        except (VenueUnavailable, Refused):
            # 503 is how the venue answers about an order that it does not know, or no longer
            return None
        return mapping.status_report(
            answer, account_id, client_order_id, exchange=self._exchange, now=self._clock.now()
        )

    async def _read_list(self, account_id: AccountId) -> "_Listing":
        return await self._listing(account_id, Priority.RECOVERY)

    async def _rows(self, account_id: AccountId, priority: Priority) -> list[OrderRow]:
        return (await self._listing(account_id, priority)).rows

    async def _listing(self, account_id: AccountId, priority: Priority) -> "_Listing":
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
                rows = [row for row in answer.orders if mapping.account_of(row) in ("", account_id)]
                length = min(len(answer.orders), MOST_ROWS)
                complete = bool(answer.snapshot) and length < MOST_ROWS
                return _Listing(rows, length, complete, self._clock.monotonic())
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

    async def _traded(
        self, account_id: AccountId, client_order_id: ClientOrderId, venue_order_id: VenueOrderId | None = None
    ) -> list[Fill]:
        fills = await self._surroundings.fills_of(account_id, client_order_id, venue_order_id)
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
