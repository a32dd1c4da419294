"""The questions the gateway asks before it takes an order, each with the trigger it has in reality.

The texts of o163, o354, o383, o451, o10331 and o10153 are those that users have reported; the message ids are in the
reference, section 6.5. Event contracts are spared o163: 3 % of half a dollar is one and a half ticks.
"""

from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.tape import Touch
from exchanges.ibkr.simulator.tickets import STOP_TYPES, Ticket

PERCENTAGE_CONSTRAINT = Decimal("0.03")
SIZE_LIMIT = 500
VALUE_LIMIT = 100_000
_SURE = "\nAre you sure you want to submit this order?"


class Question(msgspec.Struct, frozen=True):
    message_id: str
    text: str


def questions(ticket: Ticket, contract: Contract, touch: Touch | None, *, has_data: bool) -> list[Question]:
    """What is asked about one ticket, in the order of asking."""
    asked = []
    name = _describe(ticket, contract)
    market = _market_price(ticket, touch)
    if ticket.price is not None and market and not contract.is_event:
        away = abs(ticket.price - market) / market
        if away > PERCENTAGE_CONSTRAINT:
            text = f'The following order "{name}" price exceeds \nthe Percentage constraint of 3%.{_SURE}'
            asked.append(Question("o163", text))
    if not has_data:
        text = (
            "You are submitting an order without market data. We strongly recommend against this as it may result in "
            f"erroneous and unexpected trades.{_SURE}"
        )
        asked.append(Question("o354", text))
    if ticket.quantity > SIZE_LIMIT and not contract.is_event:
        asked.append(
            Question("o383", f'The following order "{name}" size exceeds the Size Limit of {SIZE_LIMIT}.{_SURE}')
        )
    value = ticket.quantity * (ticket.price or ticket.stop or market or 0) * contract.factor
    if value > VALUE_LIMIT:
        text = (
            f'The following order "{name}" value estimate of {value:,.2f} USD exceeds \n'
            f"the Total Value Limit of {VALUE_LIMIT:,} USD.{_SURE}"
        )
        asked.append(Question("o451", text))
    return asked + _about_the_type(ticket, touch)


def _about_the_type(ticket: Ticket, touch: Touch | None) -> list[Question]:
    if ticket.order_type in STOP_TYPES:
        text = (
            "You are about to submit a stop order. Please be aware of the various stop order types available and the "
            f"risks associated with each one.{_SURE}"
        )
        asked = [Question("o10331", text)]
        if _triggers_now(ticket, touch):
            asked.append(Question("o403", f"This order will most likely trigger and fill immediately.{_SURE}"))
        return asked
    if ticket.order_type != "MKT":
        return []
    text = (
        "Market orders are executed at the best price available at that moment, which may be far from the price last "
        f"seen when the market moves fast or is thin. You accept the risks of a market order.{_SURE}"
    )
    asked = [Question("o10151", text)]
    if _exceeds_display(ticket, touch):
        text = (
            "To avoid trading at a price that is not consistent with a fair and orderly market, IB may set a cap (for "
            "a buy order) or floor (for a sell order). THIS MAY CAUSE AN ORDER THAT WOULD OTHERWISE BE MARKETABLE TO "
            f"NOT BE TRADED.{_SURE}"
        )
        asked.append(Question("o10153", text))
    return asked


def _describe(ticket: Ticket, contract: Contract) -> str:
    at = f" @ {ticket.price}" if ticket.price is not None else ""
    return f"{ticket.side} {ticket.quantity} {contract.symbol} {contract.listing_exchange}{at}"


def _market_price(ticket: Ticket, touch: Touch | None) -> Decimal | None:
    if touch is None:
        return None
    price = touch.ask if ticket.side == "BUY" else touch.bid
    price = price if price is not None else touch.mark
    return None if price is None else Decimal(str(price))


def _triggers_now(ticket: Ticket, touch: Touch | None) -> bool:
    market = _market_price(ticket, touch)
    if market is None or ticket.stop is None:
        return False
    return market >= ticket.stop if ticket.side == "BUY" else market <= ticket.stop


def _exceeds_display(ticket: Ticket, touch: Touch | None) -> bool:
    """A cap is set where the order is larger than what is shown at the touch, or where nothing is shown."""
    size = None if touch is None else touch.ask_size if ticket.side == "BUY" else touch.bid_size
    return size is None or ticket.quantity > Decimal(str(size))
