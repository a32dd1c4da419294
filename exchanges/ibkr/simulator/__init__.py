"""A Client Portal Gateway that behaves like the real one, with a market and two paper accounts behind it.

It is a witness: it shares no code with the adapter and keeps books and limits of its own.
"""

from exchanges.ibkr.simulator.gateway import Book, Simulator
from exchanges.ibkr.simulator.person import Person
from exchanges.ibkr.simulator.sso_sessions import SignInRules

__all__ = ["Book", "Person", "SignInRules", "Simulator"]
