"""Error envelopes. There is no single one (reference, section 8.2)."""

import msgspec


class ErrorEnvelope(msgspec.Struct, frozen=True):
    """The keys that may hold a refusal at the top level of an answer, whatever its status."""

    error: object = None
    """The venue's text; `null` where an answer has the key as data (what-if, contract rules)."""
    statusCode: int | str | None = None
    """An int on the wire, a string in the published schemas."""
    message: object = None
    detail: object = None
    """`application/problem+json` of the outer endpoints."""
