"""Order types by how they meet quotes."""

from horizon.model import OrderType

STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
"""Set off when the market moves against the order's side: a buy by a rise, a sale by a fall."""
TOUCHED = frozenset({OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
"""Set off when the market comes to meet the order: a buy by a fall, a sale by a rise."""
TRIGGERED = STOPS | TOUCHED
TRAILING = frozenset({OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT})
PEGGED = frozenset({OrderType.MIDPRICE, OrderType.RELATIVE})
"""Their limit follows the quote; a price of their own is its cap."""
AT_CLOSE = frozenset({OrderType.MARKET_ON_CLOSE, OrderType.LIMIT_ON_CLOSE})
