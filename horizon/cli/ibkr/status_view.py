"""All that `horizon ibkr status` shows, and the same as JSON."""

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from horizon.clock import NANOSECONDS, to_datetime

if TYPE_CHECKING:
    from exchanges.ibkr.certificate_look import CertificateLook
    from exchanges.ibkr.resets import ResetWindow
    from exchanges.ibkr.session_look import Look
    from horizon.net.rates import Budget


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """All that is shown."""

    profile: str | None
    look: "Look"
    certificate: "CertificateLook | None"
    certificate_problem: str


def as_json(seen: StatusView) -> dict[str, object]:
    """What `--json` prints: docs/venues/ibkr.md lists its keys. Ages are in seconds, moments ISO 8601 in UTC."""
    look, status = seen.look, seen.look.status
    note = look.note
    return {
        "profile": seen.profile,
        "url": status.base_url,
        "signs_in": status.signs_in,
        "ready": status.state.ready,
        "reason": status.state.reason,
        "asked": look.seen is not None,
        "tiers": [
            {
                "tier": tier.tier.value,
                "up": tier.up,
                "age_seconds": round(status.age(tier), 1) if note is not None else None,
                "cause": tier.cause,
                "action": tier.action,
                "act_until": _moment(tier.act_until),
            }
            for tier in status.tiers
        ],
        "accounts": [{"account_id": account.account_id, "is_live": account.is_live} for account in status.accounts],
        "selected_account": status.selected_account,
        "competing": look.competing,
        "server": status.server,
        "kept_by": None if note is None else note.pid,
        "keep_alive_age_seconds": None if status.keep_alive_age is None else round(status.keep_alive_age, 1),
        "sign_in_holds_seconds": look.sso_expires_in,
        "token_expires": _moment(status.token_expires),
        "sign_ins_left": look.sign_ins_left,
        "next_sign_in": _moment(look.next_sign_in),
        "penalty_seconds": round(status.budget.closed_for, 1),
        "limits": _limits(status.budget),
        "certificate": _certificate(seen),
        "reset_now": _window(status.window),
        "next_reset": _window(status.next_reset),
        "time": _moment(status.time),
    }


def _limits(budget: "Budget") -> dict[str, object]:
    names = ("name", "used", "limit", "open", "concurrent")
    rules = [{name: getattr(rule, name) for name in names} for rule in budget.rules]
    return {"shared": budget.shared, "rules": rules}


def _certificate(seen: StatusView) -> dict[str, object] | None:
    found = seen.certificate
    if found is None:
        return None
    return {
        "fingerprint": found.fingerprint or None,
        "trusted": found.trusted.value,
        "is_stock": found.is_stock,
        "expires": None if found.expires is None else _iso(found.expires),
    }


def _window(window: "ResetWindow | None") -> dict[str, object] | None:
    if window is None:
        return None
    return {"kind": window.kind.value, "start": _moment(window.start), "end": _moment(window.end)}


def _moment(nanoseconds: int | None) -> str | None:
    return None if nanoseconds is None else _iso(to_datetime(nanoseconds // NANOSECONDS * NANOSECONDS))


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
