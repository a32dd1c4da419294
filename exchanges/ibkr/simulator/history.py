"""Bars of the past, made from the price path.

`startTime` is the end of the window, prices are real prices, and the volume of a bar is `v` times `volumeFactor`.
"""

import re
from datetime import UTC, datetime

import msgspec

from exchanges.ibkr.simulator.calls import Call, Refusal
from exchanges.ibkr.simulator.contracts import Contract
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.simulation.prices import PricePath

VOLUME_FACTOR = 40
MOST_POINTS = 1000
_SAMPLES = 8
"""Looks at the path per bar."""
_DAY = 86_400
_BARS = {
    "1min": 60,
    "2min": 120,
    "3min": 180,
    "5min": 300,
    "10min": 600,
    "15min": 900,
    "30min": 1800,
    "1h": 3600,
    "2h": 7200,
    "3h": 10800,
    "4h": 14400,
    "8h": 28800,
    "1d": _DAY,
    "1w": 7 * _DAY,
    "1m": 31 * _DAY,
}
_PERIODS = {
    "min": (60, 30),
    "h": (3600, 8),
    "d": (_DAY, 1000),
    "w": (7 * _DAY, 792),
    "m": (31 * _DAY, 182),
    "y": (366 * _DAY, 15),
}


class _Bar(msgspec.Struct, frozen=True):
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the name on the wire
    v: float
    t: int


def history(state: State, contract: Contract, call: Call) -> dict[str, object]:
    period, bar = call.query.get("period", "1w"), call.query.get("bar", "")
    seconds, length = _period_seconds(period), _BARS.get(bar)
    if seconds is None or length is None:
        raise Refusal(500, {"error": "Invalid bar/period combination", "statusCode": 500})
    if call.query.get("direction") == "1":
        raise Refusal(500, {"error": "Chart data unavailable"})
    path = state.tape.path(contract.conid)
    end = min(_end(call.query.get("startTime")) or state.now(), state.now())
    bars = [] if path is None else _bars(path, end - seconds * NANOSECONDS, end, length * NANOSECONDS)
    if not bars:
        raise Refusal(500, {"error": "No data."})
    return _answer(contract, bars[-MOST_POINTS:], period, length)


def _period_seconds(text: str) -> int | None:
    found = re.fullmatch(r"(\d+)(min|h|d|w|m|y)", text)
    if found is None:
        return None
    unit, most = _PERIODS[found[2]]
    return int(found[1]) * unit if 1 <= int(found[1]) <= most else None


def _end(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return to_nanoseconds(datetime.strptime(text, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC))
    except ValueError:
        raise Refusal(400, {"error": "Bad Request: startTime", "statusCode": 400}) from None


def _bars(path: PricePath, start: int, end: int, length: int) -> list[_Bar]:
    """Bars inside sessions, aligned to each session's opening; of days or longer, one per session."""
    bars = []
    for session in path.sessions:
        opens, closes = session.opens, min(session.closes, end)
        while opens < closes:
            upto = min(opens + length, closes) if length < _DAY * NANOSECONDS else closes
            if opens >= start and upto > path.start:
                bars.append(_bar(path, max(opens, path.start), upto))
            opens = upto
    return bars


def _bar(path: PricePath, opens: int, closes: int) -> _Bar:
    step = max((closes - opens) // _SAMPLES, 1)
    points = [path.at(opens + step * n) for n in range(_SAMPLES)] + [path.at(closes - 1)]
    prices = [point.price for point in points]
    before, after = points[0].volume, points[-1].volume
    volume = 0.0 if before is None or after is None else max(after - before, 0.0)
    return _Bar(
        round(prices[0], 2),
        round(prices[-1], 2),
        round(max(prices), 2),
        round(min(prices), 2),
        volume / VOLUME_FACTOR,
        opens // 1_000_000,
    )


def _answer(contract: Contract, bars: list[_Bar], period: str, length: int) -> dict[str, object]:
    start = bars[0].t
    highest, lowest = max(bars, key=lambda bar: bar.h), min(bars, key=lambda bar: bar.l)
    return {
        "serverId": str(contract.conid % 100_000),
        "symbol": contract.symbol,
        "text": contract.name,
        "priceFactor": 100,
        "startTime": to_datetime(start * 1_000_000).strftime("%Y%m%d-%H:%M:%S"),
        "high": f"{highest.h * 100:.0f}/{highest.v:g}/{(highest.t - start) // 60_000}",
        "low": f"{lowest.l * 100:.0f}/{lowest.v:g}/{(lowest.t - start) // 60_000}",
        "timePeriod": period,
        "barLength": length,
        "mdAvailability": "S",
        "mktDataDelay": 0,
        "outsideRth": False,
        "tradingDayDuration": 390,
        "volumeFactor": VOLUME_FACTOR,
        "priceDisplayRule": 1,
        "priceDisplayValue": "2",
        "negativeCapable": False,
        "messageVersion": 2,
        "data": bars,
        "points": len(bars) - 1,
        "travelTime": 3,
    }
