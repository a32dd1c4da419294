"""The other end of the control socket: asks the process that trades an account."""

import asyncio
import os
import socket
from pathlib import Path

import msgspec

from horizon.clock import Clock
from horizon.errors import ConfigurationError, OutcomeUnknown, VenueUnavailable
from horizon.orders.control.failures import raised
from horizon.orders.control.messages import (
    CHANGES,
    LONGEST_LINE,
    VERSION,
    Answer,
    AnyVersion,
    Asked,
    Command,
    Failure,
    Said,
)
from horizon.orders.control.place import peer_uid
from horizon.orders.owner import Owner, owner_of

_PATIENCE = 120.0
"""Seconds to wait for an answer: an order with its prompts and a cancel have their own, shorter ones."""


class OwnerGone(Exception):
    """There is no owner that can be reached: the account is free, or its owner takes no commands."""


async def ask_owner(journal: Path, command: Command, clock: Clock) -> tuple[Owner, Answer]:
    """The answer of whoever owns a journal's account. Raises OwnerGone before anything was asked, or the error told.

    OutcomeUnknown when the owner went away with a command that changes something.
    """
    owner = owner_of(journal)
    if owner is None or not owner.control or not hasattr(asyncio, "open_unix_connection"):
        raise OwnerGone
    try:
        async with clock.in_flight():
            reader, writer = await asyncio.open_unix_connection(owner.control, limit=LONGEST_LINE)
    except OSError:
        raise OwnerGone from None
    try:
        connection: socket.socket = writer.get_extra_info("socket")
        if peer_uid(connection) not in (os.getuid(), None):
            raise ConfigurationError(f"{owner.control} belongs to another user: nothing was asked; remove it")
        line = await _exchange(reader, writer, command, clock)
    except (OSError, TimeoutError, ValueError):
        line = b""
    finally:
        writer.close()
    return owner, _answer(line, owner, command)


async def _exchange(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, command: Command, clock: Clock
) -> bytes:
    writer.write(msgspec.json.encode(Asked(command=command)) + b"\n")
    async with clock.deadline(_PATIENCE):
        await writer.drain()
        return await reader.readline()


def _answer(line: bytes, owner: Owner, command: Command) -> Answer:
    if not line.endswith(b"\n"):
        text = f"process {owner.pid}, which trades {owner.account_id}, went away before it answered"
        if isinstance(command, CHANGES):
            raise OutcomeUnknown(f"{text}: see `horizon orders log` and `horizon orders list`")
        raise VenueUnavailable(f"{text}: ask again")
    version = msgspec.json.decode(line, type=AnyVersion).version
    if version != VERSION:
        raise ConfigurationError(
            f"process {owner.pid} speaks version {version} of the control socket, this one {VERSION}: use the same "
            "version of Horizon for both"
        )
    answer = msgspec.json.decode(line, type=Said).answer
    if isinstance(answer, Failure):
        raise raised(answer)
    return answer
