"""OAuth 1.0a on the server's side: headers, base strings, Diffie-Hellman and the live session token.

Source: reference sheet 1.5, checked with the vectors recorded beside it.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from urllib.parse import quote, unquote

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from exchanges.ibkr.simulator.asking import Ask
from horizon.errors import ConfigurationError

_PAIR = re.compile(r'\s*([\w.~-]+)="([^"]*)"\s*')
Pairs = Iterable[tuple[str, str]]


class BadHeader(Exception):
    """An Authorization header that is not one of OAuth 1.0a; the text says why."""


class Shown(msgspec.Struct, frozen=True):
    """What an Authorization header holds, percent-decoded once."""

    realm: str
    signature: bytes
    signed: tuple[tuple[str, str], ...]
    """All parameters but the realm and the signature."""

    def get(self, name: str) -> str:
        return dict(self.signed).get(name, "")


def shown(header: str) -> Shown:
    """Read an Authorization header. Raises BadHeader."""
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "oauth":
        raise BadHeader("expected an Authorization header that begins with OAuth")
    found: dict[str, str] = {}
    for part in rest.split(","):
        pair = _PAIR.fullmatch(part)
        if pair is None:
            raise BadHeader(f'expected name="value" pairs, found {part.strip()!r}')
        if pair[1] in found:
            raise BadHeader(f"{pair[1]} came twice")
        found[pair[1]] = unquote(pair[2])
    realm = found.pop("realm", "")
    try:
        signature = base64.b64decode(found.pop("oauth_signature", ""), validate=True)
    except binascii.Error:
        raise BadHeader("oauth_signature is not base64") from None
    return Shown(realm, signature, tuple(found.items()))


def encoded_base_string(method: str, url: str, parameters: Pairs) -> str:
    """As RFC 5849 has it: names and values are percent-encoded, then the joined text is once more."""
    pairs = sorted((_percent(name), _percent(value)) for name, value in parameters)
    return _base_string(method, url, pairs)


def plain_base_string(method: str, url: str, parameters: Pairs) -> str:
    """As IBKR's own examples have it: only the joined text is percent-encoded."""
    return _base_string(method, url, sorted(parameters))


def base_strings(ask: Ask, header: Shown, *, forms: str, query_is_signed: bool) -> list[str]:
    """Every text that the client may have signed, each once."""
    selections = [[*header.signed, *ask.query]]
    if not query_is_signed:
        selections.append(list(header.signed))
    found: dict[str, None] = {}
    for parameters in selections:
        if forms != "plain":
            found[encoded_base_string(ask.method, ask.url, parameters)] = None
        if forms != "encoded":
            found[plain_base_string(ask.method, ask.url, parameters)] = None
    return list(found)


def public_key(pem: str) -> rsa.RSAPublicKey:
    """The RSA key of a registered PEM. Raises ConfigurationError for another kind."""
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, rsa.RSAPublicKey):
        raise ConfigurationError(f"expected an RSA public key to check signatures with, found {type(key).__name__}")
    return key


def is_signed_by(key: rsa.RSAPublicKey, signature: bytes, text: str) -> bool:
    """RSA-SHA256 with PKCS#1 v1.5 padding."""
    try:
        key.verify(signature, text.encode(), padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def is_signed_with(token: bytes, signature: bytes, text: str) -> bool:
    """HMAC-SHA256, keyed by the bytes of a live session token."""
    return hmac.compare_digest(hmac.new(token, text.encode(), hashlib.sha256).digest(), signature)


def live_session_token(shared_secret: int, prepend: bytes) -> bytes:
    """The token both sides compute; its base64 is what clients call the live session token."""
    return hmac.new(_as_java_has_it(shared_secret), prepend, hashlib.sha1).digest()


def token_signature(token: bytes, consumer_key: str) -> str:
    """What shows a client that it computed the same token."""
    return hmac.new(token, consumer_key.encode(), hashlib.sha1).hexdigest()


def _as_java_has_it(number: int) -> bytes:
    """Big-endian two's complement: a zero byte in front exactly when the highest bit would read as a sign."""
    return number.to_bytes(number.bit_length() // 8 + 1, "big")


def _base_string(method: str, url: str, pairs: Pairs) -> str:
    joined = "&".join(f"{name}={value}" for name, value in pairs)
    return "&".join((method, _percent(url), _percent(joined)))


def _percent(text: str) -> str:
    return quote(text, safe="")
