"""Everything one simulated gateway knows, in one place for its handlers."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random

from exchanges.ibkr.simulator.calls import bad_request
from exchanges.ibkr.simulator.contracts import Catalogue
from exchanges.ibkr.simulator.desk import Desk
from exchanges.ibkr.simulator.events import EventProduct
from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.ledger import Ledger
from exchanges.ibkr.simulator.logins import LoginDesk
from exchanges.ibkr.simulator.next_orders import NextOrders
from exchanges.ibkr.simulator.pacing import Pacing
from exchanges.ibkr.simulator.pending import Pending
from exchanges.ibkr.simulator.placed_orders import EASTERN
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.tape import Tape, Touch
from exchanges.ibkr.simulator.upstream import Upstream
from exchanges.ibkr.simulator.valuation import Mark, Valuation, marks, value_of
from exchanges.ibkr.simulator.views import Views
from horizon.clock import NANOSECONDS, Clock, to_datetime

DATA_TAKES = 4 * NANOSECONDS // 10
"""How long after the first request for a contract its data arrives."""


@dataclass
class Account:
    """One account of the login."""

    id: str
    ledger: Ledger
    opening: tuple[date, Decimal] | None = None
    """The trading day, and what the account was worth when it was first looked at on it."""


@dataclass
class State:
    """The gateway. Handlers read and change it; `advance` brings it to the clock's time first."""

    clock: Clock
    session: Session
    catalogue: Catalogue
    product: EventProduct
    tape: Tape
    desk: Desk
    accounts: dict[str, Account]
    selected: str
    pacing: Pacing
    upstream: Upstream
    logins: LoginDesk
    asks_questions: bool
    random: Random
    data_lines: int = 100
    """How many contracts may have market data at once; further ones get rows without data."""
    history_takes: float = 0.0
    """Seconds until bars are there."""
    habits: Habits = field(default_factory=Habits)
    pending: Pending = field(default_factory=Pending)
    next_orders: NextOrders = field(default_factory=NextOrders)
    views: Views = field(init=False)
    settled: bool = False
    expiries: list[Callable[[], None]] = field(default_factory=list)
    """What makes the proofs of a sign-in expire; without any the sign-in itself ends."""

    def __post_init__(self) -> None:
        self.views = Views(self.habits)
        self.desk.books.before_a_fill = self.views.before_a_fill

    def now(self) -> int:
        return self.clock.now()

    def seconds(self) -> int:
        return self.now() // NANOSECONDS

    def milliseconds(self) -> int:
        return self.now() // 1_000_000

    def day(self, time: int) -> date:
        """The trading day of a moment: the date in New York."""
        return to_datetime(time).astimezone(EASTERN).date()

    def trading_days(self, count: int) -> set[date]:
        """The last `count` days on which stocks trade, today included."""
        today = self.day(self.now())
        days = sorted({self.day(s.opens) for s in self.tape.sessions if self.day(s.opens) < today}, reverse=True)
        earliest = days[count - 2] if 1 < count <= len(days) + 1 else today - timedelta(days=count - 1)
        return {today - timedelta(days=back) for back in range((today - earliest).days + 1)}

    def advance(self) -> None:
        """Let session and market catch up with the clock."""
        self.session.life.agenda.catch_up()
        now = self.now()
        self.desk.advance(now)
        if not self.settled and now >= self.product.payout:
            self.settled = True
            index = self.tape.index_at(self.product.release)
            for contract in self.product.contracts:
                self.desk.end_event(contract, now, pays=self.product.pays(contract, index))

    def touch(self, conid: int) -> Touch | None:
        return self.tape.touch(conid, self.now())

    def known_account(self, account: str) -> str:
        """The id itself, when it belongs to the login."""
        if account not in self.accounts:
            raise bad_request(f"invalid account {account}")
        return account

    def shown_marks(self, account: str) -> list[Mark]:
        """The same for positions as they are shown, which may be those from before a fill."""
        held = self.views.holdings(account, self.accounts[account].ledger.holdings, self.now())
        return marks(Ledger(Decimal(0), held), self.catalogue, self.touch)

    def marks(self, account: str) -> list[Mark]:
        """What the account holds, or held, at the prices of the moment."""
        return marks(self.accounts[account].ledger, self.catalogue, self.touch)

    def value(self, account: str) -> Valuation:
        """The account's figures, with its P&L counted from the first look at it today."""
        owner = self.accounts[self.known_account(account)]
        today = self.day(self.now())
        opening = owner.opening[1] if owner.opening and owner.opening[0] == today else None
        value = value_of(owner.ledger, self.marks(account), opening, self._converted(owner.ledger))
        if opening is None:
            owner.opening = (today, value.equity)
        return value

    def _converted(self, ledger: Ledger) -> Decimal:
        """What the account's other currencies are worth in dollars."""
        return sum((amount * self.rate(name) for name, amount in ledger.currencies.items()), Decimal(0))

    def rate(self, currency: str) -> Decimal:
        """Dollars for one unit of another currency."""
        pair = next(c for c in self.catalogue if (c.symbol, c.sec_type) == (currency, "CASH"))
        touch = self.touch(pair.conid)
        return Decimal(str(touch.mark if touch and touch.mark is not None else 0))

    def expire(self) -> None:
        """Whatever proves the sign-in is good no longer."""
        for expiry in self.expiries or [lambda: self.session.log_out("expired")]:
            expiry()

    def open_stream(self, conid: int) -> None:
        """Ask for market data of a contract. Beyond the user's lines nothing comes of it."""
        streams = self.session.brokerage.streams
        if len(streams) < self.data_lines:
            streams.setdefault(conid, self.now())

    def has_data(self, conid: int) -> bool:
        """Whether market data of the contract is open in this session and has arrived."""
        asked = self.session.brokerage.streams.get(conid)
        return asked is not None and self.now() - asked >= DATA_TAKES
