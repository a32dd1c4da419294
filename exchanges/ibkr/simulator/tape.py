"""The market at one moment: bid, ask and the day's figures per conid.

Stocks follow their price paths with a spread of one cent. Event contracts are quoted from a model, not from a market:
YES is worth N(d2), the chance that a lognormal index ends above the threshold (Black and Scholes 1973; no interest),
and each side's bid lies a small seeded margin below its value. Nobody sells: the ask of a side is 1.01 less the bid of
the other, as at ForecastEx, where two buyers meet.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import erf, floor, log, sqrt

import msgspec

from exchanges.ibkr.simulator.contracts import Catalogue, Contract
from exchanges.ibkr.simulator.events import INDEX_PER_SHARE, EventProduct
from horizon.clock import NANOSECONDS
from horizon.model import TradingSession
from horizon.simulation.prices import TRADING_SECONDS_PER_YEAR, PricePath, annualised_volatility

REFRESH = NANOSECONDS // 2
"""Snapshots are renewed twice a second; orders are matched against what a snapshot would show."""
_BEFORE, _AFTER = 11 * 1800 * NANOSECONDS, 8 * 1800 * NANOSECONDS
"""From 4:00 to the opening at 9:30, and until 20:00."""
LOWEST_EVENT_BID, PAIR_PRICE = 0.02, 1.01


class Touch(msgspec.Struct, frozen=True):
    """What is quoted at one moment. None is what the venue does not send."""

    time: int
    bid: float | None = None
    ask: float | None = None
    bid_size: float | None = None
    ask_size: float | None = None
    last: float | None = None
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    prior_close: float | None = None

    @property
    def mark(self) -> float | None:
        if self.bid is not None and self.ask is not None:
            return (self.bid + self.ask) / 2
        return self.last if self.last is not None else self.bid if self.bid is not None else self.ask


class Tape:
    """Quotes for every conid with a price path behind it."""

    def __init__(
        self,
        paths: Mapping[int, PricePath],
        catalogue: Catalogue,
        product: EventProduct,
        *,
        index: PricePath,
        seed: int,
        volatility: float | None,
        extended_hours: bool = False,
    ) -> None:
        self._extended = tuple(_around(index.sessions)) if extended_hours else ()
        self._paths = paths
        self._catalogue = catalogue
        self._product = product
        self._index = index
        self._seed = seed
        self._given_volatility = volatility
        self._quoted_at = 0
        self._quoted: dict[int, Touch | None] = {}
        """Quotes of the moment, drawn when they are first asked for."""

    @cached_property
    def volatility(self) -> float:
        """Of the index, per square root of a year of trading: as given, or measured on the path."""
        if self._given_volatility is not None:
            return self._given_volatility
        return annualised_volatility(self._index)

    @property
    def sessions(self) -> tuple[TradingSession, ...]:
        """The regular hours of the stocks."""
        return self._index.sessions

    @property
    def all_sessions(self) -> tuple[TradingSession, ...]:
        """With the hours before and after, where there are any."""
        return (*self.sessions, *self._extended)

    def extended(self, session: TradingSession) -> tuple[int, int]:
        """When trading begins and ends on the day of a regular session."""
        before = [s.opens for s in self._extended if s.closes == session.opens]
        after = [s.closes for s in self._extended if s.opens == session.closes]
        return (before or [session.opens])[0], (after or [session.closes])[0]

    def session_at(self, now: int) -> TradingSession | None:
        """The regular session of the moment."""
        return next((s for s in self.sessions if s.opens <= now < s.closes), None)

    def is_trading(self, now: int) -> bool:
        """Whether stocks trade, in regular hours or around them."""
        return any(s.opens <= now < s.closes for s in self.all_sessions)

    def is_open(self, contract: Contract, now: int, *, outside: bool = False) -> bool:
        """Whether a contract trades; with `outside` the hours before and after the regular ones count."""
        if contract.is_event:
            return now < self._product.release
        if contract.never_closes:
            return True
        return self.is_trading(now) if outside else self.session_at(now) is not None

    def path(self, conid: int) -> PricePath | None:
        return self._paths.get(conid)

    def index_at(self, now: int) -> float:
        return self._index.at(now).price * INDEX_PER_SHARE

    def touch(self, conid: int, now: int) -> Touch | None:
        """The quote in force at `now`; None for a contract without market data here."""
        now -= now % REFRESH
        if now != self._quoted_at:
            self._quoted_at = now
            self._quoted.clear()
        if conid not in self._quoted:
            self._quoted[conid] = self._quote(conid, now)
        return self._quoted[conid]

    def _quote(self, conid: int, now: int) -> Touch | None:
        contract = self._catalogue.get(conid)
        if contract is None:
            return None
        if contract.is_event:
            return self._event(contract, now)
        path = self._paths.get(conid)
        return None if path is None else self._traded(contract, path, now)

    def _traded(self, contract: Contract, path: PricePath, now: int) -> Touch:
        """One price step between bid and ask, around a path."""
        point, digits, step = path.at(now), contract.digits, float(contract.increments[0][1])
        scale = INDEX_PER_SHARE if contract.sec_type == "FUT" else 1.0
        bid = round(floor(round(point.price * scale / step, 6)) * step, digits)
        sizes = random.Random(f"{self._seed}:{contract.conid}:{now // NANOSECONDS}")
        is_open, unit = self.is_open(contract, now, outside=True), 100_000 if contract.sec_type == "CASH" else 100
        return Touch(
            time=now,
            bid=bid if is_open else None,
            ask=round(bid + step, digits) if is_open else None,
            bid_size=float(sizes.randint(1, 15) * unit) if is_open else None,
            ask_size=float(sizes.randint(1, 15) * unit) if is_open else None,
            last=round(point.price * scale, digits),
            open=round(point.open * scale, digits),
            high=round(point.high * scale, digits),
            low=round(point.low * scale, digits),
            volume=point.volume,
            prior_close=None if point.prior_close is None else round(point.prior_close * scale, digits),
        )

    def _event(self, contract: Contract, now: int) -> Touch:
        if now >= self._product.release:
            return Touch(time=now)
        # Both sides of a threshold must be drawn alike, else 1.01 less the other side's bid would not be the ask.
        draw = random.Random(f"{self._seed}:{contract.strike}:{now // (10 * NANOSECONDS)}")
        yes = self.probability(contract.strike, now)
        bids = {
            "C": _event_bid(yes, draw.uniform(0.003, 0.012)),
            "P": _event_bid(1.0 - yes, draw.uniform(0.003, 0.012)),
        }
        sizes = {"C": float(draw.randint(50, 500)), "P": float(draw.randint(50, 500))}
        mine, other = contract.right, "P" if contract.right == "C" else "C"
        bid, opposite = bids[mine], bids[other]
        return Touch(
            time=now,
            bid=bid,
            ask=None if opposite is None else round(PAIR_PRICE - opposite, 2),
            bid_size=None if bid is None else sizes[mine],
            ask_size=None if opposite is None else sizes[other],
        )

    def probability(self, threshold: float, now: int) -> float:
        """N(d2): the chance that the index is above `threshold` at the release."""
        index = self.index_at(now)
        deviation = self.volatility * sqrt(self._trading_seconds_left(now) / TRADING_SECONDS_PER_YEAR)
        if deviation <= 0:
            return 1.0 if index > threshold else 0.0
        d2 = log(index / threshold) / deviation - deviation / 2
        return 0.5 * (1.0 + erf(d2 / sqrt(2.0)))

    def _trading_seconds_left(self, now: int) -> float:
        left = sum(max(s.closes - max(s.opens, now), 0) for s in self.sessions)
        return left / NANOSECONDS


def _around(sessions: Sequence[TradingSession]) -> Iterator[TradingSession]:
    """The hours before and after each regular session, as far as there is room for them."""
    for number, session in enumerate(sessions):
        earliest = sessions[number - 1].closes + _AFTER if number else 0
        yield TradingSession(opens=max(session.opens - _BEFORE, earliest), closes=session.opens, regular=False)
        yield TradingSession(opens=session.closes, closes=session.closes + _AFTER, regular=False)


def _event_bid(value: float, margin: float) -> float | None:
    bid = floor((value - margin) * 100) / 100
    return bid if bid >= LOWEST_EVENT_BID else None
