"""Whatever happens to orders, the gateway's own record, its executions and its money tell one story."""

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from exchanges.ibkr.simulator import Habits, Simulator
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from exchanges.ibkr.simulator.tickets import Ticket
from horizon.model import OrderStatus
from horizon.simulation.scripted_clock import ScriptedClock

START = 1_700_000_000_000_000_000
SPY, QQQ, ES = 756733, 320227571, 515416632
ONE = "DU1234567"
FACTORS = {SPY: 1, QQQ: 1, ES: 50}
TINY = Decimal("1e-9")
conids = st.sampled_from([SPY, QQQ, ES])
sides = st.sampled_from(["BUY", "SELL"])
sizes = st.integers(1, 40).map(Decimal)
steps = st.integers(-20, 20)


class HandClock(ScriptedClock):
    """Says what it is told to say."""

    moment = START

    def now(self) -> int:
        return self.moment


class Orders(RuleBasedStateMachine):
    @initialize(slow=st.booleans(), by_hand=st.booleans())
    def start(self, slow: bool, by_hand: bool) -> None:
        self.clock = HandClock(START)
        self.gateway = Simulator(
            clock=self.clock,
            prompts=False,
            habits=Habits(acknowledges_after=2.0 if slow else 0.0),
            fills="by hand" if by_hand else "market",
        )
        self.state = self.gateway.state
        self.accepted = 0

    def placed(self) -> list[PlacedOrder]:
        return list(self.state.desk.orders(ONE))

    def ticket(self, conid: int, side: str, size: Decimal, step: int, kind: str, data: Any, **more: Any) -> Ticket:
        touch = self.state.touch(conid)
        assert touch is not None
        tick = Decimal("0.25") if conid == ES else Decimal("0.01")
        near = (Decimal(str(touch.mark)) // tick + step * 3) * tick
        fields: dict[str, Any] = {"conid": conid, "side": side, "quantity": size, "order_type": kind, **more}
        needs = {"LMT": ["price"], "LIT": ["price", "stop"], "STOP_LIMIT": ["price", "stop"], "LOC": ["price"]}
        for name in needs.get(kind, ["stop"] if kind in ("STP", "MIT") else []):
            fields[name] = near
        if kind == "TRAIL":
            fields |= {"trails_by": data.draw(st.sampled_from(["amt", "%"])), "trailing": Decimal(1)}
        return Ticket(**fields)

    @rule(conid=conids, side=sides, size=sizes, step=steps, data=st.data())
    def place(self, conid: int, side: str, size: Decimal, step: int, data: Any) -> None:
        kinds = ["LMT", "LMT", "MKT", "STP", "STOP_LIMIT", "TRAIL", "MIT", "LIT", "MIDPRICE", "REL", "MOC", "LOC"]
        kind = data.draw(st.sampled_from(kinds))
        coid = f"c{self.accepted}"
        self.accepted += 1
        self.state.desk.registry.receive(ONE, coid)
        self.state.desk.place(ONE, [self.ticket(conid, side, size, step, kind, data, coid=coid)], self.state.now())

    @rule(conid=conids, size=sizes, step=steps, data=st.data())
    def place_bracket(self, conid: int, size: Decimal, step: int, data: Any) -> None:
        coid = f"c{self.accepted}"
        self.accepted += 3
        parent = self.ticket(conid, "BUY", size, step, "LMT", data, coid=coid)
        exits = [self.ticket(conid, "SELL", size, step, kind, data, parent=coid) for kind in ("LMT", "STP")]
        self.state.desk.place(ONE, [parent, *exits], self.state.now())

    @precondition(lambda self: self.placed())
    @rule(data=st.data())
    def cancel(self, data: Any) -> None:
        order = data.draw(st.sampled_from(self.placed()))
        if self.state.desk.progress(order).is_open:
            self.state.desk.cancel(order, self.state.now())

    @precondition(lambda self: self.placed())
    @rule(data=st.data(), size=sizes, step=steps)
    def modify(self, data: Any, size: Decimal, step: int) -> None:
        order = data.draw(st.sampled_from(self.placed()))
        if self.state.desk.progress(order).is_open:
            ticket = self.ticket(order.contract.conid, order.ticket.side, size, step, "LMT", data)
            self.state.desk.modify(order, ticket, self.state.now())

    @precondition(lambda self: self.placed())
    @rule(data=st.data(), share=st.sampled_from(["0.5", "1", "2"]))
    def fill(self, data: Any, share: str) -> None:
        order = data.draw(st.sampled_from(self.placed()))
        if order.ended_early is None:
            size = max((order.ticket.quantity * Decimal(share)) // 1, Decimal(1))
            self.gateway.fill(order.order_id, size, 500, overfill=True)

    @precondition(lambda self: self.gateway.book(ONE).executions)
    @rule(data=st.data(), price=st.integers(100, 900))
    def correct_or_repeat(self, data: Any, price: int) -> None:
        execution = data.draw(st.sampled_from(self.gateway.book(ONE).executions))
        if data.draw(st.booleans()):
            self.gateway.correct(execution.execution_id, price)
        else:
            self.gateway.repeat_execution(execution.execution_id)

    @precondition(lambda self: self.placed())
    @rule(data=st.data())
    def reject(self, data: Any) -> None:
        order = data.draw(st.sampled_from(self.placed()))
        if self.state.desk.progress(order).is_open:
            self.gateway.reject(order.order_id)

    @rule(signed=st.integers(-20, 20).filter(bool), conid=conids)
    def trade_elsewhere(self, signed: int, conid: int) -> None:
        self.gateway.trade_elsewhere(ONE, conid, signed)
        self.accepted += 1

    @rule(seconds=st.sampled_from([1, 3, 30, 3600, 30_000]))
    def let_time_pass(self, seconds: int) -> None:
        self.clock.moment += seconds * 10**9
        self.state.desk.advance(self.state.now())

    @invariant()
    def every_order_has_what_its_executions_say(self) -> None:
        if not hasattr(self, "gateway"):
            return
        record = self.gateway.ledger_of(ONE)
        assert len(record.orders) == self.accepted, "none is lost, none is doubled"
        cash, held = Decimal(100_000), dict.fromkeys(FACTORS, Decimal(0))
        charged = Decimal(0)
        unpaid = dict.fromkeys(FACTORS, Decimal(0))
        for order in record.orders:
            assert order.executed == order.filled
            if order.status is OrderStatus.FILLED:
                assert order.filled >= order.size
            for execution in order.executions:
                signed = execution.size if execution.side == "B" else -execution.size
                value = signed * execution.price * FACTORS[order.conid]
                held[order.conid] += signed
                charged += execution.commission or 0
                if order.conid == ES:
                    unpaid[order.conid] += value
                else:
                    cash -= value
        assert {conid: size for conid, size in held.items() if size} == record.positions
        assert self.gateway.book(ONE).commissions == charged
        ledger = self.state.accounts[ONE].ledger
        open_value = ledger.holding(ES).unpaid
        assert abs(ledger.cash - (cash - charged - unpaid[ES] + open_value)) < TINY

    @invariant()
    def what_is_open_can_still_fill_and_what_is_done_is_not_listed_as_open(self) -> None:
        if not hasattr(self, "gateway"):
            return
        listed = {order.order_id for order in self.state.desk.open_orders(ONE)}
        assert listed == {o.order_id for o in self.placed() if self.state.desk.progress(o).is_open}


TestGatewayOrders = Orders.TestCase
TestGatewayOrders.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
