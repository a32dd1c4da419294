"""Events and requests as JSON text, and back."""

from collections.abc import Callable
from typing import TypeVar

import msgspec

from horizon.model import (
    Bar,
    Book,
    CancelAsked,
    CoreEvent,
    Fill,
    KillSwitched,
    Notice,
    OrderReport,
    OrderRequest,
    OrdersAsked,
    PromptAnswered,
    Quote,
    SessionState,
    Start,
    Stop,
    TimerFired,
    Trade,
)

_T = TypeVar("_T")

_KINDS: dict[type, str] = {
    Bar: "bar",
    Book: "book",
    CancelAsked: "cancel_asked",
    Fill: "fill",
    KillSwitched: "kill_switched",
    Notice: "notice",
    OrderReport: "order_report",
    OrdersAsked: "orders_asked",
    PromptAnswered: "prompt",
    SessionState: "session",
    Start: "start",
    Stop: "stop",
    TimerFired: "timer",
}
_encode = msgspec.json.Encoder().encode


def _decoder(of: type[_T]) -> Callable[[str], _T]:
    return msgspec.json.Decoder(of).decode


_DECODERS: dict[str, Callable[[str], CoreEvent]] = {kind: _decoder(of) for of, kind in _KINDS.items()}
decode_request = _decoder(OrderRequest)


def event_row(event: CoreEvent) -> tuple[int, str, str]:
    """`(time, kind, payload)` of an event that is not a quote or trade. Raises TypeError for what is no event."""
    kind = _KINDS.get(type(event))
    if kind is None:
        raise TypeError(f"expected an event of horizon.model.CoreEvent, found {type(event).__name__}")
    return _time(event), kind, _encode(event).decode()


def encode_request(request: OrderRequest) -> str:
    return _encode(request).decode()


def decode_event(kind: str, payload: str) -> CoreEvent:
    """The event of a row. Raises ValueError for a kind or payload of another version."""
    decode = _DECODERS.get(kind)
    if decode is None:
        raise ValueError(f"expected an event kind of {', '.join(sorted(_DECODERS))}, found {kind!r}")
    return decode(payload)


def _time(event: CoreEvent) -> int:
    if isinstance(event, Bar | Book | Fill | Quote | Trade):
        return event.receive_time
    return event.time
