"""One HTTP request with everything a signature covers."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec
from starlette.types import Scope

_DEFAULT_PORTS = {"http": ":80", "https": ":443", "ws": ":80", "wss": ":443"}


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it was sent. `url` ends before the question mark and has no default port; header names are in
    lower case; `query` keeps its order and repeated names."""

    method: str
    url: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes = b""

    @classmethod
    def of(cls, scope: Scope, body: bytes = b"") -> "Ask":
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        scheme = scope.get("scheme", "http")
        host = headers.get("host", "").lower().removesuffix(_DEFAULT_PORTS.get(scheme, ""))
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").partition("?")[0]
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        return cls(
            method=scope.get("method", "GET"),
            url=f"{scheme}://{host}{path}",
            query=tuple(query),
            headers=headers,
            body=body,
        )

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()
