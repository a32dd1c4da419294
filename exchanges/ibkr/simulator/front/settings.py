"""What stands before the embedded gateway."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from exchanges.ibkr.simulator.front.quirks import ALL_QUIRKS, Quirk, chosen_quirks

REMOTE = "https://api.ibkr.com"


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """A reverse proxy with the real gateway's manners, before the embedded one. By default it has them all.

    `remote` is the host that unknown paths are redirected to. `ips_allow` and `ips_deny` are addresses with `*`, as in
    conf.yaml. `starts_after` is how long the port refuses everyone at first, and `connects_socket_after` how long a
    websocket is open before upstream knows of it; both in seconds of the simulator's clock.

    `all_interfaces` binds every interface, as the real gateway does: then only the addresses keep others out.
    """

    quirks: frozenset[Quirk] = ALL_QUIRKS
    remote: str = REMOTE
    ips_allow: tuple[str, ...] = ("127.0.0.1",)
    ips_deny: tuple[str, ...] = ()
    all_interfaces: bool = False
    starts_after: float = 0.0
    connects_socket_after: float = 0.25

    @classmethod
    def of(cls, quirks: Literal["all"] | Iterable[str]) -> "Front":
        """A front with these quirks and otherwise as usual. Raises ConfigurationError for an unknown name."""
        return cls(quirks=chosen_quirks(quirks))
