"""What the session sees, what it means and what is done about it: data, and one pure function that reads it.

    observation -> state -> action

`TABLE` is that table (reference, sections 1.1 to 1.6, 3.1, 8 and 10). The first row whose observation was made and
whose condition holds is the verdict. The shell in `session` does what it says and comes back with the next
observation, so one repair is a short walk through the table that always ends: every action is taken once, and the
question how the session stands is asked a bounded number of times.

The four tiers stand on each other: token, gateway (the sign-in), brokerage (`/iserver`), market data. A row names the
lowest tier that is down.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Literal, get_args

import msgspec

from horizon.errors import ConfigurationError
from horizon.model import SessionTier

Compete = Literal["never", "once", "always"]
COMPETE: Final[tuple[Compete, ...]] = get_args(Compete)

MOST_QUESTIONS: Final = 9
"""How often the status is asked in one repair: once before `ssodh/init`, and while the session is being established."""


def compete_of(value: object) -> Compete:
    """The policy by its name. ConfigurationError for anything else, a bool among it."""
    for policy in COMPETE:
        if value == policy:
            return policy
    raise ConfigurationError(
        f'expected compete to be "never", "once" or "always", found {value!r}: "once" takes the brokerage session from '
        f'another program one time, "always" each time'
    )


MOST_INITS: Final = 4
"""How often `ssodh/init` is sent while somebody waits for the session: right after a sign-in it can be too early."""


class Seen(StrEnum):
    """What was observed."""

    NOTHING_YET = "the session is opened, or comes back"
    ESTABLISHED = "authenticated, established, connected, not competing"
    NOT_ESTABLISHED = "connected or authenticated, but not both and established"
    NOT_CONNECTED = "neither authenticated nor connected"
    COMPETING = "competing"
    NO_ACCOUNTS = "/iserver/accounts lists no account, or answers no bridge"
    INIT_FAILED = "ssodh/init answers with an error"
    NOT_ACTIVE = "id 39687, invalid consumer"
    SIGNED_OUT = "401, no session or a login page: tickle, auth/status, /iserver/accounts"
    NO_TOKEN = "no valid token can be had"  # noqa: S105  a description, not a secret
    NO_ANSWER = "no answer, 5xx, every host answers 410"
    UNREADABLE = "an answer without the documented shape"
    BLOCKED = "429"
    REFUSED = "another refusal"
    MISCONFIGURED = "what was configured can't work"
    DEFECT = "an error of our own"


class Doubt(StrEnum):
    """What a call ran into although the status may say that all is well."""

    NO_BRIDGE = "no bridge in an /iserver answer"
    UNAUTHORIZED = "401 on an /iserver call"


class Action(StrEnum):
    """What is done next. Each but the first two is followed by another observation."""

    GO_ON = "nothing is wrong: read the accounts, suppress, restore"
    WAIT = "tell it, and look again with the next keep-alive"
    ASK = "ask auth/status"
    INIT = "ssodh/init with compete=false"
    TAKE_OVER = "ssodh/init with compete=true"
    RENEW = "have the token renewed"


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a verdict depends on beside the observation. The first eight are of this repair."""

    asked: int = 0
    """How often auth/status was answered."""
    inits: int = 0
    took: bool = False
    renewed: bool = False
    opening: bool = False
    """Somebody waits for the session to open."""
    connected: bool = False
    """As the latest status had it."""
    doubt: Doubt | None = None
    recently_opened: bool = False
    """The same doubt led to `ssodh/init` a short while ago, and that did not help."""

    compete: Compete = "never"
    ours: bool = False
    """The brokerage session was ours when the token was renewed: a competitor is our own old session."""
    taken: int = 0
    """How often this session object has taken the brokerage session from another program."""
    may_take: bool = True
    """Whether the pause since the last take-over is over."""
    person_signs_in: bool = True


Condition = Callable[[Standing], bool]


def always(standing: Standing) -> bool:
    return True


def unasked(standing: Standing) -> bool:
    """The status was not asked in this repair: a tickle's word, or a call's, is not enough for `ssodh/init`."""
    return standing.asked == 0


def unopened(standing: Standing) -> bool:
    return standing.inits == 0


def being_opened(standing: Standing) -> bool:
    """`ssodh/init` was sent, and its effect may still come: some builds say established before it is so."""
    return standing.inits > 0 and standing.asked < MOST_QUESTIONS


def too_early(standing: Standing) -> bool:
    """`ssodh/init` failed, perhaps because the sign-in is young: whoever opens the session waits for the next one."""
    return standing.opening and standing.inits < MOST_INITS


def too_early_to_take(standing: Standing) -> bool:
    return standing.took and too_early(standing)


def own_old_session(standing: Standing) -> bool:
    return standing.ours and not standing.took


def may_take_over(standing: Standing) -> bool:
    if standing.took or not standing.may_take:
        return False
    return standing.compete == "always" or (standing.compete == "once" and standing.taken == 0)


def doubted(standing: Standing) -> bool:
    return standing.doubt is not None and standing.inits == 0 and not standing.recently_opened


def doubted_again(standing: Standing) -> bool:
    """A 401 although the session was opened again: the token is next, where there is one."""
    return standing.doubt is Doubt.UNAUTHORIZED and standing.recently_opened and renewable(standing)


def doubted_for_good(standing: Standing) -> bool:
    return standing.doubt is Doubt.NO_BRIDGE and standing.recently_opened and standing.inits == 0


def renewable(standing: Standing) -> bool:
    return not standing.person_signs_in and not standing.renewed


def renewable_unconnected(standing: Standing) -> bool:
    return not standing.connected and renewable(standing)


def unconnected(standing: Standing) -> bool:
    return not standing.connected


class Row(msgspec.Struct, frozen=True):
    """One row: what was seen, under which condition, what is done, the lowest tier that is down, and the source."""

    seen: Seen
    when: Condition
    action: Action
    down: SessionTier | None
    source: str


_TOKEN, _GATEWAY, _BROKERAGE = SessionTier.TOKEN, SessionTier.GATEWAY, SessionTier.BROKERAGE

TABLE: Final[tuple[Row, ...]] = (
    Row(Seen.NOTHING_YET, always, Action.ASK, None, "1.4"),
    # the gate: authenticated and established and connected and not competing
    Row(Seen.ESTABLISHED, unasked, Action.ASK, None, "1.3"),
    Row(Seen.ESTABLISHED, doubted, Action.INIT, _BROKERAGE, "10, rows 7 and 10"),
    Row(Seen.ESTABLISHED, doubted_for_good, Action.INIT, _BROKERAGE, "10, row 10"),
    Row(Seen.ESTABLISHED, doubted_again, Action.RENEW, _BROKERAGE, "1.4"),
    Row(Seen.ESTABLISHED, always, Action.GO_ON, None, "1.3"),
    # the brokerage session is gone: idle, nightly reset, dropped
    Row(Seen.NOT_ESTABLISHED, unasked, Action.ASK, _BROKERAGE, "1.6"),
    Row(Seen.NOT_ESTABLISHED, unopened, Action.INIT, _BROKERAGE, "1.6"),
    Row(Seen.NOT_ESTABLISHED, being_opened, Action.ASK, _BROKERAGE, "1.3"),
    Row(Seen.NOT_ESTABLISHED, always, Action.WAIT, _BROKERAGE, "1.3"),
    Row(Seen.NOT_CONNECTED, unasked, Action.ASK, _BROKERAGE, "1.4"),
    Row(Seen.NOT_CONNECTED, unopened, Action.INIT, _BROKERAGE, "1.4"),
    Row(Seen.NOT_CONNECTED, being_opened, Action.ASK, _BROKERAGE, "1.3"),
    Row(Seen.NOT_CONNECTED, always, Action.WAIT, _BROKERAGE, "1.4"),
    Row(Seen.INIT_FAILED, renewable_unconnected, Action.RENEW, _GATEWAY, "1.3"),
    Row(Seen.INIT_FAILED, unconnected, Action.WAIT, _GATEWAY, "1.3"),
    Row(Seen.INIT_FAILED, too_early_to_take, Action.TAKE_OVER, _BROKERAGE, "1.3"),
    Row(Seen.INIT_FAILED, too_early, Action.INIT, _BROKERAGE, "1.3"),
    Row(Seen.INIT_FAILED, always, Action.WAIT, _BROKERAGE, "1.3"),
    Row(Seen.NO_ACCOUNTS, always, Action.WAIT, _BROKERAGE, "3.2"),
    # another program of the same user
    Row(Seen.COMPETING, unasked, Action.ASK, _BROKERAGE, "1.3"),
    Row(Seen.COMPETING, own_old_session, Action.TAKE_OVER, _BROKERAGE, "1.3"),
    Row(Seen.COMPETING, may_take_over, Action.TAKE_OVER, _BROKERAGE, "1.3"),
    Row(Seen.COMPETING, always, Action.WAIT, _BROKERAGE, "1.3"),
    # the sign-in is gone
    Row(Seen.SIGNED_OUT, renewable, Action.RENEW, _GATEWAY, "1.4"),
    Row(Seen.SIGNED_OUT, always, Action.WAIT, _GATEWAY, "1.4"),
    Row(Seen.NO_TOKEN, always, Action.WAIT, _TOKEN, "1.2"),
    Row(Seen.NOT_ACTIVE, always, Action.WAIT, _TOKEN, "1.3"),
    # nothing can be said
    Row(Seen.NO_ANSWER, always, Action.WAIT, _GATEWAY, "8.2"),
    Row(Seen.UNREADABLE, always, Action.WAIT, _GATEWAY, "8.2"),
    Row(Seen.BLOCKED, always, Action.WAIT, _GATEWAY, "8.1"),
    Row(Seen.REFUSED, always, Action.WAIT, _GATEWAY, "8.2"),
    Row(Seen.MISCONFIGURED, always, Action.WAIT, _GATEWAY, "1.1"),
    Row(Seen.DEFECT, always, Action.WAIT, _GATEWAY, "house rule"),
)


def judge(seen: Seen, standing: Standing) -> Row:
    """The row that holds: what is down, and what is done next."""
    return next(row for row in TABLE if row.seen is seen and row.when(standing))
