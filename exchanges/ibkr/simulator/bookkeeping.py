"""What fills do to the accounts, and the reports that tell of it."""

from collections.abc import Callable
from decimal import Decimal

from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.executions import Execution, Executions
from exchanges.ibkr.simulator.ledger import ZERO, Holding, Ledger
from exchanges.ibkr.simulator.placed_orders import PlacedOrder
from horizon.model import Fill, OrderSide

PAYOUT = Decimal("1.00")


class Bookkeeping:
    """The ledgers of all accounts, and every execution."""

    def __init__(self, catalogue: Catalogue, ledgers: dict[str, Ledger]) -> None:
        self._catalogue = catalogue
        self._ledgers = ledgers
        self._conversions: set[str] = set()
        """Executions that moved money between currencies and left no position."""
        self.executions = Executions()
        self.before_a_fill: Callable[[str, dict[int, Holding], int], None] | None = None

    def book(self, order: PlacedOrder, fill: Fill) -> None:
        """Move money and contracts, and report it. Opposite sides of an event are netted."""
        ledger, contract = self._ledgers[order.account], order.contract
        commission = fill.commission or ZERO
        side = "B" if fill.order_side is OrderSide.BUY else "S"
        is_conversion = order.ticket.is_conversion
        if self.before_a_fill is not None:
            self.before_a_fill(order.account, ledger.holdings, fill.trade_time)
        _move(ledger, contract, fill.signed_size, fill.price, commission, is_conversion=is_conversion)
        report = self._report(order, contract, fill.trade_time, side, fill.size, fill.price, commission)
        if is_conversion:
            self._conversions.add(report.stem)
        if contract.is_event:
            pairs = ledger.pair_off(contract.conid, contract.twin, PAYOUT)
            if pairs:
                held = self._catalogue[contract.twin]
                self._report(order, held, fill.trade_time, "N", pairs, ZERO, None)
                self._report(order, contract, fill.trade_time, "N", pairs, ZERO, None)

    def settle(self, contract: Contract, *, pays: bool) -> None:
        """An event is decided: contracts turn into money."""
        for ledger in self._ledgers.values():
            if ledger.position(contract.conid):
                ledger.settle(contract.conid, PAYOUT if pays else ZERO)

    def correct(self, execution_id: str, *, price: Decimal, commission: Decimal | None = None) -> Execution:
        """Put another price (and commission) in place of those of an execution. Raises LookupError for a report that
        is not known, ValueError for one that was corrected before or that nets."""
        old = self.executions.find(execution_id)
        if self.executions.is_corrected(old) or old.side == "N":
            raise ValueError(f"expected the latest report of a trade, found {execution_id}")
        ledger, is_conversion = self._ledgers[old.account], old.stem in self._conversions
        signed = old.size if old.side == "B" else -old.size
        charged = old.commission or ZERO
        new = charged if commission is None else commission
        _move(ledger, old.contract, -signed, old.price, -charged, is_conversion=is_conversion)
        _move(ledger, old.contract, signed, price, new, is_conversion=is_conversion)
        return self.executions.replace(old, price=price, commission=new)

    def repeat(self, execution_id: str) -> Execution:
        """Send a report once more as it was. Raises LookupError for one that is not known."""
        return self.executions.add(self.executions.find(execution_id))

    def _report(
        self,
        order: PlacedOrder,
        contract: Contract,
        time: int,
        side: str,
        size: Decimal,
        price: Decimal,
        commission: Decimal | None,
    ) -> Execution:
        return self.executions.add(
            Execution(
                execution_id=self.executions.new_id(order.order_id),
                time=time,
                account=order.account,
                contract=contract,
                side=side,
                size=size,
                price=price,
                commission=commission,
                order_id=order.order_id,
                order_ref=order.ticket.coid,
                exchange=order.ticket.exchange or contract.main_exchange,
                position=self._ledgers[order.account].position(contract.conid),
                is_liquidation=order.origin == "liquidation",
            )
        )


def _move(
    ledger: Ledger, contract: Contract, signed: Decimal, price: Decimal, commission: Decimal, *, is_conversion: bool
) -> None:
    if is_conversion:
        ledger.convert(contract.symbol, signed, price, commission=commission)
    else:
        ledger.trade(
            contract.conid,
            signed,
            price,
            factor=contract.factor,
            commission=commission,
            is_paid=contract.sec_type != "FUT",
        )
