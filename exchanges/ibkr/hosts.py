"""The addresses at which one login is known, and the one that is asked now."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from exchanges.ibkr.auth.gateway_trust import refuse_plain_http_elsewhere
from horizon.clock import Clock
from horizon.net.answer import Response
from horizon.net.tls import Trust

if TYPE_CHECKING:
    from horizon.net.http import AsyncTransport


class Hosts:
    """One HTTP client for each address, `first` and then `others` (addresses, or names under the same scheme).

    Raises ConfigurationError for an address among them where a token would be sent without TLS to another machine.
    Which one is asked stays the same until somebody says `next`.
    """

    def __init__(
        self,
        first: str,
        others: Sequence[str],
        *,
        path: str,
        clock: Clock,
        trust: Trust | None,
        headers: Mapping[str, str],
        transport: "AsyncTransport | None",
    ) -> None:
        # The HTTP libraries take longer to load than everything else: not before a client is made.
        from horizon.net.http import HttpClient

        scheme = first.strip().partition("://")[0]
        urls = (first, *(each if "://" in each else f"{scheme}://{each}" for each in others))
        for url in urls[1:]:
            refuse_plain_http_elsewhere(url)
        self._clients = [
            HttpClient(url, clock=clock, trust=trust, headers=headers, transport=transport)
            for url in dict.fromkeys(url.strip().rstrip("/").removesuffix(path) for url in urls)
        ]
        self.asked = 0
        """Which one is asked now."""

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def base_url(self) -> str:
        """The address that is asked now, without a path."""
        return self._clients[self.asked].base_url

    def next(self, after: int) -> None:
        """The one with this number is the wrong one. Several requests may find that out at once."""
        self.asked = (after + 1) % len(self._clients)

    async def open(self) -> None:
        """Settle whom to trust. The first request does it otherwise."""
        await self._clients[self.asked].open()

    async def close(self) -> None:
        """Close every connection."""
        for client in self._clients:
            await client.close()

    async def request(
        self,
        number: int,
        method: str,
        target: str,
        *,
        content: bytes | None,
        headers: Mapping[str, str] | None,
        timeout: float,
    ) -> Response:
        """Send once to the host with this number. Raises as `HttpClient.request` does."""
        return await self._clients[number].request(method, target, content=content, headers=headers, timeout=timeout)
