"""ForecastEx contracts to event terms: thresholds, price grids, weekly hours. Lenient about what the venue adds."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from datetime import time as day_time
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from exchanges.ibkr.mapping.numbers import conid_text, decimal
from exchanges.ibkr.mapping.times import moment
from exchanges.ibkr.profile import FORECASTEX_GRID
from exchanges.ibkr.wire.contracts import SecdefInfoRow
from exchanges.ibkr.wire.forecast import ForecastContract, ForecastDetails, ForecastRules, ForecastSchedules
from horizon.clock import NANOSECONDS, to_nanoseconds
from horizon.errors import WireError
from horizon.model import EventTerms, MarketId, PriceGrid, PriceStep, TradingHours, TradingSession

DAYS_AHEAD: Final = 8
_NUMBER: Final = r"[-+]?\$?\s*\d[\d,]*(?:\.\d+)?\s*[%KMB]?"
_ABOVE: Final = re.compile(
    rf"^(?:(?:above|over|more than|greater than|at least|exceeds?|>=?|≥)\s*)?({_NUMBER})"
    r"(?:\s+or (?:more|higher|above))?$",
    re.IGNORECASE,
)


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The YES and the NO contract of one strike of one expiration."""

    underlying: str
    expiration: str
    strike: Decimal
    yes: MarketId
    no: MarketId
    label: str = ""


def pairs(contracts: Iterable[ForecastContract]) -> list[Pair]:
    """Contracts paired by underlying, expiration and strike; a side without its twin is left out (it cannot be closed).

    Raises WireError when one strike has two contracts of the same side, because then the pair is a guess.
    """
    found: dict[tuple[str, str, Decimal], dict[str, ForecastContract]] = {}
    for contract in contracts:
        strike = decimal(contract.strike)
        side = (contract.side or "").upper()[:1]
        if strike is None or side not in ("Y", "N"):
            continue
        key = (conid_text(contract.underlying_conid) or "", contract.expiration or "", strike)
        sides = found.setdefault(key, {})
        if side in sides and conid_text(sides[side].conid) != conid_text(contract.conid):
            raise WireError(
                f"expected one {side} contract of strike {strike} at {key[1]}, found conids {sides[side].conid} and "
                f"{contract.conid}",
                path="/forecast/contract/market",
                found=repr(contract),
            )
        sides[side] = contract
    return [
        Pair(
            underlying=underlying,
            expiration=expiration,
            strike=strike,
            yes=MarketId(conid_text(sides["Y"].conid) or ""),
            no=MarketId(conid_text(sides["N"].conid) or ""),
            label=sides["Y"].strike_label or "",
        )
        for (underlying, expiration, strike), sides in found.items()
        if len(sides) == 2
    ]


def secdef_pairs(rows: Iterable[SecdefInfoRow], underlying: str) -> list[Pair]:
    """The same of `secdef/info`: calls are YES, puts are NO, paired by maturity and strike."""
    contracts = [
        ForecastContract(
            conid=row.conid,
            side={"C": "Y", "P": "N"}.get((row.right or "").upper()[:1]),
            expiration=row.maturityDate,
            strike=row.strike,
            underlying_conid=underlying,
        )
        for row in rows
    ]
    return pairs(contracts)


def threshold(label: str | None, stated: str | float | None, question: str = "") -> Decimal | None:
    """The number that YES is above, where there truly is one: "Above 6,000" is 6000.

    A strike is never taken for it, because on named outcomes it is an ordinal. "Below 5%" has no such number: YES
    would mean the opposite. Where label and rules both hold a number and differ, there is none.
    """
    if re.search(r"\b(below|under|less than|lower than|at most|fewer)\b", f"{label or ''} {question}", re.IGNORECASE):
        return None
    numbers = [value for text in (label, stated) if text is not None and (value := _above(str(text))) is not None]
    if not numbers or any(value != numbers[0] for value in numbers):
        return None
    named = label and _above(label) is None
    return None if named else numbers[0]


def _above(text: str) -> Decimal | None:
    match = _ABOVE.match(" ".join(text.split()))
    return None if match is None else decimal(match.group(1).replace(" ", "").upper())


def terms(
    pair: Pair, details: ForecastDetails, rules: ForecastRules | None, *, twin: MarketId, payout: Decimal
) -> EventTerms:
    """The terms of one side. Times are aware and in UTC; what the venue left out is None."""
    label = details.strike_label or pair.label
    question = details.question or details.market_name or ""
    return EventTerms(
        question=question,
        payout=payout,
        twin=twin,
        threshold=threshold(label, rules.threshold if rules is not None else None, question),
        strike=pair.strike,
        strike_label=label,
        underlying_id=MarketId(pair.underlying) if pair.underlying else None,
        measured_period=details.measured_period or (rules.measured_period if rules is not None else None) or "",
        last_trade_time=moment(rules.last_trade_time) if rules is not None else None,
        release_time=moment(rules.release_time) if rules is not None else None,
        payout_time=moment(rules.payout_time) if rules is not None else None,
        rules_url=(rules.market_rules_link if rules is not None else None) or "",
    )


def payout(*stated: str | float | None, path: str) -> Decimal:
    """What a contract pays, from the first of the given texts (`$1.00`, 1.0). Raises WireError when none says it."""
    for text in stated:
        value = decimal(text)
        if value is not None and value > 0:
            return value
    raise WireError("expected a payout above 0, found none", path=path, found=repr(stated))


def price_grid(rules: ForecastRules | None) -> PriceGrid:
    """The venue's increments, else a cent; bounded by 0.02 and 0.99 as ForecastEx quotes them."""
    steps: dict[Decimal, Decimal] = {}
    for each in (rules.price_increments or []) if rules is not None else []:
        increment = decimal(each.increment)
        if increment is not None and increment > 0:
            steps[decimal(each.lower_edge) or Decimal(0)] = increment
    if not steps and rules is not None:
        single = decimal(rules.price_increment)
        if single is not None and single > 0:
            steps[Decimal(0)] = single
    if not steps:
        return FORECASTEX_GRID
    return PriceGrid(
        steps=tuple(PriceStep(lower_edge=edge, increment=steps[edge]) for edge in sorted(steps)),
        lowest=FORECASTEX_GRID.lowest,
        highest=FORECASTEX_GRID.highest,
    )


def trading_hours(schedule: ForecastSchedules, now: int) -> TradingHours | None:
    """The weekly intervals as dated sessions from yesterday to a week ahead; None where the zone is unknown.

    The venue writes the end of a day as 11:59 PM: that is midnight, or trading would stop for a minute every night.
    """
    zone = _zone(schedule.timezone)
    if zone is None:
        return None
    today = datetime.fromtimestamp(now // NANOSECONDS, UTC).astimezone(zone).date()
    by_day = {day.day_of_week.strip().casefold(): day.trading_times for day in schedule.trading_schedules}
    sessions = []
    for offset in range(-1, DAYS_AHEAD):
        date = today + timedelta(days=offset)
        for interval in by_day.get(f"{date:%A}".casefold(), []):
            opens = datetime.combine(date, _clock_time(interval.open), zone)
            closing = _clock_time(interval.close)
            ends_day = closing == day_time(23, 59) or closing == day_time(0, 0)
            closes = (
                datetime.combine(date + timedelta(days=1), day_time(0), zone)
                if ends_day
                else datetime.combine(date, closing, zone)
            )
            if closes > opens:
                sessions.append(TradingSession(opens=to_nanoseconds(opens), closes=to_nanoseconds(closes)))
    return TradingHours(timezone=schedule.timezone or "", sessions=tuple(sorted(sessions, key=lambda s: s.opens)))


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError):
        return None


def _clock_time(text: str) -> day_time:
    try:
        return datetime.strptime(text.strip().upper(), "%I:%M %p").replace(tzinfo=UTC).time()
    except ValueError:
        raise WireError(
            f"expected a time such as 4:15 PM in a schedule, found {text!r}",
            path="/forecast/contract/schedules",
            found=text,
        ) from None
