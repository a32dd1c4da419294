"""What time does to all sign-ins of one user: the nights, and a record of what came and went."""

from typing import Literal, Protocol

import msgspec
from msgspec.structs import replace

from exchanges.ibkr.simulator.agenda import Agenda, Entry
from exchanges.ibkr.simulator.resets import Manner, Outage, Resets, Window
from horizon.clock import NANOSECONDS

Tier = Literal["gateway", "brokerage", "upstream"]


class Transition(msgspec.Struct, frozen=True):
    """One change of a tier: when (ns), which, whether it is up now, and why."""

    time: int
    tier: Tier
    up: bool
    cause: str


class Resettable(Protocol):
    """A session, as a downtime sees it."""

    def reset(self, window: Window) -> None:
        """The upstream goes down."""
        ...

    def roll_over(self) -> None:
        """The upstream is back, as another one."""
        ...


class Life:
    """Downtimes and the record of one user. A session enrols itself."""

    def __init__(self, agenda: Agenda, resets: Resets) -> None:
        self.agenda = agenda
        self.resets = resets
        self.transitions: list[Transition] = []
        self.sign_ins = 0
        self.human_logins = 0
        self.overrun = 0.0
        """By how many seconds the next downtime lasts beyond its window."""
        self._sessions: list[Resettable] = []
        self._outage: Outage | None = None
        self._ends: Entry | None = None
        if (outage := resets.at(agenda.now())) is not None:
            self._begins(outage)
        else:
            self._expect()

    @property
    def is_down(self) -> bool:
        return self._outage is not None

    def enrol(self, session: Resettable) -> None:
        """From now on the nights concern this session too."""
        self._sessions.append(session)

    def leave(self, session: Resettable) -> None:
        """The session has ended for good."""
        if session in self._sessions:
            self._sessions.remove(session)

    def note(self, tier: Tier, *, up: bool, cause: str) -> None:
        """Record a change at the moment that is being lived through."""
        self.transitions.append(Transition(self.agenda.now(), tier, up, cause))

    def manner(self) -> Manner | None:
        """How requests are answered in the downtime of the moment; None when there is none."""
        return None if self._outage is None else self.resets.manner(self._outage, self.agenda.now())

    def is_told(self) -> bool:
        """Whether an open socket hears of the state of the moment. Some downtimes show as heartbeats only."""
        return self._outage is None or self.resets.is_told(self._outage)

    def _expect(self) -> None:
        outage = self.resets.next_after(self.agenda.now())
        if outage is not None:
            self.agenda.at(outage.begins, lambda: self._begins(outage))

    def _begins(self, outage: Outage) -> None:
        if self.overrun:
            length = outage.window.minutes * 60 + self.overrun
            outage = replace(outage, ends=outage.begins + round(length * NANOSECONDS))
            self.overrun = 0.0
        if self._outage is not None:
            outage = replace(outage, ends=max(outage.ends, self._outage.ends))
        else:
            self.note("upstream", up=False, cause=outage.window.name)
        if self._ends is not None:
            self._ends.withdraw()
        self._outage = outage
        for session in self._sessions:
            session.reset(outage.window)
        self._ends = self.agenda.at(outage.ends, self._is_over)
        self._expect()

    def _is_over(self) -> None:
        self._outage = self._ends = None
        for session in self._sessions:
            session.roll_over()
        self.note("upstream", up=True, cause="")
