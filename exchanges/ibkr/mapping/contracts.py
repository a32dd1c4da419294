"""Contracts to markets: kinds, multipliers, price grids, option terms, trading hours."""

from decimal import Decimal
from typing import Final

import msgspec

from exchanges.ibkr.mapping.numbers import Raw, conid_text, decimal
from exchanges.ibkr.mapping.rules import market_rules
from exchanges.ibkr.profile import FORECASTEX
from exchanges.ibkr.wire.contracts import ContractInfo, ContractRules, IncrementRule, TradingInterval, TradingSchedule
from horizon.clock import NANOSECONDS
from horizon.errors import WireError
from horizon.model import (
    Market,
    MarketId,
    MarketKind,
    OptionRight,
    OptionTerms,
    PriceGrid,
    PriceStep,
    Side,
    TradingHours,
    TradingSession,
)

_CME_EVENT_CLASS: Final = "EC"
"""CME's event contracts carry `EC` and the future's symbol as trading class: `ECNQ`, `ECES`."""

_KINDS: Final = {
    "STK": MarketKind.STOCK,
    "OPT": MarketKind.OPTION,
    "FUT": MarketKind.FUTURE,
    "FOP": MarketKind.FUTURE_OPTION,
    "CASH": MarketKind.FOREX,
    "IND": MarketKind.INDEX,
    "BOND": MarketKind.BOND,
    "BILL": MarketKind.BOND,
    "FUND": MarketKind.FUND,
    "CFD": MarketKind.CFD,
    "WAR": MarketKind.WARRANT,
    "IOPT": MarketKind.WARRANT,
    "CRYPTO": MarketKind.CRYPTO,
}
_DERIVATIVES: Final = frozenset({"OPT", "FUT", "FOP", "WAR", "IOPT"})
_RIGHTS: Final = {"C": OptionRight.CALL, "CALL": OptionRight.CALL, "P": OptionRight.PUT, "PUT": OptionRight.PUT}
_ONE: Final = Decimal(1)


class ContractFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a fill or a position needs to know about its contract."""

    market_id: MarketId
    kind: MarketKind
    symbol: str
    side: Side = Side.LONG
    currency: str = "USD"
    multiplier: Decimal = _ONE


def kind_of(security_type: str | None) -> MarketKind:
    """The kind of an IBKR security type such as `STK`. Events need `facts`: they hide behind OPT and FOP."""
    return _KINDS.get((security_type or "").upper(), MarketKind.OTHER)


def is_derivative(security_type: str | None) -> bool:
    """Whether a multiplier must be given by the venue."""
    return (security_type or "").upper() in _DERIVATIVES


def multiplier(raw: Raw, security_type: str | None, market_id: str, *, path: str) -> Decimal:
    """What one point of price is worth. null, "" and 0 mean 1 for a stock; a derivative must say it.

    Never taken from the security type alone: a ForecastEx contract is an OPT with multiplier 1.
    Raises WireError for a derivative without one.
    """
    try:
        value = decimal(raw)
    except ValueError as error:
        raise WireError(f"the multiplier of conid {market_id}: {error}", path=path, found=str(raw)) from None
    if value is not None and value > 0:
        return value
    if is_derivative(security_type):
        raise WireError(
            f"expected a multiplier for conid {market_id} ({security_type}), found {raw!r}: without it money cannot be "
            "counted",
            path=path,
            found=repr(raw),
        )
    return _ONE


def price_magnifier(rules: ContractRules | None) -> Decimal:
    """How many units of price make one of the currency: 100 where prices are in pence or cents, else 1."""
    magnifier = None if rules is None else decimal(rules.priceMagnifier)
    return magnifier if magnifier is not None and magnifier > 0 else _ONE


def event_side(right: str | None) -> Side | None:
    """YES for a call, NO for a put, as IBKR models event contracts."""
    found = _RIGHTS.get((right or "").upper())
    return None if found is None else Side.YES if found is OptionRight.CALL else Side.NO


def is_event(info: ContractInfo) -> bool:
    """Whether the contract is an event: listed at ForecastEx, or of one of CME's event classes."""
    if not is_derivative(info.instrument_type):
        return False
    exchanges = f"{info.exchange or ''},{info.valid_exchanges or ''}".upper().replace(";", ",").split(",")
    return FORECASTEX in exchanges or (
        (info.instrument_type or "").upper() == "FOP" and (info.trading_class or "").startswith(_CME_EVENT_CLASS)
    )


def facts(info: ContractInfo) -> ContractFacts:
    """Kind, side, currency and multiplier of a contract. Raises WireError where they cannot be told."""
    market_id = conid_text(info.con_id) or ""
    path = f"/iserver/contract/{market_id}/info"
    kind, side = kind_of(info.instrument_type), Side.LONG
    if is_event(info):
        kind = MarketKind.EVENT
        found = event_side(info.right)
        if found is None:
            raise WireError(
                f"expected right CALL or PUT for event conid {market_id}, found {info.right!r}",
                path=path,
                found=repr(info.right),
            )
        side = found
    if not info.currency:
        raise WireError(f"expected a currency for conid {market_id}, found none", path=path, found=repr(info)[:200])
    return ContractFacts(
        market_id=MarketId(market_id),
        kind=kind,
        symbol=info.symbol or info.local_symbol or market_id,
        side=side,
        currency=info.currency,
        multiplier=multiplier(info.multiplier, info.instrument_type, market_id, path=path)
        / price_magnifier(info.rules),
    )


def market(
    info: ContractInfo, *, exchange: str, listing_exchange: str = "", hours: TradingHours | None = None
) -> Market:
    """A market that is not an event, from info-and-rules. Raises WireError without increments or multiplier."""
    known = facts(info)
    return Market(
        exchange=exchange,
        market_id=known.market_id,
        kind=known.kind,
        symbol=known.symbol,
        name=info.company_name or "",
        currency=known.currency,
        multiplier=known.multiplier,
        price_grid=price_grid(info.rules, known.market_id),
        side=known.side,
        listing_exchange=listing_exchange or info.exchange or "",
        hours=hours,
        option=option_terms(info) if known.kind in (MarketKind.OPTION, MarketKind.FUTURE_OPTION) else None,
        last_trade_date=info.maturity_date or "",
        rules=market_rules(info.rules),
    )


def option_terms(info: ContractInfo) -> OptionTerms | None:
    """Right, strike and expiry of an option; None when the venue left one of them out."""
    right, strike = _RIGHTS.get((info.right or "").upper()), decimal(info.strike)
    if right is None or strike is None or not info.maturity_date:
        return None
    underlying = conid_text(info.underlying_con_id)
    return OptionTerms(
        right=right,
        strike=strike,
        expiry=info.maturity_date,
        underlying_id=None if underlying is None else MarketId(underlying),
    )


def price_grid(rules: ContractRules | None, market_id: str) -> PriceGrid:
    """The prices the venue accepts, from `incrementRules` or else `increment`. Raises WireError without either."""
    steps = increment_steps(rules.incrementRules or [] if rules else [])
    if not steps and rules is not None:
        increment = decimal(rules.increment)
        if increment is not None and increment > 0:
            steps = (PriceStep(lower_edge=Decimal(0), increment=increment),)
    if not steps:
        raise WireError(
            f"expected price increments for conid {market_id}, found none: an off-tick order would be refused",
            path=f"/iserver/contract/{market_id}/info-and-rules",
            found=repr(rules)[:200],
        )
    return PriceGrid(steps=steps)


def increment_steps(rules: list[IncrementRule]) -> tuple[PriceStep, ...]:
    """The steps of a grid by rising lower edge."""
    found = {}
    for rule in rules:
        increment = decimal(rule.increment)
        if increment is not None and increment > 0:
            found[decimal(rule.lowerEdge) or Decimal(0)] = increment
    return tuple(PriceStep(lower_edge=edge, increment=found[edge]) for edge in sorted(found))


def trading_hours(schedule: TradingSchedule) -> TradingHours:
    """Liquid hours as regular sessions, extended hours as the others, in order of time."""
    sessions = {
        _session(interval, regular=regular)
        for day in schedule.schedules.values()
        for intervals, regular in ((day.liquid_hours, True), (day.extended_hours, False))
        for interval in intervals
        if interval.closing > interval.opening
    }
    ordered = sorted(sessions, key=lambda session: (session.opens, not session.regular))
    return TradingHours(timezone=schedule.exchange_time_zone or "UTC", sessions=tuple(ordered))


def _session(interval: TradingInterval, *, regular: bool) -> TradingSession:
    return TradingSession(opens=interval.opening * NANOSECONDS, closes=interval.closing * NANOSECONDS, regular=regular)
