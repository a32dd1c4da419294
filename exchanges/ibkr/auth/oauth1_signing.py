"""What OAuth 1.0a signs and how the signed header is written (RFC 5849 sections 3.4 to 3.6; reference, section 1.5).

Pure: the caller brings the time, the nonce and the keys. IBKR differs from the RFC in two points: signatures are made
with SHA-256, and the text that is signed for a live session token begins with `prepend`. A JSON body is never signed.
"""

import base64
import hmac
from collections.abc import Mapping
from functools import lru_cache
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from exchanges.ibkr.auth.keys import PrivateKey

RSA: Final = "RSA-SHA256"
HMAC: Final = "HMAC-SHA256"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def percent_encoded(text: str | bytes) -> str:
    """`text` with everything but letters, digits and `-._~` as %XX of its UTF-8 bytes (RFC 3986)."""
    return quote(text, safe="")


def base_string(method: str, url: str, parameters: Mapping[str, str]) -> str:
    """The text that is signed: method, address, and the parameters of query and header, sorted.

    `url` is the whole address with its query as it is sent. A parameter named twice counts twice, sorted by value.
    """
    head, query = _fixed_part(method, url)
    pairs = [*query, *((percent_encoded(name), percent_encoded(value)) for name, value in parameters.items())]
    pairs.sort()
    return head + percent_encoded("&".join([f"{name}={value}" for name, value in pairs]))


def hmac_signature(live_session_token: bytes, text: str) -> str:
    """The HMAC-SHA256 signature of `text`, as base64."""
    return base64.b64encode(hmac.digest(live_session_token, text.encode(), "sha256")).decode()


def rsa_signature(key: PrivateKey, prepend: bytes, text: str) -> str:
    """The RSA-SHA256 signature (PKCS#1 v1.5) of `text` with `prepend` in hexadecimal before it, as base64."""
    return base64.b64encode(key.sign((prepend.hex() + text).encode())).decode()


def authorization(realm: str, parameters: Mapping[str, str]) -> str:
    """The Authorization header: the realm first, which is not signed, then the parameters by name, encoded once."""
    pairs = [f'{name}="{percent_encoded(value)}"' for name, value in sorted(parameters.items())]
    return f'OAuth realm="{realm}", {", ".join(pairs)}'


@lru_cache(maxsize=256)
def _fixed_part(method: str, url: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What does not change from one request to the next of the same kind: polling asks the same again and again."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if ":" in host:
        host = f"[{host}]"
    if parts.port is not None and parts.port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{parts.port}"
    address = f"{parts.scheme}://{host}{parts.path or '/'}"
    query = [pair.partition("=") for pair in parts.query.split("&") if pair]
    return (
        f"{percent_encoded(method.upper())}&{percent_encoded(address)}&",
        tuple((_recoded(name), _recoded(value)) for name, _, value in query),
    )


def _recoded(text: str) -> str:
    """A name or value of a query, decoded as a form is (RFC 5849, 3.4.1.3.1) and encoded as a signature wants it."""
    return percent_encoded(unquote_to_bytes(text.replace("+", " ")))
