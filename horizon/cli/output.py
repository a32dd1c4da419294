"""Where a command prints: results on stdout, everything for the person who watches on stderr."""

import json
from collections.abc import Mapping

from rich.console import Console

results = Console(highlight=False, soft_wrap=True)
errors = Console(stderr=True, highlight=False)


def print_json(value: Mapping[str, object]) -> None:
    """One JSON object on one line of stdout, at once."""
    print(json.dumps(value), flush=True)
