"""What a test, or a plan, can do to the orders of a running gateway."""

from decimal import Decimal
from typing import Any

import msgspec

from exchanges.ibkr.simulator.executions import Execution
from exchanges.ibkr.simulator.next_orders import Hold
from exchanges.ibkr.simulator.placed_orders import Origin, PlacedOrder
from exchanges.ibkr.simulator.prompts import Question
from exchanges.ibkr.simulator.session import Brokerage
from exchanges.ibkr.simulator.state import State
from exchanges.ibkr.simulator.tickets import Ticket
from exchanges.ibkr.simulator.venue_record import AccountRecord, record_of
from horizon.clock import NANOSECONDS
from horizon.model import Number, exact


class OrderControls:
    """The handles of one gateway. An order is named by its number, or by its cOID."""

    state: State

    # --- fills

    def fill(
        self, order: int | str, size: Number | None = None, price: Number | None = None, *, overfill: bool = False
    ) -> None:
        """Let an order trade, whatever is quoted: what is left of it, at its limit or the quote, unless told otherwise.

        An order that is cancelled trades too, as when its cancel crosses with the trade. Raises ValueError for more
        than what is left of it, unless it shall overfill, and LookupError for an order that is not there.
        """
        placed = self._order(order)
        left = self.state.desk.progress(placed).request.size - self.state.desk.progress(placed).filled
        wanted = left if size is None else exact(size)
        if wanted <= 0 or (wanted > left and not overfill):
            raise ValueError(f"expected a size above 0 and up to {left}, found {wanted}: overfill=True takes more")
        self.state.desk.execute(
            placed, wanted, self._price(placed.ticket) if price is None else exact(price), self._now()
        )

    def _price(self, ticket: Ticket) -> Decimal:
        touch = self.state.touch(ticket.conid)
        mark = touch.mark if touch else None
        price = ticket.price if ticket.price is not None else ticket.stop
        if price is None and mark is None:
            raise ValueError(f"nothing is quoted for {ticket.conid}: say at what price it trades")
        return Decimal(str(mark)) if price is None else price

    def correct(self, execution_id: str, price: Number, *, commission: Number | None = None) -> Execution:
        """Replace an execution by one at another price; the last group of its id tells."""
        charged = None if commission is None else exact(commission)
        return self.state.desk.books.correct(execution_id, price=exact(price), commission=charged)

    def repeat_execution(self, execution_id: str) -> None:
        """Report an execution a second time, unchanged."""
        self.state.desk.books.repeat(execution_id)

    # --- orders that come from elsewhere

    def order_elsewhere(self, account: str, *, order_ref: str | None = None, **ticket: Any) -> int:
        """Place an order as another program of the account's owner does, and return its number. The fields are those
        of a `Ticket`: conid, side, quantity, order_type, price, tif and so on."""
        made = msgspec.convert({"order_type": "MKT", **ticket, "coid": order_ref}, Ticket)
        owner = self.state.known_account(account)
        (placed,) = self.state.desk.place(owner, [made], self._now(), origin="elsewhere")
        return placed.order_id

    def trade_elsewhere(
        self, account: str, conid: int, signed: Number, price: Number | None = None, *, order_ref: str | None = None
    ) -> int:
        """The owner buys (above 0) or sells elsewhere, in full and at once. Returns the order's number."""
        return self._trade(account, conid, exact(signed), price, order_ref=order_ref)

    def liquidate(self, account: str, conid: int, size: Number | None = None, price: Number | None = None) -> int:
        """The venue closes (so much of) a position by force. Returns the order's number."""
        held = self.state.accounts[self.state.known_account(account)].ledger.position(conid)
        if not held:
            raise ValueError(f"{account} holds nothing of {conid}: there is nothing to liquidate")
        closing = held if size is None else exact(size).copy_sign(held)
        return self._trade(account, conid, -closing, price, liquidation=True)

    def _trade(
        self,
        account: str,
        conid: int,
        signed: Decimal,
        price: Number | None,
        *,
        order_ref: str | None = None,
        liquidation: bool = False,
    ) -> int:
        side = "BUY" if signed > 0 else "SELL"
        ticket = Ticket(conid=conid, order_type="MKT", side=side, quantity=abs(signed), coid=order_ref)
        paid = self._price(ticket) if price is None else exact(price)
        owner, now, desk = self.state.known_account(account), self._now(), self.state.desk
        origin: Origin = "liquidation" if liquidation else "elsewhere"
        (placed,) = desk.place(owner, [ticket], now, origin=origin, trades_at=paid)
        return placed.order_id

    # --- refusals, prompts, cancels

    def reject(self, order: int | str, reason: str = "Order rejected by the exchange.") -> None:
        """The exchange refuses an order that was accepted: it is `Inactive` for good."""
        self.state.desk.reject(self._order(order), reason, self._now())

    def reject_children(
        self, text: str = "The size, 1, does not conform to the minimum variation of 100 for this contract."
    ) -> None:
        """The exchange refuses the children of the next bracket; the parent lives."""
        self.state.next_orders.rejections.append(text)

    def hold_next_order(self, by: Hold = "frame") -> None:
        """The next order waits for the answer to a server prompt (p12), told by an `ntf` frame or in the answer."""
        self.state.next_orders.holds.append(by)

    def ask_next(self, message_id: str, text: str) -> None:
        """Ask one question more about the next order or change."""
        self.state.pending.extra.append(Question(message_id, text))

    def lose_replies(self, times: int = 1) -> None:
        """The next answers to a question find none ("reply id not found"), though it was just asked."""
        self.state.pending.races += times

    def expire_prompts(self) -> None:
        """Whatever was asked is void."""
        self.state.pending.void()

    def ignore_cancels(self, order: int | str) -> None:
        """Cancels of this order are acknowledged and never happen."""
        self._order(order).ignores_cancels = True

    # --- what is remembered, and how old it is

    def restart_backend(self, *, forgets_orders: bool = False) -> None:
        """What is behind the gateway starts anew: the brokerage session ends, open questions are void, reads are cold;
        the day's orders are lost from its memory if so wished, and live on at the exchange."""
        self.expire_prompts()
        self.state.session.drop()
        if forgets_orders:
            self.forget_orders()

    def forget_orders(self) -> None:
        """The orders so far are in no list any more and can't be asked for, while the exchange works them: they fill,
        and the trades are told."""
        self.state.views.forget_lists()
        for account in self.state.accounts:
            for order in self.state.desk.orders(account):
                order.is_listed = False

    def remember_orders(self) -> None:
        for account in self.state.accounts:
            for order in self.state.desk.orders(account):
                order.is_listed = True

    def hide_order(self, order: int | str) -> None:
        """Leave one order out of the lists; its status can be asked for."""
        self.state.views.missing.add(self._order(order).order_id)

    def show_order(self, order: int | str) -> None:
        self.state.views.missing.discard(self._order(order).order_id)

    def stale_orders(self, seconds: float) -> None:
        """The lists of orders that were last shown are shown again for so long."""
        self.state.views.hold_lists(self._now() + round(seconds * NANOSECONDS))

    def stale_positions(self, seconds: float) -> None:
        """Positions are shown as they are now for so long, whatever fills; unless they are invalidated."""
        until = self._now() + round(seconds * NANOSECONDS)
        for name, account in self.state.accounts.items():
            self.state.views.hold_positions(name, account.ledger.holdings, until)

    def cool_reads(self) -> None:
        """Reads that are cold at first are cold again."""
        brokerage: Brokerage = self.state.session.brokerage
        brokerage.read.clear()

    # --- the truth

    def ledger_of(self, account: str) -> AccountRecord:
        """The venue's own record: every order ever accepted, its executions, and how often each cOID came."""
        return record_of(self.state, account)

    def _order(self, order: int | str) -> PlacedOrder:
        found: PlacedOrder | None = None
        if isinstance(order, int):
            found = self.state.desk.find(order)
        else:
            every = (each for account in self.state.accounts for each in self.state.desk.orders(account))
            found = next((each for each in every if order in (each.ticket.coid, str(each.order_id))), None)
        if found is None:
            raise LookupError(f"expected an order of this gateway by its number or cOID, found {order!r}")
        return found

    def _now(self) -> int:
        return self.state.now()
