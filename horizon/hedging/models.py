"""The formulae as hedge models: from held contracts and two quotes to the shares to hold.

Each has `prepare(event, side, stock)`, called once before trading, which refuses what the formula can't hedge, and
`shares(contracts, event_quote, stock_quote, now)`, called at every quote. `contracts` is signed: above 0 YES, below 0
NO. None means that there is no answer yet, which is not the same as 0 shares.
"""

from abc import ABC, abstractmethod
from decimal import Decimal

from horizon.errors import ConfigurationError
from horizon.hedging.call_spread import call_spread_hedge, call_spread_shares
from horizon.hedging.checks import above_zero, payout_of
from horizon.hedging.digital import DigitalTerms, digital_shares, digital_value
from horizon.hedging.minimum_variance import StreamingCovariance, effectiveness, minimum_variance_shares
from horizon.hedging.two_state import two_state_shares
from horizon.model import Market, Quote, Side, exact

_SECONDS_A_YEAR = 365 * 24 * 3600


class TwoState:
    """Hedges for two known share prices: one if the event happens, one if it does not."""

    def __init__(self, *, price_up: float, price_down: float) -> None:
        two_state_shares(0, 1, price_up, price_down)
        self.price_up = price_up
        self.price_down = price_down
        self._payout = 0.0

    def prepare(self, event: Market, side: Side, stock: Market) -> None:
        """Read the payout of the event."""
        self._payout = payout_of(event) / float(stock.multiplier)

    def shares(
        self, contracts: Decimal, event_quote: Quote | None, stock_quote: Quote | None, now: int
    ) -> Decimal | None:
        """The same at every quote, because both end prices are fixed."""
        if not contracts:
            return Decimal(0)
        return exact(two_state_shares(float(contracts), self._payout, self.price_up, self.price_down))


class MinimumVariance:
    """Hedges by how the two mids have moved together so far; no answer before `warm_up` common moves.

    Moves are counted on the slower clock: one is taken when both quotes are newer than at the last one. `half_life`
    is in moves; `ridge`, in squared price units, pulls an unstable ratio towards 0.
    """

    def __init__(self, *, warm_up: int = 30, half_life: float | None = None, ridge: float = 0.0) -> None:
        if warm_up < 2:
            raise ConfigurationError(f"expected a warm-up of 2 moves or more, found {warm_up}")
        if not ridge >= 0:
            raise ConfigurationError(f"expected a ridge of 0 or more, found {ridge!r}")
        self.moves = StreamingCovariance(half_life=half_life)
        self.warm_up = warm_up
        self.ridge = ridge
        self._event_scale = self._stock_scale = 1.0
        self._last: tuple[int, float, int, float] | None = None

    @property
    def effectiveness(self) -> float | None:
        """The part of the variance that the hedge would have removed, 0 to 1; None before it is known."""
        covariance, share, event = self.moves.covariance, self.moves.variance_x, self.moves.variance_y
        if covariance is None or share is None or event is None:
            return None
        return effectiveness(covariance, share, event)

    def prepare(self, event: Market, side: Side, stock: Market) -> None:
        """Read what a point of price is worth on both sides. A NO contract moves against the YES one."""
        payout_of(event)
        self._event_scale = float(event.multiplier) * (-1 if side is Side.NO else 1)
        self._stock_scale = float(stock.multiplier)

    def shares(
        self, contracts: Decimal, event_quote: Quote | None, stock_quote: Quote | None, now: int
    ) -> Decimal | None:
        """Counts the move, if both quotes are new, and answers once warm."""
        if event_quote is not None and stock_quote is not None:
            self._observe(event_quote, stock_quote)
        covariance, variance = self.moves.covariance, self.moves.variance_x
        if self.moves.count < self.warm_up or covariance is None or not variance:
            return None
        return exact(minimum_variance_shares(float(contracts), covariance, variance, ridge=self.ridge))

    def _observe(self, event_quote: Quote, stock_quote: Quote) -> None:
        event, stock = event_quote.mid, stock_quote.mid
        if event is None or stock is None:
            return
        if self._last is not None:
            event_time, last_event, stock_time, last_stock = self._last
            if event_quote.receive_time <= event_time or stock_quote.receive_time <= stock_time:
                return
            self.moves.add((stock - last_stock) * self._stock_scale, (event - last_event) * self._event_scale)
        self._last = event_quote.receive_time, event, stock_quote.receive_time, stock


class _PriceLevel(ABC):
    """What both models of an event about a price level share: its terms and the time left."""

    def __init__(self, *, volatility: float, ratio: float, rate: float, dividend_yield: float) -> None:
        self.volatility = above_zero(volatility, "the volatility per year")
        self.ratio = above_zero(ratio, "the ratio of index to share")
        self.rate = rate
        self.dividend_yield = dividend_yield
        self.terms: DigitalTerms | None = None
        """Known once prepared."""
        self._decided_at = 0.0
        self._stock_multiplier = 1.0

    def prepare(self, event: Market, side: Side, stock: Market) -> None:
        """Read threshold, payout and the moment of the outcome; refuse an event that lacks one of them."""
        self.terms = DigitalTerms.of(event, ratio=self.ratio, rate=self.rate, dividend_yield=self.dividend_yield)
        decided = (event.event.release_time or event.event.last_trade_time) if event.event else None
        if decided is None:
            raise ConfigurationError(
                f"expected a release time or a last trade time for {event.symbol} ({event.market_id}), found neither: "
                "time to expiry can't be counted"
            )
        self._decided_at = decided.timestamp()
        self._stock_multiplier = float(stock.multiplier)

    def shares(
        self, contracts: Decimal, event_quote: Quote | None, stock_quote: Quote | None, now: int
    ) -> Decimal | None:
        """None while the share has no mid."""
        price = None if stock_quote is None else stock_quote.mid
        if self.terms is None or price is None or not price > 0:
            return None
        years = (self._decided_at - now / 1e9) / _SECONDS_A_YEAR
        return exact(self._shares(self.terms, float(contracts), price, years) / self._stock_multiplier)

    @abstractmethod
    def _shares(self, terms: DigitalTerms, contracts: float, price: float, years: float) -> float: ...


class DigitalDelta(_PriceLevel):
    """Hedges the delta of a digital option. `ratio` is index points per unit of the share's price (10 for SPY).

    `volatility`, `rate` and `dividend_yield` are per year, 0.15 for 15 %.
    """

    def __init__(
        self, *, volatility: float, ratio: float = 1.0, rate: float = 0.0, dividend_yield: float = 0.0
    ) -> None:
        super().__init__(volatility=volatility, ratio=ratio, rate=rate, dividend_yield=dividend_yield)

    def _shares(self, terms: DigitalTerms, contracts: float, price: float, years: float) -> float:
        return digital_shares(contracts, digital_value(terms, price, self.volatility, years))


class CallSpreadDelta(_PriceLevel):
    """Hedges the delta of the call spread that replicates the event: at most N x payout / 2e shares up to expiry.

    `half_width` is e in the share's price units; the rest is as in `DigitalDelta`.
    """

    def __init__(
        self,
        *,
        volatility: float,
        half_width: float,
        ratio: float = 1.0,
        rate: float = 0.0,
        dividend_yield: float = 0.0,
    ) -> None:
        super().__init__(volatility=volatility, ratio=ratio, rate=rate, dividend_yield=dividend_yield)
        self.half_width = above_zero(half_width, "the half width of the spread")

    def prepare(self, event: Market, side: Side, stock: Market) -> None:
        """As for every price level; the spread must fit below the strike."""
        super().prepare(event, side, stock)
        if self.terms is not None:
            call_spread_hedge(self.terms, 0, self.half_width)

    def _shares(self, terms: DigitalTerms, contracts: float, price: float, years: float) -> float:
        return call_spread_shares(terms, contracts, self.half_width, price, self.volatility, years)
