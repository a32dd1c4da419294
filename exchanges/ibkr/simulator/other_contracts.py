"""What is traded besides stocks and their options: a future and its options, a currency, a crypto currency.

The future is the E-mini on the index of the events. One expired future is kept, for orders that come too late.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from exchanges.ibkr.simulator.contracts import Contract

ES_INDEX, ES, ES_EXPIRED, ES_CALL = 11004968, 515416632, 495512552, 515500001
EURUSD, BTC = 12087792, 479624278
_QUARTER = Decimal("0.25")
_PIP_HALF = Decimal("0.00005")
_SATOSHI = Decimal("0.00000001")


def other_contracts(today: date) -> list[Contract]:
    """The nearest quarterly future, the one before it, and what else there is."""
    expiries = list(_third_fridays_of_quarters(today))
    expired, current = expiries[0], expiries[1]
    index = Contract(
        conid=ES_INDEX,
        symbol="ES",
        sec_type="IND",
        name="E-mini S&P 500",
        listing_exchange="CME",
        valid_exchanges="CME",
    )
    return [
        index,
        _future(ES, current),
        _future(ES_EXPIRED, expired),
        Contract(
            conid=ES_CALL,
            symbol="ES",
            sec_type="FOP",
            name="E-mini S&P 500",
            listing_exchange="CME",
            valid_exchanges="CME",
            trading_class="ES",
            right="C",
            strike=6000.0,
            expiry=f"{current:%Y%m%d}",
            underlying=ES,
            multiplier="50",
            increments=((0.0, Decimal("0.05")), (10.0, _QUARTER)),
        ),
        Contract(
            conid=EURUSD,
            symbol="EUR",
            sec_type="CASH",
            name="European Monetary Union Euro",
            listing_exchange="IDEALPRO",
            valid_exchanges="IDEALPRO",
            trading_class="EUR.USD",
            type="",
            increments=((0.0, _PIP_HALF),),
            lot=Decimal("0.01"),
            digits=5,
        ),
        Contract(
            conid=BTC,
            symbol="BTC",
            sec_type="CRYPTO",
            name="Bitcoin cryptocurrency",
            listing_exchange="PAXOS",
            valid_exchanges="PAXOS",
            trading_class="BTC",
            type="",
            increments=((0.0, _QUARTER),),
            lot=_SATOSHI,
        ),
    ]


def _future(conid: int, expiry: date) -> Contract:
    return Contract(
        conid=conid,
        symbol="ES",
        sec_type="FUT",
        name="E-mini S&P 500",
        listing_exchange="CME",
        valid_exchanges="CME",
        trading_class="ES",
        expiry=f"{expiry:%Y%m%d}",
        underlying=ES_INDEX,
        multiplier="50",
        increments=((0.0, _QUARTER),),
    )


def _third_fridays_of_quarters(today: date) -> Iterator[date]:
    """The last one before today, then those from today on."""
    months = (date(year, month, 1) for year in range(today.year - 1, today.year + 3) for month in (3, 6, 9, 12))
    fridays = [first + timedelta(days=(4 - first.weekday()) % 7 + 14) for first in months]
    past = sum(friday <= today for friday in fridays)
    yield from fridays[past - 1 :]
