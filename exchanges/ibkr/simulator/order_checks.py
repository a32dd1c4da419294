"""What the gateway refuses about an order because of what it knows besides: ids, parents, the market, other orders."""

from decimal import Decimal

import msgspec

from exchanges.ibkr.simulator.calls import Refusal, bad_request
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.ticket_rules import check_ticket, with_quantity
from exchanges.ibkr.simulator.tickets import Ticket, business_error

_FARTHEST_LIMIT = Decimal("0.5")
MOST_ACTIVE = 20
"""Orders that may be active in one contract, per side and account."""


class Checked(msgspec.Struct, frozen=True):
    """The tickets of one request: those that go on, and by position why the others do not."""

    tickets: list[Ticket]
    refused: dict[int, str]


def check_all(state: State, account: str, tickets: list[Ticket]) -> Checked:
    """Look at a whole request. What is wrong with a first ticket refuses all of it (raises Refusal); a child is refused
    alone."""
    refused: dict[int, str] = {}
    good: list[Ticket] = []
    coids = {ticket.coid for ticket in tickets if ticket.coid is not None}
    for position, ticket in enumerate(tickets):
        try:
            good.append(_check(state, account, ticket, coids, good))
        except Refusal as refusal:
            lone_bracket_child = len(tickets) == 1 and ticket.parent is not None
            is_business = refusal.status == 200 and isinstance(refusal.body, dict)
            if not is_business or not (position or lone_bracket_child):
                raise
            refused[position] = str(refusal.body["error"]) if isinstance(refusal.body, dict) else ""
    return Checked(good, refused)


def _check(state: State, account: str, ticket: Ticket, coids: set[str], before: list[Ticket]) -> Ticket:
    if ticket.account is not None and ticket.account != account:
        raise bad_request(f"invalid account {ticket.account}")
    ticket = checked_ticket(state, ticket)
    if ticket.coid is not None and state.desk.registry.is_burnt(account, ticket.coid, state.now()):
        text = f"Order couldn't be submitted: Local order ID={ticket.coid} is already registered."
        raise Refusal(state.habits.registered_status, {"error": text})
    beside = sum((other.conid, other.side) == (ticket.conid, ticket.side) for other in before)
    if state.desk.active_on(account, ticket.conid, ticket.side) + beside >= MOST_ACTIVE:
        raise business_error(
            f"Order couldn't be submitted: at most {MOST_ACTIVE} orders may be active per contract and side."
        )
    if ticket.parent is None:
        refuse_absurd_limit(state, ticket)
        return ticket
    if ticket.coid is not None:
        raise business_error("Order couldn't be submitted: a child order must not have a local order ID.")
    if ticket.parent not in coids and not state.desk.parent_exists(account, ticket):
        raise business_error(f"Order couldn't be submitted: Parent order ID={ticket.parent} isn't recognized.")
    return ticket


def checked_ticket(state: State, ticket: Ticket) -> Ticket:
    """The ticket, good by itself, with a quantity also where it asks for money."""
    contract = state.catalogue.get(ticket.conid)
    request_id = state.random.randint(100_000, 999_999)
    contract = check_ticket(ticket, contract, state.day(state.now()), request_id)
    if contract.is_event and not state.tape.is_open(contract, state.now()):
        raise business_error(f"no sec defs returned forSecDef reqId={request_id}")
    return with_quantity(ticket, contract, state.touch(ticket.conid))


def refuse_absurd_limit(state: State, ticket: Ticket) -> None:
    """A limit far on the other side of the market is refused outright, not asked about."""
    touch = state.touch(ticket.conid)
    market = touch.mark if touch else None
    if ticket.price is None or market is None or state.catalogue[ticket.conid].is_event:
        return
    beyond = (ticket.price - Decimal(str(market))) / Decimal(str(market))
    if (beyond if ticket.side == "BUY" else -beyond) > _FARTHEST_LIMIT:
        raise business_error(
            "We cannot accept an order at the limit price you selected. Please submit your order using a limit price "
            f"that is closer to the current market price of {market:.2f}.  Alternatively, you can convert your order "
            "to an Algorithmic Order (IBALGO)."
        )
