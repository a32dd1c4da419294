"""The accounts of a login, as trading sees them and as the portfolio sees them."""

from typing import Any

import msgspec

from exchanges.ibkr.wire.session import ServerInfo
from exchanges.ibkr.wire.types import Number, Private


class AccountProperties(msgspec.Struct, frozen=True, gc=False):
    """What one account may do."""

    hasChildAccounts: bool | None = None
    supportsCashQty: bool | None = None
    supportsFractions: bool | None = None
    liteUnderPro: bool | None = None
    noFXConv: bool | None = None
    isProp: bool | None = None
    allowCustomerTime: bool | None = None
    autoFx: bool | None = None


class Features(msgspec.Struct, frozen=True, gc=False):
    """What the login may do."""

    allowEventContract: bool | None = None
    allowEventTrading: bool | None = None
    allowCrypto: bool | None = None
    allowDynAccount: bool | None = None
    allowFA: bool | None = None
    liteUser: bool | None = None
    snapshotRefreshTimeout: int | None = None
    allowedAssetTypes: str | None = None


class BrokerageAccounts(msgspec.Struct, frozen=True):
    """`GET /iserver/accounts`. An adviser's login also lists `All` and its groups under `accounts`."""

    accounts: list[str] = []
    acctProps: dict[str, AccountProperties | bool] = {}
    aliases: dict[str, str] = {}
    allowFeatures: Features | None = None
    groups: list[Any] = []
    profiles: list[Any] = []
    selectedAccount: str | None = None
    serverInfo: ServerInfo | None = None
    isFT: bool | None = None
    isPaper: bool | None = None


class PortfolioParent(msgspec.Struct, frozen=True):
    """The account above another one."""

    accountId: str | None = None
    isMParent: bool | None = None
    isMChild: bool | None = None
    isMultiplex: bool | None = None
    mmc: list[str] = []


class PortfolioAccount(Private, frozen=True):
    """A row of `GET /portfolio/accounts` and `/portfolio/subaccounts`; the whole of `/portfolio/{id}/meta`."""

    accountId: str
    id: str | None = None
    accountVan: str | None = None
    accountTitle: str | None = None
    """The holder's name."""
    displayName: str | None = None
    """The holder's name."""
    accountAlias: str | None = None
    accountStatus: int | None = None
    currency: str | None = None
    type: str | None = None
    """`DEMO` for a paper account."""
    tradingType: str | None = None
    businessType: str | None = None
    category: str | None = None
    ibEntity: str | None = None
    faclient: bool | None = None
    clearingStatus: str | None = None
    """`O` is open."""
    covestor: bool | None = None
    brokerageAccess: bool | None = None
    noClientTrading: bool | None = None
    trackVirtualFXPortfolio: bool | None = None
    acctCustType: str | None = None
    parent: PortfolioParent | None = None
    desc: str | None = None


class PageMetadata(msgspec.Struct, frozen=True, gc=False):
    """Where a page stands."""

    total: int | None = None
    pageSize: int | None = None
    pageNum: int | None = None


class SubaccountPage(msgspec.Struct, frozen=True):
    """`GET /portfolio/subaccounts2`; some builds answer with the bare list."""

    subaccounts: list[PortfolioAccount]
    metadata: PageMetadata | None = None


class MatchedAccount(msgspec.Struct, frozen=True, gc=False):
    """One account that a search found."""

    accountId: str
    alias: str | None = None
    allocationId: str | None = None


class AccountSearch(msgspec.Struct, frozen=True):
    """`GET /iserver/account/search/{pattern}`."""

    matchedAccounts: list[MatchedAccount] = []
    pattern: str | None = None


class CashBalance(msgspec.Struct, frozen=True, gc=False):
    """Cash in one currency."""

    currency: str | None = None
    balance: Number = None
    settledCash: Number = None


class BrokerageSummary(msgspec.Struct, frozen=True):
    """`GET /iserver/account/{id}/summary`."""

    accountType: str | None = None
    status: str | None = None
    balance: Number = None
    SMA: Number = None
    buyingPower: Number = None
    availableFunds: Number = None
    excessLiquidity: Number = None
    netLiquidationValue: Number = None
    equityWithLoanValue: Number = None
    regTLoan: Number = None
    securitiesGVP: Number = None
    totalCashValue: Number = None
    accruedInterest: Number = None
    regTMargin: Number = None
    initialMargin: Number = None
    maintenanceMargin: Number = None
    cashBalances: list[CashBalance] = []


SummarySegments = dict[str, dict[str, Number]]
"""`/summary/available_funds`, `/balances`, `/margins`, `/market_value`: segment, then name, then `"994,831 USD"`."""
