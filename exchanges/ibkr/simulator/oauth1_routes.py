"""OAuth 1.0a at IBKR: a live session token by Diffie-Hellman, and a signature on every other request.

Source: reference sheet 1.5. The real endpoints say no more than 401 to nearly everything that is wrong; `refusals` says
why. Two texts are known from users: a consumer that is not active yet, and an access token without a secret.
"""

import secrets
from collections import deque
from collections.abc import Sequence

import msgspec

from exchanges.ibkr.simulator.access import Endpoint, not_authenticated, require_user_agent
from exchanges.ibkr.simulator.asking import Ask
from exchanges.ibkr.simulator.calls import Refusal
from exchanges.ibkr.simulator.credentials import OAuth1Consumer
from exchanges.ibkr.simulator.oauth1_signatures import (
    BadHeader,
    Shown,
    base_strings,
    is_signed_by,
    is_signed_with,
    live_session_token,
    public_key,
    shown,
    token_signature,
)
from exchanges.ibkr.simulator.session import Session
from exchanges.ibkr.simulator.sso_sessions import INVALID_CONSUMER, SignInRules, SsoSession, SsoSessions
from exchanges.ibkr.simulator.state import State
from horizon.clock import NANOSECONDS

FOLDER = "/v1/api/oauth/"
_EXPONENT_BITS = 256
_KEPT_TOKENS = 8
"""Ended ones too, so that it can be told that one has ended."""


class _Live(msgspec.Struct, frozen=True):
    """A live session token that was agreed on."""

    token: bytes
    session: SsoSession


class SignedAccess:
    """The three token endpoints, and a signature on every other request."""

    has_pages = False
    needs_cookie = True
    hidden = frozenset({"/sso/validate"})

    def __init__(self, state: State, consumers: Sequence[OAuth1Consumer], rules: SignInRules) -> None:
        self._state = state
        self._consumers = {consumer.consumer_key: consumer for consumer in consumers}
        self._keys = {each.consumer_key: public_key(each.signature_public_key_pem) for each in consumers}
        self._rules = rules
        self._sessions = SsoSessions(state, rules)
        self._live: dict[str, list[_Live]] = {consumer.consumer_key: [] for consumer in consumers}
        self._nonces: set[tuple[str, str]] = set()
        self._nonces_by_age: deque[tuple[int, tuple[str, str]]] = deque()
        self._requested: dict[str, str] = {}
        self._verifiers: dict[str, str] = {}
        self.refusals: list[str] = []

    def endpoint(self, method: str, path: str) -> Endpoint | None:
        if method != "POST" or not path.startswith(FOLDER):
            return None
        return {
            "request_token": self._request_token,
            "access_token": self._access_token,
            "live_session_token": self._live_session_token,
        }.get(path.removeprefix(FOLDER))

    def authorise(self, request_token: str) -> str:
        """A person agrees in the browser that the consumer may act for him; returns the verifier that he is shown."""
        if request_token not in self._requested:
            raise ValueError(f"expected a request token that was given out, found {request_token!r}")
        verifier = self._verifiers[request_token] = secrets.token_hex(10)
        return verifier

    def admit(self, ask: Ask) -> Session:
        require_user_agent(ask.headers)
        header, consumer = self._known(ask, "HMAC-SHA256")
        if header.get("oauth_token") != consumer.access_token:
            raise self._refused("unknown access token")
        texts = self._texts(ask, header)
        for live in reversed(self._live[consumer.consumer_key]):
            if any(is_signed_with(live.token, header.signature, text) for text in texts):
                if not live.session.logged_in:
                    raise self._refused("the live session token has ended")
                self._remember_nonce(header, consumer)
                return live.session
        raise self._refused("the signature does not fit")

    def admit_socket(self, ask: Ask) -> Session:
        """A socket shows the access token only; it belongs to the live session token that was agreed on last."""
        require_user_agent(ask.headers)
        token = dict(ask.query).get("oauth_token", "")
        for consumer in self._consumers.values():
            live = self._live[consumer.consumer_key]
            if consumer.access_token == token and live and live[-1].session.logged_in:
                return live[-1].session
        raise self._refused("no live session token for this access token")

    def settle(self) -> None:
        self._sessions.settle()

    def _request_token(self, ask: Ask) -> object:
        header, consumer = self._signed_by_key(ask)
        if header.get("oauth_callback") != "oob":
            raise self._refused("oauth_callback is not oob")
        token = secrets.token_hex(10)
        self._requested[token] = consumer.consumer_key
        return {"oauth_token": token}

    def _access_token(self, ask: Ask) -> object:
        header, consumer = self._signed_by_key(ask)
        token, verifier = header.get("oauth_token"), header.get("oauth_verifier")
        if self._requested.get(token) != consumer.consumer_key:
            raise self._refused("unknown request token")
        if not verifier or self._verifiers.get(token) != verifier:
            raise self._refused("wrong verifier")
        del self._requested[token], self._verifiers[token]
        return {
            "is_paper": self._state.session.is_paper,
            "oauth_token": consumer.access_token,
            "oauth_token_secret": consumer.access_token_secret,
        }

    def _live_session_token(self, ask: Ask) -> object:
        header, consumer = self._signed_by_key(ask, with_prepend=True)
        challenge = _number(header.get("diffie_hellman_challenge"))
        if challenge is None or not 1 < challenge < consumer.dh_prime - 1:
            raise self._refused("diffie_hellman_challenge is no number of the group in hex")
        exponent = self._state.random.getrandbits(_EXPONENT_BITS) | 1
        response = pow(consumer.dh_generator, exponent, consumer.dh_prime)
        token = live_session_token(pow(challenge, exponent, consumer.dh_prime), consumer.prepend)
        session = self._sessions.open(consumer, self._rules.live_session_lifetime)
        live = self._live[consumer.consumer_key]
        live[:] = [*live[-_KEPT_TOKENS:], _Live(token, session)]
        if self._rules.live_session_signature == "wrong":
            token = bytes(len(token))
        return {
            "diffie_hellman_response": f"{response:x}",
            "live_session_token_signature": token_signature(token, consumer.consumer_key),
            "live_session_token_expiration": session.expires // 1_000_000,
        }

    def _signed_by_key(self, ask: Ask, *, with_prepend: bool = False) -> tuple[Shown, OAuth1Consumer]:
        """The header of a request for a token, signed with the consumer's signature key."""
        require_user_agent(ask.headers)
        header, consumer = self._known(ask, "RSA-SHA256")
        prepend = ""
        if with_prepend:
            if header.get("oauth_token") != consumer.access_token:
                text = f"id: 118871, error: LST failed, error: No access secret key found for {consumer.consumer_key}"
                raise self._refused("unknown access token", text)
            prepend = consumer.prepend.hex()
        key = self._keys[consumer.consumer_key]
        if not any(is_signed_by(key, header.signature, prepend + text) for text in self._texts(ask, header)):
            raise self._refused("the signature does not fit")
        self._remember_nonce(header, consumer)
        return header, consumer

    def _known(self, ask: Ask, method: str) -> tuple[Shown, OAuth1Consumer]:
        """The header, and whose it says it is, with all in order but the signature."""
        try:
            header = shown(ask.headers.get("authorization", ""))
        except BadHeader as error:
            raise self._refused(str(error)) from None
        consumer = self._consumers.get(header.get("oauth_consumer_key"))
        if consumer is None or not consumer.active:
            raise self._refused(f"{'unknown' if consumer is None else 'inactive'} consumer", INVALID_CONSUMER)
        if problem := self._problem(header, consumer, method):
            raise self._refused(problem)
        return header, consumer

    def _problem(self, header: Shown, consumer: OAuth1Consumer, method: str) -> str:
        if header.get("oauth_signature_method") != method:
            return f"expected oauth_signature_method {method}, found {header.get('oauth_signature_method')!r}"
        if header.realm != consumer.realm:
            return f"expected realm {consumer.realm}, found {header.realm!r}"
        timestamp, nonce = header.get("oauth_timestamp"), header.get("oauth_nonce")
        if not (timestamp.isascii() and timestamp.isdecimal()):
            return f"oauth_timestamp is no number of seconds: {timestamp!r}"
        off = int(timestamp) - self._state.now() / NANOSECONDS
        if abs(off) > self._rules.timestamp_window:
            return f"oauth_timestamp is off by {off:.0f} s"
        if not nonce.isalnum():
            return f"oauth_nonce is not made of letters and digits: {nonce!r}"
        self._forget_nonces()
        return "oauth_nonce was used before" if (consumer.consumer_key, nonce) in self._nonces else ""

    def _texts(self, ask: Ask, header: Shown) -> list[str]:
        rules = self._rules
        return base_strings(ask, header, forms=rules.base_string, query_is_signed=rules.query_is_signed)

    def _remember_nonce(self, header: Shown, consumer: OAuth1Consumer) -> None:
        """Only of requests that were signed: nobody else can use up a nonce."""
        used = (consumer.consumer_key, header.get("oauth_nonce"))
        self._nonces.add(used)
        self._nonces_by_age.append((self._state.now(), used))

    def _forget_nonces(self) -> None:
        """A request so old is refused by its timestamp, which may have been ahead by a whole window."""
        oldest = self._state.now() - round(2 * self._rules.timestamp_window * NANOSECONDS)
        while self._nonces_by_age and self._nonces_by_age[0][0] < oldest:
            self._nonces.discard(self._nonces_by_age.popleft()[1])

    def _refused(self, why: str, text: str = "") -> Refusal:
        self.refusals.append(why)
        return Refusal(401, {"error": text, "statusCode": 401}) if text else not_authenticated()


def _number(text: str) -> int | None:
    try:
        return int(text, 16)
    except ValueError:
        return None
