"""Diffie-Hellman with the user's own parameters, as the live session token of OAuth 1.0a needs it.

DiffieHellman.from_file("dhparam.pem")          # openssl dhparam -outform PEM -out dhparam.pem 2048

Python's own integers do it: the cryptography library gives up finite-field Diffie-Hellman.
"""

import base64
import re
import secrets
from pathlib import Path
from typing import Final

from horizon.errors import ConfigurationError

SMALLEST_BITS: Final = 1024
_LARGEST_BITS: Final = 8192
_EXPONENT_BITS: Final = 256
_LARGEST_FILE: Final = 65_536
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9. ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----")
_LABELS: Final = frozenset({b"DH PARAMETERS", b"X9.42 DH PARAMETERS"})
_MAKE_ONE: Final = (
    "give the dhparam.pem that was uploaded to IBKR (`openssl dhparam -outform PEM -out dhparam.pem 2048` makes one)"
)
_SEQUENCE, _INTEGER = 0x30, 0x02


class DiffieHellman:
    """A prime and a generator; both sides must use the same ones. Raises ConfigurationError for unfit numbers."""

    __slots__ = ("generator", "prime")

    def __init__(self, prime: int, generator: int = 2) -> None:
        bits = prime.bit_length()
        if not SMALLEST_BITS <= bits <= _LARGEST_BITS:
            raise ConfigurationError(
                f"expected a Diffie-Hellman prime of {SMALLEST_BITS} to {_LARGEST_BITS} bits, found one of {bits}: "
                f"{_MAKE_ONE}"
            )
        # A number that lost a digit on its way is found here; it was not chosen to deceive.
        if prime % 2 == 0 or pow(2, prime - 1, prime) != 1:
            raise ConfigurationError(
                f"expected a Diffie-Hellman prime, found a number of {bits} bits that is not prime: {_MAKE_ONE}"
            )
        if not 1 < generator < prime - 1:
            raise ConfigurationError(
                f"expected a Diffie-Hellman generator between 2 and the prime, found one that is not: {_MAKE_ONE}"
            )
        self.prime = prime
        self.generator = generator

    def __repr__(self) -> str:
        return f"DiffieHellman({self.prime.bit_length()} bits)"

    @classmethod
    def from_file(cls, path: str | Path) -> "DiffieHellman":
        """The parameters in a PEM file (`DH PARAMETERS`)."""
        try:
            with Path(path).expanduser().open("rb") as file:
                content = file.read(_LARGEST_FILE)
        except OSError as error:
            raise ConfigurationError(
                f"expected Diffie-Hellman parameters at {str(path)!r}, found no readable file "
                f"({error.strerror or type(error).__name__}): {_MAKE_ONE}"
            ) from None
        return cls(*_numbers(content, f"at {str(path)!r}"))

    @classmethod
    def from_bytes(cls, pem: bytes | str) -> "DiffieHellman":
        """The parameters in the content of a PEM file."""
        return cls(*_numbers(pem.encode() if isinstance(pem, str) else pem, "in the given bytes"))

    @classmethod
    def from_hex(cls, prime: str, generator: int = 2) -> "DiffieHellman":
        """The parameters from the prime's hexadecimal digits, as `openssl dhparam -text` prints them."""
        digits = "".join(prime.split()).replace(":", "").removeprefix("0x")
        if not re.fullmatch("[0-9a-fA-F]+", digits):
            raise ConfigurationError(
                "expected a Diffie-Hellman prime in hexadecimal digits, found other characters: "
                "copy it from `openssl dhparam -in dhparam.pem -noout -text`"
            )
        return cls(int(digits, 16), generator)

    def challenge(self, exponent: int) -> str:
        """What the other side is told: lower-case hexadecimal digits without a prefix."""
        public = pow(self.generator, exponent, self.prime)
        if not 1 < public < self.prime - 1:
            raise ConfigurationError(
                f"expected a Diffie-Hellman generator that hides the key, found one that gives it away: {_MAKE_ONE}"
            )
        return f"{public:x}"

    def shared_key(self, exponent: int, response: str) -> bytes:
        """What both sides know and nobody else, from the other side's hexadecimal `response`.

        Raises ValueError, with the reason as a clause, for a response that a right one can't be.
        """
        if not re.fullmatch("[0-9a-fA-F]+", response):
            raise ValueError("its Diffie-Hellman response is not a hexadecimal number")
        public = int(response, 16)
        shared = pow(public, exponent, self.prime)
        # 0, 1 and p-1 would make a key that anybody can compute.
        if not (1 < public < self.prime - 1 and 1 < shared < self.prime - 1):
            raise ValueError("its Diffie-Hellman response is not a number that hides the key")
        return signed_bytes(shared)


def random_exponent() -> int:
    """A secret of 256 bits, good for one exchange."""
    return secrets.randbits(_EXPONENT_BITS - 1) | 1 << (_EXPONENT_BITS - 1)


def signed_bytes(number: int) -> bytes:
    """A positive number as Java writes it: big-endian two's complement, with a zero byte before a leading one bit."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _numbers(content: bytes, where: str) -> tuple[int, int]:
    """Prime and generator out of a PEM file, where anything may stand around the block."""
    blocks = _BLOCK.findall(content)
    for label, text in blocks:
        if label in _LABELS:
            try:
                return _decoded(base64.b64decode(b"".join(text.split()), validate=True))
            except ValueError:
                raise ConfigurationError(
                    f"expected Diffie-Hellman parameters {where}, found a damaged block of them: {_MAKE_ONE}"
                ) from None
    found = f"a {blocks[0][0].decode().lower()!r}" if blocks else "no PEM block"
    raise ConfigurationError(f"expected a PEM file with DH PARAMETERS {where}, found {found}: {_MAKE_ONE}")


def _decoded(der: bytes) -> tuple[int, int]:
    """SEQUENCE { prime INTEGER, base INTEGER, ... } (PKCS#3; X9.42 begins in the same way). Raises ValueError."""
    tag, content, rest = _element(der)
    if tag != _SEQUENCE or rest:
        raise ValueError("not one sequence")
    prime_tag, prime, rest = _element(content)
    generator_tag, generator, _ = _element(rest)
    if not prime_tag == generator_tag == _INTEGER:
        raise ValueError("not two integers")
    return int.from_bytes(prime, "big", signed=True), int.from_bytes(generator, "big", signed=True)


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """The tag and content of the first DER element, and what follows it. Raises ValueError when it is cut off."""
    if len(der) < 2:
        raise ValueError("cut off")
    length, start = der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("cut off")
    return der[0], der[start : start + length], der[start + length :]
