"""Which profile holds: the file of profiles, the environment over it.

default = "paper"

[paper]
auth = "gateway"

[live]
auth = "oauth2"
client_id = "..."
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from exchanges.ibkr.settings.profile import KEYS, OF_WAY, SECRETS, Settings, settings_of
from exchanges.ibkr.settings.secrets import refuse_readable_by_others
from exchanges.ibkr.settings.typos import nearest
from horizon.directories import configuration_directory
from horizon.errors import ConfigurationError

PREFIX: Final = "IBKR_"
PROFILE_VARIABLE: Final = "IBKR_PROFILE"
_LISTS: Final = frozenset({"hosts"})
_NUMBERS: Final = frozenset({"requests_per_second"})
_SWITCHES: Final = frozenset({"accept_stock_certificate", "hold_orders_over_reset"})
_YES: Final = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that hold, and where they come from."""

    settings: Settings
    profile: str | None
    """None when there is no file of profiles."""
    file: str | None
    variables: tuple[str, ...]
    """Environment variables that were read."""
    unread: tuple[str, ...]
    """One clause for each variable that looks like one of ours and is none."""


def settings_file() -> Path:
    """Where the profiles are written; it need not be there."""
    return configuration_directory() / "ibkr.toml"


def choose(profile: str | None = None, *, file: Path | None = None) -> Chosen:
    """The profile of that name, else of IBKR_PROFILE, else the default one, with the environment over it.

    Raises ConfigurationError for what the file or the environment says wrongly; no secret is quoted.
    """
    place = file or settings_file()
    wanted = profile or os.environ.get(PROFILE_VARIABLE) or None
    tables = _read(place)
    name = None if tables is None else _name(tables, wanted, place)
    if tables is None and wanted is not None:
        raise ConfigurationError(
            f"expected the profile {wanted!r} in {place}, found no such file: write it with a table [{wanted}], or "
            f"leave the profile out"
        )
    table: dict[str, Any] = {} if tables is None or name is None else dict(tables[name])
    where = str(place) if name is None else f"{place}, [{name}]"
    settings_of(table, where)
    variables = _variables(table.get("auth"))
    merged = table | {key: value for key, (_, value) in variables.items()}
    told = where if not variables else f"{where} with {', '.join(source for source, _ in variables.values())}"
    return Chosen(
        settings=settings_of(merged, told),
        profile=name,
        file=None if tables is None else str(place),
        variables=tuple(source for source, _ in variables.values()),
        unread=_unread(),
    )


def _read(place: Path) -> dict[str, Any] | None:
    """The file's tables; None without a file."""
    try:
        with place.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(f"expected to read settings from {place}: {error.strerror}; make it yours") from None
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        # the library's text names a place, and at most one character of what stands there
        raise ConfigurationError(f"expected TOML in {place}, found something else ({error}): correct it") from None
    for name, table in tables.items():
        if name == "default":
            if not isinstance(table, str):
                raise ConfigurationError(f'{place}: expected default = "PROFILE", found something else: correct it')
        elif not isinstance(table, dict):
            hint = nearest(name, ("default",)) if name not in KEYS else "put it under a profile, such as [paper]"
            raise ConfigurationError(f"{place}: {name!r} stands outside a profile: {hint}")
        else:
            for key in sorted(SECRETS & table.keys()):
                if isinstance(table[key], str):
                    refuse_readable_by_others(place, f"{key} of [{name}]", mode)
    return tables


def _name(tables: Mapping[str, Any], wanted: str | None, place: Path) -> str | None:
    profiles = [name for name in tables if name != "default"]
    name = wanted or tables.get("default")
    if name is None:
        if len(profiles) > 1:
            raise ConfigurationError(
                f'{place} has several profiles ({", ".join(profiles)}) and no default: add default = "{profiles[0]}" '
                f"at its beginning, or say which with --profile"
            )
        return profiles[0] if profiles else None
    if name not in profiles:
        hint = nearest(name, profiles) if profiles else f"write a table [{name}]"
        raise ConfigurationError(f"{place} has no profile {name!r}: {hint}")
    return str(name)


def _variables(way: str | None) -> dict[str, tuple[str, Any]]:
    """Settings of the environment by key, each with its variable. Those of another way of signing in are left alone."""
    way = os.environ.get(f"{PREFIX}AUTH") or way
    own = next((keys for each, keys in OF_WAY.items() if each == way), frozenset())
    other = frozenset[str]().union(*OF_WAY.values()) - own
    found: dict[str, tuple[str, Any]] = {}
    for key in KEYS:
        variable = PREFIX + key.upper()
        text = os.environ.get(variable, "").strip()
        if text and key not in other:
            found[key] = (variable, {"variable": variable} if key in SECRETS else _typed(key, variable, text))
    return found


def _typed(key: str, variable: str, text: str) -> object:
    if key in _LISTS:
        return [host.strip() for host in text.split(",") if host.strip()]
    if key in _NUMBERS:
        if not text.isdecimal():
            raise ConfigurationError(f"expected a number in {variable}, found {text!r}: correct it")
        return int(text)
    if key in _SWITCHES:
        if text.lower() not in _YES:
            raise ConfigurationError(f"expected yes or no in {variable}, found {text!r}: correct it")
        return _YES[text.lower()]
    return text


def _unread() -> tuple[str, ...]:
    names = {PREFIX + key.upper() for key in KEYS} | {PROFILE_VARIABLE}
    return tuple(
        f"{variable} is not read: {nearest(variable, sorted(names))}"
        for variable in sorted(os.environ)
        if variable.startswith(PREFIX) and variable not in names
    )
