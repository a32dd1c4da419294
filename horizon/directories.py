"""Where this user's files go by default: the journal under the state directory, pins under the configuration one."""

import os
import sys
from pathlib import Path


def state_directory() -> Path:
    """Horizon's own folder for state that must survive; not created here."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "horizon"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "horizon"


def configuration_directory() -> Path:
    """Horizon's own folder for what a person may read and edit; not created here."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming")) / "horizon"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "horizon"
