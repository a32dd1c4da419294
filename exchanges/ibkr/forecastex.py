"""ForecastEx event contracts: finding the YES and NO conids of a question, and what they pay.

Two ways lead to them. `/forecast/*` knows questions, times and rules and is asked first. Where the venue does not serve
it, the walk over `secdef/search`, `strikes` and `info` finds the pairs, without question texts and without thresholds:
a strike alone may be an ordinal.
"""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.mapping import events as mapping
from exchanges.ibkr.mapping.choice import fits, month_code
from exchanges.ibkr.mapping.contracts import multiplier
from exchanges.ibkr.mapping.events import Pair
from exchanges.ibkr.mapping.numbers import conid_text, decimal
from exchanges.ibkr.markets import Markets
from exchanges.ibkr.profile import FORECASTEX, FORECASTEX_PAYOUT
from exchanges.ibkr.wire.contracts import SearchRow, Strikes
from exchanges.ibkr.wire.forecast import (
    ForecastCategories,
    ForecastDetails,
    ForecastMarket,
    ForecastMarketRef,
    ForecastRules,
    ForecastSchedules,
)
from horizon.clock import Clock, to_datetime
from horizon.errors import ConfigurationError, Refused, WireError
from horizon.model import EventTerms, Market, MarketId, MarketKind, MarketQuery, Side, TradingHours, plain

_MONTHS_AHEAD: Final = 12


class Forecasts:
    """The event markets of ForecastEx. What was read is kept for the session."""

    def __init__(self, client: Client, clock: Clock, markets: Markets, *, exchange: str) -> None:
        self._client = client
        self._clock = clock
        self._markets = markets
        self._exchange = exchange
        self._tree: ForecastCategories | None = None
        self._details: dict[MarketId, ForecastDetails] = {}
        self._rules: dict[MarketId, ForecastRules] = {}
        self._hours: dict[str, TradingHours | None] = {}

    async def products(self, text: str = "") -> list[ForecastMarketRef]:
        """Product codes with their names, where `text` is in either; all of them for an empty text."""
        wanted = text.casefold()
        found = {
            ref.symbol: ref
            for category in (await self._categories()).categories.values()
            for ref in category.markets or []
            if ref.symbol and wanted in f"{ref.symbol} {ref.name or ''}".casefold()
        }
        return list(found.values())

    async def find(self, query: MarketQuery) -> list[Market]:
        """Both sides of every pair for which all that the query says holds."""
        if query.market_id is not None:
            return [market for market in await self.pair_of(query.market_id) if market.market_id == query.market_id]
        found: list[Market] = []
        for underlying, pairs in await self._pairs(query):
            for pair in await self._narrowed(pairs, query):
                found += await self._markets_of(underlying, pair)
        return [market for market in found if fits(market, query)]

    async def pair_of(self, market_id: MarketId) -> list[Market]:
        """The YES and the NO market behind either conid."""
        try:
            details = await self._detail(market_id)
        except (Refused, WireError) as error:
            raise ConfigurationError(
                f"conid {market_id} is an event contract whose pair the venue does not tell ({error}): find it by its "
                "product code"
            ) from error
        strike = decimal(details.strike)
        if strike is None:
            raise WireError(
                f"expected a strike for event conid {market_id}, found none",
                path="/forecast/contract/details",
                found=repr(details)[:200],
            )
        pair = Pair(
            underlying=conid_text(details.underlying_conid) or "",
            expiration=details.expiration or "",
            strike=strike,
            yes=MarketId(conid_text(details.conid_yes) or ""),
            no=MarketId(conid_text(details.conid_no) or ""),
            label=details.strike_label or "",
        )
        return await self._markets_of(None, pair)

    # -- finding -------------------------------------------------------------------------------------------------

    async def _pairs(self, query: MarketQuery) -> list[tuple[SearchRow | None, list[Pair]]]:
        """Pairs by product; those of the fallback come with their search row."""
        try:
            refs = await self.products(query.symbol or query.text)
        except (Refused, WireError):
            # Not every gateway serves /forecast: the options-style walk finds the same contracts.
            return await self._walk(query)
        if query.symbol:
            refs = [ref for ref in refs if (ref.symbol or "").upper() == query.symbol.upper()]
        found: list[tuple[SearchRow | None, list[Pair]]] = []
        for ref in refs:
            conid = conid_text(ref.conid)
            if conid is None or (ref.exchange or FORECASTEX) != FORECASTEX:
                continue
            market = await self._client.get(
                "/forecast/contract/market", ForecastMarket, params={"underlyingConid": conid}
            )
            found.append((None, _of_expiry(mapping.pairs(market.contracts), query.expiry)))
        return found

    async def _walk(self, query: MarketQuery) -> list[tuple[SearchRow | None, list[Pair]]]:
        found: list[tuple[SearchRow | None, list[Pair]]] = []
        for row in await self._markets.search(query.symbol or query.text):
            underlying = conid_text(row.conid)
            if underlying is None or not _is_product(row):
                continue
            pairs: list[Pair] = []
            for month in self._months(row, query.expiry):
                pairs += await self._month(underlying, month)
            found.append((row, _of_expiry(pairs, query.expiry)))
        return found

    async def _month(self, underlying: str, month: str) -> list[Pair]:
        strikes = await self._client.get(
            "/iserver/secdef/strikes",
            Strikes,
            params={"conid": underlying, "exchange": FORECASTEX, "sectype": "OPT", "month": month},
        )
        pairs: list[Pair] = []
        for strike in sorted({*strikes.call, *strikes.put}):
            rows = await self._markets.secdef_info(underlying, "OPT", month, FORECASTEX, strike=Decimal(str(strike)))
            for row in rows:
                conid = conid_text(row.conid) or ""
                # Checked here and not used: a ForecastEx contract pays its payout once.
                multiplier(row.multiplier, row.secType or "OPT", conid, path="/iserver/secdef/info")
            pairs += mapping.secdef_pairs(rows, underlying)
        return pairs

    def _months(self, row: SearchRow, expiry: str | None) -> list[str]:
        """`SEP24` and so on: of the query, else of the search row, else of the coming year."""
        if expiry is not None:
            return [month_code(expiry)]
        listed = [month for part in row.sections for month in (part.months or "").split(";") if month]
        dated = [month_code(date) for date in (row.opt or "").split(";") if len(date) == 8]
        if listed or dated:
            return list(dict.fromkeys(listed + dated))
        now = to_datetime(self._clock.now())
        months = (now.year * 12 + now.month - 1 + ahead for ahead in range(_MONTHS_AHEAD))
        return [month_code(f"{month // 12}{month % 12 + 1:02}") for month in months]

    async def _narrowed(self, pairs: Sequence[Pair], query: MarketQuery) -> list[Pair]:
        """The pairs that a threshold leaves. Rules are read only where the label does not say the number."""
        if query.threshold is None and query.nearest_threshold is None:
            return list(pairs)
        by_threshold: dict[Decimal, list[Pair]] = {}
        for pair in pairs:
            number = mapping.threshold(pair.label, None)
            if number is None and not pair.label:
                number = mapping.threshold(None, (await self._rule(pair.yes)).threshold)
            if number is not None:
                by_threshold.setdefault(number, []).append(pair)
        if query.threshold is not None:
            return by_threshold.get(query.threshold, [])
        if not by_threshold or query.nearest_threshold is None:
            return []
        wanted = query.nearest_threshold
        nearest = min(abs(number - wanted) for number in by_threshold)
        return [pair for number, some in by_threshold.items() if abs(number - wanted) == nearest for pair in some]

    # -- knowing -------------------------------------------------------------------------------------------------

    async def _markets_of(self, row: SearchRow | None, pair: Pair) -> list[Market]:
        kept = [self._markets.known(conid) for conid in (pair.yes, pair.no)]
        if kept[0] is not None and kept[1] is not None:
            return [kept[0], kept[1]]
        if row is not None:
            return [await self._plain_market(row, pair, side) for side in (Side.YES, Side.NO)]
        details, rules = await self._detail(pair.yes), await self._rule(pair.yes)
        payout = mapping.payout(rules.payout, details.payout, path="/forecast/contract/rules")
        hours = await self._trading_hours(pair)
        info = await self._markets.info(pair.yes)
        found = []
        for side, conid, twin in ((Side.YES, pair.yes, pair.no), (Side.NO, pair.no, pair.yes)):
            market = Market(
                exchange=self._exchange,
                market_id=conid,
                kind=MarketKind.EVENT,
                symbol=details.symbol or rules.product_code or info.symbol or conid,
                name=details.market_name or "",
                currency=info.currency or "USD",
                multiplier=multiplier(
                    info.multiplier, info.instrument_type or "OPT", conid, path=f"/iserver/contract/{conid}/info"
                ),
                price_grid=mapping.price_grid(rules),
                side=side,
                listing_exchange=FORECASTEX,
                hours=hours,
                event=mapping.terms(pair, details, rules, twin=twin, payout=payout),
            )
            self._markets.remember(market)
            found.append(market)
        return found

    async def _plain_market(self, row: SearchRow, pair: Pair, side: Side) -> Market:
        """A market of the walk: no question, no times, and no threshold, because a strike may be an ordinal."""
        conid, twin = (pair.yes, pair.no) if side is Side.YES else (pair.no, pair.yes)
        info = await self._markets.info(conid)
        name = row.companyName or row.companyHeader or ""
        market = Market(
            exchange=self._exchange,
            market_id=conid,
            kind=MarketKind.EVENT,
            symbol=row.symbol or info.symbol or conid,
            name=name,
            currency=info.currency or "USD",
            multiplier=multiplier(info.multiplier, "OPT", conid, path=f"/iserver/contract/{conid}/info"),
            price_grid=mapping.price_grid(None),
            side=side,
            listing_exchange=FORECASTEX,
            event=EventTerms(
                question=f"{name}, strike {plain(pair.strike)}, {pair.expiration}",
                payout=FORECASTEX_PAYOUT,
                twin=twin,
                strike=pair.strike,
                underlying_id=MarketId(pair.underlying),
            ),
        )
        self._markets.remember(market)
        return market

    async def _categories(self) -> ForecastCategories:
        if self._tree is None:
            self._tree = await self._client.get("/forecast/category/tree", ForecastCategories)
        return self._tree

    async def _detail(self, market_id: MarketId) -> ForecastDetails:
        if market_id not in self._details:
            details = await self._client.get("/forecast/contract/details", ForecastDetails, params={"conid": market_id})
            for conid in (details.conid_yes, details.conid_no):
                self._details[MarketId(conid_text(conid) or "")] = details
            self._details[market_id] = details
        return self._details[market_id]

    async def _rule(self, market_id: MarketId) -> ForecastRules:
        if market_id not in self._rules:
            self._rules[market_id] = await self._client.get(
                "/forecast/contract/rules", ForecastRules, params={"conid": market_id}
            )
        return self._rules[market_id]

    async def _trading_hours(self, pair: Pair) -> TradingHours | None:
        """The week's sessions of a product; None where the venue does not tell them."""
        key = pair.underlying or pair.yes
        if key not in self._hours:
            try:
                schedule = await self._client.get(
                    "/forecast/contract/schedules", ForecastSchedules, params={"conid": pair.yes}
                )
            except Refused:
                self._hours[key] = None
            else:
                self._hours[key] = mapping.trading_hours(schedule, self._clock.now())
        return self._hours[key]


def _is_product(row: SearchRow) -> bool:
    """Whether a search row is a ForecastEx product: an artificial index that holds event contracts."""
    return any(part.secType == "IND" and FORECASTEX in (part.exchange or "") for part in row.sections)


def _of_expiry(pairs: Sequence[Pair], expiry: str | None) -> list[Pair]:
    return [pair for pair in pairs if expiry is None or pair.expiration.startswith(expiry)]
