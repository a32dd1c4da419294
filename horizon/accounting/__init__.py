"""Positions, cash and settlement by booked fills. Pure, and the only such arithmetic on this side of a venue."""

from horizon.accounting.day import Day, day_around
from horizon.accounting.ledger import BookedFill, Ledger

__all__ = ["BookedFill", "Day", "Ledger", "day_around"]
