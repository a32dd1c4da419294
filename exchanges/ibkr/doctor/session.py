"""The sign-in, the brokerage session and what it allows, out of one look."""

from collections.abc import Iterator, Mapping
from typing import Final

from exchanges.ibkr.auth.oauth2_refusals import TOLERATED_SKEW, skew_seconds
from exchanges.ibkr.doctor.check import Check, Result, failed, ok, skipped, warning
from exchanges.ibkr.session_look import Look
from exchanges.ibkr.session_table import Seen
from horizon.clock import to_datetime
from horizon.model import SessionTier, TierState
from horizon.net.redaction import redact

_KINDS: Final = {True: "LIVE", False: "paper", None: "paper or live: not known"}
_WANTED: Final = (("STK", "stocks"), ("OPT", "options"), ("FUT", "futures"), ("CASH", "forex"))

_AWAY: Final = (
    "it may be away for a reset, or its network down: look again in some minutes; a gateway that stays silent wants to "
    "be started again"
)


def reset_check(seen: Look) -> Check:
    """Whether a reset goes on, which explains much."""
    now, coming = seen.status.window, seen.status.next_reset
    if now is None:
        return ok("reset", f"none now; next {coming.kind.value} at {_moment(coming.start)}")
    found = f"{now.kind.value}, until {_moment(now.end)}"
    if seen.seen is Seen.ESTABLISHED:
        return ok("reset", f"{found}; the session holds all the same")
    return warning("reset", found, "what fails below may come from it: look again after")


def session_checks(seen: Look) -> Iterator[Check]:
    """Login, brokerage session, competing programs, accounts, permissions."""
    tiers = {tier.tier: tier for tier in seen.status.tiers}
    if not tiers:
        yield skipped("login", seen.status.state.reason)
        for name in ("session", "competing", "accounts", "trading"):
            yield skipped(name, "nobody was asked")
        return
    yield _login(seen, tiers)
    yield _session(seen, tiers[SessionTier.BROKERAGE])
    yield _competing(seen)
    yield _accounts(seen)
    yield _trading(seen)


def clock_check(headers: Mapping[str, str], now: int, *, signs: bool) -> Check:
    """This machine's clock beside the venue's. `signs` says that requests carry the time, so that it matters."""
    name = "clock"
    skew = skew_seconds(headers, now)
    if skew is None:
        return skipped(name, "no answer carried the venue's time")
    if abs(skew) <= TOLERATED_SKEW:
        return ok(name, f"within {max(abs(skew), 1):.0f} s of the venue's")
    way = "ahead of" if skew > 0 else "behind"
    found, remedy = f"{abs(skew):.0f} s {way} the venue's", "let the machine set it by the network (NTP)"
    return failed(name, found, remedy) if signs else warning(name, found, remedy)


def _login(seen: Look, tiers: Mapping[SessionTier, TierState]) -> Check:
    for tier in (tiers[SessionTier.TOKEN], tiers[SessionTier.GATEWAY]):
        if not tier.up and seen.seen is Seen.NO_ANSWER:
            found = f"{tier.cause}: {tier.action}" if tier.action else tier.cause
            return failed("login", redact(found), _AWAY)
        if not tier.up:
            return _down("login", tier)
    if seen.seen is None:
        return ok("login", f"signed in, says the program that keeps it (pid {seen.note.pid if seen.note else '?'})")
    return ok("login", f"signed in at {seen.status.base_url}")


def _session(seen: Look, tier: TierState) -> Check:
    if seen.seen in (Seen.NOT_ESTABLISHED, Seen.NOT_CONNECTED) and seen.note is None:
        return _down("session", tier, Result.WARNING)
    if seen.competing:
        return skipped("session", "another program holds it")
    if not tier.up:
        return _down("session", tier) if tier.action else skipped("session", tier.cause)
    if not seen.status.state.ready:
        return warning("session", seen.status.state.reason, "wait until it is over")
    kept = "" if seen.note is None else f", kept by the program with pid {seen.note.pid}"
    return ok("session", f"established{kept}")


def _competing(seen: Look) -> Check:
    if seen.competing is None:
        return skipped("competing", "nobody could say")
    if seen.competing:
        return failed(
            "competing",
            "another program of the same user holds the brokerage session",
            'close it (TWS, the mobile app, another gateway), or set compete = "once" in the settings',
        )
    return ok("competing", "no other program of the same user")


def _accounts(seen: Look) -> Check:
    accounts = seen.status.accounts
    if not accounts:
        return skipped("accounts", "they are listed once the brokerage session is established")
    found = ", ".join(f"{each.account_id} ({_KINDS[each.is_live]})" for each in accounts)
    if any(each.is_live is None for each in accounts):
        return warning("accounts", found, "nothing is traded on an account that is not known to be paper")
    if any(each.is_live for each in accounts):
        return warning("accounts", found, "this version trades on paper accounts only: sign in with the paper user")
    return ok("accounts", found)


def _trading(seen: Look) -> Check:
    """What the login lists of itself. Only an order would prove it, and none is tried here."""
    features = None if seen.brokerage is None else seen.brokerage.allowFeatures
    if features is None:
        return skipped("trading", "IBKR lists the permissions once the brokerage session is established")
    kinds = {kind.strip() for kind in (features.allowedAssetTypes or "").split(",")}
    allowed = [word for kind, word in _WANTED if kind in kinds]
    events = [flag for flag in (features.allowEventTrading, features.allowEventContract) if flag is not None]
    if any(events):
        allowed.append("event contracts")
    found = f"listed for this login: {', '.join(allowed) or 'nothing'}; no order was tried"
    if events and not any(events):
        return warning(
            "trading", found, "for ForecastEx ask for event contracts in the Client Portal, under trading permissions"
        )
    if kinds and "STK" not in kinds:
        return warning("trading", found, "ask for stocks in the Client Portal, under trading permissions")
    return ok("trading", found)


def _down(name: str, tier: TierState, result: Result = Result.FAILED) -> Check:
    return Check(name=name, result=result, found=redact(tier.cause), action=redact(tier.action))


def _moment(nanoseconds: int) -> str:
    moment = to_datetime(nanoseconds)
    here, there = f"{moment.astimezone():%a %H:%M %Z}", f"{moment:%a %H:%M UTC}"
    return here if here == there else f"{here} ({there})"
