"""What is remembered of a gateway that was started: a small file per port, for whoever stops it or asks after it."""

from pathlib import Path
from typing import Final

import msgspec

from exchanges.ibkr.gateway_process.processes import Process
from horizon.directories import state_directory
from horizon.errors import ConfigurationError

DEFAULT_PORT: Final = 5000


class GatewayRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway that was started here."""

    port: int
    directory: str
    log: str
    started: int
    """Integer nanoseconds."""
    processes: tuple[Process, ...]
    """The run script, and the Java that it started."""
    certificate: str = ""
    """The PEM file of its own certificate; empty when it shows the one that IBKR ships."""

    @property
    def pid(self) -> int:
        """The id to name to a person: the Java where it was found, which does the work."""
        return self.processes[-1].pid

    @property
    def base_url(self) -> str:
        """Where it answers."""
        return f"https://localhost:{self.port}"


def gateways_directory() -> Path:
    """Where records and logs lie."""
    return state_directory() / "ibkr"


def read_record(port: int) -> GatewayRecord | None:
    """What is remembered of the gateway at a port; None when nothing is.

    Raises ConfigurationError for a damaged file.
    """
    file = _file(port)
    try:
        return msgspec.json.decode(file.read_bytes(), type=GatewayRecord)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"expected to read what is remembered of the gateway from {file}: {error.strerror}; make its folder yours"
        ) from error
    except msgspec.DecodeError as error:
        raise ConfigurationError(
            f"expected what is remembered of the gateway at port {port} in {file}, found a damaged file ({error}): "
            f"end that gateway by hand, then remove the file"
        ) from None


def write_record(record: GatewayRecord) -> None:
    """Remember a gateway. Raises ConfigurationError when that can't be written."""
    file = _file(record.port)
    fresh = file.with_suffix(".new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(record)) + b"\n")
        fresh.replace(file)
    except OSError as error:
        raise ConfigurationError(
            f"expected to write what is known of the gateway to {file}: {error.strerror}; make its folder writable"
        ) from error


def forget_record(port: int) -> None:
    """The gateway at a port has ended."""
    _file(port).unlink(missing_ok=True)


def _file(port: int) -> Path:
    return gateways_directory() / f"gateway-{port}.json"
