"""The switch that stops all new orders."""

from collections.abc import Sequence

from horizon.errors import ConfigurationError
from horizon.guards.guard import Guard, GuardView
from horizon.model import OrderRequest


class KillSwitch:
    """Once pulled, refuses every new order, reducing and protective ones included, until it is reset.

    There is no exception on purpose: whoever pulls it does not trust what decides here, and a program gone wrong can
    do harm with exits too. Cancels still go out, and what already rests at the venue stays there.
    """

    name = "kill_switch"

    def __init__(self) -> None:
        self._reason: str | None = None

    @property
    def pulled(self) -> bool:
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Why it was pulled; None while it is not."""
        return self._reason

    def pull(self, reason: str) -> None:
        """Refuse everything from now on. The first reason is kept: it is the one to look into."""
        if not reason.strip():
            raise ConfigurationError("expected a reason for pulling the kill switch, found none")
        if self._reason is None:
            self._reason = reason

    def reset(self) -> None:
        """Let orders pass again."""
        self._reason = None

    def check(self, request: OrderRequest, view: GuardView) -> str | None:
        if self._reason is None:
            return None
        return f"the kill switch is pulled ({self._reason}): no new order leaves until it is reset"

    def sent(self, request: OrderRequest, now: int) -> None:
        """Nothing to count."""


def with_kill_switch(guards: Sequence[Guard]) -> tuple[tuple[Guard, ...], KillSwitch]:
    """The guards, with a kill switch before them if they have none, and that switch: it can be pulled from outside."""
    for guard in guards:
        if isinstance(guard, KillSwitch):
            return tuple(guards), guard
    switch = KillSwitch()
    return (switch, *guards), switch
