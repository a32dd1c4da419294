"""Orders by every id under which news of them may come, and the executions booked of each. Pure."""

from collections import deque
from collections.abc import Collection, Iterator

from horizon.model import ClientOrderId, ExecutionId, Fill, Instrument, MarketId, Order, OrderStatus, VenueOrderId
from horizon.orders.lifecycle import is_settled

_REMEMBERED = 2_000


class KeptOrders:
    """Orders that are not settled, and the last two thousand that are: late news of those is still understood."""

    def __init__(self) -> None:
        self._live: dict[ClientOrderId, Order] = {}
        self._by_instrument: dict[Instrument, dict[ClientOrderId, Order]] = {}
        self._by_venue_id: dict[VenueOrderId, ClientOrderId] = {}
        self._past: dict[ClientOrderId, Order] = {}
        self._past_ids: deque[ClientOrderId] = deque()
        self._former: dict[ClientOrderId, ClientOrderId] = {}
        self._executions: dict[ClientOrderId, dict[ExecutionId, Fill]] = {}
        self._alarming: dict[ClientOrderId, Order] = {}

    def get(self, client_order_id: ClientOrderId) -> Order | None:
        """The latest state; orders long done are forgotten. A former id finds the order too."""
        key = self._former.get(client_order_id, client_order_id)
        return self._live.get(key) or self._past.get(key)

    def find(self, client_id: ClientOrderId | None, venue_id: VenueOrderId | None) -> Order | None:
        """The order that news is about, by either id."""
        if client_id:
            found = self.get(client_id)
            if found is not None:
                return found
        known = self._by_venue_id.get(venue_id) if venue_id else None
        return self.get(known) if known else None

    def is_live(self, client_order_id: ClientOrderId) -> bool:
        """Whether something is still expected of it."""
        return client_order_id in self._live

    def keep(self, order: Order) -> bool:
        """Take the newest state. True when nothing more is expected of the order from now on."""
        key = order.client_order_id
        if order.venue_order_id:
            self._by_venue_id[order.venue_order_id] = key
        if order.status is OrderStatus.UNKNOWN or (order.is_overfilled and not order.cleared):
            self._alarming[key] = order
        else:
            self._alarming.pop(key, None)
        if not is_settled(order):
            self._past.pop(key, None)
            self._live[key] = order
            self._by_instrument.setdefault(order.instrument, {})[key] = order
            return False
        was_live = self._live.pop(key, None) is not None
        self._by_instrument.get(order.instrument, {}).pop(key, None)
        self.remember(order)
        return was_live

    def remember(self, order: Order) -> None:
        """Keep an order of which nothing is expected, for a while."""
        if order.client_order_id not in self._past:
            self._past_ids.append(order.client_order_id)
        self._past[order.client_order_id] = order
        while len(self._past_ids) > _REMEMBERED:
            key = self._past_ids.popleft()
            forgotten = self._past.pop(key, None)
            if forgotten is not None:
                self._executions.pop(key, None)
                if forgotten.venue_order_id:
                    self._by_venue_id.pop(forgotten.venue_order_id, None)

    def rename(self, order: Order, former: ClientOrderId) -> None:
        """Keep an order under its new id, and let every id it had lead there."""
        for dictionary in (self._live, self._past, self._alarming, self._by_instrument.get(order.instrument, {})):
            dictionary.pop(former, None)
        for earlier in (former, *self.former_ids(former)):
            self._former[earlier] = order.client_order_id
        if former in self._executions:
            self._executions[order.client_order_id] = self._executions.pop(former)
        self.keep(order)

    def former_ids(self, key: ClientOrderId) -> tuple[ClientOrderId, ...]:
        """The ids an order had before this one."""
        return tuple(earlier for earlier, now in self._former.items() if now == key)

    def executions(self, key: ClientOrderId) -> dict[ExecutionId, Fill]:
        """What has been booked of an order, to be added to."""
        return self._executions.setdefault(key, {})

    def of(self, instrument: Instrument) -> Collection[Order]:
        """Unsettled orders of one instrument, oldest first."""
        return self._by_instrument.get(instrument, {}).values()

    def alarming(self, market_id: MarketId) -> Order | None:
        """An order in doubt, or one that has filled beyond its size, because of which its market is not traded."""
        return next((each for each in self._alarming.values() if each.request.market_id == market_id), None)

    def __iter__(self) -> Iterator[Order]:
        """Every order that is not settled, oldest first."""
        return iter(self._live.values())

    def __bool__(self) -> bool:
        return bool(self._live)
