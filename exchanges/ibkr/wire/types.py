"""The scalar types that the wire uses in two spellings, and a base for answers that hold secrets."""

from typing import Any

import msgspec

from horizon.net.redaction import MASK, redact

Conid = int | str
"""`756733` in most answers, `"756733"` in secdef/search and portfolio2."""

Number = float | str | None
"""A JSON number, or a text that `mapping` reads; None when the venue left it out."""

Flag = bool | int | str | None
"""`true`, `1` or `"1"`."""


class Private(msgspec.Struct, frozen=True):
    """An answer with a session id or a person's name in it: its repr shows neither."""

    def __repr__(self) -> str:
        return redact(super().__repr__())

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [
            (name, value if redact(shown := f"{name}={value!r}") == shown else MASK)
            for name, value in super().__rich_repr__()
        ]
