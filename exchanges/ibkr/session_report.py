"""What is told of a session: four tiers, whether orders may be sent, and why not. Pure."""

from typing import Final

import msgspec

from exchanges.ibkr.auth import TokenState
from exchanges.ibkr.resets import Region, ResetWindow
from exchanges.ibkr.session_accounts import LoginAccount
from exchanges.ibkr.session_table import Compete
from horizon.errors import HorizonError, NeedsLogin
from horizon.model import SessionState, SessionTier, TierState
from horizon.net.rates import Budget

TIERS: Final = (SessionTier.TOKEN, SessionTier.GATEWAY, SessionTier.BROKERAGE, SessionTier.MARKET_DATA)


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong: the lowest tier that is down, and why."""

    down: SessionTier
    cause: str
    action: str = ""
    act_until: int | None = None
    needs_person: bool = False
    """It does not mend itself."""

    @property
    def sentence(self) -> str:
        return f"{self.cause}: {self.action}" if self.action else self.cause


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a report is made from."""

    trouble: Trouble | None = None
    token: TokenState
    no_data: Trouble | None = None
    refusing: str = ""
    """Why new orders are refused although nothing is down; empty when they are not."""
    holding: bool = False
    closed: str = ""
    """`not opened` or `closed`."""


class SessionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A whole session at one moment, for people to look at. Times are in ns, ages in seconds. No secrets."""

    exchange: str
    time: int
    base_url: str
    signs_in: str
    """The way of signing in, by the name of its class."""
    state: SessionState
    accounts: tuple[LoginAccount, ...]
    selected_account: str | None
    server: str | None
    competing: bool
    compete: Compete
    keep_alive_age: float | None
    token_expires: int | None
    suppressed: tuple[str, ...]
    budget: Budget
    region: Region
    window: ResetWindow | None
    """The reset that goes on now."""
    next_reset: ResetWindow

    @property
    def tiers(self) -> tuple[TierState, ...]:
        return self.state.tiers

    def age(self, tier: TierState) -> float:
        """Seconds since a tier is as it is."""
        return (self.time - tier.since) / 1e9


def trouble_of(error: HorizonError, down: SessionTier, *, needs_person: bool = False) -> Trouble:
    """An error as what is wrong with a tier. Its text is `cause: what to do`."""
    text = str(error)
    if isinstance(error, NeedsLogin) and error.action:
        cause = text.removesuffix(error.action).rstrip(": ")
        return Trouble(down=down, cause=cause, action=error.action, act_until=error.act_until, needs_person=True)
    cause, found, action = text.rpartition(": ")
    if not found:
        cause, action = text, ""
    return Trouble(down=down, cause=cause, action=action, needs_person=needs_person)


def report(exchange: str, now: int, picture: Picture, before: SessionState) -> SessionState:
    """The state to tell; `since` of a tier that has not changed is kept from `before`."""
    trouble = picture.trouble
    # While calls succeed, a token that was refused once is good enough.
    if trouble is not None and not picture.token.valid:
        trouble = _without_token(picture.token, before)
    elif trouble is not None and trouble.down is SessionTier.TOKEN and picture.token.action:
        trouble = msgspec.structs.replace(trouble, needs_person=True)
    if picture.closed:
        return SessionState(exchange=exchange, time=now, ready=False, reason=picture.closed)
    known = {tier.tier: tier for tier in before.tiers}
    tiers = []
    for at, tier in enumerate(TIERS):
        wrong = _wrong_with(tier, at, trouble, picture.no_data)
        up = wrong is None
        last = known.get(tier)
        tiers.append(
            TierState(
                tier=tier,
                up=up,
                since=last.since if last is not None and last.up == up else now,
                cause="" if wrong is None else wrong.cause,
                action="" if wrong is None else wrong.action,
                act_until=None if wrong is None else wrong.act_until,
                needs_person=wrong is not None and wrong.needs_person,
            )
        )
    return SessionState(
        exchange=exchange,
        time=now,
        ready=trouble is None and not picture.refusing,
        tiers=tuple(tiers),
        reason=picture.refusing if trouble is None else trouble.sentence,
        holding=picture.holding and (trouble is not None or bool(picture.refusing)),
    )


def is_news(state: SessionState, before: SessionState) -> bool:
    """Whether a state says something that the one before did not; its time alone is no news."""
    return msgspec.structs.replace(state, time=before.time) != before


def _without_token(token: TokenState, before: SessionState) -> Trouble:
    """A token that is not valid; one reason after another why it could not be renewed is no news."""
    action = token.action or "it is renewed by itself"
    known = next((tier for tier in before.tiers if tier.tier is SessionTier.TOKEN and not tier.up), None)
    same = known is not None and (known.action, known.act_until) == (action, token.act_until)
    return Trouble(
        down=SessionTier.TOKEN,
        cause=known.cause if known is not None and same else token.cause or "there is no valid token",
        action=action,
        act_until=token.act_until,
        needs_person=bool(token.action),
    )


def _wrong_with(tier: SessionTier, at: int, trouble: Trouble | None, no_data: Trouble | None) -> Trouble | None:
    if trouble is not None and TIERS.index(trouble.down) <= at:
        if tier is trouble.down:
            return trouble
        return Trouble(down=tier, cause=f"the {trouble.down.replace('_', ' ')} is not usable")
    return no_data if tier is SessionTier.MARKET_DATA else None
