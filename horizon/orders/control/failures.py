"""Errors as they travel over the control socket: told there, raised here."""

from horizon.errors import (
    BrokerageSessionDown,
    Competing,
    ConfigurationError,
    ConfirmationRefused,
    HorizonError,
    InvalidOrder,
    NeedsLogin,
    OutcomeUnknown,
    RecordingError,
    Refused,
    TokenExpired,
    VenueError,
    VenueUnavailable,
)
from horizon.net.redaction import redact
from horizon.orders.control.messages import Failure

_PLAIN: dict[str, type[HorizonError]] = {
    kind.__name__: kind
    for kind in (BrokerageSessionDown, Competing, ConfigurationError, NeedsLogin, TokenExpired, VenueUnavailable)
}


def told(error: HorizonError) -> Failure:
    """An error, fit to be sent."""
    detail = ""
    if isinstance(error, InvalidOrder):
        detail = error.rule
    elif isinstance(error, Refused):
        detail = error.code
    elif isinstance(error, OutcomeUnknown):
        detail = error.client_order_id
    elif isinstance(error, RecordingError):
        detail = error.file
    return Failure(error=type(error).__name__, message=redact(str(error)), detail=detail)


def raised(failure: Failure) -> HorizonError:
    """The error that was told; one of a kind that is not known here is a VenueError with the same text."""
    match failure.error:
        case "InvalidOrder":
            return InvalidOrder(failure.message, rule=failure.detail or "order")
        case "Refused":
            return Refused(failure.message, code=failure.detail)
        case "ConfirmationRefused":
            return ConfirmationRefused(failure.message, prompts=())
        case "OutcomeUnknown":
            return OutcomeUnknown(failure.message, client_order_id=failure.detail)
        case "RecordingError":
            return RecordingError(failure.message, file=failure.detail)
    return _PLAIN.get(failure.error, VenueError)(failure.message)
