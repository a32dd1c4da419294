"""Until when a contract can be traded, and a GTC order lives."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

from horizon.errors import InvalidOrder
from horizon.model import Market

_SECOND: Final = 1_000_000_000
_LAST_ZONE: Final = timedelta(hours=12)
"""A day is over everywhere this long after it is over in UTC."""
_QUARTER: Final = 3

GTC_NOTICE_DAYS: Final = 30
"""So many days before the venue cancels a GTC order, it is said."""


def check_not_expired(market: Market, now: int) -> None:
    """Raise InvalidOrder when the contract's last day is over everywhere, or its event's last trading time."""
    moment = datetime.fromtimestamp(now // _SECOND, UTC)
    last = market.event.last_trade_time if market.event is not None else None
    if last is not None and moment > last:
        raise InvalidOrder(
            f"{market.symbol} ({market.market_id}) was last traded at {last:%Y-%m-%d %H:%M} UTC", rule="expired"
        )
    day = market.last_trade_date or (market.option.expiry if market.option is not None else "")
    if len(day) == len("YYYYMMDD") and day < f"{moment - _LAST_ZONE:%Y%m%d}":
        raise InvalidOrder(
            f"{market.symbol} ({market.market_id}) expired on {day[:4]}-{day[4:6]}-{day[6:]}: look up a later one",
            rule="expired",
        )


def gtc_ends(placed: int) -> date:
    """The day on which the venue cancels a GTC order by itself: the last one of the quarter after the present one."""
    day = datetime.fromtimestamp(placed // _SECOND, UTC).date()
    quarter = (day.month - 1) // _QUARTER
    months = day.year * 12 + (quarter + 2) * _QUARTER
    return date(months // 12, months % 12 + 1, 1) - timedelta(days=1)
