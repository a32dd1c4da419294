"""Whether market data is subscribed: one snapshot of SPY, and of a ForecastEx market if there is one.

A snapshot opens a stream at the venue. It is left open: another program of the same user may read the same one.
"""

from collections.abc import AsyncIterator, Mapping
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.doctor.check import Check, Result, of_error, ok, skipped, warning
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.wire.forecast import ForecastCategories, ForecastMarket
from exchanges.ibkr.wire.market_data import COMMON_FIELDS, SnapshotRow
from horizon.clock import Clock
from horizon.errors import HorizonError, Refused, WireError

SPY: Final = "756733"
_CALLS: Final = 4
_PAUSE: Final = 1.0
_FIELDS: Final = ",".join(COMMON_FIELDS[name] for name in ("last", "bid", "ask", "availability"))
_PORTAL: Final = "in IBKR's Client Portal, under market-data subscriptions"
_SAYS: Final[Mapping[str, tuple[Result, str, str]]] = {
    "R": (Result.OK, "real-time", ""),
    "Z": (Result.OK, "frozen: the last real-time prices of a market that is closed", ""),
    "D": (Result.WARNING, "delayed by 15 to 20 minutes", f"subscribe to real-time data {_PORTAL}"),
    "Y": (
        Result.WARNING,
        "frozen and delayed: the last delayed prices of a market that is closed",
        f"subscribe to real-time data {_PORTAL}",
    ),
    "N": (
        Result.WARNING,
        "not subscribed",
        f"subscribe {_PORTAL}, or share the live user's data with the paper user",
    ),
    "O": (
        Result.FAILED,
        "the yearly market-data agreement of this user is not acknowledged",
        f"acknowledge it {_PORTAL}",
    ),
}
"""By the first letter of field 6509. Reference, section 5.2."""


async def data_checks(client: Client, clock: Clock) -> AsyncIterator[Check]:
    """One check for SPY, one for ForecastEx."""
    yield await _of("market data SPY", SPY, client, clock)
    name = "market data ForecastEx"
    try:
        conid = await _event(client)
    except (Refused, WireError):
        yield skipped(name, "this login lists no event contracts")
        return
    except HorizonError as error:
        yield of_error(name, error, Result.WARNING)
        return
    yield skipped(name, "no event contract is listed") if conid is None else await _of(name, conid, client, clock)


async def _of(name: str, conid: str, client: Client, clock: Clock) -> Check:
    try:
        code, has_price = await _asked(conid, client, clock)
    except HorizonError as error:
        return of_error(name, error, Result.WARNING)
    known = _SAYS.get(code[:1])
    if known is None:
        return warning(name, f"IBKR does not say how fresh it is (code {code or 'none'!r})", "look again in a minute")
    result, found, action = known
    if result is Result.OK and not has_price:
        return ok(name, f"{found}, and nobody bids or offers now")
    return Check(name=name, result=result, found=found, action=action)


async def _asked(conid: str, client: Client, clock: Clock) -> tuple[str, bool]:
    """The availability code, and whether there is a price. The first answers for a market are incomplete."""
    code, has_price = "", False
    for call in range(_CALLS):
        if call:
            await clock.sleep(_PAUSE)
        rows = await client.get(
            "/iserver/marketdata/snapshot", list[SnapshotRow], params={"conids": conid, "fields": _FIELDS}
        )
        for row in rows:
            code = row.availability or code
            has_price = any(price not in (None, "") for price in (row.bid, row.ask, row.last))
        if code[:1] in _SAYS and (has_price or code[:1] in "NO"):
            break
    return code, has_price


async def _event(client: Client) -> str | None:
    """The first event contract that is listed."""
    tree = await client.get("/forecast/category/tree", ForecastCategories)
    for category in tree.categories.values():
        for market in category.markets or ():
            underlying = conid_text(market.conid)
            if underlying is None or market.is_restricted:
                continue
            listed = await client.get(
                "/forecast/contract/market", ForecastMarket, params={"underlyingConid": underlying}
            )
            for contract in listed.contracts:
                return conid_text(contract.conid)
    return None
