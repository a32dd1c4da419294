"""Finding markets and knowing their rules. Events are in `forecastex`.

Which listing `market("SPY")` means, when a symbol is listed in several places: the one US listing among the exact
matches of `/trsrv/stocks`; where there is no US listing, the only listing there is. Anything else is ambiguous and
raises with the candidates. A `listing_exchange` or `currency` in the query narrows the choice first.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping import contracts as mapping
from exchanges.ibkr.mapping.choice import fits, month_code, only
from exchanges.ibkr.mapping.contracts import ContractFacts
from exchanges.ibkr.mapping.numbers import conid_text, decimal
from exchanges.ibkr.wire.contracts import (
    ContractInfo,
    CurrencyPairs,
    Futures,
    SearchRow,
    SecdefInfoRow,
    Stocks,
    Strikes,
    TradingSchedule,
)
from horizon.errors import ConfigurationError, Refused
from horizon.model import Market, MarketId, MarketKind, MarketQuery, Side, TradingHours, plain

_SEARCHED_AS: Final = {MarketKind.INDEX: "IND", MarketKind.BOND: "BOND"}
_SECTION_OF: Final = {
    MarketKind.INDEX: "IND",
    MarketKind.FUND: "FUND",
    MarketKind.CFD: "CFD",
    MarketKind.WARRANT: "WAR",
    MarketKind.BOND: "BOND",
    MarketKind.CRYPTO: "CRYPTO",
}
_SEARCHED_FIRST: Final = frozenset({MarketKind.OPTION, MarketKind.FUTURE, MarketKind.FUTURE_OPTION, MarketKind.EVENT})
MOST_CANDIDATES: Final = 20
"""So many markets are looked into for one query; more means that the query is too wide."""


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate before its rules are known."""

    market_id: MarketId
    symbol: str
    name: str = ""
    exchange: str = ""
    is_us: bool | None = None


class Markets:
    """Contracts of the venue. What was read is kept for the session."""

    def __init__(self, client: Client, *, exchange: str) -> None:
        self._client = client
        self._exchange = exchange
        self._infos: dict[MarketId, ContractInfo] = {}
        self._markets: dict[MarketId, Market] = {}
        self._facts: dict[MarketId, ContractFacts] = {}
        self._searches: dict[tuple[str, str, bool], list[SearchRow]] = {}

    # -- finding -------------------------------------------------------------------------------------------------

    async def find(self, query: MarketQuery) -> list[Market]:
        """Every market for which all that the query says holds; none is an empty list."""
        listings = await self.listings(query)
        if len(listings) > MOST_CANDIDATES:
            raise ConfigurationError(
                f"{query.describe()} matches {len(listings)} markets, more than the {MOST_CANDIDATES} that are looked "
                "into at once: narrow it by listing_exchange, expiry, strike or right"
            )
        markets = [await self.by_conid(listing.market_id, listing_exchange=listing.exchange) for listing in listings]
        return [market for market in markets if fits(market, query)]

    async def listings(self, query: MarketQuery) -> list[Listing]:
        """The candidates of a query by symbol or text, before currency and rules are known."""
        if query.market_id is not None:
            return [Listing(market_id=query.market_id, symbol=query.symbol)]
        if not query.symbol:
            return await self._by_text(query)
        match query.kind:
            case MarketKind.OPTION:
                return await self._options(query)
            case MarketKind.FUTURE:
                return await self._futures(query)
            case MarketKind.FOREX:
                return await self._pairs(query.symbol)
            case MarketKind.FUTURE_OPTION | MarketKind.OTHER:
                raise ConfigurationError(f"{query.kind} markets are found by their conid: give market_id")
            case None | MarketKind.STOCK:
                found = await self._stocks(query)
                if found or query.kind is MarketKind.STOCK:
                    return found
                return await self._sections(query.symbol, MarketKind.INDEX)
            case _:
                return await self._sections(query.symbol, query.kind)

    async def the_one(self, query: MarketQuery) -> Market:
        """Exactly one market. Raises ConfigurationError for none, and for several with the candidates."""
        listings = await self.listings(query)
        if query.kind in (None, MarketKind.STOCK) and len(listings) > 1:
            home = [listing for listing in listings if listing.is_us]
            if query.listing_exchange is None and query.currency is None and len(home) == 1:
                listings = home
        markets = [
            market
            for listing in listings[:MOST_CANDIDATES]
            if fits(market := await self.by_conid(listing.market_id, listing_exchange=listing.exchange), query)
        ]
        return only(markets, query)

    # -- knowing -------------------------------------------------------------------------------------------------

    def known(self, market_id: MarketId) -> Market | None:
        """A market that was read before in this session."""
        return self._markets.get(market_id)

    def remember(self, market: Market) -> None:
        """Keep a market that was found elsewhere (an event)."""
        self._markets[market.market_id] = market

    async def by_conid(self, market_id: MarketId, *, listing_exchange: str = "") -> Market:
        """The market of a conid, with increments, multiplier and hours; not for events."""
        kept = self._markets.get(market_id)
        if kept is not None:
            return kept
        info = await self.info(market_id)
        market = mapping.market(
            info,
            exchange=self._exchange,
            listing_exchange=listing_exchange,
            hours=await self._hours(market_id),
        )
        self._markets[market_id] = market
        return market

    async def info(self, market_id: MarketId) -> ContractInfo:
        """A contract with its trading rules. Raises ConfigurationError for text and for a conid nobody knows."""
        if not market_id.isdecimal():
            raise ConfigurationError(
                f"expected a conid (digits only) as market_id, found {market_id!r}: give it as symbol to look it up"
            )
        kept = self._infos.get(market_id)
        if kept is not None:
            return kept
        try:
            info = await self._client.get(f"/iserver/contract/{market_id}/info-and-rules", ContractInfo)
        except Refused as error:
            raise ConfigurationError(f"conid {market_id} is not known to the venue: {error.text}") from error
        self._infos[market_id] = info
        return info

    async def facts(self, market_ids: Sequence[MarketId]) -> Mapping[MarketId, ContractFacts]:
        """Side, currency and multiplier of contracts, for fills and positions."""
        for market_id in market_ids:
            if market_id not in self._facts:
                self._facts[market_id] = await self._facts_of(market_id)
        return {market_id: self._facts[market_id] for market_id in market_ids}

    async def prepare(self, market_ids: Sequence[MarketId]) -> None:
        """Search the underlying of derivatives that are known here: without it their snapshots stay empty."""
        symbols = {symbol for market_id in market_ids if (symbol := self._underlying_symbol(market_id))}
        for symbol in sorted(symbols):
            await self.search(symbol)

    def forget(self) -> None:
        """After a new session: the venue has forgotten what was searched."""
        self._searches.clear()

    async def search(self, symbol: str, *, security_type: str = "", by_name: bool = False) -> list[SearchRow]:
        """Rows of `secdef/search`, asked once a session. The venue says "no match" in several ways: all are []."""
        key = (symbol.upper(), security_type, by_name)
        if key not in self._searches:
            params: dict[str, str | int | bool] = {"symbol": symbol}
            if security_type:
                params["secType"] = security_type
            if by_name:
                params["name"] = True
            try:
                self._searches[key] = await self._client.get("/iserver/secdef/search", list[SearchRow], params=params)
            except Refused:
                return []
        return self._searches[key]

    # -- inside --------------------------------------------------------------------------------------------------

    def _underlying_symbol(self, market_id: MarketId) -> str:
        """The symbol to search for; empty for what needs no search or is not known here."""
        info, market = self._infos.get(market_id), self._markets.get(market_id)
        if market is not None and market.kind in _SEARCHED_FIRST:
            return market.symbol
        return (info.symbol or "") if info is not None and mapping.is_derivative(info.instrument_type) else ""

    async def _facts_of(self, market_id: MarketId) -> ContractFacts:
        market = self._markets.get(market_id)
        if market is None:
            return mapping.facts(await self.info(market_id))
        return ContractFacts(
            market_id=market_id,
            kind=market.kind,
            symbol=market.symbol,
            side=market.side or Side.LONG,
            currency=market.currency,
            multiplier=market.multiplier,
        )

    async def _hours(self, market_id: MarketId) -> TradingHours | None:
        """The sessions the venue knows; None where it refuses to say, which it does for some contracts."""
        try:
            schedule = await self._client.get(
                "/contract/trading-schedule", TradingSchedule, params={"conid": market_id}
            )
        except Refused:
            return None
        return mapping.trading_hours(schedule)

    async def _stocks(self, query: MarketQuery) -> list[Listing]:
        try:
            answer = await self._client.get("/trsrv/stocks", Stocks, params={"symbols": query.symbol.upper()})
        except Refused:
            return []
        found = [
            Listing(
                market_id=MarketId(conid_text(contract.conid) or ""),
                symbol=query.symbol.upper(),
                name=row.name or "",
                exchange=contract.exchange or "",
                is_us=contract.isUS,
            )
            for row in answer.get(query.symbol.upper(), [])
            if row.assetClass in (None, "STK")
            for contract in row.contracts
        ]
        if query.listing_exchange is not None:
            found = [listing for listing in found if listing.exchange == query.listing_exchange]
        return sorted(found, key=lambda listing: not listing.is_us)

    async def _sections(self, symbol: str, kind: MarketKind) -> list[Listing]:
        section = _SECTION_OF.get(kind, "STK")
        found = []
        for row in await self.search(symbol, security_type=_SEARCHED_AS.get(kind, "")):
            for part in row.sections:
                if part.secType == section and (row.symbol or "").upper() == symbol.upper():
                    conid = conid_text(part.conid) or conid_text(row.conid)
                    if conid is not None:
                        found.append(_listing(row, conid))
        return found

    async def _by_text(self, query: MarketQuery) -> list[Listing]:
        found = []
        for row in await self.search(query.text, by_name=True):
            conid = conid_text(row.conid)
            if conid is not None and query.text.casefold() in (row.companyName or "").casefold():
                found.append(_listing(row, conid))
        return found

    async def _pairs(self, symbol: str) -> list[Listing]:
        base, _, quoted = symbol.upper().partition(".")
        if not base or not quoted:
            raise ConfigurationError(f"expected a currency pair such as EUR.USD, found {symbol!r}")
        answer = await self._client.get("/iserver/currency/pairs", CurrencyPairs, params={"currency": quoted})
        return [
            Listing(market_id=MarketId(conid_text(pair.conid) or ""), symbol=symbol.upper())
            for pairs in answer.values()
            for pair in pairs
            if pair.symbol == f"{base}.{quoted}"
        ]

    async def _futures(self, query: MarketQuery) -> list[Listing]:
        symbol = query.symbol.upper()
        answer = await self._client.get("/trsrv/futures", Futures, params={"symbols": symbol})
        rows = sorted(answer.get(symbol, []), key=lambda row: row.expirationDate or 0)
        return [
            Listing(market_id=MarketId(conid_text(row.conid) or ""), symbol=symbol)
            for row in rows
            if query.expiry is None or str(row.expirationDate or "").startswith(query.expiry)
        ]

    async def _options(self, query: MarketQuery) -> list[Listing]:
        if query.expiry is None or query.strike is None:
            raise ConfigurationError(
                f"an option needs an expiry (YYYYMMDD, or YYYYMM for a month) and a strike, found {query.describe()}"
            )
        underlying = await self._option_underlying(query)
        if underlying is None:
            return []
        conid, month, exchange = underlying, month_code(query.expiry), "SMART"
        strikes = await self._client.get(
            "/iserver/secdef/strikes",
            Strikes,
            params={"conid": conid, "sectype": "OPT", "month": month, "exchange": exchange},
        )
        wanted = {"CALL": strikes.call, "PUT": strikes.put}
        rights = [query.right.value] if query.right is not None else list(wanted)
        found: list[Listing] = []
        for right in rights:
            if any(decimal(strike) == query.strike for strike in wanted[right]):
                found += await self._option_rows(conid, month, exchange, query.strike, right[0], query.expiry)
        return found

    async def _option_underlying(self, query: MarketQuery) -> str | None:
        for row in await self.search(query.symbol):
            if (row.symbol or "").upper() == query.symbol.upper() and any(
                part.secType == "OPT" and month_code(query.expiry or "") in (part.months or "").split(";")
                for part in row.sections
            ):
                return conid_text(row.conid)
        return None

    async def _option_rows(
        self, conid: str, month: str, exchange: str, strike: Decimal, right: str, expiry: str
    ) -> list[Listing]:
        rows = await self.secdef_info(conid, "OPT", month, exchange, strike=strike, right=right)
        return [
            Listing(market_id=MarketId(found), symbol=row.symbol or row.ticker or "", exchange=exchange)
            for row in rows
            if (found := conid_text(row.conid)) is not None and (row.maturityDate or "").startswith(expiry)
        ]

    async def secdef_info(
        self,
        conid: str,
        security_type: str,
        month: str,
        exchange: str,
        *,
        strike: Decimal | None = None,
        right: str = "",
    ) -> list[SecdefInfoRow]:
        """Derivatives of an underlying that was searched before in this session."""
        params: dict[str, str | int | bool] = {
            "conid": conid,
            "sectype": security_type,
            "month": month,
            "exchange": exchange,
        }
        if strike is not None:
            params["strike"] = plain(strike)
        if right:
            params["right"] = right
        return await self._client.get("/iserver/secdef/info", list[SecdefInfoRow], params=params)


def _listing(row: SearchRow, conid: str) -> Listing:
    return Listing(
        market_id=MarketId(conid),
        symbol=row.symbol or "",
        name=row.companyName or row.companyHeader or "",
        exchange=row.description or "",
    )
