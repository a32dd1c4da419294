"""Whether an account can pay for an order, and what an order would do to it."""

from collections.abc import Sequence
from decimal import Decimal

from exchanges.ibkr.simulator.bookkeeping import PAYOUT
from exchanges.ibkr.simulator.ledger import ZERO
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.tickets import Ticket, business_error
from exchanges.ibkr.simulator.valuation import margin_share

_CENTS = Decimal("0.01")


def refuse_without_funds(
    state: State, account: str, tickets: Sequence[Ticket], *, instead_of: PlacedOrder | None = None
) -> None:
    """Raise the gateway's refusal when these orders, beside those that work already, need more than is there."""
    value = state.value(account)
    working = [order.ticket for order in state.desk.open_orders(account) if order is not instead_of]
    needed = sum((_margin(state, account, ticket) for ticket in [*working, *tickets] if ticket.parent is None), ZERO)
    extra = sum((_margin(state, account, ticket) for ticket in tickets if ticket.parent is None), ZERO)
    if extra and value.margin + needed > value.equity:
        raise business_error(
            "YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE "
            f"[{value.equity.quantize(_CENTS)} USD] MUST EXCEED THE INITIAL MARGIN "
            f"[{(value.margin + needed).quantize(_CENTS)} USD]"
        )


def _price(state: State, ticket: Ticket) -> Decimal:
    touch = state.touch(ticket.conid)
    mark = touch.mark if touch else None
    return ticket.price or ticket.stop or Decimal(str(mark or 0))


def _margin(state: State, account: str, ticket: Ticket) -> Decimal:
    """What the order ties up. An order that makes a position smaller ties up nothing; event contracts are paid in
    full, less the payout of the pairs that they complete."""
    contract, ledger = state.catalogue[ticket.conid], state.accounts[account].ledger
    price = _price(state, ticket)
    if contract.is_event:
        pairs = min(ledger.position(contract.twin), ticket.quantity)
        return max(price * ticket.quantity - pairs * PAYOUT, ZERO)
    held = ZERO if ticket.is_conversion else ledger.position(ticket.conid)
    growth = max(abs(held + ticket.signed) - abs(held), ZERO)
    if ticket.is_conversion and ticket.side == "SELL":
        return ZERO
    return growth * price * contract.factor * margin_share(contract)


def preview(state: State, account: str, ticket: Ticket, warning: str | None) -> dict[str, object]:
    """The answer of `/orders/whatif`: all numbers as text."""
    contract, value = state.catalogue[ticket.conid], state.value(account)
    amount = _price(state, ticket) * ticket.quantity * contract.factor
    commission = state.desk.commission(contract, ticket.side, ticket.quantity, amount)
    margin = _margin(state, account, ticket)
    unit = {"STK": "Shares", "CASH": contract.symbol, "CRYPTO": contract.symbol}.get(contract.sec_type, "Contracts")
    total = amount + commission if ticket.side == "BUY" else amount - commission
    held = state.accounts[account].ledger.position(ticket.conid)
    return {
        "amount": {
            "amount": f"{amount:,.2f} USD ({ticket.quantity} {unit})",
            "commission": f"{commission:,.2f} USD",
            "total": f"{total:,.2f} USD",
        },
        "equity": _change(value.equity, -commission),
        "initial": _change(value.margin, margin),
        "maintenance": _change(value.margin, margin),
        "position": _change(held, ticket.signed),
        "warn": warning,
        "error": None,
    }


def _change(current: Decimal, change: Decimal) -> dict[str, str]:
    return {"current": f"{current:,.0f}", "change": f"{change:,.0f}", "after": f"{current + change:,.0f}"}
