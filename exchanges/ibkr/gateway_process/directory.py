"""IBKR's gateway as a person unpacked it."""

import sys
from pathlib import Path
from typing import Final

import msgspec

from horizon.errors import ConfigurationError

DOWNLOAD: Final = "https://download2.interactivebrokers.com/portal/clientportal.gw.zip"
RUN_SCRIPT: Final = "bin/run.sh"
CONFIGURATION: Final = "root/conf.yaml"


class GatewayDirectory(msgspec.Struct, frozen=True):
    """A folder that holds a whole gateway."""

    path: Path

    @property
    def configuration(self) -> Path:
        """The configuration that IBKR ships."""
        return self.path / CONFIGURATION

    @property
    def root(self) -> Path:
        """Where the gateway looks for its keystore."""
        return self.path / "root"


def gateway_directory(path: Path) -> GatewayDirectory:
    """The gateway in a folder. Raises ConfigurationError that says what is missing, and where a gateway comes from."""
    refuse_windows()
    found = path.expanduser().resolve()
    missing = [name for name in (RUN_SCRIPT, CONFIGURATION) if not (found / name).is_file()]
    if not any(found.glob("dist/*.jar")):
        missing.append("dist/*.jar")
    if not missing:
        return GatewayDirectory(found)
    inner = next((each.parent.parent for each in found.glob("*/bin/run.sh")), None)
    if inner is not None:
        remedy = f"name the folder that holds them: --dir {inner}"
    else:
        remedy = (
            f"download IBKR's gateway from {DOWNLOAD}, unpack it with `unzip clientportal.gw.zip -d clientportal.gw`, "
            f"and name that folder with --dir"
        )
    what = "no such folder" if not found.is_dir() else f"no {' and no '.join(missing)}"
    raise ConfigurationError(f"expected IBKR's gateway in {found}, found {what}: {remedy}")


def refuse_windows() -> None:
    """Raise ConfigurationError on Windows, with what to do there instead."""
    if sys.platform == "win32":
        raise ConfigurationError(
            "the gateway is started and stopped for you on Linux and macOS only: on Windows run "
            r"`bin\run.bat root\conf.yaml` in its folder, keep that window open, and sign in at https://localhost:5000"
        )
