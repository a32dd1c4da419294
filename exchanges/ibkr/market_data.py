"""Snapshots and quotes.

The first call for a conid only opens the venue's stream and brings no prices; later ones bring them field by field.
So a conid that is new to the session is asked again, on the clock, until both sides are there or a bounded number of
calls has been made. A conid that is known costs one call for up to a hundred. Each open stream is one of the user's
market-data lines; one too many is refused here, because the venue would only answer without prices.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

import msgspec

from exchanges.ibkr.client import Client
from exchanges.ibkr.data_lines import DataLines
from exchanges.ibkr.mapping import quotes as mapping
from exchanges.ibkr.mapping.numbers import conid_text
from exchanges.ibkr.rates import DATA_LINES, SNAPSHOT_CONIDS, SNAPSHOT_FIELDS
from exchanges.ibkr.wire.market_data import COMMON_FIELDS, SnapshotFields, SnapshotRow
from exchanges.ibkr.wire.session import Message
from horizon.clock import Clock
from horizon.errors import ConfigurationError, InvalidOrder, Refused, VenueUnavailable, WireError
from horizon.model import Availability, Instrument, MarketId, Quote, Snapshot, split_instrument
from horizon.net.rates import Priority

PREFLIGHT_PAUSE: Final = 0.6
"""Seconds between the calls for a conid that is new: the venue refreshes every half second."""
PREFLIGHT_CALLS: Final = 6

FIELDS: Final[Mapping[str, str]] = {
    **COMMON_FIELDS,
    "delta": "7308",
    "gamma": "7309",
    "theta": "7310",
    "vega": "7311",
    "open_interest": "7638",
    "shortable_shares": "7636",
    "beta": "7718",
    "dividend_yield": "7287",
    "week_52_high": "7293",
    "week_52_low": "7294",
}
"""Snapshot fields by name. A venue's own id such as "7741" may be given in place of a name."""

_QUOTE_FIELDS: Final = ("bid", "ask", "bid_size", "ask_size", "last", "availability")
_SNAPSHOT_FIELDS: Final = (
    *_QUOTE_FIELDS,
    "last_size",
    "volume",
    "volume_long",
    "open",
    "high",
    "low",
    "prior_close",
    "change",
    "change_percent",
)

_NOT_OPEN: Final = "500 (unknown)"

Row = TypeVar("Row", SnapshotRow, SnapshotFields)


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What one read of several instruments brought: quotes, and a cause for each instrument without a price."""

    quotes: tuple[Quote, ...]
    causes: Mapping[Instrument, str]


class MarketData:
    """The venue's snapshots. `latest` keeps the last quote of each market for whoever must judge its age.

    `prepare` is called with market ids that are new to the session before their first snapshot: derivatives answer
    nothing until their underlying has been searched. `tell` is called with what is wrong with the data as a whole, by
    what each market last said, and what to do; with two empty texts when nothing is.
    """

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        exchange: str,
        prepare: Callable[[Sequence[MarketId]], Awaitable[None]] | None = None,
        tell: Callable[[str, str], None] | None = None,
    ) -> None:
        self._client = client
        self._clock = clock
        self._exchange = exchange
        self._prepare = prepare
        self._tell = tell
        self._codes: dict[str, str] = {}
        self._latest: dict[MarketId, Quote] = {}
        self._known: set[str] = set()
        """Conids that need no preflight any more."""
        self._streams: dict[str, None] = {}
        """Conids whose streams the venue holds open, in the order of asking."""
        self.lines = DataLines(DATA_LINES)
        """The streams that count as open at the venue."""

    @property
    def is_streaming(self) -> bool:
        """Whether the venue holds streams open for us."""
        return bool(self._streams)

    def latest(self, market_id: MarketId) -> Quote | None:
        """The last quote that was read of a market, however old."""
        return self._latest.get(market_id)

    async def quotes(self, instruments: Sequence[Instrument]) -> list[Quote]:
        """One quote per instrument, in their order; what the venue does not send is None.

        Raises WireError for a row that cannot be read, Refused for a conid that the venue does not answer, and
        ConfigurationError for more streams than a user may have open.
        """
        reading = await self.read(instruments)
        by_instrument = {quote.instrument: quote for quote in reading.quotes}
        for instrument in instruments:
            if instrument not in by_instrument:
                raise Refused(f"no quote for {instrument}: {reading.causes[instrument]}", code="no quote")
        return [by_instrument[instrument] for instrument in instruments]

    async def read(self, instruments: Sequence[Instrument]) -> Reading:
        """As `quotes`, with a cause instead of an error for an instrument whose row is missing or unreadable."""
        wanted = self._conids(instruments)
        fields = ",".join(FIELDS[name] for name in _QUOTE_FIELDS)
        rows = await self._rows(list(wanted), fields, SnapshotRow, _conid, mapping.has_top_of_book)
        now = self._clock.now()
        found: list[Quote] = []
        causes: dict[Instrument, str] = {}
        for conid, names in wanted.items():
            row = rows.get(conid)
            if row is None:
                causes.update(dict.fromkeys(names, f"the venue sent no row for conid {conid}"))
                continue
            try:
                quotes = [mapping.quote(row, name, now) for name in names]
            except WireError as error:
                causes.update(dict.fromkeys(names, str(error)))
                continue
            found += quotes
            self._latest[MarketId(conid)] = quotes[0]
            if quotes[0].bid is None and quotes[0].ask is None:
                causes.update(dict.fromkeys(names, _why_no_price(quotes[0])))
        return Reading(quotes=tuple(found), causes=causes)

    async def snapshots(self, instruments: Sequence[Instrument], fields: Iterable[str] = ()) -> list[Snapshot]:
        """Last, volume, day range and the named extra `fields`, one per instrument, in their order."""
        wanted = self._conids(instruments)
        ids = list(dict.fromkeys([*(FIELDS[name] for name in _SNAPSHOT_FIELDS), *map(_field_id, fields)]))
        if len(ids) > SNAPSHOT_FIELDS:
            raise ConfigurationError(
                f"expected at most {SNAPSHOT_FIELDS} snapshot fields in one call, found {len(ids)}"
            )
        rows = await self._rows(list(wanted), ",".join(ids), SnapshotFields, _conid_of_fields, _has_any_price)
        now = self._clock.now()
        result = []
        for instrument in instruments:
            conid = split_instrument(instrument)[1]
            if conid not in rows:
                raise Refused(f"no snapshot for {instrument}: the venue sent no row for it", code="no snapshot")
            result.append(mapping.snapshot(rows[conid], instrument, now))
        return result

    async def unsubscribe(self, instruments: Iterable[Instrument]) -> None:
        """Close the venue's streams of these instruments. A stream that was not open is no error."""
        for conid in self._conids(list(instruments)):
            self._known.discard(conid)
            self._streams.pop(conid, None)
            try:
                await self._client.post("/iserver/marketdata/unsubscribe", Message, body={"conid": int(conid)})
            except (Refused, VenueUnavailable) as error:
                # A stream that is not open is answered with status 500 "unknown", and not open is what was asked for.
                if isinstance(error, VenueUnavailable) and _NOT_OPEN not in str(error):
                    raise
            self.lines.free(conid)

    async def unsubscribe_all(self) -> None:
        """Close every stream of the session."""
        self._known.clear()
        self._streams.clear()
        await self._client.get("/iserver/marketdata/unsubscribeall", Message)
        self.lines.free_all()

    def forget(self) -> None:
        """After a new session: every conid is new again, and its prices are waited for anew."""
        self._known.clear()
        self._codes.clear()
        self.lines.free_all()

    async def restore(self) -> None:
        """After a new session: open the streams again that were open, so that their prices are there when they are
        read. Until then every conid counts as new."""
        before = list(self._streams)
        self.forget()
        self.lines.take(before)
        if before and self._prepare is not None:
            await self._prepare([MarketId(conid) for conid in before])
        fields = ",".join(FIELDS[name] for name in _QUOTE_FIELDS)
        for start in range(0, len(before), SNAPSHOT_CONIDS):
            await self._client.get(
                "/iserver/marketdata/snapshot",
                list[SnapshotRow],
                params={"conids": ",".join(before[start : start + SNAPSHOT_CONIDS]), "fields": fields},
            )

    # -- inside --------------------------------------------------------------------------------------------------

    async def _rows(
        self,
        conids: list[str],
        fields: str,
        row_type: type[Row],
        conid_of: Callable[[Row], str | None],
        complete: Callable[[Row], bool],
    ) -> dict[str, Row]:
        fresh = [conid for conid in conids if conid not in self._known]
        self.lines.take(fresh)
        if fresh and self._prepare is not None:
            await self._prepare([MarketId(conid) for conid in fresh])
        rows: dict[str, Row] = {}
        for start in range(0, len(conids), SNAPSHOT_CONIDS):
            chunk = conids[start : start + SNAPSHOT_CONIDS]
            rows |= await self._chunk(chunk, fields, row_type, conid_of, complete)
        self._known.update(rows)
        self._streams.update(dict.fromkeys(rows))
        self._tell_of_data(rows)
        return rows

    def _tell_of_data(self, rows: Mapping[str, SnapshotRow | SnapshotFields]) -> None:
        """Data is down as a whole when the agreement is missing, or when nothing that was asked for is subscribed."""
        if self._tell is None:
            return
        for conid, row in rows.items():
            code = row.availability if isinstance(row, SnapshotRow) else str(row.get(FIELDS["availability"]) or "")
            if code:
                self._codes[conid] = code[:1]
        letters = set(self._codes.values())
        if "O" in letters:
            self._tell(
                "the yearly market-data agreement of this user is not acknowledged",
                "acknowledge it in IBKR's Client Portal, under the market-data settings",
            )
        elif letters == {"N"}:
            self._tell(
                "no market data is subscribed for what was asked for",
                "subscribe to it in IBKR's Client Portal, or share the live user's data with the paper user",
            )
        else:
            self._tell("", "")

    async def _chunk(
        self,
        chunk: list[str],
        fields: str,
        row_type: type[Row],
        conid_of: Callable[[Row], str | None],
        complete: Callable[[Row], bool],
    ) -> dict[str, Row]:
        rows: dict[str, Row] = {}
        asked = chunk
        for call in range(PREFLIGHT_CALLS):
            if call:
                await self._clock.sleep(PREFLIGHT_PAUSE)
            answer = await self._client.get(
                "/iserver/marketdata/snapshot",
                list[row_type],  # type: ignore[valid-type]
                params={"conids": ",".join(asked), "fields": fields},
                priority=Priority.POLLING,
            )
            for row in answer:
                conid = conid_of(row)
                if conid is not None:
                    rows[conid] = row
            asked = [
                conid
                for conid in asked
                if conid not in self._known and (conid not in rows or not complete(rows[conid]))
            ]
            if not asked:
                break
        return rows

    def _conids(self, instruments: Sequence[Instrument]) -> dict[str, list[Instrument]]:
        wanted: dict[str, list[Instrument]] = {}
        for instrument in instruments:
            exchange, market_id, _ = split_instrument(instrument)
            if exchange != self._exchange:
                raise ConfigurationError(f"expected an instrument of {self._exchange}, found {instrument!r}")
            if not market_id.isdecimal():
                raise InvalidOrder(
                    f"expected a conid (digits only) in {instrument!r}, found {market_id!r}: look it up with market()",
                    rule="market_id",
                )
            names = wanted.setdefault(market_id, [])
            if instrument not in names:
                names.append(instrument)
        return wanted


def _conid(row: SnapshotRow) -> str | None:
    return conid_text(row.conid)


def _conid_of_fields(row: SnapshotFields) -> str | None:
    return conid_text(row.get("conid"))


def _has_any_price(row: SnapshotFields) -> bool:
    return any(row.get(FIELDS[name]) for name in ("bid", "ask", "last"))


def _field_id(name: str) -> str:
    if name.isdecimal():
        return name
    if name not in FIELDS:
        raise ConfigurationError(f"unknown snapshot field {name!r}: use one of {', '.join(sorted(FIELDS))}, or an id")
    return FIELDS[name]


def _why_no_price(quote: Quote) -> str:
    if quote.availability is Availability.UNAVAILABLE:
        return "no market data: not subscribed, or the market-data agreement is not acknowledged"
    return "no bid and no ask"
