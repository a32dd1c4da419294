"""How often a user may be signed in: at most twice an hour, whoever asks and however often the program is restarted.

A supervisor that restarts a failing program again and again would sign the user in each time, until the venue locks the
account. So every sign-in (an SSO session of OAuth 2.0, a live session token of OAuth 1.0a) is written down before its
request leaves, in one small database in the state directory, shared by all processes of this user. It holds times and
a digest of the credential, nothing secret.

| what became of the request                | counts                             |
|-------------------------------------------|------------------------------------|
| signed in, refused, 500, no answer        | as a sign-in: at most two an hour  |
| 502, 503, 504: a gateway stood in the way | as an attempt: at most six an hour |
| it surely did not leave                   | not at all                         |
"""

import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from horizon.clock import NANOSECONDS, Clock, SystemClock, to_datetime
from horizon.directories import state_directory
from horizon.errors import ConfigurationError, TokenExpired
from horizon.net.tls import is_loopback

SIGN_INS_AN_HOUR: Final = 2
ATTEMPTS_AN_HOUR: Final = 6
"""Sign-ins and requests that a gateway in front of the venue answered with 502, 503 or 504."""
# A minute more than an hour: the venue counts arrivals, and a request can be on its way for a while.
_WINDOW: Final = 3660 * NANOSECONDS
_FILE: Final = "sign_ins.sqlite"
_BUSY_SECONDS: Final = 10.0


class _Attempt(NamedTuple):
    """One request to sign in. `counted` is False when nobody was signed in by it."""

    id: str
    time: int
    counted: bool


_Change = Callable[[tuple[_Attempt, ...]], tuple[_Attempt, ...]]


class SignIn:
    """One sign-in that has begun. What is not said of it counts as made."""

    __slots__ = ("_id", "_sign_ins")

    def __init__(self, sign_ins: "SignIns", id_: str) -> None:
        self._sign_ins = sign_ins
        self._id = id_

    def not_sent(self) -> None:
        """The request surely did not leave: it does not count."""
        self._sign_ins._change(lambda known: tuple(each for each in known if each.id != self._id))

    def unavailable(self) -> None:
        """502, 503 or 504: nobody was signed in, so it counts as an attempt only."""
        self._sign_ins._change(
            lambda known: tuple(each._replace(counted=False) if each.id == self._id else each for each in known)
        )


class SignIns:
    """The sign-ins of one credential.

    `directory` is where they are remembered; None remembers them in this object only, for a clock that is not the
    machine's. Raises ConfigurationError when the directory can't be written to.
    """

    def __init__(self, credential: str, *, directory: Path | None) -> None:
        self._credential = hashlib.sha256(credential.encode()).hexdigest()[:32]
        self._directory = directory
        self._known: tuple[_Attempt, ...] = ()

    def __repr__(self) -> str:
        return f"SignIns({str(self._directory) if self._directory else 'in memory'})"

    @property
    def credential(self) -> str:
        """A digest that tells this credential from others."""
        return self._credential

    def begin(self, now: int) -> SignIn:
        """Write one sign-in down, to be called just before its request leaves. `now` is integer nanoseconds.

        Raises TokenExpired, with the time of the next one, when there were too many in the last hour.
        """
        id_ = secrets.token_hex(8)
        recent: tuple[_Attempt, ...] = ()

        def add(known: tuple[_Attempt, ...]) -> tuple[_Attempt, ...]:
            nonlocal recent
            recent = _recent(known, now)
            return recent if _next_allowed(recent) > now else (*recent, _Attempt(id_, now, True))

        self._change(add)
        _refuse_too_many(recent, now)
        return SignIn(self, id_)

    def check(self, now: int) -> None:
        """Raise TokenExpired as `begin` would; nothing is written down."""
        _refuse_too_many(self._look(now), now)

    def next_allowed(self, now: int) -> int:
        """Integer nanoseconds from which on the next sign-in is allowed; not after `now` when it is allowed at once."""
        return _next_allowed(self._look(now))

    def left(self, now: int) -> int:
        """How many sign-ins may be made in this hour."""
        recent = self._look(now)
        counted = sum(each.counted for each in recent)
        return max(min(SIGN_INS_AN_HOUR - counted, ATTEMPTS_AN_HOUR - len(recent)), 0)

    def _look(self, now: int) -> tuple[_Attempt, ...]:
        recent: tuple[_Attempt, ...] = ()

        def look(known: tuple[_Attempt, ...]) -> tuple[_Attempt, ...]:
            nonlocal recent
            recent = _recent(known, now)
            return recent

        self._change(look)
        return recent

    def _change(self, change: _Change) -> None:
        if self._directory is None:
            self._known = change(self._known)
            return
        path = self._directory / _FILE
        try:
            with _opened(path) as database:
                rows = database.execute(
                    "select id, time, counted from attempts where credential = ? order by time", (self._credential,)
                ).fetchall()
                known = tuple(_Attempt(str(id_), int(time), bool(counted)) for id_, time, counted in rows)
                wanted = change(known)
                if wanted != known:
                    database.execute("delete from attempts where credential = ?", (self._credential,))
                    database.executemany(
                        "insert into attempts values (?, ?, ?, ?)", [(self._credential, *each) for each in wanted]
                    )
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"expected to write the times of sign-ins down in {path}, found that impossible ({error}): make the "
                f"directory writable, or move the file away when it is damaged; nobody is signed in without it, "
                f"because a restarted program could lock the user out"
            ) from error


def sign_ins_directory(base_url: str, clock: Clock) -> Path | None:
    """Where sign-ins at `base_url` are remembered, by default: in the state directory when the times are the machine's
    own and the host is the venue; nowhere when the clock was made for a simulation, or the host is this machine."""
    if not isinstance(clock, SystemClock) or is_loopback(urlsplit(base_url).hostname or ""):
        return None
    return state_directory() / "ibkr"


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The database, inside a transaction that no other process can step into."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
    try:
        database.execute("begin immediate")
        database.execute("create table if not exists attempts(credential text, id text, time integer, counted integer)")
        yield database
        database.execute("commit")
    finally:
        # Closing rolls back what was not committed.
        database.close()


def _recent(known: tuple[_Attempt, ...], now: int) -> tuple[_Attempt, ...]:
    """What still counts. A time in the future was written under a wrong clock: it becomes now, and ends in an hour."""
    return tuple(each._replace(time=min(each.time, now)) for each in known if each.time > now - _WINDOW)


def _next_allowed(recent: tuple[_Attempt, ...]) -> int:
    times = [each.time for each in recent]
    counted = [each.time for each in recent if each.counted]
    return max(
        (
            series[-limit] + _WINDOW
            for series, limit in ((sorted(counted), SIGN_INS_AN_HOUR), (sorted(times), ATTEMPTS_AN_HOUR))
            if len(series) >= limit
        ),
        default=0,
    )


def _refuse_too_many(recent: tuple[_Attempt, ...], now: int) -> None:
    allowed = _next_allowed(recent)
    if allowed > now:
        raise TokenExpired(
            f"{_count(recent)} in the last hour, and more could lock the user out: the next sign-in is allowed at "
            f"{to_datetime(allowed):%H:%M:%S} UTC (in {_duration(allowed - now)}), and is made then by a program that "
            f"is still running"
        )


def _count(recent: tuple[_Attempt, ...]) -> str:
    counted = sum(each.counted for each in recent)
    if counted >= SIGN_INS_AN_HOUR:
        return f"this user was signed in {'twice' if counted == SIGN_INS_AN_HOUR else f'{counted} times'}"
    return f"{len(recent)} sign-ins of this user failed"


def _duration(nanoseconds: int) -> str:
    seconds = -(-nanoseconds // NANOSECONDS)
    return f"{seconds} s" if seconds < 120 else f"{-(-seconds // 60)} min"
