"""The session with Interactive Brokers: opened in the venue's order, kept alive, and reported tier by tier.

What is seen, what it means and what is done about it is the table in `session_table`; what is told is made in
`session_report`; here is the shell that asks, waits and tells. Two tasks belong to an open session: the keep-alive,
which nothing but `close` ends, and the renewal of the token.

A session that was lost is brought back whole before it is called ready: accounts, suppressions, then everything that
registered in `on_established` (orders, fills, positions, streams).
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from random import Random
from secrets import SystemRandom
from typing import Final

import msgspec

from exchanges.ibkr.attempts import Attempts
from exchanges.ibkr.auth.protocol import ChecksIp
from exchanges.ibkr.client import Client
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.resets import Region, ResetWindow
from exchanges.ibkr.session_accounts import LoginAccount, ask_accounts, is_live, read_login, selected_in
from exchanges.ibkr.session_report import Picture, SessionStatus, Trouble, is_news, report, trouble_of
from exchanges.ibkr.session_table import Action, Compete, Doubt, Seen, Standing, judge
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.session import AuthStatus, Message, SsoValidation, Tickle
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    HorizonError,
    RateLimited,
    SessionError,
    VenueError,
    VenueUnavailable,
    WireError,
)
from horizon.model import AccountId, Notice, NoticeLevel, SessionState, SessionTier
from horizon.net.rates import Priority

__all__ = ["LoginAccount", "Session", "SessionStatus", "is_live"]

KEEP_ALIVE_SECONDS: Final = 60.0
"""The brokerage session ends after five to six minutes without a request."""
BETWEEN_ATTEMPTS: Final = 1.5
SHORTEST_PAUSE: Final = 5.0
"""Seconds between two attempts to restore a session, however often calls find it down."""
WATCHING_A_PERSON: Final = 10.0
"""Seconds between two looks while somebody is about to approve a sign-in."""
HOOK_SECONDS: Final = 60.0
DOUBT_SECONDS: Final = 600.0
"""For so long after a repair, the same doubt calls for the next remedy."""
_SHORT_TIMEOUT: Final = 10.0
_MOST_STEPS: Final = 40
"""A walk through the table ends long before."""
_NOT_ACTIVE: Final = "39687"
_VAGUE: Final = frozenset({Seen.NO_ANSWER, Seen.UNREADABLE, Seen.REFUSED})
_LOST: Final = frozenset({Seen.COMPETING, Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED})
"""After these, the brokerage session is no longer ours."""
_OF_A_RESET: Final = frozenset(Seen) - {Seen.COMPETING, Seen.BLOCKED, Seen.NOT_ACTIVE, Seen.MISCONFIGURED, Seen.DEFECT}

_logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]
PutState = Callable[[SessionState | Notice], None]


class Session:
    """One login: `open`, keep alive, `close`. Reports every change of its state to `put`, each once.

    `compete` says whether the brokerage session is taken from another program of the same user: `never`, `once` for
    each time this object is opened, or `always`, with pauses of one minute and more between two times. `suppress` are
    ids of prompts that every brokerage session is told not to ask. `chance` spreads the pauses between attempts.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        exchange: str = "ibkr",
        compete: Compete = "never",
        region: Region = "US",
        hold_orders_over_reset: bool = False,
        suppress: tuple[str, ...] = (),
        keep_alive: float = KEEP_ALIVE_SECONDS,
        chance: Random | None = None,
    ) -> None:
        chance = chance or SystemRandom()
        self._client = client
        self._clock = clock
        self._exchange = exchange
        self._compete: Compete = compete
        self._hold = hold_orders_over_reset
        self._suppress = suppress
        self._keep_alive = keep_alive
        self._chance = chance
        self._resets = ResetWatch(clock, region)
        self._openings = Attempts(clock, chance, first=SHORTEST_PAUSE, most=300.0, calm=DOUBT_SECONDS)
        self._takeovers = Attempts(clock, chance, first=60.0, most=900.0, calm=3600.0)
        self._renewals = Attempts(clock, chance, first=300.0, most=1800.0, calm=3600.0)
        self._put: PutState = _nowhere
        self._state = SessionState(exchange=exchange, time=0, ready=False, reason="not opened")
        self._tasks: set[asyncio.Task[None]] = set()
        self._asking = asyncio.Lock()
        self._wake = asyncio.Event()
        self._at_once = False
        self._opening = False
        self._closed = "not opened"
        self._due = 0.0
        self._retry: float | None = None
        self._last_tickle: float | None = None
        self._failures = 0
        self._trouble: Trouble | None = None
        self._why: tuple[Seen, HorizonError, SessionTier] | None = None
        self._said = Seen.NOTHING_YET
        self._last_seen = Seen.NOTHING_YET
        self._in_a_row = 0
        self._hush: ResetWindow | None = None
        self._no_data: Trouble | None = None
        self._doubt: Doubt | None = None
        self._explained: SessionError | None = None
        self._remedied: dict[Doubt, float] = {}
        self._settled: dict[Doubt, float] = {}
        self._held = self._was_open = False
        self._own_old = False
        self._reopen = False
        self._taken = 0
        self._fresh_token = False
        self._ip_unchecked = True
        self._login_type: int | None = None
        self._server: str | None = None
        self.on_established: list[Hook] = []
        """Called in their order when a session that was lost is open again, before it is told to be ready."""
        self.on_renewed: list[Hook] = []
        """Called after each renewal of the token: whatever was opened with the old one has to be opened again."""
        self.accounts: tuple[LoginAccount, ...] = ()
        self.portfolio_accounts: tuple[PortfolioAccount, ...] = ()
        """As read when the session was opened, which is also what opens every other portfolio call."""
        self.selected_account: AccountId | None = None
        self.session_token = ""
        """Opens the venue's websocket: a secret."""

    def __repr__(self) -> str:
        return f"Session({self._client.base_url}, ready={self._state.ready})"

    @property
    def state(self) -> SessionState:
        """How the session stands, as it was last reported."""
        return self._state

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the venue last answered a keep-alive; None before the first."""
        return None if self._last_tickle is None else self._clock.monotonic() - self._last_tickle

    def status(self) -> SessionStatus:
        """Everything a person may want to know about the session now."""
        token = self._client.auth.token()
        return SessionStatus(
            exchange=self._exchange,
            time=self._clock.now(),
            base_url=self._client.base_url,
            signs_in=type(self._client.auth).__name__,
            state=self._state,
            accounts=self.accounts,
            selected_account=self.selected_account,
            server=self._server,
            competing=self._why is not None and self._why[0] is Seen.COMPETING,
            compete=self._compete,
            keep_alive_age=self.keep_alive_age,
            token_expires=token.expires,
            suppressed=self._suppress,
            budget=self._client.limiter.budget(),
            region=self._resets.region,
            window=self._resets.current(),
            next_reset=self._resets.coming(),
        )

    def is_live(self, account_id: AccountId) -> bool | None:
        """Whether an account trades with real money; None when nothing tells.

        Raises ConfigurationError for an account that is not one of this login.
        """
        for account in self.accounts:
            if account.account_id == account_id:
                return account.is_live
        known = ", ".join(account.account_id for account in self.accounts) or "none"
        raise ConfigurationError(f"expected an account of this login ({known}), found {account_id!r}")

    # -- opening and closing -------------------------------------------------------------------------------------

    async def open(self, put: PutState) -> None:
        """Sign in to the brokerage session, read the accounts, and keep both alive from now on.

        Raises NeedsLogin, TokenExpired, Competing or BrokerageSessionDown when the session can't be opened;
        VenueUnavailable when nothing answers; ConfigurationError for a wrong certificate, or when the signs of a live
        and of a paper account contradict each other.
        """
        self._put = put
        self._client.hooks = self
        self._client.limiter.on_penalty = self._penalized
        self._closed = ""
        self._taken = 0
        self._opening = not self._tasks
        try:
            await self._walk(Seen.NOTHING_YET, None)
        finally:
            self._opening = False
            self._tell()
        self._last_tickle = self._clock.monotonic()
        self._plan()
        if not self._tasks:
            self._start(self._keep(), "keep-alive")
            self._start(self._keep_token(), "token")

    async def close(self, *, logout: bool = False) -> None:
        """End both tasks. The login itself stays, unless `logout`: signing in again can need a person."""
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        try:
            if logout:
                await self._client.post("/logout", Message, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT)
        finally:
            self._closed = "closed"
            self._was_open = False
            self._tell()

    # -- what calls run into -------------------------------------------------------------------------------------

    async def prime(self) -> None:
        """Ask for the accounts, which the venue wants before orders, snapshots and account calls."""
        self.selected_account = selected_in(await ask_accounts(self._client))

    async def explain(self, path: str, text: str) -> SessionError:
        """The error of a 401: the brokerage session is down when the sign-in still holds, otherwise a login is due."""
        if not path.startswith("/iserver/"):
            return self._client.signed_out(text)
        try:
            seen, down = self._read_status(await self._ask_status())
        except SessionError as error:
            return error
        except HorizonError:
            return self._client.signed_out(text)
        if seen is Seen.ESTABLISHED:
            self._doubt = Doubt.UNAUTHORIZED
            down = BrokerageSessionDown(f"{path} answered 401 although the session is established: ask again")
        self._explained = down
        return down or self._client.signed_out(text)

    def noticed(self, error: SessionError) -> None:
        """A call found the session down: say so, and let the keep-alive see to it.

        What the keep-alive has found since is more exact than what calls run into, so only news is told.
        """
        if isinstance(error, BrokerageSessionDown) and error is not self._explained:
            self._doubt = Doubt.NO_BRIDGE
        if self._doubt is not None and self._is_recent(self._settled, self._doubt):
            # The remedies were tried, and the status says that all is well: this call has a trouble of its own.
            self._doubt = None
            return
        if self._trouble is None:
            if isinstance(error, BrokerageSessionDown):
                self._found(Seen.NOT_ESTABLISHED, error, SessionTier.BROKERAGE)
            elif isinstance(error, Competing):
                self._found(Seen.COMPETING, error, SessionTier.BROKERAGE)
            else:
                self._found(Seen.SIGNED_OUT, error, SessionTier.GATEWAY)
        self._wake.set()

    def data_seen(self, cause: str, action: str = "") -> None:
        """What the last answers of market data say about it as a whole; no `cause` when it arrives."""
        trouble = Trouble(down=SessionTier.MARKET_DATA, cause=cause, action=action) if cause else None
        if trouble != self._no_data:
            self._no_data = trouble
            self._tell()

    def _penalized(self, seconds: float) -> None:
        """The venue has answered 429, to this process or to another one of this user."""
        until = self._clock.now() + round(seconds * NANOSECONDS)
        error = RateLimited(
            f"the venue answered 429 and takes nothing until {to_datetime(until):%H:%M:%S} UTC: no request is sent "
            f"before, then the session is opened again; ask less often",
            retry_after=seconds,
        )
        self._found(Seen.BLOCKED, error, SessionTier.GATEWAY)
        self._plan()
        self._wake.set()

    def _renewed(self) -> None:
        """The token was renewed before it expired."""
        self._client.renewals += 1
        self._fresh_token = self._at_once = True
        self._own_old = self._held
        self._wake.set()

    # -- the keep-alive ------------------------------------------------------------------------------------------

    def _start(self, work: Coroutine[None, None, None], name: str) -> None:
        self._tasks.add(asyncio.create_task(work, name=f"{self._exchange} {name}"))

    async def _keep(self) -> None:
        """Keep the session alive for ever: whatever one round runs into, the next one comes."""
        while True:
            try:
                await self._pause()
                await self._round()
            except asyncio.CancelledError:
                if _is_ending():
                    raise
                _logger.warning("the keep-alive of %s met a cancel that was not meant for it", self._exchange)
            except Exception as error:
                # A defect, here or in who is told, must not end the keep-alive: unattended, the session would be
                # dead within minutes.
                _logger.exception("the keep-alive of %s met a defect and goes on", self._exchange)
                self._found(Seen.DEFECT, _Defect(error), SessionTier.GATEWAY)
                self._plan()

    async def _keep_token(self) -> None:
        """Let the way of signing in renew its token for as long as the session is open."""
        while True:
            try:
                return await self._client.auth.keep(self._renewed)
            except asyncio.CancelledError:
                if _is_ending():
                    raise
            except Exception:
                _logger.exception("the renewal of the token of %s met a defect and goes on", self._exchange)
            await self._clock.sleep(self._keep_alive)

    async def _pause(self) -> None:
        """Until the next keep-alive or repair is due, a reset begins or ends, or a call found the session down."""
        while not self._is_due():
            try:
                async with self._clock.deadline(self._until_due()):
                    await self._wake.wait()
            except TimeoutError:
                self._judge_trouble()
                self._tell()
                continue
            self._wake.clear()
            if not self._at_once:
                await self._clock.sleep(min(SHORTEST_PAUSE, self._keep_alive))
            self._at_once = False
            if self._client.limiter.closed_for <= 0:
                return

    def _is_due(self) -> bool:
        now = self._clock.monotonic()
        return now >= self._due or (self._retry is not None and now >= self._retry)

    def _until_due(self) -> float:
        now = self._clock.monotonic()
        due = self._due if self._retry is None else min(self._due, self._retry)
        return max(min(due - now, self._resets.until_change()), 0.001)

    def _plan(self) -> None:
        """When the next keep-alive is due: not before a penalty is over."""
        pause = self._keep_alive
        act_until = None if self._trouble is None else self._trouble.act_until
        if act_until is not None and act_until > self._clock.now():
            pause = min(pause, WATCHING_A_PERSON)
        closed = self._client.limiter.closed_for
        if closed > 0:
            pause = closed + self._chance.uniform(1.0, SHORTEST_PAUSE)
            self._retry = None
        self._due = self._clock.monotonic() + pause

    async def _round(self) -> None:
        """One keep-alive, and whatever its answer calls for."""
        self._retry = None
        self._plan()
        if self._client.limiter.closed_for > 0:
            # another process was answered 429
            self._penalized(self._client.limiter.closed_for)
            return
        try:
            if self._fresh_token:
                await self._after_renewal()
            seen, error = await self._tickle()
            if self._reopen and seen is Seen.ESTABLISHED and self._trouble is None:
                self._reopen = False
                for hook in self.on_renewed:
                    await self._guarded(hook)
            if self._doubt is not None or (seen is Seen.ESTABLISHED and self._trouble is not None):
                seen, error = Seen.NOTHING_YET, None
            if seen is not Seen.ESTABLISHED:
                await self._walk(seen, error)
        except HorizonError as stopped:
            _logger.debug("a round of %s ended: %s", self._exchange, stopped)
        finally:
            self._plan()
            self._tell()

    async def _after_renewal(self) -> None:
        """The venue may take our session of the old token for a competitor."""
        self._fresh_token = False
        self._ip_unchecked = self._reopen = True
        try:
            await self._walk(Seen.NOTHING_YET, None)
        finally:
            self._own_old = False

    async def _tickle(self) -> tuple[Seen, HorizonError | None]:
        try:
            answer = await self._client.post("/tickle", Tickle, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT)
        except HorizonError as error:
            self._failures += 1
            return self._seen_in(error), error
        self._last_tickle = self._clock.monotonic()
        self._failures = 0
        self.session_token = answer.session or self.session_token
        # `hmds: no bridge` beside it is normal and means nothing.
        status = answer.iserver.authStatus if answer.iserver is not None else None
        return (Seen.ESTABLISHED, None) if status is None else self._read_status(status)

    # -- the walk through the table ------------------------------------------------------------------------------

    async def _walk(self, seen: Seen, error: HorizonError | None) -> None:
        """Follow the table until the session is up. Raises what stands in the way, after telling it."""
        standing = self._standing()
        for _ in range(_MOST_STEPS):
            if seen is Seen.NOT_ACTIVE:
                error = _not_active()
            row = judge(seen, standing)
            own = row.action is Action.TAKE_OVER and standing.ours
            if row.down is not None and error is not None and not own:
                self._found(seen, error, row.down)
            match row.action:
                case Action.GO_ON:
                    if self._is_whole and standing.inits == 0:
                        return
                    self._doubt = None
                    try:
                        await self._settle_in()
                    except HorizonError as stopped:
                        seen, error = self._seen_in(stopped), stopped
                    else:
                        return self._is_up(standing)
                case Action.WAIT:
                    raise error or BrokerageSessionDown("the session is not open: it is tried again by itself")
                case Action.ASK:
                    if standing.inits and standing.asked > 1:
                        await self._clock.sleep(BETWEEN_ATTEMPTS)
                    seen, error, connected = await self._asked()
                    standing = msgspec.structs.replace(standing, asked=standing.asked + 1, connected=connected)
                case Action.INIT | Action.TAKE_OVER:
                    take = row.action is Action.TAKE_OVER
                    if not standing.ours:
                        await self._until_opening_is_due(error)
                        self._taken += take
                    seen, error = await self._init(take=take, connected=standing.connected)
                    standing = msgspec.structs.replace(
                        standing, inits=standing.inits + 1, took=standing.took or take, taken=self._taken
                    )
                case Action.RENEW:
                    seen, error, fresh = await self._renew(seen, error)
                    standing = msgspec.structs.replace(
                        standing,
                        renewed=True,
                        ours=standing.ours or (fresh and self._held),
                        doubt=None if fresh else standing.doubt,
                        asked=0 if fresh else standing.asked,
                        inits=0 if fresh else standing.inits,
                    )
        raise BrokerageSessionDown("the session did not come up in a bounded number of steps: it is tried again")

    def _standing(self) -> Standing:
        return Standing(
            doubt=self._doubt,
            recently_opened=self._doubt is not None and self._is_recent(self._remedied, self._doubt),
            compete=self._compete,
            ours=self._own_old,
            taken=self._taken,
            may_take=self._takeovers.is_due,
            person_signs_in=self._client.auth.person_signs_in,
        )

    async def _asked(self) -> tuple[Seen, HorizonError | None, bool]:
        try:
            status = await self._ask_status()
        except HorizonError as error:
            return self._seen_in(error), error, False
        return (*self._read_status(status), bool(status.authenticated or status.connected))

    async def _ask_status(self) -> AuthStatus:
        async with self._asking:
            return await self._client.post(
                "/iserver/auth/status", AuthStatus, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT
            )

    async def _until_opening_is_due(self, error: HorizonError | None) -> None:
        """Not too often: somebody who opens waits here, the keep-alive comes back."""
        wait = self._openings.wait
        if self._opening:
            await self._clock.sleep(wait)
        elif wait > 0:
            self._retry = self._clock.monotonic() + wait
            raise error or BrokerageSessionDown("the brokerage session was opened just now: it is tried again soon")

    async def _init(self, *, take: bool, connected: bool) -> tuple[Seen, HorizonError | None]:
        self._openings.make()
        if take:
            self._takeovers.make()
        if self._doubt is not None:
            self._remedied[self._doubt] = self._clock.monotonic()
        try:
            status = await self._client.post(
                "/iserver/auth/ssodh/init",
                AuthStatus,
                body={"publish": True, "compete": take},
                priority=Priority.KEEPALIVE,
            )
        except (SessionError, RateLimited) as error:
            return self._seen_in(error), error
        except (VenueError, VenueUnavailable) as error:
            if not connected:
                return Seen.INIT_FAILED, self._client.signed_out("no session")
            return Seen.INIT_FAILED, BrokerageSessionDown(
                f"the brokerage session could not be opened ({error}): it is tried again by itself"
            )
        # Some builds say established here before it is so: only the status is believed.
        return self._read_status(status) if status.competing else (Seen.NOTHING_YET, None)

    async def _renew(self, seen: Seen, error: HorizonError | None) -> tuple[Seen, HorizonError | None, bool]:
        """Have the token renewed. The last says whether there is a newer one."""
        if not self._opening and not self._renewals.is_due:
            self._retry = self._clock.monotonic() + self._renewals.wait
            raise error or BrokerageSessionDown("the token was renewed just now: it is tried again by itself")
        self._renewals.make()
        try:
            fresh = await self._client.auth.renew(self._client.refused)
        except HorizonError as stopped:
            return self._seen_in(stopped), stopped, False
        if not fresh:
            return seen, error, False
        self._client.renewals += 1
        self._ip_unchecked = self._reopen = True
        return Seen.NOTHING_YET, None, True

    async def _settle_in(self) -> None:
        """What every brokerage session has to be told and asked, and what a session that was lost has missed."""
        login = await read_login(self._client, self._read_login_type)
        self.accounts, self.portfolio_accounts = login.accounts, login.portfolio
        self.selected_account = login.selected
        await self._check_ip()
        if self._suppress:
            await self._client.post(
                "/iserver/questions/suppress",
                Message,
                body={"messageIds": list(self._suppress)},
                priority=Priority.KEEPALIVE,
            )
        for hook in self.on_established if self._was_open else ():
            await self._guarded(hook)
        if self._doubt is not None:
            raise BrokerageSessionDown("the brokerage session was lost again: it is opened again by itself")

    async def _guarded(self, hook: Hook) -> None:
        """Call a hook. One that fails is told, and does not keep the session from being used."""
        try:
            async with self._clock.deadline(HOOK_SECONDS):
                await hook()
        except (HorizonError, TimeoutError) as error:
            text = str(error) or f"no end in {HOOK_SECONDS:.0f} s"
        except Exception as error:
            _logger.exception("a defect in what follows a new session of %s", self._exchange)
            text = f"a defect ({type(error).__name__}), see the log"
        else:
            return
        self._notice(NoticeLevel.WARNING, f"the session is open again, but not everything could be restored: {text}")

    async def _read_login_type(self) -> int | None:
        """1 live, 2 paper. Not every way of signing in can tell: None then."""
        if self._login_type is None:
            validation = await self._validate()
            if validation is not None:
                self._login_type = validation.loginType if validation.LOGIN_TYPE is None else validation.LOGIN_TYPE
        return self._login_type

    async def _check_ip(self) -> None:
        """Have the address that the venue saw compared with the one that was configured."""
        auth = self._client.auth
        if self._ip_unchecked and isinstance(auth, ChecksIp):
            validation = await self._validate()
            self._ip_unchecked = False
            if validation is not None and validation.IP:
                auth.check_ip(validation.IP)

    async def _validate(self) -> SsoValidation | None:
        # The check is allowed once a minute: a program that is started twice would be penalised for it.
        try:
            return await self._client.get(
                "/sso/validate", SsoValidation, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT
            )
        except (VenueError, VenueUnavailable, SessionError) as error:
            _logger.debug("the sign-in could not be validated: %s", error)
            return None

    # -- reading -------------------------------------------------------------------------------------------------

    def _seen_in(self, error: HorizonError) -> Seen:
        if _NOT_ACTIVE in str(error):
            return Seen.NOT_ACTIVE
        if isinstance(error, Competing):
            return Seen.COMPETING
        if isinstance(error, BrokerageSessionDown):
            return Seen.NO_ACCOUNTS
        if isinstance(error, SessionError):
            return Seen.SIGNED_OUT if self._client.auth.token().valid else Seen.NO_TOKEN
        if isinstance(error, RateLimited):
            return Seen.BLOCKED if self._client.limiter.closed_for > 0 else Seen.NO_ANSWER
        if isinstance(error, VenueUnavailable):
            return Seen.NO_ANSWER
        if isinstance(error, WireError):
            return Seen.UNREADABLE
        return Seen.MISCONFIGURED if isinstance(error, ConfigurationError) else Seen.REFUSED

    def _read_status(self, status: AuthStatus) -> tuple[Seen, SessionError | None]:
        """What a status says, and what keeps orders from being sent by it."""
        if status.serverInfo is not None and status.serverInfo.serverName:
            self._server = status.serverInfo.serverName
        said = status.fail or status.message
        because = f" (it says: {said})" if said else ""
        if status.competing:
            return Seen.COMPETING, Competing(
                f"another program of the same user holds the brokerage session{because}: close it (TWS, the mobile "
                f'app, another gateway), or open with compete="once" or "always" to take the session away from it'
            )
        # A build of 2023 does not say established: there, authenticated counts.
        established = status.authenticated if status.established is None else status.established
        missing = [
            name
            for name, holds in (
                ("authenticated", status.authenticated),
                ("connected", status.connected),
                ("established", established),
            )
            if not holds
        ]
        if not missing:
            return Seen.ESTABLISHED, None
        seen = Seen.NOT_ESTABLISHED if status.authenticated or status.connected else Seen.NOT_CONNECTED
        return seen, BrokerageSessionDown(
            f"the brokerage session is not {' and not '.join(missing)}{because}: it is opened again by itself; if that "
            f"lasts, sign in again at {self._client.base_url}"
        )

    # -- telling -------------------------------------------------------------------------------------------------

    @property
    def _is_whole(self) -> bool:
        return self._was_open and self._held and self._trouble is None

    def _is_up(self, standing: Standing) -> None:
        if self._trouble is not None:
            self._resets.returned()
        if standing.doubt is not None and standing.recently_opened:
            self._settled[standing.doubt] = self._clock.monotonic()
        self._trouble = self._why = self._hush = self._doubt = None
        self._failures = self._in_a_row = 0
        self._held = self._was_open = True
        self._tell()

    def _found(self, seen: Seen, error: HorizonError, down: SessionTier) -> None:
        """Something is wrong. Told when it is news: not for one lost keep-alive, and in a reset not each time."""
        self._in_a_row = self._in_a_row + 1 if self._last_seen is seen else 1
        self._last_seen = seen
        if seen in _LOST:
            self._held = False
        if seen in _VAGUE and self._trouble is None and self._failures == 1:
            _logger.info("a keep-alive of %s failed and is repeated: %s", self._exchange, error)
            if self._resets.hushing(grace=True) is None:
                self._retry = self._clock.monotonic() + min(SHORTEST_PAUSE, self._keep_alive)
            return
        if seen in _VAGUE and self._trouble is not None and self._hush is None and self._in_a_row < 2:
            # Two kinds of failure by turns are one trouble: the one that says more stands.
            return
        self._why = (seen, error, down)
        self._judge_trouble()

    def _judge_trouble(self) -> None:
        """Say what is wrong, as the clock allows: a reset explains much while it lasts, and nothing once it is over."""
        if self._why is None:
            return
        seen, error, down = self._why
        window = self._explaining(seen)
        if window is not None:
            if self._trouble is None or self._hush is not None:
                known = self._trouble or Trouble(
                    down=down, cause="", action="it is expected, and tried again until it is over"
                )
                self._hush, self._said = window, Seen.NOTHING_YET
                self._trouble = msgspec.structs.replace(known, cause=f"IBKR resets its servers: {window}")
            return self._tell()
        ended, self._hush = self._hush, None
        trouble = trouble_of(error, down)
        old = self._trouble
        if ended is None and old is not None and self._said is seen and _gist(old) == _gist(trouble):
            return self._tell()
        self._said, self._trouble = seen, trouble
        self._tell()
        if ended is not None and self._clock.now() >= ended.end:
            minutes = (self._clock.now() - ended.end) / NANOSECONDS / 60
            self._notice(
                NoticeLevel.ERROR, f"{ended} is over for {minutes:.0f} min, and the session is not back: {error}"
            )

    def _explaining(self, seen: Seen) -> ResetWindow | None:
        """The reset that a lost session is put down to; None when it has a cause of its own."""
        if seen not in _OF_A_RESET:
            return None
        signed_out = seen is Seen.SIGNED_OUT and self._client.auth.person_signs_in
        if signed_out and self._resets.ends_sign_in():
            return None
        return self._resets.hushing(grace=not signed_out)

    def _tell(self) -> None:
        """Tell the state when it is news. Who is told can't break the session."""
        if self._opening:
            return
        refusing = self._resets.refusing()
        what = "held until it is over" if self._hold else "refused until it is over, or the session was reset"
        picture = Picture(
            trouble=self._trouble,
            token=self._client.auth.token(),
            no_data=self._no_data,
            refusing=f"IBKR resets its servers, {refusing}: new orders are {what}, cancels pass" if refusing else "",
            holding=self._hold and (refusing is not None or self._hush is not None),
            closed=self._closed,
        )
        state = report(self._exchange, self._clock.now(), picture, self._state)
        if not is_news(state, self._state):
            return
        self._state = state
        _logger.info("%s is %s", self._exchange, "ready" if state.ready else f"not ready: {state.reason}")
        self._put_safely(state)

    def _notice(self, level: NoticeLevel, text: str) -> None:
        self._put_safely(Notice(exchange=self._exchange, time=self._clock.now(), level=level, text=text))

    def _put_safely(self, event: SessionState | Notice) -> None:
        try:
            self._put(event)
        except Exception:
            _logger.exception("who is told about the session of %s failed", self._exchange)

    def _is_recent(self, times: Mapping[Doubt, float], doubt: Doubt) -> bool:
        return doubt in times and self._clock.monotonic() - times[doubt] < DOUBT_SECONDS


class _Defect(HorizonError):
    """An error of our own, as a trouble to tell."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the keep-alive met a defect ({type(error).__name__}): see the log")


def _not_active() -> ConfigurationError:
    return ConfigurationError(
        "the consumer key is not active yet (id 39687, invalid consumer): a new one works after one of the nightly "
        "resets, at the latest after two weeks; start again then"
    )


def _gist(trouble: Trouble) -> tuple[SessionTier, str, int | None]:
    """What makes a trouble another one: other words for the same are no news."""
    return trouble.down, trouble.action, trouble.act_until


def _is_ending() -> bool:
    """Whether this task is being cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _nowhere(event: SessionState | Notice) -> None:
    """Nobody has asked yet."""
