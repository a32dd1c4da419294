"""What the troubleshooting page quotes is what the code says: a sentence that changes there must change here."""

import ast
import re
from pathlib import Path

import horizon.guards

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
ELSEWHERE = ("command not found", "horizon: ", "working    protective order")
"""Said by a shell, or put together from columns."""


def sentences() -> str:
    """Every piece of text in the sources, and the Makefile's."""
    pieces = [(ROOT / "Makefile").read_text(encoding="utf-8")]
    for package in ("horizon", "exchanges", "feeds"):
        for source in sorted((ROOT / package).rglob("*.py")):
            tree = ast.parse(source.read_text(encoding="utf-8"))
            pieces += [n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return "\n".join(pieces).replace("`", "")


def test_every_quoted_sentence_is_one_of_the_codes() -> None:
    said = sentences()
    guards = {value.name for value in vars(horizon.guards).values() if isinstance(getattr(value, "name", None), str)}
    unknown = []
    for row in re.findall(r"^\| (.+?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        for quote in re.findall(r"`([^`]+)`", row):
            for fragment in re.split(r"\.\.\.|\(\.\.\.\)", quote):
                text = fragment.strip(" :()")
                name, colon, rest = text.partition(": ")
                text = rest if colon and name in guards else text
                if text and text not in guards and text not in said and not fragment.startswith(ELSEWHERE):
                    unknown.append(text)
    assert not unknown, f"docs/troubleshooting.md quotes what no source says: {unknown}"
