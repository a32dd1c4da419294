"""The journal of a session that changes nothing."""

from collections.abc import Collection, Iterator, Sequence

from horizon.errors import ConfigurationError
from horizon.model import AccountId, ClientOrderId
from horizon.ports import JournalRecord, RecordKind


class Unjournaled:
    """Holds nothing and takes nothing. Since everything is journaled before it is sent, nothing can be sent."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def commit(self, records: Sequence[JournalRecord]) -> None:
        """Raises ConfigurationError with the reason why nothing may be sent."""
        raise ConfigurationError(self._reason)

    def records(self, *, account_id: AccountId | None = None) -> Iterator[JournalRecord]:
        return iter(())

    def unsettled(self, *, account_id: AccountId, also: Collection[ClientOrderId] = ()) -> Iterator[JournalRecord]:
        return iter(())

    def latest(self, kind: RecordKind, subject: str, *, account_id: AccountId) -> JournalRecord | None:
        return None

    def close(self) -> None:
        """Nothing is open."""
