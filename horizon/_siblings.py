"""`horizon`, `exchanges` and `feeds` must come from one folder.

`exchanges` and `feeds` are ordinary words: a folder or file of that name in the place where Python was started comes
first on the import path and would be taken instead of ours, with errors far from the cause.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

SIBLINGS = ("exchanges", "feeds")


def check_siblings(home: Path) -> None:
    """Raise ImportError unless Python would import `exchanges` and `feeds` from the folder `home`."""
    for name in SIBLINGS:
        found = _location(name)
        if found != home / name:
            raise ImportError(_advice(name, found, home), name=name)


def _location(name: str) -> Path | None:
    """Where Python would import the package from; nothing is imported."""
    loaded = sys.modules.get(name)
    spec = loaded.__spec__ if loaded is not None else find_spec(name)
    if spec is None:
        return None
    if spec.submodule_search_locations is None:
        return Path(spec.origin or name)
    # A folder without __init__.py is a namespace package: it has places, but no origin.
    return next((Path(place).resolve() for place in spec.submodule_search_locations), None)


def _advice(name: str, found: Path | None, home: Path) -> str:
    expected = f"expected the package {name!r} at {home / name}, beside 'horizon'"
    if found is None:
        return f"{expected}, but Python finds no such package: install horizon-trading again"
    return (
        f"{expected}, but {found} shadows it: rename it, or start Python in another folder "
        f"(python -P leaves the current folder out of the import path)"
    )
