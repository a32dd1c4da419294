"""User name and password of a sign-in, from where only their owner reads them: never from a command line."""

import os
import shlex
import stat
from pathlib import Path
from typing import Final

from horizon.errors import ConfigurationError
from horizon.net.redaction import MASK

KEYRING_SERVICE: Final = "horizon-ibkr"
_NAMES: Final = ("username", "password")


class Credentials:
    """A user name and a password. Shown nowhere, pickled never."""

    __slots__ = ("password", "username")

    def __init__(self, username: str, password: str) -> None:
        self.username = username
        self.password = password

    def __repr__(self) -> str:
        return "Credentials([redacted])"

    def __reduce__(self) -> str:
        raise TypeError("credentials are not pickled: read them where they are needed")

    def masked(self, text: str) -> str:
        """`text` without them, however much of it they are."""
        for secret in sorted((self.username, self.password), key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text


def credentials_from_file(path: Path) -> Credentials:
    """The user name on the first line of a file, the password on the second.

    Raises ConfigurationError for a file that others can read, or that does not hold two lines.
    """
    file = path.expanduser()
    try:
        with file.open("rb") as content:
            mode = stat.S_IMODE(os.fstat(content.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise ConfigurationError(
                    f"expected credentials that only their owner can read (mode 0600), found mode {mode:04o} on "
                    f"{file}: run `chmod 600 {shlex.quote(str(file))}`, and change the password if somebody else may "
                    f"have read it"
                )
            lines = content.read(4096).decode("utf-8").splitlines()
    except OSError as error:
        raise ConfigurationError(
            f"expected a file with user name and password at {file}: {error.strerror}; correct the path, or make one "
            f"with mode 0600"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"expected credentials as UTF-8 text in {file}, found something else") from None
    found = [line.strip() for line in lines if line.strip()]
    if len(found) != 2:
        raise ConfigurationError(
            f"expected two lines in {file}, the user name and the password, found {len(found)}: correct the file"
        )
    return Credentials(found[0], found[1])


def credentials_from_keyring(service: str = KEYRING_SERVICE) -> Credentials:
    """What the system's keyring keeps under a service as `username` and `password`."""
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigurationError(
            "the keyring support is not installed: run `pip install 'horizon-trading[keyring]'`, or name a file of "
            "mode 0600 with --credentials"
        ) from None
    try:
        found = [keyring.get_password(service, name) for name in _NAMES]
    except KeyringError as error:
        raise ConfigurationError(
            f"the system's keyring can't be read ({type(error).__name__}): unlock it, or name a file of mode 0600 with "
            f"--credentials"
        ) from None
    username, password = found
    if not username or not password:
        missing = " and ".join(name for name, value in zip(_NAMES, found, strict=True) if not value)
        raise ConfigurationError(
            f"expected the sign-in in the keyring at {service!r}, found no {missing}: run `keyring set {service} "
            f"username` and `keyring set {service} password`, or name a file of mode 0600 with --credentials"
        )
    return Credentials(username, password)
