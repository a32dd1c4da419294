"""Trade rows to fills."""

from typing import Final

from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.numbers import amount, conid_text, count, decimal
from exchanges.ibkr.mapping.times import from_milliseconds, from_text
from exchanges.ibkr.wire.trades import TradeRow
from horizon.errors import WireError
from horizon.model import (
    AccountId,
    ClientOrderId,
    ExecutionId,
    Fill,
    FillKind,
    OrderSide,
    VenueOrderId,
)

PATH: Final = "/iserver/account/trades"

_SIDES: Final = {
    "B": OrderSide.BUY,
    "BOT": OrderSide.BUY,
    "BUY": OrderSide.BUY,
    "S": OrderSide.SELL,
    "SLD": OrderSide.SELL,
    "SELL": OrderSide.SELL,
}
_NETTING: Final = "N"
_EXERCISE: Final = "EXER"
_YES: Final = ("1", "true")
"""Recorded rows say 0 or 1; the documentation has a boolean."""
_BOUGHT: Final = ("bot ", "bought ", "buy ")
_GROUPS: Final = 4
"""Of an execution id, such as `00025b49.6a56b360.01.01`."""


def is_complete(row: TradeRow) -> bool:
    """Whether the row holds an execution: sparse rows with an empty size or price do occur, and come again later."""
    return _has(row.size) and _has(row.price) and conid_text(row.conid) is not None


def account_of(row: TradeRow) -> str:
    """The account that traded."""
    return row.account or row.accountCode or ""


def fill(row: TradeRow, contract: ContractFacts, account_id: AccountId, *, exchange: str, now: int) -> Fill:
    """The execution; a commission that has not been reported yet is None. Raises WireError for a malformed row.

    A side of `N` is ForecastEx's report that a YES and a NO were netted: nothing traded. It reduces what is held, so
    its direction is SELL.
    """
    try:
        size, price = count(row.size), decimal(row.price)
        commission, currency = amount(row.commission)
        time = from_milliseconds(row.trade_time_r) or from_text(row.trade_time)
        if size is None or price is None or time is None:
            raise ValueError("expected size, price and time, found one of them missing")
        kind, side = _kind_and_side(row.side, row.order_description)
        if kind is FillKind.TRADE and str(row.liquidation_trade).strip().lower() in _YES:
            kind = FillKind.LIQUIDATION
    except ValueError as error:
        raise WireError(f"execution {row.execution_id}: {error}", path=PATH, found=repr(row)[:300]) from None
    order_id = conid_text(row.order_id)
    series, revision = _revision(row.execution_id)
    return Fill(
        exchange=exchange,
        account_id=account_id,
        execution_id=ExecutionId(row.execution_id),
        market_id=contract.market_id,
        side=contract.side,
        order_side=side,
        size=abs(size),
        price=price,
        currency=contract.currency,
        multiplier=contract.multiplier,
        commission=commission,
        commission_currency=currency or contract.currency,
        trade_time=time,
        receive_time=now,
        venue_order_id=None if order_id is None else VenueOrderId(order_id),
        client_order_id=ClientOrderId(row.order_ref) if row.order_ref else None,
        kind=kind,
        symbol=row.symbol or contract.symbol,
        series=series,
        revision=revision,
    )


def conid_of(row: TradeRow) -> str:
    """The conid of a complete row as text."""
    return conid_text(row.conid) or ""


def _revision(execution_id: str) -> tuple[str, int]:
    """What all revisions of an execution share, and which of them this is.

    A corrected execution keeps its id but for the last of four groups: documented for the TWS API, and taken to be so
    here, because otherwise a correction would count as a second execution.
    """
    series, _, last = execution_id.rpartition(".")
    return (series, int(last)) if last.isdecimal() and series.count(".") == _GROUPS - 2 else ("", 0)


def _kind_and_side(text: str | None, description: str | None) -> tuple[FillKind, OrderSide]:
    word = (text or "").strip().upper()
    if word == _NETTING:
        return FillKind.NETTING, OrderSide.SELL
    if word == _EXERCISE:
        # an option that was held leaves; one that was written comes back, and its description says so
        bought = (description or "").casefold().startswith(_BOUGHT)
        return FillKind.EXERCISE, OrderSide.BUY if bought else OrderSide.SELL
    side = _SIDES.get(word)
    if side is None:
        raise ValueError(f"expected side B, S or N, found {text!r}")
    return FillKind.TRADE, side


def _has(raw: float | str | None) -> bool:
    return raw is not None and raw != ""
