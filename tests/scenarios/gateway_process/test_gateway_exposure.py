"""Whether others can reach the gateway's port, asked at addresses of this machine."""

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from exchanges.ibkr.gateway_process import exposure
from exchanges.ibkr.gateway_process.exposure import addresses_in, own_addresses, port_exposure
from exchanges.ibkr.gateway_process.ports import from_lsof_lines
from exchanges.ibkr.gateway_process.processes import Process, from_ps_lines
from horizon.clock import SystemClock

CLOCK = SystemClock()
Listen = Callable[..., Awaitable[int]]


@pytest.fixture
async def listen(stock_pem: Path) -> AsyncIterator[Listen]:
    """Starts a server that sends some bytes to whoever asks; None keeps them waiting. Gives its port."""
    servers: list[asyncio.Server] = []
    tasks: set[asyncio.Task[object]] = set()
    over = asyncio.Event()

    async def listening(content: bytes | None, *, tls: bool = True) -> int:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await reader.read(4096)
                if content is None:
                    await over.wait()
                writer.write(content or b"")
                await writer.drain()
            except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
                return
            finally:
                writer.close()

        context = None
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(stock_pem)
        servers.append(await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield listening
    over.set()
    for server in servers:
        server.close()
    await asyncio.gather(*tasks)


LOGIN_PAGE = b"HTTP/1.1 302 Found\r\nLocation: /sso/Login?forwardTo=22&RL=1&ip2loc=US\r\nContent-Length: 0\r\n\r\n"
DENIED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 13\r\n\r\nAccess Denied"


@pytest.mark.parametrize("tls", [True, False])
async def test_a_gateway_that_answers_others_is_warned_of(listen: Listen, tls: bool) -> None:
    port = await listen(LOGIN_PAGE, tls=tls)
    (found,) = await port_exposure(CLOCK, port=port, addresses=["127.0.0.1"])
    assert found.exposed
    assert found.found == "HTTP/1.1 302 Found"
    assert "whoever reaches this port can trade; set ips.allow" in found.warning
    assert f"127.0.0.1:{port}" in found.warning


@pytest.mark.parametrize("status", [b"403 Forbidden", b"200 OK"])
async def test_a_gateway_that_denies_others_is_not(listen: Listen, status: bytes) -> None:
    port = await listen(DENIED.replace(b"403 Forbidden", status))
    (found,) = await port_exposure(CLOCK, port=port, addresses=["127.0.0.1"])
    assert (found.exposed, found.found, found.warning) == (False, "Access Denied", "")


@pytest.mark.parametrize("tls", [True, False])
async def test_a_port_that_closes_without_a_word_is_not(listen: Listen, tls: bool) -> None:
    (found,) = await port_exposure(CLOCK, port=await listen(b"", tls=tls), addresses=["127.0.0.1"])
    assert (found.exposed, found.found) == (False, "closed without an answer")


async def test_nobody_at_the_port_is_not(listen: Listen) -> None:
    (found,) = await port_exposure(CLOCK, port=1, addresses=["127.0.0.1"])
    assert (found.exposed, found.found) == (False, "refused")


async def test_a_gateway_that_keeps_others_waiting_has_let_them_in(
    listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exposure, "_SECONDS", 0.3)
    (found,) = await port_exposure(CLOCK, port=await listen(None), addresses=["127.0.0.1"])
    assert found.exposed
    assert "without an answer" in found.found


async def test_every_address_is_asked(listen: Listen) -> None:
    port = await listen(DENIED)
    found = await port_exposure(CLOCK, port=port, addresses=["127.0.0.1", "127.0.0.2"])
    assert [each.address for each in found] == ["127.0.0.1", "127.0.0.2"]


async def test_this_machines_addresses_leave_loopback_out() -> None:
    for address in await own_addresses(CLOCK):
        assert not ipaddress.ip_address(address).is_loopback


def test_addresses_are_read_from_ip_and_ifconfig() -> None:
    linux = (
        "1: lo    inet 127.0.0.1/8 scope host lo\n"
        "2: eth0    inet 192.0.2.7/24 brd 192.0.2.255 scope global eth0\n"
        "2: eth0    inet6 2001:db8::7/64 scope global\n"
        "2: eth0    inet6 fe80::1/64 scope link\n"
    )
    mac = "en0: flags=8863<UP>\n\tinet 192.0.2.8 netmask 0xffffff00\n\tinet6 fe80::2%en0 prefixlen 64\n"
    assert addresses_in(linux) == {"127.0.0.1", "192.0.2.7", "2001:db8::7"}
    assert addresses_in(mac) == {"192.0.2.8"}


def test_macs_own_lists_are_read() -> None:
    lines = ["  123   100 S    Mon Jan  5 00:11:12 2026", "  124   100 Z    Mon Jan  5 00:11:13 2026"]
    assert list(from_ps_lines(lines)) == [Process(123, 100, "Mon Jan 5 00:11:12 2026")]
    assert from_lsof_lines(["p456", "cControlCenter", "f10"]) == "ControlCenter (pid 456)"
    assert from_lsof_lines([]) == ""
