"""The two tiers of a gateway's session: the sign-in, and the brokerage session on top of it."""

import hashlib
from dataclasses import dataclass, field
from typing import ClassVar

from exchanges.ibkr.simulator.agenda import Agenda, Entry
from exchanges.ibkr.simulator.life import Life
from exchanges.ibkr.simulator.resets import Resets, Window
from horizon.clock import NANOSECONDS, Clock

IDLE_LIMIT = 6 * 60 * NANOSECONDS
"""A brokerage session lapses after about six minutes without a request."""
LONGEST_SIGN_IN = 24 * 60 * 60.0
SSO_LIFETIME = 10 * 60 * 1000
MAC = "AA:BB:CC:DD:EE:FF"
HARDWARE = f"5f2a90c1|{MAC}"
WITHOUT_RESETS = "Simulated"
"""The name of a server that has no downtimes: whoever expects them by the hour is told that there are none."""
SERVER = {"serverName": "JifH05067", "serverVersion": "Build 10.44.1d, Mar 3, 2026 1:55:32 PM"}
USER_ID, USER_NAME = 130_000_007, "horizon"


@dataclass
class Brokerage:
    """What one brokerage session has seen; a new session starts without any of it."""

    accounts_queried: bool = False
    suppressed: set[str] = field(default_factory=set)
    streams: dict[int, int] = field(default_factory=dict)
    """When market data of a conid was first asked for, in ns."""
    searched: set[int] = field(default_factory=set)
    """Underlyings whose derivatives may be listed."""
    read: set[str] = field(default_factory=set)
    """Reads that are no longer cold."""
    order_filters: frozenset[str] = frozenset()

    def is_cold(self, read: str) -> bool:
        """Whether this is the first such read of the session; from now on it is not."""
        if read in self.read:
            return False
        self.read.add(read)
        return True


@dataclass
class Other:
    """Another brokerage session of the same user, which has put ours out."""

    retakes: int = 0
    """How often it takes the session back after we have put it out."""
    retakes_after: float = 30.0
    looks_well: bool = False
    """Ours is then still called authenticated, although it competes and lists no accounts."""


class Session:
    """Who is signed in, and what that allows. What time does to it goes through the agenda of `life`."""

    ends_at_night: ClassVar[bool] = True
    """A sign-in at the gateway's page ends with the nightly reset and with the process; a program's own does not."""

    def __init__(
        self,
        clock: Clock,
        *,
        seed: int,
        is_paper: bool,
        logged_in: bool,
        established: bool,
        life: Life | None = None,
    ) -> None:
        self._clock = clock
        self._seed = seed
        self._number = 0
        self.life = life or Life(Agenda(clock), Resets())
        self._agenda = self.life.agenda
        self._last_request = self._agenda.now()
        self._signed_in_at = self._agenda.now()
        self._expiry: Entry | None = None
        self._idle: Entry | None = None
        self._own_init: Entry | None = None
        self.is_paper = is_paper
        self.logged_in = logged_in
        self.established = False
        self.other: Other | None = None
        self.logged_out_by_request = False
        self.portfolio_queried = False
        self.brokerage = Brokerage()
        self.life.enrol(self)
        if logged_in:
            self._expect_expiry()
        if logged_in and established and not self.life.is_down:
            self._open()

    @property
    def id(self) -> str:
        """What `/tickle` calls `session`, and a WebSocket shows as its cookie."""
        return hashlib.sha256(f"{self._seed}:{self._number}".encode()).hexdigest()[:32]

    @property
    def server(self) -> dict[str, str]:
        """`serverInfo`"""
        return dict(SERVER) if self.life.resets.windows else {**SERVER, "serverName": WITHOUT_RESETS}

    @property
    def user_name(self) -> str:
        return USER_NAME

    @property
    def ip(self) -> str:
        """The address the sign-in was made for."""
        return "127.0.0.1"

    @property
    def competing(self) -> bool:
        return self.other is not None

    @competing.setter
    def competing(self, competing: bool) -> None:
        self.other = (self.other or Other()) if competing else None

    @property
    def connected(self) -> bool:
        return self.logged_in and not self.life.is_down

    @property
    def authenticated(self) -> bool:
        return self.established or (self.connected and self.other is not None and self.other.looks_well)

    def touch(self) -> None:
        """A request came in: the brokerage session stays for another six minutes, if it is still there."""
        self._agenda.catch_up()
        self._last_request = self._agenda.now()

    def log_in(self, *, brokerage_after: float = 0.0) -> bool:
        """A person signs in, and the gateway opens the brokerage session by itself. False in a downtime."""
        if self.life.is_down:
            return False
        if not self.logged_in:
            self.life.note("gateway", up=True, cause="a person signed in")
        self._number += 1
        self._signed_in_at = self._agenda.now()
        self.logged_in = True
        self.logged_out_by_request = False
        self.portfolio_queried = False
        self.life.sign_ins += 1
        self.life.human_logins += 1
        self._expect_expiry()
        if brokerage_after:
            self._own_init = self._agenda.after(brokerage_after, self.establish)
        else:
            self.establish()
        return True

    def log_out(self, cause: str = "logged out", *, by_request: bool = False) -> None:
        """The sign-in ends, and everything with it."""
        self.drop(cause)
        self.logged_out_by_request = by_request
        self.portfolio_queried = False
        for entry in (self._expiry, self._own_init):
            if entry is not None:
                entry.withdraw()
        if self.logged_in:
            self.logged_in = False
            self.life.note("gateway", up=False, cause=cause)

    def establish(self) -> None:
        """The brokerage session begins, or begins afresh."""
        was = self.established
        self.other = None
        self._open()
        if not was:
            self.life.note("brokerage", up=True, cause="initialised")

    def drop(self, cause: str = "dropped") -> None:
        """The brokerage session is gone; the sign-in stays."""
        self.brokerage = Brokerage()
        if self.established:
            self.established = False
            self.life.note("brokerage", up=False, cause=cause)

    def compete(self, *, retakes: int = 0, retakes_after: float = 30.0, looks_well: bool = False) -> None:
        """Another session of the same user takes the brokerage session, and takes it back `retakes` times."""
        self._lose_to(Other(retakes, retakes_after, looks_well))

    def initialise(self, *, compete: bool) -> None:
        """`ssodh/init`. A competing session is only put out when asked to; a running session starts afresh."""
        other = self.other
        if other is not None and not compete:
            return
        self.establish()
        if other is not None and other.retakes:
            again = Other(other.retakes - 1, other.retakes_after, other.looks_well)
            self._agenda.after(other.retakes_after, lambda: self._lose_to(again) if self.established else None)

    def reset(self, window: Window) -> None:
        """The upstream goes down for the night."""
        self.other = None
        if window.ends_sign_in and self.ends_at_night:
            self.log_out(window.name)
        else:
            self.drop(window.name)

    def roll_over(self) -> None:
        """After a downtime the session has another id. Sockets of the one before hear heartbeats and nothing else."""
        self._number += 1

    def _lose_to(self, other: Other) -> None:
        self.drop("another session of the user")
        self.other = other

    def _open(self) -> None:
        self.established = True
        self.brokerage = Brokerage()
        self._last_request = self._agenda.now()
        if self._idle is None:
            self._look_for_idleness()

    def _look_for_idleness(self) -> None:
        lapses = self._last_request + IDLE_LIMIT + 1
        self._idle = None
        if self.established and lapses <= self._agenda.now():
            self.drop("idle")
        elif self.established:
            self._idle = self._agenda.at(lapses, self._look_for_idleness)

    def _expect_expiry(self) -> None:
        if self._expiry is not None:
            self._expiry.withdraw()
        if self.life.resets.windows and self.ends_at_night:
            self._expiry = self._agenda.after(LONGEST_SIGN_IN, lambda: self.log_out("24 hours are over"))

    def status(self) -> dict[str, object]:
        """`authStatus` as `/tickle`, `ssodh/init` and `auth/status` show it."""
        status: dict[str, object] = {
            "authenticated": self.authenticated,
            "established": self.authenticated,
            "competing": self.competing,
            "connected": self.connected,
            "message": "",
            "MAC": MAC,
        }
        if self.authenticated:
            status |= {"serverInfo": self.server, "hardware_info": HARDWARE}
        return status

    def tickle(self) -> dict[str, object]:
        return {
            "session": self.id,
            "ssoExpires": SSO_LIFETIME,
            "collission": self.competing,
            "userId": USER_ID,
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": self.status()},
        }

    def validation(self) -> dict[str, object]:
        """`/sso/validate`: how the sign-in stands, whatever the brokerage session does."""
        now = self._clock.now() // 1_000_000
        return {
            "USER_ID": USER_ID,
            "USER_NAME": self.user_name,
            "RESULT": True,
            "AUTH_TIME": self._signed_in_at // 1_000_000,
            "SF_ENABLED": False,
            "IS_FREE_TRIAL": False,
            "CREDENTIAL": self.user_name,
            "IP": self.ip,
            "EXPIRES": SSO_LIFETIME,
            "QUALIFIED_FOR_MOBILE_AUTH": None,
            "LANDING_APP": "UNIVERSAL",
            "IS_MASTER": False,
            "lastAccessed": now,
            "LOGIN_TYPE": 2 if self.is_paper else 1,
            "PAPER_USER_NAME": self.user_name if self.is_paper else "",
            "features": {
                "env": "PROD",
                "wlms": True,
                "realtime": True,
                "bond": True,
                "optionChains": True,
                "calendar": True,
                "newMf": True,
            },
            "region": "NJ",
        }
