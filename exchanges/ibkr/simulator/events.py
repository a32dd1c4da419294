"""The simulated ForecastEx product: does the S&P 500 close above a threshold?

A simplification of the simulator's own: the index is ten times SPY, and the product has one expiry, the last close of
the price path. Everything else follows the reference on ForecastEx: a YES and a NO conid per threshold, payout $1.00,
multiplier 1.
"""

from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from exchanges.ibkr.simulator.contracts import Contract
from horizon.clock import NANOSECONDS, to_datetime

UNDERLYING, PRODUCT = 860_000_001, 860_000_002
SYMBOL = "SPXC"
NAME = "S&P 500 Close"
EXCHANGE = "FORECASTX"
INDEX_PER_SHARE = 10.0
"""Index points per dollar of SPY."""
THRESHOLD_STEP = 25
_STEPS_EACH_WAY = 5
_PAYOUT_DELAY = 2 * 3600 * NANOSECONDS
_EASTERN = ZoneInfo("US/Eastern")


class EventProduct(msgspec.Struct, frozen=True, kw_only=True):
    """One question with several thresholds; times in integer nanoseconds."""

    expiration: str
    """`YYYYMMDD`"""
    release: int
    payout: int
    underlying: Contract
    contracts: tuple[Contract, ...]
    """YES and NO of each threshold in turn, thresholds rising."""

    @property
    def day(self) -> date:
        return date(int(self.expiration[:4]), int(self.expiration[4:6]), int(self.expiration[6:]))

    @property
    def measured_period(self) -> str:
        return self.day.strftime("%b%d'%y")

    def question(self, contract: Contract) -> str:
        return (
            f"Will the S&P 500 close above {threshold_text(contract.strike)} "
            f"on {self.day.strftime('%B')} {self.day.day}, {self.day.year}?"
        )

    def pays(self, contract: Contract, index: float) -> bool:
        """Whether this side is right when the index closes at `index`."""
        return (index > contract.strike) == (contract.right == "C")


def threshold_text(threshold: float) -> str:
    return f"{threshold:,.0f}"


def event_product(price: float, release: int) -> EventProduct:
    """Thresholds every 25 index points around the index at this price of SPY."""
    expiration = to_datetime(release).astimezone(_EASTERN).strftime("%Y%m%d")
    centre = round(price * INDEX_PER_SHARE / THRESHOLD_STEP) * THRESHOLD_STEP
    contracts = []
    for step in range(-_STEPS_EACH_WAY, _STEPS_EACH_WAY + 1):
        threshold = float(centre + step * THRESHOLD_STEP)
        yes = 860_100_000 + (step + _STEPS_EACH_WAY) * 10
        contracts += [
            _side(yes, "C", threshold, expiration, twin=yes + 3),
            _side(yes + 3, "P", threshold, expiration, twin=yes),
        ]
    underlying = Contract(
        conid=UNDERLYING, symbol=SYMBOL, sec_type="IND", name=NAME, listing_exchange=EXCHANGE, valid_exchanges=EXCHANGE
    )
    return EventProduct(
        expiration=expiration,
        release=release,
        payout=release + _PAYOUT_DELAY,
        underlying=underlying,
        contracts=tuple(contracts),
    )


def _side(conid: int, right: str, threshold: float, expiration: str, *, twin: int) -> Contract:
    return Contract(
        conid=conid,
        symbol=SYMBOL,
        sec_type="OPT",
        name=NAME,
        listing_exchange=EXCHANGE,
        valid_exchanges=EXCHANGE,
        trading_class=SYMBOL,
        right=right,
        strike=threshold,
        expiry=expiration,
        underlying=UNDERLYING,
        multiplier="1",
        is_event=True,
        twin=twin,
    )
