"""The sign-ins of OAuth clients: each has a life, a brokerage session of its own, and rivals."""

from typing import ClassVar, Literal

import msgspec

from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.credentials import OAuth1Consumer, OAuth2Client
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS, Clock

INVALID_CONSUMER = "id: 39687, error: invalid consumer"


class SignInRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the documents leave open, or what differs between users; lengths are seconds of clock time."""

    skew: float = 5
    """How far a client's clock may be off, as its signed JWTs show it."""
    access_token_lifetime: int = 86_399
    sso_lifetime: float = 50 * 60
    sso_expires_in: bool = False
    """Whether the answer that brings an SSO bearer says how long it lasts. Those seen do not."""
    sso_bearer: Literal["jwt", "opaque"] = "jwt"
    live_session_lifetime: float = 24 * 3600
    live_session_signature: Literal["right", "wrong"] = "right"
    timestamp_window: float = 300
    """How far an `oauth_timestamp` may be from the clock, either way."""
    base_string: Literal["either", "encoded", "plain"] = "either"
    """Whether names and values are percent-encoded before they are joined (RFC 5849), or only the joined text is."""
    query_is_signed: bool = True
    """False accepts, beside the right signature, one that leaves the query parameters out, as ibind's does."""
    new_sign_in: Literal["competes", "waits", "shares"] = "competes"
    """What the next sign-in of a user finds while the one before has a brokerage session: a competing session; none,
    until `ssodh/init`; or the same one."""
    earlier_sign_ins: Literal["stay", "end"] = "stay"
    """Whether earlier sign-ins are good until they expire, or end with the next one."""
    too_early: float = 0
    """For how long after a sign-in `ssodh/init` fails."""
    seen_ip: str | None = None
    """The address that `sso/validate` shows; the registered one when absent."""


class SsoSession(Session):
    """What one bearer, or one live session token, may do. The brokerage session of another one of the same user is a
    competing one to it."""

    ends_at_night: ClassVar[bool] = False

    def __init__(
        self,
        clock: Clock,
        credential: OAuth2Client | OAuth1Consumer,
        rules: SignInRules,
        *,
        number: int,
        lifetime: float,
        newest: Session,
    ) -> None:
        super().__init__(
            clock, seed=number, is_paper=newest.is_paper, logged_in=True, established=False, life=newest.life
        )
        self.credential = credential
        self._rules = rules
        self._opened = clock.now()
        self.expires = clock.now() + round(lifetime * NANOSECONDS)
        self._end = self._agenda.at(self.expires, lambda: self.log_out("the token expired"))
        self.rival: SsoSession | None = None
        """The other sign-in of the same user whose brokerage session this one competes with."""
        self.is_superseded = False
        """There is a newer one: what becomes of this one is no news of the user's session."""

    @property
    def user_name(self) -> str:
        return self.credential.username

    @property
    def ip(self) -> str:
        registered = self.credential.ip if isinstance(self.credential, OAuth2Client) else super().ip
        return self._rules.seen_ip or registered

    def touch(self) -> None:
        super().touch()
        if self.rival is not None and not self.rival.established:
            self.rival = None
            self.competing = False

    def log_in(self, *, brokerage_after: float = 0.0) -> bool:
        """No person signs in where programs do."""
        return False

    def drop(self, cause: str = "dropped") -> None:
        if self.is_superseded:
            self.established = False
        super().drop(cause)

    def log_out(self, cause: str = "logged out", *, by_request: bool = False) -> None:
        if self.is_superseded:
            self.drop(cause)
            self.logged_in = False
        super().log_out(cause, by_request=by_request)
        self._end.withdraw()
        self.life.leave(self)

    def initialise(self, *, compete: bool) -> None:
        brokerage = self.credential.brokerage
        if brokerage == "inactive":
            raise Refusal(401, {"error": INVALID_CONSUMER, "statusCode": 401})
        if brokerage == "no_right" or self._clock.now() - self._opened < self._rules.too_early * NANOSECONDS:
            raise Refusal(500, {"error": "failed to generate sso dh token"})
        super().initialise(compete=compete)
        if self.established:
            self.rival = None

    def tickle(self) -> dict[str, object]:
        answer = super().tickle()
        if isinstance(self.credential, OAuth1Consumer):
            return {name: answer[name] for name in ("session", "hmds", "iserver")}
        return answer | {"ssoExpires": self._milliseconds_left()}

    def validation(self) -> dict[str, object]:
        return super().validation() | {"EXPIRES": self._milliseconds_left()}

    def _milliseconds_left(self) -> int:
        return max(self.expires - self._clock.now(), 0) // 1_000_000


class SsoSessions:
    """All sign-ins of one simulator. `state.session` is the newest, except while a request of another is handled."""

    def __init__(self, state: State, rules: SignInRules) -> None:
        self._state = state
        self._rules = rules
        self._newest: dict[str, SsoSession] = {}
        self._holders: dict[str, SsoSession] = {}
        """By user: who has opened the brokerage session."""
        self._all: list[SsoSession] = []
        self._opened = 0
        state.expiries.append(self._expire)

    def open(self, credential: OAuth2Client | OAuth1Consumer, lifetime: float) -> SsoSession:
        """One more sign-in, good for so many seconds."""
        self._opened += 1
        user = credential.username
        newest = self._newest.get(user, self._state.session)
        session = SsoSession(
            self._state.clock, credential, self._rules, number=self._opened, lifetime=lifetime, newest=newest
        )
        session.life.sign_ins += 1
        session.life.note("gateway", up=True, cause="a program signed in")
        if user in self._newest:
            self._supersede(self._newest[user], session)
        elif not isinstance(newest, SsoSession):
            # Another program may have been there before anybody signed in here.
            session.other = newest.other
        holder = self._holders.get(user)
        if holder is not None and holder.established:
            self._meet(session, holder)
        self._newest[user] = session
        self._all = [*(each for each in self._all if each.logged_in), session]
        self._state.session = session
        return session

    def settle(self) -> None:
        """Called after each request: whoever has opened a brokerage session has put out the one there was."""
        session = self._state.session
        if not isinstance(session, SsoSession) or not session.established:
            return
        holder = self._holders.get(session.user_name)
        if session is holder:
            return
        if holder is not None and holder.established:
            holder.compete()
            holder.rival = session
        self._holders[session.user_name] = session

    def _expire(self) -> None:
        for session in self._all:
            session.log_out("the token expired")

    def _supersede(self, newest: SsoSession, session: SsoSession) -> None:
        if newest.competing:
            # Somebody else has the brokerage session: a new token changes nothing about that.
            session.other, session.rival = newest.other, newest.rival
        if newest.established:
            newest.life.note("brokerage", up=False, cause="a newer sign-in")
        newest.is_superseded = True
        if self._rules.earlier_sign_ins == "end":
            newest.log_out("a newer sign-in")

    def _meet(self, session: SsoSession, holder: SsoSession) -> None:
        if self._rules.new_sign_in == "competes":
            session.compete()
            session.rival = holder
        elif self._rules.new_sign_in == "shares":
            brokerage = holder.brokerage
            session.establish()
            session.brokerage = brokerage
