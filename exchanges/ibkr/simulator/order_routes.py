"""Placing, confirming, changing and cancelling orders."""

from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, whole
from exchanges.ibkr.simulator.funds import preview, refuse_without_funds
from exchanges.ibkr.simulator.order_checks import Checked, check_all, checked_ticket, refuse_absurd_limit
from exchanges.ibkr.simulator.pending import Chain
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.prompts import Circumstances, Question, questions
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.tickets import Ticket, business_error, read_ticket, tickets_in
from horizon.clock import NANOSECONDS

_MOST_SUPPRESSED = 51
_SUBMITTED = {"status": "submitted"}


def place(state: State, call: Call) -> object:
    """One ticket, or a bracket or group of them. Any question still open is void from here on."""
    account = state.known_account(call.path["account"])
    tickets = [read_ticket(raw) for raw in tickets_in(call.json())]
    state.pending.void()
    coids = [ticket.coid for ticket in tickets if ticket.coid is not None]
    for coid in coids:
        state.desk.registry.receive(account, coid)
    try:
        checked = check_all(state, account, tickets)
    except Refusal:
        if state.habits.burns_refused:
            _burn(state, account, coids)
        raise
    _burn(state, account, coids)
    chain = Chain(
        questions=_asked_once(state) + _unsuppressed(state, account, checked.tickets),
        submit=lambda: _submit(state, account, checked),
        asked=state.now(),
        session=state.session.brokerage,
    )
    return state.pending.ask(chain, state.random, together=state.habits.prompts_together)


def _burn(state: State, account: str, coids: list[str]) -> None:
    registry = state.desk.registry
    for coid in coids:
        if not registry.is_burnt(account, coid, state.now()):
            registry.burn(account, coid, state.now())


def _asked_once(state: State) -> list[Question]:
    asked, state.pending.extra = state.pending.extra, []
    return [question for question in asked if question.message_id not in state.session.brokerage.suppressed]


def _unsuppressed(
    state: State, account: str, tickets: list[Ticket], *, before: PlacedOrder | None = None
) -> list[Question]:
    """What must be asked, each question once per ticket it is about. `before` is the order that is changed."""
    if not state.asks_questions:
        return []
    return [
        question
        for ticket in tickets
        for question in questions(ticket, state.catalogue[ticket.conid], _circumstances(state, account, ticket, before))
        if question.message_id not in state.session.brokerage.suppressed
    ]


def _circumstances(state: State, account: str, ticket: Ticket, before: PlacedOrder | None) -> Circumstances:
    rapid = round(state.habits.rapid_entry * NANOSECONDS)
    last = next(state.desk.orders(account), None)
    same = last is not None and (last.ticket.conid, last.ticket.signed) == (ticket.conid, ticket.signed)
    return Circumstances(
        touch=state.touch(ticket.conid),
        has_data=state.has_data(ticket.conid),
        position=state.accounts[account].ledger.position(ticket.conid),
        before=before.ticket.quantity if before is not None else None,
        is_rapid=bool(before is None and last is not None and same and state.now() - last.placed < rapid),
    )


def _submit(state: State, account: str, checked: Checked) -> object:
    refuse_without_funds(state, account, checked.tickets)
    how = state.next_orders.take_hold()
    placed = state.desk.place(account, checked.tickets, state.now(), held=how is not None)
    if how is not None:
        prompt = state.desk.notices.prompt(placed[0], by_frame=how == "frame")
        if how == "answer":
            return prompt.as_json()
    refused_by_exchange = _reject_children(state, placed)
    accepted = iter(placed)
    rows = [
        _failed_row(checked.refused[position])
        if position in checked.refused
        else _placed_row(next(accepted), refused_by_exchange)
        for position in range(len(placed) + len(checked.refused))
    ]
    children = sum(ticket.parent is not None for ticket in checked.tickets)
    is_whole = not checked.refused and not refused_by_exchange
    # A whole bracket accepted at once may be answered by the row of its parent alone.
    return rows[:1] if children > 1 and is_whole and state.habits.bracket_rows == "parent" else rows


def _reject_children(state: State, placed: list[PlacedOrder]) -> str:
    """The text of an exchange that refuses the children of a bracket, when one does; their parent lives."""
    children = [order for order in placed if order.parent_id is not None]
    text = state.next_orders.take_rejection() if children else ""
    if text:
        for order in children:
            state.desk.reject(order, text, state.now())
    return text


def _placed_row(order: PlacedOrder, refused_by_exchange: str) -> dict[str, object]:
    if refused_by_exchange and order.parent_id is not None:
        return {
            "order_id": "-1",
            "order_status": "Failed",
            "text": refused_by_exchange,
            "warning_message": "Order rejected by the exchange.",
        }
    return _accepted_row(order)


def _accepted_row(order: PlacedOrder) -> dict[str, object]:
    row: dict[str, object] = {"order_id": str(order.order_id), "order_status": "PreSubmitted", "encrypt_message": "1"}
    return row if order.ticket.coid is None else row | {"local_order_id": order.ticket.coid}


def _failed_row(text: str) -> dict[str, object]:
    return {"order_id": "-1", "order_status": "Failed", "error": None, "warning_message": "-1", "text": text}


def reply(state: State, call: Call) -> object:
    """Confirm or decline a question; the next one follows, or the order's row."""
    reply_id, brokerage = call.path["reply"], state.session.brokerage
    chain = state.pending.take(reply_id, state.now(), session=brokerage, lasts=state.habits.prompt_lasts)
    if chain is None:
        raise Refusal(400, {"error": f"reply id not found: '{reply_id}'"})
    if call.object().get("confirmed") is not True:
        return {"error": "Order not confirmed "}
    return state.pending.ask(chain, state.random, together=state.habits.prompts_together)


def notification(state: State, call: Call) -> object:
    """Answer a server prompt. What nothing waits for is acknowledged all the same."""
    asked = call.object()
    order_id = whole(asked.get("orderId"))
    if order_id is None:
        raise Refusal(400, {"error": "Bad Request: orderId is required", "statusCode": 400})
    choice = str(asked.get("text") or "")
    prompt = state.desk.notices.answer(order_id, str(asked.get("reqId") or ""), choice)
    if prompt is not None:
        state.desk.release(prompt.order_id, choice, state.now())
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
    checked = check_all(state, account, tickets)
    if not checked.tickets:
        raise business_error(next(iter(checked.refused.values())))
    asked = _unsuppressed(state, account, checked.tickets)
    shown = preview(state, account, checked.tickets[0], asked[0].text if asked else None)
    if not state.habits.warns_in_what_if:
        return shown
    chain = Chain(asked, lambda: shown, state.now(), state.session.brokerage)
    return state.pending.ask(chain, state.random, together=state.habits.prompts_together)


def _known_order(state: State, call: Call) -> PlacedOrder:
    account, text = state.known_account(call.path["account"]), call.path["order"]
    order_id = whole(text)
    order = state.desk.find(order_id) if order_id is not None else None
    if order is None or not order.is_listed or order.account != account:
        raise Refusal(400, {"error": f"OrderID {text} doesn't exist"})
    return order


def modify(state: State, call: Call) -> object:
    """A single full ticket; what it does not repeat is not kept."""
    order = _known_order(state, call)
    ticket = read_ticket(call.json())
    state.pending.void()
    _refuse_inactive(state, order)
    ticket = checked_ticket(state, ticket)
    if ticket.conid != order.contract.conid or ticket.side != order.ticket.side:
        raise business_error("Order couldn't be modified: contract and side can't be changed.")
    refuse_absurd_limit(state, ticket)
    chain = Chain(
        questions=_asked_once(state) + _unsuppressed(state, order.account, [ticket], before=order),
        submit=lambda: _resubmit(state, order, ticket),
        asked=state.now(),
        session=state.session.brokerage,
    )
    return state.pending.ask(chain, state.random, together=state.habits.prompts_together)


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
    if order.contract.is_us_future and not (call.query.get("manualIndicator") and call.query.get("extOperator")):
        raise Refusal(400, {"error": "Bad Request: manualIndicator and extOperator are required", "statusCode": 400})
    _refuse_inactive(state, order)
    immediate = state.desk.cancel(order, state.now())
    return {
        "msg": "Request was submitted",
        "order_id": order.order_id,
        "conid": -1 if immediate else order.contract.conid,
        "account": None if immediate else order.account,
    }


ROUTES = (
    Route("POST", "/iserver/account/{account}/orders", Needs.ACCOUNTS, place),
    Route("POST", "/iserver/account/{account}/orders/whatif", Needs.ACCOUNTS, what_if),
    Route("POST", "/iserver/account/{account}/order/{order}", Needs.ACCOUNTS, modify),
    Route("DELETE", "/iserver/account/{account}/order/{order}", Needs.ACCOUNTS, cancel),
    Route("POST", "/iserver/reply/{reply}", Needs.ACCOUNTS, reply),
    Route("POST", "/iserver/notification", Needs.ACCOUNTS, notification),
    Route("POST", "/iserver/questions/suppress", Needs.BROKERAGE, suppress),
    Route("POST", "/iserver/questions/suppress/reset", Needs.BROKERAGE, suppress_reset),
)
