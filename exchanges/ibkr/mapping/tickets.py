"""Order requests to the tickets that are posted: each kind of order with its prices where the venue looks for them.

| kind | `price` | `auxPrice` | more |
|---|---|---|---|
| LMT, LOC | limit | | |
| MKT, MOC | | | |
| STP, MIT | trigger | | |
| STOP_LIMIT, LIT | limit | trigger | |
| MIDPRICE | cap, if there is one | | |
| REL | cap, if there is one | how much better than the best price | |
| TRAIL | trigger to start from, if there is one | | trailingType, trailingAmt |
| TRAILLMT | limit to start from | trigger to start from | trailingType, trailingAmt |

Where the trigger of MIT and LIT goes is not documented: MIT has it where STP does, LIT where STOP_LIMIT does.
"""

from decimal import Decimal
from typing import Final

from horizon.errors import InvalidOrder
from horizon.model import AccountId, OrderRequest, OrderType, Trailing, plain

_TRIGGER_IN_PRICE: Final = frozenset({OrderType.STOP, OrderType.MARKET_IF_TOUCHED, OrderType.TRAILING_STOP})


def conid_number(market_id: str) -> int:
    """The conid as the number a ticket carries. Raises InvalidOrder for text such as a symbol."""
    if not market_id.isdecimal():
        raise InvalidOrder(
            f"expected a conid (digits only) as market_id, found {market_id!r}: look it up with market({market_id!r})",
            rule="market_id",
        )
    return int(market_id)


def ticket(request: OrderRequest, account_id: AccountId, *, parent: str | None = None) -> dict[str, object]:
    """One entry of `{"orders": [...]}`. A child names its parent's client order id and has none of its own."""
    conid = conid_number(request.market_id)
    body: dict[str, object] = {
        "acctId": account_id,
        # beside a conid, the route of a conidex is ignored
        **({"conidex": f"{conid}@{request.route}"} if request.route else {"conid": conid}),
        "orderType": str(request.order_type),
        "side": str(request.order_side),
        **_amount(request),
        "tif": str(request.time_in_force),
        "outsideRTH": request.outside_rth,
        **({"parentId": parent} if parent else {"cOID": request.client_order_id}),
        **_prices(request),
    }
    if request.trailing is not None:
        body |= _trailing(request.trailing)
    if request.group:
        body["isSingleGroup"] = True
    if request.all_or_none:
        body["allOrNone"] = True
    if request.algo is not None:
        body["strategy"] = request.algo.name
        body["strategyParameters"] = dict(request.algo.parameters)
    return body | _indicator(request)


def change_ticket(request: OrderRequest, account_id: AccountId) -> dict[str, object]:
    """The whole ticket of a modification. It is sent by the venue's order id, so it carries no client order id."""
    body = ticket(request, account_id)
    del body["cOID"]
    return body


def cancel_parameters(request: OrderRequest) -> dict[str, str | int | bool]:
    """Who cancels, which futures must say in the query of a cancel too."""
    return _indicator(request)


def _indicator(request: OrderRequest) -> dict[str, str | int | bool]:
    found: dict[str, str | int | bool] = {}
    if request.manual_indicator is not None:
        found["manualIndicator"] = request.manual_indicator
    if request.ext_operator:
        found["extOperator"] = request.ext_operator
    return found


def _amount(request: OrderRequest) -> dict[str, object]:
    """A size, or an amount of money in its place: never both, because the venue takes one of them."""
    if request.cash_quantity is None:
        return {"quantity": _json_number(request.size)}
    if request.convert_currency:
        return {"fxQty": _json_number(request.cash_quantity), "isCcyConv": True}
    return {"cashQty": _json_number(request.cash_quantity)}


def _prices(request: OrderRequest) -> dict[str, object]:
    kind = request.order_type
    if kind in _TRIGGER_IN_PRICE:
        found = {"price": request.stop_price}
    elif kind is OrderType.RELATIVE:
        found = {"price": request.price, "auxPrice": request.limit_offset}
    else:
        found = {"price": request.limit, "auxPrice": request.stop_price}
    return {name: _json_number(price) for name, price in found.items() if price is not None}


def _trailing(trailing: Trailing) -> dict[str, object]:
    if trailing.amount is not None:
        return {"trailingType": "amt", "trailingAmt": _json_number(trailing.amount)}
    return {"trailingType": "%", "trailingAmt": _json_number(trailing.percent or Decimal(0))}


def _json_number(value: Decimal) -> int | Decimal:
    """What the client's encoder writes as a JSON number with exactly these digits, never as `1E+2`."""
    return int(value) if value == value.to_integral_value() else Decimal(plain(value))
