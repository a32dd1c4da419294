"""Websocket frames. `Frame` is decoded first, and its `args` by topic: `ARGUMENTS`."""

from typing import Any

import msgspec

from exchanges.ibkr.wire.orders import OrderRow
from exchanges.ibkr.wire.trades import TradeRow
from exchanges.ibkr.wire.types import Conid, Private


class Frame(Private, frozen=True):
    """The keys that tell what a frame is. Market data frames hold their fields beside the topic."""

    topic: str | None = None
    args: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None
    code: int | None = None
    message: str | None = None
    hb: int | None = None
    """The server's heartbeat, in milliseconds."""
    alive: bool | None = None
    lastAccessed: int | None = None
    isPaper: bool | None = None
    isFT: bool | None = None
    result: Any = None


class SessionFrame(Private, frozen=True):
    """`sts`: the brokerage session changed."""

    authenticated: bool | None = None
    established: bool | None = None
    competing: bool | None = None
    connected: bool | None = None
    message: str | None = None
    fail: str | None = None


class NoticeFrame(msgspec.Struct, frozen=True):
    """`ntf`: a notice, or a prompt that holds an order until it is answered."""

    text: str | None = None
    id: str | None = None
    title: str | None = None
    url: str | None = None
    orderId: Conid | None = None
    reqId: Conid | None = None
    options: list[str] | None = None
    dismissable: list[str] | None = None
    type: str | None = None
    messageId: str | None = None
    prompt: bool | None = None


class BulletinFrame(msgspec.Struct, frozen=True):
    """`blt`: a bulletin of an exchange."""

    message: str | None = None
    id: Conid | None = None
    exchanges: str | None = None


ARGUMENTS: dict[str, Any] = {
    "sts": SessionFrame,
    "sor": list[OrderRow],
    "str": list[TradeRow],
    # The documentation shows an object, the wire sends a list.
    "ntf": list[NoticeFrame] | NoticeFrame,
    "blt": list[BulletinFrame] | BulletinFrame,
}
"""The type of `args` by topic."""
