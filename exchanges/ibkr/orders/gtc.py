"""Says when the venue will cancel GTC orders by itself: at the end of the quarter after the one they were sent in."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date, timedelta
from typing import Final

from exchanges.ibkr.mapping.numbers import decimal
from exchanges.ibkr.profile import GTC_NOTICE_DAYS, gtc_ends
from exchanges.ibkr.wire.orders import OrderRow
from horizon.clock import Clock, to_datetime
from horizon.model import NoticeLevel, OrderRequest, TimeInForce

_MILLISECOND: Final = 1_000_000

Tell = Callable[[str, NoticeLevel], None]


class GtcNotices:
    """Tells once on which day GTC orders end that are sent now, and once of each order whose day is near."""

    def __init__(self, clock: Clock, tell: Tell) -> None:
        self._clock = clock
        self._tell = tell
        self._announced: date | None = None
        self._warned: set[int | str] = set()

    def sending(self, group: Sequence[OrderRequest]) -> None:
        """Orders are about to leave."""
        if all(request.time_in_force is not TimeInForce.GTC for request in group):
            return
        ends = gtc_ends(self._clock.now())
        if ends != self._announced:
            self._announced = ends
            self._tell(f"GTC orders that are sent now are cancelled by the venue after {ends}", NoticeLevel.INFO)

    def seen(self, working: Iterable[OrderRow]) -> None:
        """Rows of orders that work. A row dates its last change alone, so the day may come a quarter sooner."""
        today = to_datetime(self._clock.now()).date()
        for row in working:
            if (row.timeInForce or "").upper() != TimeInForce.GTC or row.orderId in self._warned:
                continue
            changed = decimal(row.lastExecutionTime_r)
            if changed is None:
                continue
            ends = gtc_ends(int(changed) * _MILLISECOND)
            if timedelta(0) <= ends - today <= timedelta(days=GTC_NOTICE_DAYS):
                self._warned.add(row.orderId)
                self._tell(
                    f"GTC order {row.order_ref or row.orderId} is cancelled by the venue after {ends} at the latest: "
                    "send it again after that",
                    NoticeLevel.WARNING,
                )
