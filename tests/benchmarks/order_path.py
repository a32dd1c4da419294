"""From a quote's arrival in the process to the order's bytes on the socket, and beside it the bare POST.

usage: order_path.py PORT FINGERPRINT DIRECTORY ORDERS [CPU]

One process, one client. In turns: a quote is put into a live shell whose strategy answers it with an order, through
core, guards, desk, SQLite journal and adapter; then the same client posts the same body with nothing around it. Before
each, as many bytes as one commit of the journal adds are appended to a file and synced. The moment at which bytes are
on the socket is when `send` of the order's TLS record has returned. Prints one JSON object of microseconds.
"""

import asyncio
import json
import os
import ssl
import sys
import time
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from socket import socket
from typing import Any

import msgspec
from fixed_answers import ACCOUNT, STOCK_CONID
from machine import pin

from exchanges.ibkr.client import Client
from exchanges.ibkr.session import Session
from exchanges.ibkr.venue import IbkrVenue
from exchanges.ibkr.wire.orders import PlaceRow
from horizon.clock import Clock, SystemClock
from horizon.engine.core import Core
from horizon.engine.live import LiveShell
from horizon.exchange import Exchange, new_run_id
from horizon.guards import MaxNotional, MaxPosition, MaxSize, OpenSession, OrdersPerMinute
from horizon.model import (
    AccountId,
    ClientOrderId,
    Instrument,
    Market,
    MarketId,
    MarketQuery,
    Order,
    OrderRequest,
    OrderSide,
    Quote,
    Start,
    TimeInForce,
)
from horizon.net.rates import Priority, RateLimiter
from horizon.net.tls import PinnedCertificate
from horizon.orders.journal import SqliteJournal
from horizon.ports import JournalRecord, PutMarketEvent, RecordKind
from horizon.strategy import Context, Strategy

WARM_UP = 30
_ORDERS_PATH = f"/iserver/account/{ACCOUNT}/orders"


class Wire:
    """When the last order's bytes had been handed to the socket. Watches every TLS connection of the process."""

    def __init__(self) -> None:
        self.sent_at = 0.0
        self._due = False
        write, send = ssl.SSLObject.write, socket.send
        start = f"POST /v1/api{_ORDERS_PATH} ".encode()

        def watched_write(tls: ssl.SSLObject, data: Any) -> int:
            if bytes(data[: len(start)]) == start:
                self._due = True
            return write(tls, data)

        def watched_send(self_: socket, data: Any, *flags: int) -> int:
            count = send(self_, data, *flags)
            if self._due:
                self.sent_at = time.perf_counter()
                self._due = False
            return count

        ssl.SSLObject.write = watched_write  # type: ignore[method-assign, assignment]
        socket.send = watched_send  # type: ignore[method-assign, assignment]

    def since(self, began: float) -> float:
        """Microseconds from `began` to the bytes of the order that was sent after it."""
        assert self.sent_at > began, "no order has been sent"
        return (self.sent_at - began) * 1e6


class TimedJournal(SqliteJournal):
    """The journal, with the microseconds of every commit of an order's intent."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.microseconds: list[float] = []

    def commit(self, records: Sequence[JournalRecord]) -> None:
        began = time.perf_counter()
        super().commit(records)
        if records[0].kind is RecordKind.INTENT:
            self.microseconds.append((time.perf_counter() - began) * 1e6)


class OrderOnEveryQuote(Strategy):
    """Buys one share at the bid, immediate-or-cancel, and says when the order is over."""

    markets = {"stock": MarketQuery(market_id=MarketId(str(STOCK_CONID)))}

    def __init__(self) -> None:
        self.over = asyncio.Event()

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        assert quote.bid is not None
        ctx.buy(ctx.market("stock"), 1, price=quote.bid, time_in_force=TimeInForce.IOC)

    def on_order(self, ctx: Context, order: Order) -> None:
        assert order.status == "CANCELED", order
        self.over.set()


class BareFile:
    """A file to which as much is appended as one commit adds to the journal's log."""

    def __init__(self, directory: Path, size: int) -> None:
        self._content = os.urandom(size)
        self._descriptor = os.open(directory / "bare", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)

    def append(self) -> float:
        """Microseconds until it is on disk."""
        began = time.perf_counter()
        os.write(self._descriptor, self._content)
        os.fsync(self._descriptor)
        return (time.perf_counter() - began) * 1e6

    def close(self) -> None:
        os.close(self._descriptor)


class AlternatingFeed:
    """Puts a quote, waits until its order is over, makes a bare POST, and so on, with a sync before each."""

    def __init__(
        self,
        strategy: OrderOnEveryQuote,
        client: Client,
        wire: Wire,
        file: BareFile,
        instrument: Instrument,
        clock: Clock,
        orders: int,
    ) -> None:
        self._strategy = strategy
        self._client = client
        self._wire = wire
        self._file = file
        self._instrument = instrument
        self._clock = clock
        self._orders = orders
        self.quote_to_bytes: list[float] = []
        self.post_to_bytes: list[float] = []
        self.post_to_answer: list[float] = []
        self.fsync: list[float] = []

    async def run(self, put: PutMarketEvent) -> None:
        for number in range(self._orders):
            # Both begin after the same kind of wait: what follows one on the disk runs with cold caches.
            self._file.append()
            await self._order(put, round(600 + number % 100 / 100, 2))
            self.fsync.append(self._file.append())
            await self._bare_post(number)

    async def _order(self, put: PutMarketEvent, bid: float) -> None:
        self._strategy.over.clear()
        began = time.perf_counter()
        put(Quote(self._instrument, self._clock.now(), bid, bid + 0.01, 100.0, 100.0))
        await self._strategy.over.wait()
        self.quote_to_bytes.append(self._wire.since(began))

    async def _bare_post(self, number: int) -> None:
        order = {
            "acctId": ACCOUNT,
            "conid": STOCK_CONID,
            "orderType": "LMT",
            "side": "BUY",
            "quantity": 1,
            "tif": "IOC",
            "outsideRTH": False,
            "cOID": f"h0123456789ab-{number}",
            "price": 600.25,
        }
        began = time.perf_counter()
        rows = await self._client.post(
            _ORDERS_PATH, list[PlaceRow], body={"orders": [order]}, priority=Priority.ORDER, changes=True
        )
        self.post_to_answer.append((time.perf_counter() - began) * 1e6)
        self.post_to_bytes.append(self._wire.since(began))
        assert rows[0].order_id is not None

    async def subscribe(self, instruments: Sequence[Instrument]) -> None:
        """There is one market."""

    def health(self) -> Sequence[Any]:
        return ()


def commit_size(directory: Path) -> int:
    """Bytes that committing one order's intent adds to the write-ahead log."""
    journal = SqliteJournal(directory / "sized.sqlite")
    log = directory / "sized.sqlite-wal"
    request = OrderRequest(
        market_id=MarketId(str(STOCK_CONID)),
        order_side=OrderSide.BUY,
        size=Decimal(1),
        price=Decimal("600.25"),
        time_in_force=TimeInForce.IOC,
        client_order_id=ClientOrderId("h0123456789ab-1"),
        account_id=AccountId(ACCOUNT),
        exchange="ibkr",
    )
    intent = JournalRecord(
        time=1,
        exchange="ibkr",
        account_id=request.account_id,
        kind=RecordKind.INTENT,
        client_order_id=request.client_order_id,
        payload=msgspec.json.encode(request),
    )
    try:
        journal.commit([intent])
        before = log.stat().st_size
        for _ in range(10):
            journal.commit([intent])
        return (log.stat().st_size - before) // 10
    finally:
        journal.close()


def _guards() -> list[Any]:
    """The default ones that look at a quote or a market, with a count that does not end the benchmark."""
    return [MaxSize(10_000), MaxNotional(250_000), MaxPosition(20_000), OpenSession(), OrdersPerMinute(1_000_000)]


async def measure(port: str, fingerprint: str, directory: Path, orders: int) -> dict[str, object]:
    clock, wire, strategy = SystemClock(), Wire(), OrderOnEveryQuote()
    client = Client(
        f"https://127.0.0.1:{port}/v1/api",
        clock=clock,
        trust=PinnedCertificate(fingerprint),
        limiter=RateLimiter([], clock),
    )
    # The parts of InteractiveBrokers, put together as it does, but for the limiter without rules.
    venue = IbkrVenue(client, Session(client, clock), clock)
    journal = TimedJournal(directory / "journal.sqlite")
    size = commit_size(directory)
    file = BareFile(directory, size)
    async with Exchange(venue, journal=journal, clock=clock) as exchange:
        market: Market = await exchange.market(strategy.markets["stock"])
        start = Start(
            time=clock.now(), run_id=new_run_id(), markets={"stock": market}, accounts=tuple(await exchange.accounts())
        )
        feed = AlternatingFeed(strategy, client, wire, file, market.instrument(), clock, WARM_UP + orders)
        core = Core(strategy, profiles={exchange.name: exchange.profile}, guards=_guards())
        await LiveShell(core, {exchange.name: exchange}, [feed], clock=clock).run(start)
    file.close()
    if core.failure is not None:
        raise core.failure
    found = {
        "quote_to_bytes": feed.quote_to_bytes,
        "post_to_bytes": feed.post_to_bytes,
        "post_to_answer": feed.post_to_answer,
        "commit": journal.microseconds,
        "fsync": feed.fsync,
    }
    return {"fsync_bytes": size, **{name: values[WARM_UP:] for name, values in found.items()}}


def main() -> None:
    port, fingerprint, directory, orders, *cpu = sys.argv[1:]
    pin(int(cpu[0]) if cpu else None)
    print(json.dumps(asyncio.run(measure(port, fingerprint, Path(directory), int(orders)))))


if __name__ == "__main__":
    main()
