"""The scalar types that the wire uses in two spellings."""

Conid = int | str
"""`756733` in most answers, `"756733"` in secdef/search and portfolio2."""

Number = float | str | None
"""A JSON number, or a text that `mapping` reads; None when the venue left it out."""

Flag = bool | int | str | None
"""`true`, `1` or `"1"`."""
