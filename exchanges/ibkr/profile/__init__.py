"""What Interactive Brokers accepts, as pure data: the same rules live, on paper and in a backtest.

Sources: the tables of order types, times in force and increments of the Client Portal Web API (sections 4.4, 6.1 and
6.2), and ForecastEx's own rules (buy only, limit only, DAY, GTC or IOC, 0.02 to 0.99, whole contracts).
"""

from exchanges.ibkr.profile.forecastex import FORECASTEX, FORECASTEX_GRID, FORECASTEX_PAYOUT, is_forecastex
from exchanges.ibkr.profile.groups import check_group
from exchanges.ibkr.profile.lifetimes import GTC_NOTICE_DAYS, check_not_expired, gtc_ends
from exchanges.ibkr.profile.rules import LONGEST_CLIENT_ORDER_ID, PROFILE, IbkrProfile

__all__ = [
    "FORECASTEX",
    "FORECASTEX_GRID",
    "FORECASTEX_PAYOUT",
    "GTC_NOTICE_DAYS",
    "LONGEST_CLIENT_ORDER_ID",
    "PROFILE",
    "IbkrProfile",
    "check_group",
    "check_not_expired",
    "gtc_ends",
    "is_forecastex",
]
