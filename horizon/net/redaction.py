"""Text that is fit for a log, an exception or a screen: secrets are cut out, and long text is cut short.

Everything that quotes a venue's answer or a request goes through `redact` or `extract`; headers through
`redact_headers`. Nothing else in Horizon decides what is secret.
"""

import re
from collections.abc import Mapping

MASK = "[redacted]"
EXTRACT_LENGTH = 200

_SECRET_HEADERS = frozenset(
    {"authorization", "cookie", "set-cookie", "proxy-authorization", "x-sess-uuid", "kalshi-access-signature"}
)
_NAMES_OF_SECRETS = (
    "access_token|access_token_secret|assertion|bearer|passphrase|prepend|consumer_key"
    "|refresh_token|id_token|bearer_token|oauth_token|oauth_token_secret|oauth_signature|oauth_verifier"
    "|live_session_token|live_session_token_signature|diffie_hellman_challenge|diffie_hellman_response"
    "|client_assertion|client_secret|consumer_secret|secret|password|passwd|pwd|token|api_key|apikey|private_key"
    "|session|sessionId|session_id|sessionid|x-sess-uuid|credential|MAC|hardware_info"
    # The account holder's name and user name.
    "|accountTitle|displayName|USER_NAME|PAPER_USER_NAME|username|userId|USER_ID|alert_email"
)
_JSON_SECRET = re.compile(
    rf'(?P<key>\\?"(?:{_NAMES_OF_SECRETS})\\?"\s*:\s*)(?P<value>\\?"(?:[^"\\]|\\[^"])*\\?"?|-?\d+)', re.IGNORECASE
)
_PAIR_SECRET = re.compile(
    rf"(?P<key>(?<![\w-])(?:{_NAMES_OF_SECRETS}|api)\s*=\s*)(?P<value>\"[^\"]*\"?|'[^']*'?|[^\s&;,\"'<>]+)",
    re.IGNORECASE,
)
_HEADER_SECRET = re.compile(
    r"(?P<key>(?:authorization|proxy-authorization|cookie|set-cookie|x-sess-uuid)['\"]?\s*:\s*)(?P<value>[^\r\n]+)",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<key>\b(?:bearer|oauth)\s+)(?P<value>[A-Za-z0-9._~+/=-]{8,})", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]*)?")
_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)


def redact(text: str) -> str:
    """`text` without tokens, cookies, session ids, keys and account holders' names, wherever they stand in it."""
    text = _PEM.sub(MASK, text)
    text = _HEADER_SECRET.sub(_masked, text)
    text = _JSON_SECRET.sub(_masked_json, text)
    text = _PAIR_SECRET.sub(_masked, text)
    text = _BEARER.sub(_masked, text)
    return _JWT.sub(MASK, text)


def extract(content: bytes | str, length: int = EXTRACT_LENGTH) -> str:
    """One short redacted line of an answer, for an error's text. Cut after redaction, so that no secret is halved."""
    text = content[: 64 * length].decode("utf-8", "replace") if isinstance(content, bytes) else content[: 64 * length]
    line = " ".join(redact(text).split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that may be shown: the values of secret ones are masked."""
    return {name: MASK if name.lower() in _SECRET_HEADERS else redact(value) for name, value in headers.items()}


def _masked(match: re.Match[str]) -> str:
    return f"{match['key']}{MASK}"


def _masked_json(match: re.Match[str]) -> str:
    return f'{match["key"]}"{MASK}"'
