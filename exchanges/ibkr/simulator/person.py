"""Somebody who looks after a gateway's logins, for long simulations."""

import asyncio
from collections.abc import Collection

from exchanges.ibkr.simulator.controls import Controls
from exchanges.ibkr.simulator.logins import LoginPhase
from horizon.clock import NANOSECONDS

_LOOKS_AGAIN = 600.0


class Person:
    """Signs in when told to, and approves on the phone; misses the requests of the given numbers (from 1).

    A login in a downtime fails, as it does for anyone, and is tried again ten minutes later; so is one that finds no
    page because the upstream is away.
    """

    def __init__(
        self,
        gateway: Controls,
        *,
        comes_after: float = 60.0,
        approves_after: float = 15.0,
        misses: Collection[int] = (),
    ) -> None:
        self._gateway = gateway
        self._clock = gateway.state.clock
        self._comes_after = comes_after
        self._approves_after = approves_after
        self._misses = frozenset(misses)
        self._busy = asyncio.Lock()
        self.human_logins = 0
        self.told = 0
        """How often somebody asked for a login, needed or not."""

    async def log_in(self) -> LoginPhase:
        """Come and sign in; at once content when that is not needed (any more)."""
        self.told += 1
        async with self._busy:
            await self._clock.sleep(self._comes_after)
            while (phase := await self._try()) not in (LoginPhase.SIGNED_IN, LoginPhase.LOCKED):
                await self._clock.sleep(_LOOKS_AGAIN if phase is LoginPhase.MAINTENANCE else self._comes_after)
            return phase

    async def _try(self) -> LoginPhase:
        if self._gateway.state.session.logged_in:
            return LoginPhase.SIGNED_IN
        if self._gateway.state.upstream.is_silent:
            return LoginPhase.MAINTENANCE
        phase = self._gateway.start_login()
        until = self._gateway.second_factor_until
        if phase is LoginPhase.WAITING and until is not None:
            if self._gateway.logins.requests_to_the_phone in self._misses:
                await self._clock.sleep((until - self._clock.now()) / NANOSECONDS)
                return LoginPhase.MISSED
            await self._clock.sleep(self._approves_after)
            phase = self._gateway.approve()
        self.human_logins += phase is LoginPhase.SIGNED_IN
        return phase
