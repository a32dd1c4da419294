"""Tells how a session stands: each change once, a reset quietly while it lasts, and loudly once it takes too long."""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from exchanges.ibkr.auth import TokenState
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.resets import ResetWindow
from exchanges.ibkr.session_report import Picture, Trouble, is_news, report, trouble_of
from exchanges.ibkr.session_table import Seen
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import HorizonError
from horizon.model import Notice, NoticeLevel, SessionState, SessionTier

PutState = Callable[[SessionState | Notice], None]

VAGUE: Final = frozenset({Seen.NO_ANSWER, Seen.UNREADABLE, Seen.REFUSED})
"""These say little about the session: it is still as it was, perhaps."""
_NOT_OPEN: Final = frozenset({Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED, Seen.NO_ACCOUNTS})
_SIGN_IN_GONE: Final = frozenset({Seen.SIGNED_OUT, Seen.NO_TOKEN, Seen.INIT_FAILED})
"""What a person has to do about it is news when it changes. That nothing is connected is none: each repair sees it."""
_CONVINCING: Final = 5
"""How often in a row something vague is seen before it takes the place of what was told."""
_OF_A_RESET: Final = frozenset(Seen) - {Seen.COMPETING, Seen.BLOCKED, Seen.NOT_ACTIVE, Seen.MISCONFIGURED, Seen.DEFECT}

_FOR_A_PERSON: Final = frozenset({Seen.COMPETING, Seen.BLOCKED, Seen.NOT_ACTIVE, Seen.MISCONFIGURED, Seen.DEFECT})
"""These do not mend themselves, or must be heard although they do."""

_logger = logging.getLogger(__name__)


class Teller:
    """What is wrong with one session, and who is told. `token` says how the token stands.

    `quiet` holds the telling back while the session is opened; `closed` is the reason of a session that is not open.
    """

    def __init__(
        self,
        exchange: str,
        clock: Clock,
        resets: ResetWatch,
        token: Callable[[], TokenState],
        *,
        person_signs_in: bool,
        hold: bool,
    ) -> None:
        self._exchange = exchange
        self._clock = clock
        self._resets = resets
        self._token = token
        self._person_signs_in = person_signs_in
        self._hold = hold
        self._why: tuple[Seen, HorizonError, SessionTier] | None = None
        self._said = Seen.NOTHING_YET
        self._last_seen = Seen.NOTHING_YET
        self._hush: ResetWindow | None = None
        self._no_data: Trouble | None = None
        self.put: PutState = _nowhere
        self.in_a_row = 0
        """How often in a row the same was found."""
        self.state = SessionState(exchange=exchange, time=0, ready=False, reason="not opened")
        self.trouble: Trouble | None = None
        self.quiet = False
        self.closed = "not opened"

    @property
    def is_competing(self) -> bool:
        return self._why is not None and self._why[0] is Seen.COMPETING

    def found(self, seen: Seen, error: HorizonError, down: SessionTier) -> None:
        """Something is wrong. In a reset, and in other words, the same is no news."""
        if seen is Seen.NOT_CONNECTED and self._last_seen in _SIGN_IN_GONE:
            return
        self.in_a_row = self.in_a_row + 1 if self._last_seen is seen else 1
        self._last_seen = seen
        told = self.trouble is not None and self._hush is None and self._said not in (seen, Seen.BLOCKED)
        if told and seen in VAGUE and self.in_a_row < _CONVINCING:
            # Kinds of failure by turns are one trouble: the one that says more stands.
            return
        self._why = (seen, error, down)
        self.judge_again()

    def up(self) -> None:
        """Nothing is wrong any more."""
        if self.trouble is not None:
            self._resets.returned()
        self.trouble = self._why = self._hush = None
        self._last_seen, self.in_a_row = Seen.ESTABLISHED, 0
        self.tell()

    def data_seen(self, cause: str, action: str) -> None:
        """What is wrong with market data as a whole; no `cause` when nothing is."""
        no_data = Trouble(down=SessionTier.MARKET_DATA, cause=cause, action=action, needs_person=bool(action))
        self._no_data = no_data if cause else None
        self.tell()

    def judge_again(self) -> None:
        """Say what is wrong, as the clock allows: a reset explains much while it lasts, and nothing once it is over."""
        if self._why is None:
            return self.tell()
        seen, error, down = self._why
        window = self._explaining(seen)
        if window is not None:
            self._hush_up(window, seen, down)
            return self.tell()
        ended, self._hush = self._hush, None
        needs_person = seen in _FOR_A_PERSON or (seen is Seen.SIGNED_OUT and self._person_signs_in)
        trouble = trouble_of(error, down, needs_person=needs_person)
        if ended is None and self.trouble and _gist(self._said, self.trouble) == _gist(seen, trouble):
            return self.tell()
        self._said, self.trouble = seen, trouble
        self.tell()
        if ended is not None and self._clock.now() >= ended.end:
            minutes = (self._clock.now() - ended.end) / NANOSECONDS / 60
            self.notice(
                NoticeLevel.ERROR, f"{ended} is over for {minutes:.0f} min, and the session is not back: {error}"
            )

    def tell(self) -> None:
        """Tell the state when it is news."""
        if self.quiet:
            return
        refusing = self._resets.refusing()
        token = self._token()
        if not token.action and (self._hush is not None or self._resets.hushing(grace=True) is not None):
            # a token that is refused in a reset is a part of it, as long as nobody has to act
            token = msgspec.structs.replace(token, valid=True)
        what = "held until it is over" if self._hold else "refused until it is over, or the session was reset"
        picture = Picture(
            trouble=self.trouble,
            token=token,
            no_data=self._no_data,
            refusing=f"IBKR resets its servers, {refusing}: new orders are {what}, cancels pass" if refusing else "",
            holding=self._hold and (refusing is not None or self._hush is not None),
            closed=self.closed,
        )
        state = report(self._exchange, self._clock.now(), picture, self.state)
        if is_news(state, self.state):
            self.state = state
            _logger.info("%s is %s", self._exchange, "ready" if state.ready else f"not ready: {state.reason}")
            self._put_safely(state)

    def notice(self, level: NoticeLevel, text: str) -> None:
        self._put_safely(Notice(exchange=self._exchange, time=self._clock.now(), level=level, text=text))

    # -- inside --------------------------------------------------------------------------------------------------

    def _explaining(self, seen: Seen) -> ResetWindow | None:
        """The reset that a lost session is put down to; None when it has a cause of its own."""
        if seen not in _OF_A_RESET:
            return None
        signed_out = seen is Seen.SIGNED_OUT and self._person_signs_in
        if signed_out and (self._said is seen or self._resets.ends_sign_in()):
            # Once told, it stays what it is: the reset ends no sign-in twice, and somebody may be at it.
            return None
        return self._resets.hushing(grace=not signed_out)

    def _hush_up(self, window: ResetWindow, seen: Seen, down: SessionTier) -> None:
        """Put it down to the reset, unless something else was told before that is still so."""
        if self._hush is None and self.trouble is not None and not self._is_past(seen):
            return
        known = self.trouble if self._hush is not None else None
        if known is None:
            known = Trouble(down=down, cause="", action="it is expected, and tried again until it is over")
        self._hush, self._said = window, Seen.NOTHING_YET
        self.trouble = msgspec.structs.replace(known, cause=f"IBKR resets its servers: {window}")

    def _is_past(self, seen: Seen) -> bool:
        """Whether what was told is no longer so, by what is seen now. What a person must mend stays until he has."""
        if self._said is Seen.BLOCKED:
            return seen is not Seen.BLOCKED
        needs_person = self._said in _FOR_A_PERSON or (self._said is Seen.SIGNED_OUT and self._person_signs_in)
        return not needs_person and self._said is not seen and self.in_a_row >= _CONVINCING

    def _put_safely(self, event: SessionState | Notice) -> None:
        """Who is told can't break the session."""
        try:
            self.put(event)
        except Exception:
            _logger.exception("who is told about the session of %s failed", self._exchange)


def _gist(seen: Seen, trouble: Trouble) -> tuple[object, ...]:
    """What makes a trouble another one: other words for the same are no news."""
    kind = Seen.NOT_ESTABLISHED if seen in _NOT_OPEN else seen
    return kind, trouble.down, trouble.act_until, trouble.action if seen in _SIGN_IN_GONE else ""


def _nowhere(event: SessionState | Notice) -> None:
    """Nobody has asked yet."""
