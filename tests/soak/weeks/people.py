"""Somebody who is told when a person is needed, and the program by which he signs in."""

import asyncio

from exchanges.ibkr.auth.login_note import LoginNote, LoginPhase, write_login_note
from exchanges.ibkr.simulator import Person, Simulator
from horizon.clock import Clock
from horizon.observe.alerts import Alert

_LOOKS = 2.0


class Caretaker:
    """A `NotifyHook`: comes when told that somebody has to act, and signs in. The sign-in leaves word of how far it is,
    as the programs do that start one."""

    def __init__(self, gateway: Simulator, misses: frozenset[int], *, comes_after: float) -> None:
        self._gateway = gateway
        self._person = Person(gateway, comes_after=comes_after, misses=misses)
        self._coming: asyncio.Task[None] | None = None
        self.alerts: list[Alert] = []

    async def tell(self, alert: Alert, clock: Clock) -> None:
        self.alerts.append(alert)
        is_coming = self._coming is not None and not self._coming.done()
        is_missing = self._gateway.access.has_pages and not self._gateway.state.session.logged_in
        if alert.kind == "session" and is_missing and not is_coming:
            self._coming = asyncio.create_task(self.sign_in(clock), name="caretaker")

    async def sign_in(self, clock: Clock) -> None:
        """Until somebody is signed in."""
        signing_in = asyncio.create_task(self._person.log_in(), name="person")
        try:
            told: int | None = None
            while not signing_in.done():
                until = self._gateway.second_factor_until
                if until is not None and until != told:
                    self._leave_word(clock, LoginPhase.WAITING_FOR_SECOND_FACTOR, until)
                    told = until
                await clock.sleep(_LOOKS)
            self._leave_word(clock, LoginPhase.VERIFIED)
        finally:
            signing_in.cancel()

    async def leave(self) -> None:
        if self._coming is not None:
            self._coming.cancel()
            await asyncio.wait([self._coming])

    def _leave_word(self, clock: Clock, phase: LoginPhase, until: int | None = None) -> None:
        write_login_note(self._gateway.base_url, LoginNote(phase=phase, since=clock.now(), until=until))
