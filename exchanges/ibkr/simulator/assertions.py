"""Signed JWTs: those of clients, checked against their registered keys, and the simulator's own."""

import json
import secrets
from collections.abc import Mapping
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from exchanges.ibkr.simulator.credentials import OAuth2Client, rsa_key

ALGORITHM = "RS256"
OWN_KEY = "simulator"


class Unacceptable(Exception):
    """A JWT that is not accepted; the text says why, for whoever runs the simulator."""


def claimed(token: str) -> Mapping[str, Any]:
    """What a JWT says, before anything about it is checked."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload or b"")
    except (JoseError, ValueError) as error:
        raise Unacceptable(f"not a JWT: {error}") from None
    if not isinstance(claims, dict):
        raise Unacceptable("the claims are not a JSON object")
    return claims


def verified(token: str, client: OAuth2Client) -> Mapping[str, Any]:
    """The claims of a JWT that the client has signed with the key it names."""
    try:
        key = RSAKey.import_key(client.public_key_pem)
        found = jwt.decode(token.encode(), key, algorithms=[ALGORITHM])
    except (JoseError, ValueError) as error:
        raise Unacceptable(f"signature: {error}") from None
    if found.header.get("kid") != client.key_id:
        raise Unacceptable(f"kid {found.header.get('kid')!r} is not registered for {client.client_id}")
    return found.claims


def check_times(claims: Mapping[str, Any], *, now: float, skew: float, longest: float) -> None:
    """Refuse a JWT that is past, not yet valid, or good for longer than allowed. `iat` need not be there."""
    # The registry counts in whole seconds; a claim that is off by less than one is let pass.
    registry = jwt.JWTClaimsRegistry(now=int(now), leeway=int(skew), exp={"essential": True})
    try:
        registry.validate({name: claims[name] for name in ("exp", "iat", "nbf") if name in claims})
    except JoseError as error:
        raise Unacceptable(f"{error}, the time is {now:.0f}") from None
    if claims["exp"] > now + longest + skew:
        raise Unacceptable(f"exp is more than {longest:.0f} s ahead")


def own_token(claims: Mapping[str, object]) -> str:
    """A JWT of the simulator's own, different each time."""
    key = RSAKey.import_key(rsa_key(OWN_KEY))
    header = {"alg": ALGORITHM, "kid": OWN_KEY}
    return jwt.encode(header, {**claims, "jti": secrets.token_hex(8)}, key, algorithms=[ALGORITHM])
