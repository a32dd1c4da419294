"""Which order types and times in force go together, and on which kinds of market."""

from typing import Final

from exchanges.ibkr.profile.forecastex import is_forecastex
from horizon.errors import InvalidOrder
from horizon.model import Market, MarketKind, OrderRequest, OrderType, TimeInForce

_NOT_TRADABLE: Final = frozenset({MarketKind.INDEX})
_AT_THE_OPENING: Final = frozenset({OrderType.MARKET, OrderType.LIMIT})
_AT_THE_CLOSE: Final = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
_OVERNIGHT: Final = frozenset({TimeInForce.OVERNIGHT, TimeInForce.OVERNIGHT_AND_DAY})
_FUTURES: Final = frozenset({MarketKind.FUTURE, MarketKind.FUTURE_OPTION})


def check_kind(request: OrderRequest, market: Market) -> None:
    """Raise InvalidOrder for a type, a time in force or an attribute that this market does not take."""
    if market.kind in _NOT_TRADABLE:
        raise InvalidOrder(f"{market.symbol} is an {market.kind} and cannot be traded itself", rule="kind")
    _check_time(request, market)
    _check_session(request, market)
    _check_listed(request, market)
    _check_attributes(request, market)


def needs_indicator(market: Market) -> bool:
    """Whether an order must say who entered it: futures and their options (CME rule 536-B). CME's event contracts are
    options on futures."""
    return market.kind in _FUTURES or (market.kind is MarketKind.EVENT and not is_forecastex(market))


def _check_time(request: OrderRequest, market: Market) -> None:
    kind, time = request.order_type, request.time_in_force
    if time is TimeInForce.OPG and kind not in _AT_THE_OPENING:
        raise InvalidOrder(
            f"an OPG order is {', '.join(sorted(_AT_THE_OPENING))}, found {kind}: use one of them, or DAY",
            rule="time_in_force",
        )
    if kind in _AT_THE_CLOSE and time is not TimeInForce.DAY:
        raise InvalidOrder(
            f"a {kind} order is for today's close, so its time in force is DAY, found {time}", rule="time_in_force"
        )
    if time in _OVERNIGHT and (kind is not OrderType.LIMIT or market.kind is not MarketKind.STOCK):
        raise InvalidOrder(
            f"{time} is for limit orders in stocks, found {kind} in a {market.kind}: use LMT, or DAY",
            rule="time_in_force",
        )
    if time in _OVERNIGHT and market.rules.overnight is False:
        raise InvalidOrder(f"{market.symbol} does not trade overnight, found {time}: use DAY", rule="time_in_force")
    if time is TimeInForce.PAX and market.kind is not MarketKind.CRYPTO:
        raise InvalidOrder(
            f"PAX is for crypto currencies alone, and {market.symbol} is a {market.kind}: use DAY, GTC or IOC",
            rule="time_in_force",
        )


def _check_session(request: OrderRequest, market: Market) -> None:
    if not request.outside_rth:
        return
    kind, time = request.order_type, request.time_in_force
    auction = "opening" if time is TimeInForce.OPG else "close" if kind in _AT_THE_CLOSE else ""
    if auction:
        raise InvalidOrder(
            f"an order for the {auction} works in no other session: leave outside_rth out", rule="outside_rth"
        )
    allowed = market.rules.outside_order_types
    if allowed and kind not in allowed:
        raise InvalidOrder(
            f"outside the regular session {market.symbol} takes {', '.join(sorted(allowed))}, found {kind}: "
            "use one of them, or leave outside_rth out",
            rule="outside_rth",
        )


def _check_listed(request: OrderRequest, market: Market) -> None:
    """What the venue itself has listed for this contract."""
    kind, time, rules = request.order_type, request.time_in_force, market.rules
    if rules.order_types and kind not in rules.order_types:
        raise InvalidOrder(
            f"for {market.symbol} the venue takes {', '.join(sorted(rules.order_types))}, found {kind}",
            rule="order_type",
        )
    # overnight eligibility is a flag of its own, and not among these
    if rules.times_in_force and time not in rules.times_in_force and time not in _OVERNIGHT:
        raise InvalidOrder(
            f"for {market.symbol} the venue takes a time in force of {', '.join(sorted(rules.times_in_force))}, "
            f"found {time}",
            rule="time_in_force",
        )


def _check_attributes(request: OrderRequest, market: Market) -> None:
    if request.all_or_none and market.rules.all_or_none is False:
        raise InvalidOrder(f"{market.symbol} takes no all-or-none orders: leave all_or_none out", rule="all_or_none")
    if request.algo is not None and market.rules.algos is False:
        raise InvalidOrder(f"{market.symbol} takes no algos, found {request.algo.name}: leave algo out", rule="algo")
    if request.convert_currency and market.kind is not MarketKind.FOREX:
        raise InvalidOrder(
            f"convert_currency is for a currency pair, and {market.symbol} is a {market.kind}", rule="convert_currency"
        )
    if request.route and not (request.route.isalnum() and request.route.isupper()):
        raise InvalidOrder(
            f"expected route as the name of an exchange such as NASDAQ, found {request.route!r}", rule="route"
        )
    if needs_indicator(market) and (request.manual_indicator is None or not request.ext_operator):
        raise InvalidOrder(
            f"an order in {market.symbol} ({market.kind}) must say who entered it: manual_indicator=True for a person, "
            "False for a program, and ext_operator= for the name",
            rule="manual_indicator",
        )
