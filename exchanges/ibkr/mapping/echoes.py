"""What the venue's rows say was asked for: the echo of a ticket.

The echo has words of its own for order types. `Limit`, `Market` and `Stop` are recorded; the others are guarded by
every spelling that the documentation, the tickets and the contract rules use.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.numbers import conid_text, count, decimal
from exchanges.ibkr.wire.orders import OrderRow
from horizon.model import AccountId, ClientOrderId, OrderRequest, OrderSide, OrderType, TimeInForce

_ORDER_TYPES: Final = {
    "MARKET": OrderType.MARKET,
    "MKT": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "LMT": OrderType.LIMIT,
    "STOP": OrderType.STOP,
    "STP": OrderType.STOP,
    "STOPLIMIT": OrderType.STOP_LIMIT,
    "STOPLMT": OrderType.STOP_LIMIT,
    "STPLMT": OrderType.STOP_LIMIT,
    "STPLIMIT": OrderType.STOP_LIMIT,
    "TRAIL": OrderType.TRAILING_STOP,
    "TRAILSTOP": OrderType.TRAILING_STOP,
    "TRAILINGSTOP": OrderType.TRAILING_STOP,
    "TRAILLMT": OrderType.TRAILING_STOP_LIMIT,
    "TRAILLIMIT": OrderType.TRAILING_STOP_LIMIT,
    "TRAILINGSTOPLIMIT": OrderType.TRAILING_STOP_LIMIT,
    "MIDPRICE": OrderType.MIDPRICE,
    "MOC": OrderType.MARKET_ON_CLOSE,
    "MARKETONCLOSE": OrderType.MARKET_ON_CLOSE,
    "LOC": OrderType.LIMIT_ON_CLOSE,
    "LIMITONCLOSE": OrderType.LIMIT_ON_CLOSE,
    "MIT": OrderType.MARKET_IF_TOUCHED,
    "MARKETIFTOUCHED": OrderType.MARKET_IF_TOUCHED,
    "LIT": OrderType.LIMIT_IF_TOUCHED,
    "LIMITIFTOUCHED": OrderType.LIMIT_IF_TOUCHED,
    "REL": OrderType.RELATIVE,
    "RELATIVE": OrderType.RELATIVE,
}
"""By the letters of the echo."""

_SIDES: Final = {"BUY": OrderSide.BUY, "B": OrderSide.BUY, "SELL": OrderSide.SELL, "S": OrderSide.SELL}
_TIMES: Final = {str(time): time for time in TimeInForce} | {"CLOSE": TimeInForce.DAY}
"""A filled day order reads `CLOSE`."""
_UNPRICED: Final = frozenset({OrderType.MARKET, OrderType.MARKET_ON_CLOSE})
_CAPPED: Final = frozenset({OrderType.MIDPRICE, OrderType.RELATIVE})
_TRIGGERED: Final = frozenset({OrderType.STOP, OrderType.MARKET_IF_TOUCHED})


def order_type_of(row: OrderRow) -> OrderType | None:
    """The order type by either of the row's two spellings."""
    for text in (row.origOrderType, row.orderType):
        key = "".join(letter for letter in (text or "").upper() if letter.isalpha())
        if key in _ORDER_TYPES:
            return _ORDER_TYPES[key]
    return None


def request_of(
    row: OrderRow, contract: ContractFacts, *, exchange: str, refs: Mapping[str, str] | None = None
) -> OrderRequest | None:
    """What the row says was asked for; None where the row does not tell it all.

    A trailing order's distance is in no row, nor is the price of an order that the venue hides. `refs` gives the client
    order id by the venue's order id, so that a child can name its parent.
    """
    side, time = _SIDES.get(row.side or ""), _TIMES.get((row.timeInForce or "").upper())
    try:
        size, cash = count(row.totalSize), decimal(row.totalCashSize)
        order_type = order_type_of(row)
        if order_type is None or side is None or time is None or not (size or cash):
            return None
        price, trigger = _prices(row, order_type)
        parent_id = conid_text(row.parentId)
        parent = None if parent_id is None else (refs or {}).get(parent_id)
        return OrderRequest(
            market_id=contract.market_id,
            side=contract.side,
            order_side=side,
            size=size or Decimal(0),
            cash_quantity=cash or None,
            size_is_estimated=bool(size and cash),
            price=price,
            order_type=order_type,
            time_in_force=time,
            stop_price=trigger,
            outside_rth=bool(row.outsideRTH),
            client_order_id=ClientOrderId(row.order_ref or ""),
            account_id=AccountId(row.acct or row.account or ""),
            exchange=exchange,
            parent=ClientOrderId(parent) if parent else None,
            group=str(row.ocaGroupId or ""),
        )
    except ValueError:
        # A row may lack what its type needs (InvalidOrder is a ValueError): the report stands without a request.
        return None


def as_it_stands(row: OrderRow, asked: OrderRequest) -> OrderRequest | None:
    """`asked` with the size, prices and time in force that the row shows: equal to `asked` when the venue agrees.

    What the row does not show is taken to be as asked. None for a row that cannot be read.
    """
    order_type, time = order_type_of(row), _TIMES.get((row.timeInForce or "").upper())
    if order_type not in (None, asked.order_type):
        return None
    # a done order may show CLOSE in place of its time in force
    changes: dict[str, object] = {"time_in_force": time or asked.time_in_force}
    if (row.timeInForce or "").upper() == "CLOSE":
        changes = {}
    try:
        if asked.cash_quantity is None:
            changes["size"] = count(row.totalSize) or asked.size
        if not asked.order_type.trails:
            price, trigger = _prices(row, asked.order_type)
            changes |= {name: value for name, value in (("price", price), ("stop_price", trigger)) if value is not None}
        return replace(asked, **changes)
    except ValueError:
        return None


def _prices(row: OrderRow, order_type: OrderType) -> tuple[Decimal | None, Decimal | None]:
    """Limit and trigger, each where the type has it. Raises ValueError for text that is no number."""
    price, trigger = decimal(row.price), decimal(row.stop_price) or decimal(row.auxPrice)
    if order_type in _UNPRICED:
        return None, None
    if order_type in _TRIGGERED:
        return None, trigger or price
    if order_type in _CAPPED:
        return price or None, None
    return price, trigger if order_type.needs_stop_price else None
