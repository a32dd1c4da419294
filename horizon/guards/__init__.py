"""Limits that every order passes before it leaves. Pure: a guard sees the moment through a `GuardView`."""

from horizon.guards.defaults import default_guards
from horizon.guards.guard import Guard, GuardView, check_again, check_all
from horizon.guards.kill_switch import KillSwitch, with_kill_switch
from horizon.guards.max_notional import MaxNotional
from horizon.guards.max_position import MaxPosition
from horizon.guards.max_size import MaxSize
from horizon.guards.open_session import OpenSession
from horizon.guards.orders_per_minute import OrdersPerMinute
from horizon.guards.price_band import PriceBand

__all__ = [
    "Guard",
    "GuardView",
    "KillSwitch",
    "MaxNotional",
    "MaxPosition",
    "MaxSize",
    "OpenSession",
    "OrdersPerMinute",
    "PriceBand",
    "check_again",
    "check_all",
    "default_guards",
    "with_kill_switch",
]
