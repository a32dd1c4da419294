"""This machine: Python, packages, folders, room for the journal, the file of the shared request limits."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Final

from exchanges.ibkr.doctor.check import Check, failed, ok, warning
from exchanges.ibkr.rates import rates_file
from horizon.directories import configuration_directory, state_directory
from horizon.net.shared_rates import is_whole

OLDEST_PYTHON: Final = (3, 11)
_GIB: Final = 1 << 30
_LITTLE: Final = _GIB
_TOO_LITTLE: Final = _GIB // 10
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def machine_checks() -> Iterator[Check]:
    """What can be said without the settings."""
    yield _python()
    yield _packages()
    yield _folder("state folder", state_directory(), "the journal, request limits and sign-ins are kept there")
    yield _folder("configuration folder", configuration_directory(), "settings and pinned certificates are kept there")
    yield _disk()


def limits_file(base_url: str) -> Check:
    """The file in which the programs of this user keep IBKR's request limits together."""
    name, file = "request limits", rates_file(base_url)
    whole = is_whole(file)
    if whole is None:
        return ok(name, f"no program of this user has asked {base_url} lately")
    if whole:
        return ok(name, f"kept together by all programs of this user, in {file}")
    return warning(
        name,
        f"{file} can't be read",
        "make it yours, or remove it while no program runs: until then every limit is taken for used up",
    )


def _python() -> Check:
    found = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return failed("python", found, "install Python 3.11 or newer")
    return ok("python", found)


def _packages() -> Check:
    own = "horizon-trading"
    try:
        needed = [text for text in requires(own) or [] if "extra ==" not in text]
        found = f"{own} {version(own)}"
    except PackageNotFoundError:
        return warning("packages", f"{own} is not installed here", "install it with `pip install horizon-trading`")
    missing = [name for name in (_NAME.match(text) for text in needed) if name and not _is_installed(name[0])]
    if missing:
        names = " ".join(name[0] for name in missing)
        return failed("packages", f"{found} without {names}", f"run `pip install {names}`")
    return ok("packages", f"{found}, with the {len(needed)} that it needs")


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def _folder(name: str, folder: Path, why: str) -> Check:
    place = _existing(folder)
    if not place.is_dir():
        return failed(name, f"{place} is no folder", f"move it away: {why}")
    if not os.access(place, os.W_OK | os.X_OK):
        return failed(name, f"{folder} can't be written to", f"make it writable for this user: {why}")
    return ok(name, str(folder))


def _disk() -> Check:
    place = _existing(state_directory())
    free = shutil.disk_usage(place).free
    found = f"{free / _GIB:.1f} GiB free at {place}"
    if free < _TOO_LITTLE:
        return failed("disk", found, "make room: no order is sent that can't be written to the journal first")
    if free < _LITTLE:
        return warning("disk", found, "make room: the journal and recordings grow")
    return ok("disk", found)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())
