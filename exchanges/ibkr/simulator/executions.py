"""Execution reports, as they come and as they are corrected."""

from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from itertools import takewhile

import msgspec

from exchanges.ibkr.simulator.contracts import Contract

_KEPT = 100_000


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One execution report. Side `N` is a netting report: no trade, two sides of an event turned into money."""

    execution_id: str
    time: int
    account: str
    contract: Contract
    side: str
    size: Decimal
    price: Decimal
    commission: Decimal | None
    order_id: int
    order_ref: str | None
    exchange: str
    position: Decimal
    """What is held after it."""
    is_liquidation: bool = False
    number: int = 0
    """Rising with every report that was sent, also with one that was sent before."""

    @property
    def stem(self) -> str:
        """What all versions of one execution share: the id without its last group."""
        return self.execution_id.rpartition(".")[0]


class Executions:
    """All reports of the login, oldest first; a correction replaces the report that it corrects."""

    def __init__(self) -> None:
        self._reports: deque[Execution] = deque(maxlen=_KEPT)
        self._sent = 0
        self._made = 0
        self._corrected: set[str] = set()

    def __iter__(self) -> Iterator[Execution]:
        return iter(self._reports)

    def __reversed__(self) -> Iterator[Execution]:
        return reversed(self._reports)

    @property
    def newest(self) -> int:
        """The number of the last report."""
        return self._sent

    def after(self, number: int) -> list[Execution]:
        """Reports with a higher number, oldest first."""
        return list(takewhile(lambda execution: execution.number > number, reversed(self._reports)))[::-1]

    def new_id(self, order_id: int) -> str:
        self._made += 1
        return f"0000e0d5.{order_id:08x}.{self._made:02d}.01"

    def add(self, execution: Execution) -> Execution:
        self._sent += 1
        numbered = msgspec.structs.replace(execution, number=self._sent)
        self._reports.append(numbered)
        return numbered

    def find(self, execution_id: str) -> Execution:
        """Raises LookupError when there is no such report."""
        for execution in reversed(self._reports):
            if execution.execution_id == execution_id:
                return execution
        raise LookupError(f"expected the id of an execution of this gateway, found {execution_id!r}")

    def replace(self, old: Execution, *, price: Decimal, commission: Decimal | None) -> Execution:
        """Report an execution again with another price; the last group of its id tells."""
        self._corrected.add(old.execution_id)
        version = int(old.execution_id.rpartition(".")[2]) + 1
        return self.add(
            msgspec.structs.replace(old, execution_id=f"{old.stem}.{version:02d}", price=price, commission=commission)
        )

    def is_corrected(self, execution: Execution) -> bool:
        """Whether a later report stands in its place."""
        return execution.execution_id in self._corrected

    def true(self) -> list[Execution]:
        """Each execution once, as it was last corrected."""
        once = {e.execution_id: e for e in self._reports if not self.is_corrected(e)}
        return list(once.values())
