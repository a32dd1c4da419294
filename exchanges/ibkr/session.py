"""The session with Interactive Brokers: opened in the venue's order, kept alive, and reported tier by tier.

There are two tiers (reference, section 1.1). The outer sign-in is needed for anything at all; the brokerage session is
needed for every `/iserver` call: orders, their answers, market data. One user name has one brokerage session.

| seen                                                  | tier down | error                      | done here           |
|-------------------------------------------------------|-----------|----------------------------|---------------------|
| no answer, 5xx, twice in a row                        | gateway   | VenueUnavailable           | asked again         |
| 401, "not authenticated", "no session", a login page  | gateway   | NeedsLogin or TokenExpired | asked again         |
| competing                                             | brokerage | Competing                  | as below, if wanted |
| not authenticated, or connected and not established   | brokerage | BrokerageSessionDown       | `ssodh/init`        |
| "no bridge"                                           | brokerage | BrokerageSessionDown       | `ssodh/init`        |
| not authenticated, not connected, `ssodh/init` fails  | gateway   | NeedsLogin or TokenExpired | asked again         |
| authenticated, established, connected, not competing  | none: ready | none                     | accounts are read   |

A build of 2023 does not say `established`: there, authenticated counts as established.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Final

import msgspec

from exchanges.ibkr.client import Client
from exchanges.ibkr.wire.accounts import BrokerageAccounts, PortfolioAccount
from exchanges.ibkr.wire.session import AuthStatus, Message, SsoValidation, Tickle
from horizon.clock import Clock
from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    HorizonError,
    SessionError,
    VenueError,
    VenueUnavailable,
)
from horizon.model import AccountId, SessionState, SessionTier, TierState
from horizon.net.rates import Priority

KEEP_ALIVE_SECONDS: Final = 60.0
"""The brokerage session ends after five to six minutes without a request."""
ATTEMPTS: Final = 8
"""How often the status is asked while a session that was just opened is not yet established."""
BETWEEN_ATTEMPTS: Final = 1.5
SHORTEST_PAUSE: Final = 5.0
"""Seconds between two attempts to restore a session, however often calls find it down."""
_SHORT_TIMEOUT: Final = 10.0
_LIVE_LOGIN, _PAPER_LOGIN = 1, 2

_logger = logging.getLogger(__name__)


class LoginAccount(msgspec.Struct, frozen=True):
    """One account of the login."""

    account_id: AccountId
    is_live: bool | None
    """None when nothing tells: such an account is not traded without being asked for."""


class Session:
    """One login: `open`, keep alive, `close`. Reports every change of its state to `put`.

    `compete` takes the brokerage session away from another program of the same user; it is off unless asked for.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        exchange: str = "ibkr",
        compete: bool = False,
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        self._client = client
        self._clock = clock
        self._exchange = exchange
        self._compete = compete
        self._keep_alive = keep_alive
        self._put: Callable[[SessionState], None] = _nowhere
        self._state = SessionState(exchange=exchange, time=0, ready=False, reason="not opened")
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._asking = asyncio.Lock()
        self._last_tickle: float | None = None
        self._failures = 0
        self._login_type: int | None = None
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

    def is_live(self, account_id: AccountId) -> bool | None:
        """Whether an account trades with real money; None when nothing tells.

        Raises ConfigurationError for an account that is not one of this login.
        """
        for account in self.accounts:
            if account.account_id == account_id:
                return account.is_live
        known = ", ".join(account.account_id for account in self.accounts) or "none"
        raise ConfigurationError(f"expected an account of this login ({known}), found {account_id!r}")

    async def open(self, put: Callable[[SessionState], None]) -> None:
        """Sign in to the brokerage session, read the accounts, and keep both alive from now on.

        Raises NeedsLogin, TokenExpired, Competing or BrokerageSessionDown when the session can't be opened;
        VenueUnavailable when nothing answers; ConfigurationError for a wrong certificate, or when the signs of a live
        and of a paper account contradict each other.
        """
        self._put = put
        self._client.hooks = self
        try:
            await self._establish()
            await self._read_accounts()
        except HorizonError as error:
            self._report(error)
            raise
        self._report(None)
        self._last_tickle = self._clock.monotonic()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name=f"{self._exchange} keep-alive")

    async def close(self, *, logout: bool = False) -> None:
        """Stop the keep-alive. The login itself stays, unless `logout`: signing in again can need a person."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        try:
            if logout:
                await self._client.post("/logout", Message, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT)
        finally:
            self._emit((), False, "closed")

    async def prime(self) -> None:
        """Ask for the accounts, which the venue wants before orders, snapshots and account calls."""
        await self._brokerage_accounts()

    async def explain(self, path: str, text: str) -> SessionError:
        """The error of a 401: the brokerage session is down when the sign-in still holds, otherwise a login is due."""
        if not path.startswith("/iserver/"):
            return self._client.signed_out(text)
        try:
            down = self._gate(await self._status())
        except SessionError as error:
            return error
        except HorizonError:
            return self._client.signed_out(text)
        return down or BrokerageSessionDown(f"{path} answered 401 although the session is established: ask again")

    def noticed(self, error: SessionError) -> None:
        """A call found the session down: say so, and let the keep-alive see to it.

        What the keep-alive has found since is more exact than what calls run into, so only news is told.
        """
        if self._state.ready:
            self._report(error)
        self._wake.set()

    async def _establish(self) -> None:
        """Get past the gate: authenticated, established, connected, not competing."""
        status = await self._status()
        down = self._gate(status)
        if down is None or (isinstance(down, Competing) and not self._compete):
            return _raise(down)
        opened = await self._open_brokerage(status)
        if opened.competing and not self._compete:
            _raise(self._gate(opened))
        for attempt in range(ATTEMPTS):
            if attempt:
                await self._clock.sleep(BETWEEN_ATTEMPTS)
            # The answer of ssodh/init is not the gate: some builds say established there before it is so.
            down = self._gate(await self._status())
            if down is None or (isinstance(down, Competing) and not self._compete):
                return _raise(down)
        return _raise(down)

    async def _open_brokerage(self, status: AuthStatus) -> AuthStatus:
        try:
            return await self._client.post(
                "/iserver/auth/ssodh/init",
                AuthStatus,
                body={"publish": True, "compete": self._compete},
                priority=Priority.KEEPALIVE,
            )
        except (VenueError, VenueUnavailable) as error:
            if status.authenticated or status.connected:
                raise
            raise self._client.signed_out(f"{status.fail or status.message or 'no session'}") from error

    async def _status(self) -> AuthStatus:
        async with self._asking:
            return await self._client.post(
                "/iserver/auth/status", AuthStatus, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT
            )

    def _gate(self, status: AuthStatus) -> SessionError | None:
        """What keeps orders from being sent; None when nothing does."""
        said = status.fail or status.message
        because = f" (it says: {said})" if said else ""
        if status.competing:
            return Competing(
                f"another program of the same user holds the brokerage session{because}: close it (TWS, the mobile "
                f"app, another gateway), or open with compete=True to take the session away from it"
            )
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
            return None
        return BrokerageSessionDown(
            f"the brokerage session is not {' and not '.join(missing)}{because}: it is opened again by itself; if that "
            f"lasts, sign in again at {self._client.base_url}"
        )

    async def _read_accounts(self) -> None:
        brokerage = await self._brokerage_accounts()
        rows = await self._client.get("/portfolio/accounts", list[PortfolioAccount], priority=Priority.KEEPALIVE)
        self.portfolio_accounts = tuple(rows)
        if brokerage.isPaper is None:
            # The check is allowed once a minute: a program that is started twice would be penalised for it.
            self._login_type = await self._read_login_type()
        groups = {"All", *(group for group in (*brokerage.groups, *brokerage.profiles) if isinstance(group, str))}
        self.accounts = tuple(
            LoginAccount(AccountId(name), is_live(name, is_paper=brokerage.isPaper, login_type=self._login_type))
            for name in brokerage.accounts
            if name not in groups
        )
        if not self.accounts:
            raise BrokerageSessionDown("the venue lists no account for this login yet: ask again in a minute")

    async def _brokerage_accounts(self) -> BrokerageAccounts:
        answer = await self._client.get("/iserver/accounts", BrokerageAccounts, priority=Priority.KEEPALIVE)
        self.selected_account = AccountId(answer.selectedAccount) if answer.selectedAccount else None
        return answer

    async def _read_login_type(self) -> int | None:
        """1 live, 2 paper. Not every way of signing in can tell: None then."""
        if self._login_type is not None:
            return self._login_type
        try:
            validation = await self._client.get(
                "/sso/validate", SsoValidation, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT
            )
        except (VenueError, VenueUnavailable, SessionError) as error:
            _logger.debug("the login type is not known: %s", error)
            return None
        return validation.LOGIN_TYPE if validation.LOGIN_TYPE is not None else validation.loginType

    async def _keep(self) -> None:
        """Keep the session alive for ever: whatever one round runs into, the next one comes."""
        while True:
            await self._pause()
            try:
                await self._round()
            except Exception as error:
                # A defect, here or in who is told, must not end the keep-alive: unattended, the session would be
                # dead within minutes.
                _logger.exception("the keep-alive of %s met a defect and goes on", self._exchange)
                self._tell_defect(error)

    async def _round(self) -> None:
        try:
            await self._tickle()
        except HorizonError as error:
            self._failures += 1
            if isinstance(error, SessionError) or self._failures > 1:
                self._report(error)
            else:
                # One lost keep-alive says nothing about the session: ask again soon.
                _logger.info("a keep-alive of %s failed and is repeated: %s", self._exchange, error)
                self._wake.set()

    def _tell_defect(self, error: Exception) -> None:
        try:
            self._emit(self._state.tiers, False, f"the keep-alive met a defect ({type(error).__name__}): see the log")
        except Exception:
            _logger.exception("the state of %s could not be told", self._exchange)

    async def _pause(self) -> None:
        """Until the next keep-alive is due, or a call found the session down (but not at once again)."""
        try:
            async with self._clock.deadline(self._keep_alive):
                await self._wake.wait()
            await self._clock.sleep(min(SHORTEST_PAUSE, self._keep_alive))
        except TimeoutError:
            return
        finally:
            self._wake.clear()

    async def _tickle(self) -> None:
        answer = await self._client.post("/tickle", Tickle, priority=Priority.KEEPALIVE, timeout=_SHORT_TIMEOUT)
        self._last_tickle = self._clock.monotonic()
        self._failures = 0
        self.session_token = answer.session or self.session_token
        status = answer.iserver.authStatus if answer.iserver is not None else None
        down = self._gate(status) if status is not None else None
        if down is not None or not self._state.ready:
            if down is not None:
                self._report(down)
            await self._establish()
            await self._read_accounts()
        self._report(None)

    def _report(self, error: HorizonError | None) -> None:
        """Turn what was found into tiers, and tell it when it is news."""
        gateway_up = error is None or isinstance(error, Competing | BrokerageSessionDown)
        text = "" if error is None else str(error)
        tiers = (
            self._tier(SessionTier.GATEWAY, gateway_up, "" if gateway_up else text),
            self._tier(SessionTier.BROKERAGE, error is None, text if gateway_up else "the gateway is not usable"),
        )
        self._emit(tiers, error is None, text)

    def _tier(self, tier: SessionTier, up: bool, cause: str) -> TierState:
        known = next((before for before in self._state.tiers if before.tier is tier), None)
        since = known.since if known is not None and known.up == up else self._clock.now()
        reason, found, action = cause.rpartition(": ")
        return TierState(
            tier=tier, up=up, since=since, cause=reason if found else cause, action=action if found else ""
        )

    def _emit(self, tiers: tuple[TierState, ...], ready: bool, reason: str) -> None:
        before = self._state
        if (tiers, ready, reason) == (before.tiers, before.ready, before.reason):
            return
        self._state = SessionState(
            exchange=self._exchange, time=self._clock.now(), ready=ready, tiers=tiers, reason=reason
        )
        self._put(self._state)


def is_live(account_id: str, *, is_paper: bool | None, login_type: int | None) -> bool | None:
    """Whether an account is live, by every sign that is present; None when there is no sign.

    The signs: `isPaper` of the accounts answer, LOGIN_TYPE of the sign-in (1 live, 2 paper), and the account id (`DU`
    and digits or letters is paper, `U` and digits is live). Raises ConfigurationError when they contradict each other.
    """
    signs: dict[str, bool] = {}
    if is_paper is not None:
        signs[f"isPaper {str(is_paper).lower()}"] = not is_paper
    if login_type in (_LIVE_LOGIN, _PAPER_LOGIN):
        signs[f"login type {login_type}"] = login_type == _LIVE_LOGIN
    if account_id.startswith("DU"):
        signs[f"account id {account_id}"] = False
    elif re.fullmatch(r"U\d+[A-Z]?", account_id):
        signs[f"account id {account_id}"] = True
    if len(set(signs.values())) > 1:
        told = ", ".join(f"{sign} says {'live' if live else 'paper'}" for sign, live in signs.items())
        raise ConfigurationError(
            f"expected every sign of live or paper to agree for {account_id}, found: {told}; nothing is traded until "
            f"they do: check which user is signed in"
        )
    return next(iter(signs.values()), None)


def _raise(error: SessionError | None) -> None:
    if error is not None:
        raise error


def _nowhere(state: SessionState) -> None:
    """Nobody has asked yet."""
