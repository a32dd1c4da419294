"""The file of pinned certificates: `host:port fingerprint` lines that a person may read, edit and comment."""

import os
from pathlib import Path

from horizon.directories import configuration_directory
from horizon.errors import ConfigurationError


def known_gateways_file() -> Path:
    """Where the pins lie unless another file is named."""
    return configuration_directory() / "known_gateways"


def where(host: str, port: int) -> str:
    """A server's address as the file has it."""
    return f"{host.lower()}:{port}"


def normalized(sha256: str) -> str:
    """A fingerprint as 64 lower-case hex digits, however it was written."""
    return sha256.strip().lower().removeprefix("sha256:").replace(":", "").replace(" ", "")


def checked(sha256: str) -> str:
    """A fingerprint as `normalized` gives it; ConfigurationError for anything else."""
    digits = normalized(sha256)
    if len(digits) != 64 or any(digit not in "0123456789abcdef" for digit in digits):
        raise ConfigurationError(
            f"expected a SHA-256 fingerprint of 64 hex digits, found {sha256!r}: "
            "print it with `openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE`"
        )
    return digits


def spelled(digits: str) -> str:
    """A normalized fingerprint as people compare it: upper-case pairs with colons."""
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()


def known_fingerprint(host: str, port: int, file: Path | None = None) -> str | None:
    """The pin of a server, normalized; None when there is none."""
    return _pins(file or known_gateways_file()).get(where(host, port))


def remember(host: str, port: int, sha256: str, file: Path | None = None) -> None:
    """Pin a server's certificate. An older pin of the same server goes; every other line stays as it is."""
    kept_in = file or known_gateways_file()
    address = where(host, port)
    line = f"{address} {spelled(checked(sha256))}\n"
    try:
        kept_in.parent.mkdir(parents=True, exist_ok=True)
        if address not in _pins(kept_in):
            _append(kept_in, line)
            return
        kept = [old for old in kept_in.read_text("utf-8").splitlines(keepends=True) if not _is_about(old, address)]
        fresh = kept_in.with_name(f"{kept_in.name}.{os.getpid()}")
        _append(fresh, "".join(kept) + line)
        fresh.replace(kept_in)
    except OSError as error:
        raise ConfigurationError(
            f"expected to write the gateway's fingerprint to {kept_in}: {reason(error)}; give its fingerprint instead"
        ) from error


def reason(error: OSError) -> str:
    """Why a file or a connection failed, without the file's name."""
    return error.strerror or str(error)


def _is_about(line: str, address: str) -> bool:
    return line.split("#", 1)[0].split()[:1] == [address]


def _append(file: Path, text: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def _pins(file: Path) -> dict[str, str]:
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"expected to read pinned gateways from {file}: {reason(error)}") from error
    pins = {}
    for number, line in enumerate(lines, 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if len(words) != 2:
            raise ConfigurationError(f"{file}, line {number}: expected `host:port fingerprint`, found {line!r}")
        pins[words[0].lower()] = checked(words[1])
    return pins
