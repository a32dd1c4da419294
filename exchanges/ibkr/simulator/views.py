"""What the gateway shows where it does not look itself: order lists and positions that are a little old."""

from dataclasses import dataclass, field, replace

from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.ledger import Holding
from horizon.clock import NANOSECONDS

Rows = list[dict[str, object]]
Holdings = dict[int, Holding]


@dataclass
class Views:
    """By account."""

    habits: Habits
    missing: set[int] = field(default_factory=set)
    """Orders that a list leaves out although they are there."""
    _lists: dict[str, tuple[int, Rows]] = field(default_factory=dict)
    _lists_stand_until: int = 0
    _before_fills: dict[str, list[tuple[int, Holdings]]] = field(default_factory=dict)
    _positions_stand: dict[str, tuple[int, Holdings]] = field(default_factory=dict)

    def list_in_stock(self, account: str, now: int) -> Rows | None:
        """A list that still passes for today's, if there is one."""
        made, rows = self._lists.get(account, (0, None))
        lag = round(self.habits.order_list_lag * NANOSECONDS)
        return rows if rows is not None and (now - made < lag or now < self._lists_stand_until) else None

    def keep_list(self, account: str, rows: Rows, now: int) -> None:
        self._lists[account] = (now, rows)

    def forget_lists(self) -> None:
        self._lists.clear()
        self._lists_stand_until = 0

    def hold_lists(self, until: int) -> None:
        """The lists in stock are shown until then."""
        self._lists_stand_until = until

    def before_a_fill(self, account: str, holdings: Holdings, now: int) -> None:
        """Remember what was held, for as long as it is shown in place of what is held now."""
        lag = round(self.habits.position_lag * NANOSECONDS)
        if lag:
            kept = [entry for entry in self._before_fills.get(account, []) if now - entry[0] < lag]
            self._before_fills[account] = [*kept, (now, _copy(holdings))]

    def hold_positions(self, account: str, holdings: Holdings, until: int) -> None:
        self._positions_stand[account] = (until, _copy(holdings))

    def holdings(self, account: str, current: Holdings, now: int) -> Holdings:
        """What is shown as held."""
        until, standing = self._positions_stand.get(account, (0, current))
        if now < until:
            return standing
        lag = round(self.habits.position_lag * NANOSECONDS)
        recent = [before for time, before in self._before_fills.get(account, []) if now - time < lag]
        return recent[0] if recent else current

    def invalidate(self, account: str) -> None:
        """Positions are those of now again."""
        self._before_fills.pop(account, None)
        self._positions_stand.pop(account, None)


def _copy(holdings: Holdings) -> Holdings:
    return {conid: replace(held) for conid, held in holdings.items()}
