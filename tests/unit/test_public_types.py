"""The public types, as a user's type checker sees them: both checkers accept and refuse the same lines."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "tests" / "typing_examples"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Lines = set[tuple[str, int]]


def run(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout


def lines_refused_by_mypy() -> Lines:
    output = run("mypy", "--no-error-summary", "--hide-error-context", str(EXAMPLES.relative_to(ROOT)))
    found = re.findall(r"^(.*?):(\d+): error:", output, re.MULTILINE)
    assert all(Path(name).parent == EXAMPLES.relative_to(ROOT) for name, _ in found), output
    return {(Path(name).name, int(line)) for name, line in found}


def lines_refused_by_pyright() -> Lines:
    report = json.loads(run("pyright", "--outputjson", *map(str, EXAMPLES.glob("*.py"))))
    return {
        (Path(finding["file"]).name, finding["range"]["start"]["line"] + 1)
        for finding in report["generalDiagnostics"]
        if finding["severity"] == "error"
    }


def lines_marked_as_refused() -> Lines:
    return {
        (path.name, number)
        for path in EXAMPLES.glob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.endswith("# refused")
    }


def test_mypy_refuses_exactly_the_marked_lines() -> None:
    assert lines_refused_by_mypy() == lines_marked_as_refused()


def test_pyright_refuses_exactly_the_marked_lines() -> None:
    assert lines_refused_by_pyright() == lines_marked_as_refused()
