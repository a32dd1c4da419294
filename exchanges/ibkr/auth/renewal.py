"""One token at a time: made when it is first needed, renewed before it ends, never by two tasks at once.

| seen                                    | done                                                                    |
|-----------------------------------------|-------------------------------------------------------------------------|
| no token, or one that has ended         | whoever needs it waits for the one sign-in that is made                 |
| the token ends soon                     | `keep` makes a newer one; requests go on with the present one           |
| 401, and a newer token is there already | that one is used                                                        |
| 401                                     | one sign-in, for all who met it                                         |
| a sign-in failed                        | the same error at once for everybody, until the pause after it is over  |
| the credential was refused              | the same error for good; unless the clock was wrong and has been set    |
| refused without a reason, good before   | as a failure, for a day: a venue that is being reset does that too      |
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Generic, TypeVar

from exchanges.ibkr.auth.protocol import TokenState
from exchanges.ibkr.auth.tokens import Token
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.errors import ConfigurationError, HorizonError, RateLimited, TokenExpired

FIRST_PAUSE: Final = 5.0
LONGEST_PAUSE: Final = 300.0
"""Seconds between a sign-in that failed and the next one: doubled each time, give or take a quarter."""
LONGEST_RESET: Final = 86_400.0
"""Seconds for which refusals without a reason are taken for the venue's reset; no reset lasts so long."""
_LOOK_SECONDS: Final = 60.0
_CLOCK_WAS_SET: Final = 10.0
_GET_ANOTHER: Final = "get a new one"

AnyToken = TypeVar("AnyToken", bound=Token)

_logger = logging.getLogger(__name__)


class CredentialRefused(ConfigurationError):
    """The venue said no to what it was told. It is not asked again with the same.

    `is_bare` says that it gave no reason: such a 401 also comes from a venue that is being reset.
    """

    def __init__(self, message: str, *, clock_is_wrong: bool = False, is_bare: bool = False) -> None:
        super().__init__(message)
        self.clock_is_wrong = clock_is_wrong
        self.is_bare = is_bare and not clock_is_wrong


class Renewal(Generic[AnyToken]):
    """Keeps the newest token that `make` gives. `make` gets the token that is to be replaced, None at first.

    `next_allowed` says from when on (integer nanoseconds) the next sign-in may be made at all. `by_itself` is False
    when only a person can give a newer token.
    """

    def __init__(
        self,
        make: Callable[[AnyToken | None], Awaitable[AnyToken]],
        *,
        next_allowed: Callable[[], int] = lambda: 0,
        by_itself: bool = True,
    ) -> None:
        self._make = make
        self._next_allowed = next_allowed
        self._by_itself = by_itself
        self._clock: Clock | None = None
        self._bound_at = 0
        self._token: AnyToken | None = None
        self._refused: AnyToken | None = None
        self._refused_at = 0
        self._told: AnyToken | None = None
        self._failure: HorizonError | None = None
        self._failures = 0
        self._bare_since: float | None = None
        self._retry_at = 0.0
        self._clock_offset = 0.0
        self._one_at_a_time = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def clock(self) -> Clock:
        """The clock of `bind`."""
        if self._clock is None:
            raise ConfigurationError(
                "expected a way of signing in that a client has bound, found a free one: hand it "
                "to InteractiveBrokers(auth=...)"
            )
        return self._clock

    @property
    def newest(self) -> AnyToken | None:
        """The newest token, whether or not it is still good."""
        return self._token

    def bind(self, clock: Clock) -> None:
        """Which clock tells the time from now on."""
        self._clock = clock
        self._bound_at = clock.now()

    async def current(self) -> AnyToken:
        """A token that is good now; waits only when there is none. Raises what `make` raises."""
        token = self._token
        if token is not None and token.is_good(self.clock.now()):
            return token
        return await self._newer_than(token)

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Whether another token than the refused one is at hand now. Raises what `make` raises."""
        token = self._token
        if token is not None and token.is_in(refused):
            if self._refused is not token:
                self._refused, self._refused_at = token, self.clock.now()
            # Wakes `keep`, which goes on trying when this attempt fails.
            self._changed.set()
            made = self._told = await self._newer_than(token)
            return made.text != token.text
        return not (await self.current()).is_in(refused)

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Renew ahead of time for as long as this runs, and call `renewed` after each newer token, but not after those
        of `renew`, whose caller knows."""
        seen = self._token
        while True:
            try:
                await self._pause()
                due = self._seconds_until_due()
                if self._token is seen and due is not None and due <= 0:
                    await self._newer_than(seen)
                if self._token is not seen:
                    before, seen = seen, self._token
                    if before is not None and seen is not self._told:
                        renewed()
            except HorizonError as error:
                _logger.debug("a token is not renewed yet: %s", error)
            except Exception:
                # A defect, here or in who is told, must not end the renewal: unattended, the session would end.
                _logger.exception("the renewal of the token met a defect and goes on")
                self._retry_at = self.clock.monotonic() + _LOOK_SECONDS

    def state(self) -> TokenState:
        """How the token stands."""
        token = self._token
        cause, action = self._why()
        if token is None:
            return TokenState(valid=False, since=self._bound_at, cause=cause or "not signed in yet", action=action)
        valid, since = True, token.made
        if token is self._refused:
            valid, since = False, self._refused_at
            cause = f"the venue refuses the token{f', and {cause}' if cause else ''}"
        elif token.expires is not None and not token.is_good(self.clock.now()):
            valid, since = False, token.expires
            cause = f"the token ended{f', and {cause}' if cause else ''}"
        elif cause:
            cause = f"it can't be renewed at present: {cause}"
        if valid and not cause:
            action = ""
        return TokenState(valid=valid, since=since, expires=token.expires, cause=cause, action=action)

    async def _newer_than(self, old: AnyToken | None) -> AnyToken:
        """Another token than `old`: one that was made meanwhile, or a new one. `old` itself when there is no other."""
        async with self._one_at_a_time:
            token = self._token
            if token is not None and token is not old and token.is_good(self.clock.now()):
                return token
            self._fail_at_once()
            try:
                made = await self._make(token)
                if not made.is_good(self.clock.now()):
                    raise _ended(made)
            except HorizonError as error:
                judged = self._judged(error)
                self._failed(judged)
                if judged is error:
                    raise
                raise judged from error
            if token is not None and made.text == token.text:
                self._pause_from_now()
                return token
            self._token, self._failure, self._failures, self._bare_since = made, None, 0, None
            # A token that ends at once must not be renewed without a pause.
            self._retry_at = self.clock.monotonic() + FIRST_PAUSE
            self._changed.set()
            _logger.info("a new access token is in use%s", f" until {_time(made.expires)}" if made.expires else "")
            return made

    def _fail_at_once(self) -> None:
        """Raise the last failure again while its pause lasts."""
        failure = self._failure
        if failure is None:
            return
        if self._is_final(failure) or self.clock.monotonic() < self._retry_at:
            raise failure.with_traceback(None)

    def _judged(self, error: HorizonError) -> HorizonError:
        """A refusal without a reason may be the venue's reset, when the credential was good before."""
        if self._token is None or not isinstance(error, CredentialRefused) or not error.is_bare:
            return error
        now = self.clock.monotonic()
        self._bare_since = now if self._bare_since is None else self._bare_since
        if now - self._bare_since >= LONGEST_RESET:
            return error
        cause = str(error).rpartition(": ")[0]
        return TokenExpired(f"{cause}, without a reason, as it also does while it is being reset: it is tried again")

    def _is_final(self, failure: HorizonError) -> bool:
        if not isinstance(failure, CredentialRefused):
            return False
        # A machine that was asleep has a wrong clock until it is set, and only then the same credential can be good.
        return not failure.clock_is_wrong or abs(self._offset() - self._clock_offset) < _CLOCK_WAS_SET

    def _failed(self, error: HorizonError) -> None:
        if str(error) != str(self._failure):
            _logger.warning("signing in failed: %s", error)
        self._failure = error
        self._clock_offset = self._offset()
        self._pause_from_now(error)

    def _pause_from_now(self, error: HorizonError | None = None) -> None:
        self._failures += 1
        seconds = scattered(min(FIRST_PAUSE * (1 << min(self._failures - 1, 10)), LONGEST_PAUSE))
        if isinstance(error, RateLimited):
            seconds = max(seconds, error.retry_after)
        seconds = max(seconds, (self._next_allowed() - self.clock.now()) / NANOSECONDS)
        self._retry_at = self.clock.monotonic() + seconds

    def _offset(self) -> float:
        """Changes only when somebody sets the machine's clock."""
        return self.clock.now() / NANOSECONDS - self.clock.monotonic()

    def _seconds_until_due(self) -> float | None:
        """None when there is nothing to be done ahead of time."""
        token, failure = self._token, self._failure
        if failure is not None and self._is_final(failure):
            return None
        pause = self._retry_at - self.clock.monotonic()
        if token is None or token is self._refused:
            return pause
        if token.renew_at is None:
            return None
        return max((token.renew_at - self.clock.now()) / NANOSECONDS, pause)

    async def _pause(self) -> None:
        """Until a renewal may be due; at most a minute, because a machine can be asleep meanwhile."""
        due = self._seconds_until_due()
        try:
            async with self.clock.deadline(_LOOK_SECONDS if due is None else min(max(due, 0.0), _LOOK_SECONDS)):
                await self._changed.wait()
        except TimeoutError:
            return
        finally:
            self._changed.clear()

    def _why(self) -> tuple[str, str]:
        """The last failure as a clause, and what a person has to do about it."""
        if self._failure is None:
            return "", "" if self._by_itself else _GET_ANOTHER
        text = str(self._failure)
        cause, found, action = text.rpartition(": ")
        person = isinstance(self._failure, ConfigurationError) or not self._by_itself
        return cause if found else text, action if found and person else ""


def scattered(seconds: float) -> float:
    """`seconds`, give or take a quarter, so that many who were cut off together do not come back together."""
    return seconds * (0.75 + secrets.randbelow(501) / 1000)


def _ended(token: Token) -> TokenExpired:
    return TokenExpired(f"the access token ended at {_time(token.expires or token.made)}: {_GET_ANOTHER}")


def _time(nanoseconds: int) -> str:
    return f"{to_datetime(nanoseconds):%Y-%m-%d %H:%M:%S} UTC"
