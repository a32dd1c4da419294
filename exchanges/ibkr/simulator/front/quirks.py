"""The gateway's own manners, each by name, so that a test can ask for one alone.

Source: measurements of the real gateway (build 2023-04, Java 17), and reference section 2 for the last three.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from horizon.errors import ConfigurationError


class Quirk(StrEnum):
    """What the front does as the real gateway does it. Without a quirk it is a polite reverse proxy in that respect."""

    TLS_1_2 = "tls-1.2"
    """TLS 1.2 only (1.0, 1.1 and 1.3 are refused), no ALPN."""
    STOCK_CERTIFICATE = "stock-certificate"
    """Self-signed, expired in 2019, names no host. Without it: an own certificate that verifies normally."""
    PATHS = "paths"
    """`/v1/portal` becomes `/v1/api`; unknown paths are redirected to the remote host, `/` to the login page."""
    REAUTHENTICATE = "reauthenticate"
    """`/v1/api/iserver/reauthenticate` is answered by the gateway itself: 200 `{"error":"not logged in"}`."""
    HEADERS = "headers"
    """Accept-Encoding is dropped, and the client's Cookie is replaced by the gateway's own jar."""
    CHUNKED = "chunked"
    """Every answer is chunked; none has a Content-Length."""
    STRAY_204 = "stray-204"
    """A 204 carries a chunked header and a `0` chunk that should not be there."""
    FIVE_CONNECTIONS = "five-connections"
    """At most five requests are on their way upstream; the others wait."""
    SILENT_WHEN_DOWN = "silent-when-down"
    """When upstream is down, no answer at all. Without it: 502."""
    EARLY_101 = "early-101"
    """A websocket is open before upstream is connected; what is said before that is lost."""
    BINARY_FRAMES = "binary-frames"
    """Text frames of the server arrive as binary."""
    SILENT_REFUSAL = "silent-refusal"
    """A websocket that upstream refuses is an open, silent socket."""
    CLOSE_1000 = "close-1000"
    """Whatever code upstream closes a websocket with, and however it is cut, the client sees 1000."""
    FRAME_SIZE = "frame-size"
    """A websocket frame over 64 KiB, either way, kills the connection."""
    LOGIN = "login"
    """After a login that succeeded the gateway itself asks `sso/validate?gw=1`, `one/user` and `ssodh/init`."""
    IPS = "ips"
    """Whoever is not in `ips.allow`, or is in `ips.deny`, gets 403 `Access Denied`."""
    LENGTH_REQUIRED = "length-required"
    """A POST without a Content-Length is refused with 411."""
    UNAUTHORIZED = "unauthorized"
    """"Not logged in" is said in turn by an empty body, by text, and by JSON."""


ALL_QUIRKS = frozenset(Quirk)


def chosen_quirks(names: Literal["all"] | Iterable[str]) -> frozenset[Quirk]:
    """The quirks of these names, or all. Raises ConfigurationError for a name that is none."""
    if isinstance(names, str):
        if names == "all":
            return ALL_QUIRKS
        names = (names,)
    wanted = set(names)
    unknown = sorted(wanted - set(Quirk))
    if unknown:
        raise ConfigurationError(
            f"expected quirks among {', '.join(Quirk)}, or 'all', found {', '.join(map(repr, unknown))}"
        )
    return frozenset(Quirk(name) for name in wanted)
