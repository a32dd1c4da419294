"""How a session stands, asked by somebody who only looks: nothing is opened, taken over, renewed or kept alive.

At most `auth/status`, one `/tickle` and, once the brokerage session is established, `/iserver/accounts`; within the
request limits that all programs of this user share, so nothing at all while a penalty lasts.
"""

from secrets import SystemRandom
from typing import Final

import msgspec

from exchanges.ibkr.auth.protocol import CountsSignIns
from exchanges.ibkr.brokerage_status import SHORT_TIMEOUT
from exchanges.ibkr.client import Client
from exchanges.ibkr.rates import PENALTY_SECONDS
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.resets import Region, ResetWindow
from exchanges.ibkr.session_accounts import LoginAccount, ask_accounts, login_accounts
from exchanges.ibkr.session_note import SessionNote
from exchanges.ibkr.session_repair import Repair
from exchanges.ibkr.session_report import SessionStatus
from exchanges.ibkr.session_table import Seen
from exchanges.ibkr.session_teller import Teller
from exchanges.ibkr.wire.accounts import BrokerageAccounts
from exchanges.ibkr.wire.session import Tickle
from horizon.clock import Clock
from horizon.errors import BrokerageSessionDown, HorizonError
from horizon.model import SessionState
from horizon.net.rates import Priority

EXCHANGE: Final = "ibkr"
STALE_SECONDS: Final = 180.0
"""A keep-alive comes every 60 s: a note that is older than three says nothing about now."""


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen. `status.keep_alive_age` is that of the program which keeps the session, if one left word."""

    status: SessionStatus
    seen: Seen | None
    """None when nobody was asked."""
    competing: bool | None = None
    """None when nobody could say."""
    note: SessionNote | None
    """Of the program that keeps the session."""
    brokerage: BrokerageAccounts | None = None
    sso_expires_in: float | None = None
    """Seconds that the sign-in holds without a request, as the venue says."""
    sign_ins_left: int | None = None
    """None where a person signs in, or the token is made elsewhere."""
    next_sign_in: int | None = None
    """Integer nanoseconds, when there is none left."""


async def look(
    client: Client, clock: Clock, *, region: Region = "US", note: SessionNote | None = None, sign_in: bool = False
) -> Look:
    """Look once. `note` is what the program that keeps this session has left word of.

    A way of signing in that is counted (OAuth) is not used for a look, unless `sign_in`: the running program needs its
    two an hour itself. Then what it has left word of is told. Raises ConfigurationError only for what concerns no tier.
    """
    looker = _Looker(client, clock, region, note)
    counted = isinstance(client.auth, CountsSignIns)
    if counted and not sign_in:
        looker.not_asked()
    else:
        await looker.ask()
    return looker.look()


class _NoExcuse(ResetWatch):
    """A running program puts a lost session down to the reset that goes on; who looks wants to know what was found."""

    def hushing(self, *, grace: bool) -> ResetWindow | None:
        return None


class _Looker:
    """One look."""

    def __init__(self, client: Client, clock: Clock, region: Region, note: SessionNote | None) -> None:
        self._client = client
        self._clock = clock
        patience = STALE_SECONDS
        if client.limiter.budget().closed_for > 0:
            # no keep-alive is sent then
            patience += PENALTY_SECONDS
        is_fresh = note is not None and clock.now() - note.written < patience * 1e9
        self._note = note if is_fresh else None
        self._resets = _NoExcuse(clock, region)
        self._teller = Teller(
            EXCHANGE,
            clock,
            self._resets,
            client.auth.token,
            person_signs_in=client.auth.person_signs_in,
            hold=False,
        )
        self._teller.closed = ""
        self._repair = Repair(
            client,
            clock,
            self._teller,
            self._resets,
            exchange=EXCHANGE,
            compete="never",
            suppress=(),
            chance=SystemRandom(),
        )
        self._seen: Seen | None = None
        self._brokerage: BrokerageAccounts | None = None
        self._accounts: tuple[LoginAccount, ...] = ()
        self._sso_expires_in: float | None = None
        self._competing: bool | None = None
        if self._note is not None:
            # tiers that stand as that program last saw them keep their age
            self._teller.state = self._note.state

    def not_asked(self) -> None:
        """Tell what the running program has left word of, or that nothing is known."""
        if self._note is None:
            self._teller.state = SessionState(
                exchange=EXCHANGE,
                time=self._clock.now(),
                ready=False,
                reason="not asked: no program of this user keeps a session there, and asking needs one of the two "
                "sign-ins an hour: look with --sign-in",
            )

    async def ask(self) -> None:
        """Ask the venue, and tell what it says as the session itself would."""
        error: HorizonError | None = None
        try:
            self._seen, error, _ = await self._repair.status.ask()
            self._competing = self._seen is Seen.COMPETING
            await self._tickle()
            if self._seen is Seen.ESTABLISHED:
                self._brokerage = await ask_accounts(self._client)
                self._accounts = login_accounts(self._brokerage, None)
        except HorizonError as stopped:
            self._seen, error = self._repair.seen_in(stopped), stopped
        if self._seen in (Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED) and self._note is None:
            error = BrokerageSessionDown(
                "no brokerage session is open, and no program of this user keeps one: start yours, which opens it"
            )
        if error is not None and self._seen is not None:
            self._repair.found(self._seen, error)
        self._teller.tell()

    async def _tickle(self) -> None:
        answer = await self._client.post("/tickle", Tickle, priority=Priority.KEEPALIVE, timeout=SHORT_TIMEOUT)
        self._sso_expires_in = None if answer.ssoExpires is None else answer.ssoExpires / 1000

    def look(self) -> Look:
        client, clock, auth = self._client, self._clock, self._client.auth
        now = clock.now()
        left = auth.sign_ins_left() if isinstance(auth, CountsSignIns) else None
        note = self._note
        kept = None if note is None or note.keep_alive is None else (now - note.keep_alive) / 1e9
        expires = auth.token().expires
        return Look(
            status=SessionStatus(
                exchange=EXCHANGE,
                time=now,
                base_url=client.base_url,
                signs_in=type(auth).__name__,
                state=self._teller.state,
                accounts=self._accounts,
                selected_account=None if self._brokerage is None else self._brokerage.selectedAccount,
                server=self._repair.status.server,
                competing=bool(self._competing),
                compete="never",
                keep_alive_age=kept,
                token_expires=expires if expires is not None or note is None else note.token_expires,
                suppressed=(),
                budget=client.limiter.budget(),
                region=self._resets.region,
                window=self._resets.current(),
                next_reset=self._resets.coming(),
            ),
            seen=self._seen,
            competing=self._competing,
            note=note,
            brokerage=self._brokerage,
            sso_expires_in=self._sso_expires_in,
            sign_ins_left=left,
            next_sign_in=auth.next_sign_in() if left == 0 and isinstance(auth, CountsSignIns) else None,
        )
