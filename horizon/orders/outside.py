"""Orders from outside a program: a person's, by command line or page, of an account that something here trades.

While a strategy runs they go through its own desk, as events, so that its limits hold for them and a replay has them.
Without one they go through the order service. An order that neither knows is cancelled at the venue itself.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
from msgspec.structs import replace

from horizon.clock import Clock
from horizon.errors import ConfigurationError, HorizonError, RecordingError
from horizon.model import (
    ZERO,
    AccountId,
    CancelAsked,
    ClientOrderId,
    Instruction,
    KillSwitched,
    Order,
    OrderReport,
    OrderRequest,
    OrdersAsked,
    OrderStatus,
)
from horizon.orders.kill_file import Pulled
from horizon.orders.service import CANCEL_WAIT, OrderService
from horizon.orders.switch import Switch
from horizon.ports import Journal, JournalRecord, RecordKind, Venue

_logger = logging.getLogger(__name__)
ANSWER_WAIT = 30.0
"""Seconds to wait for the venue's answer to an order that a strategy's desk has sent."""
_LOOK_AGAIN = 2.0
"""Seconds between two looks at the venue's list for an order that only the venue knows."""


class Engine(Protocol):
    """A strategy's run, as it is seen from outside."""

    @property
    def strategy_name(self) -> str: ...
    def put(self, event: Instruction) -> None: ...
    def order(self, client_order_id: ClientOrderId) -> Order | None: ...
    def open_orders(self, exchange: str) -> Sequence[Order]: ...
    async def until(self, condition: Callable[[], bool], *, timeout: float) -> bool:
        """Whether `condition` came true in time; it is looked at after every event."""
        ...


class Cancelled(msgspec.Struct, frozen=True, kw_only=True):
    """What came of cancelling several orders."""

    orders: tuple[Order, ...] = ()
    """Those that were to be cancelled, as they are now."""
    kept: tuple[Order, ...] = ()
    """Those that were left at the venue: protective ones, and other people's."""
    problems: tuple[str, ...] = ()


class Outside:
    """The verbs for one account, whoever trades it here."""

    def __init__(
        self,
        venue: Venue,
        account_id: AccountId,
        service: OrderService,
        *,
        switch: Switch,
        journal: Journal,
        clock: Clock,
        run_id: str,
    ) -> None:
        self.engine: Engine | None = None
        self.switch = switch
        switch.tell(self._switched)
        self._venue = venue
        self._account_id = account_id
        self._service = service
        self._journal = journal
        self._clock = clock
        self._run_id = run_id
        self._count = 0
        self._watching: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Keep an eye on the kill switch until `close`; one that is pulled already counts at once."""
        self.switch.look()
        self._watching = asyncio.get_running_loop().create_task(self.switch.watch())

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
            self._watching = None

    async def submit(self, request: OrderRequest) -> Order:
        """Let the strategy's desk send an order. What it or a guard of its run refuses has the status REJECTED."""
        engine = self.engine
        if engine is None:
            raise ConfigurationError("no strategy runs on this account: submit to the exchange itself")
        self._count += 1
        key = ClientOrderId(f"{self._run_id}-o{self._count}")
        complete = replace(request, exchange=self._venue.name, account_id=self._account_id, client_order_id=key)
        engine.put(OrdersAsked(time=self._clock.now(), exchange=self._venue.name, requests=(complete,)))

        def answered() -> bool:
            order = engine.order(key)
            return order is not None and order.status is not OrderStatus.PENDING

        await engine.until(answered, timeout=ANSWER_WAIT)
        order = engine.order(key)
        if order is None:
            raise ConfigurationError("the strategy's run has ended: the order was not sent; ask again")
        return order

    async def change(self, order_id: str, changes: dict[str, object]) -> Order:
        """Change a working order that no strategy's run holds."""
        if self.engine is not None:
            raise ConfigurationError(
                f"{self.engine.strategy_name} is trading on {self._account_id} and can't be told of a change: cancel "
                "the order and send another"
            )
        order = _named(self._service.open_orders(), order_id)
        if order is None:
            raise self._unknown(order_id)
        return await self._service.change(order, changes)

    async def cancel(self, order_id: str) -> Order:
        """Cancel one order by its own id or the venue's, and wait for the venue to confirm."""
        order = _named(self.open_orders(), order_id)
        if order is not None:
            return (await self._cancel_here([order]))[0]
        order = _named([other for other, _ in await self._others([])], order_id)
        if order is None:
            raise self._unknown(order_id)
        return (await self._cancel_there([order]))[0]

    async def cancel_all(self, *, protective: bool = False, everywhere: bool = False) -> Cancelled:
        """Cancel this account's orders that were sent from here, by this program or an earlier one.

        Protective ones stay unless `protective`, and those placed elsewhere unless `everywhere`.
        """
        problems: list[str] = []
        mine = self.open_orders()
        here = [order for order in mine if protective or not order.request.protective]
        kept = [order for order in mine if order not in here]
        over: list[Order] = []
        try:
            over += await self._cancel_here(here)
        except HorizonError as error:
            problems.append(str(error))
        try:
            others = await self._others(mine)
            chosen = [
                order for order, ours in others if (everywhere or ours) and (protective or not order.request.protective)
            ]
            kept += [order for order, _ in others if order not in chosen]
            over += await self._cancel_there(chosen, problems)
        except HorizonError as error:
            problems.append(f"orders that only the venue knows could not be cancelled: {error}")
        return Cancelled(orders=tuple(over), kept=tuple(kept), problems=tuple(problems))

    async def kill(self, reason: str, *, protective: bool = False, everywhere: bool = False) -> Cancelled:
        """Pull the kill switch, then cancel as `cancel_all` does."""
        problems: tuple[str, ...] = ()
        try:
            self.switch.pull(reason)
        except RecordingError as error:
            problems = (str(error),)
        result = await self.cancel_all(protective=protective, everywhere=everywhere)
        return replace(result, problems=problems + result.problems)

    def open_orders(self) -> Sequence[Order]:
        """Orders that this program holds."""
        if self.engine is not None:
            return self.engine.open_orders(self._venue.name)
        return self._service.open_orders()

    def known_order(self, client_order_id: ClientOrderId) -> Order | None:
        """An order that this program has, or had not long ago."""
        return (self._service if self.engine is None else self.engine).order(client_order_id)

    # -- inside --------------------------------------------------------------------------------------------------

    def _switched(self, pulled: Pulled | None) -> None:
        """The kill switch was pulled, by whomever, or reset."""
        reason = "" if pulled is None else pulled.reason
        if pulled is None:
            _logger.warning("%s: the kill switch of %s is reset", self._venue.name, self._account_id)
            self._service.resume()
        else:
            _logger.error("%s: the kill switch of %s is pulled: %s", self._venue.name, self._account_id, reason)
            self._service.halt(reason)
        if self.engine is not None:
            self.engine.put(
                KillSwitched(
                    time=self._clock.now(), exchange=self._venue.name, pulled=pulled is not None, reason=reason
                )
            )

    async def _cancel_here(self, orders: Sequence[Order]) -> Sequence[Order]:
        engine = self.engine
        if engine is None or not orders:
            return await self._service.cancel(orders, wait=CANCEL_WAIT)
        keys = tuple(order.client_order_id for order in orders)
        engine.put(CancelAsked(time=self._clock.now(), exchange=self._venue.name, client_order_ids=keys))

        def latest() -> list[Order]:
            return [engine.order(order.client_order_id) or order for order in orders]

        await engine.until(lambda: all(order.is_done for order in latest()), timeout=CANCEL_WAIT)
        return latest()

    async def _at_venue(self) -> Sequence[OrderReport]:
        return await self._venue.open_orders(self._account_id)

    async def _others(self, mine: Sequence[Order]) -> list[tuple[Order, bool]]:
        """Orders at the venue that this program does not hold, and whether an earlier one of ours has sent each."""
        held = {order.venue_order_id for order in mine}
        reports = [
            report
            for report in await self._at_venue()
            if report.venue_order_id not in held and not self._knows(report.client_order_id)
        ]
        if not reports:
            return []
        keys = {report.client_order_id for report in reports}
        sent: dict[ClientOrderId, OrderRequest] = {}
        for record in self._journal.records(account_id=self._account_id):
            if record.kind is RecordKind.INTENT and record.client_order_id in keys:
                sent[record.client_order_id] = msgspec.json.decode(record.payload, type=OrderRequest)
        found: list[tuple[Order, bool]] = []
        for report in reports:
            request = sent.get(report.client_order_id) if report.client_order_id else None
            ticket = request or report.request
            # without a ticket nothing is known of it but that it is there
            if ticket is not None:
                found.append((_as_order(report, ticket, self._account_id), request is not None))
        return found

    def _knows(self, key: ClientOrderId | None) -> bool:
        """Whether this program has the order, or had it: the venue's list can be older than what is known here."""
        if not key:
            return False
        return self.known_order(key) is not None

    async def _cancel_there(self, orders: Sequence[Order], problems: list[str] | None = None) -> Sequence[Order]:
        """Cancel what only the venue knows, and look until it is gone. The journal has it before it leaves."""
        asked: dict[str, Order] = {}
        over: list[Order] = []
        for order in orders:
            self._journal.commit([self._intent(order)])
            try:
                await self._venue.withdraw(order)
            except HorizonError as error:
                if problems is None:
                    raise
                problems.append(f"{order.venue_order_id}: {error}")
                over.append(order)
            else:
                asked[str(order.venue_order_id)] = order
        waited = 0.0
        open_ids = set(asked)
        while open_ids and waited < CANCEL_WAIT:
            await self._clock.sleep(_LOOK_AGAIN)
            waited += _LOOK_AGAIN
            open_ids = {str(report.venue_order_id) for report in await self._at_venue()} & set(asked)
        for key, order in asked.items():
            status = OrderStatus.CANCEL_PENDING if key in open_ids else OrderStatus.CANCELED
            reason = "" if key in open_ids else "no longer among the venue's open orders"
            over.append(replace(order, status=status, reason=reason))
        return over

    def _intent(self, order: Order) -> JournalRecord:
        return JournalRecord(
            time=self._clock.now(),
            exchange=self._venue.name,
            account_id=self._account_id,
            kind=RecordKind.CANCEL_INTENT,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            subject="outside",
        )

    def _unknown(self, order_id: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._venue.name} has no open order {order_id!r} of account {self._account_id}: see "
            "`horizon orders list`"
        )


def _named(orders: Sequence[Order], order_id: str) -> Order | None:
    return next((each for each in orders if order_id in (each.client_order_id, each.venue_order_id)), None)


def _as_order(report: OrderReport, ticket: OrderRequest, account_id: AccountId) -> Order:
    complete = replace(
        ticket,
        exchange=report.exchange,
        account_id=account_id,
        client_order_id=report.client_order_id or ClientOrderId(""),
    )
    return Order(
        request=complete,
        status=report.status,
        venue_order_id=report.venue_order_id,
        filled=report.filled or ZERO,
        average_price=report.average_price,
        created_time=report.time,
        updated_time=report.time,
    )
