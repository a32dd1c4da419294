"""A Client Portal Gateway that behaves like the real one, with a market and two paper accounts behind it.

It is a witness: it shares no code with the adapter and keeps books and limits of its own.
"""

from exchanges.ibkr.simulator.gateway import Book, Simulator

__all__ = ["Book", "Simulator"]
