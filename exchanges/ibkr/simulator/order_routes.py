"""Placing, confirming, changing, cancelling and reading orders."""

from collections.abc import Iterator
from decimal import Decimal

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, whole
from exchanges.ibkr.simulator.desk import PlacedOrder
from exchanges.ibkr.simulator.funds import preview, refuse_without_funds
from exchanges.ibkr.simulator.order_rows import order_row, status_row, trade_row
from exchanges.ibkr.simulator.pending import Chain
from exchanges.ibkr.simulator.prompts import Question, questions
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.tickets import Ticket, business_error, check_ticket, read_ticket, tickets_in

_MOST_ROWS = 1000
_MOST_SUPPRESSED = 51
_MOST_DAYS = 7
_FARTHEST_LIMIT = Decimal("0.5")
_SUBMITTED = {"status": "submitted"}


def place(state: State, call: Call) -> object:
    """One ticket, or a bracket or group of them. Any question still open is void from here on."""
    account = state.known_account(call.path["account"])
    tickets = [read_ticket(raw) for raw in tickets_in(call.json())]
    state.pending.void()
    refused = _check_all(state, account, tickets)
    accepted = [ticket for position, ticket in enumerate(tickets) if position not in refused]
    chain = Chain(
        questions=_unsuppressed(state, accepted),
        submit=lambda: _submit(state, account, tickets, refused),
        asked=state.now(),
    )
    return state.pending.ask(chain, state.random)


def _check_all(state: State, account: str, tickets: list[Ticket]) -> dict[int, str]:
    """Positions of the children that are refused, with the text. What is wrong with a first ticket refuses the whole
    request."""
    refused: dict[int, str] = {}
    coids = {ticket.coid for ticket in tickets if ticket.coid is not None}
    for position, ticket in enumerate(tickets):
        try:
            _check(state, account, ticket, coids)
        except Refusal as refusal:
            lone_bracket_child = len(tickets) == 1 and ticket.parent is not None
            if refusal.status != 200 or not isinstance(refusal.body, dict) or not (position or lone_bracket_child):
                raise
            refused[position] = str(refusal.body["error"])
    return refused


def _check(state: State, account: str, ticket: Ticket, coids: set[str]) -> None:
    contract = state.catalogue.get(ticket.conid)
    check_ticket(ticket, contract, state.random.randint(100_000, 999_999))
    if ticket.coid is not None and state.desk.is_registered(account, ticket.coid, state.now()):
        raise business_error(f"Order couldn't be submitted: Local order ID={ticket.coid} is already registered.")
    if ticket.parent is None:
        _refuse_absurd_limit(state, ticket)
        return
    if ticket.coid is not None:
        raise business_error("Order couldn't be submitted: a child order must not have a local order ID.")
    if ticket.parent not in coids and not state.desk.parent_exists(account, ticket):
        raise business_error(f"Order couldn't be submitted: Parent order ID={ticket.parent} isn't recognized.")


def _refuse_absurd_limit(state: State, ticket: Ticket) -> None:
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


def _unsuppressed(state: State, tickets: list[Ticket]) -> list[Question]:
    """What must be asked, each question once per ticket it is about."""
    if not state.asks_questions:
        return []
    suppressed = state.session.brokerage.suppressed
    return [
        question
        for ticket in tickets
        for question in questions(
            ticket, state.catalogue[ticket.conid], state.touch(ticket.conid), has_data=state.has_data(ticket.conid)
        )
        if question.message_id not in suppressed
    ]


def _submit(state: State, account: str, tickets: list[Ticket], refused: dict[int, str]) -> object:
    accepted = [ticket for position, ticket in enumerate(tickets) if position not in refused]
    refuse_without_funds(state, account, accepted)
    placed = iter(state.desk.place(account, accepted, state.now()))
    rows = [
        _failed_row(refused[position]) if position in refused else _accepted_row(next(placed))
        for position in range(len(tickets))
    ]
    children = sum(ticket.parent is not None for ticket in tickets)
    # A whole bracket accepted at once is answered by the row of its parent alone.
    return rows[:1] if children > 1 and not refused else rows


def _accepted_row(order: PlacedOrder) -> dict[str, object]:
    row: dict[str, object] = {"order_id": str(order.order_id), "order_status": "PreSubmitted", "encrypt_message": "1"}
    return row if order.ticket.coid is None else row | {"local_order_id": order.ticket.coid}


def _failed_row(text: str) -> dict[str, object]:
    return {"order_id": "-1", "order_status": "Failed", "error": None, "warning_message": "-1", "text": text}


def reply(state: State, call: Call) -> object:
    """Confirm or decline a question; the next one follows, or the order's row."""
    reply_id = call.path["reply"]
    chain = state.pending.take(reply_id, state.now())
    if chain is None:
        raise Refusal(400, {"error": f"reply id not found: '{reply_id}'"})
    if call.object().get("confirmed") is not True:
        return {"error": "Order not confirmed "}
    return state.pending.ask(chain, state.random)


def notification(_state: State, call: Call) -> object:
    if whole(call.object().get("orderId")) is None:
        raise Refusal(400, {"error": "Bad Request: orderId is required", "statusCode": 400})
    return "Request was submitted"


def suppress(state: State, call: Call) -> object:
    wanted = call.object().get("messageIds")
    if not isinstance(wanted, list) or len(wanted) > _MOST_SUPPRESSED or not all(isinstance(i, str) for i in wanted):
        raise Refusal(400, {"error": "Bad Request: messageIds must be a list of up to 51 ids", "statusCode": 400})
    state.session.brokerage.suppressed.update(wanted)
    return _SUBMITTED


def suppress_reset(state: State, _call: Call) -> object:
    state.session.brokerage.suppressed.clear()
    return _SUBMITTED


def what_if(state: State, call: Call) -> object:
    account = state.known_account(call.path["account"])
    tickets = [read_ticket(raw) for raw in tickets_in(call.json())]
    _check_all(state, account, tickets)
    asked = _unsuppressed(state, tickets)
    return preview(state, account, tickets[0], asked[0].text if asked else None)


def _known_order(state: State, call: Call) -> PlacedOrder:
    account, text = state.known_account(call.path["account"]), call.path["order"]
    order_id = whole(text)
    order = state.desk.find(order_id) if order_id is not None else None
    if order is None or order.account != account:
        raise Refusal(400, {"error": f"OrderID {text} doesn't exist"})
    return order


def modify(state: State, call: Call) -> object:
    """A single full ticket; what it does not repeat is not kept."""
    order = _known_order(state, call)
    ticket = read_ticket(call.json())
    state.pending.void()
    _refuse_inactive(state, order)
    contract = state.catalogue.get(ticket.conid)
    check_ticket(ticket, contract, state.random.randint(100_000, 999_999))
    if ticket.conid != order.contract.conid or ticket.side != order.ticket.side:
        raise business_error("Order couldn't be modified: contract and side can't be changed.")
    _refuse_absurd_limit(state, ticket)
    chain = Chain(
        questions=_unsuppressed(state, [ticket]),
        submit=lambda: _resubmit(state, order, ticket),
        asked=state.now(),
    )
    return state.pending.ask(chain, state.random)


def _refuse_inactive(state: State, order: PlacedOrder) -> None:
    if not state.desk.progress(order).is_open:
        raise Refusal(400, {"error": "Order is inactive"})


def _resubmit(state: State, order: PlacedOrder, ticket: Ticket) -> object:
    _refuse_inactive(state, order)
    refuse_without_funds(state, order.account, [ticket], instead_of=order)
    reason = state.desk.modify(order, ticket, state.now())
    if reason:
        raise business_error(f"Order couldn't be modified: {reason}")
    return [_accepted_row(order)]


def cancel(state: State, call: Call) -> object:
    """An acknowledgement, not a confirmation, unless conid is -1: then the order is gone already."""
    if call.path["order"] == "-1":
        account = state.known_account(call.path["account"])
        for order in state.desk.open_orders(account):
            state.desk.cancel(order, state.now())
        return {"msg": "Request was submitted", "order_id": -1, "conid": -1, "account": None}
    order = _known_order(state, call)
    _refuse_inactive(state, order)
    immediate = state.desk.cancel(order, state.now())
    return {
        "msg": "Request was submitted",
        "order_id": order.order_id,
        "conid": -1 if immediate else order.contract.conid,
        "account": None if immediate else order.account,
    }


def _account_asked(state: State, call: Call) -> str:
    """The account a read is about: the one asked for, else the selected one."""
    return state.known_account(call.query.get("accountId") or state.selected)


def live_orders(state: State, call: Call) -> object:
    """Today's orders of one account. The first read of a session is empty and says so by `snapshot: false`."""
    account, session = _account_asked(state, call), state.session.brokerage
    if call.flag("force"):
        session.order_filters = frozenset()
        session.read.discard(f"orders {account}")
    if "filters" in call.query:
        # Sticks for the session, and silences the socket's orders.
        session.order_filters = frozenset(call.query["filters"].lower().replace("_", "").split(","))
    if session.is_cold(f"orders {account}"):
        return {"orders": [], "snapshot": False}
    return {"orders": order_rows(state, account), "snapshot": True}


def order_rows(state: State, account: str) -> list[dict[str, object]]:
    """Open orders, and as many of the day's others as there is room for, newest first; only those in the statuses that
    the session asked for."""
    wanted = state.session.brokerage.order_filters - {"sortbytime"}
    listed = {order.order_id: order for order in state.desk.open_orders(account)}
    for order in _done_today(state, account):
        if len(listed) >= _MOST_ROWS:
            break
        listed[order.order_id] = order
    rows = [order_row(state, listed[order_id]) for order_id in sorted(listed, reverse=True)]
    return [row for row in rows if not wanted or str(row["status"]).lower() in wanted]


def _done_today(state: State, account: str) -> Iterator[PlacedOrder]:
    today = state.day(state.now())
    for order in state.desk.orders(account):
        progress = state.desk.progress(order)
        if not progress.is_open and state.day(progress.updated_time) == today:
            yield order


def order_status(state: State, call: Call) -> object:
    order_id = whole(call.path["order"])
    order = state.desk.find(order_id) if order_id is not None else None
    if order is None or order.account != state.selected:
        raise Refusal(503, {"error": "Service Unavailable", "statusCode": 503})
    return status_row(state, order)


def trades(state: State, call: Call) -> object:
    """Executions of the last days, newest first. The first read of a session is empty."""
    account = _account_asked(state, call)
    if state.session.brokerage.is_cold(f"trades {account}"):
        return []
    days = state.trading_days(min(max(call.number("days") or 1, 1), _MOST_DAYS))
    return [
        trade_row(state, execution)
        for execution in reversed(state.desk.executions)
        if execution.account == account and state.day(execution.time) in days
    ]


ROUTES = (
    Route("POST", "/iserver/account/{account}/orders", Needs.ACCOUNTS, place),
    Route("POST", "/iserver/account/{account}/orders/whatif", Needs.ACCOUNTS, what_if),
    Route("POST", "/iserver/account/{account}/order/{order}", Needs.ACCOUNTS, modify),
    Route("DELETE", "/iserver/account/{account}/order/{order}", Needs.ACCOUNTS, cancel),
    Route("POST", "/iserver/reply/{reply}", Needs.ACCOUNTS, reply),
    Route("POST", "/iserver/notification", Needs.ACCOUNTS, notification),
    Route("POST", "/iserver/questions/suppress", Needs.BROKERAGE, suppress),
    Route("POST", "/iserver/questions/suppress/reset", Needs.BROKERAGE, suppress_reset),
    Route("GET", "/iserver/account/orders", Needs.ACCOUNTS, live_orders),
    Route("GET", "/iserver/account/order/status/{order}", Needs.ACCOUNTS, order_status),
    Route("GET", "/iserver/account/trades", Needs.ACCOUNTS, trades),
)
