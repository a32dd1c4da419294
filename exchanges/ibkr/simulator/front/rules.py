"""What the gateway answers by itself, and what it changes in a request that it passes on."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import cycle
from uuid import uuid4

import msgspec

from exchanges.ibkr.simulator.front.http1 import Answer, Head, Headers
from exchanges.ibkr.simulator.front.quirks import Quirk
from exchanges.ibkr.simulator.front.settings import Front

_API, _OLD_API = "/v1/api/", "/v1/portal/"
# The last is the simulator's own: a phone to approve logins on.
_SERVED = (_API, _OLD_API, "/sso/", "/simulated/")
_REAUTHENTICATE = "/v1/api/iserver/reauthenticate"
_LOGIN_PAGE = "/sso/Login?forwardTo=22&RL=1&ip2loc=US"
_HTML: Headers = (("content-type", "text/html"),)
_TEXT: Headers = (("content-type", "text/plain"),)
_JSON: Headers = (("content-type", "application/json; charset=utf-8"),)
_SESSION_COOKIE = "x-sess-uuid"
_NOT_AUTHENTICATED = b'"error":"not authenticated"'

ACCESS_DENIED = Answer(status=403, reason="Forbidden", headers=_TEXT, body=b"Access Denied")
BAD_REQUEST = Answer(status=400, reason="Bad Request")
BAD_GATEWAY = Answer(status=502, reason="Bad Gateway", headers=_TEXT, body=b"upstream gave no answer")
_LENGTH_REQUIRED = Answer(
    status=411, reason="Length Required", headers=_HTML, body=b"<html><body><h1>Length Required</h1></body></html>"
)
_NOT_LOGGED_IN = Answer(status=200, reason="OK", headers=_JSON, body=b'{"error":"not logged in"}')


def is_admitted(address: str, front: Front) -> bool:
    """Whether conf.yaml's `ips` let this address in."""
    if Quirk.IPS not in front.quirks:
        return True
    allowed = any(fnmatchcase(address, pattern) for pattern in front.ips_allow)
    return allowed and not any(fnmatchcase(address, pattern) for pattern in front.ips_deny)


def target_upstream(target: str, front: Front) -> str:
    """Path and query as they are passed on: verbatim, but for the old prefix."""
    if Quirk.PATHS in front.quirks and target.startswith(_OLD_API):
        return _API + target.removeprefix(_OLD_API)
    return target


def own_answer(head: Head, front: Front) -> Answer | None:
    """The answer that the gateway gives without asking upstream; None when it does ask."""
    method, target, _ = head.first
    path = target.partition("?")[0]
    quirks = front.quirks
    if Quirk.REAUTHENTICATE in quirks and path == _REAUTHENTICATE:
        return _NOT_LOGGED_IN
    if Quirk.PATHS in quirks and path == "/":
        return _redirection(_LOGIN_PAGE)
    if Quirk.PATHS in quirks and not path.startswith(_SERVED):
        return _redirection(front.remote + target)
    without_length = head.get("content-length") is None and not head.is_chunked
    if Quirk.LENGTH_REQUIRED in quirks and method == "POST" and without_length:
        return _LENGTH_REQUIRED
    return None


def _redirection(location: str) -> Answer:
    return Answer(status=302, reason="Found", headers=(("location", location),))


class CookieJar:
    """The gateway's own cookies: upstream sees these and never the client's."""

    def __init__(self) -> None:
        self._cookies: dict[str, str] = {}

    def keep(self, answer: Answer) -> Answer:
        """Take over what an answer sets. The venue's edge gives each gateway a name with the first answer."""
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                cookie, _, content = value.partition(";")[0].partition("=")
                self._cookies[cookie.strip()] = content.strip()
        if _SESSION_COOKIE in self._cookies:
            return answer
        self._cookies[_SESSION_COOKIE] = f"0.{uuid4().hex[:16]}"
        told = f"{_SESSION_COOKIE}={self._cookies[_SESSION_COOKIE]}; secure; HttpOnly"
        return msgspec.structs.replace(answer, headers=(*answer.headers, ("set-cookie", told)))

    def header(self) -> Headers:
        """The Cookie header, if there is anything to say."""
        if not self._cookies:
            return ()
        return (("Cookie", "; ".join(f"{name}={value}" for name, value in self._cookies.items())),)


def headers_upstream(headers: Headers, jar: CookieJar, front: Front, upstream: str) -> Headers:
    """Authorization, User-Agent and custom headers pass; `upstream` is the Host where ours binds every interface."""
    changed: dict[str, str | None] = {}
    if front.all_interfaces:
        changed["host"] = upstream
    if Quirk.HEADERS in front.quirks:
        changed |= {"accept-encoding": None, "cookie": None}
    kept = _with(headers, changed)
    return (*kept, *jar.header()) if Quirk.HEADERS in front.quirks else kept


def _with(headers: Headers, changed: Mapping[str, str | None]) -> Headers:
    rows = ((name, changed.get(name.lower(), value)) for name, value in headers)
    return tuple((name, value) for name, value in rows if value is not None)


class UnauthorizedForms:
    """A "not logged in" of upstream, in the three forms in turn in which users have seen it."""

    def __init__(self) -> None:
        self._next = cycle(("empty", "text", "json"))

    def of(self, path: str, answer: Answer) -> Answer:
        """The answer as it leaves."""
        if answer.status != 401 or _NOT_AUTHENTICATED not in answer.body:
            return answer
        reason = "Access Denied" if path.endswith("/sso/validate") else "Unauthorized"
        form = next(self._next)
        if form == "json":
            return Answer(status=401, reason=reason, headers=answer.headers, body=answer.body)
        others = tuple((name, value) for name, value in answer.headers if name.lower() != "content-type")
        if form == "empty":
            return Answer(status=401, reason=reason, headers=others)
        return Answer(status=401, reason=reason, headers=(*others, *_TEXT), body=b"Unauthorized")
