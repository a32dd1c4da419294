"""The two tiers of a gateway's session: the person's sign-in, and the brokerage session on top of it."""

import hashlib
from dataclasses import dataclass, field

from horizon.clock import NANOSECONDS, Clock

IDLE_LIMIT = 6 * 60 * NANOSECONDS
"""A brokerage session lapses after about six minutes without a request."""
SSO_LIFETIME = 10 * 60 * 1000
MAC = "AA:BB:CC:DD:EE:FF"
HARDWARE = f"5f2a90c1|{MAC}"
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


class Session:
    """Who is signed in, and what that allows."""

    def __init__(self, clock: Clock, *, seed: int, is_paper: bool, logged_in: bool, established: bool) -> None:
        self._clock = clock
        self._seed = seed
        self._number = 0
        self._last_request = clock.now()
        self._signed_in_at = clock.now()
        self.is_paper = is_paper
        self.logged_in = logged_in
        self.established = logged_in and established
        self.competing = False
        self.portfolio_queried = False
        self.brokerage = Brokerage()

    @property
    def id(self) -> str:
        """What `/tickle` calls `session`, and a WebSocket shows as its cookie."""
        return hashlib.sha256(f"{self._seed}:{self._number}".encode()).hexdigest()[:32]

    def touch(self) -> None:
        """A request came in: after too long a silence the brokerage session is gone by now."""
        now = self._clock.now()
        if now - self._last_request > IDLE_LIMIT:
            self.drop()
        self._last_request = now

    def log_in(self) -> None:
        """A person signs in. The gateway opens the brokerage session by itself then."""
        self.logged_in = True
        self._number += 1
        self._signed_in_at = self._clock.now()
        self.portfolio_queried = False
        self.establish()

    def log_out(self) -> None:
        self.logged_in = False
        self.portfolio_queried = False
        self.drop()

    def establish(self) -> None:
        self.established = True
        self.competing = False
        self.brokerage = Brokerage()

    def drop(self) -> None:
        """The brokerage session is gone; the sign-in stays."""
        self.established = False
        self.brokerage = Brokerage()

    def compete(self) -> None:
        """Another session of the same user takes the brokerage session."""
        self.drop()
        self.competing = True

    def initialise(self, *, compete: bool) -> None:
        """`ssodh/init`. A competing session is only put out when asked to; a running session starts afresh."""
        if not (self.competing and not compete):
            self.establish()

    def status(self) -> dict[str, object]:
        """`authStatus` as `/tickle`, `ssodh/init` and `auth/status` show it."""
        status: dict[str, object] = {
            "authenticated": self.established,
            "established": self.established,
            "competing": self.competing,
            "connected": self.logged_in,
            "message": "",
            "MAC": MAC,
        }
        if self.established:
            status |= {"serverInfo": dict(SERVER), "hardware_info": HARDWARE}
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
        """`/sso/validate`"""
        now = self._clock.now() // 1_000_000
        return {
            "USER_ID": USER_ID,
            "USER_NAME": USER_NAME,
            "RESULT": True,
            "AUTH_TIME": self._signed_in_at // 1_000_000,
            "SF_ENABLED": False,
            "IS_FREE_TRIAL": False,
            "CREDENTIAL": USER_NAME,
            "IP": "127.0.0.1",
            "EXPIRES": SSO_LIFETIME,
            "QUALIFIED_FOR_MOBILE_AUTH": None,
            "LANDING_APP": "UNIVERSAL",
            "IS_MASTER": False,
            "lastAccessed": now,
            "LOGIN_TYPE": 2 if self.is_paper else 1,
            "PAPER_USER_NAME": USER_NAME if self.is_paper else "",
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
