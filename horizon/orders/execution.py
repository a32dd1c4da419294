"""Carries out what a desk wants done: one effect, one call to the venue, and reports that come back.

The journal has been committed before an effect gets here. Whatever goes wrong becomes a report, so that the desk
never waits for an answer that will not come.
"""

import asyncio
from collections.abc import Callable

import msgspec

from horizon.clock import Clock
from horizon.errors import HorizonError, InvalidOrder, Outcome, OutcomeUnknown, RateLimited
from horizon.model import (
    AccountId,
    ClientOrderId,
    Notice,
    NoticeLevel,
    Order,
    OrderReport,
    OrderStatus,
    PromptAnswered,
)
from horizon.orders.effects import Cancel, Effect, Find, Replace, Send, Tell
from horizon.ports import Confirm, Journal, JournalRecord, Prompt, PutVenueEvent, RecordKind, Venue

_encode = msgspec.json.Encoder().encode
_FIND_ATTEMPTS = 8
"""Look-ups without an answer after which a person is told."""
_FIND_PAUSE = 5.0
"""Seconds between two look-ups of an order in doubt: the venue's own order list may be that old."""
_LATER_PAUSE = 60.0
"""The same once a person has been told."""
_LATE_LOOKS = (60.0, 240.0)
"""Seconds to wait before looking again for an order that was not there: a request that was held up on its way can
still arrive."""


class Executor:
    """The way from effects to one venue and back."""

    def __init__(
        self, venue: Venue, journal: Journal, clock: Clock, *, halted: Callable[[], str | None] = lambda: None
    ) -> None:
        """`halted` says why nothing new may leave: the kill switch, looked at as late as can be."""
        self._venue = venue
        self._journal = journal
        self._clock = clock
        self._halted = halted

    async def perform(self, effect: Effect, put: PutVenueEvent) -> HorizonError | None:
        """Do one thing at the venue and put what came of it. The error, if any, is in the reports too."""
        match effect:
            case Send() | Replace() if (reason := self._halted()) is not None:
                return self._stopped(effect, reason, put)
            case Send():
                return await self._send(effect, put)
            case Cancel():
                return await self._cancel(effect, put)
            case Replace():
                return await self._replace(effect, put)
            case Find():
                await self._find(effect, put)
                return None
            case Tell(account_id=account_id, level=level, text=text):
                put(self._notice(account_id, level, text))
                return None

    def _stopped(self, effect: Send | Replace, reason: str, put: PutVenueEvent) -> HorizonError:
        error = InvalidOrder(f"kill_switch: it is pulled ({reason}), nothing was sent", rule="kill_switch")
        if isinstance(effect, Replace):
            put(self._refused_change(effect.order, str(error)))
        else:
            for request in effect.requests:
                put(self._report(effect.account_id, request.client_order_id, OrderStatus.REJECTED, str(error)))
        return error

    async def _send(self, effect: Send, put: PutVenueEvent) -> HorizonError | None:
        try:
            reports = await self._venue.place(effect.requests, self._confirm(put))
        except asyncio.CancelledError:
            reason = "its sender was interrupted while it was on its way"
            for request in effect.requests:
                report = self._report(effect.account_id, request.client_order_id, OrderStatus.UNKNOWN, reason)
                put(msgspec.structs.replace(report, interrupted=True))
            raise
        except HorizonError as error:
            status = OrderStatus.UNKNOWN if error.outcome is Outcome.UNKNOWN else OrderStatus.REJECTED
            burnt = isinstance(error, OutcomeUnknown) and error.received
            for request in effect.requests:
                report = self._report(effect.account_id, request.client_order_id, status, str(error))
                put(msgspec.structs.replace(report, burnt=burnt))
            return error
        answered: set[ClientOrderId] = set()
        for report in reports:
            if report.client_order_id is not None:
                answered.add(report.client_order_id)
            put(report)
        for request in effect.requests:
            if request.client_order_id not in answered:
                reason = "the venue's answer does not mention this order"
                put(self._report(effect.account_id, request.client_order_id, OrderStatus.UNKNOWN, reason))
        return None

    async def _cancel(self, effect: Cancel, put: PutVenueEvent) -> HorizonError | None:
        try:
            report = await self._venue.withdraw(effect.order)
        except asyncio.CancelledError:
            reason = "cancel in doubt: its sender was interrupted"
            put(self._report(effect.account_id, effect.order.client_order_id, OrderStatus.UNKNOWN, reason))
            raise
        except HorizonError as error:
            if error.outcome is Outcome.UNKNOWN:
                # the order may work on: it is looked up, and the cancel leaves again if it does
                reason = f"cancel in doubt: {error}"
                put(self._report(effect.account_id, effect.order.client_order_id, OrderStatus.UNKNOWN, reason))
            else:
                put(self._refused_change(effect.order, str(error)))
            return error
        if report is not None:
            put(report)
        return None

    async def _replace(self, effect: Replace, put: PutVenueEvent) -> HorizonError | None:
        try:
            report = await self._venue.replace(effect.order, effect.request, self._confirm(put))
        except asyncio.CancelledError:
            put(self._doubtful_change(effect.order, "change in doubt: its sender was interrupted"))
            raise
        except HorizonError as error:
            if error.outcome is Outcome.UNKNOWN:
                # settled by reading the order back, never by a cancel and a new order
                put(self._doubtful_change(effect.order, f"change in doubt: {error}"))
            else:
                put(self._refused_change(effect.order, str(error)))
            return error
        put(msgspec.structs.replace(report, request=effect.request))
        return None

    async def _find(self, effect: Find, put: PutVenueEvent) -> None:
        """Ask until the venue answers: found is adopted, surely absent is told as such. Ends only then, or cancelled.

        What is absent is looked for twice more: a request that was held up on its way can still arrive.
        """
        # of an order that was there before, a list that is seconds old tells what was before its cancel or change
        at_once = effect.soon or effect.venue_order_id is None
        report = await self._look(effect, put, 0.0 if at_once else _FIND_PAUSE)
        if report is not None:
            put(report)
            return
        put(self._absent(effect))
        for pause in _LATE_LOOKS:
            report = await self._look(effect, put, pause)
            if report is not None:
                put(report)
                return

    async def _look(self, effect: Find, put: PutVenueEvent, pause: float) -> OrderReport | None:
        """The venue's word on one order, however long it takes to get one; None when it is surely absent."""
        failures = 0
        while True:
            await self._clock.sleep(pause)
            try:
                return await self._venue.find_order(
                    effect.account_id,
                    effect.client_order_id,
                    request=effect.request,
                    venue_order_id=effect.venue_order_id,
                    sent=effect.sent,
                )
            except HorizonError as error:
                failures += 1
                if failures == _FIND_ATTEMPTS:
                    text = (
                        f"order {effect.client_order_id} is still in doubt after {failures} look-ups ({error}): look "
                        "at the venue's own screen; it goes on being looked up"
                    )
                    put(self._notice(effect.account_id, NoticeLevel.WARNING, text))
                pause = _FIND_PAUSE if failures < _FIND_ATTEMPTS else _LATER_PAUSE
                if isinstance(error, RateLimited):
                    pause = max(pause, error.retry_after)

    def _absent(self, effect: Find) -> OrderReport:
        known = effect.venue_order_id is not None
        report = self._report(
            effect.account_id,
            effect.client_order_id,
            OrderStatus.CANCELED if known else OrderStatus.REJECTED,
            "no longer among the venue's orders or trades"
            if known
            else "never reached the venue: not among its orders or trades",
        )
        return msgspec.structs.replace(report, absent=True, venue_order_id=effect.venue_order_id)

    def _confirm(self, put: PutVenueEvent) -> Confirm:
        async def confirm(prompt: Prompt) -> bool:
            answered = PromptAnswered(
                exchange=prompt.exchange,
                account_id=prompt.account_id,
                time=self._clock.now(),
                client_order_id=prompt.client_order_id,
                message_ids=prompt.message_ids,
                messages=prompt.messages,
                accepted=prompt.advised,
                reason=prompt.advice,
                hop=prompt.hop,
            )
            self._journal.commit(
                [
                    JournalRecord(
                        time=answered.time,
                        exchange=prompt.exchange,
                        account_id=prompt.account_id,
                        kind=kind,
                        client_order_id=prompt.client_order_id,
                        subject=prompt.prompt_id,
                        payload=_encode(payload),
                    )
                    for kind, payload in ((RecordKind.PROMPT, prompt), (RecordKind.ANSWER, answered))
                ]
            )
            put(answered)
            return answered.accepted

        return confirm

    def _report(
        self, account_id: AccountId, client_order_id: ClientOrderId, status: OrderStatus, reason: str
    ) -> OrderReport:
        return OrderReport(
            exchange=self._venue.name,
            account_id=account_id,
            time=self._clock.now(),
            status=status,
            client_order_id=client_order_id,
            reason=reason,
        )

    def _refused_change(self, order: Order, reason: str) -> OrderReport:
        report = self._report(order.request.account_id, order.client_order_id, order.status, reason)
        return msgspec.structs.replace(report, refused_change=True)

    def _doubtful_change(self, order: Order, reason: str) -> OrderReport:
        report = self._report(order.request.account_id, order.client_order_id, order.status, reason)
        return msgspec.structs.replace(report, doubtful_change=True)

    def _notice(self, account_id: AccountId, level: NoticeLevel, text: str) -> Notice:
        return Notice(exchange=self._venue.name, time=self._clock.now(), level=level, text=text, account_id=account_id)
