"""Positions, balances and accounts."""

import re
from collections.abc import Mapping
from decimal import Decimal

from exchanges.ibkr.mapping.contracts import ContractFacts, event_side, is_derivative, kind_of, multiplier
from exchanges.ibkr.mapping.numbers import conid_text, count, decimal
from exchanges.ibkr.wire.accounts import PortfolioAccount
from exchanges.ibkr.wire.portfolio import LedgerRow, PositionRow, SummaryValue
from horizon.errors import WireError
from horizon.model import Account, AccountId, Balance, MarketId, MarketKind, Position, Side

_RETIREMENT = re.compile(r"(?<![A-Z])(IRA|ROTH|SEP|RETIREMENT)(?![A-Z])")
"""In the words for an account's type. None of them is documented, so that their absence proves nothing."""
_MASTER_ID = re.compile(r"D?[FI]\d")
"""Advisers' master accounts begin with F and brokers' with I, with a D before it on paper."""


def facts_in(row: PositionRow) -> ContractFacts | None:
    """What the row itself says about its contract; None when the contract must be asked for.

    A first read of a session is sparse: a derivative without multiplier, or one that does not say whether it is an
    event, is looked up instead of guessed.
    """
    market_id = conid_text(row.conid)
    if market_id is None:
        raise WireError("expected a conid in a position row, found none", path="/portfolio", found=repr(row)[:200])
    security_type = row.assetClass
    if not security_type or not row.currency:
        return None
    symbol = row.ticker or (row.contractDesc or "").split(" ")[0] or market_id
    if not is_derivative(security_type):
        return ContractFacts(
            market_id=MarketId(market_id), kind=kind_of(security_type), symbol=symbol, currency=row.currency
        )
    side = event_side(row.putOrCall) if row.isEventContract else Side.LONG
    if not decimal(row.multiplier) or row.isEventContract is None or side is None:
        return None
    return ContractFacts(
        market_id=MarketId(market_id),
        kind=MarketKind.EVENT if row.isEventContract else kind_of(security_type),
        symbol=symbol,
        side=side,
        currency=row.currency,
        multiplier=multiplier(row.multiplier, security_type, market_id, path="/portfolio/positions"),
    )


def position(row: PositionRow, contract: ContractFacts, account_id: AccountId, *, exchange: str) -> Position:
    """One holding. Raises WireError for a row without a readable size."""
    try:
        size = count(row.position)
        if size is None:
            raise ValueError("expected a position, found none")
        return Position(
            exchange=exchange,
            account_id=account_id,
            market_id=contract.market_id,
            side=contract.side,
            size=size,
            average_price=decimal(row.avgPrice),
            market_price=decimal(row.mktPrice),
            market_value=decimal(row.mktValue),
            currency=row.currency or contract.currency,
            multiplier=contract.multiplier,
            realized_pnl=decimal(row.realizedPnl),
            unrealized_pnl=decimal(row.unrealizedPnl),
            symbol=row.ticker or contract.symbol,
        )
    except ValueError as error:
        raise WireError(
            f"the position in conid {row.conid}: {error}", path="/portfolio/positions", found=repr(row)[:200]
        ) from None


def account(
    account_id: AccountId,
    row: PortfolioAccount | None,
    *,
    exchange: str,
    is_live: bool | None,
    summary: Mapping[str, SummaryValue] | None = None,
    ledger: Mapping[str, LedgerRow] | None = None,
) -> Account:
    """One account, with its money where summary and ledger were read. Segments (`-s`, `-c`) are left out of totals."""
    amounts = summary or {}
    return Account(
        exchange=exchange,
        account_id=account_id,
        currency=(row.currency if row is not None else None) or _summary_currency(amounts) or "USD",
        is_live=is_live,
        net_liquidation=_amount(amounts, "netliquidation"),
        cash=_amount(amounts, "totalcashvalue"),
        available_funds=_amount(amounts, "availablefunds"),
        buying_power=_amount(amounts, "buyingpower"),
        initial_margin=_amount(amounts, "initmarginreq"),
        maintenance_margin=_amount(amounts, "maintmarginreq"),
        balances=tuple(_balance(key, value) for key, value in (ledger or {}).items()),
        alias=(row.accountAlias if row is not None else None) or "",
        is_retirement=_is_retirement(row, amounts),
        is_master=_MASTER_ID.match(account_id) is not None,
    )


def _is_retirement(row: PortfolioAccount | None, amounts: Mapping[str, SummaryValue]) -> bool:
    told = amounts.get("accounttype")
    kinds = [told.value if told is not None else None]
    if row is not None:
        kinds += [row.type, row.acctCustType]
    return any(kind is not None and _RETIREMENT.search(str(kind).upper()) for kind in kinds)


def _summary_currency(amounts: Mapping[str, SummaryValue]) -> str | None:
    found = amounts.get("netliquidation")
    return found.currency if found is not None else None


def _amount(amounts: Mapping[str, SummaryValue], name: str) -> Decimal | None:
    found = amounts.get(name)
    if found is None or found.isNull:
        return None
    try:
        return decimal(found.amount)
    except ValueError as error:
        raise WireError(f"the summary's {name}: {error}", path="/portfolio/summary", found=repr(found)) from None


def _balance(key: str, row: LedgerRow) -> Balance:
    path = "/portfolio/ledger"
    try:
        cash = decimal(row.cashbalance)
        if cash is None:
            raise ValueError("expected a cash balance, found none")
        return Balance(
            currency=key,
            cash=cash,
            settled_cash=decimal(row.settledcash),
            net_liquidation=decimal(row.netliquidationvalue),
            realized_pnl=decimal(row.realizedpnl),
            unrealized_pnl=decimal(row.unrealizedpnl),
            exchange_rate=decimal(row.exchangerate) or Decimal(1),
        )
    except ValueError as error:
        raise WireError(f"the ledger's {key}: {error}", path=path, found=repr(row)[:200]) from None
