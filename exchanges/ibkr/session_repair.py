"""Brings a session up, or back: a walk through `session_table` that asks, opens, renews and restores.

A session that was lost is brought back whole before it is told to be ready: accounts, suppressions, then everything
that registered in `on_established` (orders, fills, positions, streams).
"""

import logging
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import msgspec

from exchanges.ibkr.attempts import Attempts
from exchanges.ibkr.auth.protocol import ChecksIp
from exchanges.ibkr.brokerage_status import SHORT_TIMEOUT, BrokerageStatus
from exchanges.ibkr.client import Client
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.session_accounts import Login, read_login
from exchanges.ibkr.session_table import Action, Compete, Doubt, Seen, Standing, judge
from exchanges.ibkr.session_teller import Teller
from exchanges.ibkr.wire.session import AuthStatus, Message, SsoValidation
from horizon.clock import Clock
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
from horizon.model import NoticeLevel
from horizon.net.rates import Priority

BETWEEN_ATTEMPTS: Final = 1.5
SHORTEST_PAUSE: Final = 5.0
"""Seconds between two attempts to restore a session, however often calls find it down."""
HOOK_SECONDS: Final = 60.0
DOUBT_SECONDS: Final = 600.0
"""For so long after a remedy, the same doubt calls for the next one."""
_MOST_STEPS: Final = 40
"""A walk through the table ends long before."""
_PATIENCE: Final = 6
"""How often in a row a sign-in is found to be gone, in a reset, before one of the few there are is spent on it."""
_NOT_ACTIVE: Final = "39687"
_LOST: Final = frozenset({Seen.COMPETING, Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED})
"""After these, the brokerage session is no longer ours."""

_logger = logging.getLogger(__name__)

Hook = Callable[[], Awaitable[None]]


class Repair:
    """What one login needs to be usable. `walk` does it, and `standing` is what is remembered between two walks.

    `opening` says that somebody waits for the session: then pauses between attempts are waited for here.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        teller: Teller,
        resets: ResetWatch,
        *,
        exchange: str,
        compete: Compete,
        suppress: tuple[str, ...],
        chance: Random,
    ) -> None:
        self._client = client
        self._clock = clock
        self._teller = teller
        self._resets = resets
        self._exchange = exchange
        self._compete: Compete = compete
        self._suppress = suppress
        self._openings = Attempts(clock, chance, first=SHORTEST_PAUSE, most=300.0, calm=DOUBT_SECONDS)
        self._takeovers = Attempts(clock, chance, first=60.0, most=900.0, calm=3600.0)
        self._renewals = Attempts(clock, chance, first=300.0, most=1800.0, calm=3600.0)
        self._remedied: dict[Doubt, float] = {}
        self._settled: dict[Doubt, float] = {}
        self._validated = False
        """The sign-in of the present token was validated."""
        self._seen_ip: str | None = None
        self._login_type: int | None = None
        self._taken = 0
        self._ours = False
        self.on_established: list[Hook] = []
        self.opening = False
        self.was_open = False
        self.held = False
        """The brokerage session was ours when it was last looked at."""
        self.reopen = False
        """The token was renewed: what was opened with the old one has to be opened again."""
        self.doubt: Doubt | None = None
        self.retry: float | None = None
        """When (monotonic) the next step may be taken that was put off."""
        self.login = Login()
        self.status = BrokerageStatus(client, resets)

    def forget(self) -> None:
        """The session is opened, or closed, by whoever owns it."""
        self._taken = 0
        self.was_open = False

    def is_settled(self, doubt: Doubt) -> bool:
        """Every remedy for this doubt was tried a short while ago, and the status says that all is well."""
        return self._is_recent(self._settled, doubt)

    def found(self, seen: Seen, error: HorizonError) -> None:
        """Tell what is wrong, by the row of the table for it."""
        if seen in _LOST:
            self.held = False
        row = judge(seen, self._standing())
        if row.down is not None:
            self._teller.found(seen, error, row.down)

    async def after_renewal(self) -> None:
        """The token was renewed: the venue may take our session of the old one for a competitor."""
        self._validated, self.reopen = False, True
        self._ours = self.held
        try:
            await self.walk(Seen.NOTHING_YET, None)
        finally:
            self._ours = False

    async def walk(self, seen: Seen, error: HorizonError | None) -> None:
        """Follow the table until the session is up. Raises what stands in the way, after telling it."""
        standing = self._standing()
        for _ in range(_MOST_STEPS):
            if seen is Seen.NOT_ACTIVE:
                error = _not_active()
            row = judge(seen, standing)
            # Told already, and better: a 429 when it came, and our own old session is nobody's business.
            known = seen is Seen.BLOCKED or (row.action is Action.TAKE_OVER and standing.ours)
            if row.down is not None and error is not None and not known:
                self.held = self.held and seen not in _LOST
                self._teller.found(seen, error, row.down)
            match row.action:
                case Action.GO_ON:
                    if self.was_open and self.held and self._teller.trouble is None and standing.inits == 0:
                        return
                    self.doubt = None
                    try:
                        await self._settle_in()
                    except HorizonError as stopped:
                        seen, error = self.seen_in(stopped), stopped
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
                        await self._until_due(self._openings, error)
                        self._taken += take and not standing.took
                    seen, error = await self._init(take=take, connected=standing.connected)
                    standing = msgspec.structs.replace(
                        standing, inits=standing.inits + 1, took=standing.took or take, taken=self._taken
                    )
                case Action.RENEW:
                    seen, error, fresh = await self._renew(seen, error)
                    standing = msgspec.structs.replace(
                        standing,
                        renewed=True,
                        ours=standing.ours or (fresh and self.held),
                        doubt=None if fresh else standing.doubt,
                        asked=0 if fresh else standing.asked,
                        inits=0 if fresh else standing.inits,
                    )
        raise BrokerageSessionDown("the session did not come up in a bounded number of steps: it is tried again")

    async def guarded(self, hook: Hook) -> None:
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
        self._teller.notice(
            NoticeLevel.WARNING, f"the session is open again, but not everything could be restored: {text}"
        )

    def seen_in(self, error: HorizonError) -> Seen:
        """What an error means as an observation."""
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

    # -- inside --------------------------------------------------------------------------------------------------

    def _standing(self) -> Standing:
        return Standing(
            opening=self.opening,
            doubt=self.doubt,
            recently_opened=self.doubt is not None and self._is_recent(self._remedied, self.doubt),
            compete=self._compete,
            ours=self._ours,
            taken=self._taken,
            may_take=self._takeovers.is_due,
            person_signs_in=self._client.auth.person_signs_in,
        )

    def _is_up(self, standing: Standing) -> None:
        if standing.doubt is not None and standing.recently_opened:
            self._settled[standing.doubt] = self._clock.monotonic()
        self.doubt = None
        self.held = self.was_open = True
        self._teller.up()

    async def _asked(self) -> tuple[Seen, HorizonError | None, bool]:
        try:
            seen, error, status = await self.status.ask()
        except HorizonError as failed:
            return self.seen_in(failed), failed, False
        return seen, error, bool(status.authenticated or status.connected)

    async def _until_due(self, attempts: Attempts, error: HorizonError | None) -> None:
        """Not too often: somebody who opens waits here, the keep-alive comes back."""
        wait = attempts.wait
        if self.opening:
            await self._clock.sleep(wait)
        elif wait > 0:
            self.retry = self._clock.monotonic() + wait
            raise error or BrokerageSessionDown("it was tried just now: it is tried again by itself")

    async def _init(self, *, take: bool, connected: bool) -> tuple[Seen, HorizonError | None]:
        self._openings.make()
        if take:
            self._takeovers.make()
        if self.doubt is not None:
            self._remedied[self.doubt] = self._clock.monotonic()
        try:
            status = await self._client.post(
                "/iserver/auth/ssodh/init",
                AuthStatus,
                body={"publish": True, "compete": take},
                priority=Priority.KEEPALIVE,
            )
        except (SessionError, RateLimited) as error:
            return self.seen_in(error), error
        except (VenueError, VenueUnavailable) as error:
            if not connected:
                return Seen.INIT_FAILED, self._client.signed_out("no session")
            remedy = "check that the user has the right to trade by the API, then open it again"
            return Seen.INIT_FAILED, BrokerageSessionDown(
                f"the brokerage session could not be opened ({error}): "
                f"{remedy if self.opening else 'it is tried again by itself'}"
            )
        # Some builds say established here before it is so: only the status is believed.
        return self.status.read(status) if status.competing else (Seen.NOTHING_YET, None)

    async def _renew(self, seen: Seen, error: HorizonError | None) -> tuple[Seen, HorizonError | None, bool]:
        """Have the token renewed. The last says whether there is a newer one."""
        if not self.opening:
            if self._resets.hushing(grace=False) is not None and self._teller.in_a_row < _PATIENCE:
                raise error or BrokerageSessionDown("the servers are reset: it is tried again by itself")
            await self._until_due(self._renewals, error)
        self._renewals.make()
        try:
            fresh = await self._client.auth.renew(self._client.refused)
        except HorizonError as stopped:
            return self.seen_in(stopped), stopped, False
        if not fresh:
            return seen, error, False
        self._client.renewals += 1
        self._validated, self.reopen = False, True
        return Seen.NOTHING_YET, None, True

    async def _settle_in(self) -> None:
        """What every brokerage session has to be told and asked, and what a session that was lost has missed."""
        self.login = await read_login(self._client, self._read_login_type)
        await self._check_ip()
        if self._suppress:
            await self._client.post(
                "/iserver/questions/suppress",
                Message,
                body={"messageIds": list(self._suppress)},
                priority=Priority.KEEPALIVE,
            )
        for hook in self.on_established if self.was_open else ():
            await self.guarded(hook)
        if self.doubt is not None:
            raise BrokerageSessionDown("the brokerage session was lost again: it is opened again by itself")

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
        if not isinstance(auth, ChecksIp):
            return
        if not self._validated:
            await self._validate()
        try:
            auth.check_ip(self._seen_ip)
        except ConfigurationError:
            # It may be another one the next time: ask again, but never take a wrong one for checked.
            self._validated = False
            raise

    async def _validate(self) -> SsoValidation | None:
        # The check is allowed once a minute: a program that is started twice would be penalised for it.
        try:
            found = await self._client.get(
                "/sso/validate", SsoValidation, priority=Priority.KEEPALIVE, timeout=SHORT_TIMEOUT
            )
        except (VenueError, VenueUnavailable, SessionError) as error:
            _logger.debug("the sign-in could not be validated: %s", error)
            return None
        self._validated, self._seen_ip = True, found.IP
        return found

    def _is_recent(self, times: dict[Doubt, float], doubt: Doubt) -> bool:
        return doubt in times and self._clock.monotonic() - times[doubt] < DOUBT_SECONDS


def _not_active() -> ConfigurationError:
    return ConfigurationError(
        "the consumer key is not active yet (id 39687, invalid consumer): a new one works after one of the nightly "
        "resets, at the latest after two weeks; start again then"
    )
