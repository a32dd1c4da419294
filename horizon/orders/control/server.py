"""The owner's end of the control socket: a Unix socket that only this user can open."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from horizon.errors import HorizonError
from horizon.orders.control.failures import told
from horizon.orders.control.messages import LONGEST_LINE, VERSION, Answer, AnyVersion, Asked, Command, Failure, Said
from horizon.orders.control.place import peer_uid, socket_place

_encode = msgspec.json.Encoder().encode
_logger = logging.getLogger(__name__)

Obey = Callable[[Command], Awaitable[Answer]]


class ControlServer:
    """Takes commands for one account until it is closed."""

    def __init__(self, obey: Obey) -> None:
        self._obey = obey
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[object]] = set()

    async def open(self, journal: Path) -> str:
        """Listen, and return where; empty where the system has no such sockets or no folder for one will do."""
        if not hasattr(asyncio, "start_unix_server"):
            return ""
        path = socket_place(journal)
        if path is None:
            _logger.warning("no folder for a control socket: other programs can't reach the owner of %s", journal)
            return ""
        # the account is owned by this process, so whatever is left there is left by one that died
        path.unlink(missing_ok=True)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path=path, limit=LONGEST_LINE)
            path.chmod(0o600)
        except OSError as error:
            _logger.warning("no control socket at %s (%s): other programs can't reach this one", path, error)
            await self.close()
            return ""
        self._path = path
        return str(path)

    async def close(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._server.wait_closed()
        self._server = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            connection: socket.socket = writer.get_extra_info("socket")
            if peer_uid(connection) not in (os.getuid(), None):
                return
            while line := await reader.readline():
                answer = await self._answer(line)
                writer.write(_encode(Said(answer=answer)) + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError, asyncio.CancelledError):
            # gone, or a line without an end: whoever it is asks again; or the owner ends
            return
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> Answer:
        try:
            version = msgspec.json.decode(line, type=AnyVersion).version
            if version != VERSION:
                return _refusal(
                    f"the process that trades this account speaks version {VERSION} of its control socket, asked was "
                    f"version {version}: use the same version of Horizon for both"
                )
            command = msgspec.json.decode(line, type=Asked).command
        except (msgspec.DecodeError, ValueError) as error:
            return _refusal(f"expected a command of version {VERSION}, found something else: {error}")
        try:
            return await self._obey(command)
        except HorizonError as error:
            return told(error)
        except Exception as error:
            _logger.exception("a command from outside failed by a defect")
            return Failure(error="HorizonError", message=f"{type(error).__name__}: a defect; see the owner's log")


def _refusal(message: str) -> Failure:
    return Failure(error="ConfigurationError", message=message)
