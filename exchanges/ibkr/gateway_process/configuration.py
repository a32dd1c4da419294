"""The gateway's configuration as Horizon starts it: IBKR's own, with the parts replaced that leave it open.

The gateway binds every interface and trades for whoever reaches its port, so `ips.allow` admits this machine only, and
no page of another origin may call it. Everything else stays as IBKR ships it, because the gateway refuses to start when
a key is unknown to it, and needs some that are documented nowhere.
"""

import os
import re
from pathlib import Path
from typing import Final

from exchanges.ibkr.gateway_process.directory import GatewayDirectory
from exchanges.ibkr.gateway_process.own_certificate import OwnCertificate
from horizon.errors import ConfigurationError

NAME: Final = "conf.horizon.yaml"
_KEY = re.compile(r"(?P<indent> *)(?P<key>[A-Za-z_][\w.]*)\s*:(?=\s|$)")
_HEADER: Final = "# Written by `horizon ibkr gateway start` from conf.yaml at each start: edit that one.\n"


def write_configuration(directory: GatewayDirectory, port: int, certificate: OwnCertificate | None) -> str:
    """Write it beside IBKR's own; the argument for the run script. It may hold the keystore's password: mode 0600.

    Raises ConfigurationError when IBKR's own can't be read, or the folder can't be written to.
    """
    try:
        text = configuration_text(directory.configuration.read_text("utf-8"), port, certificate)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"expected to read {directory.configuration}: {error}") from error
    except ValueError as error:
        raise ConfigurationError(f"{directory.configuration}: {error}; unpack the gateway again") from None
    path = directory.root / NAME
    try:
        write_secret(path, text.encode())
    except OSError as error:
        raise ConfigurationError(
            f"expected to write {path}: {error.strerror}; make the gateway's folder yours (`chown -R $USER`)"
        ) from error
    return f"root/{NAME}"


def configuration_text(original: str, port: int, certificate: OwnCertificate | None) -> str:
    """IBKR's configuration with our port, certificate, addresses and origins. ValueError when it is no such file."""
    blocks = _blocks(original)
    if "proxyRemoteHost" not in blocks:
        raise ValueError("expected the gateway's configuration with a key proxyRemoteHost, found none")
    ours = {
        "listenPort": f"listenPort: {port}\n",
        "listenSsl": "listenSsl: true\n",
        # a page that the gateway itself serves; the value is a pattern for the Origin header
        "cors": f'cors:\n  origin.allowed: "https://localhost:{port}"\n  allowCredentials: false\n',
        # its Java is told to use IPv4 only; the denied address can't exist and stands in IBKR's own file
        "ips": "ips:\n  allow:\n    - 127.0.0.1\n  deny:\n    - 212.90.324.10\n",
    }
    if certificate is not None:
        ours["sslCert"] = f'sslCert: "{certificate.keystore.name}"\n'
        ours["sslPwd"] = f'sslPwd: "{certificate.password}"\n'
    return _HEADER + "".join((blocks | ours).values())


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    fresh.replace(path)


def _blocks(text: str) -> dict[str, str]:
    """The top-level keys with the lines that belong to each, without the margin that some copies indent them by."""
    blocks: dict[str, str] = {}
    margin: str | None = None
    key = ""
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _KEY.match(line)
        if found is not None and margin is None:
            margin = found["indent"]
        if found is not None and found["indent"] == margin:
            key = found["key"]
            blocks[key] = ""
        if not key:
            raise ValueError(f"expected `key: value` lines, found {line.strip()[:60]!r}")
        blocks[key] += line.removeprefix(margin or "").rstrip() + "\n"
    return blocks
