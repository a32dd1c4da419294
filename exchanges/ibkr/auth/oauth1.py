"""OAuth 1.0a with an access token from IBKR's portal: no person, no browser, no gateway.

    OAuth1(
        consumer_key="...", access_token="...", access_token_secret="...",
        signature_key=PrivateKey.from_file("private_signature.pem"),
        encryption_key=PrivateKey.from_file("private_encryption.pem"),
        dh=DiffieHellman.from_file("dhparam.pem"),
    )

For first-party users only: the portal gives them the access token and its secret. The steps by which a third party gets
a token of somebody else (`request_token`, `access_token`) are not here.

| step | request                                          | gives                                              |
|------|--------------------------------------------------|----------------------------------------------------|
| 1    | `/v1/api/oauth/live_session_token`, RSA-SHA256   | the live session token, for about a day            |
| 2    | everything else under `/v1/api`, HMAC-SHA256     | the answer, because the token signs the request    |

Step 1 is a sign-in: `exchanges.ibkr.auth.sign_ins` counts it. It is made an hour before the token ends, or when a 401
is shown to `renew`. Whether a 401 means the token at all is for the session to judge: on `/iserver` it can be the
brokerage session, on `/tickle` it means that the sign-in is dead.
Source: reference, section 1.5.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from exchanges.ibkr.auth.diffie_hellman import DiffieHellman, random_exponent
from exchanges.ibkr.auth.keys import PrivateKey
from exchanges.ibkr.auth.live_session_token import LiveSessionToken, Unproven, granted, prepend, request_nonce
from exchanges.ibkr.auth.oauth1_refusals import PATH, already_over, mismatch, problem
from exchanges.ibkr.auth.oauth1_signing import (
    HMAC,
    RSA,
    authorization,
    base_string,
    hmac_signature,
    rsa_signature,
)
from exchanges.ibkr.auth.oauth2_refusals import skew_seconds
from exchanges.ibkr.auth.protocol import Ask, TokenState
from exchanges.ibkr.auth.renewal import Renewal
from exchanges.ibkr.auth.sign_ins import SignIns, sign_ins_directory
from exchanges.ibkr.auth.tokens import HEADER
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, HorizonError, VenueUnavailable
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.net.tls import is_loopback

REALM: Final = "limited_poa"
TEST_CONSUMER: Final = "TESTCONS"
TEST_REALM: Final = "test_realm"
_YOUNG: Final = 60 * NANOSECONDS
_TIMEOUT: Final = 20.0
# Answers of what stands before the venue: nobody was signed in.
_UNAVAILABLE: Final = frozenset({502, 503, 504})

_logger = logging.getLogger(__name__)


class OAuth1:
    """Signs every request with the consumer's own keys. All of them are in IBKR's portal under one consumer key.

    `realm` is `limited_poa`, but `test_realm` for the consumer key TESTCONS. `sign_ins` is a folder that remembers when
    the user was signed in; by default Horizon's own, for a clock that is the machine's.

    Raises ConfigurationError for what can't work, before anything is sent.
    """

    person_signs_in = False

    def __init__(
        self,
        *,
        consumer_key: str,
        access_token: str,
        access_token_secret: str,
        signature_key: PrivateKey,
        encryption_key: PrivateKey,
        dh: DiffieHellman,
        realm: str | None = None,
        sign_ins: Path | None = None,
    ) -> None:
        self._consumer_key = _text("consumer_key", consumer_key)
        self._access_token = _text("access_token", access_token)
        self._access_token_secret = _text("access_token_secret", access_token_secret)
        self._signature_key = _key("signature_key", signature_key)
        self._encryption_key = _key("encryption_key", encryption_key)
        if not isinstance(dh, DiffieHellman):
            raise ConfigurationError(
                f"expected dh= to be DiffieHellman parameters, found {type(dh).__name__}: load them with "
                f"DiffieHellman.from_file(...)"
            )
        self._dh = dh
        self._realm = _realm(self._consumer_key, realm)
        self._directory = sign_ins
        self._sign_ins = SignIns(self._credential, directory=sign_ins)
        self._ask: Ask | None = None
        self._base_url = ""
        self._renewal: Renewal[LiveSessionToken] = Renewal(self._sign_in, next_allowed=self._next_allowed)

    def __repr__(self) -> str:
        return f"OAuth1({self._realm})"

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """Whom to ask for tokens. Raises ConfigurationError for an address without TLS that is not this machine."""
        self._move_to(base_url)
        self._ask = ask
        if self._directory is None:
            self._sign_ins = SignIns(self._credential, directory=sign_ins_directory(base_url, clock))
        self._renewal.bind(clock)

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header that signs one request. It is good once, and for a short time."""
        if not url.startswith(f"{self._base_url}/"):
            # The client was sent to another numbered host; the next live session token is asked for there.
            self._move_to(url)
        token = await self._renewal.current()
        parameters = self._parameters(HMAC, token.nonce())
        parameters["oauth_signature"] = hmac_signature(token.key, base_string(method, url, parameters))
        return {HEADER: authorization(self._realm, parameters)}

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Whether a newer token than the one that signed the refused request is at hand, asked for anew if need be.

        A token that is refused within its first minute is not replaced: the next one would be refused as well.
        """
        newest = self._renewal.newest
        if newest is not None and newest.is_in(refused) and self._renewal.clock.now() - newest.made < _YOUNG:
            return False
        return await self._renewal.renew(refused)

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Ask for a newer token an hour before the present one ends, for as long as this runs."""
        await self._renewal.keep(renewed)

    def token(self) -> TokenState:
        """How the live session token stands."""
        return self._renewal.state()

    def socket_query(self) -> Mapping[str, str]:
        """The access token, as the websocket wants it."""
        return {"oauth_token": self._access_token}

    @property
    def login(self) -> str:
        """A digest that tells this login from others; nothing secret."""
        return self._sign_ins.credential

    def sign_ins_left(self) -> int:
        """How many sign-ins may be made in this hour, whichever program of this user makes them."""
        return self._sign_ins.left(self._renewal.clock.now())

    def next_sign_in(self) -> int:
        """Integer nanoseconds from which on the next one is allowed."""
        return self._next_allowed()

    @property
    def _credential(self) -> str:
        return f"oauth1\n{self._consumer_key}\n{self._access_token}"

    def _next_allowed(self) -> int:
        return self._sign_ins.next_allowed(self._renewal.clock.now())

    def _move_to(self, url: str) -> None:
        address = urlsplit(url)
        if address.scheme != "https" and not is_loopback(address.hostname or ""):
            raise ConfigurationError(
                f"expected an https address to sign requests for, found {address.scheme}://{address.netloc}, where "
                f"everybody on the way could read them: use https://{address.netloc}"
            )
        self._base_url = f"{address.scheme}://{address.netloc}"

    def _parameters(self, signature_method: str, nonce: str) -> dict[str, str]:
        return {
            "oauth_consumer_key": self._consumer_key,
            "oauth_nonce": nonce,
            "oauth_signature_method": signature_method,
            "oauth_timestamp": str(self._renewal.clock.now() // NANOSECONDS),
            "oauth_token": self._access_token,
        }

    async def _sign_in(self, old: LiveSessionToken | None) -> LiveSessionToken:
        """One exchange, whatever it replaces."""
        clock = self._renewal.clock
        prepended = prepend(self._access_token_secret, self._encryption_key)
        exponent = random_exponent()
        parameters = self._parameters(RSA, request_nonce())
        parameters["diffie_hellman_challenge"] = self._dh.challenge(exponent)
        text = base_string("POST", self._base_url + PATH, parameters)
        parameters["oauth_signature"] = rsa_signature(self._signature_key, prepended, text)
        response = await self._send({HEADER: authorization(self._realm, parameters)})
        skew = skew_seconds(response.headers, clock.now())
        refused = problem(response, self._base_url, skew)
        if refused is not None:
            raise refused
        try:
            key, expires = granted(
                response.content,
                parameters=self._dh,
                exponent=exponent,
                prepended=prepended,
                consumer_key=self._consumer_key,
            )
        except Unproven:
            raise mismatch() from None
        except ValueError as error:
            raise VenueUnavailable(
                f"expected a live session token from POST {PATH}, found an answer that is none ({error}): check that "
                f"{self._base_url} is the venue's own address; it is tried again"
            ) from None
        now = clock.now()
        if expires <= now:
            raise already_over((now - expires) / NANOSECONDS, skew)
        return LiveSessionToken(key, now, expires)

    async def _send(self, headers: Mapping[str, str]) -> Response:
        if self._ask is None:
            raise ConfigurationError(
                "expected a way of signing in that a client has bound, found a free one: hand it "
                "to InteractiveBrokers(auth=...)"
            )
        sign_in = self._sign_ins.begin(self._renewal.clock.now())
        try:
            response = await self._ask("POST", PATH, headers=headers, timeout=_TIMEOUT)
        except NotSent as error:
            sign_in.not_sent()
            raise VenueUnavailable(
                f"{self._base_url} can't be reached to sign in ({error.cause}): check the network, then ask again"
            ) from error
        except NoAnswer as error:
            raise VenueUnavailable(
                f"{self._base_url} gave no answer to POST {PATH} ({error.cause}): it is tried again"
            ) from error
        except HorizonError:
            # The client's own limits or the certificate: nothing left.
            sign_in.not_sent()
            raise
        _logger.debug("POST %s -> %d, %d bytes", PATH, response.status, len(response.content))
        if response.status in _UNAVAILABLE:
            sign_in.unavailable()
        return response


def _text(name: str, value: str) -> str:
    # Portals and mails break long values into lines.
    text = "".join(value.split()) if isinstance(value, str) else ""
    if not text or not text.isascii() or not text.isprintable() or '"' in text:
        raise ConfigurationError(
            f"expected {name}= as IBKR's portal shows it, found {'other characters in it' if text else 'nothing'}: "
            f"copy it again"
        )
    return text


def _key(name: str, key: PrivateKey) -> PrivateKey:
    if not isinstance(key, PrivateKey):
        raise ConfigurationError(
            f"expected {name}= to be a PrivateKey, found {type(key).__name__}: load it with PrivateKey.from_file(...)"
        )
    return key


def _realm(consumer_key: str, realm: str | None) -> str:
    expected = TEST_REALM if consumer_key == TEST_CONSUMER else REALM
    if realm not in (None, expected):
        raise ConfigurationError(
            f"expected the realm {expected!r} for this consumer key, found {realm!r}: leave realm= out ({TEST_REALM!r} "
            f"is for {TEST_CONSUMER} only, and {REALM!r} for every other)"
        )
    return expected
