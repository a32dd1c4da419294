"""What of all that happens a person must hear, and when it has been said. Pure."""

import msgspec

from horizon.model import Notice, NoticeLevel, SessionState, TierState
from horizon.net.redaction import redact


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell a person. `text` is one or two sentences without secrets."""

    exchange: str
    time: int
    """Integer nanoseconds."""
    text: str
    kind: str
    """`session` when somebody has to act, `restored` when nobody has to any more, `error` for a notice."""
    act_until: int | None = None
    """Integer nanoseconds: until when somebody has to act, if there is such a moment."""
    account_id: str | None = None


class Alerts:
    """Picks what must be heard out of a venue's events: each need for a person once, its end once, and errors."""

    def __init__(self) -> None:
        self._needs: dict[str, tuple[object, ...]] = {}

    def of(self, event: object) -> Alert | None:
        """The alert that an event calls for, if any."""
        if isinstance(event, Notice) and event.level is NoticeLevel.ERROR:
            return Alert(
                exchange=event.exchange,
                time=event.time,
                text=redact(event.text),
                kind="error",
                account_id=event.account_id,
            )
        return self._of_session(event) if isinstance(event, SessionState) else None

    def _of_session(self, state: SessionState) -> Alert | None:
        needed = next((tier for tier in state.tiers if not tier.up and tier.needs_person), None)
        before = self._needs.get(state.exchange)
        if needed is None:
            if before is None or not state.ready:
                return None
            del self._needs[state.exchange]
            text = f"{state.exchange}: the session is back, nothing has to be done"
            return Alert(exchange=state.exchange, time=state.time, text=text, kind="restored")
        # the same in other words is no news
        need = (needed.tier, needed.action or needed.cause, needed.act_until)
        if need == before:
            return None
        self._needs[state.exchange] = need
        return Alert(
            exchange=state.exchange,
            time=state.time,
            text=redact(f"{state.exchange}: {_sentence(needed)}"),
            kind="session",
            act_until=needed.act_until,
        )


def _sentence(tier: TierState) -> str:
    cause = tier.cause or f"the {tier.tier.replace('_', ' ')} is down"
    return f"{cause}: {tier.action}" if tier.action else cause
