"""The session with Interactive Brokers: opened in the venue's order, kept alive, and reported tier by tier.

What is seen, what it means and what is done about it is the table in `session_table`; `session_repair` walks through
it, `session_teller` tells what was found, and here is the clockwork. Two tasks belong to an open session: the
keep-alive, which nothing but `close` ends, and the renewal of the token.
"""

import asyncio
import logging
from collections.abc import Coroutine
from random import Random
from secrets import SystemRandom
from typing import Final

import msgspec

from exchanges.ibkr.brokerage_status import SHORT_TIMEOUT
from exchanges.ibkr.client import Client
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.resets import Region
from exchanges.ibkr.session_accounts import LoginAccount, ask_accounts, is_live, selected_in
from exchanges.ibkr.session_note import SessionNotes
from exchanges.ibkr.session_repair import SHORTEST_PAUSE, Hook, Repair
from exchanges.ibkr.session_report import SessionStatus
from exchanges.ibkr.session_table import Compete, Doubt, Seen
from exchanges.ibkr.session_teller import VAGUE, PutState, Teller
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.session import Message, Tickle
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    HorizonError,
    RateLimited,
    SessionError,
)
from horizon.model import AccountId, Notice, SessionState
from horizon.net.rates import Priority

__all__ = ["KEEP_ALIVE_SECONDS", "SHORTEST_PAUSE", "LoginAccount", "Session", "SessionStatus", "is_live"]

KEEP_ALIVE_SECONDS: Final = 60.0
"""The brokerage session ends after five to six minutes without a request."""
WATCHING_A_PERSON: Final = 10.0
"""Seconds between two looks while somebody is about to approve a sign-in."""
_SHORTEST_WAIT: Final = 0.001

_logger = logging.getLogger(__name__)


class Session:
    """One login: `open`, keep alive, `close`. Reports every change of its state to `put`, each once, and with a notice
    what could not be restored and what takes too long.

    `compete` says whether the brokerage session is taken from another program of the same user: `never`, `once` for
    each time this object is opened, or `always`, with pauses of one minute and more between two times. `suppress` are
    ids of prompts that every brokerage session is told not to ask. `chance` spreads the pauses between attempts.
    `notes` is where word is left for whoever looks at the session from another program.
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
        notes: SessionNotes | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._exchange = exchange
        self._compete: Compete = compete
        self._suppress = suppress
        self._keep_alive = keep_alive
        self._notes = notes
        self._chance = chance or SystemRandom()
        self._resets = ResetWatch(clock, region)
        self._teller = Teller(
            exchange,
            clock,
            self._resets,
            client.auth.token,
            person_signs_in=client.auth.person_signs_in,
            hold=hold_orders_over_reset,
        )
        self._repair = Repair(
            client,
            clock,
            self._teller,
            self._resets,
            exchange=exchange,
            compete=compete,
            suppress=suppress,
            chance=self._chance,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._due = 0.0
        self._at_once = self._fresh_token = False
        self._last_tickle: float | None = None
        self._failures = 0
        self._explained: SessionError | None = None
        self.on_renewed: list[Hook] = []
        """Called after each renewal of the token: whatever was opened with the old one has to be opened again."""
        self.session_token = ""
        """Opens the venue's websocket: a secret."""

    def __repr__(self) -> str:
        return f"Session({self._client.base_url}, ready={self.state.ready})"

    @property
    def state(self) -> SessionState:
        """How the session stands, as it was last reported."""
        return self._teller.state

    @property
    def region(self) -> Region:
        """Whose nightly resets apply."""
        return self._resets.region

    @property
    def on_established(self) -> list[Hook]:
        """Called in their order when a session that was lost is open again, before it is told to be ready."""
        return self._repair.on_established

    @property
    def accounts(self) -> tuple[LoginAccount, ...]:
        """The accounts of the login; none before it is open."""
        return self._repair.login.accounts

    @property
    def portfolio_accounts(self) -> tuple[PortfolioAccount, ...]:
        """As read when the session was opened, which is also what opens every other portfolio call."""
        return self._repair.login.portfolio

    @property
    def selected_account(self) -> AccountId | None:
        """The account that order and trade reads are about; None when that is not known."""
        return self._repair.login.selected

    @selected_account.setter
    def selected_account(self, account_id: AccountId | None) -> None:
        self._repair.login = msgspec.structs.replace(self._repair.login, selected=account_id)

    @property
    def keep_alive_age(self) -> float | None:
        """Seconds since the venue last answered a keep-alive; None before the first."""
        return None if self._last_tickle is None else self._clock.monotonic() - self._last_tickle

    def status(self) -> SessionStatus:
        """Everything a person may want to know about the session now."""
        return SessionStatus(
            exchange=self._exchange,
            time=self._clock.now(),
            base_url=self._client.base_url,
            signs_in=type(self._client.auth).__name__,
            state=self.state,
            accounts=self.accounts,
            selected_account=self.selected_account,
            server=self._repair.status.server,
            competing=self._teller.is_competing,
            compete=self._compete,
            keep_alive_age=self.keep_alive_age,
            token_expires=self._client.auth.token().expires,
            suppressed=self._suppress,
            budget=self._client.limiter.budget(),
            region=self.region,
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
        self._teller.put = self._and_noted(put)
        if self._tasks:
            return
        self._client.hooks = self
        self._client.limiter.on_penalty = self._penalized
        self._teller.closed = ""
        self._teller.quiet = self._repair.opening = True
        try:
            await self._repair.walk(Seen.NOTHING_YET, None)
        finally:
            self._teller.quiet = self._repair.opening = False
            self._teller.tell()
        self._last_tickle = self._clock.monotonic()
        self._repair.reopen = False
        self._note(self.state)
        self._plan()
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
                await self._client.post("/logout", Message, priority=Priority.KEEPALIVE, timeout=SHORT_TIMEOUT)
        finally:
            self._repair.forget()
            self._teller.closed = "closed"
            self._teller.tell()

    def _and_noted(self, put: PutState) -> PutState:
        """Tell, and leave word of each change."""

        def noted(event: SessionState | Notice) -> None:
            if isinstance(event, SessionState):
                self._note(event)
            put(event)

        return noted

    def _note(self, state: SessionState) -> None:
        if self._notes is None:
            return
        if not state.tiers:
            self._notes.remove()
            return
        self._notes.write(
            now=self._clock.now(),
            keep_alive_age=self.keep_alive_age,
            token_expires=self._client.auth.token().expires,
            state=state,
        )

    # -- what calls run into -------------------------------------------------------------------------------------

    async def prime(self) -> None:
        """Ask for the accounts, which the venue wants before orders, snapshots and account calls."""
        self.selected_account = selected_in(await ask_accounts(self._client))

    async def explain(self, path: str, text: str) -> SessionError:
        """The error of a 401: the brokerage session is down when the sign-in still holds, otherwise a login is due."""
        if not path.startswith("/iserver/"):
            return self._client.signed_out(text)
        try:
            seen, down, _ = await self._repair.status.ask()
        except SessionError as error:
            return error
        except HorizonError:
            return self._client.signed_out(text)
        if seen is Seen.ESTABLISHED:
            self._repair.doubt = Doubt.UNAUTHORIZED
            down = BrokerageSessionDown(f"{path} answered 401 although the session is established: ask again")
        self._explained = down
        return down or self._client.signed_out(text)

    def noticed(self, error: SessionError) -> None:
        """A call found the session down: say so, and let the keep-alive see to it.

        What the keep-alive has found since is more exact than what calls run into, so only news is told.
        """
        repair = self._repair
        lost = isinstance(error, BrokerageSessionDown)
        if lost and error is not self._explained:
            repair.doubt = Doubt.NO_BRIDGE
        if repair.doubt is not None and repair.is_settled(repair.doubt):
            # This call has a trouble of its own.
            repair.doubt = None
            return
        if self._teller.trouble is None:
            other = Seen.COMPETING if isinstance(error, Competing) else Seen.SIGNED_OUT
            repair.found(Seen.NOT_ESTABLISHED if lost else other, error)
        self._wake.set()

    def data_seen(self, cause: str, action: str = "") -> None:
        """What the last answers of market data say about it as a whole; no `cause` when it arrives."""
        self._teller.data_seen(cause, action)

    def _penalized(self, seconds: float) -> None:
        """The venue has answered 429, to this process or to another one of this user."""
        until = self._clock.now() + round(seconds * NANOSECONDS)
        error = RateLimited(
            f"the venue answered 429 and takes nothing until {to_datetime(until):%H:%M:%S} UTC: no request is sent "
            f"before, then the session is opened again; ask less often",
            retry_after=seconds,
        )
        self._repair.found(Seen.BLOCKED, error)
        self._plan()
        self._wake.set()

    def _renewed(self) -> None:
        """The token was renewed before it expired."""
        self._client.renewals += 1
        self._fresh_token = self._at_once = True
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
                self._due = self._clock.monotonic() + self._keep_alive
                self._tell_defect(error)

    async def _keep_token(self) -> None:
        """Let the way of signing in renew its token for as long as the session is open."""
        while True:
            try:
                return await self._client.auth.keep(self._renewed)
            except asyncio.CancelledError:
                if _is_ending():
                    raise
                _logger.warning("the renewal of %s met a cancel that was not meant for it", self._exchange)
            except Exception:
                _logger.exception("the renewal of the token of %s met a defect and goes on", self._exchange)
            await self._clock.sleep(self._keep_alive)

    def _tell_defect(self, error: Exception) -> None:
        try:
            self._repair.found(Seen.DEFECT, _Defect(error))
        except Exception:
            _logger.exception("the state of %s could not be told", self._exchange)

    async def _pause(self) -> None:
        """Until the next keep-alive or repair is due, or a call found the session down; resets are told meanwhile."""
        while (wait := self._until_due()) > 0:
            try:
                async with self._clock.deadline(max(min(wait, self._resets.until_change()), _SHORTEST_WAIT)):
                    await self._wake.wait()
            except TimeoutError:
                self._teller.judge_again()
                continue
            self._wake.clear()
            if not self._at_once:
                await self._clock.sleep(min(SHORTEST_PAUSE, self._keep_alive))
            self._at_once = False
            if self._client.limiter.closed_for <= 0:
                return

    def _until_due(self) -> float:
        retry = self._repair.retry
        due = self._due if retry is None else min(self._due, retry)
        return due - self._clock.monotonic()

    def _plan(self) -> None:
        """When the next keep-alive is due: not before a penalty is over."""
        pause = self._keep_alive
        trouble = self._teller.trouble
        if trouble is not None and trouble.act_until is not None and trouble.act_until > self._clock.now():
            pause = min(pause, WATCHING_A_PERSON)
        closed = self._client.limiter.closed_for
        if closed > 0:
            pause = closed + self._chance.uniform(1.0, SHORTEST_PAUSE)
            self._repair.retry = None
        self._due = self._clock.monotonic() + pause

    async def _round(self) -> None:
        """One keep-alive, and whatever its answer calls for."""
        repair = self._repair
        repair.retry = None
        self._plan()
        if self._client.limiter.closed_for > 0:
            return
        try:
            if self._fresh_token:
                self._fresh_token = False
                await repair.after_renewal()
            seen, error = await self._tickle()
            is_first = seen in VAGUE and self._failures == 1 and self._teller.trouble is None
            if error is not None and is_first:
                return self._failed_once(error)
            if repair.doubt is not None or (seen is Seen.ESTABLISHED and self._teller.trouble is not None):
                seen, error = Seen.NOTHING_YET, None
            if seen is not Seen.ESTABLISHED:
                await repair.walk(seen, error)
            if repair.reopen:
                repair.reopen = False
                for hook in self.on_renewed:
                    await repair.guarded(hook)
        except HorizonError as stopped:
            _logger.debug("a round of %s ended: %s", self._exchange, stopped)
        finally:
            self._plan()
            self._teller.tell()
            self._note(self.state)

    def _failed_once(self, error: HorizonError) -> None:
        """One lost keep-alive says nothing about the session: ask again soon, in a reset in time."""
        _logger.info("a keep-alive of %s failed and is repeated: %s", self._exchange, error)
        if self._resets.hushing(grace=True) is None:
            self._repair.retry = self._clock.monotonic() + min(SHORTEST_PAUSE, self._keep_alive)

    async def _tickle(self) -> tuple[Seen, HorizonError | None]:
        try:
            answer = await self._client.post("/tickle", Tickle, priority=Priority.KEEPALIVE, timeout=SHORT_TIMEOUT)
        except HorizonError as error:
            self._failures += 1
            return self._repair.seen_in(error), error
        self._last_tickle = self._clock.monotonic()
        self._failures = 0
        self.session_token = answer.session or self.session_token
        # `hmds: no bridge` beside it is normal and means nothing.
        status = answer.iserver.authStatus if answer.iserver is not None else None
        return (Seen.ESTABLISHED, None) if status is None else self._repair.status.read(status)


class _Defect(HorizonError):
    """An error of our own, as a trouble to tell."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"the keep-alive met a defect ({type(error).__name__}): see the log")


def _is_ending() -> bool:
    """Whether this task is being cancelled, and not only something that it waited for."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
