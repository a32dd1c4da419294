"""OAuth 2.0 with a key of the user's own (private_key_jwt): no person, no browser, no gateway.

    OAuth2(
        client_id="...", key_id="...", key=PrivateKey.from_file("private_key.pem"),
        username="...", ip="203.0.113.7",
    )

| step | request                                        | gives                                             |
|------|------------------------------------------------|---------------------------------------------------|
| A    | an assertion to `/oauth2/api/v1/token`         | an access token, used for B while it is good      |
| B    | a signed JWT to `/gw/api/v1/sso-sessions`      | the bearer for everything under `/v1/api`         |

Only B is a sign-in: `exchanges.ibkr.auth.sign_ins` counts it. After a B that failed without a refusal the next one
begins with A, which costs nothing and shows first that the venue answers.
Source: reference, section 1.2.
"""

import ipaddress
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from exchanges.ibkr.auth.keys import PrivateKey
from exchanges.ibkr.auth.oauth2_answers import granted
from exchanges.ibkr.auth.oauth2_assertions import session_request, token_request
from exchanges.ibkr.auth.oauth2_refusals import SHORT_AUDIENCE, TOLERATED_SKEW, Asked, Step, skew_seconds
from exchanges.ibkr.auth.protocol import Ask, TokenState
from exchanges.ibkr.auth.renewal import Renewal, scattered
from exchanges.ibkr.auth.sign_ins import SignIns, sign_ins_directory
from exchanges.ibkr.auth.tokens import Token, can_be_token
from horizon.clock import NANOSECONDS, Clock
from horizon.errors import ConfigurationError, HorizonError, VenueUnavailable
from horizon.net.answer import NoAnswer, NotSent, Response, TransportError
from horizon.net.tls import is_loopback

SCOPE: Final = "sso-sessions.write"
ATTEMPTS: Final = 3
"""How often one step is tried in a row when nobody can be asked."""
_TIMEOUT: Final = 20.0
_BETWEEN_ATTEMPTS: Final = 1.0
# Answers of what stands before the venue: nobody was signed in.
_UNAVAILABLE: Final = frozenset({502, 503, 504})

_logger = logging.getLogger(__name__)


class OAuth2:
    """Signs in as `username` through a client that is registered at the venue with the public half of `key`.

    `ip` is the public address from which this machine reaches the venue. `audience` is what the venue's token endpoint
    is called in the assertion: both `/token` and its whole address are in use. `sign_ins` is a folder that remembers
    when the user was signed in; by default Horizon's own, for a clock that is the machine's.

    Raises ConfigurationError for what can't work, before anything is sent.
    """

    person_signs_in = False

    def __init__(
        self,
        *,
        client_id: str,
        key_id: str,
        key: PrivateKey,
        username: str,
        ip: str,
        audience: str = SHORT_AUDIENCE,
        scope: str = SCOPE,
        sign_ins: Path | None = None,
    ) -> None:
        if not isinstance(key, PrivateKey):
            raise ConfigurationError(
                f"expected key= to be a PrivateKey, found {type(key).__name__}: load it with PrivateKey.from_file(...)"
            )
        self._key = key
        self._client_id = _text("client_id", client_id)
        self._key_id = _text("key_id", key_id)
        self._username = _text("username", username)
        self._audience = _text("audience", audience)
        self._scope = _text("scope", scope, spaces=True)
        self._ip = _address(ip)
        self._directory = sign_ins
        self._sign_ins = SignIns(self._credential, directory=sign_ins)
        self._access: Token | None = None
        self._told_skew = False
        self._ask: Ask | None = None
        self._asked = Asked(base_url="", audience=self._audience, ip=str(self._ip), username=self._username)
        self._renewal = Renewal(self._sign_in, next_allowed=self._next_allowed)

    def __repr__(self) -> str:
        return f"OAuth2({self._key!r})"

    def bind(self, base_url: str, ask: Ask, clock: Clock) -> None:
        """Whom to ask for tokens. Raises ConfigurationError for an address without TLS that is not this machine."""
        address = urlsplit(base_url)
        if address.scheme != "https" and not is_loopback(address.hostname or ""):
            raise ConfigurationError(
                f"expected an https address to sign in at, found {base_url!r}, where everybody on the way could read "
                f"the tokens: use https://{address.netloc}"
            )
        self._ask = ask
        self._asked = msgspec.structs.replace(self._asked, base_url=base_url)
        if self._directory is None:
            self._sign_ins = SignIns(self._credential, directory=sign_ins_directory(base_url, clock))
        self._renewal.bind(clock)

    async def headers(self, method: str, url: str) -> Mapping[str, str]:
        """The Authorization header with the SSO bearer."""
        return (await self._renewal.current()).headers()

    async def renew(self, refused: Mapping[str, str]) -> bool:
        """Whether a newer bearer than the refused one is at hand, signed in for anew if need be."""
        return await self._renewal.renew(refused)

    async def keep(self, renewed: Callable[[], None]) -> None:
        """Sign in again before the bearer ends, for as long as this runs."""
        await self._renewal.keep(renewed)

    def token(self) -> TokenState:
        """How the bearer stands."""
        return self._renewal.state()

    def socket_query(self) -> Mapping[str, str]:
        """The bearer, as the websocket wants it; nothing before the first sign-in."""
        token = self._renewal.newest
        return {} if token is None else {"bearer_token": token.text}

    def check_ip(self, found: str | None) -> None:
        """Compare with the address that the venue has seen (`IP` of `sso/validate`).

        Raises ConfigurationError when it is another one; an address that is missing or unreadable says nothing.
        """
        try:
            seen = _plain(ipaddress.ip_address((found or "").strip()))
        except ValueError:
            return
        if seen != self._ip:
            raise ConfigurationError(
                f"expected requests to reach the venue from {self._ip}, the ip= of OAuth2, found that it sees them "
                f"come from {seen}: set ip={str(seen)!r}, or leave through the address that was given"
            )

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
        return f"oauth2\n{self._client_id}\n{self._username}"

    def _next_allowed(self) -> int:
        return self._sign_ins.next_allowed(self._renewal.clock.now())

    async def _sign_in(self, old: Token | None) -> Token:
        """Both steps; step A only when its last token is no longer good, or may be withdrawn as the bearer was."""
        clock = self._renewal.clock
        self._sign_ins.check(clock.now())
        # A bearer that is replaced before its time was refused. To find out in step B costs one of two sign-ins.
        was_refused = old is not None and old.renew_at is not None and clock.now() < old.renew_at
        access = None if was_refused else self._access
        reused = access is not None and access.is_good(clock.now())
        if access is None or not reused:
            access = await self._access_token()
        # Kept again below: after a step B without a session, step A shows first that the venue answers.
        self._access = None
        response, asked_at = await self._session(access)
        if response.status == HTTPStatus.UNAUTHORIZED and reused:
            # The access token may have been withdrawn before its time.
            access = await self._access_token()
            response, asked_at = await self._session(access)
        bearer = self._granted(Step.SESSION, response, asked_at)
        self._access = access
        return bearer

    async def _access_token(self) -> Token:
        """Step A, tried again for as long as nobody can be asked."""
        attempt = 1
        while True:
            try:
                return await self._access_token_once()
            except VenueUnavailable:
                if attempt == ATTEMPTS:
                    raise
            await self._renewal.clock.sleep(scattered(_BETWEEN_ATTEMPTS * attempt))
            attempt += 1

    async def _access_token_once(self) -> Token:
        asked_at = self._renewal.clock.now()
        form = token_request(
            self._key,
            client_id=self._client_id,
            key_id=self._key_id,
            audience=self._audience,
            scope=self._scope,
            seconds=asked_at // NANOSECONDS,
        )
        try:
            response = await self._send(Step.TOKEN, form, {"Content-Type": "application/x-www-form-urlencoded"})
        except TransportError as error:
            raise self._unreached(Step.TOKEN, error) from error
        return self._granted(Step.TOKEN, response, asked_at)

    async def _session(self, access: Token) -> tuple[Response, int]:
        """The answer of step B, and when it was asked for. Tried again only while the request surely did not leave."""
        attempt = 1
        while True:
            try:
                return await self._session_once(access)
            except NotSent as error:
                if attempt == ATTEMPTS:
                    raise self._unreached(Step.SESSION, error) from error
            await self._renewal.clock.sleep(scattered(_BETWEEN_ATTEMPTS * attempt))
            attempt += 1

    async def _session_once(self, access: Token) -> tuple[Response, int]:
        asked_at = self._renewal.clock.now()
        content = session_request(
            self._key,
            client_id=self._client_id,
            key_id=self._key_id,
            username=self._username,
            ip=str(self._ip),
            seconds=asked_at // NANOSECONDS,
        )
        sign_in = self._sign_ins.begin(asked_at)
        try:
            response = await self._send(Step.SESSION, content, {**access.headers(), "Content-Type": "application/jwt"})
        except NoAnswer as error:
            raise self._unreached(Step.SESSION, error) from error
        except (NotSent, HorizonError):
            # Nobody there, the client's own limits, or a certificate that is not trusted: nothing left.
            sign_in.not_sent()
            raise
        if response.status in _UNAVAILABLE:
            sign_in.unavailable()
        return response, asked_at

    async def _send(self, step: Step, content: bytes, headers: Mapping[str, str]) -> Response:
        if self._ask is None:
            raise ConfigurationError("expected OAuth2 to be bound to a client: hand it to InteractiveBrokers(auth=...)")
        return await self._ask("POST", step.value, content=content, headers=headers, timeout=_TIMEOUT)

    def _granted(self, step: Step, response: Response, asked_at: int) -> Token:
        now = self._renewal.clock.now()
        token = granted(step, response, self._asked, asked_at=asked_at, now=now)
        skew = skew_seconds(response.headers, now)
        if skew is not None and abs(skew) > TOLERATED_SKEW and not self._told_skew:
            self._told_skew = True
            _logger.warning("this machine's clock and the venue's are %.0f s apart: set it by the network", abs(skew))
        return token

    def _unreached(self, step: Step, error: TransportError) -> VenueUnavailable:
        return VenueUnavailable(
            f"nobody could be signed in at {self._asked.base_url}{step.value} ({error.cause}): check the network; it "
            f"is tried again"
        )


def _text(name: str, text: str, *, spaces: bool = False) -> str:
    shown = text.replace(" ", "") if spaces and isinstance(text, str) else text
    if not isinstance(text, str) or not can_be_token(shown):
        found = "nothing" if text in (None, "") else "something else"
        raise ConfigurationError(
            f"expected {name} as it stands in the venue's registration, without spaces, found {found}: correct {name}"
        )
    return text


def _address(ip: str) -> "ipaddress.IPv4Address | ipaddress.IPv6Address":
    try:
        address = _plain(ipaddress.ip_address(ip.strip()))
    except (ValueError, AttributeError):
        raise ConfigurationError(
            f"expected ip= to be an IP address such as '203.0.113.7', found {ip!r}: give the public address from which "
            f"this machine reaches the venue"
        ) from None
    if address.is_unspecified or address.is_multicast:
        raise ConfigurationError(
            f"expected ip= to be the address of one machine, found {ip!r}: give the public address from which this "
            f"machine reaches the venue"
        )
    return address


def _plain(
    address: "ipaddress.IPv4Address | ipaddress.IPv6Address",
) -> "ipaddress.IPv4Address | ipaddress.IPv6Address":
    """An IPv4 address also when it is written as an IPv6 one."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
