"""The gateway on this machine: a person has signed in to it in a browser, and it signs every request itself."""

from collections.abc import Callable, Mapping

from exchanges.ibkr.auth.login_note import read_login_note
from exchanges.ibkr.auth.protocol import Ask, TokenState
from horizon.clock import Clock

_NOTHING: Mapping[str, str] = {}


class LocalGateway:
    """No header at all. The gateway would pass an Authorization header on to the venue, where a placeholder token is
    at best ignored, so a placeholder is accepted here and never sent."""

    person_signs_in = True

    def __init__(self, placeholder: str = "") -> None:
        del placeholder
        self._since = 0
        self._base_url = ""
        self._clock: Clock | None = None

    def __repr__(self) -> str:
        return "LocalGateway()"

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """There is nobody to ask: the gateway signs in by itself."""
        self._since = clock.now()
        self._base_url = base_url
        self._clock = clock

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """Nothing to add."""
        return _NOTHING

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """There is nothing newer than nothing."""
        return False

    async def keep(self, renewed: Callable[[], None]) -> None:
        """There is nothing to renew."""

    def token(self) -> TokenState:
        """Always valid: the gateway holds the token. While a sign-in waits for a person, what to do and until when."""
        note = read_login_note(self._base_url) if self._clock is not None else None
        if note is None or self._clock is None:
            return TokenState(valid=True, since=self._since, cause="the gateway holds it")
        now = self._clock.now()
        return TokenState(
            valid=True,
            since=self._since,
            cause="the gateway holds it",
            action=note.action(now),
            act_until=note.until if note.waits(now) else None,
        )

    def socket_query(self) -> Mapping[str, str]:
        """Nothing to add."""
        return _NOTHING
