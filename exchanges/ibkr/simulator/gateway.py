"""The embedded Client Portal Gateway, started and stopped."""

import asyncio
import contextlib
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from exchanges.ibkr.simulator.agenda import Agenda
from exchanges.ibkr.simulator.app import PREFIX, GatewayApp
from exchanges.ibkr.simulator.controls import Controls
from exchanges.ibkr.simulator.credentials import OAuth1Consumer, OAuth2Client
from exchanges.ibkr.simulator.executions import Execution
from exchanges.ibkr.simulator.front import STOCK_NAME, Front, FrontServer, Quirk, stock_certificate_in
from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.hosts import Hosts
from exchanges.ibkr.simulator.life import Life
from exchanges.ibkr.simulator.login_pages import LOGIN_ADDRESS, PHONE
from exchanges.ibkr.simulator.logins import LoginDesk
from exchanges.ibkr.simulator.occurrences import during_requests, schedule
from exchanges.ibkr.simulator.opening import DEFAULT_DAYS, DEFAULT_VOLATILITY, opening_state, price_path
from exchanges.ibkr.simulator.pacing import PENALTY, PER_SECOND, Pacing, limits
from exchanges.ibkr.simulator.resets import WINDOWS, Region, Resets, Window
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.signing_in import SignIn, access_for
from exchanges.ibkr.simulator.sso_sessions import SignInRules
from exchanges.ibkr.simulator.upstream import Upstream
from horizon.clock import Clock, SystemClock
from horizon.model import Order
from horizon.simulation.certificate import Certificate, certificate_in
from horizon.simulation.faults import Fault, FaultPlan
from horizon.simulation.prices import PricePath
from horizon.simulation.server import Request
from horizon.simulation.timed_events import Event

ACCOUNTS = ("DU1234567", "DU7654321")
LIVE_ACCOUNTS = ("U1234567", "U7654321")


@dataclass(frozen=True)
class Book:
    """What one account has at this moment, for a test to compare with."""

    cash: Decimal
    positions: dict[int, Decimal]
    orders: list[Order]
    """Newest first; client order id is the gateway's order number."""
    executions: list[Execution]
    commissions: Decimal


class Simulator(Controls):
    """A Client Portal Gateway on this machine with a market and two paper accounts behind it.

        async with Simulator() as gateway:
            gateway.base_url            # https://localhost:PORT/v1/api

    `prices` is SPY's path, moved to begin now unless it covers the clock's time; otherwise a seeded random walk with
    `days` of trading.
    `event_volatility` is that of the event model, measured on the path when absent. `directory` keeps the certificate;
    without one it is made anew in a temporary folder. `prompts=False` asks no questions about orders.

    `pacing=False` refuses no request for coming too fast; `penalty_box` shuts the user out after a 429 (seconds; True
    is 15 minutes). `resets` switches the downtimes of `region` on, and the limit of 24 hours; windows of one's own may
    be given. `second_factor` asks a person's phone at each login. `hosts` is the number of ports. `faults` is a plan,
    or its faults and events. `history_takes` (seconds) keeps requests for bars waiting, so that they can be too many.

    With `extended_hours` stocks are quoted from 4:00 to 20:00, and orders with `outsideRTH` trade then. `habits`
    chooses between what IBKR was seen doing now one way and now another. With `fills="by hand"` no quote fills or
    triggers anything: `fill(order, size, price)` does.

    `front` or `quirks` puts a reverse proxy with the real gateway's manners before it: `quirks="all"`, or some by name.

    `sign_in="oauth2"` and `"oauth1"` make it the host that programs sign in to by themselves: nobody is signed in at
    first, every request must show who sends it, and only the registered `oauth2_clients` or `oauth1_consumers` can.
    `simulator.credentials` makes some up; `sign_in_rules` decides what the documents leave open.

    Raises ConfigurationError when the port is taken, for a plan with an event that it knows nothing of, and for a way
    of signing in that nobody is registered for.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        plain_http: bool = False,
        clock: Clock | None = None,
        prices: PricePath | None = None,
        days: int = DEFAULT_DAYS,
        seed: int = 7,
        faults: FaultPlan | Iterable[Fault | Event] | None = None,
        pacing: bool = True,
        requests_per_second: int = PER_SECOND,
        penalty_box: bool | float = False,
        data_lines: int = 100,
        history_takes: float = 0.0,
        extended_hours: bool = False,
        habits: Habits | None = None,
        fills: Literal["market", "by hand"] = "market",
        directory: Path | None = None,
        event_volatility: float | None = None,
        is_paper: bool = True,
        prompts: bool = True,
        logged_in: bool = True,
        established: bool = True,
        region: Region = "US",
        resets: bool | Sequence[Window] = False,
        second_factor: bool = False,
        hosts: int = 1,
        front: Front | None = None,
        quirks: Literal["all"] | Iterable[str] = (),
        sign_in: SignIn = "gateway",
        oauth2_clients: Sequence[OAuth2Client] = (),
        oauth1_consumers: Sequence[OAuth1Consumer] = (),
        sign_in_rules: SignInRules | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._directory = directory
        self._plain_http = plain_http
        self._wanted = (port, hosts)
        self._faults = FaultPlan.of(faults)
        self._kept = contextlib.AsyncExitStack()
        self._front = Front.of(quirks) if front is None and quirks else front
        self._served: Hosts | None = None
        self._restarts: set[asyncio.Task[None]] = set()
        self.accounts: tuple[str, ...] = ACCOUNTS if is_paper else LIVE_ACCOUNTS
        self.certificate: Path | None = None
        """The PEM to verify against; None with plain HTTP."""
        self.fingerprint = ""
        """SHA-256 of the certificate as `AA:BB:...`; empty with plain HTTP."""
        windows = resets if isinstance(resets, Sequence) else WINDOWS if resets else ()
        self._agenda = Agenda(self._clock)
        life = Life(self._agenda, Resets(windows, region=region, seed=seed))
        session = Session(
            self._clock,
            seed=seed,
            is_paper=is_paper,
            logged_in=logged_in and sign_in == "gateway",
            established=established,
            life=life,
        )
        volatility = event_volatility
        if prices is None and volatility is None:
            volatility = DEFAULT_VOLATILITY
        penalty = PENALTY if penalty_box is True else penalty_box or None
        start = self._clock.now()
        self.state = opening_state(
            price_path(prices, now=start, seed=seed, days=days),
            clock=self._clock,
            session=session,
            pacing=Pacing(self._clock, limits(requests_per_second) if pacing else (), penalty=penalty),
            upstream=Upstream(),
            logins=LoginDesk(self._agenda, session, second_factor=second_factor),
            account_ids=self.accounts,
            seed=seed,
            volatility=volatility,
            prompts=prompts,
            data_lines=data_lines,
            history_takes=history_takes,
            habits=habits or Habits(),
            fills_by_hand=fills == "by hand",
            extended_hours=extended_hours,
        )
        self.access = access_for(
            sign_in,
            self.state,
            clients=oauth2_clients,
            consumers=oauth1_consumers,
            rules=sign_in_rules or SignInRules(),
        )
        during_requests(self._faults, self)
        schedule(self._faults.events, self, self._agenda, start=start, hosts=hosts)

    @property
    def base_url(self) -> str:
        return self.hosts[0]

    @property
    def hosts(self) -> Sequence[str]:
        """The base URL of each numbered host; they show the same gateway."""
        scheme = "http" if self._plain_http else "https"
        return [f"{scheme}://localhost:{port}{PREFIX}" for port in self._running.ports]

    @property
    def ws_url(self) -> str:
        return f"{self.base_url.replace('http', 'ws', 1)}/ws"

    @property
    def login_url(self) -> str:
        """Where a person signs in with a browser; opening it is enough without a second factor."""
        return self.base_url.removesuffix(PREFIX) + LOGIN_ADDRESS

    @property
    def phone_url(self) -> str:
        """The simulated phone, on which a second factor is approved."""
        return self.base_url.removesuffix(PREFIX) + PHONE

    @property
    def front(self) -> FrontServer:
        """What stands before the (first) gateway. Raises RuntimeError when nothing does."""
        if not self._running.fronts:
            raise RuntimeError("nothing stands before this gateway: start it with front= or quirks=")
        return self._running.fronts[0]

    @property
    def requests(self) -> Sequence[Request]:
        """Every request so far, oldest first."""
        return self._running.requests

    @property
    def refusals(self) -> Sequence[str]:
        """Why programs were refused, oldest first. The answers to them say less."""
        return self.access.refusals

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
            executions=[execution for execution in desk.books.executions.true() if execution.account == account],
            commissions=ledger.commissions,
        )

    async def restart(self, seconds: float = 0.0) -> None:
        """The gateway's process ends, and starts again on the same ports `seconds` later: nobody is signed in then,
        unless by a program's own means."""
        await self._running.close()
        if self.state.session.ends_at_night:
            self.state.session.log_out("process restarted")
        await self._clock.sleep(seconds)
        await self._running.start()

    def restart_soon(self, seconds: float = 0.0) -> None:
        """As `restart`, without waiting for it."""
        task = asyncio.create_task(self.restart(seconds), name="gateway restart")
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def __aenter__(self) -> "Simulator":
        certificate = None if self._plain_http else self._own_certificate()
        port, count = self._wanted
        served = Hosts(
            lambda host: GatewayApp(self.state, self.access, host),
            count,
            clock=self._clock,
            port=port,
            certificate=certificate,
            faults=self._faults,
            front=self._front,
        )
        try:
            await served.start()
        except BaseException:
            await self._kept.aclose()
            raise
        self._served = served
        self._kept.push_async_callback(served.close)
        for work, name in ((self._tick, "simulated market"), (self._agenda.run, "simulated nights")):
            self._kept.push_async_callback(_stop, asyncio.create_task(work(), name=name))
        self._kept.push_async_callback(self._stop_restarting)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._kept.aclose()

    def _own_certificate(self) -> Certificate:
        folder = self._directory or Path(self._kept.enter_context(tempfile.TemporaryDirectory()))
        is_stock = self._front is not None and Quirk.STOCK_CERTIFICATE in self._front.quirks
        certificate = stock_certificate_in(folder) if is_stock else certificate_in(folder, name=STOCK_NAME)
        self.certificate, self.fingerprint = certificate.path, certificate.fingerprint
        return certificate

    @property
    def _running(self) -> Hosts:
        if self._served is None:
            raise RuntimeError("the simulator is not running: enter it with `async with` first")
        return self._served

    async def _stop_restarting(self) -> None:
        for task in list(self._restarts):
            await _stop(task)

    async def _tick(self) -> None:
        """Let resting orders meet the market also when nobody asks."""
        desk = self.state.desk
        while True:
            desk.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with self._clock.deadline(desk.looks_again_in(self._clock.now())):
                    await desk.changed.wait()
            self.state.advance()


async def _stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
