"""The questions the gateway asks before it takes an order, each with the trigger it has in reality.

The texts of o163, o354, o383, o451, o10331 and o10153 are those that users have reported. Of o382, o403, o10138,
o10151, o10152, o10164, o10223 and p6 the first sentence is one that other clients look for; the rest is made up around
the short descriptions of the reference, section 6.5, which has all message ids. Event contracts are spared o163: 3 % of
half a dollar is one and a half ticks. Percentages are for stocks, ticks for futures and currencies.
"""

from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.ledger import ZERO
from exchanges.ibkr.simulator.tape import Touch
from exchanges.ibkr.simulator.tickets import Ticket

PERCENTAGE_CONSTRAINT = Decimal("0.03")
TICK_LIMIT = 100
SIZE_LIMIT = 500
VALUE_LIMIT = 100_000
_SURE = "\nAre you sure you want to submit this order?"
_BY_TICKS = ("FUT", "FOP", "CASH")


class Question(msgspec.Struct, frozen=True):
    message_id: str
    text: str


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """What matters beside the ticket itself."""

    touch: Touch | None
    has_data: bool
    position: Decimal = ZERO
    """Held of the contract."""
    before: Decimal | None = None
    """The quantity before a change; None for a new order."""
    is_rapid: bool = False
    """The same order was given moments ago."""


def questions(ticket: Ticket, contract: Contract, around: Circumstances) -> list[Question]:
    """What is asked about one ticket, in the order of asking."""
    market = _market_price(ticket, around.touch)
    return [
        *_about_the_price(ticket, contract, market, around),
        *_about_the_size(ticket, contract, market, around),
        *_about_the_type(ticket, around.touch),
        *_about_the_cash(ticket, contract),
        *_about_the_contract(ticket, contract, around),
        *_about_the_account(ticket, around),
    ]


def _about_the_price(
    ticket: Ticket, contract: Contract, market: Decimal | None, around: Circumstances
) -> list[Question]:
    asked = []
    name = _describe(ticket, contract)
    if ticket.price is not None and market and not contract.is_event:
        away = abs(ticket.price - market)
        if contract.sec_type in _BY_TICKS:
            if away > TICK_LIMIT * contract.increment(market):
                text = f'The following order "{name}" price exceeds \nthe Tick Size Limit of {TICK_LIMIT}.{_SURE}'
                asked.append(Question("o382", text))
        elif away / market > PERCENTAGE_CONSTRAINT:
            text = f'The following order "{name}" price exceeds \nthe Percentage constraint of 3%.{_SURE}'
            asked.append(Question("o163", text))
    if not around.has_data:
        text = (
            "You are submitting an order without market data. We strongly recommend against this as it may result in "
            f"erroneous and unexpected trades.{_SURE}"
        )
        asked.append(Question("o354", text))
    return asked


def _about_the_size(
    ticket: Ticket, contract: Contract, market: Decimal | None, around: Circumstances
) -> list[Question]:
    asked = []
    name = _describe(ticket, contract)
    if ticket.quantity > SIZE_LIMIT and contract.sec_type != "CASH" and not contract.is_event:
        if around.before is None:
            text = f'The following order "{name}" size exceeds the Size Limit of {SIZE_LIMIT}.{_SURE}'
            asked.append(Question("o383", text))
        elif ticket.quantity > around.before:
            limit = f"size modification exceeds the size modification limit of {SIZE_LIMIT}"
            text = f'The following order "{name}" {limit}.{_SURE}'
            asked.append(Question("o10138", text))
    value = ticket.quantity * (ticket.price or ticket.stop or market or 0) * contract.factor
    if value > VALUE_LIMIT:
        text = (
            f'The following order "{name}" value estimate of {value:,.2f} USD exceeds \n'
            f"the Total Value Limit of {VALUE_LIMIT:,} USD.{_SURE}"
        )
        asked.append(Question("o451", text))
    return asked


def _about_the_type(ticket: Ticket, touch: Touch | None) -> list[Question]:
    asked: list[Question] = []
    if ticket.kind.risk == "stop":
        text = (
            "You are about to submit a stop order. Please be aware of the various stop order types available and the "
            f"risks associated with each one.{_SURE}"
        )
        asked.append(Question("o10331", text))
        if ticket.kind.trails:
            text = (
                "A Stop Order - i.e. a Stop (Market) Order - is an instruction to buy or sell at the market price once "
                f'your trigger ("stop") price is reached.{_SURE}'
            )
            asked.append(Question("o10152", text))
    if _triggers_now(ticket, touch):
        asked.append(Question("o403", f"This order will most likely trigger and fill immediately.{_SURE}"))
    if ticket.kind.risk != "market":
        return asked
    text = (
        "A Market Order is an instruction to trade your order at any available price. It may be far from the price "
        f"last seen when the market moves fast or is thin. You accept the risks of a market order.{_SURE}"
    )
    asked.append(Question("o10151", text))
    if ticket.order_type == "MKT" and _exceeds_display(ticket, touch):
        text = (
            "To avoid trading at a price that is not consistent with a fair and orderly market, IB may set a cap (for "
            "a buy order) or floor (for a sell order). THIS MAY CAUSE AN ORDER THAT WOULD OTHERWISE BE MARKETABLE TO "
            f"NOT BE TRADED.{_SURE}"
        )
        asked.append(Question("o10153", text))
    return asked


def _about_the_cash(ticket: Ticket, contract: Contract) -> list[Question]:
    if ticket.cash is None:
        return []
    details = (
        "Traders are responsible for understanding cash quantity details, which are provided on a best efforts basis "
        f"only.{_SURE}"
    )
    confirm = (
        "Orders that express size using a monetary value (cash quantity) are provided on a non-guaranteed basis. Cash "
        f"quantity order confirmation: {ticket.side} for {ticket.cash:,.2f} {contract.currency}.{_SURE}"
    )
    return [Question("o10164", details), Question("o10223", confirm)]


def _about_the_contract(ticket: Ticket, contract: Contract, around: Circumstances) -> list[Question]:
    asked = []
    if contract.sec_type == "CRYPTO":
        if ticket.order_type == "MKT":
            text = f"You are submitting a market order for a crypto currency, whose price can move fast.{_SURE}"
            asked.append(Question("o10288", text))
        text = f"Crypto currency orders are accepted by OSL Digital Securities for your account.{_SURE}"
        asked.append(Question("o10332", text))
    if contract.is_derivative and not contract.is_event and (around.touch is None or around.touch.mark is None):
        text = f"This contract has limited liquidity: there is nobody on one side of the market or on both.{_SURE}"
        asked.append(Question("o10336", text))
    if ticket.outside_rth and ticket.quantity % 1:
        asked.append(Question("o2165", f"Orders for a fraction are not filled outside of regular hours.{_SURE}"))
    return asked


def _about_the_account(ticket: Ticket, around: Circumstances) -> list[Question]:
    asked = []
    if around.position * ticket.signed < 0 and abs(ticket.quantity) > abs(around.position):
        text = (
            f"You hold {around.position.normalize():f}: this order crosses from one side of the market to the other."
            f"{_SURE}"
        )
        asked.append(Question("o2137", text))
    if ticket.customer:
        text = f"This order is for a customer account of an omnibus account: {ticket.customer}.{_SURE}"
        asked.append(Question("o10334", text))
    if ticket.allocation:
        text = (
            "This order will be distributed over multiple accounts. We strongly suggest you familiarize yourself with "
            f"our allocation facilities before submitting orders.{_SURE}"
        )
        asked.append(Question("p6", text))
    if around.is_rapid:
        asked.append(Question("o10335", f"You have entered the same order moments ago.{_SURE}"))
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
    waits_for_a_rise = (ticket.side == "BUY") == (ticket.kind.risk == "stop")
    return market >= ticket.stop if waits_for_a_rise else market <= ticket.stop


def _exceeds_display(ticket: Ticket, touch: Touch | None) -> bool:
    """A cap is set where the order is larger than what is shown at the touch, or where nothing is shown."""
    size = None if touch is None else touch.ask_size if ticket.side == "BUY" else touch.bid_size
    return size is None or ticket.quantity > Decimal(str(size))
