"""Whether other machines can reach the gateway's port. Whoever can, trades: the gateway asks callers for nothing.

It binds every interface of the machine, and only `ips.allow` in its configuration keeps others out. Asking it at an
address of this machine that is not loopback shows it the caller that another machine would be, as far as a list of
loopback addresses goes; nothing leaves the machine, because its own addresses are delivered inside it.
"""

import asyncio
import re
import shutil
import socket
import ssl
from collections.abc import Sequence
from typing import Final

import msgspec

from exchanges.ibkr.gateway_process.record import DEFAULT_PORT
from horizon.clock import Clock
from horizon.net.redaction import extract
from horizon.net.tls import is_loopback

_SECONDS: Final = 5.0
_REFUSED: Final = re.compile(rb"Access Denied", re.IGNORECASE)
_READ: Final = 4096
_ADDRESS: Final = re.compile(r"inet6? (?:addr:)?(?P<address>[0-9a-fA-F.:]+)")


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """What the port answered at one address of this machine."""

    address: str
    port: int
    exposed: bool
    found: str
    """`refused`, `closed without an answer`, `Access Denied`, or the first line of what it answered."""

    @property
    def warning(self) -> str:
        """What to do about it, as one sentence; empty when nobody else gets through."""
        if not self.exposed:
            return ""
        return (
            f"the gateway answers at {self.address}:{self.port} ({self.found}): whoever reaches this port can trade; "
            f"set ips.allow in its conf.yaml to 127.0.0.1 only, or start it with `horizon ibkr gateway start`, and "
            f"close the port in the firewall"
        )


async def port_exposure(
    clock: Clock, *, port: int = DEFAULT_PORT, addresses: Sequence[str] | None = None
) -> tuple[Exposure, ...]:
    """What the port answers at each address of this machine that is not loopback; nothing for a machine without one.

    `addresses` takes the place of this machine's own.
    """
    asked = addresses if addresses is not None else await own_addresses(clock)
    return tuple([await _probe(address, port, clock) for address in asked])


async def own_addresses(clock: Clock) -> tuple[str, ...]:
    """The addresses of this machine's interfaces, without loopback and link-local ones."""
    found: set[str] = set()
    for command in (("ip", "-o", "addr", "show"), ("ifconfig", "-a")):
        program = shutil.which(command[0], path="/sbin:/usr/sbin:/bin:/usr/bin")
        if program is not None:
            async with clock.in_flight():
                asked = await asyncio.create_subprocess_exec(
                    program, *command[1:],
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.DEVNULL,
                )  # fmt: skip
                output, _ = await asked.communicate()
            found.update(addresses_in(output.decode("utf-8", "replace")))
            break
    found.update(_address_of_the_way_out())
    return tuple(sorted(address for address in found if not is_loopback(address)))


def addresses_in(text: str) -> set[str]:
    """The addresses that `ip addr` or `ifconfig` lists; link-local ones need a zone and are left out."""
    found = {match["address"] for match in _ADDRESS.finditer(text)}
    return {address for address in found if not address.lower().startswith(("fe80", "169.254."))}


def _address_of_the_way_out() -> set[str]:
    """The address that packets to elsewhere would carry: asked of the routing table, nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unsent:
        try:
            # TEST-NET-1, which is nobody's; connecting a datagram socket only chooses a route
            unsent.connect(("192.0.2.1", 9))
        except OSError:
            return set()
        return {str(unsent.getsockname()[0])}


async def _probe(address: str, port: int, clock: Clock) -> Exposure:
    """Ask for the front page, which the gateway answers by itself, signed in or not. Its certificate is not looked at:
    nothing secret is sent."""
    answer = await _asked(address, port, clock, secure=True)
    if answer is None:
        answer = await _asked(address, port, clock, secure=False)
    if not answer:
        found = "refused" if answer is None else "closed without an answer"
        return Exposure(address=address, port=port, exposed=False, found=found)
    if _REFUSED.search(answer):
        return Exposure(address=address, port=port, exposed=False, found="Access Denied")
    return Exposure(address=address, port=port, exposed=True, found=extract(answer.split(b"\r\n", 1)[0]))


async def _asked(address: str, port: int, clock: Clock, *, secure: bool) -> bytes | None:
    """The beginning of the answer; None when there was no connection (or no TLS, where that was wanted)."""
    context = None
    if secure:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        async with clock.deadline(_SECONDS), clock.in_flight():
            reader, writer = await asyncio.open_connection(address, port, ssl=context)
    except (OSError, TimeoutError):
        return None
    try:
        async with clock.deadline(_SECONDS), clock.in_flight():
            writer.write(f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
            return await _beginning(reader)
    except TimeoutError:
        # a caller that is not admitted is told so at once; a gateway whose venue is away keeps an admitted one waiting
        return b"an open connection without an answer"
    except OSError:
        return b""
    finally:
        writer.transport.abort()


async def _beginning(reader: asyncio.StreamReader) -> bytes:
    content = b""
    while len(content) < _READ and (more := await reader.read(_READ)):
        content += more
    return content
