"""A listening socket for a simulator, or one sentence why there is none."""

import errno
import socket

from horizon.errors import ConfigurationError


def listening_socket(port: int, host: str = "127.0.0.1", *, listens: bool = True) -> socket.socket:
    """A TCP socket at its port. With `listens` off it only has the port: until `listen()` a client is refused.

    Port 0 takes a free one. Raises ConfigurationError when the port can't be had.
    """
    # Named as TCP, because asyncio turns off Nagle's delay only then: 40 ms per answer otherwise.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        if listens:
            listener.listen()
        listener.setblocking(False)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigurationError(_port_problem(port, error)) from None
    return listener


def _port_problem(port: int, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program: stop that program, choose another port, or 0 for a free one"
    if isinstance(error, PermissionError):
        return f"port {port} may not be used without special rights: choose a port from 1024 up, or 0 for a free one"
    return f"port {port} can't be listened on ({error}): choose another port, or 0 for a free one"
