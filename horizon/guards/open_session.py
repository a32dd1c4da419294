"""No orders into a closed session, unless asked for."""

from datetime import UTC, datetime

from horizon.guards.guard import GuardView
from horizon.model import OrderRequest, TimeInForce, TradingHours

_ASKS_FOR_ANOTHER_SESSION = frozenset({TimeInForce.OPG, TimeInForce.OVERNIGHT, TimeInForce.OVERNIGHT_AND_DAY})


class OpenSession:
    """Refuses an order outside the regular session of its market, where it would rest unseen until the next one.

    Passes when the order asks for it: `outside_rth`, or a time in force made for another session (OPG, OVT, OND).
    Hours that are not known, or do not reach to this moment, pass.
    """

    name = "open_session"

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if request.outside_rth or request.time_in_force in _ASKS_FOR_ANOTHER_SESSION:
            return None
        market = view.market(request.instrument)
        if market is None or market.hours is None or not market.hours.covers(view.now):
            return None
        session = market.hours.session_at(view.now)
        if session is not None and session.regular:
            return None
        return (
            f"the regular session of {market.symbol} is closed at {_clock_time(view.now)}"
            f"{_next_opening(market.hours, view.now)}; set outside_rth=True to send the order anyway"
        )

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""


def _next_opening(hours: TradingHours, now: int) -> str:
    later = [session.opens for session in hours.sessions if session.regular and session.opens > now]
    return f" and opens at {_clock_time(min(later))}" if later else ""


def _clock_time(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
