"""Changes of orders that are on their way, and what the venue's reports say about them. Pure."""

from msgspec.structs import replace

from horizon.model import ClientOrderId, Order, OrderReport, OrderRequest

_STALE = 15_000_000_000
"""So long (ns) after a change the venue's lists may still show the order as it was."""


class Changes:
    """What orders are to become."""

    def __init__(self) -> None:
        self._asked: dict[ClientOrderId, OrderRequest] = {}
        self._doubtful: set[ClientOrderId] = set()
        self._settled: dict[ClientOrderId, int] = {}

    def ask(self, key: ClientOrderId, request: OrderRequest) -> None:
        """A change leaves."""
        self._asked[key] = request

    def doubt(self, key: ClientOrderId) -> None:
        """Whether it was made is not known."""
        if key in self._asked:
            self._doubtful.add(key)

    def asked(self, key: ClientOrderId) -> OrderRequest | None:
        return self._asked.get(key)

    def forget(self, key: ClientOrderId) -> None:
        """The order is over."""
        self._asked.pop(key, None)
        self._doubtful.discard(key)
        self._settled.pop(key, None)

    def settle(self, order: Order, report: OrderReport) -> tuple[OrderRequest | None, str]:
        """What the order asks for from now on, if the report tells that this is something else; and a remark when it
        is not what was asked for last."""
        key, asked = order.client_order_id, self._asked.get(order.client_order_id)
        if asked is not None and report.refused_change:
            self._end(key, report.time)
            return None, ""
        if asked is not None and report.doubtful_change:
            self._doubtful.add(key)
            return None, ""
        if asked is not None and report.request == asked:
            self._end(key, report.time)
            return asked, ""
        if asked is not None and key in self._doubtful and report.request is not None:
            self._end(key, report.time)
            if _same(asked, report.request):
                return asked, ""
            found = _as_found(order.request, report.request)
            return found, "its change did not reach the venue" if found == order.request else _differs(found, asked)
        if asked is None and self._is_another_size(order, report):
            found = replace(order.request, size=report.size)
            return found, _differs(found, order.request)
        return None, ""

    def _end(self, key: ClientOrderId, now: int) -> None:
        self._asked.pop(key, None)
        self._doubtful.discard(key)
        self._settled[key] = now

    def _is_another_size(self, order: Order, report: OrderReport) -> bool:
        return (
            report.size is not None
            and report.size > 0
            and report.size != order.request.size
            and order.request.cash_quantity is None
            and order.is_open
            and report.status.is_open
            and report.time - self._settled.get(order.client_order_id, report.time - _STALE) >= _STALE
        )


def _same(asked: OrderRequest, found: OrderRequest) -> bool:
    terms = ("size", "price", "stop_price")
    return all(getattr(asked, term) == getattr(found, term) for term in terms)


def _as_found(known: OrderRequest, found: OrderRequest) -> OrderRequest:
    return replace(known, size=found.size, price=found.price, stop_price=found.stop_price)


def _differs(found: OrderRequest, asked: OrderRequest) -> str:
    return (
        f"the venue has it with size {found.size} and price {found.price}, not with size {asked.size} and price "
        f"{asked.price}: it is kept as the venue has it"
    )
