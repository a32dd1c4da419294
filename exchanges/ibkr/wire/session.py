"""Sign-in, session status and keep-alive."""

import msgspec

from exchanges.ibkr.wire.types import Conid, Private


class ServerInfo(msgspec.Struct, frozen=True):
    """Which server answered."""

    serverName: str | None = None
    serverVersion: str | None = None


class AuthStatus(msgspec.Struct, frozen=True):
    """`POST /iserver/auth/status`, `POST /iserver/auth/ssodh/init`, and a part of `POST /tickle`."""

    authenticated: bool | None = None
    established: bool | None = None
    """Left out by builds of 2023 and before."""
    competing: bool | None = None
    connected: bool | None = None
    passed: bool | None = None
    message: str | None = None
    fail: str | None = None
    prompt: bool | None = None
    serverInfo: ServerInfo | None = None


class TickleServer(msgspec.Struct, frozen=True):
    """The brokerage part of a keep-alive answer."""

    authStatus: AuthStatus | None = None


class HistoryServer(msgspec.Struct, frozen=True):
    """The history part of a keep-alive answer; `error: "no bridge"` is normal here."""

    error: str | None = None


class Tickle(Private, frozen=True):
    """`POST /tickle`. Under OAuth 1.0a only `session`, `hmds` and `iserver` are sent."""

    session: str | None = None
    """A secret: it opens the websocket."""
    ssoExpires: int | None = None
    """Milliseconds that remain."""
    collission: bool | None = None
    """Spelled so by the venue."""
    userId: Conid | None = None
    hmds: HistoryServer | None = None
    iserver: TickleServer | None = None


class Features(msgspec.Struct, frozen=True):
    """A part of `GET /sso/validate`."""

    env: str | None = None
    wlms: bool | None = None
    realtime: bool | None = None


class SsoValidation(Private, frozen=True):
    """`GET /sso/validate` (gateway and OAuth 2.0 only, one a minute)."""

    USER_NAME: str | None = None
    IP: str | None = None
    """The address from which the sign-in was made, as the venue saw it."""
    RESULT: bool | None = None
    LOGIN_TYPE: int | None = None
    """1 live, 2 paper; the published schema spells it `loginType`."""
    loginType: int | None = None
    EXPIRES: int | None = None
    """Milliseconds that remain."""
    AUTH_TIME: int | None = None
    PAPER_USER_NAME: str | None = None
    IS_FREE_TRIAL: bool | None = None
    features: Features | None = None
    region: str | None = None


class Message(msgspec.Struct, frozen=True):
    """Acknowledgements: `{"status": "submitted"}`, `{"message": "success"}`, `{"success": true}`, `{"set": true}`."""

    status: bool | str | None = None
    message: str | None = None
    success: bool | str | None = None
    unsubscribed: bool | None = None
    set: bool | None = None
    acctId: str | None = None
    text: str | None = None
