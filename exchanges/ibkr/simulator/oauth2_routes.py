"""OAuth 2.0 at IBKR: a signed assertion buys an access token, that an SSO session, and its bearer serves for the rest.

Errors of the two endpoints are problem documents (RFC 9457). Sources: reference sheet 1.2, and the schemas of the two
operations in IBKR's OpenAPI document.
"""

import secrets
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec

from exchanges.ibkr.simulator.access import Endpoint, not_authenticated, require_user_agent
from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.assertions import Unacceptable, check_times, claimed, own_token, verified
from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.credentials import TOKEN_URL, OAuth2Client
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.sso_sessions import SignInRules, SsoSession, SsoSessions
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS

TOKEN_PATH = "/oauth2/api/v1/token"  # noqa: S105 - a path
SESSION_PATH = "/gw/api/v1/sso-sessions"
SESSION_SCOPE = "sso-sessions.write"
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_LONGEST_ASSERTION = 600
_LONGEST_SESSION_REQUEST = 86_400


class Problem(Refusal):
    """A problem document. `why` is not sent: it is for whoever runs the simulator."""

    media_type = "application/problem+json"

    def __init__(self, status: int, title: str, why: str, *, kind: str = "/simple", **rest: object) -> None:
        super().__init__(status, {"type": kind, "title": title, "status": status, **rest})
        self.why = why


class _Grant(msgspec.Struct, frozen=True):
    """An access token that was given out."""

    client: OAuth2Client
    scopes: frozenset[str]
    expires: int


class BearerAccess:
    """Two endpoints at the host's root, and a bearer on every other request."""

    has_pages = False
    needs_cookie = True
    hidden: frozenset[str] = frozenset()

    def __init__(self, state: State, clients: Sequence[OAuth2Client], rules: SignInRules) -> None:
        self._state = state
        self._clients = {client.client_id: client for client in clients}
        self._rules = rules
        self._sessions = SsoSessions(state, rules)
        self._grants: dict[str, _Grant] = {}
        state.expiries.append(self._grants.clear)
        self._bearers: dict[str, SsoSession] = {}
        self.refusals: list[str] = []

    def endpoint(self, method: str, path: str) -> Endpoint | None:
        return {("POST", TOKEN_PATH): self._token, ("POST", SESSION_PATH): self._session}.get((method, path))

    def admit(self, ask: Ask) -> Session:
        require_user_agent(ask.headers)
        return self._of(_bearer(ask))

    def admit_socket(self, ask: Ask) -> Session:
        require_user_agent(ask.headers)
        return self._of(dict(ask.query).get("bearer_token", ""))

    def settle(self) -> None:
        self._sessions.settle()

    def _of(self, bearer: str) -> Session:
        session = self._bearers.get(bearer)
        if session is None or not session.logged_in:
            self.refusals.append(f"{'no' if not bearer else 'unknown' if session is None else 'ended'} bearer")
            raise not_authenticated()
        return session

    def _token(self, ask: Ask) -> object:
        require_user_agent(ask.headers)
        try:
            grant = self._granted(ask)
        except Unacceptable as error:
            raise self._refused(_bad_request(str(error))) from None
        token = own_token(
            {
                "iss": "/token",
                "sub": grant.client.client_id,
                "exp": grant.expires // NANOSECONDS,
                "iat": self._state.seconds(),
                "scope": " ".join(sorted(grant.scopes)),
                "csid": grant.client.client_id,
            }
        )
        self._grants[token] = grant
        return {
            "access_token": token,
            "token_type": "Bearer",
            "scope": " ".join(sorted(grant.scopes)),
            "expires_in": self._rules.access_token_lifetime,
        }

    def _granted(self, ask: Ask) -> _Grant:
        """What the form of a token request is worth."""
        if ask.media_type != "application/x-www-form-urlencoded":
            raise self._refused(_wrong_media_type(ask, "application/x-www-form-urlencoded"))
        form = _form(ask.body)
        for name, expected in (("grant_type", "client_credentials"), ("client_assertion_type", _ASSERTION_TYPE)):
            if form.get(name) != expected:
                raise Unacceptable(f"expected {name}={expected}, found {form.get(name)!r}")
        assertion = form.get("client_assertion", "")
        client = self._client_of(assertion)
        claims = verified(assertion, client)
        if claims.get("sub") != client.client_id:
            raise Unacceptable(f"sub {claims.get('sub')!r} is not iss {client.client_id!r}")
        audiences = claims.get("aud")
        accepted = {*client.audiences, *([ask.url] if TOKEN_URL in client.audiences else [])}
        if not accepted & set(audiences if isinstance(audiences, list) else [audiences]):
            raise Unacceptable(f"aud {audiences!r} is none of {sorted(accepted)}")
        check_times(claims, now=self._now(), skew=self._rules.skew, longest=_LONGEST_ASSERTION)
        scopes = frozenset(form.get("scope", "").split())
        if not scopes or not scopes <= set(client.scopes):
            raise Unacceptable(f"scope {form.get('scope')!r} is not among {client.scopes}")
        lifetime = self._rules.access_token_lifetime * NANOSECONDS
        return _Grant(client, scopes, self._state.now() + lifetime)

    def _client_of(self, assertion: str) -> OAuth2Client:
        issuer = claimed(assertion).get("iss")
        client = self._clients.get(issuer) if isinstance(issuer, str) else None
        if client is None or not client.active:
            raise Unacceptable(f"client {issuer!r} is not {'known' if client is None else 'active'}")
        return client

    def _session(self, ask: Ask) -> object:
        require_user_agent(ask.headers)
        client = self._entitled(ask)
        if ask.media_type != "application/jwt":
            raise self._refused(_wrong_media_type(ask, "application/jwt"))
        self._check_request(ask, client)
        session = self._sessions.open(client, self._rules.sso_lifetime)
        bearer = self._new_bearer(client, session)
        self._bearers[bearer] = session
        answer: dict[str, Any] = {"access_token": bearer, "token_type": "Bearer", "active": True}
        if self._rules.sso_expires_in:
            answer["expires_in"] = round(self._rules.sso_lifetime)
        return answer

    def _entitled(self, ask: Ask) -> OAuth2Client:
        """The client whose access token came with a request for a session."""
        grant = self._grants.get(_bearer(ask))
        if grant is None or self._state.now() >= grant.expires:
            detail = "The access token request is invalid"
            raise self._refused(Problem(401, "Unauthorized", "no good access token", detail=detail))
        if SESSION_SCOPE not in grant.scopes:
            detail = "The access token fails to have sufficient scope"
            raise self._refused(Problem(403, "Forbidden", "scope", detail=detail))
        return grant.client

    def _check_request(self, ask: Ask, client: OAuth2Client) -> None:
        """Refuse a request for a session that is not in order."""
        try:
            claims = dict(verified(ask.body.decode("latin-1").strip(), client))
            missing = [name for name in ("ip", "credential", "iss", "exp", "iat") if claims.get(name) in (None, "")]
            if missing:
                raise self._refused(_missing(missing))
            check_times(claims, now=self._now(), skew=self._rules.skew, longest=_LONGEST_SESSION_REQUEST)
        except Unacceptable as error:
            raise self._refused(_bad_request(str(error))) from None
        expected = {"iss": client.client_id, "credential": client.username, "ip": client.ip}
        wrong = [name for name, value in expected.items() if claims[name] != value]
        if wrong:
            raise self._refused(_invalid(wrong))

    def _new_bearer(self, client: OAuth2Client, session: SsoSession) -> str:
        if self._rules.sso_bearer == "opaque":
            return secrets.token_urlsafe(48)
        seconds = {"iat": self._state.seconds(), "exp": session.expires // NANOSECONDS}
        return own_token({"iss": "/sso", "sub": client.client_id, "credential": client.username, **seconds})

    def _now(self) -> float:
        return self._state.now() / NANOSECONDS

    def _refused(self, problem: Problem) -> Problem:
        self.refusals.append(problem.why)
        return problem


def _bearer(ask: Ask) -> str:
    kind, _, token = ask.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def _form(body: bytes) -> dict[str, str]:
    """The fields of a form; one that comes twice is refused."""
    fields = parse_qs(body.decode("latin-1"), keep_blank_values=True)
    if twice := [name for name, values in fields.items() if len(values) > 1]:
        raise Unacceptable(f"{', '.join(twice)} came more than once")
    return {name: values[0] for name, values in fields.items()}


def _bad_request(why: str) -> Problem:
    return Problem(400, "Bad Request", why)


def _wrong_media_type(ask: Ask, expected: str) -> Problem:
    return Problem(415, "Unsupported Media Type", f"expected {expected}, found {ask.media_type!r}")


def _missing(names: list[str]) -> Problem:
    return Problem(
        400,
        "MissingRequiredParameter",
        f"missing claims: {', '.join(names)}",
        kind="/invalid-argument",
        detail=f"Missing required parameter: {names[0]}",
        invalidArguments=[{"field": name, "description": "Missing required parameter"} for name in names],
    )


def _invalid(names: list[str]) -> Problem:
    return Problem(
        400,
        "Bad Request",
        f"wrong claims: {', '.join(names)}",
        kind="/invalid-argument",
        detail=f"Invalid parameter: {names[0]}",
        invalidArguments=[{"field": name, "description": "Invalid parameter"} for name in names],
    )
