"""Diffie-Hellman parameters: what a user's file may look like, and what is refused."""

import base64
import re
from pathlib import Path

import pytest

from exchanges.ibkr.auth import DiffieHellman
from exchanges.ibkr.auth.diffie_hellman import random_exponent, signed_bytes
from horizon.errors import ConfigurationError

# The 1024-bit group of RFC 2409.
PRIME_HEX = (
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404ddef9519b3cd3a431b"
    "302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7edee386bfb5a899fa5ae9f24117c4b1fe6"
    "49286651ece65381ffffffffffffffff"
)
PRIME = int(PRIME_HEX, 16)


def der(tag: int, content: bytes) -> bytes:
    length = len(content)
    head = bytes([length]) if length < 128 else b"\x82" + length.to_bytes(2, "big")
    return bytes([tag]) + head + content


def integer(number: int) -> bytes:
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big", signed=True))


def pem(content: bytes, label: str = "DH PARAMETERS") -> str:
    lines = "\n".join(re.findall(".{1,64}", base64.b64encode(content).decode()))
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


GOOD = pem(der(0x30, integer(PRIME) + integer(2)))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        f"    DH Parameters: (1024 bit)\n    P: 00:ff:...\n{GOOD}",
        pem(der(0x30, integer(PRIME) + integer(2) + integer(225))),
        pem(der(0x30, integer(PRIME) + integer(2) + integer((PRIME - 1) // 2)), "X9.42 DH PARAMETERS"),
    ],
    ids=["dhparam", "windows", "dhparam -text", "with a private length", "X9.42"],
)
def test_a_file_of_parameters_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "dhparam.pem").write_bytes(text.encode())
    found = DiffieHellman.from_file(tmp_path / "dhparam.pem")
    assert (found.prime, found.generator) == (PRIME, 2)
    assert repr(found) == "DiffieHellman(1024 bits)"


@pytest.mark.parametrize(
    "digits",
    [PRIME_HEX, PRIME_HEX.upper(), f"0x{PRIME_HEX}", "00:" + ":\n    ".join(re.findall("..", PRIME_HEX))],
)
def test_a_prime_is_read_from_its_digits(digits: str) -> None:
    assert DiffieHellman.from_hex(digits, 5).prime == PRIME
    assert DiffieHellman.from_hex(digits, 5).generator == 5


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "found no PEM block"),
        ("hello", "found no PEM block"),
        (GOOD.replace("-----END", "----END"), "found no PEM block"),
        (pem(b"x", "RSA PRIVATE KEY"), "found a 'rsa private key'"),
        (pem(b"x", "PUBLIC KEY"), "found a 'public key'"),
        (pem(der(0x30, integer(PRIME))), "found a damaged block"),
        (pem(der(0x30, integer(PRIME) + der(4, b"\x02"))), "found a damaged block"),
        (pem(der(0x31, integer(PRIME) + integer(2))), "found a damaged block"),
        (pem(der(0x30, integer(PRIME) + integer(2))[:-9]), "found a damaged block"),
        (pem(der(0x30, integer(PRIME) + integer(2)) + b"more"), "found a damaged block"),
        (pem(b""), "found a damaged block"),
        (pem(b"\x30"), "found a damaged block"),
        (GOOD.replace("\n", "=\n", 2), "found a damaged block"),
        (pem(der(0x30, integer(PRIME + 1) + integer(2))), "found a number of 1024 bits that is not prime"),
        (pem(der(0x30, integer(PRIME + 2) + integer(2))), "found a number of 1024 bits that is not prime"),
        (pem(der(0x30, integer(-PRIME) + integer(2))), "that is not prime|prime of 1024 to 8192 bits"),
        (pem(der(0x30, integer(2**521 - 1) + integer(2))), "expected a Diffie-Hellman prime of 1024 .* one of 521"),
        (pem(der(0x30, integer(2**9689 - 1) + integer(2))), "prime of 1024 to 8192 bits, found one of 9689"),
        (pem(der(0x30, integer(PRIME) + integer(1))), "generator between 2 and the prime"),
        (pem(der(0x30, integer(PRIME) + integer(PRIME - 1))), "generator between 2 and the prime"),
        (pem(der(0x30, integer(PRIME) + integer(0))), "generator between 2 and the prime"),
    ],
)
def test_a_malformed_file_is_told_in_one_sentence(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "dhparam.pem").write_text(text)
    with pytest.raises(ConfigurationError, match=expected) as raised:
        DiffieHellman.from_file(tmp_path / "dhparam.pem")
    assert "openssl dhparam -outform PEM -out dhparam.pem 2048" in str(raised.value)
    assert "\n" not in str(raised.value)
    with pytest.raises(ConfigurationError, match=expected):
        DiffieHellman.from_bytes(text)


@pytest.mark.parametrize("digits", ["", "xyz", "12 34 g", "-ff"])
def test_digits_that_are_none_are_told(digits: str) -> None:
    with pytest.raises(ConfigurationError, match="in hexadecimal digits, found other characters"):
        DiffieHellman.from_hex(digits)


@pytest.mark.parametrize("name", ["missing.pem", "."])
def test_a_file_that_can_not_be_read_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="found no readable file"):
        DiffieHellman.from_file(tmp_path / name)


def test_both_sides_come_to_the_same_key() -> None:
    parameters = DiffieHellman(PRIME)
    ours, theirs = random_exponent(), random_exponent()
    assert ours != theirs
    assert ours.bit_length() == theirs.bit_length() == 256
    assert parameters.shared_key(ours, parameters.challenge(theirs)) == parameters.shared_key(
        theirs, parameters.challenge(ours)
    )


@pytest.mark.parametrize(
    "response",
    [
        "",
        "0",
        "00",
        "1",
        f"{PRIME - 1:x}",
        f"{PRIME:x}",
        f"{PRIME + 1:x}",
        f"{2 * PRIME + 7:x}",
        "-2",
        "0x2",
        "1_0",
        "٣",
    ],
)
def test_a_response_that_gives_the_key_away_is_refused(response: str) -> None:
    with pytest.raises(ValueError, match="Diffie-Hellman response"):
        DiffieHellman(PRIME).shared_key(random_exponent(), response)


def test_a_generator_of_two_elements_is_refused() -> None:
    # 2**1279 - 1 is prime, and 2 has order 1279 in its group: exponents that are multiples of it give 1.
    with pytest.raises(ConfigurationError, match="generator that hides the key"):
        DiffieHellman(2**1279 - 1).challenge(1279 * 8)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0x7F, "7f"), (0x80, "0080"), (0xFF, "00ff"), (0x100, "0100"), (0x7FFF, "7fff"), (0x8000, "008000")],
)
def test_a_key_begins_with_a_zero_byte_where_java_writes_one(number: int, expected: str) -> None:
    assert signed_bytes(number).hex() == expected
