"""Event contracts, `/forecast/*`. Integers of the reference arrive as floats; fields appear unannounced."""

import msgspec

from exchanges.ibkr.wire.types import Number

Conid = int | float | str
"""Here a conid may also arrive as `849139254.0`, as other integers of these answers do."""


class ForecastMarketRef(msgspec.Struct, frozen=True):
    """A market in a leaf of the category tree."""

    name: str | None = None
    symbol: str | None = None
    exchange: str | None = None
    conid: Conid | None = None
    """The underlying, for `/forecast/contract/market`."""
    product_conid: Conid | None = None
    is_restricted: bool | None = None


class ForecastCategory(msgspec.Struct, frozen=True):
    """A node of the category tree; a root has no parent."""

    name: str | None = None
    parent_id: str | None = None
    is_restricted: bool | None = None
    markets: list[ForecastMarketRef] | None = None


class ForecastCategories(msgspec.Struct, frozen=True):
    """`GET /forecast/category/tree`: by category id."""

    categories: dict[str, ForecastCategory]


class ForecastContract(msgspec.Struct, frozen=True):
    """One side of one strike."""

    conid: Conid
    side: str | None = None
    """`Y` or `N`."""
    expiration: str | None = None
    """`YYYYMMDD`."""
    strike: Number = None
    strike_label: str | None = None
    expiry_label: str | None = None
    underlying_conid: Conid | None = None
    time_specifier: str | None = None
    party: str | None = None


class ForecastMarket(msgspec.Struct, frozen=True):
    """`GET /forecast/contract/market`: every contract of one market."""

    contracts: list[ForecastContract]
    market_name: str | None = None
    exchange: str | None = None
    symbol: str | None = None
    logo_category: str | None = None
    exclude_historical_data: bool | None = None
    payout: Number = None


class ForecastDetails(msgspec.Struct, frozen=True):
    """`GET /forecast/contract/details`: the pair behind either conid."""

    conid_yes: Conid
    conid_no: Conid
    question: str | None = None
    side: str | None = None
    strike_label: str | None = None
    strike: Number = None
    exchange: str | None = None
    expiration: str | None = None
    symbol: str | None = None
    category: str | None = None
    logo_category: str | None = None
    measured_period: str | None = None
    market_name: str | None = None
    underlying_conid: Conid | None = None
    product_conid: Conid | None = None
    payout: Number = None
    party: str | None = None
    is_restricted: bool | None = None


class ForecastIncrement(msgspec.Struct, frozen=True):
    """From `lower_edge` upwards, prices move by `increment`, a text such as `$0.01`."""

    lower_edge: Number = None
    increment: Number = None


class ForecastRules(msgspec.Struct, frozen=True):
    """`GET /forecast/contract/rules`. Times are epoch seconds."""

    asset_class: str | None = None
    description: str | None = None
    market_name: str | None = None
    measured_period: str | None = None
    threshold: Number = None
    """A number, or the name of an outcome."""
    source_agency: str | None = None
    data_and_resolution_link: str | None = None
    last_trade_time: float | None = None
    product_code: str | None = None
    market_rules_link: str | None = None
    release_time: float | None = None
    payout_time: float | None = None
    payout: Number = None
    """`$1.00`."""
    price_increment: Number = None
    """`$0.01`."""
    price_increments: list[ForecastIncrement] | None = None
    exchange_timezone: str | None = None


class ForecastInterval(msgspec.Struct, frozen=True):
    """`12:00 AM` to `4:15 PM` in the schedule's time zone."""

    open: str
    close: str


class ForecastDay(msgspec.Struct, frozen=True):
    """One weekday."""

    day_of_week: str
    trading_times: list[ForecastInterval] = []


class ForecastSchedules(msgspec.Struct, frozen=True):
    """`GET /forecast/contract/schedules`: one week."""

    trading_schedules: list[ForecastDay]
    timezone: str | None = None
