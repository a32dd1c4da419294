"""Where a command prints: results on stdout, everything for the person who watches on stderr."""

import json
from collections.abc import Mapping

from rich.console import Console

# without emoji: a fingerprint with the byte AB in it would be shown with a picture in its place
results = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)


def print_line(text: str) -> None:
    """One line of the result on stdout, never broken: it may be copied from there."""
    results.print(text, markup=False, soft_wrap=True)


def print_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line of stdout, at once."""
    print(json.dumps(value), flush=True)
