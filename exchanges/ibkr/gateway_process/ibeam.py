"""What ibeam needs on this machine. It is a program of its own that fills in IBKR's login page; never installed here.

Its facts (names of variables, `-a`, what it logs) are those of ibeam 0.5, from its own configuration page and source.
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import Final

import msgspec

from horizon.errors import ConfigurationError

_BROWSERS: Final = ("google-chrome", "google-chrome-stable", "chromium", "chromium-browser", "chrome")
_MAC_BROWSERS: Final = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
_DRIVER_VARIABLE: Final = "IBEAM_CHROME_DRIVER_PATH"


class Ibeam(msgspec.Struct, frozen=True, kw_only=True):
    """An ibeam that can be started here."""

    command: tuple[str, ...]
    browser: str
    driver: str


def find_ibeam() -> Ibeam:
    """The ibeam of this machine with what it needs. Raises ConfigurationError that names everything that is missing."""
    command = _command()
    browser = _browser()
    driver = os.environ.get(_DRIVER_VARIABLE) or shutil.which("chromedriver") or ""
    missing = []
    if not command:
        missing.append("ibeam (`pip install ibeam`)")
    if not browser:
        missing.append("Chrome or Chromium (Debian: `apt install chromium`; macOS: `brew install --cask chromium`)")
    if not driver or not Path(driver).is_file():
        missing.append(
            f"its driver (Debian: `apt install chromium-driver`; macOS: `brew install chromedriver`; or its path in "
            f"{_DRIVER_VARIABLE})"
        )
    if sys.platform == "linux" and shutil.which("Xvfb") is None:
        # it opens a screen of its own whether or not DISPLAY names one
        missing.append("Xvfb, the screen that it opens, with or without a DISPLAY (Debian: `apt install xvfb`)")
    if missing:
        raise ConfigurationError(
            f"--login ibeam needs {', '.join(missing)}: install that, or sign in yourself with --login browser"
        )
    return Ibeam(command=command, browser=browser, driver=driver)


def _command() -> tuple[str, ...]:
    """A program of that name, or the script that ibeam documents, run with this Python."""
    found = shutil.which("ibeam")
    if found is not None:
        return (found,)
    try:
        spec = importlib.util.find_spec("ibeam")
    except (ImportError, ValueError):
        return ()
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    scripts = [Path(folder) / "ibeam_starter.py" for folder in folders]
    return next(((sys.executable, str(script)) for script in scripts if script.is_file()), ())


def _browser() -> str:
    found = next((path for name in _BROWSERS if (path := shutil.which(name))), "")
    if not found and sys.platform == "darwin":
        found = next((path for path in _MAC_BROWSERS if Path(path).is_file()), "")
    return found
