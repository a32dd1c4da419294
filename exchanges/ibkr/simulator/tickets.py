"""Order tickets: read from a request's body, and refused with the gateway's own words where they make no sense."""

from decimal import Decimal
from typing import Any

import msgspec

from exchanges.ibkr.simulator.calls import Refusal, whole
from exchanges.ibkr.simulator.contracts import Contract

TIMES_IN_FORCE = ("DAY", "GTC", "IOC", "OPG")
_EVENT_TIMES_IN_FORCE = ("DAY", "GTC", "IOC")
_LIMIT_TYPES = ("LMT", "STOP_LIMIT")
STOP_TYPES = ("STP", "STOP_LIMIT")
ORDER_TYPES = ("LMT", "MKT", "STP", "STOP_LIMIT")
_LONGEST_COID = 64
_CENT = Decimal("0.01")
_EVENT_RANGE = (Decimal("0.02"), Decimal("0.99"))


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What one order asks for. `price` is the limit, `stop` the trigger."""

    conid: int
    order_type: str
    side: str
    quantity: Decimal
    price: Decimal | None
    stop: Decimal | None
    tif: str
    outside_rth: bool
    coid: str | None
    parent: str | None
    in_group: bool

    @property
    def signed(self) -> Decimal:
        return self.quantity if self.side == "BUY" else -self.quantity


def business_error(text: str) -> Refusal:
    """The gateway refuses orders with HTTP 200 and an `error` key."""
    return Refusal(200, {"error": text})


def tickets_in(body: Any) -> list[Any]:
    """The tickets of a place-order body: `{"orders": [...]}`, or a bare array as some examples have it."""
    found = body.get("orders") if isinstance(body, dict) else body
    if not isinstance(found, list) or not found:
        raise Refusal(400, "orders request includes parameter with incorrect type")
    return found


def read_ticket(raw: Any) -> Ticket:
    """One ticket with the right types in it; what it says is checked by `check_ticket`."""
    if not isinstance(raw, dict):
        raise Refusal(400, "orders request includes parameter with incorrect type")
    conid = whole(raw.get("conid")) or whole(str(raw.get("conidex") or "").split("@", maxsplit=1)[0])
    if conid is None:
        raise Refusal(400, "conid or conidex is required")
    side = str(raw.get("side") or "").upper()
    if side not in ("BUY", "SELL"):
        raise Refusal(400, "Invalid Side (must be 'BUY' or 'SELL').")
    order_type = str(raw.get("orderType") or "").upper()
    if order_type not in ORDER_TYPES:
        raise Refusal(400, "Unknown order type")
    price, stop = _decimal(raw.get("price")), _decimal(raw.get("auxPrice"))
    if order_type == "STP":
        # A plain stop has its trigger where other orders have their limit.
        price, stop = None, price
    return Ticket(
        conid=conid,
        order_type=order_type,
        side=side,
        quantity=_decimal(raw.get("quantity")) or Decimal(0),
        price=price if order_type in _LIMIT_TYPES else None,
        stop=stop if order_type in STOP_TYPES else None,
        tif=str(raw["tif"]).upper() if raw.get("tif") else "null",
        outside_rth=_boolean(raw.get("outsideRTH")),
        coid=_text(raw.get("cOID")),
        parent=_text(raw.get("parentId")),
        in_group=_boolean(raw.get("isSingleGroup")),
    )


def check_ticket(ticket: Ticket, contract: Contract | None, request_id: int) -> None:
    """Raise the refusal that the gateway would answer with, if any."""
    if contract is None:
        raise business_error(f"no sec defs returned forSecDef reqId={request_id}")
    if contract.sec_type == "IND" or not contract.is_us:
        raise business_error("No trading permissions.")
    allowed = _EVENT_TIMES_IN_FORCE if contract.is_event else TIMES_IN_FORCE
    if ticket.tif not in allowed:
        raise business_error(f"{ticket.tif} time in force is not supported for this order")
    if ticket.quantity <= 0:
        raise business_error("Invalid order quantity")
    if ticket.quantity != int(ticket.quantity):
        raise business_error(
            f"The size, {ticket.quantity}, does not conform to the minimum variation of 1 for this contract."
        )
    if ticket.coid is not None and len(ticket.coid) > _LONGEST_COID:
        raise business_error(f"Order couldn't be submitted: Local order ID={ticket.coid} is too long.")
    if ticket.outside_rth and ticket.order_type == "MKT":
        raise business_error("invalid order attribute : Outside Regular Trading Hours")
    if contract.is_event:
        _check_event(ticket)
    _check_prices(ticket, contract)


def _check_event(ticket: Ticket) -> None:
    if ticket.side != "BUY":
        raise business_error("Sell orders are not allowed for this contract: buy the opposite side to close.")
    if ticket.order_type != "LMT":
        raise business_error("Only limit orders are allowed for this contract.")


def _check_prices(ticket: Ticket, contract: Contract) -> None:
    needed = []
    if ticket.order_type in _LIMIT_TYPES:
        needed.append(ticket.price)
    if ticket.order_type in STOP_TYPES:
        needed.append(ticket.stop)
    for price in needed:
        if price is None or price <= 0 or price % _CENT != 0:
            raise business_error("Invalid order price fields")
        if contract.is_event and not _EVENT_RANGE[0] <= price <= _EVENT_RANGE[1]:
            raise business_error("Invalid order price fields")


def _decimal(value: Any) -> Decimal | None:
    """A number, or text that reads as one; floats by their shortest text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Refusal(400, "orders request includes parameter with incorrect type")
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise Refusal(400, "orders request includes parameter with incorrect type") from None
    if not number.is_finite():
        raise Refusal(400, "orders request includes parameter with incorrect type")
    return number


def _boolean(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
