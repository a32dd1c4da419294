"""Orders at Interactive Brokers: a request becomes one call, an answer becomes reports. No order state is kept.

The answer to placing comes in several shapes (reference, section 6.3): rows of accepted orders, questions that must be
answered before anything else is sent, rows that failed, an advanced reject, an error text. All of them end in one
report per request, or in an error that says whether anything may have been accepted.
"""

from exchanges.ibkr.orders.finding import OrderFinder
from exchanges.ibkr.orders.gtc import GtcNotices
from exchanges.ibkr.orders.placing import Orders
from exchanges.ibkr.orders.previewing import Previews
from exchanges.ibkr.orders.surroundings import SentOrders, Surroundings

__all__ = ["GtcNotices", "OrderFinder", "Orders", "Previews", "SentOrders", "Surroundings"]
