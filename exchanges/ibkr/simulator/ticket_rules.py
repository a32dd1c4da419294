"""What the gateway refuses about a ticket by itself, in its own words where they are known.

The reference has the texts for prices, sizes, times in force, permissions, `outsideRTH`, parents and cOIDs. Those about
algos, routes, cash, the indicators of futures and order types of single contracts are of the simulator's making.
"""

from datetime import date
from decimal import ROUND_DOWN, Decimal

import msgspec

from exchanges.ibkr.simulator.algos import algo_refusal
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.order_kinds import OUTSIDE, goes_with, order_types, times_in_force
from exchanges.ibkr.simulator.tape import Touch
from exchanges.ibkr.simulator.tickets import Ticket, business_error

_LONGEST_COID = 64
_EVENT_RANGE = (Decimal("0.02"), Decimal("0.99"))
_CASH_KINDS = ("STK", "CASH", "CRYPTO")
_PRICES = "Invalid order price fields"
_QUANTITY = "Invalid order quantity"


def check_ticket(ticket: Ticket, contract: Contract | None, today: date, request_id: int) -> Contract:
    """The contract. Raises the refusal that the gateway would answer with, if any."""
    if contract is None or (contract.expiry and contract.expiry < f"{today:%Y%m%d}"):
        raise business_error(f"no sec defs returned forSecDef reqId={request_id}")
    if ticket.exchange and ticket.exchange not in contract.valid_exchanges.split(","):
        raise business_error(f"no sec defs returned forSecDef reqId={request_id}")
    if contract.sec_type == "IND" or not contract.is_us:
        raise business_error("No trading permissions.")
    if ticket.tif not in times_in_force(contract):
        raise business_error(f"{ticket.tif} time in force is not supported for this order")
    _check_quantity(ticket, contract)
    if ticket.coid is not None and len(ticket.coid) > _LONGEST_COID:
        raise business_error(f"Order couldn't be submitted: Local order ID={ticket.coid} is too long.")
    if ticket.outside_rth and ticket.order_type not in OUTSIDE:
        raise business_error("invalid order attribute : Outside Regular Trading Hours")
    if contract.is_event and ticket.side != "BUY":
        raise business_error("Sell orders are not allowed for this contract: buy the opposite side to close.")
    _check_kind(ticket, contract)
    _check_prices(ticket, contract)
    _check_trailing(ticket)
    if contract.is_us_future and (ticket.manual is None or not ticket.operator):
        raise business_error("Order couldn't be submitted: manualIndicator and extOperator are required.")
    return contract


def _check_kind(ticket: Ticket, contract: Contract) -> None:
    if ticket.order_type not in order_types(contract):
        text = "Only limit orders are allowed for this contract."
        if not contract.is_event:
            text = f"The order type {ticket.order_type} is not supported for this contract."
        raise business_error(text)
    if not goes_with(ticket.order_type, ticket.tif):
        raise business_error(f"{ticket.tif} time in force is not supported for this order")
    refused = ticket.algo and algo_refusal(contract, ticket.algo, ticket.algo_parameters)
    if refused:
        raise business_error(refused)
    if ticket.algo and ticket.order_type not in ("LMT", "MKT"):
        raise business_error(f"Invalid algorithm: {ticket.algo}")
    if ticket.all_or_none and contract.sec_type != "STK":
        raise business_error("invalid order attribute : All or None")


def _check_quantity(ticket: Ticket, contract: Contract) -> None:
    if ticket.is_conversion and contract.sec_type != "CASH":
        raise business_error("invalid order attribute : Currency Conversion")
    if ticket.cash is not None:
        if contract.is_event or contract.sec_type not in _CASH_KINDS:
            raise business_error("invalid order attribute : Cash Quantity")
        if ticket.quantity or ticket.cash <= 0:
            raise business_error(_QUANTITY)
        return
    if ticket.quantity <= 0:
        raise business_error(_QUANTITY)
    if ticket.quantity % contract.lot:
        raise business_error(
            f"The size, {ticket.quantity}, does not conform to the minimum variation of {contract.lot} for this "
            "contract."
        )


def _check_prices(ticket: Ticket, contract: Contract) -> None:
    kind = ticket.kind
    needed = [ticket.price] * kind.has_limit + [ticket.stop] * kind.has_trigger
    given = [price for price in (ticket.price, ticket.stop) if price is not None]
    if None in needed or not all(_is_on_the_grid(price, contract) for price in given):
        raise business_error(_PRICES)
    if ticket.offset is not None and (ticket.offset < 0 or ticket.offset % contract.increments[0][1]):
        raise business_error(_PRICES)


def _is_on_the_grid(price: Decimal, contract: Contract) -> bool:
    if price <= 0 or price % contract.increment(price):
        return False
    return not contract.is_event or _EVENT_RANGE[0] <= price <= _EVENT_RANGE[1]


def _check_trailing(ticket: Ticket) -> None:
    """Both fields are needed. A percentage stays below 100."""
    if not ticket.kind.trails:
        return
    amount = ticket.trailing
    if ticket.trails_by not in ("amt", "%") or amount is None or amount <= 0:
        raise business_error(_PRICES)
    if ticket.trails_by == "%" and amount >= 100:
        raise business_error(_PRICES)


def with_quantity(ticket: Ticket, contract: Contract, touch: Touch | None) -> Ticket:
    """The ticket with what its money buys: whole shares of a stock, rounded down. Refuses less than one of them."""
    if ticket.cash is None:
        return ticket
    mark = touch.mark if touch else None
    price = ticket.price or (None if mark is None else Decimal(str(mark)))
    if price is None:
        raise business_error(_QUANTITY)
    quantity = (ticket.cash / price).quantize(contract.lot, ROUND_DOWN)
    if quantity <= 0:
        raise business_error(_QUANTITY)
    return msgspec.structs.replace(ticket, quantity=quantity)
