"""The nearest right word to a wrong one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(found: str, valid: Iterable[str]) -> str:
    """`did you mean "paper"?`, or all that would be right when nothing is near."""
    names = list(valid)
    near = get_close_matches(found.lower(), names, n=1, cutoff=0.6) or get_close_matches(found, names, n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else f"use one of {', '.join(names)}"
