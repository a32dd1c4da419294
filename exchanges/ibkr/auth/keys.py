"""The RSA private keys that sign for the user. A key is read once and shown nowhere.

PrivateKey.from_file("private_key.pem", passphrase="...")
PrivateKey.from_keyring("ibkr", "signature key")
PrivateKey.from_bytes(pem)
"""

import errno
import os
import re
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from horizon.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

SMALLEST_BITS: Final = 2048
"""Interactive Brokers recommends 3072 for OAuth 2.0 (reference, section 1.2); below 2048 RSA is no protection."""
_LARGEST_FILE: Final = 65_536
_LABEL: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----")
_READABLE: Final = frozenset({b"PRIVATE KEY", b"RSA PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"})
_MAKE_ONE: Final = "`openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out private_key.pem` makes one"
_OTHERS: Final = {
    b"OPENSSH PRIVATE KEY": (
        "a key in OpenSSH's own format",
        "convert a copy of it with `ssh-keygen -p -m PKCS8 -f FILE`",
    ),
    b"EC PRIVATE KEY": ("an elliptic curve key", _MAKE_ONE),
    b"EC PARAMETERS": ("an elliptic curve key", _MAKE_ONE),
    b"DSA PRIVATE KEY": ("a DSA key", _MAKE_ONE),
    b"PUBLIC KEY": ("a public key", "name the private key that belongs to it"),
    b"RSA PUBLIC KEY": ("a public key", "name the private key that belongs to it"),
    b"CERTIFICATE": ("a certificate", "name the private key that belongs to it"),
    b"CERTIFICATE REQUEST": ("a certificate request", "name the private key that belongs to it"),
    b"DH PARAMETERS": ("Diffie-Hellman parameters", "name the private key instead"),
}


class PrivateKey:
    """An RSA private key, from PEM (PKCS#8 or PKCS#1, encrypted or not).

    Every way of making one raises ConfigurationError, in one sentence without a byte of the key.
    """

    __slots__ = ("_rsa",)

    def __init__(self, rsa: "RSAPrivateKey") -> None:
        if rsa.key_size < SMALLEST_BITS:
            raise ConfigurationError(
                f"expected an RSA key of {SMALLEST_BITS} bits or more, found {rsa.key_size}: {_MAKE_ONE}"
            )
        self._rsa = rsa

    def __repr__(self) -> str:
        return f"PrivateKey(rsa {self._rsa.key_size})"

    def __reduce__(self) -> str:
        raise TypeError("a private key is not pickled: load it where it is needed")

    @classmethod
    def from_file(cls, path: str | Path, passphrase: str | bytes | None = None) -> "PrivateKey":
        """The key in a PEM file that only its owner may read; any other file is refused (not on Windows)."""
        return cls(_rsa_key(_file_content(Path(path).expanduser()), passphrase, f"in {str(path)!r}"))

    @classmethod
    def from_bytes(cls, pem: bytes | str, passphrase: str | bytes | None = None) -> "PrivateKey":
        """The key in the content of a PEM file."""
        return cls(_rsa_key(pem.encode() if isinstance(pem, str) else pem, passphrase, "in the given bytes"))

    @classmethod
    def from_keyring(cls, service: str, name: str, passphrase: str | bytes | None = None) -> "PrivateKey":
        """The key whose PEM text the system's keyring keeps under `service` and `name`."""
        return cls(_rsa_key(_keyring_content(service, name), passphrase, f"in the keyring at {service!r}, {name!r}"))

    @property
    def rsa(self) -> "RSAPrivateKey":
        """The key itself, for the library that signs with it."""
        return self._rsa

    def sign(self, data: bytes) -> bytes:
        """The RSA-SHA256 signature of `data` (PKCS#1 v1.5)."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._rsa.sign(data, PKCS1v15(), SHA256())

    def decrypt(self, data: bytes) -> bytes:
        """What was encrypted for this key (PKCS#1 v1.5). Raises ValueError for data of another length."""
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        return self._rsa.decrypt(data, PKCS1v15())


def _file_content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if os.name == "posix" and mode & 0o077:
                raise ConfigurationError(
                    f"expected a private key that only its owner may read, found mode {mode:04o} on {str(path)!r}: run "
                    f"`chmod 600 {shlex.quote(str(path))}`, and make a new key if somebody else may have read this one"
                )
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        found, remedy = _explained(error)
        raise ConfigurationError(
            f"expected a PEM file with a private key at {str(path)!r}, found {found}: {remedy}"
        ) from None
    if len(content) > _LARGEST_FILE:
        raise ConfigurationError(
            f"expected a PEM file with a private key at {str(path)!r}, found a file too large for one: correct the path"
        )
    return content


def _explained(error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "nothing", "correct the path"
    if isinstance(error, IsADirectoryError) or error.errno == errno.EISDIR:
        return "a directory", "name the file in it"
    if isinstance(error, PermissionError):
        return "a file that this user may not read", "run as its owner, or correct the path"
    return error.strerror or type(error).__name__, "correct the path"


def _keyring_content(service: str, name: str) -> bytes:
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigurationError(
            "the keyring support is not installed: run `pip install 'horizon-trading[keyring]'`, or give the key as a "
            "file"
        ) from None
    try:
        found = keyring.get_password(service, name)
    except KeyringError as error:
        raise ConfigurationError(
            f"the system's keyring can't be read ({type(error).__name__}): unlock it, or give the key as a file"
        ) from None
    if not found:
        raise ConfigurationError(
            f"expected a private key in the keyring at {service!r}, {name!r}, found nothing: put its PEM text there "
            f"with `keyring set {shlex.quote(service)} {shlex.quote(name)} < private_key.pem`, or correct the names"
        )
    return found.encode()


def _rsa_key(pem: bytes, passphrase: str | bytes | None, where: str) -> "RSAPrivateKey":
    """The RSA key in `pem`. No cause is chained to an error: the library's texts are not ours to vouch for."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    labels = _LABEL.findall(pem)
    if not _READABLE.intersection(labels):
        found, remedy = _what_else(labels)
        raise ConfigurationError(f"expected an RSA private key as PEM {where}, found {found}: {remedy}")
    encrypted = b"ENCRYPTED PRIVATE KEY" in labels or b"Proc-Type: 4,ENCRYPTED" in pem
    secret = passphrase.encode() if isinstance(passphrase, str) else passphrase
    if encrypted and not secret:
        raise ConfigurationError(f"the private key {where} is encrypted: give its passphrase")
    if secret and not encrypted:
        raise ConfigurationError(
            f"expected an encrypted private key {where}, because a passphrase was given, found one that is not "
            f"encrypted: leave the passphrase out, or encrypt the key with `openssl pkcs8 -topk8 -in KEY -out NEWKEY`"
        )
    key: object = None
    found, remedy = "a damaged one", "export it again"
    try:
        key = load_pem_private_key(pem, secret if encrypted else None)
    except UnsupportedAlgorithm:
        found = "a kind of key or an encryption that is not supported"
    except (ValueError, TypeError):
        if encrypted:
            found, remedy = "one that this passphrase does not open, or that is damaged", "correct the passphrase"
    if isinstance(key, RSAPrivateKey):
        return key
    if key is not None:
        found, remedy = f"another kind of key ({type(key).__name__.removesuffix('PrivateKey')})", _MAKE_ONE
    raise ConfigurationError(f"expected an RSA private key {where}, found {found}: {remedy}")


def _what_else(labels: list[bytes]) -> tuple[str, str]:
    for label in labels:
        if label in _OTHERS:
            return _OTHERS[label]
    if labels:
        return f"{labels[0].decode().lower()!r}", _MAKE_ONE
    return "no PEM block", f"a PEM file begins with -----BEGIN; {_MAKE_ONE}"
