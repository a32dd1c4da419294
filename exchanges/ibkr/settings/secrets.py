"""Where a secret of the settings lies, and reading it from there. Secrets are shown nowhere."""

import os
import shlex
import stat
from pathlib import Path
from typing import Final

import msgspec

from horizon.errors import ConfigurationError

_LARGEST: Final = 65_536


class SecretPlace(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a secret lies: one of the three.

    access_token = { keyring = "ibkr/access token" }
    access_token = { variable = "MY_ACCESS_TOKEN" }
    access_token = { file = "~/.config/horizon/access_token" }
    """

    keyring: str | None = None
    """`SERVICE/NAME` in the system's keyring."""
    variable: str | None = None
    file: str | None = None
    """A file that only its owner may read."""

    def __post_init__(self) -> None:
        if len([place for place in (self.keyring, self.variable, self.file) if place]) != 1:
            raise ValueError("expected one of keyring, variable and file")


Secret = str | SecretPlace


def secret_text(name: str, secret: Secret) -> str:
    """The secret itself. ConfigurationError, without it, when it can't be read; `name` is its key in the settings."""
    if isinstance(secret, str):
        found, place = str(secret), "the settings"
    elif secret.variable:
        found, place = os.environ.get(secret.variable, ""), f"the variable {secret.variable}"
    elif secret.file:
        found, place = _of_file(name, Path(secret.file).expanduser()), secret.file
    else:
        found, place = _of_keyring(name, secret.keyring or ""), f"the keyring at {secret.keyring!r}"
    found = found.strip()
    if not found:
        raise ConfigurationError(f"expected {name} in {place}, found nothing: put it there, or correct the settings")
    return found


def keyring_names(name: str, text: str) -> tuple[str, str]:
    """Service and name out of `SERVICE/NAME`."""
    service, slash, entry = text.partition("/")
    if not (service and slash and entry):
        raise ConfigurationError(f'expected {name} to name a keyring entry as "SERVICE/NAME", found {text!r}')
    return service, entry


def refuse_readable_by_others(path: Path, what: str, mode: int) -> None:
    """Raise ConfigurationError, with the chmod to run, for a file with a secret that others may read."""
    if os.name == "posix" and mode & 0o077:
        raise ConfigurationError(
            f"expected {what} in a file that only its owner may read, found mode {mode:04o} on {path}: run "
            f"`chmod 600 {shlex.quote(str(path))}`, and replace the secret if somebody else may have read it"
        )


def _of_file(name: str, path: Path) -> str:
    try:
        with path.open("rb") as file:
            refuse_readable_by_others(path, name, stat.S_IMODE(os.fstat(file.fileno()).st_mode))
            return file.read(_LARGEST).decode("utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"expected {name} in {path}, found no readable file ({error.strerror}): correct the path"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"expected {name} as text in {path}, found something else: correct the path") from None


def _of_keyring(name: str, entry: str) -> str:
    service, user = keyring_names(name, entry)
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigurationError(
            f"{name} lies in the keyring, whose support is not installed: run `pip install 'horizon-trading[keyring]'`"
        ) from None
    try:
        return keyring.get_password(service, user) or ""
    except KeyringError as error:
        raise ConfigurationError(
            f"the system's keyring can't be read for {name} ({type(error).__name__}): unlock it"
        ) from None
