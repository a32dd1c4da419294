"""Executions."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Flag, Number


class TradeRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `GET /iserver/account/trades`, and of the `str` topic, which may send it first without commission."""

    execution_id: str
    symbol: str | None = None
    side: str | None = None
    """`B`, `S`, or `N` for a ForecastEx netting report."""
    order_id: Conid | None = None
    order_ref: str | None = None
    """The client order id."""
    order_description: str | None = None
    trade_time: str | None = None
    """`YYYYMMDD-hh:mm:ss` in UTC."""
    trade_time_r: int | None = None
    """Milliseconds."""
    size: Number = None
    price: Number = None
    commission: Number = None
    """A text such as `1.02` or `1.00 USD`; absent until the report has come."""
    net_amount: Number = None
    account: str | None = None
    accountCode: str | None = None
    account_allocation_name: str | None = None
    conid: Conid | None = None
    conidEx: str | None = None
    sec_type: str | None = None
    exchange: str | None = None
    listing_exchange: str | None = None
    company_name: str | None = None
    contract_description_1: str | None = None
    contract_description_2: str | None = None
    position: Number = None
    """What the account holds afterwards, not the size of this execution."""
    open_close: str | None = None
    submitter: str | None = None
    liquidation_trade: Flag = None
    is_event_trading: Flag = None
