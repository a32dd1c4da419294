"""Placing, changing and cancelling orders."""

from collections.abc import Sequence
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.conversation import Conversation
from exchanges.ibkr.mapping import orders as mapping
from exchanges.ibkr.mapping.replies import matched
from exchanges.ibkr.mapping.statuses import order_status
from exchanges.ibkr.mapping.tickets import cancel_parameters, change_ticket, ticket
from exchanges.ibkr.orders.finding import OrderFinder
from exchanges.ibkr.orders.surroundings import SentOrders
from exchanges.ibkr.profile import check_group
from exchanges.ibkr.selection import AccountSelection
from exchanges.ibkr.wire.orders import CancelAnswer, PlaceRow
from horizon.clock import Clock
from horizon.errors import InvalidOrder, OutcomeUnknown, Refused
from horizon.model import (
    AccountId,
    ClientOrderId,
    Order,
    OrderReport,
    OrderRequest,
    OrderStatus,
    VenueOrderId,
)
from horizon.ports import Confirm

_OVER: Final = ("inactive", "filled", "cancelled", "not editable", "cannot be modified")
_PAST: Final = {"change": "changed", "cancel": "cancelled"}


class Orders:
    """Sends, changes and cancels orders of one login, one conversation with the venue at a time."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        selection: AccountSelection,
        conversation: Conversation,
        finder: OrderFinder,
        sent: SentOrders,
        *,
        exchange: str,
    ) -> None:
        self._client = client
        self._clock = clock
        self._selection = selection
        self._conversation = conversation
        self._finder = finder
        self._sent = sent
        self._exchange = exchange

    # -- sending -------------------------------------------------------------------------------------------------

    async def place(self, group: Sequence[OrderRequest], confirm: Confirm) -> list[OrderReport]:
        """Send one order, or a bracket or group, as one call. One report per request, in the same order.

        Raises Refused or ConfirmationRefused when nothing was accepted, OutcomeUnknown when something may have been.
        """
        account_id = _one_account(group)
        self._selection.check(account_id)
        ordered = sorted(group, key=lambda request: request.parent is not None)
        check_group(ordered)
        bodies = [ticket(request, account_id, parent=request.parent) for request in ordered]
        self._sent.remember(ordered)
        path = f"/iserver/account/{account_id}/orders"
        rows = await self._conversation.hold(path, {"orders": bodies}, ordered, account_id, confirm)
        reports = self._reports(rows, ordered, account_id)
        return [reports[request.client_order_id] for request in group]

    async def replace(self, order: Order, request: OrderRequest, confirm: Confirm) -> OrderReport:
        """Change a working order into `request`; its size is the total, fills included. A refusal changes nothing.

        Raises Refused for an order that the venue does not know or that is over.
        """
        account_id = _one_account([request])
        order_id = await self._venue_order_id(order)
        path = f"/iserver/account/{account_id}/order/{order_id}"
        try:
            rows = await self._conversation.hold(
                path, change_ticket(request, account_id), [request], account_id, confirm
            )
        except Refused as error:
            raise _refused("change", order_id, error.text, error.code) from None
        if not rows:
            raise OutcomeUnknown(
                f"the venue's answer to changing order {order_id} is empty: look the order up",
                client_order_id=request.client_order_id,
            )
        if mapping.is_failed(rows[0]):
            raise _refused("change", order_id, mapping.failure_text(rows[0]), rows[0].order_status or "")
        self._sent.remember([request])
        return mapping.placed(rows[0], request, account_id, exchange=self._exchange, now=self._clock.now())

    async def withdraw(self, order: Order) -> OrderReport:
        """Ask for a cancel. The acknowledgement is not the end: the report is CANCEL_PENDING, and a fill can come.

        Waits until no question of the venue is open: a request in between would void the order that it is about.
        Raises Refused for an order that the venue does not know or that is over.
        """
        account_id = _one_account([order.request])
        order_id = await self._venue_order_id(order)
        async with self._conversation.none_open():
            try:
                answer = await self._client.delete(
                    f"/iserver/account/{account_id}/order/{order_id}",
                    CancelAnswer,
                    params=cancel_parameters(order.request),
                    client_order_id=order.client_order_id,
                )
            except Refused as error:
                raise _refused("cancel", order_id, error.text, error.code) from None
        if answer.error:
            raise _refused("cancel", order_id, answer.error, "")
        return OrderReport(
            exchange=self._exchange,
            account_id=account_id,
            time=self._clock.now(),
            status=OrderStatus.CANCEL_PENDING,
            client_order_id=order.client_order_id,
            venue_order_id=order_id,
        )

    async def answer_notification(
        self, row: PlaceRow, client_order_id: ClientOrderId, account_id: AccountId, confirm: Confirm
    ) -> OrderReport:
        """Answer a prompt with options that came by itself; the order goes on as it was asked for, or is cancelled."""
        answered = await self._conversation.attend(row, client_order_id, account_id, confirm)
        return OrderReport(
            exchange=self._exchange,
            account_id=account_id,
            time=self._clock.now(),
            status=order_status(answered.order_status),
            client_order_id=client_order_id,
            venue_order_id=VenueOrderId(str(answered.order_id)),
            reason=answered.text or "",
        )

    # -- inside --------------------------------------------------------------------------------------------------

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

    async def _venue_order_id(self, order: Order) -> VenueOrderId:
        """The venue's id of an order, looked up when its acknowledgement never arrived."""
        if order.venue_order_id is not None:
            return order.venue_order_id
        report = await self._finder.find_order(order.request.account_id, order.client_order_id, order.request)
        if report is None or report.venue_order_id is None:
            raise Refused(
                f"order {order.client_order_id} is not known to the venue: nothing to change or cancel", code="absent"
            )
        return report.venue_order_id


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


def _refused(verb: str, order_id: str, text: str, code: str) -> Refused:
    """The venue's refusal of a change or a cancel, which leaves the order as it was."""
    said = text.rstrip(". ")
    known = text.casefold()
    if "doesn't exist" in known:
        sentence = f"the venue knows no order {order_id}, so there is nothing to {verb} ({said})"
    elif any(word in known for word in _OVER):
        sentence = f"order {order_id} is over at the venue, so it can't be {_PAST[verb]} ({said})"
    else:
        sentence = f"the venue refused to {verb} order {order_id}, which stays as it was: {said}"
    return Refused(sentence, code=code, text=text)
