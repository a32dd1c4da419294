"""What can go wrong, and what the caller may do about it.

    HorizonError
      ├─ ConfigurationError        the caller can fix it; nothing was sent
      ├─ InvalidOrder              refused here by a named rule; nothing was sent (a ValueError too)
      ├─ SessionError              trading is not possible right now
      │    ├─ NeedsLogin           a person must sign in
      │    ├─ Competing            another session of the same user holds the brokerage session
      │    ├─ BrokerageSessionDown signed in, but the brokerage session is not established
      │    └─ TokenExpired         the bearer is no longer accepted
      ├─ VenueError                the venue answered, and the answer is no or is not understood
      │    ├─ Refused              the venue's own refusal, with its code and text
      │    ├─ RateLimited          too many requests; `retry_after` in seconds
      │    ├─ WireError            an answer that does not have the documented shape
      │    └─ ConfirmationRefused  a prompt was answered "no"; carries the prompts
      ├─ VenueUnavailable          no answer, nothing was changed at the venue; a retry is safe
      ├─ OutcomeUnknown            something may have been changed; carries the client order id
      └─ RecordingError            a recording or an input file is damaged; carries file and row

Every error says whether a retry is safe (`retryable`) and what happened at the venue (`outcome`).
"""

from enum import StrEnum
from typing import ClassVar


class Outcome(StrEnum):
    """What an error means for the state at the venue."""

    NOTHING = "nothing happened"
    HAPPENED = "happened"
    UNKNOWN = "unknown"


class HorizonError(Exception):
    """Base of every error that Horizon raises on purpose."""

    retryable: ClassVar[bool] = False
    outcome: ClassVar[Outcome] = Outcome.NOTHING


class ConfigurationError(HorizonError):
    """Something the caller can fix before anything is sent."""


class InvalidOrder(HorizonError, ValueError):
    """An order refused on this side; nothing was sent. `rule` names what refused it."""

    def __init__(self, message: str, *, rule: str = "order") -> None:
        super().__init__(message)
        self.rule = rule


class SessionError(HorizonError):
    """The session does not allow what was asked for."""


class NeedsLogin(SessionError):
    """A person must act; `action` says what to do, and `act_until` (ns) until when, if there is such a moment."""

    def __init__(self, message: str, *, action: str = "", act_until: int | None = None) -> None:
        super().__init__(message)
        self.action = action
        self.act_until = act_until


class Competing(SessionError):
    """Another session of the same user name holds the brokerage session."""


class BrokerageSessionDown(SessionError):
    """Signed in, but the brokerage session is not established."""

    retryable = True


class TokenExpired(SessionError):
    """The bearer is no longer accepted."""


class VenueError(HorizonError):
    """The venue answered; the answer is a refusal or is not understood."""


class Refused(VenueError):
    """The venue's own refusal, with its code (a status or message id) and its text."""

    def __init__(self, message: str, *, code: str = "", text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.text = text or message


class RateLimited(VenueError):
    """Too many requests. `retry_after` is in seconds; with `penalty` the venue refuses every request until then."""

    retryable = True

    def __init__(self, message: str, *, retry_after: float, penalty: bool = False) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.penalty = penalty


class WireError(VenueError):
    """An answer without the documented shape. `path` is the endpoint, `found` a short extract of the answer."""

    def __init__(self, message: str, *, path: str, found: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.found = found


class ConfirmationRefused(VenueError):
    """A confirmation prompt was answered "no", so the order was not accepted. `prompts` holds the venue's texts."""

    def __init__(self, message: str, *, prompts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.prompts = prompts


class VenueUnavailable(HorizonError):
    """The venue could not be asked, and nothing was changed there: a retry is safe."""

    retryable = True


class OutcomeUnknown(HorizonError):
    """Something may have been changed at the venue. Never retried blindly: ask the venue by `client_order_id`.

    `received` says that the venue has had a request under that id before, which proves nothing about its order.
    """

    outcome = Outcome.UNKNOWN

    def __init__(self, message: str, *, client_order_id: str = "", received: bool = False) -> None:
        super().__init__(message)
        self.client_order_id = client_order_id
        self.received = received


class RecordingError(HorizonError):
    """A recording or an input file that cannot be read as it is. `row` counts from 1 and includes header lines."""

    def __init__(self, message: str, *, file: str, row: int | None = None) -> None:
        super().__init__(message)
        self.file = file
        self.row = row
