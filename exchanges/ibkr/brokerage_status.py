"""How the brokerage session stands, as the venue says it, and what that means."""

from typing import Final

from exchanges.ibkr.client import Client
from exchanges.ibkr.reset_watch import ResetWatch
from exchanges.ibkr.session_table import Seen
from exchanges.ibkr.shared_reads import SharedReads
from exchanges.ibkr.wire.session import AuthStatus
from horizon.errors import BrokerageSessionDown, Competing, SessionError
from horizon.net.rates import Priority

SHORT_TIMEOUT: Final = 10.0
WITHOUT_RESETS: Final = "Simulated"
"""So calls itself a gateway that has no downtimes, whatever the hour."""


class BrokerageStatus:
    """Asks `/iserver/auth/status` and reads such an answer wherever it stands. `server` is the name it calls itself."""

    def __init__(self, client: Client, resets: ResetWatch) -> None:
        self._client = client
        self._resets = resets
        self._asked = SharedReads(self._ask_at)
        self.server: str | None = None

    async def ask(self) -> tuple[Seen, SessionError | None, AuthStatus]:
        """The venue's status, and what it means. Raises what a call raises.

        Many calls can find the session down at once: those that wait share the next answer, or the next failure.
        """
        status = await self._asked.fresh("/iserver/auth/status")
        return (*self.read(status), status)

    async def _ask_at(self, path: str) -> AuthStatus:
        return await self._client.post(path, AuthStatus, priority=Priority.KEEPALIVE, timeout=SHORT_TIMEOUT)

    def read(self, status: AuthStatus) -> tuple[Seen, SessionError | None]:
        """What a status says, and what keeps orders from being sent by it."""
        if status.serverInfo is not None and status.serverInfo.serverName:
            self.server = status.serverInfo.serverName
            self._resets.keeps_resets = self.server != WITHOUT_RESETS
        said = status.fail or status.message
        because = f" (it says: {said})" if said else ""
        if status.competing:
            return Seen.COMPETING, Competing(
                f"another program of the same user holds the brokerage session{because}: close it (TWS, the mobile "
                f'app, another gateway), or open with compete="once" or "always" to take the session away from it'
            )
        # A build of 2023 does not say established: there, authenticated counts.
        established = status.authenticated if status.established is None else status.established
        missing = [
            name
            for name, holds in (
                ("authenticated", status.authenticated),
                ("connected", status.connected),
                ("established", established),
            )
            if not holds
        ]
        if not missing:
            return Seen.ESTABLISHED, None
        seen = Seen.NOT_ESTABLISHED if status.authenticated or status.connected else Seen.NOT_CONNECTED
        lasting = f"; if that lasts, sign in again at {self._client.base_url}"
        return seen, BrokerageSessionDown(
            f"the brokerage session is not {' and not '.join(missing)}{because}: it is opened again by itself"
            f"{lasting if self._client.auth.person_signs_in else ''}"
        )
