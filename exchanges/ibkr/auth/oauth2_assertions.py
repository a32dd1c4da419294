"""The two JWTs of an OAuth 2.0 sign-in, signed with the user's key (RS256).

Source: reference, section 1.2 (private_key_jwt; its table of claims, and what clients send that are known to work).
"""

import secrets
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from exchanges.ibkr.auth.keys import PrivateKey

ASSERTION_SECONDS: Final = 60
"""How long an assertion is good for. Clients send 20 to 600 seconds; it is used at once."""
SESSION_SECONDS: Final = 86_400
"""How long the SSO session is asked for: 24 hours, which is the longest a session lasts (section 1.6)."""
SKEW_SECONDS: Final = 10
"""How far in the past a JWT claims to be made, so that a clock which is a little ahead is no reason to refuse it."""


def token_request(key: PrivateKey, *, client_id: str, key_id: str, audience: str, scope: str, seconds: int) -> bytes:
    """The form for the token endpoint. `seconds` is now, since 1970."""
    assertion = _signed(
        key,
        key_id,
        {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": seconds - SKEW_SECONDS,
            "exp": seconds + ASSERTION_SECONDS,
            "jti": secrets.token_urlsafe(16),
        },
    )
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
        "scope": scope,
    }
    return urlencode(form).encode()


def session_request(key: PrivateKey, *, client_id: str, key_id: str, username: str, ip: str, seconds: int) -> bytes:
    """The bare JWT for sso-sessions. `seconds` is now, since 1970."""
    issued = seconds - SKEW_SECONDS
    claims: Mapping[str, str | int] = {
        "ip": ip,
        "credential": username,
        "iss": client_id,
        "iat": issued,
        "exp": issued + SESSION_SECONDS,
    }
    return _signed(key, key_id, claims).encode()


def _signed(key: PrivateKey, key_id: str, claims: Mapping[str, str | int]) -> str:
    # Takes longer to load than the adapter itself: not before somebody signs in this way.
    import jwt

    return jwt.encode(dict(claims), key.rsa, algorithm="RS256", headers={"kid": key_id})
