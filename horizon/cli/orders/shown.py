"""Answers about orders, for people and as JSON."""

from typing import Any

import msgspec

from horizon.cli.output import errors, print_json, print_line
from horizon.model import Order, OrderReport, OrderStatus, plain
from horizon.orders.control.messages import OrdersAnswer
from horizon.orders.words import describe


def show_orders(answer: OrdersAnswer, *, json: bool) -> bool:
    """Print orders as they are after a command; whether all went as it was asked."""
    if json:
        print_json(as_json(answer))
    else:
        for order in answer.orders:
            print_line(order_line(order))
        for order in answer.kept:
            kind = "protective, left" if order.request.protective else "placed elsewhere, left"
            print_line(f"{order_line(order)} ({kind})")
    for problem in answer.problems:
        errors.print(f"warning: {problem}", markup=False, soft_wrap=True)
    return not answer.problems and all(order.status is not OrderStatus.REJECTED for order in answer.orders)


def order_line(order: Order) -> str:
    ids = order.client_order_id or order.venue_order_id
    filled = f", {plain(order.filled)} filled" if order.filled else ""
    reason = f": {order.reason}" if order.reason else ""
    return f"{ids}  {order.status}{filled}  {describe(order.request)}{reason}"


def report_line(report: OrderReport) -> str:
    ids = f"{report.client_order_id or 'placed elsewhere'}  {report.venue_order_id or ''}"
    filled = f", {plain(report.filled)} filled" if report.filled else ""
    what = "" if report.request is None else f"  {describe(report.request)}"
    return f"{ids}  {report.status}{filled}{what}"


def as_json(value: Any) -> dict[str, Any]:
    """Decimals stay text: 0.10 is 0.10."""
    built: dict[str, Any] = msgspec.to_builtins(value)
    return built
