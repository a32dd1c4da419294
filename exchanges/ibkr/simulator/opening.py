"""What a gateway starts with: prices, contracts, accounts, and what one of them has done before."""

from decimal import Decimal
from random import Random

from exchanges.ibkr.simulator.contracts import AAPL, IBM, QQQ, SPY, STOCKS, Catalogue, monthly_options
from exchanges.ibkr.simulator.desk import Desk
from exchanges.ibkr.simulator.events import event_product
from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.ledger import Ledger
from exchanges.ibkr.simulator.logins import LoginDesk
from exchanges.ibkr.simulator.other_contracts import BTC, ES, EURUSD, other_contracts
from exchanges.ibkr.simulator.pacing import Pacing
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.state import Account, State
from exchanges.ibkr.simulator.tape import Tape
from exchanges.ibkr.simulator.tickets import Ticket
from exchanges.ibkr.simulator.upstream import Upstream
from horizon.clock import NANOSECONDS, Clock, to_datetime
from horizon.model import TradingSession
from horizon.simulation.prices import PricePath, SyntheticPath

_CASH = (Decimal(100_000), Decimal(50_000))
DEFAULT_VOLATILITY = 0.18
DEFAULT_DAYS = 3
_OPEN_SINCE = 30 * 60 * NANOSECONDS
"""Without given prices the market opened half an hour ago, and there is a day before to look back at."""
_OTHERS = ((AAPL, "AAPL", 232.0, 0.25), (QQQ, "QQQ", 520.0, 0.22), (IBM, "IBM", 240.0, 0.2), (4815, "BBVA", 17.0, 0.25))
_AROUND_THE_CLOCK = ((EURUSD, "EUR.USD", 1.08, 0.08), (BTC, "BTC", 60_000.0, 0.5))


def price_path(prices: PricePath | None, *, now: int, seed: int, days: int) -> PricePath:
    """The path of SPY: the given one, moved to begin now unless it covers now; a seeded random walk of so many days
    without one."""
    if prices is not None:
        return prices if prices.start <= now < prices.end else prices.shifted(now)
    day, opened = 86_400 * NANOSECONDS, now - _OPEN_SINCE
    sessions = [
        TradingSession(opens=opened + n * day, closes=opened + n * day + 23_400 * NANOSECONDS) for n in range(-1, days)
    ]
    return SyntheticPath(
        "SPY",
        seed=seed,
        start=sessions[0].opens,
        end=sessions[-1].closes,
        initial=600.0,
        volatility=DEFAULT_VOLATILITY,
        step=5.0,
        sessions=sessions,
    )


def opening_state(
    path: PricePath,
    *,
    clock: Clock,
    session: Session,
    pacing: Pacing,
    upstream: Upstream,
    logins: LoginDesk,
    account_ids: tuple[str, ...],
    seed: int,
    volatility: float | None,
    prompts: bool,
    data_lines: int,
    history_takes: float,
    habits: Habits,
    fills_by_hand: bool,
    extended_hours: bool,
) -> State:
    """A gateway with two accounts and a market that follows `path`."""
    now = clock.now()
    price = path.at(now).price
    product = event_product(price, release=path.sessions[-1].closes)
    options = monthly_options(STOCKS[0], to_datetime(now).date(), price)
    others = other_contracts(to_datetime(now).date())
    catalogue = Catalogue([*STOCKS, product.underlying, *product.contracts, *options, *others])
    paths: dict[int, PricePath] = {SPY: path, ES: path}
    for conid, symbol, initial, yearly in (*_OTHERS, *_AROUND_THE_CLOCK):
        paths[conid] = SyntheticPath(
            symbol,
            seed=seed,
            start=path.start,
            end=path.end,
            initial=initial,
            volatility=yearly,
            step=5.0,
            sessions=path.sessions,
        )
    tape = Tape(paths, catalogue, product, index=path, seed=seed, volatility=volatility, extended_hours=extended_hours)
    accounts = {name: Account(name, Ledger(cash)) for name, cash in zip(account_ids, _CASH, strict=True)}
    ledgers = {name: account.ledger for name, account in accounts.items()}
    desk = Desk(catalogue, tape, ledgers, habits=habits, fills_by_hand=fills_by_hand)
    state = State(
        clock=clock,
        session=session,
        catalogue=catalogue,
        product=product,
        tape=tape,
        desk=desk,
        accounts=accounts,
        selected=account_ids[0],
        pacing=pacing,
        upstream=upstream,
        logins=logins,
        asks_questions=prompts,
        random=Random(seed),
        data_lines=data_lines,
        history_takes=history_takes,
        habits=habits,
    )
    _give_a_past(state, account_ids[1])
    return state


def _give_a_past(state: State, account: str) -> None:
    """A position and a working order, so that a client that forgets which account it means will notice."""
    state.accounts[account].ledger.trade(QQQ, Decimal(30), Decimal("500.00"))
    ticket = Ticket(
        conid=SPY,
        order_type="LMT",
        side="BUY",
        quantity=Decimal(5),
        price=Decimal("100.00"),
        tif="GTC",
        coid="placed-elsewhere",
    )
    state.desk.place(account, [ticket], state.now(), origin="elsewhere")
