"""Finding contracts, and what the gateway says about them."""

from datetime import date, datetime, timedelta

from exchanges.ibkr.simulator.algos import algo_rows
from exchanges.ibkr.simulator.calls import Call, Needs, Refusal, Route, bad_request, unknown_failure, whole
from exchanges.ibkr.simulator.contract_rules import rules_of
from exchanges.ibkr.simulator.contracts import Contract, month_code
from exchanges.ibkr.simulator.descriptions import local_symbol, secdef_row
from exchanges.ibkr.simulator.events import EXCHANGE
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS, to_datetime, to_nanoseconds
from horizon.model import TradingSession

_MOST_CONIDS = 200
_PAIRS = (
    ("USD.CHF", 12087820, "CHF", 0.88),
    ("EUR.USD", 12087792, "EUR", 0.92),
    ("GBP.USD", 12087797, "GBP", 0.79),
    ("USD.JPY", 15016059, "JPY", 150.0),
    ("USD.CAD", 15016062, "CAD", 1.37),
)
_RATES = {currency: rate for _, _, currency, rate in _PAIRS} | {"USD": 1.0}
"""Units of a currency for one US dollar: fixed here."""
_RIGHTS = {"C": "CALL", "P": "PUT"}
_LONGEST_SCHEDULE = 10


def search(state: State, call: Call) -> object:
    """By ticker, or by company name with `name=true`. Opens the way to the derivatives of what was found by ticker.

    What the real gateway says when nothing matches is not known; both forms that clients report are sent: an empty
    list to a GET, an error to a POST.
    """
    asked = dict(call.query) if call.method == "GET" else {k: str(v) for k, v in call.object().items()}
    symbol = asked.get("symbol", "")
    if not symbol:
        raise bad_request("symbol is required")
    by_name = asked.get("name", "").lower() == "true"
    found = state.catalogue.named(symbol) if by_name else state.catalogue.listings(symbol)
    wanted = asked.get("secType")
    found = [c for c in found if wanted in (None, "", "None", c.sec_type)]
    if not found:
        return [] if call.method == "GET" else {"error": "No symbol found."}
    if not by_name:
        state.session.brokerage.searched.update(contract.conid for contract in found)
    return [_search_row(state, contract) for contract in found]


def _search_row(state: State, contract: Contract) -> dict[str, object]:
    exchange = contract.main_exchange
    return {
        "conid": str(contract.conid),
        "companyHeader": f"{contract.name} - {exchange}",
        "companyName": contract.name,
        "symbol": contract.symbol,
        "description": exchange,
        "restricted": None,
        "sections": _sections(state, contract),
    }


def _sections(state: State, contract: Contract) -> list[dict[str, object]]:
    futures = [c for c in state.catalogue.derivatives(contract.conid) if c.sec_type == "FUT"]
    if futures:
        codes = ";".join(dict.fromkeys(month_code(_day(c.expiry)) for c in futures))
        return [{"secType": "IND"}, {"secType": "FUT", "months": codes, "exchange": contract.valid_exchanges}]
    if contract.sec_type == "IND":
        return [{"secType": "IND", "exchange": f"{EXCHANGE};"}, {"secType": "EC"}]
    if not contract.is_us:
        return [{"secType": "STK", "exchange": f"{contract.main_exchange};"}]
    sections: list[dict[str, object]] = [{"secType": "STK"}]
    if contract.has_options:
        months = dict.fromkeys(month_code(_day(c.expiry)) for c in state.catalogue.derivatives(contract.conid))
        sections.append({"secType": "OPT", "months": ";".join(months), "exchange": "SMART;AMEX;CBOE"})
    return [*sections, {"secType": "BAG"}]


def _day(text: str) -> date:
    return date(int(text[:4]), int(text[4:6]), int(text[6:]))


def _derivatives(state: State, call: Call) -> list[Contract]:
    """The derivatives of the month asked for; none before the underlying was searched for in this session."""
    underlying = call.number("conid")
    if underlying is None:
        raise bad_request("conid is required")
    if underlying not in state.session.brokerage.searched:
        return []
    kind, month = call.query.get("sectype", call.query.get("secType", "")), call.query.get("month", "").upper()
    found = state.catalogue.derivatives(underlying)
    return [contract for contract in found if contract.sec_type == kind and month_code(_day(contract.expiry)) == month]


def strikes(state: State, call: Call) -> object:
    found = _derivatives(state, call)
    return {
        name: sorted({contract.strike for contract in found if contract.right == right})
        for name, right in (("call", "C"), ("put", "P"))
    }


def info(state: State, call: Call) -> object:
    """The contracts of one month, strike and right; the last two may be left out. Or one conid by itself."""
    conid = call.number("conid")
    final = state.catalogue.get(conid) if conid is not None else None
    if final is not None and (final.is_derivative or call.query.get("sectype") == "STK"):
        return [_info_row(final)]
    found = _derivatives(state, call)
    strike, right = call.query.get("strike"), call.query.get("right")
    if strike not in (None, ""):
        try:
            found = [contract for contract in found if contract.strike == float(str(strike))]
        except ValueError:
            raise unknown_failure() from None
    return [_info_row(contract) for contract in found if right in (None, "", contract.right)]


def _info_row(contract: Contract) -> dict[str, object]:
    row: dict[str, object] = {
        "conid": contract.conid,
        "symbol": contract.symbol,
        "ticker": contract.symbol,
        "secType": contract.sec_type,
        "exchange": _exchange(contract),
        "listingExchange": None if contract.is_event else contract.main_exchange,
        "companyName": contract.name,
        "right": contract.right or "?",
        "strike": contract.strike,
        "currency": contract.currency,
        "cusip": None,
        "coupon": "No Coupon",
        "desc1": contract.symbol,
        "desc2": _second_description(contract),
        "maturityDate": contract.expiry,
        "multiplier": contract.multiplier,
        "tradingClass": contract.trading_class or contract.symbol,
        "validExchanges": contract.valid_exchanges,
    }
    return row


def _exchange(contract: Contract) -> str:
    """Where an order goes that does not say where."""
    return "SMART" if contract.valid_exchanges.startswith("SMART") else contract.main_exchange


def _second_description(contract: Contract) -> str:
    if contract.sec_type not in ("OPT", "FOP"):
        return contract.main_exchange
    day, name = _day(contract.expiry), _RIGHTS[contract.right].capitalize()
    where = EXCHANGE if contract.is_event else "SMART"
    return f"{day.strftime('%b').upper()} {day.day} '{day:%y} {contract.strike:g} {name} @{where} (AM)"


def _known(state: State, conid: int | None) -> Contract:
    contract = state.catalogue.get(conid) if conid is not None else None
    if contract is None:
        raise unknown_failure()
    return contract


def contract_info(state: State, call: Call) -> object:
    contract = _known(state, whole(call.path["conid"]))
    state.session.brokerage.searched.add(contract.underlying or contract.conid)
    return _info(contract)


def _info(contract: Contract) -> dict[str, object]:
    derived = contract.sec_type in ("OPT", "FOP")
    row: dict[str, object] = {
        "cfi_code": "",
        "symbol": contract.symbol,
        "cusip": None,
        "expiry_full": contract.expiry or None,
        "con_id": contract.conid,
        "maturity_date": contract.expiry or None,
        "industry": "Funds" if contract.type == "ETF" else "",
        "instrument_type": contract.sec_type,
        "has_related_contracts": contract.has_options,
        "trading_class": contract.trading_class or contract.symbol,
        "valid_exchanges": contract.valid_exchanges,
        "allow_sell_long": False,
        "is_zero_commission_security": contract.is_event,
        "local_symbol": local_symbol(contract),
        "contract_clarification_type": None,
        "classifier": None,
        "currency": contract.currency,
        "text": _option_text(contract) if derived else None,
        "underlying_con_id": contract.underlying,
        "r_t_h": True,
        "multiplier": contract.multiplier,
        "underlying_issuer": None,
        "contract_month": contract.expiry[:6] or None,
        "company_name": contract.name,
        "smart_available": contract.valid_exchanges.startswith("SMART"),
        "exchange": _exchange(contract),
        "category": "",
    }
    if derived:
        row |= {"strike": f"{contract.strike:g}", "right": _RIGHTS[contract.right]}
    return row


def _option_text(contract: Contract) -> str:
    day = _day(contract.expiry)
    return (
        f"{day.strftime('%b').upper()} {day.day} '{day:%y} {contract.strike:g} {_RIGHTS[contract.right].capitalize()}"
    )


def info_and_rules(state: State, call: Call) -> object:
    contract = _known(state, whole(call.path["conid"]))
    state.session.brokerage.searched.add(contract.underlying or contract.conid)
    return _info(contract) | {"rules": rules_of(state, contract)}


def rules(state: State, call: Call) -> object:
    return rules_of(state, _known(state, whole(call.object().get("conid"))))


def algos(state: State, call: Call) -> object:
    """503 for a contract that there is not."""
    contract = state.catalogue.get(whole(call.path["conid"]) or 0)
    if contract is None:
        raise Refusal(503, {"error": "Service Unavailable", "statusCode": 503})
    rows = algo_rows(contract, with_parameters=call.query.get("addParams") != "0")
    wanted = [name.lower() for name in call.query.get("algos", "").replace(";", ",").split(",") if name]
    return {"algos": [row for row in rows if not wanted or str(row["id"]).lower() in wanted]}


def secdef(state: State, call: Call) -> object:
    texts = [text for text in call.query.get("conids", "").split(",") if text]
    conids = [whole(text) for text in texts]
    if not conids or None in conids or len(conids) > _MOST_CONIDS:
        raise unknown_failure()
    found = [state.catalogue.get(conid) for conid in conids if conid is not None]
    return {"secdef": [secdef_row(contract) for contract in found if contract is not None]}


def stocks(state: State, call: Call) -> object:
    symbols = [symbol for symbol in call.query.get("symbols", "").upper().split(",") if symbol]
    if not symbols:
        raise unknown_failure()
    return {symbol: _companies(state, symbol) for symbol in symbols}


def _companies(state: State, symbol: str) -> list[dict[str, object]]:
    """The listings of a ticker by company name."""
    by_name: dict[str, list[dict[str, object]]] = {}
    for contract in state.catalogue.listings(symbol):
        if contract.sec_type == "STK":
            listing = {"conid": contract.conid, "exchange": contract.main_exchange, "isUS": contract.is_us}
            by_name.setdefault(contract.name, []).append(listing)
    return [
        {"name": name, "chineseName": None, "assetClass": "STK", "contracts": listings}
        for name, listings in by_name.items()
    ]


def futures(state: State, call: Call) -> object:
    symbols = [symbol for symbol in call.query.get("symbols", "").upper().split(",") if symbol]
    today = f"{state.day(state.now()):%Y%m%d}"
    return {
        symbol: [
            _future_row(contract)
            for contract in state.catalogue
            if (contract.symbol, contract.sec_type) == (symbol, "FUT") and contract.expiry >= today
        ]
        for symbol in symbols
    }


def _future_row(contract: Contract) -> dict[str, object]:
    last = int(contract.expiry)
    return {
        "symbol": contract.symbol,
        "conid": contract.conid,
        "underlyingConid": contract.underlying,
        "expirationDate": last,
        "ltd": last,
        "shortFuturesCutOff": last,
        "longFuturesCutOff": last,
    }


def all_conids(state: State, call: Call) -> object:
    exchange = call.query.get("exchange", "")
    return [
        {"ticker": contract.symbol, "conid": contract.conid, "exchange": contract.main_exchange}
        for contract in state.catalogue
        if contract.sec_type == "STK" and contract.main_exchange == exchange
    ]


def _hours(state: State, contract: Contract) -> list[tuple[int, int]]:
    """Opening and closing of each trading day, in seconds. Event contracts trade all day until their release."""
    if not contract.never_closes:
        return [(s.opens // NANOSECONDS, s.closes // NANOSECONDS) for s in state.tape.sessions]
    release = state.product.release if contract.is_event else state.tape.sessions[-1].closes
    midnight = to_datetime(state.tape.sessions[0].opens).replace(hour=0, minute=0)
    hours = []
    opens = to_nanoseconds(midnight.replace(second=0, microsecond=0))
    while opens < release:
        closes = opens + 86_400 * NANOSECONDS
        hours.append((opens // NANOSECONDS, min(closes, release) // NANOSECONDS))
        opens = closes
    return hours


def trading_schedule(state: State, call: Call) -> object:
    """Real dates, with opening and closing in seconds: today and what is known ahead."""
    contract = _known(state, call.number("conid"))
    now = state.seconds()
    days: dict[str, object] = {}
    for opens, closes in _hours(state, contract):
        if closes > now - 86_400 and len(days) < _LONGEST_SCHEDULE:
            day = state.day(opens * NANOSECONDS).strftime("%Y%m%d")
            session = {"opening": opens, "closing": closes}
            longest = session
            if not contract.never_closes:
                hours = TradingSession(opens=opens * NANOSECONDS, closes=closes * NANOSECONDS)
                begins, ends = state.tape.extended(hours)
                longest = {"opening": begins // NANOSECONDS, "closing": ends // NANOSECONDS}
            days[day] = {"liquid_hours": [session], "extended_hours": [{"cancel_daily_orders": True, **longest}]}
    return {"exchange_time_zone": "US/Eastern", "schedules": days}


def weekly_schedule(state: State, call: Call) -> object:
    """A week as template, dated to the first days of 2000; 1 January 2000 was a Saturday."""
    symbol = call.query.get("symbol", "")
    if not symbol or not call.query.get("assetClass"):
        raise unknown_failure()
    listings = [contract for contract in state.catalogue.listings(symbol) if contract.is_us]
    return [_venue_schedule(contract) for contract in listings if contract.sec_type == "STK"]


def _venue_schedule(contract: Contract) -> dict[str, object]:
    start = datetime(2000, 1, 3, tzinfo=None)  # noqa: DTZ001 - a template of weekdays, not a moment
    schedules = [
        {
            "clearingCycleEndTime": "0000",
            "tradingScheduleDate": (start + timedelta(days=offset)).strftime("%Y%m%d"),
            "sessions": [{"openingTime": "0930", "closingTime": "1600", "prop": "LIQUID"}],
            "tradingtimes": [{"openingTime": "0400", "closingTime": "2000", "cancelDayOrders": "Y"}],
        }
        for offset in range(5)
    ]
    return {
        "id": f"p{contract.conid}",
        "tradeVenueId": f"v{contract.conid}",
        "exchange": contract.main_exchange,
        "description": contract.main_exchange,
        "timezone": "America/New_York",
        "schedules": schedules,
    }


def currency_pairs(_state: State, call: Call) -> object:
    currency = call.query.get("currency", "").upper()
    if currency not in _RATES:
        raise unknown_failure()
    rows = [{"symbol": symbol, "conid": conid, "ccyPair": other} for symbol, conid, other, _ in _PAIRS]
    return {currency: rows if currency == "USD" else [row for row in rows if row["ccyPair"] == currency]}


def exchange_rate(_state: State, call: Call) -> object:
    source, target = _RATES.get(call.query.get("source", "")), _RATES.get(call.query.get("target", ""))
    if source is None or target is None:
        raise Refusal(400, {"error": "Bad Request: unknown currency", "statusCode": 400})
    return {"rate": round(target / source, 8)}


ROUTES = (
    Route("GET POST", "/iserver/secdef/search", Needs.BROKERAGE, search),
    Route("GET", "/iserver/secdef/strikes", Needs.BROKERAGE, strikes),
    Route("GET", "/iserver/secdef/info", Needs.BROKERAGE, info),
    Route("GET", "/iserver/contract/{conid}/info", Needs.BROKERAGE, contract_info),
    Route("GET", "/iserver/contract/{conid}/algos", Needs.BROKERAGE, algos),
    Route("GET", "/iserver/contract/{conid}/info-and-rules", Needs.BROKERAGE, info_and_rules),
    Route("POST", "/iserver/contract/rules", Needs.BROKERAGE, rules),
    Route("GET", "/trsrv/secdef", Needs.LOGIN, secdef),
    Route("GET", "/trsrv/stocks", Needs.LOGIN, stocks),
    Route("GET", "/trsrv/futures", Needs.LOGIN, futures),
    Route("GET", "/trsrv/all-conids", Needs.LOGIN, all_conids),
    Route("GET", "/trsrv/secdef/schedule", Needs.LOGIN, weekly_schedule),
    Route("GET", "/contract/trading-schedule", Needs.LOGIN, trading_schedule),
    Route("GET", "/iserver/currency/pairs", Needs.BROKERAGE, currency_pairs),
    Route("GET", "/iserver/exchangerate", Needs.BROKERAGE, exchange_rate),
)
