"""Price alerts and notification counts."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Flag, Private


class AlertRow(msgspec.Struct, frozen=True):
    """A row of `GET /iserver/account/{id}/alerts`."""

    order_id: Conid
    account: str | None = None
    alert_name: str | None = None
    alert_active: Flag = None
    alert_repeatable: Flag = None
    order_time: str | None = None
    alert_triggered: bool | None = None


class AlertCondition(msgspec.Struct, frozen=True):
    """What sets an alert off."""

    condition_type: int | None = None
    conidex: str | None = None
    contract_description_1: str | None = None
    condition_operator: str | None = None
    condition_trigger_method: str | None = None
    condition_value: str | None = None
    condition_logic_bind: str | None = None
    condition_time_zone: str | None = None


class Alert(Private, frozen=True):
    """`GET /iserver/account/alert/{id}`."""

    order_id: Conid
    account: str | None = None
    alert_name: str | None = None
    alert_message: str | None = None
    alert_email: str | None = None
    alert_active: Flag = None
    alert_repeatable: Flag = None
    alert_triggered: bool | None = None
    tif: str | None = None
    expire_time: str | None = None
    order_status: str | None = None
    time_zone: str | None = None
    conditions: list[AlertCondition] = msgspec.field(default_factory=list)


class UnreadCount(msgspec.Struct, frozen=True):
    """`GET /fyi/unreadnumber`."""

    BN: int
