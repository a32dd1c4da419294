"""Market-data lines: how many streams the venue holds open for this program."""

from collections.abc import Iterable

from horizon.errors import ConfigurationError


class DataLines:
    """Counts the conids whose streams are open, and refuses one too many before it is asked for.

    The venue counts per user name. Other programs of the same user are not seen here: what they hold is missing from
    the count, and the venue then sends no prices for what is too much. `limit` may be set by who has bought more.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: set[str] = set()

    def __len__(self) -> int:
        return len(self._open)

    def take(self, conids: Iterable[str]) -> None:
        """Count these from now on; a conid that is open already costs nothing. Raises ConfigurationError, and takes
        none of them, when they are too many."""
        wanted = self._open.union(conids)
        if len(wanted) > self.limit:
            raise ConfigurationError(
                f"expected at most {self.limit} market-data streams at once, found {len(self._open)} open and "
                f"{len(wanted) - len(self._open)} more asked for: close some with market_data.unsubscribe(...), or set "
                f"market_data.lines.limit if Interactive Brokers allows you more"
            )
        self._open = wanted

    def free(self, conid: str) -> None:
        """The stream of a conid is closed."""
        self._open.discard(conid)

    def free_all(self) -> None:
        """Every stream is closed: the session has ended, or was asked to close them."""
        self._open.clear()
