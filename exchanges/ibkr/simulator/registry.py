"""The local order ids (cOIDs) that programs have sent, each good once in 24 hours."""

from collections import Counter

from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from horizon.clock import NANOSECONDS

LIFETIME = 24 * 3600 * NANOSECONDS


class Registry:
    """By account. An id is used up by the request that brought it, whatever becomes of the order."""

    def __init__(self) -> None:
        self._used: dict[tuple[str, str], int] = {}
        self._orders: dict[tuple[str, str], PlacedOrder] = {}
        self._received: Counter[tuple[str, str]] = Counter()

    def receive(self, account: str, coid: str) -> None:
        """A request with this id has arrived."""
        self._received[account, coid] += 1

    def burn(self, account: str, coid: str, now: int) -> None:
        self._used[account, coid] = now

    def is_burnt(self, account: str, coid: str, now: int) -> bool:
        used = self._used.get((account, coid))
        return used is not None and now - used < LIFETIME

    def keep(self, account: str, coid: str, order: PlacedOrder) -> None:
        self._orders[account, coid] = order

    def order(self, account: str, coid: str) -> PlacedOrder | None:
        return self._orders.get((account, coid))

    def forget(self, account: str, coid: str) -> None:
        self._orders.pop((account, coid), None)
        self._used.pop((account, coid), None)
        self._received.pop((account, coid), None)

    def times_received(self, account: str) -> dict[str, int]:
        """How many requests have brought each id."""
        return {coid: times for (owner, coid), times in self._received.items() if owner == account}
