"""Everything that has to be right before an order can be sent, looked at one thing after the other."""

from exchanges.ibkr.doctor.check import Check, Result
from exchanges.ibkr.doctor.examination import examine

__all__ = ["Check", "Result", "examine"]
