"""Order changes and fills by polling, for as long as somebody expects them.

Both lists are limited to one read in five seconds, and the client keeps to that; this task only decides whether to
read. What is unchanged since the last read is not reported again; a commission that arrives later is, under the same
execution id.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from horizon.clock import Clock
from horizon.errors import HorizonError, RateLimited, SessionError
from horizon.model import AccountId, Fill, Notice, NoticeLevel, OrderReport
from horizon.ports import PutVenueEvent

INTERVAL: Final = 5.0
"""Seconds between two rounds: what the venue allows for each of the two lists."""

_logger = logging.getLogger(__name__)

ReadOrders = Callable[[AccountId], Awaitable[Sequence[OrderReport]]]
ReadFills = Callable[[AccountId, int], Awaitable[Sequence[Fill]]]


class _Watched(msgspec.Struct, frozen=True):
    orders: bool
    fills: bool


class OrderStream:
    """Polls while `watch` says that something is expected, and puts what changed."""

    def __init__(
        self,
        read_orders: ReadOrders,
        read_fills: ReadFills,
        clock: Clock,
        *,
        exchange: str,
        interval: float = INTERVAL,
    ) -> None:
        self._read_orders = read_orders
        self._read_fills = read_fills
        self._clock = clock
        self._exchange = exchange
        self._interval = interval
        self._watched: dict[AccountId, _Watched] = {}
        self._wanted = asyncio.Event()
        self._orders: dict[str, OrderReport] = {}
        self._fills: dict[str, Fill] = {}
        self._failures: dict[tuple[AccountId, str], str] = {}
        self._pause = 0.0

    def watch(self, account_id: AccountId, *, orders: bool, fills: bool) -> None:
        """Say what is expected for an account; with neither, it is no longer polled."""
        if orders or fills:
            self._watched[account_id] = _Watched(orders, fills)
            self._wanted.set()
        else:
            self._watched.pop(account_id, None)
            if not self._watched:
                self._wanted.clear()

    async def reread(self, account_id: AccountId, put: PutVenueEvent) -> Sequence[Fill] | None:
        """Read an account's orders and fills once, whether anything is expected or not.

        The answer is every fill of it that is known then; None when fills could not be read.
        """
        await self._attempt(account_id, "orders", self._poll_orders, put)
        if not await self._attempt(account_id, "fills", self._poll_fills, put):
            return None
        return [fill for fill in self._fills.values() if fill.account_id == account_id]

    async def run(self, put: PutVenueEvent) -> None:
        """Poll until cancelled. A failed read is reported once as a notice, and tried again.

        A session that is down and a penalty for too many requests are told by the session, once for everybody.
        """
        while True:
            await self._wanted.wait()
            self._pause = self._interval
            for account_id, watched in list(self._watched.items()):
                if watched.orders:
                    await self._attempt(account_id, "orders", self._poll_orders, put)
                if watched.fills:
                    await self._attempt(account_id, "fills", self._poll_fills, put)
            await self._clock.sleep(self._pause)

    async def _attempt(
        self,
        account_id: AccountId,
        what: str,
        poll: Callable[[AccountId, PutVenueEvent], Awaitable[None]],
        put: PutVenueEvent,
    ) -> bool:
        try:
            await poll(account_id, put)
        except RateLimited as error:
            self._pause = max(self._pause, error.retry_after)
            if error.penalty:
                return False
            # its text counts seconds, which are no news
            cause, known_as = f"{error}", type(error).__name__
        except SessionError as error:
            _logger.debug("%s of %s are not read: %s", what, account_id, error)
            return False
        except HorizonError as error:
            cause = known_as = f"{type(error).__name__}: {error}"
        except Exception as error:
            # A defect in one read must not end the watch over live orders; it is said with its name.
            cause = known_as = f"a defect ({type(error).__name__}: {error})"
        else:
            if self._failures.pop((account_id, what), None) is not None:
                self._tell(put, account_id, NoticeLevel.INFO, f"{what} of {account_id} are read again")
            return True
        if self._failures.get((account_id, what)) != known_as:
            self._failures[account_id, what] = known_as
            self._tell(put, account_id, NoticeLevel.WARNING, f"{what} of {account_id} cannot be read: {cause}")
        return False

    async def _poll_orders(self, account_id: AccountId, put: PutVenueEvent) -> None:
        for report in await self._read_orders(account_id):
            key = f"{account_id}/{report.venue_order_id}"
            content = msgspec.structs.replace(report, time=0)
            if self._orders.get(key) != content:
                self._orders[key] = content
                put(report)

    async def _poll_fills(self, account_id: AccountId, put: PutVenueEvent) -> None:
        for fill in await self._read_fills(account_id, 1):
            content = msgspec.structs.replace(fill, receive_time=0)
            if self._fills.get(fill.execution_id) != content:
                self._fills[fill.execution_id] = content
                put(fill)

    def _tell(self, put: PutVenueEvent, account_id: AccountId, level: NoticeLevel, text: str) -> None:
        put(Notice(exchange=self._exchange, time=self._clock.now(), level=level, text=text, account_id=account_id))
