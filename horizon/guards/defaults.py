"""The guards of a paper account whose owner names none, of a live one, and those that an account itself demands."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from horizon.errors import ConfigurationError
from horizon.guards.active_orders import ActiveOrders
from horizon.guards.daily_loss import DailyLoss
from horizon.guards.duplicate_window import DuplicateWindow
from horizon.guards.guard import Guard
from horizon.guards.kill_switch import KillSwitch
from horizon.guards.max_notional import MaxNotional
from horizon.guards.max_position import MaxPosition
from horizon.guards.max_size import MaxSize
from horizon.guards.open_session import OpenSession
from horizon.guards.orders_per_minute import OrdersPerMinute
from horizon.guards.price_band import PriceBand
from horizon.guards.reference_price import ReferencePrice
from horizon.guards.retirement import Retirement
from horizon.guards.sub_account import SubAccount
from horizon.guards.wash import Wash
from horizon.model import Account, Number

MANDATORY: Final = (MaxSize.name, MaxNotional.name, MaxPosition.name, DailyLoss.name)
"""What a person must have set before an order leaves for a live account."""


def default_guards(
    kill_switch: KillSwitch | None = None,
    *,
    max_size: Number = 10_000,
    max_notional: Number = 250_000,
    max_position: Number = 20_000,
    max_daily_loss: Number | None = None,
) -> tuple[Guard, ...]:
    """A fresh set for a paper account: wide enough for a hedged position of a private person, and it stops a slip.

    10,000 shares or contracts and 250,000 of the market's currency per order, 20,000 held, 60 orders a minute, no two
    alike within half a second, prices within 10 % of the mid (0.25 for event contracts), open session, 20 active orders
    per market and side, no trade with oneself; no limit on the day's loss unless one is given. Each run needs its own
    set, because guards count.
    """
    return (
        kill_switch or KillSwitch(),
        *(() if max_daily_loss is None else (DailyLoss(max_daily_loss),)),
        MaxSize(max_size),
        MaxNotional(max_notional),
        MaxPosition(max_position),
        PriceBand(Decimal("0.10"), event_band=Decimal("0.25")),
        OpenSession(),
        ActiveOrders(),
        Wash(),
        DuplicateWindow(Decimal("0.5")),
        OrdersPerMinute(60),
    )


def live_guards(
    *,
    max_size: Number,
    max_notional: Number,
    max_position: Number,
    max_daily_loss: Number,
    kill_switch: KillSwitch | None = None,
) -> tuple[Guard, ...]:
    """A fresh set for a live account: as the default, with limits that a person has set.

    Beyond them, an order needs a fresh live quote, and prices stay within 3 % of the mid (0.10 for event contracts),
    which is where Interactive Brokers asks back.
    """
    guards = default_guards(
        kill_switch,
        max_size=max_size,
        max_notional=max_notional,
        max_position=max_position,
        max_daily_loss=max_daily_loss,
    )
    band = PriceBand(Decimal("0.03"), event_band=Decimal("0.10"))
    return (*(band if isinstance(guard, PriceBand) else guard for guard in guards), ReferencePrice())


def require_mandatory(guards: Sequence[Guard] | None, account_id: str) -> None:
    """Raise ConfigurationError, naming what is missing, unless a person has set every limit a live account needs."""
    names = {guard.name for guard in guards or ()}
    missing = [name for name in MANDATORY if name not in names]
    if missing:
        raise ConfigurationError(
            f"{account_id} is traded as a live account, and these limits are not set: {', '.join(missing)}; there is "
            "no default for real money: guards=live_guards(max_size=..., max_notional=..., max_position=..., "
            "max_daily_loss=...), or the options of the same names of horizon run"
        )


def guards_for(account: Account, guards: Sequence[Guard]) -> tuple[Guard, ...]:
    """The guards, with those that the account itself demands and nobody has set.

    On an account that is not known to be paper a fresh live quote, in a retirement account its rules, and for a master
    account the refusal of orders that would be allocated.
    """
    demanded: list[Guard] = []
    if account.is_live is not False:
        demanded.append(ReferencePrice())
    if account.is_retirement:
        demanded.append(Retirement())
    if account.is_master:
        demanded.append(SubAccount())
    names = {guard.name for guard in guards}
    return (*guards, *(guard for guard in demanded if guard.name not in names))
