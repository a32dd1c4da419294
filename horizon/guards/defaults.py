"""The guards a run has when its author names none."""

from decimal import Decimal

from horizon.guards.guard import Guard
from horizon.guards.kill_switch import KillSwitch
from horizon.guards.max_notional import MaxNotional
from horizon.guards.max_position import MaxPosition
from horizon.guards.max_size import MaxSize
from horizon.guards.open_session import OpenSession
from horizon.guards.orders_per_minute import OrdersPerMinute
from horizon.guards.price_band import PriceBand


def default_guards(kill_switch: KillSwitch | None = None) -> tuple[Guard, ...]:
    """A fresh set, wide enough for a hedged position of a private person and narrow enough to stop a slip.

    10,000 shares or contracts and 250,000 of the market's currency per order, 20,000 held, 60 orders a minute,
    prices within 10 % of the mid (0.25 for event contracts), open session. Each run needs its own set, because
    guards count.
    """
    return (
        kill_switch or KillSwitch(),
        MaxSize(10_000),
        MaxNotional(250_000),
        MaxPosition(20_000),
        PriceBand(Decimal("0.10"), event_band=Decimal("0.25")),
        OpenSession(),
        OrdersPerMinute(60),
    )
