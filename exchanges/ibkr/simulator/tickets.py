"""Order tickets as they are read from a request's body."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from exchanges.ibkr.simulator.calls import Refusal, whole
from exchanges.ibkr.simulator.order_kinds import KINDS, Kind


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What one order asks for. `price` is the limit or cap, `stop` the trigger."""

    conid: int
    order_type: str
    side: str
    quantity: Decimal
    price: Decimal | None = None
    stop: Decimal | None = None
    tif: str = "DAY"
    outside_rth: bool = False
    coid: str | None = None
    parent: str | None = None
    in_group: bool = False
    account: str | None = None
    """The account that the ticket itself names."""
    exchange: str = ""
    """Where it is routed directly; empty for SMART."""
    cash: Decimal | None = None
    """Money to trade for, in place of a quantity, which is made from it."""
    is_conversion: bool = False
    trailing: Decimal | None = None
    trails_by: str = ""
    """`amt`, `%` or empty."""
    offset: Decimal | None = None
    """How much better than the best price of its side a relative order is."""
    all_or_none: bool = False
    algo: str = ""
    algo_parameters: Mapping[str, object] = {}
    manual: bool | None = None
    operator: str = ""
    allocation: str = ""
    customer: str = ""

    @property
    def kind(self) -> Kind:
        return KINDS[self.order_type]

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
        raise _wrong_type()
    return found


def read_ticket(raw: Any) -> Ticket:
    """One ticket with the right types in it; what it says is checked by `check_ticket`."""
    if not isinstance(raw, dict):
        raise _wrong_type()
    conid, exchange = _conid(raw)
    side = str(raw.get("side") or "").upper()
    if side not in ("BUY", "SELL"):
        raise Refusal(400, "Invalid Side (must be 'BUY' or 'SELL').")
    order_type = str(raw.get("orderType") or "").upper()
    if order_type not in KINDS:
        raise Refusal(400, "Unknown order type")
    cash = _decimal(raw.get("cashQty"))
    manual = raw.get("manualIndicator")
    parameters = raw.get("strategyParameters")
    return Ticket(
        conid=conid,
        exchange=exchange,
        order_type=order_type,
        side=side,
        quantity=_decimal(raw.get("quantity")) or Decimal(0),
        cash=cash if cash is not None else _decimal(raw.get("fxQty")),
        is_conversion=_boolean(raw.get("isCcyConv")),
        **_prices(raw, KINDS[order_type]),
        trails_by=_text(raw.get("trailingType")) or "",
        trailing=_decimal(raw.get("trailingAmt")),
        tif=str(raw["tif"]).upper() if raw.get("tif") else "null",
        outside_rth=_boolean(raw.get("outsideRTH")),
        coid=_text(raw.get("cOID")),
        parent=_text(raw.get("parentId")),
        in_group=_boolean(raw.get("isSingleGroup")),
        account=_text(raw.get("acctId")),
        all_or_none=_boolean(raw.get("allOrNone")),
        algo=_text(raw.get("strategy")) or "",
        algo_parameters=parameters if isinstance(parameters, dict) else {},
        manual=None if manual is None else _boolean(manual),
        operator=_text(raw.get("extOperator")) or "",
        allocation=_text(raw.get("allocationMethod")) or "",
        customer=_text(raw.get("customerAccount")) or "",
    )


def _conid(raw: dict[str, Any]) -> tuple[int, str]:
    """The contract, and the exchange of a direct route: `conidex` counts only where there is no `conid`."""
    conid = whole(raw.get("conid"))
    if conid:
        return conid, ""
    text, _, exchange = str(raw.get("conidex") or "").partition("@")
    conid = whole(text)
    if conid is None:
        raise Refusal(400, "conid or conidex is required")
    return conid, "" if exchange in ("", "SMART") else exchange


def _prices(raw: dict[str, Any], kind: Kind) -> dict[str, Decimal | None]:
    price, aux = _decimal(raw.get("price")), _decimal(raw.get("auxPrice"))
    if kind.has_limit and kind.has_trigger:
        return {"price": price, "stop": aux}
    if kind.has_trigger:
        # A plain stop has its trigger where other orders have their limit; MIT is shown with it there or in auxPrice.
        return {"stop": price if price is not None else aux}
    if kind.trails:
        return {"stop": price}
    if kind.has_cap:
        return {"price": price, "offset": aux}
    return {"price": price if kind.has_limit else None}


def _wrong_type() -> Refusal:
    return Refusal(400, "orders request includes parameter with incorrect type")


def _decimal(value: Any) -> Decimal | None:
    """A number, or text that reads as one; floats by their shortest text."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _wrong_type()
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise _wrong_type() from None
    if not number.is_finite():
        raise _wrong_type()
    return number


def _boolean(value: Any) -> bool:
    return value is True or str(value).lower() == "true"


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)
