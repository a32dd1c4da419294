"""Refuse tracked files that name a package registry's host, or a path of one person's machine."""

import re
import subprocess
import sys
from pathlib import Path

# Spelled in pieces, so that this file does not hold what it refuses.
_HOSTS = re.compile(r"\b(?:(?:[a-z0-9-]+\.)?pypi|pythonhosted|registry\.npmjs|registry\.yarnpkg)\.(?:org|com)\b")
_PATHS = re.compile(r"(?<![\w.}-])/(?:work|root|home|Users)/[\w.-]+")
_RULES = {
    _HOSTS: "the host of a package registry; take it out, pip knows where to look",
    _PATHS: "a path that exists on one machine only; make it relative, or take it as an option",
}


def tracked_files(root: Path) -> list[Path]:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True)
    return [root / name for name in listing.stdout.split("\0") if name]


def findings(path: Path) -> list[str]:
    """One line per forbidden name in the file: place, what was found, what to do."""
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, FileNotFoundError):
        return []
    return [
        f"{path}:{number}: {match.group()!r} is {advice}"
        for number, line in enumerate(text.splitlines(), start=1)
        for rule, advice in _RULES.items()
        if (match := rule.search(line))
    ]


def main() -> int:
    root = Path(__file__).resolve().parent.parent
    if not (root / ".git").exists():
        print("not a git checkout, so there is no list of tracked files to read: nothing checked")
        return 0
    found = [line for path in tracked_files(root) for line in findings(path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
