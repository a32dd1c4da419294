"""The embedded Client Portal Gateway, started and stopped."""

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from random import Random

from exchanges.ibkr.simulator.app import PREFIX, GatewayApp
from exchanges.ibkr.simulator.contracts import AAPL, IBM, QQQ, SPY, STOCKS, Catalogue, monthly_options
from exchanges.ibkr.simulator.desk import Desk, Execution
from exchanges.ibkr.simulator.events import event_product
from exchanges.ibkr.simulator.ledger import Ledger
from exchanges.ibkr.simulator.pacing import Pacing
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.state import Account, State
from exchanges.ibkr.simulator.tape import Tape
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.clock import NANOSECONDS, Clock, SystemClock, to_datetime
from horizon.model import Order, TradingSession
from horizon.simulation.certificate import certificate_in
from horizon.simulation.faults import FaultPlan
from horizon.simulation.prices import PricePath, SyntheticPath
from horizon.simulation.server import LoopbackServer, Request

ACCOUNTS = ("DU1234567", "DU7654321")
LIVE_ACCOUNTS = ("U1234567", "U7654321")
_CASH = (Decimal(100_000), Decimal(50_000))
_DEFAULT_VOLATILITY = 0.18
_DEFAULT_DAYS = 3
_OPEN_SINCE = 30 * 60 * NANOSECONDS
"""Without given prices the market opened half an hour ago, and there is a day before to look back at."""
_OTHERS = ((AAPL, "AAPL", 232.0, 0.25), (QQQ, "QQQ", 520.0, 0.22), (IBM, "IBM", 240.0, 0.2), (4815, "BBVA", 17.0, 0.25))


@dataclass(frozen=True)
class Book:
    """What one account has at this moment, for a test to compare with."""

    cash: Decimal
    positions: dict[int, Decimal]
    orders: list[Order]
    """Newest first; client order id is the gateway's order number."""
    executions: list[Execution]
    commissions: Decimal


class Simulator:
    """A Client Portal Gateway on this machine with a market and two paper accounts behind it.

        async with Simulator() as gateway:
            gateway.base_url            # https://localhost:PORT/v1/api

    `prices` is SPY's path (a seeded random walk otherwise), moved to begin now unless it covers the clock's time.
    `event_volatility` is that of the event model, measured on the path when absent. `directory` keeps the certificate;
    without one it is made anew in a temporary folder. `prompts=False` asks no questions about orders, `pacing=False`
    counts no requests. Raises ConfigurationError when the port is taken.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        plain_http: bool = False,
        clock: Clock | None = None,
        prices: PricePath | None = None,
        seed: int = 7,
        faults: FaultPlan | None = None,
        pacing: bool = True,
        directory: Path | None = None,
        event_volatility: float | None = None,
        is_paper: bool = True,
        prompts: bool = True,
        logged_in: bool = True,
        established: bool = True,
    ) -> None:
        self._clock = clock or SystemClock()
        self._seed = seed
        self._directory = directory
        self._plain_http = plain_http
        self._port = port
        self._faults = faults or FaultPlan()
        self._kept = contextlib.AsyncExitStack()
        self._server: LoopbackServer | None = None
        self.accounts: tuple[str, ...] = ACCOUNTS if is_paper else LIVE_ACCOUNTS
        self.certificate: Path | None = None
        """The PEM to verify against; None with plain HTTP."""
        self.fingerprint = ""
        """SHA-256 of the certificate as `AA:BB:...`; empty with plain HTTP."""
        volatility = event_volatility
        if prices is None and volatility is None:
            volatility = _DEFAULT_VOLATILITY
        session = Session(self._clock, seed=seed, is_paper=is_paper, logged_in=logged_in, established=established)
        self.state = self._state(self._path(prices), session, volatility, pacing=pacing, prompts=prompts)
        self._give_the_second_account_a_past()

    @property
    def base_url(self) -> str:
        return f"{'http' if self._plain_http else 'https'}://localhost:{self._running.port}{PREFIX}"

    @property
    def ws_url(self) -> str:
        return f"{'ws' if self._plain_http else 'wss'}://localhost:{self._running.port}{PREFIX}/ws"

    @property
    def requests(self) -> Sequence[Request]:
        """Every request so far, oldest first."""
        return self._running.requests

    @property
    def rate_limited(self) -> int:
        """How many requests were refused for coming too fast."""
        return self.state.pacing.refused if self.state.pacing else 0

    @property
    def faults(self) -> FaultPlan:
        return self._faults

    def book(self, account: str) -> Book:
        """Orders, executions, positions and cash of one account."""
        ledger, desk = self.state.accounts[account].ledger, self.state.desk
        return Book(
            cash=ledger.cash,
            positions={conid: held.position for conid, held in ledger.holdings.items() if held.position},
            orders=[desk.progress(order) for order in desk.orders(account)],
            executions=[execution for execution in desk.executions if execution.account == account],
            commissions=ledger.commissions,
        )

    def drop_session(self) -> None:
        """End the brokerage session; the sign-in stays."""
        self.state.session.drop()

    def log_out(self) -> None:
        """End everything: a person has to sign in again."""
        self.state.session.log_out()

    def log_in(self) -> None:
        """A person signs in, and the gateway opens the brokerage session."""
        self.state.session.log_in()

    def compete(self) -> None:
        """Another session of the same user takes the brokerage session."""
        self.state.session.compete()

    async def __aenter__(self) -> "Simulator":
        certificate = None
        if not self._plain_http:
            folder = self._directory or Path(self._kept.enter_context(tempfile.TemporaryDirectory()))
            certificate = certificate_in(folder, name="Client Portal Web API")
            self.certificate, self.fingerprint = certificate.path, certificate.fingerprint
        server = LoopbackServer(
            GatewayApp(self.state),
            clock=self._clock,
            port=self._port,
            certificate=certificate,
            faults=self._faults,
            websockets=True,
        )
        try:
            self._server = await self._kept.enter_async_context(server)
        except BaseException:
            await self._kept.aclose()
            raise
        ticking = asyncio.create_task(self._tick(), name="simulated market")
        self._kept.push_async_callback(_stop, ticking)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._kept.aclose()

    @property
    def _running(self) -> LoopbackServer:
        if self._server is None:
            raise RuntimeError("the simulator is not running: enter it with `async with` first")
        return self._server

    async def _tick(self) -> None:
        """Let resting orders meet the market also when nobody asks."""
        desk = self.state.desk
        while True:
            desk.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with self._clock.deadline(desk.looks_again_in(self._clock.now())):
                    await desk.changed.wait()
            self.state.advance()

    def _path(self, prices: PricePath | None) -> PricePath:
        now = self._clock.now()
        if prices is None:
            day, opened = 86_400 * NANOSECONDS, now - _OPEN_SINCE
            sessions = [
                TradingSession(opens=opened + n * day, closes=opened + n * day + 23_400 * NANOSECONDS)
                for n in range(-1, _DEFAULT_DAYS)
            ]
            return SyntheticPath(
                "SPY",
                seed=self._seed,
                start=sessions[0].opens,
                end=sessions[-1].closes,
                initial=600.0,
                volatility=_DEFAULT_VOLATILITY,
                step=5.0,
                sessions=sessions,
            )
        return prices if prices.start <= now < prices.end else prices.shifted(now)

    def _state(
        self, path: PricePath, session: Session, volatility: float | None, *, pacing: bool, prompts: bool
    ) -> State:
        now = self._clock.now()
        price = path.at(now).price
        product = event_product(price, release=path.sessions[-1].closes)
        options = monthly_options(STOCKS[0], to_datetime(now).date(), price)
        catalogue = Catalogue([*STOCKS, product.underlying, *product.contracts, *options])
        paths: dict[int, PricePath] = {SPY: path}
        for conid, symbol, initial, yearly in _OTHERS:
            paths[conid] = SyntheticPath(
                symbol,
                seed=self._seed,
                start=path.start,
                end=path.end,
                initial=initial,
                volatility=yearly,
                step=5.0,
                sessions=path.sessions,
            )
        tape = Tape(paths, catalogue, product, index=path, seed=self._seed, volatility=volatility)
        accounts = {name: Account(name, Ledger(cash)) for name, cash in zip(self.accounts, _CASH, strict=True)}
        desk = Desk(catalogue, tape, {name: account.ledger for name, account in accounts.items()})
        return State(
            clock=self._clock,
            session=session,
            catalogue=catalogue,
            product=product,
            tape=tape,
            desk=desk,
            accounts=accounts,
            selected=self.accounts[0],
            pacing=Pacing(self._clock) if pacing else None,
            asks_questions=prompts,
            random=Random(self._seed),
        )

    def _give_the_second_account_a_past(self) -> None:
        """A position and a working order, so that a client that forgets which account it means will notice."""
        account = self.accounts[1]
        self.state.accounts[account].ledger.trade(QQQ, Decimal(30), Decimal("500.00"))
        ticket = Ticket(
            conid=SPY,
            order_type="LMT",
            side="BUY",
            quantity=Decimal(5),
            price=Decimal("100.00"),
            stop=None,
            tif="GTC",
            outside_rth=False,
            coid="placed-elsewhere",
            parent=None,
            in_group=False,
        )
        self.state.desk.place(account, [ticket], self._clock.now())


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
