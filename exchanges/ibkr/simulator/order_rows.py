"""Orders and executions as the gateway's endpoints and sockets show them."""

from decimal import Decimal

from exchanges.ibkr.simulator.descriptions import local_symbol, order_name, price_text
from exchanges.ibkr.simulator.desk import EXPIRED
from exchanges.ibkr.simulator.executions import Execution
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.snapshots import volume_text
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS, to_datetime
from horizon.model import Order, OrderStatus, plain

_TIF_TEXTS = {"DAY": "Day"}
_PAST = {"BUY": "Bought", "SELL": "Sold"}
_SEPARATOR = "\u001e"
_CCP_STATUS = {"Filled": "2", "Cancelled": "4"}


def status_text(state: State, order: PlacedOrder, progress: Order) -> str:
    """The gateway's word for where an order is."""
    if progress.status is OrderStatus.FILLED:
        return "Filled"
    if progress.status is OrderStatus.REJECTED:
        return "Inactive"
    if not progress.is_open:
        return "Cancelled"
    if order.cancel_due is not None:
        return "PendingCancel" if order.entered else "PreCancelled"
    if order.held_for:
        return "WarnState"
    if not order.entered:
        return state.habits.transient_status
    return "Submitted" if state.desk.is_working(order, state.now()) else "PreSubmitted"


def _price_text(order: PlacedOrder) -> str:
    price = order.ticket.price if order.ticket.price is not None else order.ticket.stop
    return "" if price is None else price_text(order.contract, price)


def _amount(number: Decimal | float) -> str:
    return f"{float(number):g}"


def description(order: PlacedOrder, status: str) -> str:
    """`Buy 1 SPY Limit 1.00, GTC`; `Bought 1 SPY Market, Day`; `Cancelled: Buy ...`"""
    ticket = order.ticket
    verb = _PAST[ticket.side] if status == "Filled" else ticket.side.capitalize()
    kind = " ".join(filter(None, (ticket.kind.text, _price_text(order))))
    tif = _TIF_TEXTS.get(ticket.tif, ticket.tif)
    text = f"{verb} {_amount(ticket.quantity)} {order_name(order.contract)} {kind}, {tif}"
    return f"Cancelled: {text}" if status == "Cancelled" else text


def _size_and_fills(order: PlacedOrder, progress: Order) -> str:
    if order.ticket.is_conversion and order.ticket.cash is not None:
        return f"{volume_text(float(order.ticket.cash))} {order.contract.currency}"
    size = _amount(progress.request.size)
    return size if progress.status is OrderStatus.FILLED else f"{_amount(progress.filled)}/{size}"


def order_row(state: State, order: PlacedOrder) -> dict[str, object]:
    """One row of `/iserver/account/orders`."""
    progress = state.desk.progress(order)
    status = status_text(state, order, progress)
    ticket, contract = order.ticket, order.contract
    changed = progress.updated_time // 1_000_000
    filled = status == "Filled"
    row: dict[str, object] = {
        "acct": order.account,
        "conidex": _conidex(order),
        "conid": contract.conid,
        "account": order.account,
        "orderId": order.order_id,
        "cashCcy": "USD",
        "sizeAndFills": _size_and_fills(order, progress),
        "orderDesc": description(order, status),
        "description1": contract.symbol,
        "ticker": contract.symbol,
        "secType": contract.sec_type,
        "listingExchange": contract.listing_exchange,
        "remainingQuantity": float(progress.request.size - progress.filled),
        "filledQuantity": float(progress.filled),
        "totalSize": float(progress.request.size),
        "companyName": contract.name,
        "status": status,
        "order_ccp_status": status if status in ("Filled", "Cancelled") else "Submitted",
        "origOrderType": ticket.kind.original,
        "supportsTaxOpt": "1",
        "lastExecutionTime": to_datetime(progress.updated_time).strftime("%y%m%d%H%M%S"),
        "orderType": ticket.kind.text,
        "bgColor": "#FFFFFF",
        "fgColor": "#000000" if not progress.is_open else "#0000CC",
        "isEventTrading": "1" if contract.is_event else "0",
        "price": _price_text(order),
        # A filled market order of the day reads CLOSE.
        "timeInForce": "CLOSE" if filled and (ticket.order_type, ticket.tif) == ("MKT", "DAY") else ticket.tif,
        "lastExecutionTime_r": changed,
        "side": ticket.side,
    }
    return row | _optional(order, progress)


def _conidex(order: PlacedOrder) -> str:
    """With the exchange, where the order was routed to one."""
    conid, exchange = order.contract.conid, order.ticket.exchange
    return f"{conid}@{exchange}" if exchange else str(conid)


def _optional(order: PlacedOrder, progress: Order) -> dict[str, object]:
    ticket = order.ticket
    found: dict[str, object] = {}
    if order.contract.is_derivative:
        found["description2"] = local_symbol(order.contract).removeprefix(order.contract.symbol).strip()
    if ticket.coid is not None:
        found["order_ref"] = ticket.coid
    if order.parent_id is not None:
        found |= {"parentId": order.parent_id, "ocaGroupId": str(order.parent_id)}
    elif order.group:
        found["ocaGroupId"] = order.group
    if ticket.price is not None and ticket.stop is not None:
        found["auxPrice"] = price_text(order.contract, ticket.stop)
    if ticket.exchange:
        found["exchange"] = ticket.exchange
    if ticket.cash is not None:
        found["totalCashSize"] = float(ticket.cash)
    if progress.average_price is not None:
        found["avgPrice"] = _average(progress)
    if progress.is_open:
        found["outsideRTH"] = ticket.outside_rth
    if progress.status is OrderStatus.EXPIRED:
        found["order_cancellation_by_system_reason"] = EXPIRED
    elif progress.reason and progress.status in (OrderStatus.CANCELED, OrderStatus.REJECTED):
        found["order_cancellation_by_system_reason"] = progress.reason
    return found


def _average(progress: Order) -> str:
    return "" if progress.average_price is None else plain(round(progress.average_price, 4))


def status_row(state: State, order: PlacedOrder) -> dict[str, object]:
    """The answer of `/iserver/account/order/status/{id}`: snake case, and text where `/orders` has numbers."""
    progress = state.desk.progress(order)
    status = status_text(state, order, progress)
    ticket, contract = order.ticket, order.contract
    text = description(order, status)
    row: dict[str, object] = {
        "sub_type": None,
        "request_id": str(order.order_id % 100_000),
        "server_id": "0",
        "order_id": order.order_id,
        "conidex": _conidex(order),
        "conid": contract.conid,
        "symbol": contract.symbol,
        "side": ticket.side[0],
        "contract_description_1": contract.symbol,
        "listing_exchange": contract.listing_exchange,
        "option_acct": "c",
        "company_name": contract.name,
        "size": str(float(progress.request.size - progress.filled)),
        "total_size": str(float(progress.request.size)),
        "currency": contract.currency,
        "account": order.account,
        "order_type": ticket.kind.original,
        "limit_price": "" if ticket.price is None else price_text(contract, ticket.price),
        "cum_fill": str(float(progress.filled)),
        "order_status": status,
        "order_ccp_status": _CCP_STATUS.get(status, "0"),
        "order_status_description": f"Order {status}",
        "tif": ticket.tif,
        "fg_color": "#FFFFFF",
        "bg_color": "#000000" if not progress.is_open else "#0000CC",
        "order_not_editable": not progress.is_open,
        "editable_fields": _SEPARATOR,
        "cannot_cancel_order": not progress.is_open,
        "deactivate_order": False,
        "sec_type": contract.sec_type,
        "available_chart_periods": "#R|1",
        "order_description": text,
        "order_description_with_contract": text,
        "clearing_id": "IB",
        "clearing_name": "IB",
        "alert_active": 1,
        "child_order_type": "3" if progress.is_open else "0",
        "order_clearing_account": order.account,
        "size_and_fills": _size_and_fills(order, progress),
        "exit_strategy_display_price": _price_text(order),
        "exit_strategy_chart_description": text,
        "exit_strategy_tool_availability": "1",
        "allowed_duplicate_opposite": True,
        "order_time": to_datetime(order.placed).strftime("%y%m%d%H%M%S"),
        "outside_rth": ticket.outside_rth,
    }
    if ticket.stop is not None:
        row["stop_price"] = price_text(contract, ticket.stop)
    if ticket.all_or_none:
        row["all_or_none"] = True
    if order.uses_price_management is not None:
        row["use_price_mgmt_algo"] = order.uses_price_management
    if progress.average_price is not None:
        row["average_price"] = _average(progress)
    return row


def trade_row(state: State, execution: Execution) -> dict[str, object]:
    """One row of `/iserver/account/trades`."""
    contract = execution.contract
    verb = {"B": "Bot", "S": "Sold"}.get(execution.side, "Netted")
    price = price_text(contract, execution.price)
    row: dict[str, object] = {
        "execution_id": execution.execution_id,
        "symbol": contract.symbol,
        "supports_tax_opt": "1",
        "side": execution.side,
        "order_description": f"{verb} {_amount(execution.size)} @ {price} on {execution.exchange}",
        "trade_time": to_datetime(execution.time).strftime("%Y%m%d-%H:%M:%S"),
        "trade_time_r": execution.time // 1_000_000,
        "size": float(execution.size),
        "price": price,
        "exchange": execution.exchange,
        "net_amount": float(execution.size * execution.price * contract.factor),
        "account": execution.account,
        "accountCode": execution.account,
        "account_allocation_name": execution.account,
        "company_name": contract.name,
        "contract_description_1": contract.symbol,
        "sec_type": contract.sec_type,
        "listing_exchange": contract.listing_exchange,
        "conid": contract.conid,
        "conidEx": str(contract.conid),
        "position": plain(execution.position),
        "clearing_id": "IB",
        "clearing_name": "IB",
        "liquidation_trade": "1" if execution.is_liquidation else "0",
        "is_event_trading": "1" if contract.is_event else "0",
        "order_id": execution.order_id,
    }
    if contract.is_derivative:
        row["contract_description_2"] = local_symbol(contract).removeprefix(contract.symbol).strip()
    if execution.order_ref is not None:
        row["order_ref"] = execution.order_ref
    commission_takes = round(state.habits.commission_takes * NANOSECONDS)
    if execution.commission is not None and state.now() - execution.time >= commission_takes:
        # "1.0" and "0.13": as short as it goes, with at least one decimal.
        row["commission"] = str(float(round(execution.commission, 4)))
    return row
