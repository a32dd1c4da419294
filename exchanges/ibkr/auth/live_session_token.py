"""The live session token of OAuth 1.0a: how it is derived, and what the venue must prove (reference, section 1.5).

Both sides know the Diffie-Hellman key K and `prepend` (the access token's secret, decrypted); neither is sent. The
token is HMAC-SHA1(K, prepend), and the venue proves that it has the same one by HMAC-SHA1(token, consumer key).
"""

import base64
import hmac
import secrets
from collections.abc import Mapping
from typing import Final

import msgspec

from exchanges.ibkr.auth.diffie_hellman import DiffieHellman
from exchanges.ibkr.auth.keys import PrivateKey
from exchanges.ibkr.auth.tokens import HEADER, Token
from horizon.errors import ConfigurationError

RENEWED_EARLY: Final = 3600 * 1_000_000_000
_MILLISECOND: Final = 1_000_000
_MARK_BYTES: Final = 4
_NONCE_BYTES: Final = 12


class LiveSessionToken(Token):
    """A token that the venue has proven to share. It signs every request until it expires, and is never sent itself.

    Every nonce begins with the token's mark (its `text`, nothing secret), so that a refused request tells which token
    had signed it.
    """

    __slots__ = ("key",)

    def __init__(self, key: bytes, made: int, expires: int) -> None:
        super().__init__(secrets.token_hex(_MARK_BYTES), made, expires)
        self.key = key
        self.renew_at = expires - min(RENEWED_EARLY, max(expires - made, 0) // 4)

    def __repr__(self) -> str:
        return f"LiveSessionToken([redacted], made={self.made}, expires={self.expires})"

    def nonce(self) -> str:
        """One that was never used before."""
        return self.text + secrets.token_hex(_NONCE_BYTES)

    def is_in(self, headers: Mapping[str, str]) -> bool:
        """Whether it signed the request that carried `headers`."""
        return f'oauth_nonce="{self.text}' in headers.get(HEADER, "")


class Unproven(Exception):
    """The venue's token is another one than ours."""


class _Answer(msgspec.Struct, frozen=True):
    """IBKR's own document names the first field `diffie_hellman_challenge`; the wire says `..._response`."""

    live_session_token_signature: str
    live_session_token_expiration: int
    """Milliseconds since 1970."""
    diffie_hellman_response: str = ""
    diffie_hellman_challenge: str = ""

    def __repr__(self) -> str:
        return "_Answer([redacted])"


_decoder = msgspec.json.Decoder(_Answer, strict=False)


def prepend(access_token_secret: str, encryption_key: PrivateKey) -> bytes:
    """The access token's secret as it was before IBKR encrypted it. Raises ConfigurationError when that can't be.

    A wrong key is not always found here: OpenSSL 3.2 and later answer a wrong padding with random bytes, so that nobody
    learns from it. The venue refuses the signature then.
    """
    try:
        encrypted = base64.b64decode(access_token_secret, validate=True)
    except ValueError:
        raise ConfigurationError(
            "expected access_token_secret= in base64, as IBKR's portal shows it, found something else: copy it again"
        ) from None
    try:
        return encryption_key.decrypt(encrypted)
    except ValueError:
        raise ConfigurationError(
            f"expected an access token secret that the encryption key of {encryption_key.rsa.key_size} bits opens, "
            f"found one of {len(encrypted) * 8} bits that it does not: check that encryption_key= is not the signature "
            f"key, and copy the secret again"
        ) from None


def derived(shared_key: bytes, prepended: bytes) -> bytes:
    """The token that both sides compute."""
    return hmac.digest(shared_key, prepended, "sha1")


def is_proven(token: bytes, consumer_key: str, signature: str) -> bool:
    """Whether the venue, which says `signature`, has the same token."""
    expected = hmac.digest(token, consumer_key.encode(), "sha1").hex()
    return hmac.compare_digest(expected.encode(), signature.strip().lower().encode())


def granted(
    content: bytes, *, parameters: DiffieHellman, exponent: int, prepended: bytes, consumer_key: str
) -> tuple[bytes, int]:
    """The token and when it expires (integer nanoseconds), from the content of a good answer.

    Raises ValueError, with the reason as a clause, for an answer that is none; Unproven when the venue's token is
    another one.
    """
    try:
        answer = _decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ValueError("it is not the documented JSON") from None
    response = (answer.diffie_hellman_response or answer.diffie_hellman_challenge).strip()
    token = derived(parameters.shared_key(exponent, response), prepended)
    if not is_proven(token, consumer_key, answer.live_session_token_signature):
        raise Unproven
    return token, answer.live_session_token_expiration * _MILLISECOND


def request_nonce() -> str:
    """A nonce for the request of a token, which no token signs."""
    return secrets.token_hex(_MARK_BYTES + _NONCE_BYTES)
