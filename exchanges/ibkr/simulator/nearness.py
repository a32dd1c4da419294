"""How soon resting orders must be looked after when nobody asks for them."""

from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.tape import Tape

SOON, LATER, NIGHT = 1, 30, 900
_NEAR, _NEAR_EVENT = 0.01, 0.05
"""How close a price is to the market for that: a share of it, or dollars of an event contract."""


def is_near(order: PlacedOrder, tape: Tape, now: int) -> bool:
    """Whether an order may fill, be triggered or end within seconds."""
    if order.cancel_due is not None:
        return True
    if not tape.is_open(order.contract, now, outside=order.works_outside):
        return False
    ticket = order.ticket
    if ticket.kind.trails or ticket.kind.has_cap or ticket.order_type in ("MIT", "LIT"):
        return True
    touch = tape.touch(ticket.conid, now)
    price = ticket.stop if ticket.stop is not None else ticket.price
    mark = touch.mark if touch else None
    if price is None or mark is None:
        return True
    if order.contract.is_event:
        return mark - float(price) < _NEAR_EVENT
    above = mark / float(price) - 1
    # A buy limit and a sell stop wait for the market to come down, the others for it to come up.
    return above < _NEAR if (ticket.side == "BUY") == (ticket.stop is None) else above > -_NEAR
