"""What a retirement account (an IRA) may not do.

Source: IBKR's knowledge base, articles 188 and 2187: no short stock, no debit in any currency, purchases paid in full,
sales usable once they have settled (a margin IRA may use them at once), futures at about twice the usual margin, and
nothing that can produce unrelated business taxable income, such as master limited partnerships.
"""

from collections.abc import Collection, Mapping
from typing import Final

from horizon.guards.guard import GuardView, entry_of, reach, reduces
from horizon.guards.limits import positive
from horizon.guards.settled_cash import SettledCash
from horizon.model import Market, MarketKind, Number, OrderRequest, OrderSide, plain

MASTER_LIMITED_PARTNERSHIPS: Final = frozenset(
    {
        "CAPL", "CQP", "DKL", "DMLP", "EPD", "ET", "GEL", "GLP", "IEP", "MPLX", "NRP", "PAA", "SPH", "SUN", "UAN",
        "USAC", "WES", "WLKP",
    }
)  # fmt: skip
"""Some that are well known. The list of the broker is the one that counts: give it as `prohibited`."""
_MAY_BE_SHORT: Final = frozenset({MarketKind.FUTURE})
_ON_MARGIN: Final = frozenset({MarketKind.FUTURE, MarketKind.FUTURE_OPTION})
_FACTOR: Final = 2


class Retirement:
    """Refuses what a retirement account may not do: shorts, debits, borrowed currency, and the `prohibited` symbols.

    Purchases are sized by settled cash; in a margin IRA `unsettled=True` counts the proceeds of sales at once. A future
    passes only with its usual initial margin per contract in `futures_margin`, by symbol, in its currency; twice as
    much must be there in cash for all of it that could be held. Detection can add this guard, never take it away.
    """

    name = "retirement"
    counts_the_day = True

    def __init__(
        self,
        *,
        prohibited: Collection[str] = MASTER_LIMITED_PARTNERSHIPS,
        futures_margin: Mapping[str, Number] | None = None,
        unsettled: bool = False,
        reserve: Number = 0,
    ) -> None:
        self.prohibited = frozenset(symbol.upper() for symbol in prohibited)
        self.futures_margin = {
            symbol.upper(): positive(margin, f"the margin of {symbol}")
            for symbol, margin in (futures_margin or {}).items()
        }
        self._cash = SettledCash(unsettled=unsettled, reserve=reserve)

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        market = view.market(request.instrument)
        if market is None:
            return f"market {request.market_id} is not known: resolve the market first"
        if request.order_side is OrderSide.BUY and market.symbol.upper() in self.prohibited:
            return f"{market.symbol} is not allowed in a retirement account: it is on the list of prohibited symbols"
        if market.kind in _ON_MARGIN:
            return self._margin(request, market, view) or self._short(request, market, view)
        return self._short(request, market, view) or self._cash.check(request, view)

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count: the view holds the order from here on."""

    def _short(self, request: OrderRequest, market: Market, view: GuardView) -> str | None:
        if request.order_side is OrderSide.BUY or market.kind in _MAY_BE_SHORT or market.kind is MarketKind.FOREX:
            # a currency pair is an exchange of cash: what it takes must be there
            return None
        after = reach(request, view)
        if after >= 0:
            return None
        return (
            f"position could become {plain(after)} (now {plain(view.position(request.instrument))}, open orders "
            "counted), and a retirement account may not be short"
        )

    def _margin(self, request: OrderRequest, market: Market, view: GuardView) -> str | None:
        if reduces(request, view):
            return None
        usual = self.futures_margin.get(market.symbol.upper())
        if usual is None:
            return (
                f"the margin of {market.symbol} is not known, and a retirement account needs {_FACTOR} times as much: "
                f"give it with Retirement(futures_margin={{{market.symbol!r}: ...}})"
            )
        lowest, highest = view.worst_case(request.instrument)
        if entry_of(request, view) is None:
            lowest, highest = min(lowest, lowest + request.signed_size), max(highest, highest + request.signed_size)
        needed = usual * _FACTOR * max(abs(lowest), abs(highest))
        there = view.settled_cash(request.exchange, market.currency)
        if there is not None and needed <= there:
            return None
        found = "not known" if there is None else plain(there)
        return (
            f"{plain(needed)} {market.currency} of margin are needed for what could be held of {market.symbol} "
            f"({_FACTOR} times {plain(usual)} a contract), and the settled cash is {found}"
        )
