"""Typed calls to the Client Portal Web API: one request, one typed answer or one true error.

| what happened                                    | a reading call       | a call with `changes=True`  |
|--------------------------------------------------|----------------------|-----------------------------|
| connection refused                               | VenueUnavailable     | VenueUnavailable            |
| reset, silence, cut off in the middle            | VenueUnavailable     | OutcomeUnknown              |
| 5xx, 423                                         | VenueUnavailable     | OutcomeUnknown              |
| 200 with HTML, nothing, broken or unknown JSON   | WireError            | OutcomeUnknown              |
| 200 or 4xx with an error text                    | Refused(code, text)  | Refused(code, text)         |
| 404 with HTML: a wrong path                      | WireError            | WireError                   |
| 401, a redirection to the login page             | NeedsLogin or what the session says         ||
| 401 to a token that was renewed meanwhile        | sent again once with the new one            ||
| 410: another numbered host is meant              | asked there          | VenueUnavailable     |
| 410 from every host                              | VenueUnavailable     | VenueUnavailable     |
| 403 "Access Denied": not in the gateway's list   | Refused              | Refused                     |
| "no bridge"                                      | BrokerageSessionDown | BrokerageSessionDown        |
| "Please query /accounts first"                   | primed, asked again  | primed, then Refused        |
| 429, or over the request rate                    | RateLimited          | RateLimited                 |

`exchanges.ibkr.wire.errors` says which answer is which.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, get_origin
from urllib.parse import quote

import msgspec

from exchanges.ibkr.auth import Auth, LocalGateway
from exchanges.ibkr.hosts import Hosts
from exchanges.ibkr.rates import limiter as request_limiter
from exchanges.ibkr.wire.errors import Finding, Problem, find_problem
from horizon.clock import Clock
from horizon.errors import (
    BrokerageSessionDown,
    HorizonError,
    NeedsLogin,
    OutcomeUnknown,
    RateLimited,
    Refused,
    SessionError,
    TokenExpired,
    VenueUnavailable,
    WireError,
)
from horizon.net.answer import NoAnswer, NotSent, Response
from horizon.net.rates import Priority, RateLimiter
from horizon.net.redaction import extract
from horizon.net.tls import Trust

if TYPE_CHECKING:
    from horizon.net.http import AsyncTransport

T = TypeVar("T")
Parameters = Mapping[str, str | int | bool]

PREFIX = "/v1/api"
USER_AGENT = "horizon-trading"
# Paths by which the session itself finds out how it stands: asking it about their failure would go round in circles.
SESSION_PATHS = frozenset(
    {"/tickle", "/logout", "/sso/validate", "/iserver/accounts", "/iserver/auth/status", "/iserver/auth/ssodh/init"}
)
_BUSY_SECONDS = 1.0

_logger = logging.getLogger(__name__)
# Decimal prices leave as JSON numbers with exactly their digits.
_encoder = msgspec.json.Encoder(decimal_format="number")


class SessionHooks(Protocol):
    """What the client asks of the session above it."""

    async def prime(self) -> None:
        """Ask for the accounts, as the venue wants it before anything else."""
        ...

    async def explain(self, path: str, text: str) -> SessionError:
        """The error that tells which tier of the session is down, after a 401."""
        ...

    def noticed(self, error: SessionError) -> None:
        """A call found the session down."""
        ...


class Client:
    """Calls under `/v1/api` of one host, for one login. `timeout` is in seconds, for each call.

    `hosts` are others that know the same login: when one answers 410 the next is asked, and asked from then on.
    `limiter` and `transport` take the place of the venue's request rates and of the network.
    """

    def __init__(
        self,
        api_url: str,
        *,
        clock: Clock,
        auth: Auth | None = None,
        trust: Trust | None = None,
        hosts: Sequence[str] = (),
        limiter: RateLimiter | None = None,
        timeout: float = 30.0,
        transport: "AsyncTransport | None" = None,
    ) -> None:
        self.auth: Auth = auth if auth is not None else LocalGateway()
        self.limiter = limiter if limiter is not None else request_limiter(api_url, clock, shared=False)
        self.hooks: SessionHooks | None = None
        self.renewals = 0
        """How often the token was renewed: a 401 to a request that left before the last time says nothing."""
        self.latest: Mapping[str, str] = {}
        """The headers of the latest answer."""
        self.refused: Mapping[str, str] = {}
        """The headers of the latest request that was answered 401: secrets."""
        self._timeout = timeout
        self._answered = False
        self._hosts = Hosts(
            api_url,
            hosts,
            path=PREFIX,
            clock=clock,
            trust=trust,
            headers={"User-Agent": USER_AGENT, "Accept": "*/*"},
            transport=transport,
        )
        self.auth.bind(self.base_url, self._ask, clock)
        self._decoders: dict[Any, msgspec.json.Decoder[Any]] = {}

    @property
    def base_url(self) -> str:
        """The address that is asked now, without a path."""
        return self._hosts.base_url

    async def open(self) -> None:
        """Settle whom to trust. The first call does it otherwise."""
        await self._hosts.open()

    async def close(self) -> None:
        """Close every connection."""
        await self._hosts.close()
        self.limiter.close()

    async def get(
        self,
        path: str,
        answer: type[T],
        *,
        params: Parameters | None = None,
        priority: Priority = Priority.POLLING,
        timeout: float | None = None,
    ) -> T:
        """Read `path` as an `answer`."""
        return await self._call("GET", path, answer, params, None, priority, timeout, False, "")

    async def post(
        self,
        path: str,
        answer: type[T],
        *,
        body: object | None = None,
        params: Parameters | None = None,
        priority: Priority = Priority.POLLING,
        changes: bool = False,
        timeout: float | None = None,
        client_order_id: str = "",
    ) -> T:
        """Post `body` as JSON (`{}` when there is none: the venue refuses a request without a length)."""
        content = b"{}" if body is None else _encoder.encode(body)
        return await self._call("POST", path, answer, params, content, priority, timeout, changes, client_order_id)

    async def delete(
        self,
        path: str,
        answer: type[T],
        *,
        params: Parameters | None = None,
        priority: Priority = Priority.ORDER,
        changes: bool = True,
        timeout: float | None = None,
        client_order_id: str = "",
    ) -> T:
        """Delete `path`; the answer is the venue's acknowledgement."""
        return await self._call("DELETE", path, answer, params, None, priority, timeout, changes, client_order_id)

    async def _ask(
        self,
        method: str,
        target: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Response:
        """One request of a sign-in."""
        seconds = self._timeout if timeout is None else timeout
        path = target.partition("?")[0].removeprefix(PREFIX)
        hosts_left = len(self._hosts) - 1
        while True:
            host = self._hosts.asked
            async with self.limiter.slot(f"{method} {path}", Priority.KEEPALIVE, max_wait=seconds):
                response = await self._hosts.request(
                    host, method, target, content=content, headers=headers, timeout=seconds
                )
            if response.status == HTTPStatus.TOO_MANY_REQUESTS:
                self.limiter.penalize(_retry_after(response))
            if response.status != HTTPStatus.GONE or not hosts_left:
                return response
            self._hosts.next(host)
            hosts_left -= 1

    async def _call(
        self,
        method: str,
        path: str,
        answer: type[T],
        params: Parameters | None,
        content: bytes | None,
        priority: Priority,
        timeout: float | None,
        changes: bool,
        client_order_id: str,
    ) -> T:
        repeated = renewed = False
        hosts_left = len(self._hosts) - 1
        while True:
            renewals, host = self.renewals, self._hosts.asked
            try:
                return await self._once(method, path, answer, params, content, priority, timeout)
            except _NotPrimed as error:
                if path in SESSION_PATHS or repeated or self.hooks is None:
                    raise Refused(error.sentence, code=error.code, text=error.text) from None
                await self.hooks.prime()
                if changes:
                    raise Refused(error.sentence, code=error.code, text=error.text) from None
                repeated = True
            except _SignedOut as error:
                # A 401 is no doubt: nothing was done. It was meant for a token that was renewed on the way.
                if renewed or self.renewals == renewals:
                    raise await self._session_error(path, error.text) from None
                renewed = True
            except _WrongHost as error:
                self._hosts.next(host)
                if changes or not hosts_left:
                    raise self._nowhere(error, hosts_left) from None
                hosts_left -= 1
                _logger.info("%s; asking %s from now on", error, self.base_url)
            except _Doubtful as error:
                if changes:
                    raise OutcomeUnknown(
                        f"{error.sentence}; whether the venue took it is not known: look for the order before sending "
                        f"it again",
                        client_order_id=client_order_id,
                    ) from error.reading
                raise error.reading from None
            except BrokerageSessionDown as error:
                if self.hooks is not None:
                    self.hooks.noticed(error)
                raise

    async def _once(
        self,
        method: str,
        path: str,
        answer: type[T],
        params: Parameters | None,
        content: bytes | None,
        priority: Priority,
        timeout: float | None,
    ) -> T:
        what = f"{method} {path}"
        seconds = self._timeout if timeout is None else timeout
        target = _target(path, params)
        host = self._hosts.asked
        headers = await self.auth.headers(method, self.base_url + target)
        async with self.limiter.slot(what, priority, max_wait=seconds):
            try:
                response = await self._hosts.request(
                    host, method, target, content=content, headers=headers, timeout=seconds
                )
            except NotSent as error:
                raise self._unreached(error) from error
            except NoAnswer as error:
                sentence = f"{what} was not answered ({error.cause})"
                if not self._answered and self.base_url.startswith("http://"):
                    sentence += f" (a gateway that speaks TLS is reached at https{self.base_url[4:]})"
                raise _Doubtful(sentence, VenueUnavailable(f"{sentence}: nothing was changed, ask again")) from error
        self._answered = True
        self.latest = response.headers
        if _logger.isEnabledFor(logging.DEBUG):
            _logger.debug("%s -> %d, %d bytes", what, response.status, len(response.content))
        finding = find_problem(response.status, response.headers.get("location", ""), response.content)
        if finding is not None:
            if finding.problem is Problem.SIGNED_OUT:
                self.refused = headers
            raise self._problem(what, path, response, finding)
        return self._decoded(what, path, answer, response)

    def _decoded(self, what: str, path: str, answer: type[T], response: Response) -> T:
        content = response.content
        decoder = self._decoders.get(answer)
        if decoder is None:
            decoder = self._decoders[answer] = msgspec.json.Decoder(answer)
        try:
            if content[:1] == b"{" and get_origin(answer) is list:
                # An object where the reference has a list of one: both forms exist (secdef/info, advanced rejects).
                content = b"[" + content + b"]"
            decoded: T = decoder.decode(content)
        except msgspec.ValidationError as error:
            raise _unreadable(what, path, f"{error}", content) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _unreadable(what, path, _shape(response, error), content) from error
        return decoded

    def _problem(self, what: str, path: str, response: Response, finding: Finding) -> "Exception":
        """The error of a finding, or an internal one that `_call` turns into it."""
        status, text = response.status, extract(finding.text)
        match finding.problem:
            case Problem.SIGNED_OUT:
                return _SignedOut(text)
            case Problem.NO_BRIDGE:
                return BrokerageSessionDown(
                    f"{what} found no brokerage session (the venue says: {text}): it is opened again by itself"
                )
            case Problem.NOT_PRIMED:
                return _NotPrimed(f"the venue refused {what}: {text}", str(status), finding.text)
            case Problem.PACING:
                seconds = self.limiter.penalize(_retry_after(response))
                return RateLimited(
                    f"{what}: the venue answered 429 ({text or 'no text'}) and refuses every request for "
                    f"{seconds:.0f} s: wait, then ask less often",
                    retry_after=seconds,
                    penalty=True,
                )
            case Problem.WRONG_HOST:
                return _WrongHost(f"{what}: {self.base_url} answered 410 ({text or 'no text'})")
            case Problem.BUSY:
                return RateLimited(f"{what}: {text}", retry_after=_retry_after(response) or _BUSY_SECONDS)
            case Problem.DOWN:
                sentence = f"{what} was answered {status} ({text or 'no text'})"
                return _Doubtful(sentence, VenueUnavailable(f"{sentence}: nothing was changed, ask again later"))
            case Problem.NOT_ADMITTED if self.auth.person_signs_in:
                return Refused(
                    f"{what}: {self.base_url} does not serve the address that this program has (it says: {text}): add "
                    f"that address to ips.allow in the gateway's conf.yaml, then start the gateway again",
                    code=str(status),
                    text=finding.text,
                )
            case Problem.REFUSED | Problem.NOT_ADMITTED:
                return Refused(
                    f"the venue refused {what}: {text or f'status {status}'}", code=str(status), text=finding.text
                )
            case Problem.UNREADABLE:
                found = extract(response.content)
                error = WireError(
                    f"{what}: expected JSON, found status {status} with {finding.text or found!r}",
                    path=path,
                    found=found,
                )
                return _Doubtful(str(error), error) if status < 400 else error

    async def _session_error(self, path: str, text: str) -> SessionError:
        if self.hooks is not None and path not in SESSION_PATHS:
            error = await self.hooks.explain(path, text)
            self.hooks.noticed(error)
            return error
        return self.signed_out(text)

    def signed_out(self, text: str = "") -> SessionError:
        """The error of a login that is gone: where to sign in and until when, or that a new token is needed."""
        said = f" (it says: {text})" if text else ""
        token = self.auth.token()
        if self.auth.person_signs_in:
            action = token.action or f"sign in at {self.base_url} in a browser"
            return NeedsLogin(f"the gateway is not signed in{said}: {action}", action=action, act_until=token.act_until)
        if not token.valid and token.cause:
            return TokenExpired(f"{token.cause}: {token.action or 'it is renewed by itself'}")
        action = token.action or "a newer one is asked for"
        return TokenExpired(f"{self.base_url} does not accept the access token{said}: {action}")

    def _nowhere(self, error: "_WrongHost", hosts_left: int) -> VenueUnavailable:
        if hosts_left:
            return VenueUnavailable(f"{error}; nothing was changed: ask again, {self.base_url} is asked from now on")
        others = f", and so did its {len(self._hosts) - 1} other hosts" if len(self._hosts) > 1 else ""
        return VenueUnavailable(
            f"{error}{others}: nothing was changed; this comes for some minutes after a logout, otherwise name another "
            f"host with hosts="
        )

    def _unreached(self, error: NotSent) -> VenueUnavailable:
        if self.auth.person_signs_in:
            return VenueUnavailable(
                f"no gateway answers at {self.base_url} ({error.cause}): start it, or correct the address"
            )
        return VenueUnavailable(f"{self.base_url} can't be reached ({error.cause}): check the network, then ask again")


class _WrongHost(Exception):
    """410: nothing was done here."""


class _NotPrimed(Exception):
    def __init__(self, sentence: str, code: str, text: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code
        self.text = text


class _SignedOut(Exception):
    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class _Doubtful(Exception):
    """Something may have been changed; `reading` is the error when the call changes nothing."""

    def __init__(self, sentence: str, reading: HorizonError) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reading = reading


def _target(path: str, params: Parameters | None) -> str:
    if not params:
        return PREFIX + path
    # The venue's lists are separated by plain commas.
    pairs = [f"{name}={_text(value)}" for name, value in params.items()]
    return f"{PREFIX}{path}?{'&'.join(pairs)}"


def _text(value: str | int | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(str(value), safe=",:;@")


def _unreadable(what: str, path: str, found: str, content: bytes) -> _Doubtful:
    sentence = f"{what}: expected the documented answer, found {extract(found)}"
    error = WireError(
        f"{sentence}: check that the address is the gateway's own, then ask again", path=path, found=extract(content)
    )
    return _Doubtful(sentence, error)


def _shape(response: Response, error: Exception) -> str:
    """What stands where JSON was expected."""
    content = response.content.strip()
    if not content:
        return f"nothing (status {response.status})"
    if content[:1] == b"<":
        return f"a page of HTML: {extract(content)}"
    return f"broken JSON ({error}): {extract(content)}"


def _retry_after(response: Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isdigit() else None
