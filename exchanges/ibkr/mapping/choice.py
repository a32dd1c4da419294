"""Whether a market is what a query asks for, and which one is meant."""

from collections.abc import Iterable, Sequence
from typing import Final

from horizon.errors import ConfigurationError
from horizon.model import Market, MarketQuery

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MOST_SHOWN: Final = 10


def month_code(expiry: str) -> str:
    """`JAN27` of `202701` or `20270115`. Raises ConfigurationError for other text."""
    if expiry[:6].isdecimal() and len(expiry) in (6, 8) and 1 <= int(expiry[4:6]) <= 12:
        return f"{_MONTHS[int(expiry[4:6]) - 1]}{expiry[2:4]}"
    raise ConfigurationError(f"expected an expiry as YYYYMMDD or YYYYMM, found {expiry!r}")


def fits(market: Market, query: MarketQuery) -> bool:
    """Whether everything the query says holds for the market."""
    option, event = market.option, market.event
    expiry = option.expiry if option is not None else None
    return (
        (query.kind is None or market.kind is query.kind)
        and (query.currency is None or market.currency == query.currency.upper())
        and (query.listing_exchange is None or market.listing_exchange == query.listing_exchange)
        and (query.side is None or market.side in (None, query.side))
        and (query.right is None or (option is not None and option.right is query.right))
        and (query.strike is None or query.strike in (option and option.strike, event and event.strike))
        and (query.expiry is None or expiry is None or expiry.startswith(query.expiry))
        and (query.threshold is None or (event is not None and event.threshold == query.threshold))
    )


def only(markets: Sequence[Market], query: MarketQuery) -> Market:
    """The one market. Raises ConfigurationError for none, and for several with the candidates."""
    if len(markets) == 1:
        return markets[0]
    if not markets:
        raise ConfigurationError(f"no market matches {query.describe()}: check the symbol, or look with find_markets()")
    raise ConfigurationError(
        f"{query.describe()} matches {len(markets)} markets: add listing_exchange, currency, expiry, side or a "
        f"threshold, or take one by its conid: {candidates(markets)}"
    )


def candidates(markets: Iterable[Market]) -> str:
    """Markets in a few words each, for an error message."""
    shown = list(markets)
    lines = [
        f"{market.market_id} {market.symbol} ({_subject(market)}, {market.listing_exchange or '?'}, {market.currency})"
        for market in shown[:_MOST_SHOWN]
    ]
    return "; ".join(lines) + (f"; and {len(shown) - _MOST_SHOWN} more" if len(shown) > _MOST_SHOWN else "")


def _subject(market: Market) -> str:
    if market.event is not None:
        return f"{market.side} {market.event.strike_label or market.event.strike or ''} {market.event.question}".strip()
    return market.name or market.kind
