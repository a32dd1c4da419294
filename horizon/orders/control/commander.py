"""Does what a command says, for the process that owns the account."""

from collections.abc import Sequence
from typing import Protocol, assert_never

from horizon.errors import ConfigurationError
from horizon.model import (
    Market,
    MarketQuery,
    Order,
    OrderReport,
    OrderRequest,
    Position,
    SessionState,
)
from horizon.orders.control.messages import (
    Answer,
    Cancel,
    CancelAll,
    Command,
    Kill,
    ListOrders,
    ListPositions,
    OrdersAnswer,
    PositionsAnswer,
    Reconcile,
    ReconciledAnswer,
    Replace,
    ReportsAnswer,
    ResetKill,
    Status,
    StatusAnswer,
    Submit,
)
from horizon.orders.outside import Cancelled, Outside
from horizon.orders.owner import Owner
from horizon.orders.reconcile import Reconciliation


class Controlled(Protocol):
    """An open account, as commands see it."""

    session: SessionState | None

    @property
    def owner(self) -> Owner: ...
    @property
    def outside(self) -> Outside: ...
    def require_tradable(self) -> None: ...
    async def submit(self, request: OrderRequest) -> Order: ...
    async def market(self, query: MarketQuery | str) -> Market: ...
    async def open_orders(self) -> Sequence[OrderReport]: ...
    async def positions(self) -> Sequence[Position]: ...
    async def reconcile(self, *, confirm: bool = True) -> Reconciliation: ...
    async def accept_positions(self, reason: str) -> None: ...


async def obey(account: Controlled, command: Command) -> Answer:
    """What came of a command. Raises what the verbs of the account raise."""
    match command:
        case Status():
            return _status(account)
        case Submit():
            return await _submit(account, command)
        case Replace():
            account.require_tradable()
            changes = {name: value for name in ("size", "price") if (value := getattr(command, name)) is not None}
            if not changes:
                raise ConfigurationError("expected a new size or a new price, found neither")
            return OrdersAnswer(orders=(await account.outside.change(command.order_id, changes),))
        case Cancel():
            return OrdersAnswer(orders=(await account.outside.cancel(command.order_id),))
        case CancelAll():
            return _cancelled(
                account,
                await account.outside.cancel_all(protective=command.protective, everywhere=command.everywhere),
            )
        case Kill():
            return _cancelled(
                account,
                await account.outside.kill(
                    command.reason, protective=command.protective, everywhere=command.everywhere
                ),
            )
        case ResetKill():
            account.outside.switch.reset()
            return OrdersAnswer()
        case ListOrders():
            return ReportsAnswer(reports=tuple(await account.open_orders()))
        case ListPositions():
            return PositionsAnswer(positions=tuple(await account.positions()))
        case Reconcile(accept=reason):
            if reason:
                await account.accept_positions(reason)
            # the confirmation of a position takes longer than anybody waits at the socket
            return ReconciledAnswer(result=await account.reconcile(confirm=False))
    assert_never(command)


def _status(account: Controlled) -> StatusAnswer:
    session, engine = account.session, account.outside.engine
    return StatusAnswer(
        owner=account.owner,
        strategy="" if engine is None else engine.strategy_name,
        ready=session is None or session.ready,
        reason="" if session is None else session.reason,
        killed=account.outside.switch.look() or "",
        open_orders=len(account.outside.open_orders()),
    )


async def _submit(account: Controlled, command: Submit) -> OrdersAnswer:
    account.require_tradable()
    market = await account.market(command.query)
    side = command.side or market.side
    if side is None:
        raise ConfigurationError(f"{market.symbol} has two sides: say YES or NO with --side")
    request = OrderRequest(
        exchange=market.exchange,
        market_id=market.market_id,
        side=side,
        order_side=command.order_side,
        size=command.size,
        price=command.price,
        stop_price=command.stop_price,
        order_type=command.order_type,
        time_in_force=command.time_in_force,
        outside_rth=command.outside_rth,
    )
    runs = account.outside.engine is not None
    return OrdersAnswer(orders=(await (account.outside.submit(request) if runs else account.submit(request)),))


def _cancelled(account: Controlled, result: Cancelled) -> OrdersAnswer:
    return OrdersAnswer(
        orders=result.orders, kept=result.kept, problems=result.problems, killed=account.outside.switch.look() or ""
    )
