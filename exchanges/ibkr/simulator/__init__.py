"""A Client Portal Gateway that behaves like the real one, with a market and two paper accounts behind it.

It is a witness: it shares no code with the adapter and keeps books and limits of its own.
"""

from exchanges.ibkr.simulator.gateway import Book, Simulator
from exchanges.ibkr.simulator.habits import Habits
from exchanges.ibkr.simulator.person import Person
from exchanges.ibkr.simulator.sso_sessions import SignInRules
from exchanges.ibkr.simulator.venue_record import AccountRecord, OrderRecord

__all__ = ["AccountRecord", "Book", "Habits", "OrderRecord", "Person", "SignInRules", "Simulator"]
