"""The scalar types that the wire uses in two spellings, and a base for answers that hold secrets."""

from collections.abc import Iterator

import msgspec

from horizon.net.redaction import redact

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

    def __rich_repr__(self) -> Iterator[str]:
        yield repr(self)
