"""The default answers to Interactive Brokers' confirmation prompts.

A prompt is accepted only if every message id in it is in the table, every text matches its id's pattern (ids have been
seen with other texts: o10164 as a market-order confirmation, o10223 as a cap price, o10151 and o10153 about cash
quantities), and the order itself agrees. A prompt that quotes a numeric limit is the venue's fat-finger stop: it is
accepted only where the user opted in for that id together with a stricter limit of their own.
"""

from exchanges.ibkr.confirmations.policy import LAST_HOP, Advice, Answer, Decide, Policy
from exchanges.ibkr.confirmations.table import MARKET_ORDERS, TABLE, Default, Rule
from exchanges.ibkr.confirmations.ticket import FRESH_SECONDS, OptIn, Ticket

__all__ = [
    "FRESH_SECONDS",
    "LAST_HOP",
    "MARKET_ORDERS",
    "TABLE",
    "Advice",
    "Answer",
    "Decide",
    "Default",
    "OptIn",
    "Policy",
    "Rule",
    "Ticket",
]
