"""A person signs in at the gateway's page: user name, password, and on a live login the phone."""

from enum import StrEnum

from exchanges.ibkr.simulator.agenda import Agenda, Entry
from exchanges.ibkr.simulator.session import USER_NAME, Session
from horizon.clock import NANOSECONDS

PASSWORD = "simulated"  # noqa: S105  of the simulator's own user, and told to everyone
SECOND_FACTOR_SECONDS = 180.0
MOST_FAILURES = 5
AUTH_DELAY = 3.0
"""Seconds between a sign-in on the page and the `ssodh/init` that the gateway then sends by itself."""


class LoginPhase(StrEnum):
    """How the latest login stands."""

    SIGNED_OUT = "signed out"
    WAITING = "waiting for the second factor"
    SIGNED_IN = "signed in"
    REFUSED = "refused"
    MISSED = "second factor missed"
    LOCKED = "account locked"
    MAINTENANCE = "maintenance"


class LoginDesk:
    """Takes logins for the gateway's one user; too many failed ones in a row lock the account."""

    def __init__(self, agenda: Agenda, session: Session, *, second_factor: bool) -> None:
        self._agenda = agenda
        self._session = session
        self._deadline: Entry | None = None
        self.second_factor = second_factor
        self.failures = 0
        """In a row: wrong passwords, denied and missed second factors."""
        self.requests_to_the_phone = 0
        self.missed = 0
        self._latest = LoginPhase.SIGNED_OUT

    @property
    def phase(self) -> LoginPhase:
        if self._deadline is not None:
            return LoginPhase.WAITING
        if self._session.logged_in:
            return LoginPhase.SIGNED_IN
        if self.is_locked:
            return LoginPhase.LOCKED
        return LoginPhase.SIGNED_OUT if self._latest is LoginPhase.SIGNED_IN else self._latest

    @property
    def is_locked(self) -> bool:
        return self.failures >= MOST_FAILURES

    @property
    def second_factor_until(self) -> int | None:
        """Until when (ns) the phone has to be answered; None when nothing waits for it."""
        return None if self._deadline is None else self._deadline.when

    def start(self, user: str = USER_NAME, password: str = PASSWORD) -> LoginPhase:
        """Somebody sends the page. With a second factor the phone is asked, once; sending it again asks anew."""
        self._agenda.catch_up()
        self._withdraw()
        if self.is_locked:
            return self._end(LoginPhase.LOCKED)
        if self._session.life.is_down:
            return self._end(LoginPhase.MAINTENANCE)
        if (user, password) != (USER_NAME, PASSWORD):
            return self._fail(LoginPhase.REFUSED)
        if not self.second_factor:
            return self._sign_in()
        self.requests_to_the_phone += 1
        self._deadline = self._agenda.after(SECOND_FACTOR_SECONDS, self._miss)
        return LoginPhase.WAITING

    def approve(self) -> LoginPhase:
        """The person answers the phone; without effect when it does not ask (any more)."""
        self._agenda.catch_up()
        if self._deadline is None:
            return self.phase
        self._withdraw()
        return self._sign_in(brokerage_after=AUTH_DELAY)

    def deny(self) -> LoginPhase:
        """The person says no on the phone."""
        self._agenda.catch_up()
        if self._deadline is None:
            return self.phase
        self._withdraw()
        return self._fail(LoginPhase.REFUSED)

    def unlock(self) -> None:
        """Somebody has called the broker."""
        self.failures = 0
        self._latest = LoginPhase.SIGNED_OUT

    def seconds_left(self) -> float:
        """For the phone's answer."""
        until = self.second_factor_until
        return 0.0 if until is None else max(until - self._agenda.now(), 0) / NANOSECONDS

    def _sign_in(self, *, brokerage_after: float = 0.0) -> LoginPhase:
        if not self._session.log_in(brokerage_after=brokerage_after):
            return self._end(LoginPhase.MAINTENANCE)
        self.failures = 0
        return self._end(LoginPhase.SIGNED_IN)

    def _miss(self) -> None:
        self._deadline = None
        self.missed += 1
        self._fail(LoginPhase.MISSED)

    def _fail(self, phase: LoginPhase) -> LoginPhase:
        self.failures += 1
        return self._end(LoginPhase.LOCKED if self.is_locked else phase)

    def _end(self, phase: LoginPhase) -> LoginPhase:
        self._latest = phase
        return phase

    def _withdraw(self) -> None:
        if self._deadline is not None:
            self._deadline.withdraw()
            self._deadline = None
