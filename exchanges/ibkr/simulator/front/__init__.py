"""The real gateway's manners as a reverse proxy, on request: every answer passes through it, as it does there.

Simulator(quirks="all")                        everything that was measured
Simulator(quirks={"chunked", "stray-204"})     these alone
Simulator(front=Front(starts_after=3.0))       with settings of its own
"""

from exchanges.ibkr.simulator.front.quirks import ALL_QUIRKS, Quirk
from exchanges.ibkr.simulator.front.server import FrontServer
from exchanges.ibkr.simulator.front.settings import Front
from exchanges.ibkr.simulator.front.stock_certificate import STOCK_NAME, stock_certificate_in

__all__ = ["ALL_QUIRKS", "STOCK_NAME", "Front", "FrontServer", "Quirk", "stock_certificate_in"]
