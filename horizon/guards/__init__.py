"""Limits that every order passes before it leaves. Pure: a guard sees the moment through a `GuardView`."""

from horizon.guards.active_orders import ActiveOrders
from horizon.guards.allowed_accounts import AllowedAccounts
from horizon.guards.daily_loss import DailyLoss
from horizon.guards.defaults import default_guards, guards_for, live_guards, require_mandatory
from horizon.guards.duplicate_window import DuplicateWindow
from horizon.guards.guard import Guard, GuardView, check_again, check_all, reduces
from horizon.guards.kill_switch import KillSwitch, with_kill_switch
from horizon.guards.max_notional import MaxNotional
from horizon.guards.max_position import MaxPosition
from horizon.guards.max_size import MaxSize
from horizon.guards.one_at_a_time import OneAtATime
from horizon.guards.open_session import OpenSession
from horizon.guards.orders_per_minute import OrdersPerMinute
from horizon.guards.price_band import PriceBand
from horizon.guards.prices import mark, with_size
from horizon.guards.reference_price import ReferencePrice
from horizon.guards.retirement import Retirement
from horizon.guards.settled_cash import SettledCash
from horizon.guards.sub_account import SubAccount
from horizon.guards.wash import Wash

__all__ = [
    "ActiveOrders",
    "AllowedAccounts",
    "DailyLoss",
    "DuplicateWindow",
    "Guard",
    "GuardView",
    "KillSwitch",
    "MaxNotional",
    "MaxPosition",
    "MaxSize",
    "OneAtATime",
    "OpenSession",
    "OrdersPerMinute",
    "PriceBand",
    "ReferencePrice",
    "Retirement",
    "SettledCash",
    "SubAccount",
    "Wash",
    "check_again",
    "check_all",
    "default_guards",
    "guards_for",
    "live_guards",
    "mark",
    "reduces",
    "require_mandatory",
    "with_kill_switch",
    "with_size",
]
