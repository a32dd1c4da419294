"""The gateway's own words: one file per port, the one before it kept, shown redacted."""

import os
from pathlib import Path
from typing import Final

from exchanges.ibkr.gateway_process.record import gateways_directory
from horizon.errors import ConfigurationError
from horizon.net.redaction import extract

_LINES: Final = 8
_TAIL_BYTES: Final = 32_768


def fresh_log(port: int) -> Path:
    """An empty file that only its owner can read; what was there is kept as `.previous`.

    Raises ConfigurationError when it can't be written.
    """
    file = gateways_directory() / f"gateway-{port}.log"
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if file.exists():
            file.replace(file.with_suffix(".log.previous"))
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise ConfigurationError(
            f"expected to write the gateway's log to {file}: {error.strerror}; make its folder writable"
        ) from error
    return file


def last_lines(file: Path, count: int = _LINES) -> tuple[str, ...]:
    """The last lines that say something, without secrets and each cut short."""
    try:
        with file.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            text = log.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ()
    return tuple(extract(line) for line in text.splitlines() if line.strip())[-count:]


def quoted(file: Path) -> str:
    """The last lines as the end of a sentence."""
    lines = last_lines(file)
    return f"its log ({file}) ends with: " + " | ".join(lines) if lines else f"its log ({file}) is empty"
